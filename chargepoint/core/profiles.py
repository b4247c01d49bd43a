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

from chargepoint.core.profiles_model import Installed, Outlet, Purpose, Session, Unit, epoch
from chargepoint.core.profiles_time import Basis, Limit, Stretch, lead

STATION = 0
_NONE = Limit(0, 0, None)


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
    caps = of_station(site, within, site.outlet(evse_id))
    return lowest((*caps, *_own(site, evse_id, within)), within)


def of_session(site: Site, evse_id: int, within: Stretch) -> list[Limit]:
    """The same without what limits the whole station, which is for all EVSEs to share."""
    return lowest(_own(site, evse_id, within), within)


def of_station(site: Site, within: Stretch, outlet: Outlet) -> list[list[Limit]]:
    """What limits the whole station, one list per reason; amperes are those of ``outlet``."""
    basis = Basis(within.start, site.zone)
    caps = [
        lead(_stack(site.profiles, purpose, (STATION,)), within, basis, outlet)
        for purpose in (Purpose.EXTERNAL, Purpose.STATION_MAX)
    ]
    if site.supply_a is not None:
        caps.append([Limit(within.start, within.end, outlet.watts(site.supply_a, Unit.AMPERE))])
    return caps


def composite(site: Site, evse_id: int, within: Stretch, unit: Unit) -> list[tuple[int, Decimal]]:
    """The schedule to expect (OCPP 2.0.1 K08): seconds from the start, limit in the unit.

    Where nothing limits, the hardware does. With 0 it is what the station draws from the grid: its
    EVSEs together as far as the station may. Neighbours with the same limit are one period.
    """
    outlet = site.outlet(evse_id)
    limits = of_evse(site, evse_id, within) if evse_id else _together(site, within)
    rated = outlet.rated_w
    words: dict[Decimal, Decimal] = {}
    told: list[tuple[int, Decimal]] = []
    for limit in limits:
        watts = rated if limit.watts is None else min(limit.watts, rated)
        value = words.get(watts)
        if value is None:
            value = words[watts] = outlet.told(watts, unit)
        if not told or told[-1][1] != value:
            told.append((limit.start - within.start, value))
    return told


def lowest(parts: Sequence[list[Limit]], within: Stretch) -> list[Limit]:
    """The least of several courses of limits, without a gap; neighbours that are equal are one."""
    parts = [part for part in parts if part]
    changes = _changes(parts, within)
    current = [_NONE] * len(parts)
    found: list[Limit] = []
    since = within.start
    watts: Decimal | None = None
    rate: Decimal | None = None
    for moment in sorted(changes):
        for number, limit in changes[moment]:
            current[number] = limit
        least = _least(current)
        if least != (watts, rate) or moment == within.end:
            if moment > since:
                found.append(Limit(since, moment, watts, rate))
            since, (watts, rate) = moment, least
    return found


def _least(limits: list[Limit]) -> tuple[Decimal | None, Decimal | None]:
    """The lowest limit, and the highest of the rates below which charging is of no use."""
    watts: Decimal | None = None
    rate: Decimal | None = None
    for _, _, limit, own_rate in limits:
        if limit is not None and (watts is None or limit < watts):
            watts = limit
        if own_rate is not None and (rate is None or own_rate > rate):
            rate = own_rate
    return watts, rate


def _changes(parts: Sequence[list[Limit]], within: Stretch) -> dict[int, list[tuple[int, Limit]]]:
    """When which part has another limit, or none any more; the ends always."""
    changes: dict[int, list[tuple[int, Limit]]] = {within.start: [], within.end: []}
    for number, part in enumerate(parts):
        until = within.end
        for limit in part:
            if until < limit[0]:
                changes.setdefault(until, []).append((number, _NONE))
            changes.setdefault(limit[0], []).append((number, limit))
            until = limit[1]
        if until < within.end:
            changes.setdefault(until, []).append((number, _NONE))
    return changes


def precedence(installed: Installed) -> tuple[int, int]:
    """Sorts profiles of one purpose: the stack level, then that of an EVSE before the station's."""
    return -installed.profile.stack_level, -installed.evse_id


def _own(site: Site, evse_id: int, within: Stretch) -> list[list[Limit]]:
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


def _together(site: Site, within: Stretch) -> list[Limit]:
    """What all EVSEs may take together, as far as the station may."""
    total: list[Limit] = []
    for evse_id, outlet in site.outlets.items():
        rated = [Limit(within.start, within.end, outlet.rated_w)]
        own = lowest((*_own(site, evse_id, within), rated), within)
        total = _sum(total, own) if total else own
    return lowest((total, *of_station(site, within, site.outlet(STATION))), within)


def _sum(left: list[Limit], right: list[Limit]) -> list[Limit]:
    """Two courses of limits that cover the same stretch, added."""
    found: list[Limit] = []
    here = there = 0
    while here < len(left) and there < len(right):
        one, other = left[here], right[there]
        start, end = max(one.start, other.start), min(one.end, other.end)
        found.append(Limit(start, end, (one.watts or Decimal(0)) + (other.watts or Decimal(0))))
        here += one.end == end
        there += other.end == end
    return found
