"""What both versions write alike: times, and the units and phases of readings."""

from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Final

from meters.model import Phase, Quantity, Sample

UNITS: Final[Mapping[Quantity, str]] = {
    Quantity.ENERGY_IMPORT: "Wh",
    Quantity.ENERGY_EXPORT: "Wh",
    Quantity.POWER: "W",
    Quantity.REACTIVE_POWER: "var",
    Quantity.APPARENT_POWER: "VA",
    Quantity.VOLTAGE: "V",
    Quantity.CURRENT: "A",
    Quantity.FREQUENCY: "Hz",
    Quantity.TEMPERATURE: "Celsius",
}
_TO_NEUTRAL = {Phase.L1: "L1-N", Phase.L2: "L2-N", Phase.L3: "L3-N"}


TIME_DIGITS: ContextVar[int] = ContextVar("TIME_DIGITS", default=3)
"""Digits of a fraction of a second, for everything that happens on one connection.

Set by the session from the CSMS profile: whatever writes a time need not be told.
"""
_CUT: Final = (-13, *range(-11, -5))  # what is left of "12:00:00.123456+00:00", by digits


def timestamp(moment: datetime) -> str:
    """ISO 8601 in UTC with milliseconds, or as many digits as the CSMS takes, never rounded up."""
    if moment.tzinfo is not UTC:
        moment = moment.astimezone(UTC)
    digits = TIME_DIGITS.get()
    return moment.isoformat(timespec="microseconds")[: _CUT[digits]] + "Z"


def moment(text: str) -> datetime:
    """A time stamp of the CSMS in UTC; one without a zone counts as UTC already.

    So does one that its zone would carry beyond the years that there are.
    """
    read = datetime.fromisoformat(text)
    if read.tzinfo is None:
        return read.replace(tzinfo=UTC)
    try:
        return read.astimezone(UTC)
    except OverflowError:
        return read.replace(tzinfo=UTC)


def phase(sample: Sample) -> str | None:
    """The phase of a value; a voltage is between a conductor and neutral."""
    if sample.phase is None:
        return None
    if sample.quantity is Quantity.VOLTAGE:
        return _TO_NEUTRAL.get(sample.phase, str(sample.phase))
    return str(sample.phase)
