"""Facts as a session leaves them, for tests of what keeps and what tells them."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

from fake_clock import START
from fake_meter import KEY

from chargepoint.core.certificates import CertificateId, HashAlgorithm
from chargepoint.core.facts import (
    CertificateRequested,
    CertificateStatusDue,
    ChargingLimitCleared,
    ChargingLimitSet,
    DataOffered,
    FirmwareProgress,
    LogProgress,
    MeterSampled,
    NeedsStated,
    RecordApart,
    ReservationEnded,
    ReservationEnding,
    SampleKept,
    ScheduleChosen,
    SecurityEvent,
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VariableEvent,
)
from chargepoint.core.firmware import FirmwareStatus
from chargepoint.core.logs import LogStatus
from chargepoint.core.model import (
    Cause,
    ChargingState,
    Context,
    Fault,
    IdToken,
    Sampled,
    StopReason,
)
from chargepoint.core.profiles_model import Period, Schedule, Unit
from chargepoint.core.vehicle import DcNeeds, EnergyTransfer, Needs
from meters.model import Quantity, Reading, Sample, SignedReading

TOKEN = IdToken("04A1B2C3D4")
ENERGY = ("Energy.Active.Import.Register",)
RECORD = SignedReading(b'OCMF|{"TT":"<=>"}|{"SD":"00"}', public_key=KEY)

LIMIT = Schedule(Unit.AMPERE, (Period(0, Decimal("10.5")),), start=START)


def reading(energy: str = "1000", *, signed: SignedReading | None = None) -> Reading:
    return Reading(START, (Sample(Quantity.ENERGY_IMPORT, Decimal(energy)),), signed)


def status(word: Status = Status.PREPARING, evse_id: int = 1, **more: Any) -> StatusChanged:
    return StatusChanged(evse_id, 1, START, word, **more)


def started(transaction_id: str = "T1", **more: Any) -> TransactionStarted:
    return TransactionStarted(
        **{
            "evse_id": 1,
            "connector_id": 1,
            "transaction_id": transaction_id,
            "seq": 0,
            "at": START,
            "cause": Cause.AUTHORIZED,
            "charging_state": ChargingState.EV_CONNECTED,
            "token": TOKEN,
            "begin": reading(),
            "samples": (Sampled(reading(), Context.BEGIN, ENERGY),),
            **more,
        }
    )


def updated(transaction_id: str = "T1", seq: int = 1, **more: Any) -> TransactionUpdated:
    return TransactionUpdated(
        **{
            "evse_id": 1,
            "connector_id": 1,
            "transaction_id": transaction_id,
            "seq": seq,
            "at": START,
            "cause": Cause.METER_PERIODIC,
            "charging_state": ChargingState.CHARGING,
            "samples": (Sampled(reading("1500"), Context.PERIODIC, ENERGY),),
            **more,
        }
    )


def ended(transaction_id: str = "T1", seq: int = 1, **more: Any) -> TransactionEnded:
    end = reading("9000.125", signed=RECORD)
    return TransactionEnded(
        **{
            "evse_id": 1,
            "connector_id": 1,
            "transaction_id": transaction_id,
            "seq": seq,
            "at": START + timedelta(hours=1),
            "cause": Cause.STOP_AUTHORIZED,
            "reason": StopReason.LOCAL,
            "charging_state": ChargingState.EV_CONNECTED,
            "token": TOKEN,
            "stop_token": TOKEN,
            "begin": reading(),
            "end": end,
            "samples": (
                Sampled(reading(), Context.BEGIN, ENERGY),
                Sampled(end, Context.END, ENERGY),
            ),
            "verdict": "valid",
            "with_key": True,
            **more,
        }
    )


def idle_sample(energy: str = "500") -> MeterSampled:
    return MeterSampled(1, START, Sampled(reading(energy), Context.CLOCK, ENERGY))


def kept(transaction_id: str = "T1", energy: str = "1200") -> SampleKept:
    return SampleKept(transaction_id, Sampled(reading(energy), Context.PERIODIC, ENERGY))


def security(info: str = "") -> SecurityEvent:
    return SecurityEvent("StartupOfTheDevice", START, info)


def variable_event(**more: Any) -> VariableEvent:
    return VariableEvent(
        **{
            "variable": "EVSE[1].Problem",
            "at": START,
            "trigger": "Delta",
            "value": "true",
            "monitor_id": 3,
            "origin": "HardWiredNotification",
            "severity": 4,
            **more,
        }
    )


ALL = (
    status(fault=Fault("OtherError", "info", "vendor")),
    started(),
    updated(),
    ended(),
    idle_sample(),
    security("PowerUp"),
    variable_event(transaction_id="T1", cleared=True),
    ReservationEnded(7, START, ReservationEnding.EXPIRED),
    ChargingLimitSet(1, START, "EMS", grid_critical=True, schedule=LIMIT),
    ChargingLimitCleared(0, START, "SO"),
    DataOffered("com.example", START, "Hello", '{"a":1}'),
    FirmwareProgress(7, FirmwareStatus.INSTALLED, START),
    LogProgress(7, LogStatus.UPLOADED, START),
    CertificateRequested("ChargingStationCertificate", START, "csr"),
    CertificateStatusDue(
        CertificateId(HashAlgorithm.SHA256, "0a", "0b", "1"), "http://ocsp.example", START
    ),
    RecordApart(1, 1, "T1", START, Sampled(reading(signed=RECORD), Context.END, ENERGY)),
    NeedsStated(
        1, START, Needs(EnergyTransfer.DC, START, dc=DcNeeds(200, 500, capacity_wh=60_000))
    ),
    ScheduleChosen(1, START, LIMIT),
)
