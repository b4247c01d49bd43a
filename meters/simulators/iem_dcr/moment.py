"""Times as the meter writes and reads them: ``2025-06-06T09:26:24,000+0200 I``."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

UNSET: Final = "U"
SET: Final = "I"

_TIME: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d),(\d{3})([+-])(\d\d)([0-5]\d)(?: [UISR])?"
)


@dataclass(frozen=True, slots=True)
class Moment:
    """A time of the meter: instant in UTC, the offset it is shown with, and the clock letter."""

    at: datetime
    offset_min: int = 60
    letter: str = UNSET

    def __str__(self) -> str:
        local = self.at.astimezone(UTC) + timedelta(minutes=self.offset_min)
        hours, minutes = divmod(abs(self.offset_min), 60)
        sign = "-" if self.offset_min < 0 else "+"
        return f"{local:%Y-%m-%dT%H:%M:%S},000{sign}{hours:02}{minutes:02} {self.letter}"


def told(text: str) -> datetime:
    """A time in a request, with the offset that it names.

    Raises:
        ValueError: it is none.
    """
    match = _TIME.fullmatch(text)
    if match is None:
        raise ValueError(f"time {text!r}")
    *date, milliseconds, sign, hours, minutes = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    zone = timezone(-offset if sign == "-" else offset)
    year, month, day, hour, minute, second = map(int, date)
    return datetime(year, month, day, hour, minute, second, int(milliseconds) * 1000, zone)
