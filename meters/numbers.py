"""Numbers as meters write them in texts: which of them can be measured values."""

from decimal import Decimal
from typing import Final

from meters.errors import MeterDataError

MOST_PLACES: Final = 30
"""Before and behind the point; the largest energy counter has a dozen before it."""


def measured(value: Decimal) -> Decimal:
    """The value itself, if it can be one.

    ``1E+999999999`` is a dozen characters of JSON: calculating with it overflows, and writing it
    out takes all memory.

    Raises:
        MeterDataError: it is no number, or too large or too fine for any meter to mean it.
    """
    if value.is_finite() and abs(value.adjusted()) <= MOST_PLACES:
        exponent = value.as_tuple().exponent
        if isinstance(exponent, int) and exponent >= -MOST_PLACES:
            return value
    raise MeterDataError(f"measured value {value!s:.30}, expected a number")
