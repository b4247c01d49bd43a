"""Charging profiles: the limit of an EVSE or of the station at every moment.

An EVSE may take the least of what is allowed by external constraints, by the maximum of the
station, and by the profile that leads: a TxProfile of its transaction, where that says nothing a
TxDefaultProfile, of either the highest stack level (OCPP 2.0.1 K01, 1.6 section 3.13.3). The
station draws what its EVSEs draw together, or its own maximum if that is less.

Limits are worked out in watts of all phases, because amperes become watts without a remainder and
back they go only once; None is no limit but that of the hardware.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from decimal import Decimal
from operator import itemgetter

from chargepoint.core.profiles_model import Installed, Outlet, Purpose, Session, Unit, epoch
from chargepoint.core.profiles_time import (
    NO_RATE,
    UNLIMITED,
    Basis,
    Course,
    Limit,
    Stretch,
    lead,
)

STATION = 0
_NOTHING = Decimal(0)
_moment = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Site:
    """What limits are worked out from: the profiles, the outlets, what runs at them.

    ``supply_a`` is what the site has for the station, None if that is no matter.
    """

    profiles: tuple[Installed, ...]
    outlets: Mapping[int, Outlet]
    sessions: Mapping[int, Session] = field(default_factory=dict)
    supply_a: Decimal | None = None
    zone: tzinfo = UTC

    def outlet(self, evse_id: int) -> Outlet:
        """What a limit is converted with; the station's supply for 0."""
        if evse_id:
            return self.outlets[evse_id]
        all_of_them = list(self.outlets.values())
        phases = max(one.phases for one in all_of_them)
        voltage = next(one.voltage_v for one in all_of_them if one.phases == phases)
        return Outlet(voltage, phases, sum((one.rated_a for one in all_of_them), Decimal(0)))


def of_evse(site: Site, evse_id: int, within: Stretch) -> list[Limit]:
    """What an EVSE may take over time: its leading profile, under all that limit the station."""
    return lowest(_of_evse(site, evse_id, within), within)


def of_session(site: Site, evse_id: int, within: Stretch) -> list[Limit]:
    """The same without what limits the whole station, which is for all EVSEs to share."""
    return lowest(_own(site, evse_id, within), within)


def of_station(site: Site, within: Stretch, outlet: Outlet) -> list[Course]:
    """What limits the whole station, one course per reason; amperes are those of ``outlet``."""
    basis = Basis(within.start, site.zone)
    caps = [
        lead(_stack(site.profiles, purpose, (STATION,)), within, basis, outlet)
        for purpose in (Purpose.EXTERNAL, Purpose.STATION_MAX)
    ]
    if site.supply_a is not None:
        caps.append(_constant(outlet.watts(site.supply_a, Unit.AMPERE), within))
    return caps


def composite(site: Site, evse_id: int, within: Stretch, unit: Unit) -> list[tuple[int, Decimal]]:
    """The schedule to expect (OCPP 2.0.1 K08): seconds from the start, limit in the unit.

    Where nothing limits, the hardware does. With 0 it is what the station draws from the grid: its
    EVSEs together as far as the station may. Neighbours with the same limit are one period.
    """
    outlet = site.outlet(evse_id)
    courses = _of_evse(site, evse_id, within) if evse_id else _together(site, within)
    rated = outlet.rated_w
    words: dict[Decimal, Decimal] = {}
    told: list[tuple[int, Decimal]] = []
    last: Decimal | None = None
    for start, watts, _ in _least((*courses, _constant(rated, within)), within):
        value = words.get(watts)
        if value is None:
            value = words[watts] = outlet.told(watts, unit)
        if value is not last:
            if last is None or value != last:
                told.append((start - within.start, value))
            last = value
    return told


def lowest(courses: Sequence[Course], within: Stretch) -> list[Limit]:
    """The least of several courses, without a gap; neighbours that are equal are one."""
    least = _least((*courses, _constant(UNLIMITED, within)), within)
    ends = [*map(_moment, least[1:]), within.end]
    return [
        Limit(
            start,
            end,
            None if watts is UNLIMITED else watts,
            None if rate is NO_RATE else rate,
        )
        for (start, watts, rate), end in zip(least, ends, strict=True)
    ]


