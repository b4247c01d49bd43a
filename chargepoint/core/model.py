"""The values the rules speak about: stages, transactions, the state of one EVSE."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum

from chargepoint.core.tokens import AdditionalInfo as AdditionalInfo  # noqa: PLC0414 - part of the model
from chargepoint.core.tokens import IdToken as IdToken  # noqa: PLC0414 - part of the model
from chargepoint.core.tokens import IdTokenType as IdTokenType  # noqa: PLC0414 - part of the model
from meters.model import Quantity, Reading


class Stage(StrEnum):
    """Where an EVSE stands between a free outlet and a finished session."""

    AVAILABLE = "available"  # nothing plugged, nobody authorized
    AUTHORIZED = "authorized"  # somebody authorized, no vehicle yet; a deadline runs
    PLUGGED = "plugged"  # a vehicle, nobody authorized
    OPENING = "opening"  # both; the begin reading is being taken
    CHARGING = "charging"  # the transaction runs
    CLOSING = "closing"  # power is off; the end reading is being taken
    FINISHED = "finished"  # the transaction is over, the vehicle still there


class StopReason(StrEnum):
    """Why a transaction ended; the words of OCPP 2.0.1 ReasonEnumType that a station here uses."""

    DEAUTHORIZED = "DeAuthorized"
    EMERGENCY_STOP = "EmergencyStop"
    EV_DISCONNECTED = "EVDisconnected"
    IMMEDIATE_RESET = "ImmediateReset"
    LOCAL = "Local"
    MASTER_PASS = "MasterPass"  # noqa: S105 - a word of the standard
    OTHER = "Other"
    POWER_LOSS = "PowerLoss"
    REBOOT = "Reboot"
    REMOTE = "Remote"
    SCHEDULED_RESET = "ScheduledReset"  # 1.6 SoftReset; 2.0.1 has no word of its own
    STOPPED_BY_EV = "StoppedByEV"
    TIMEOUT = "Timeout"
    UNLOCK_COMMAND = "UnlockCommand"


class Cause(StrEnum):
    """What made a fact about a transaction worth telling (OCPP 2.0.1 TriggerReasonEnumType)."""

    ABNORMAL_CONDITION = "AbnormalCondition"
    AUTHORIZED = "Authorized"
    CABLE_PLUGGED_IN = "CablePluggedIn"
    CHARGING_RATE_CHANGED = "ChargingRateChanged"
    CHARGING_STATE_CHANGED = "ChargingStateChanged"
    DEAUTHORIZED = "Deauthorized"
    EV_COMMUNICATION_LOST = "EVCommunicationLost"
    EV_CONNECT_TIMEOUT = "EVConnectTimeout"
    EV_DEPARTED = "EVDeparted"
    EV_DETECTED = "EVDetected"
    METER_CLOCK = "MeterValueClock"
    METER_PERIODIC = "MeterValuePeriodic"
    REMOTE_START = "RemoteStart"
    REMOTE_STOP = "RemoteStop"
    RESET_COMMAND = "ResetCommand"
    SIGNED_DATA_RECEIVED = "SignedDataReceived"
    STOP_AUTHORIZED = "StopAuthorized"
    TRIGGER = "Trigger"
    UNLOCK_COMMAND = "UnlockCommand"


class Point(StrEnum):
    """What a transaction starts or stops with (OCPP 2.0.1 TxStartStopPointEnumType, E01 to E06)."""

    BAY = "ParkingBayOccupancy"
    CONNECTED = "EVConnected"
    AUTHORIZED = "Authorized"
    SIGNED = "DataSigned"  # only to start with
    PATH = "PowerPathClosed"
    ENERGY = "EnergyTransfer"


class ChargingState(StrEnum):
    """What happens between outlet and vehicle (OCPP 2.0.1 ChargingStateEnumType)."""

    IDLE = "Idle"
    EV_CONNECTED = "EVConnected"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"


class Missing(StrEnum):
    """Why a transaction ended without the signed record it should have."""

    UNREACHABLE = "unreachable"  # not given in time; the meter may still hold it
    REFUSED = "refused"  # the meter says that it holds none of this transaction
    DAMAGED = "damaged"  # the meter says that its record is lost
    UNSIGNED = "unsigned"  # the end came, but the meter made no record
    RECOVERED = "recovered"  # it came after the final message had been stored


class Context(StrEnum):
    """Why a reading was taken (OCPP ReadingContext)."""

    BEGIN = "Transaction.Begin"
    CLOCK = "Sample.Clock"
    END = "Transaction.End"
    PERIODIC = "Sample.Periodic"
    TRIGGER = "Trigger"


class Scope(StrEnum):
    """At which level something was made inoperative."""

    STATION = "station"
    EVSE = "evse"
    CONNECTOR = "connector"
    FIRMWARE = "firmware"  # an update waits for its turn, or is being installed


class Source(StrEnum):
    """Who vouched for a token."""

    CSMS = "csms"
    REMOTE = "remote"
    CACHE = "cache"
    LOCAL_LIST = "local_list"
    UNKNOWN_OFFLINE = "unknown_offline"
    NOBODY = "nobody"  # nobody is asked: AuthCtrlr.Enabled is false


@dataclass(frozen=True, slots=True)
class Fault:
    """Something broken; ``error_code`` is a word of OCPP 1.6 ChargePointErrorCode.

    One that does not block is a warning: it is told and energy goes on. ``connector_id`` is where,
    0 the whole EVSE.
    """

    error_code: str
    info: str = ""
    vendor_error_code: str = ""
    blocks: bool = True
    connector_id: int = 0

    def concerns(self, connector_id: int) -> bool:
        """Whether it is told of this connector."""
        return self.connector_id in {0, connector_id}


# What the station itself finds when a contactor or limit order, or one to a lock, is not confirmed.
POWER_SWITCH_FAILURE = "PowerSwitchFailure"
CONNECTOR_LOCK_FAILURE = "ConnectorLockFailure"
# What it finds when nothing can be stored.
STORE_FAILURE = "InternalError"
STORE_FAILURE_VENDOR = "StateStoreFailure"


@dataclass(frozen=True, slots=True)
class Text:
    """Something for a person to read; ``format`` is a word of OCPP 2.0.1 MessageFormatEnumType."""

    content: str
    format: str = "UTF8"
    language: str = ""


@dataclass(frozen=True, slots=True)
class Authorization:
    """Somebody may charge: who, of which group, vouched for by whom, on which reservation.

    ``personal_message`` is what the CSMS wants this person to read, as a rule the tariff,
    ``languages`` in which ones this person would rather read, best first (tags of RFC 5646).
    """

    token: IdToken
    source: Source
    group: IdToken | None = None
    remote_start_id: int | None = None
    reservation_id: int | None = None
    personal_message: Text | None = None
    languages: tuple[str, ...] = ()

    @property
    def cause(self) -> Cause:
        """What a transaction that starts with it names as its reason."""
        return Cause.REMOTE_START if self.source is Source.REMOTE else Cause.AUTHORIZED


@dataclass(frozen=True, slots=True)
class Sampled:
    """A reading with the reason why it was taken and the measurands that the settings asked for."""

    reading: Reading
    context: Context
    measurands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Final:
    """What the meter gave at the end of a session, until the transaction is over too.

    ``kept`` are the readings kept for the final message, ``missing`` as in TransactionEnded.
    """

    reading: Reading | None
    verdict: str = ""
    missing: str = ""
    kept: tuple[Sampled, ...] = ()


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction from its start point, or the begin reading if that comes first, to its end.

    ``authorization`` and ``begin`` are None until somebody is authorized and the meter has begun.
    ``next_seq`` is the sequence number of the next fact about it, from 0 without a gap: 0 means
    that nothing was told of it yet. ``stop_reason`` and ``stop_token`` say what began its end,
    ``stop_cause`` and ``stopped_at`` are set once a stop point is reached. ``charging_state`` and
    ``phases`` are what was told last.
    """

    transaction_id: str
    started_at: datetime
    authorization: Authorization | None
    begin: Reading | None
    next_seq: int = 0
    stop_reason: StopReason | None = None
    stop_cause: Cause | None = None
    stop_token: IdToken | None = None
    stopped_at: datetime | None = None
    final: Final | None = None
    charging_state: ChargingState | None = None
    phases: int | None = None

    @property
    def told(self) -> bool:
        """Whether the CSMS was told that it has started."""
        return self.next_seq > 0


