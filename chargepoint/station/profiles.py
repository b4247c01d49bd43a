"""The charging profiles of the station: installed, replaced, cleared, kept, found again.

Whether a profile can be is decided in ``core.profiles_check``; what follows from it for the
outlets is the business of ``station.limits``.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

from chargepoint.clock import Clock
from chargepoint.core.facts import (
    ChargingLimitCleared,
    ChargingLimitSet,
    Fact,
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
)
from chargepoint.core.profiles import STATION, Site, composite
from chargepoint.core.profiles_check import check, check_schedule, displaced
from chargepoint.core.profiles_model import (
    Bounds,
    Criteria,
    Installed,
    Kind,
    Outlet,
    Period,
    Profile,
    Purpose,
    Schedule,
    Session,
    Unit,
    epoch,
)
from chargepoint.core.profiles_time import Stretch
from chargepoint.core.variables import (
    LIMIT_CHANGE_SIGNIFICANCE,
    MAX_PROFILES_INSTALLED,
    NOTIFY_WITH_SCHEDULES,
    PERIODS_PER_SCHEDULE,
    PROFILE_ENTRIES,
    PROFILE_STACK_LEVEL,
    RATE_UNIT,
    SITE_CURRENT,
    SMART_CHARGING_ENABLED,
    TIME_ZONE,
)
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_ports import Reporter
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

LONGEST = timedelta(days=31)
PERIODS_TOLD_MOST = 1024
_OVER = {Status.AVAILABLE, Status.FINISHING, Status.UNAVAILABLE, Status.FAULTED}


@dataclass(frozen=True, slots=True)
class Expected:
    """A composite schedule: from ``start`` for ``duration`` seconds; offset and limit of each."""

    start: datetime
    duration: int
    periods: tuple[tuple[int, Decimal], ...]


class Profiles:
    """What is installed.

    ``changed`` is called after every change, ``session_limited`` with the EVSE for whose session
    the CSMS set a profile.
    """

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        outlets: Mapping[int, Outlet],
        *,
        store: Store,
        clock: Clock,
        model: DeviceModel,
        reporter: Reporter,
        online: Callable[[], bool],
    ) -> None:
        self.installed: tuple[Installed, ...] = ()
        self.outlets = outlets
        self.changed: Callable[[], None] = lambda: None
        self.session_limited: Callable[[int], None] = lambda _: None
        self._runners = runners
        self._store = store
        self._clock = clock
        self._model = model
        self._reporter = reporter
        self._online = online
        model.provide(PROFILE_ENTRIES, lambda: len(self.installed))
        model.require(TIME_ZONE, _check_zone)

    @property
    def enabled(self) -> bool:
        """Whether the profiles of the CSMS count."""
        return self._model[SMART_CHARGING_ENABLED]

    def load(self) -> None:
        """Read what is stored; a TxProfile whose transaction a power cut took goes.

        Raises:
            StoreError: the disk does not give them.
        """
        self.installed = self._store.profiles.load()
        self._forget([i for i in self.installed if self._orphaned(i)])

    def site(self) -> Site:
        """What limits are worked out from, as it is now."""
        profiles = self.installed
        if not self.enabled:
            profiles = tuple(i for i in profiles if i.profile.purpose is Purpose.EXTERNAL)
        supply = self._model[SITE_CURRENT]
        return Site(profiles, self.outlets, self._sessions(), supply or None, self.zone())

    def install(
        self, evse_id: int, profile: Profile, *, lenient: bool = False, awaited: bool = False
    ) -> None:
        """Install a profile of the CSMS in the place of those that give way to it.

        ``lenient`` is OCPP 1.6; ``awaited`` that of a remote start, for a transaction to come.

        Raises:
            Refused: it cannot be in force here.
            StoreError: it could not be kept; nothing changed.
        """
        gone = self.consider(evse_id, profile, lenient=lenient, awaited=awaited)
        self._change(gone, Installed(evse_id, profile))
        if profile.purpose is Purpose.TX:
            self.session_limited(evse_id)

    def consider(
        self, evse_id: int, profile: Profile, *, lenient: bool = False, awaited: bool = False
    ) -> frozenset[int]:
        """The ids of the profiles that this one would replace; nothing is changed.

        Raises:
            Refused: it cannot be in force here.
        """
        new = Installed(evse_id, profile)
        bounds = self._bounds(lenient=lenient)
        check(new, self.outlets, self._sessions(), bounds, awaited=awaited)
        gone = displaced(new, self.installed, lenient=lenient or awaited)
        if len(self.installed) - len(gone) >= bounds.profiles_most:
            found = f"{len(self.installed)} profiles are installed, no more can be"
            raise Refused(found, reason="TooManyElements")
        return gone

    def find(self, criteria: Criteria) -> list[Installed]:
        """The installed profiles that meet some criteria."""
        return [installed for installed in self.installed if criteria.meets(installed)]

    def clear(self, criteria: Criteria) -> bool:
        """Forget those profiles of the CSMS; False if there was none (2.0.1 K10, 1.6 5.5).

        Raises:
            StoreError: they could not be forgotten; nothing changed.
        """
        meant = self.find(criteria)
        return self._forget([i for i in meant if i.profile.purpose is not Purpose.EXTERNAL])

    def drop_awaited(self, evse_id: int) -> None:
        """No transaction will begin: the profile of its remote start goes."""
        awaited = Criteria(evse_id=evse_id, purpose=Purpose.TX)
        self._forget([i for i in self.find(awaited) if i.profile.transaction_id is None])

    def expected(self, evse_id: int, duration: int, unit: Unit) -> Expected:
        """The composite schedule from now on; it may be shorter than asked for (2.0.1 K08).

        Raises:
            Refused: there is no such EVSE, or limits cannot be told in that unit.
        """
        if evse_id != STATION and evse_id not in self.outlets:
            raise Refused(f"no EVSE {evse_id}", reason="UnknownEvse")
        if unit not in self._model[RATE_UNIT]:
            raise Refused(f"limits in {unit} are not told", reason="UnsupportedRateUnit")
        now = epoch(self._clock.now())
        length = min(duration, int(LONGEST.total_seconds()))
        periods = composite(self.site(), evse_id, Stretch(now, now + max(length, 1)), unit)
        if len(periods) > PERIODS_TOLD_MOST:
            length = periods[PERIODS_TOLD_MOST][0]
        start = datetime.fromtimestamp(now, UTC)
        return Expected(start, length, tuple(periods[:PERIODS_TOLD_MOST]))

    def limit_from_outside(
        self, evse_id: int, schedule: Schedule, source: str, *, grid_critical: bool | None = None
    ) -> None:
        """Somebody beside the CSMS limits an EVSE, or with 0 the station (2.0.1 K11, K12).

        ``source`` is EMS, SO or Other. One of the same source and EVSE is replaced.

        Raises:
            Refused: there is no such EVSE, or the schedule cannot be followed.
            StoreError: it could not be kept; nothing changed.
        """
        if evse_id != STATION and evse_id not in self.outlets:
            raise Refused(f"no EVSE {evse_id}", reason="UnknownEvse")
        now = self._clock.now()
        old = self._outside(evse_id, source)
        begun = replace(schedule, start=schedule.start or now)
        check_schedule(begun, Kind.ABSOLUTE, self._bounds(lenient=True))
        profile = Profile(
            old.profile.id if old else self._free_id(),
            Purpose.EXTERNAL,
            Kind.ABSOLUTE,
            0,
            (begun,),
        )
        told = begun if self._model[NOTIFY_WITH_SCHEDULES] else None
        facts: tuple[Fact, ...] = ()
        if old is None or self._significant(old.profile.schedule, begun):
            facts = (ChargingLimitSet(evse_id, now, source, grid_critical, told),)
        self._change((), Installed(evse_id, profile, source), *facts)

    def release_from_outside(self, evse_id: int, source: str) -> bool:
        """That limit is over; False if there was none (2.0.1 K13).

        Raises:
            StoreError: it could not be forgotten; nothing changed.
        """
        if (old := self._outside(evse_id, source)) is None:
            return False
        fact = ChargingLimitCleared(evse_id, self._clock.now(), source)
        self._change({old.profile.id}, None, fact)
        return True

    def happened(self, evse_id: int, facts: Iterable[Fact]) -> None:
        """Facts of an EVSE were stored, and with them what its transaction did to its profiles.

        A disk that refuses to forget, or to read, must not hold up what follows for the EVSE.
        """
        self.changed()
        try:
            for fact in facts:
                match fact:
                    case TransactionStarted() | TransactionEnded():
                        if any(i.profile.purpose is Purpose.TX for i in self.installed):
                            self.installed = self._store.profiles.load()
                    case StatusChanged(status=status) if status in _OVER:
                        self.drop_awaited(evse_id)
        except StoreError as error:
            log.error("profiles of EVSE %d stay as they are: %s", evse_id, error)  # noqa: TRY400 - the disk

    def _change(self, gone: Iterable[int], new: Installed | None, *facts: Fact) -> None:
        gone = set(gone)
        self._store.change_profiles(gone, new, *facts, offline=not self._online())
        added = () if new is None else (new,)
        out = gone | {installed.profile.id for installed in added}
        self.installed = (*(i for i in self.installed if i.profile.id not in out), *added)
        if facts:
            self._reporter.recorded(STATION, facts)
        self.changed()

    def _forget(self, some: list[Installed]) -> bool:
        if some:
            self._change({installed.profile.id for installed in some}, None)
        return bool(some)

    def _sessions(self) -> dict[int, Session]:
        running = ((n, runner.state.transaction) for n, runner in self._runners.items())
        return {n: Session(t.transaction_id, t.started_at) for n, t in running if t is not None}

    def _orphaned(self, installed: Installed) -> bool:
        if installed.profile.purpose is not Purpose.TX:
            return False
        session = self._sessions().get(installed.evse_id)
        return session is None or installed.profile.transaction_id != session.transaction_id

    def _bounds(self, *, lenient: bool) -> Bounds:
        return Bounds(
            frozenset(Unit(word) for word in self._model[RATE_UNIT]),
            self._model[PROFILE_STACK_LEVEL],
            self._model[PERIODS_PER_SCHEDULE],
            self._model[MAX_PROFILES_INSTALLED],
            lenient=lenient,
        )

    def _outside(self, evse_id: int, source: str) -> Installed | None:
        outside = Criteria(evse_id=evse_id, purpose=Purpose.EXTERNAL, sources={source})
        return next(iter(self.find(outside)), None)

    def zone(self) -> tzinfo:
        """The zone that the CSMS chose for local time; UTC if this machine does not know it."""
        try:
            return _zone(self._model[TIME_ZONE])
        except Refused as refused:  # from the installer's file, or known to another machine only
            _complain(str(refused))
            return UTC

    def _free_id(self) -> int:
        """Negative, as the standard advises, so that no id of a CSMS is taken (K11)."""
        return min((i.profile.id for i in self.installed if i.profile.id < 0), default=0) - 1

    def _significant(self, old: Schedule, new: Schedule) -> bool:
        """Whether the first limit differs by as much as LimitChangeSignificance says."""
        before, after = old.periods[0].limit, new.periods[0].limit
        if (old.unit, old.periods[1:]) != (new.unit, new.periods[1:]) or not before:
            return True
        change = 100 * abs(after - before) / before
        return change > 0 and change >= self._model[LIMIT_CHANGE_SIGNIFICANCE]


def constant(amperes: Decimal) -> Schedule:
    """A schedule of one limit for ever, in amperes per phase."""
    return Schedule(Unit.AMPERE, (Period(0, amperes),))


@lru_cache(maxsize=16)
def _complain(what: str) -> None:
    """Once: somebody asks for the zone all the time."""
    log.warning("local time is UTC: %s", what)


def _check_zone(name: str) -> None:
    _zone(name)


def _zone(name: str) -> tzinfo:
    """The time zone of an IANA name, UTC for none.

    Raises:
        Refused: there is no such zone on this machine.
    """
    if not name:
        return UTC
    try:
        return ZoneInfo(name)
    except (ValueError, KeyError, OSError) as error:
        raise Refused(f"no time zone {name[:40]!r}", reason="InvalidValue") from error
