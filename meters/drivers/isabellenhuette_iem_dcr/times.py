"""Times as the meter reads and writes them: ``2025-06-06T09:26:24,000+0200 I``."""

import re
import zoneinfo
from datetime import UTC, datetime, timedelta, timezone
from typing import Final

_SHOWN: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d),(\d{3})([+-])(\d\d)([0-5]\d)(?: ([UISR]))?"
)
_HALF_SECOND: Final = timedelta(milliseconds=500)
_MARCH, _OCTOBER, _LONGEST_MONTH = 3, 10, 31


def check_zone(name: str) -> None:
    """Refuse a zone that this machine does not know; empty is none.

    Raises:
        ValueError: says which.
    """
    if name:
        try:
            zoneinfo.ZoneInfo(name)
        except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise ValueError(f"timezone_name: no zone {name!r} on this machine") from error


def offset_min(text: str) -> int:
    """Minutes of ``+0130``."""
    minutes = int(text[1:3]) * 60 + int(text[3:5])
    return -minutes if text[0] == "-" else minutes


def is_summer(at: datetime) -> bool:
    """Whether summer time is in force in the European Union (directive 2000/84/EC)."""
    utc = at.astimezone(UTC)
    return _change(utc.year, _MARCH) <= utc < _change(utc.year, _OCTOBER)


def told(
    at: datetime, *, normal: str, summer_rule: bool, zone: str = "", normal_all_year: bool = False
) -> str:
    """A time for a request, to the nearest second; the meter is known to read zero ms only.

    ``normal`` is the offset of normal time; ``summer_rule`` adds an hour in summer. ``zone`` wins
    over both. With ``normal_all_year`` the digits are the same and the offset named is ``normal``.
    """
    at = at.astimezone(UTC) + _HALF_SECOND
    if zone:
        local = at.astimezone(zoneinfo.ZoneInfo(zone))
    else:
        minutes = offset_min(normal) + 60 * (summer_rule and is_summer(at))
        local = at.astimezone(timezone(timedelta(minutes=minutes)))
    named = normal if normal_all_year else f"{local:%z}"[:5]
    return f"{local:%Y-%m-%dT%H:%M:%S},000{named}"


def shown(text: str) -> tuple[datetime | None, str]:
    """The time that the meter shows and its clock letter; (None, "") for what is no time."""
    match = _SHOWN.fullmatch(text.strip())
    if match is None:
        return None, ""
    *date, milliseconds, sign, hours, minutes, letter = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = map(int, date)
        micro = int(milliseconds) * 1000
        return datetime(year, month, day, hour, minute, second, micro, zone), letter or ""
    except ValueError:
        return None, ""


def _change(year: int, month: int) -> datetime:
    """01:00 UTC on the last Sunday of a month with 31 days."""
    last = datetime(year, month, _LONGEST_MONTH, 1, tzinfo=UTC)
    return last - timedelta(days=(last.weekday() + 1) % 7)
