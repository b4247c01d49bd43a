"""Things the CSMS must learn. They are stored as they are; the wording is chosen when sent.

A fact already holds what the settings asked for when it happened: its readings are filtered, its
signed records are there or not, and ``with_key`` says whether the public key goes along. So a fact
sent again after a cut gives the same message.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chargepoint.core.certificates import CertificateId
from chargepoint.core.firmware import FirmwareStatus
from chargepoint.core.logs import LogStatus
from chargepoint.core.model import (
    Authorization,
    Cause,
    ChargingState,
    Fault,
    IdToken,
    Sampled,
    StopReason,
)
from chargepoint.core.profiles_model import Schedule
from chargepoint.core.vehicle import Needs
from meters.model import Reading


class Status(StrEnum):
    """Status of a connector in the finer words of OCPP 1.6; 2.0.1 has fewer."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"
    RESERVED = "Reserved"


@dataclass(frozen=True, slots=True)
class StatusChanged:
    """A connector has another status; ``evse_id`` 0 is the station itself.

    ``vacant``: no vehicle is there, somebody who was authorized may still come.
    """

    evse_id: int
    connector_id: int
    at: datetime
    status: Status
    fault: Fault | None = None
    vacant: bool = False


@dataclass(frozen=True, slots=True)
class TransactionStarted:
    """A transaction has reached its start point.

    ``token`` is None until somebody is authorized. ``begin`` is all the meter said when it began
    to count, None if it has not begun yet, ``samples`` what the settings want of it. ``verdict`` is
    what the station found of a begin that is signed by itself. ``phases`` is how many give energy,
    if known.
    """

    evse_id: int
    connector_id: int
    transaction_id: str
    seq: int
    at: datetime
    cause: Cause
    charging_state: ChargingState
    token: IdToken | None
    begin: Reading | None
    samples: tuple[Sampled, ...] = ()
    remote_start_id: int | None = None
    with_key: bool = False
    verdict: str = ""
    reservation_id: int | None = None
    phases: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionUpdated:
    """Something about a running transaction changed, or a reading of it was due.

    ``token`` is who was authorized by what is told, or who asked for the end. ``begin`` is the
    whole begin reading, where the meter began only after the start point, ``begun_for`` for whom.
    ``begun`` is false as long as it has not. ``authorizes``: ``token`` begins, it does not end.
    """

    evse_id: int
    connector_id: int
    transaction_id: str
    seq: int
    at: datetime
    cause: Cause
    charging_state: ChargingState
    samples: tuple[Sampled, ...] = ()
    with_key: bool = False
    token: IdToken | None = None
    authorizes: bool = False
    remote_start_id: int | None = None
    reservation_id: int | None = None
    begin: Reading | None = None
    begun: bool = True
    begun_for: Authorization | None = None
    verdict: str = ""
    phases: int | None = None


@dataclass(frozen=True, slots=True)
class TransactionEnded:
    """The transaction is over.

    ``begin`` and ``end`` are the whole readings, ``end.signed`` the meter's record whatever the
    settings say, ``verdict`` what the station found of it. ``samples`` is what the settings want in
    the final message, in order of time. ``begin`` is None if the meter never began, ``token`` if
    nobody was authorized. ``missing`` tells why there is no end reading or no
    signed record although there should be one: a word of ``Missing``, a colon, a sentence.
    ``key_once``: only the last of several signed samples carries the public key.
    """

    evse_id: int
    connector_id: int
    transaction_id: str
    seq: int
    at: datetime
    cause: Cause
    reason: StopReason
    charging_state: ChargingState
    token: IdToken | None
    stop_token: IdToken | None
    begin: Reading | None
    end: Reading | None
    samples: tuple[Sampled, ...] = ()
    verdict: str = ""
    missing: str = ""
    with_key: bool = False
    key_once: bool = False


@dataclass(frozen=True, slots=True)
class MeterSampled:
    """A reading outside of any transaction."""

    evse_id: int
    at: datetime
    sampled: Sampled
    with_key: bool = False


@dataclass(frozen=True, slots=True)
class SampleKept:
    """A reading for the final message. Stored with the transaction, never sent by itself."""

    transaction_id: str
    sampled: Sampled