def _least(courses: Sequence[Course], within: Stretch) -> Course:
    """The lowest limit, and the highest of the rates below which charging is of no use."""
    limits, rates = [UNLIMITED] * len(courses), [NO_RATE] * len(courses)
    least, highest = UNLIMITED, NO_RATE
    found: Course = []
    last = within.start
    for start, number, watts, rate in _in_order(courses, within):
        if start > last:
            if not found or least != found[-1][1] or highest != found[-1][2]:
                found.append((last, least, highest))
            last = start
        before, limits[number] = limits[number], watts
        if watts < least:
            least = watts
        elif before == least:
            least = min(limits)
        if rates[number] is not rate:
            rates[number] = rate
            highest = max(rates)
    return found


def _sum(courses: Sequence[Course], within: Stretch) -> Course:
    """The limits together."""
    limits = [_NOTHING] * len(courses)
    found: Course = []
    last = within.start
    for start, number, watts, _ in _in_order(courses, within):
        if start > last:
            found.append((last, sum(limits, _NOTHING), NO_RATE))
            last = start
        limits[number] = watts
    return found


def _in_order(
    courses: Sequence[Course], within: Stretch
) -> list[tuple[int, int, Decimal, Decimal]]:
    """The steps of all courses by time, each with the number of its course; at last the end."""
    steps = [
        (start, number, watts, rate)
        for number, course in enumerate(courses)
        for start, watts, rate in course
    ]
    steps.sort(key=_moment)
    steps.append((within.end, 0, UNLIMITED, NO_RATE))
    return steps


def precedence(installed: Installed) -> tuple[int, int]:
    """Sorts profiles of one purpose: the stack level, then that of an EVSE before the station's."""
    return -installed.profile.stack_level, -installed.evse_id


def _of_evse(site: Site, evse_id: int, within: Stretch) -> list[Course]:
    return [*of_station(site, within, site.outlet(evse_id)), *_own(site, evse_id, within)]


def _own(site: Site, evse_id: int, within: Stretch) -> list[Course]:
    """What limits one EVSE alone: its external constraints, and the profile that leads."""
    outlet = site.outlets[evse_id]
    external = _stack(site.profiles, Purpose.EXTERNAL, (evse_id,))
    stack, basis = _session_stack(site, evse_id, within)
    return [
        lead(external, within, Basis(within.start, site.zone), outlet),
        lead(stack, within, basis, outlet),
    ]


def _session_stack(site: Site, evse_id: int, within: Stretch) -> tuple[list[Installed], Basis]:
    """The TxProfiles of what runs, or of what is about to, before the defaults."""
    session = site.sessions.get(evse_id)
    meant = {None, session.transaction_id if session else None}
    own = [
        installed
        for installed in _stack(site.profiles, Purpose.TX, (evse_id,))
        if installed.profile.transaction_id in meant
    ]
    default = _stack(site.profiles, Purpose.TX_DEFAULT, (STATION, evse_id))
    began = epoch(session.started_at) if session else within.start
    return [*own, *default], Basis(began, site.zone)


def _stack(
    profiles: Iterable[Installed], purpose: Purpose, evse_ids: tuple[int, ...]
) -> list[Installed]:
    found = [i for i in profiles if i.profile.purpose is purpose and i.evse_id in evse_ids]
    return sorted(found, key=precedence)


def _together(site: Site, within: Stretch) -> list[Course]:
    """What all EVSEs may take together, and what limits the station."""
    each = [
        _least((*_own(site, evse_id, within), _constant(outlet.rated_w, within)), within)
        for evse_id, outlet in site.outlets.items()
    ]
    return [_sum(each, within), *of_station(site, within, site.outlet(STATION))]


def _constant(watts: Decimal, within: Stretch) -> Course:
    return [(within.start, watts, NO_RATE)]