@dataclass(frozen=True, slots=True)
class EvseState:
    """Everything about one EVSE that must survive a power cut.

    ``limit_a`` is the current offered per phase, None without a limit, 0 for a pause. ``opening``
    is the id of the transaction whose begin reading is being taken. ``denied_from_wh`` is the
    register value at which the energy ends, if the token was refused and some more is granted.
    ``inoperative`` is about the whole EVSE, ``closed`` about single connectors of it.
    ``reserved_for`` are the reservations that may be used here; if there are any, nobody else may
    begin. ``bay``: a vehicle stands here. ``locked``: the cable is held in the socket; ``held`` is
    who may have it back.
    """

    evse_id: int
    stage: Stage = Stage.AVAILABLE
    connector_id: int = 1
    plugged: bool = False
    ev_ready: bool = False
    authorization: Authorization | None = None
    opening: str = ""
    transaction: Transaction | None = None
    denied: bool = False
    limit_a: Decimal | None = None
    deadline: datetime | None = None
    faults: tuple[Fault, ...] = ()
    inoperative: frozenset[Scope] = frozenset()
    denied_from_wh: Decimal | None = None
    closed: frozenset[int] = frozenset()
    reserved_for: tuple[int, ...] = ()
    bay: bool = False
    locked: bool = False
    held: Authorization | None = None

    @property
    def operative(self) -> bool:
        """Whether new sessions may begin, as far as the EVSE and the station are concerned."""
        return not self.inoperative

    @property
    def powered(self) -> bool:
        """Whether the contactor may be closed: only while charging, with nothing against it."""
        charging = self.stage is Stage.CHARGING
        return charging and self.plugged and not self.denied and not self.faulted

    @property
    def faulted(self) -> bool:
        """Whether a fault forbids energy where the vehicle is."""
        return any(fault.blocks and fault.concerns(self.connector_id) for fault in self.faults)

    @property
    def charging_state(self) -> ChargingState:
        """What happens between outlet and vehicle. If both pause, the EVSE's pause is told."""
        if not self.plugged:
            return ChargingState.IDLE
        if self.stage is not Stage.CHARGING:
            return ChargingState.EV_CONNECTED
        if not self.powered or self.limit_a == 0:
            return ChargingState.SUSPENDED_EVSE
        return ChargingState.CHARGING if self.ev_ready else ChargingState.SUSPENDED_EV

    def granted_up_to(self, reading: Reading) -> bool:
        """Whether a refused token has got with this reading what was still granted to it."""
        energy = reading.value(Quantity.ENERGY_IMPORT)
        if self.denied or self.denied_from_wh is None or energy is None:
            return False
        return energy >= self.denied_from_wh

    @property
    def authorized(self) -> bool:
        """Whether somebody may charge here now, from the token to what ends it."""
        return self.stage in {Stage.AUTHORIZED, Stage.OPENING, Stage.CHARGING}

    @property
    def metering(self) -> bool:
        """Whether the meter counts for somebody, from the begin reading to the end reading."""
        return self.stage in {Stage.OPENING, Stage.CHARGING, Stage.CLOSING}

    @property
    def told(self) -> bool:
        """Whether a transaction runs of which the CSMS knows."""
        return self.transaction is not None and self.transaction.told

    @property
    def running(self) -> Transaction | None:
        """The transaction that the CSMS knows and that has reached no stop point yet."""
        transaction = self.transaction
        if transaction is None or not transaction.told or transaction.stop_cause is not None:
            return None
        return transaction

    @property
    def busy(self) -> bool:
        """Whether anything runs that a restart would cut off."""
        return self.metering or self.told


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings that the rules of one EVSE depend on, as they are at this moment.

    ``fresh_id`` is a transaction id never used before, so that ``advance`` stays pure.
    ``connectors`` is how many the EVSE has, numbered from 1; ``sockets`` are those of them whose
    cable the driver brings, so that it is locked. ``reading`` is what the meter said last, None if
    that is too old to be the present.
    """

    fresh_id: str
    charge_point: str = ""
    tls: bool = False
    connection_timeout: timedelta = timedelta(seconds=60)
    stop_on_ev_disconnect: bool = True
    resume_after_power_loss: bool = False
    stop_on_meter_failure: bool = False
    started_measurands: tuple[str, ...] = ()
    updated_measurands: tuple[str, ...] = ()
    aligned_measurands: tuple[str, ...] = ()
    ended_measurands: tuple[str, ...] = ()
    aligned_ended_measurands: tuple[str, ...] = ()
    sign_started: bool = False
    sign_updated: bool = False
    sign_aligned: bool = False
    sign_ended: bool = False
    sign_aligned_ended: bool = False
    key_started: bool = False
    key_updated: bool = False
    key_ended: bool = False
    key_once: bool = False
    tariff_text: str = ""
    connectors: int = 1
    tariff_shown: bool = True
    start_points: frozenset[Point] = frozenset({Point.PATH})
    stop_points: frozenset[Point] = frozenset({Point.AUTHORIZED})
    unlock_on_ev_disconnect: bool = True
    sockets: frozenset[int] = frozenset()
    reading: Reading | None = None