@dataclass(frozen=True, slots=True)
class RecordKept:
    """A signed record of a session that never became a transaction. Stored, never sent by itself.

    It happens if a transaction starts with the energy and the vehicle took none.
    """

    evse_id: int
    transaction_id: str
    reading: Reading
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """Something the security log must hold; ``type`` is a word of the standard's list."""

    type: str
    at: datetime
    info: str = ""


@dataclass(frozen=True, slots=True)
class VariableEvent:
    """A monitor has seen something of a variable, which is named by its address.

    ``trigger`` and ``origin`` are words of core.monitoring, ``cleared`` says that what it alerted
    of is over.
    """

    variable: str
    at: datetime
    trigger: str
    value: str
    monitor_id: int
    origin: str
    severity: int
    cleared: bool = False
    transaction_id: str = ""


class ReservationEnding(StrEnum):
    """Why a reservation ended without being used or cancelled."""

    EXPIRED = "Expired"
    REMOVED = "Removed"  # what was reserved is out of order, or who reserved is to be forgotten


@dataclass(frozen=True, slots=True)
class ReservationEnded:
    """The station gave up a reservation by itself."""

    reservation_id: int
    at: datetime
    ending: ReservationEnding


@dataclass(frozen=True, slots=True)
class ReservationUsed:
    """Who reserved has come. Stored with the reservations, never sent by itself."""

    reservation_id: int


@dataclass(frozen=True, slots=True)
class ChargingLimitSet:
    """Somebody beside the CSMS limits an EVSE, or with 0 the station.

    ``source`` is a word of ChargingLimitSourceEnumType; ``schedule`` is what the settings want
    told of the limit itself.
    """

    evse_id: int
    at: datetime
    source: str
    grid_critical: bool | None = None
    schedule: Schedule | None = None


@dataclass(frozen=True, slots=True)
class ChargingLimitCleared:
    """That limit is gone."""

    evse_id: int
    at: datetime
    source: str


@dataclass(frozen=True, slots=True)
class DataOffered:
    """An extension of a vendor has something to say; ``data`` is JSON, None if there is none."""

    vendor_id: str
    at: datetime
    message_id: str | None = None
    data: str | None = None


@dataclass(frozen=True, slots=True)
class FirmwareProgress:
    """An update is one step further; ``signed``: it came with a certificate and a signature.

    ``request_id`` is None with Idle, and where the version that asked for it has none.
    """

    request_id: int | None
    status: FirmwareStatus
    at: datetime
    signed: bool = True


@dataclass(frozen=True, slots=True)
class LogProgress:
    """The upload of a log is one step further; ``diagnostics``: a GetDiagnostics of OCPP 1.6."""

    request_id: int | None
    status: LogStatus
    at: datetime
    diagnostics: bool = False


@dataclass(frozen=True, slots=True)
class CertificateRequested:
    """A key of the station waits for its certificate; ``use`` is a word of ``certificates.Use``.

    ``number`` counts the requests for this key, from 1.
    """

    use: str
    at: datetime
    csr: str
    number: int = 1


@dataclass(frozen=True, slots=True)
class CertificateStatusDue:
    """What the CSMS knows of a certificate that vehicles are shown is to be asked again.

    ``responder`` is the address that the certificate names for such questions.
    """

    id: CertificateId
    responder: str
    at: datetime


@dataclass(frozen=True, slots=True)
class NeedsStated:
    """A vehicle that talks said what it needs."""

    evse_id: int
    at: datetime
    needs: Needs


@dataclass(frozen=True, slots=True)
class ScheduleChosen:
    """A vehicle that talks chose a schedule, which counts from ``at``."""

    evse_id: int
    at: datetime
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class RecordApart:
    """A signed record that the message about its reading went without: the CSMS had no room for it.

    It is told by itself, after that message.
    """

    evse_id: int
    connector_id: int
    transaction_id: str
    at: datetime
    sampled: Sampled
    with_key: bool = False


Fact = (
    StatusChanged
    | TransactionStarted
    | TransactionUpdated
    | TransactionEnded
    | MeterSampled
    | SampleKept
    | RecordKept
    | SecurityEvent
    | VariableEvent
    | ReservationEnded
    | ReservationUsed
    | ChargingLimitSet
    | ChargingLimitCleared
    | DataOffered
    | FirmwareProgress
    | LogProgress
    | CertificateRequested
    | CertificateStatusDue
    | NeedsStated
    | ScheduleChosen
    | RecordApart
)
