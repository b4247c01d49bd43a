"""The composite schedule once more, slowly: one question per moment, no code of ``core.profiles``.

At each moment that could matter, and one second before it, every profile is asked by itself whether
it says anything, by walking from its start through its recurrences and periods. Nothing is merged,
sorted by time or skipped, and a limit is worked out in fractions.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from fractions import Fraction

from chargepoint.core.profiles import Site
from chargepoint.core.profiles_model import Installed, Outlet, Profile

TENTH = Fraction(1, 10)


def schedule(
    site: Site, evse_id: int, start: int, duration: int, unit: str
) -> list[tuple[int, Decimal]]:
    """What ``core.profiles.composite`` should say."""
    found: list[tuple[int, Decimal]] = []
    for second in sorted(_moments(site, start, start + duration)):
        limit = _at(site, evse_id, second, start, unit)
        if not found or found[-1][1] != limit:
            found.append((second - start, limit))
    return found


def each_second(
    site: Site, evse_id: int, start: int, duration: int, unit: str
) -> list[tuple[int, Decimal]]:
    """The same, asked at every single second."""
    found: list[tuple[int, Decimal]] = []
    for second in range(start, start + duration):
        limit = _at(site, evse_id, second, start, unit)
        if not found or found[-1][1] != limit:
            found.append((second - start, limit))
    return found


def _moments(site: Site, start: int, end: int) -> set[int]:
    """Every second of the window at which any profile could begin to say something else."""
    moments = {start}
    for installed in site.profiles:
        profile = installed.profile
        for edge in (profile.valid_from, profile.valid_to):
            if edge is not None:
                moments.add(_second(edge))
        for begin in _begins(profile, site, start, end):
            own = profile.schedules[0]
            moments.add(begin)
            moments.update(begin + period.start for period in own.periods)
            if own.duration is not None:
                moments.add(begin + own.duration)
    return {moment for moment in moments if start <= moment < end}


def _begins(profile: Profile, site: Site, start: int, end: int) -> Iterator[int]:
    if profile.kind == "Relative":
        yield start
        for session in site.sessions.values():
            yield _second(session.started_at)
        return
    first = profile.schedules[0].start
    if profile.kind == "Absolute":
        yield _second(first)
        return
    for number in range(10_000):
        begin = _recurrence(first, profile, number, site.zone)
        if begin >= end:
            return
        yield begin


def _recurrence(first: datetime, profile: Profile, number: int, zone: tzinfo) -> int:
    """The begin of a recurrence, by the wall clock of the zone."""
    if number == 0:
        return _second(first)
    local = first.astimezone(zone)
    day = local.date() + timedelta(days=number * (1 if profile.recurrency == "Daily" else 7))
    wall = datetime(day.year, day.month, day.day, local.hour, local.minute, local.second)  # noqa: DTZ001 - the zone comes next
    return _second(wall.replace(tzinfo=zone))


def _at(site: Site, evse_id: int, second: int, start: int, unit: str) -> Decimal:
    if evse_id:
        outlet = site.outlets[evse_id]
        amperes = min([*_caps(site, evse_id, second, start), _rated(outlet)])
    else:
        outlet = _supply(site)
        own = [
            min([_rated(each), *_own(site, number, second, start)]) * _factor(each)
            for number, each in site.outlets.items()
        ]
        total = sum(own, Fraction(0)) / _factor(outlet)
        caps = _of_all(site, second, start, outlet)
        amperes = min([total, _rated(outlet), *caps])
    value = amperes if unit == "A" else amperes * _factor(outlet)
    tenths = value / TENTH
    return Decimal(tenths.numerator // tenths.denominator) / 10


def _caps(site: Site, evse_id: int, second: int, start: int) -> list[Fraction]:
    outlet = site.outlets[evse_id]
    return [*_of_all(site, second, start, outlet), *_own(site, evse_id, second, start)]


def _of_all(site: Site, second: int, start: int, outlet: Outlet) -> list[Fraction]:
    found = [] if site.supply_a is None else [Fraction(site.supply_a)]
    for purpose in ("ChargingStationMaxProfile", "ChargingStationExternalConstraints"):
        some = [i for i in site.profiles if i.evse_id == 0 and i.profile.purpose == purpose]
        found += _leading(some, site, second, start, outlet)
    return found


def _own(site: Site, evse_id: int, second: int, start: int) -> list[Fraction]:
    outlet = site.outlets[evse_id]
    session = site.sessions.get(evse_id)
    began = start if session is None else _second(session.started_at)
    outside, mine, default = [], [], []
    for installed in site.profiles:
        profile = installed.profile
        if profile.purpose == "ChargingStationExternalConstraints":
            if installed.evse_id == evse_id:
                outside.append(installed)
        elif profile.purpose == "TxProfile":
            named = profile.transaction_id in {None, session.transaction_id if session else ""}
            if installed.evse_id == evse_id and named:
                mine.append(installed)
        elif profile.purpose == "TxDefaultProfile" and installed.evse_id in {0, evse_id}:
            default.append(installed)
    found = _leading(outside, site, second, start, outlet)
    leading = _leading(mine, site, second, began, outlet)
    return found + (leading or _leading(default, site, second, began, outlet))


def _leading(
    some: Iterable[Installed], site: Site, second: int, began: int, outlet: Outlet
) -> list[Fraction]:
    """What the profile of the highest level says that says anything; nothing if none does."""
    best: tuple[tuple[int, bool], Fraction] | None = None
    for installed in some:
        limit = _says(installed.profile, site, second, began, outlet)
        rank = (installed.profile.stack_level, installed.evse_id > 0)
        if limit is not None and (best is None or rank > best[0]):
            best = rank, limit
    return [best[1]] if best else []


def _says(profile: Profile, site: Site, second: int, began: int, outlet: Outlet) -> Fraction | None:
    if profile.valid_from is not None and second < _second(profile.valid_from):
        return None
    if profile.valid_to is not None and second >= _second(profile.valid_to):
        return None
    own = profile.schedules[0]
    begin = began if profile.kind == "Relative" else _second(own.start)
    if profile.kind == "Recurring":
        number = 0
        while (after := _recurrence(own.start, profile, number + 1, site.zone)) <= second:
            begin, number = after, number + 1
    offset = second - begin
    if offset < 0 or (own.duration is not None and offset >= own.duration):
        return None
    limit = None
    for period in own.periods:
        if period.start <= offset:
            limit = Fraction(period.limit)
    if limit is None:
        return None
    return limit / _factor(outlet) if own.unit == "W" else limit


def _supply(site: Site) -> Outlet:
    every = list(site.outlets.values())
    phases = max(outlet.phases for outlet in every)
    voltage = next(outlet.voltage_v for outlet in every if outlet.phases == phases)
    return Outlet(voltage, phases, sum((outlet.rated_a for outlet in every), Decimal(0)))


def _factor(outlet: Outlet) -> Fraction:
    return Fraction(outlet.voltage_v) * max(outlet.phases, 1)


def _rated(outlet: Outlet) -> Fraction:
    return Fraction(outlet.rated_a)


def _second(moment: datetime | None) -> int:
    assert moment is not None
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
