"""When which profile of a stack counts: their limits over a stretch of time."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import repeat
from operator import attrgetter, itemgetter
from typing import NamedTuple

from chargepoint.core.profiles_model import (
    Installed,
    Kind,
    Outlet,
    Profile,
    Recurrency,
    Schedule,
    Unit,
    epoch,
)

DAY_S = 86_400
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


UNLIMITED = Decimal("Infinity")  # no limit but that of the hardware
NO_RATE = Decimal("-Infinity")
Step = tuple[int, Decimal, Decimal]  # from when on which watts, and which least rate
Course = list[Step]  # one step after the other, the first at the begin of the stretch asked for
_start = itemgetter(0)
_end = itemgetter(1)
_period_start = attrgetter("start")


class _Run(NamedTuple):
    """A stretch in which a schedule that began at ``begin`` counts."""

    start: int
    end: int
    begin: int


class Basis(NamedTuple):
    """What schedules count from: the begin of the transaction; midnight of which time zone."""

    began: int
    zone: tzinfo = UTC


def lead(stack: Iterable[Installed], within: Stretch, basis: Basis, outlet: Outlet) -> Course:
    """What the first of some profiles that counts says at each moment, no limit where none does.

    ``stack`` is in order of precedence. Only gaps of the earlier ones are looked at, so that
    profiles which never come to speak cost next to nothing.
    """
    found: Course = []
    gaps = [within]
    for installed in stack:
        if not gaps:
            break
        hull = Stretch(gaps[0].start, gaps[-1].end)
        for run in _runs(installed.profile, hull, basis):
            for filled in _take(gaps, run):
                found += _steps(installed.profile.schedule, run.begin, filled, outlet)
    found += [(gap.start, UNLIMITED, NO_RATE) for gap in gaps]
    return sorted(found, key=_start)


def _take(gaps: list[Stretch], run: _Run) -> list[Stretch]:
    """What of the gaps a run fills; they are gaps no more."""
    first = place = bisect_right(gaps, run.start, key=_end)
    filled: list[Stretch] = []
    left: list[Stretch] = []
    while place < len(gaps) and gaps[place].start < run.end:
        start, end = gaps[place]
        filled.append(Stretch(max(start, run.start), min(end, run.end)))
        if start < run.start:
            left.append(Stretch(start, run.start))
        if run.end < end:
            left.append(Stretch(run.end, end))
        place += 1
    gaps[first:place] = left
    return filled


def _steps(schedule: Schedule, begin: int, within: Stretch, outlet: Outlet) -> Iterable[Step]:
    """The limits of a schedule that began at ``begin``; its first period begins there too."""
    factor = outlet.watts_per_ampere if schedule.unit is Unit.AMPERE else 1
    rate = NO_RATE if schedule.min_rate is None else schedule.min_rate * factor
    periods, (start, end) = schedule.periods, within
    place = bisect_right(periods, start - begin, key=_period_start) - 1
    told = periods[place : bisect_left(periods, end - begin, place + 1, key=_period_start)]
    starts = [start, *[begin + period.start for period in told[1:]]]
    return zip(starts, [period.limit * factor for period in told], repeat(rate), strict=False)


def _runs(profile: Profile, within: Stretch, basis: Basis) -> Iterator[_Run]:
    """When the schedule of a profile counts: while it is valid, and within its duration.

    A profile is valid from ``valid_from`` up to, not with, ``valid_to``.
    """
    start, end = within
    if profile.valid_from is not None:
        start = max(start, epoch(profile.valid_from))
    if profile.valid_to is not None:
        end = min(end, epoch(profile.valid_to))
    for begin, stop in _begun(profile, start, end, basis):
        first, last = max(start, begin), min(end, stop)
        if first < last:
            yield _Run(first, last, begin)


def _begun(profile: Profile, start: int, end: int, basis: Basis) -> Iterable[tuple[int, int]]:
    """When the schedule of a profile runs: once, or once in each recurrence, cut by the next."""
    if profile.kind is Kind.RECURRING:
        return _recurring(profile, start, end, basis.zone)
    begin, duration = basis.began, profile.schedule.duration
    if profile.kind is Kind.ABSOLUTE and profile.schedule.start is not None:
        begin = epoch(profile.schedule.start)
    return ((begin, end if duration is None else begin + duration),)


def _recurring(profile: Profile, start: int, end: int, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """At the same time of day in the zone, every day or week from the first on.

    So the day on which the clocks go forward is shorter, and the other one longer.
    """
    schedule = profile.schedule
    if schedule.start is None or profile.recurrency is None:
        return
    days, duration = DAYS[profile.recurrency], schedule.duration
    first = schedule.start.astimezone(zone)
    passed = (start - epoch(first)) // DAY_S  # a day too many or too few where clocks changed
    before = max(passed // days, 0) * days
    begin = _occurrence(first, before)
    if begin > start and before:
        before -= days
        begin = _occurrence(first, before)
    while begin < end:
        before += days
        following = _occurrence(first, before)
        stop = following if duration is None else min(following, begin + duration)
        if stop > start:
            yield begin, stop
        begin = following


def _occurrence(first: datetime, days: int) -> int:
    """The same time of day some days later; one that the clocks skip is an hour later."""
    if not days:
        return epoch(first)
    return epoch((first.replace(fold=0) if first.fold else first) + timedelta(days))
