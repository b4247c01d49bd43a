"""Status and error bits of a LEM DCBM (operation manual, firmware v1)."""

from collections.abc import Collection, Mapping
from typing import Final

STATUS: Final = (
    "suLinkStatusIsOk",
    "muFatalErrorOccured",
    "transactionIsOnGoing",
    "tamperingIsDetected",
    "timeSyncStatusIsOk",
    "overTemperatureIsDetected",
    "reversedVoltage",
    "suMeasureFailureOccurred",
)
"""By bit, spelled as the meter does."""

LINK, FATAL, RUNNING, TAMPERED, SYNCHRONISED, REVERSED = 1, 2, 4, 8, 16, 64
MEASURE_FAILED: Final = 128
HEALTHY: Final = LINK | SYNCHRONISED

_ERROR_BITS: Final[Mapping[str, int]] = {
    "muInitIsFailed": 0,
    "suStateIsInvalid": 1,
    "versionCheckIsFailed": 2,
    "muRngInitIsFailed": 3,
    "muDataIntegrityIsFailed": 4,
    "muFwIntegrityIsFailed": 5,
    "suIntegrityIsFailed": 6,
    # Bit 7 is not used. The places of the last three are not known; these are assumed.
    "logbookIntegrityIsFailed": 8,
    "logbookIsFull": 9,
    "memoryAccessIsFailed": 10,
    "muStateIsFailed": 11,
}
ERRORS: Final = tuple(_ERROR_BITS)


def status_value(flags: Collection[str], *, running: bool, synchronised: bool) -> int:
    """The status byte: ``flags`` are the names of bits that are not healthy."""
    value = LINK | (SYNCHRONISED if synchronised else 0) | (RUNNING if running else 0)
    for bit, name in enumerate(STATUS):
        if name in flags:
            mask = 1 << bit
            value = value & ~mask if mask & HEALTHY else value | mask
    if any(name in ERRORS for name in flags):
        value |= FATAL
    return value


def status(value: int) -> dict[str, object]:
    """The block ``status`` of the answer of that name."""
    bits = {name: bool(value >> bit & 1) for bit, name in enumerate(STATUS)}
    return {"value": value, "bits": bits}


def errors(flags: Collection[str]) -> dict[str, object]:
    """The block ``errors`` of the answer ``status``."""
    bits = {name: name in flags for name in ERRORS}
    value = sum(1 << bit for name, bit in _ERROR_BITS.items() if bits[name])
    return {"value": value, "bits": bits}


def startable(value: int) -> bool:
    """Whether a transaction may begin: link and clock good, nothing fatal, nothing running."""
    return value & HEALTHY == HEALTHY and not value & (FATAL | RUNNING)
