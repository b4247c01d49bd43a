"""When which profile of a stack counts: their limits over a stretch of time."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import NamedTuple

from chargepoint.core.profiles_model import (
    Installed,
    Kind,
    Outlet,
    Period,
    Profile,
    Recurrency,
    Schedule,
    Unit,
    epoch,
)

DAYS = {Recurrency.DAILY: 1, Recurrency.WEEKLY: 7}


class Stretch(NamedTuple):
    """Seconds from ``start`` up to, not with, ``end``."""

    start: int
    end: int


class Limit(NamedTuple):
    """A limit from ``start`` up to, not with, ``end``; None is none but that of the hardware."""

    start: int
    end: int
    watts: Decimal | None
    min_rate: Decimal | None = None  # the same unit


class _Run(NamedTuple):
    """A stretch in which a schedule that began at ``begin`` counts."""

    start: int
    end: int
    begin: int


class Basis(NamedTuple):
    """What schedules count from: the begin of the transaction; midnight of which time zone."""

    began: int
    zone: tzinfo = UTC


def lead(stack: Iterable[Installed], within: Stretch, basis: Basis, outlet: Outlet) -> list[Limit]:
    """What the first of some profiles that counts says at each moment; gaps where none does.

    ``stack`` is in order of precedence. Only gaps of the earlier ones are looked at, so that
    profiles which never come to speak cost next to nothing.
    """
    found: list[Limit] = []
    gaps = [within]
    for installed in stack:
        hull = Stretch(gaps[0].start, gaps[-1].end)
        runs = list(_runs(installed.profile, hull, basis))
        if runs:
            gaps = _fill(gaps, runs, installed.profile.schedule, outlet, found)
        if not gaps:
            break
    return sorted(found)


def _fill(
    gaps: list[Stretch],
    runs: list[_Run],
    schedule: Schedule,
    outlet: Outlet,
    found: list[Limit],
) -> list[Stretch]:
    """Add the limits of a schedule where there are gaps; the gaps that are left."""
    left: list[Stretch] = []
    next_run = 0
    for gap in gaps:
        at, end = gap
        while next_run < len(runs) and runs[next_run].end <= at:
            next_run += 1
        for start, stop, begin in runs[next_run:]:
            if start >= end:
                break
            if start > at:
                left.append(Stretch(at, start))
                at = start
            filled = Stretch(at, min(stop, end))
            found += _limits(schedule, begin, filled, outlet)
            at = filled.end
        if at < end:
            left.append(Stretch(at, end))
    return left


def _limits(schedule: Schedule, begin: int, within: Stretch, outlet: Outlet) -> list[Limit]:
    """The limits of a schedule that began at ``begin``; its first period begins there too."""
    factor = outlet.watts_per_ampere if schedule.unit is Unit.AMPERE else 1
    rate = None if schedule.min_rate is None else schedule.min_rate * factor
    periods = schedule.periods
    place = bisect_right(periods, within.start - begin, key=_start_of) - 1
    start, found = within.start, []
    for number in range(place, len(periods)):
        period, end = periods[number], within.end
        if number + 1 < len(periods):
            end = min(end, begin + periods[number + 1].start)
        found.append(Limit(start, end, period.limit * factor, rate))
        start = end
        if start >= within.end:
            break
    return found


def _start_of(period: Period) -> int:
    return period.start


def _runs(profile: Profile, within: Stretch, basis: Basis) -> Iterator[_Run]:
    """When the schedule of a profile counts: while it is valid, and within its duration.

    A profile is valid from ``valid_from`` up to, not with, ``valid_to``.
    """
    start, end = within
    if profile.valid_from is not None:
        start = max(start, epoch(profile.valid_from))
    if profile.valid_to is not None:
        end = min(end, epoch(profile.valid_to))
    for begin, stop in _begun(profile, Stretch(start, end), basis):
        first, last = max(start, begin), min(end, stop)
        if first < last:
            yield _Run(first, last, begin)


def _begun(profile: Profile, within: Stretch, basis: Basis) -> Iterator[Stretch]:
    """When the schedule of a profile runs: once, or once in each recurrence, cut by the next."""
    if profile.kind is Kind.RECURRING:
        yield from _recurring(profile, within, basis)
        return
    begin, duration = basis.began, profile.schedule.duration
    if profile.kind is Kind.ABSOLUTE and profile.schedule.start is not None:
        begin = epoch(profile.schedule.start)
    yield Stretch(begin, within.end if duration is None else begin + duration)


def _recurring(profile: Profile, within: Stretch, basis: Basis) -> Iterator[Stretch]:
    """At the same time of day in the zone, every day or week from ``start`` on.

    So the day on which the clocks go forward is shorter, and the other one longer.
    """
    if profile.schedule.start is None or profile.recurrency is None:
        return
    days = DAYS[profile.recurrency]
    first = profile.schedule.start.astimezone(basis.zone)
    passed = datetime.fromtimestamp(within.start, basis.zone).date() - first.date()
    number = max(passed.days // days - 1, 0)
    begin = _occurrence(first, number * days)
    while begin < within.end:
        number += 1
        following = _occurrence(first, number * days)
        duration = profile.schedule.duration
        stop = following if duration is None else min(following, begin + duration)
        if stop > within.start:
            yield Stretch(begin, stop)
        begin = following


def _occurrence(first: datetime, days: int) -> int:
    """The same time of day some days later; one that the clocks skip is an hour later."""
    return epoch(first.replace(fold=0) + timedelta(days=days)) if days else epoch(first)
