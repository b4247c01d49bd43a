"""Power meters: readings, signed transactions, OCMF records. Knows neither OCPP nor stations."""

from meters.api import Meter, SigningMeter
from meters.errors import MeterDataError, MeterError, MeterRefused, MeterUnreachable, RecordLost
from meters.model import (
    BillingTransaction,
    Identification,
    MeterInfo,
    OpenTransaction,
    Phase,
    Quantity,
    Reading,
    Sample,
    SignedReading,
)
from meters.opening import open_meter

__all__ = [
    "BillingTransaction",
    "Identification",
    "Meter",
    "MeterDataError",
    "MeterError",
    "MeterInfo",
    "MeterRefused",
    "MeterUnreachable",
    "OpenTransaction",
    "Phase",
    "Quantity",
    "Reading",
    "RecordLost",
    "Sample",
    "SignedReading",
    "SigningMeter",
    "open_meter",
]
