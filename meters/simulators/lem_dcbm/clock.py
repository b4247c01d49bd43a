"""The meter's own clock: offset from the world, time zone, daylight saving, validity."""

import calendar
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

from meters.simulators.lem_dcbm.memory import VALID_H, Setup

_ZONE: Final = re.compile(r"([+-])(\d\d):(00|15|30|45)")
_HOUR: Final = re.compile(r"T(\d\d):(\d\d)Z")
_DAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_ORDERS: Final = ("first", "second", "third", "fourth")
_MONTHS: Final = tuple(name.lower() for name in calendar.month_name)
_EAST, _WEST = timedelta(hours=14), timedelta(hours=-11)


def meter_time(setup: Setup, world: datetime) -> datetime:
    """What the meter's clock shows, with its offset from UTC."""
    utc = (world + timedelta(seconds=setup.clock_offset_s)).astimezone(UTC)
    return utc.astimezone(timezone(zone(setup.tz) + _saving(setup.dst, utc)))


def synchronised(setup: Setup, world: datetime, *, ntp_reachable: bool) -> bool:
    """Whether the last synchronisation still holds; with NTP there is always a fresh one."""
    if setup.ntp["ntpActivated"] and setup.ntp["servers"] and ntp_reachable:
        return True
    at = setup.synchronised_at
    return at is not None and world - at < timedelta(hours=VALID_H)


def zone(text: str) -> timedelta:
    """The offset ``+hh:mm``.

    Raises:
        ValueError: it is none, or beyond -11 to +14 hours.
    """
    match = _ZONE.fullmatch(text)
    if match is None:
        raise ValueError(f"time zone {text!r}")
    sign, hours, minutes = match.groups()
    found = timedelta(hours=int(hours), minutes=int(minutes)) * (-1 if sign == "-" else 1)
    if not _WEST <= found <= _EAST:
        raise ValueError(f"time zone {text!r}")
    return found


def check_saving(rule: Mapping[str, Any]) -> None:
    """Refuse what is no rule for daylight saving.

    Raises:
        ValueError, KeyError, TypeError: something is missing or has no meaning.
    """
    if not isinstance(rule["activated"], bool) or not isinstance(rule["offset"], int):
        raise TypeError("daylight saving")
    for edge in ("start", "end"):
        _edge(rule[edge], 2026)


def _saving(rule: Mapping[str, Any], utc: datetime) -> timedelta:
    if not rule["activated"]:
        return timedelta(0)
    start, end = (_edge(rule[edge], utc.year) for edge in ("start", "end"))
    within = start <= utc < end if start < end else not end <= utc < start
    return timedelta(minutes=rule["offset"] if within else 0)


def _edge(edge: Mapping[str, str], year: int) -> datetime:
    match = _HOUR.fullmatch(edge["hour"])
    if match is None:
        raise ValueError(f"hour {edge['hour']!r}")
    month, weekday = _MONTHS.index(edge["month"]), _DAYS.index(edge["day"])
    weeks = calendar.monthcalendar(year, month or 1)
    days = [week[weekday] for week in weeks if week[weekday]]
    day = days[-1] if edge["order"] == "last" else days[_ORDERS.index(edge["order"])]
    return datetime(year, month or 1, day, int(match[1]), int(match[2]), tzinfo=UTC)
