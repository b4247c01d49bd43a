"""Keeps every outlet at its composite limit, and sleeps until the next one is due.

A limit is an input of the EVSE like any other: it is stored, told to the CSMS during a transaction
and then ordered from the board. EVSEs that get less are told first, so that together they never
take more than the site has.

After a start an outlet gets its limit before it may close a contactor. While the profiles cannot
be read nobody knows which limit that is: then it is a safe current.
"""

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.inputs import LimitChanged
from chargepoint.core.profiles import STATION, Site, lowest, of_evse, of_session, of_station
from chargepoint.core.profiles_model import Outlet, Profile, epoch
from chargepoint.core.profiles_share import LOWEST_A, Claim, enforceable, share
from chargepoint.core.profiles_time import Limit, Stretch
from chargepoint.core.variables import (
    SAFE_CURRENT,
    SITE_CURRENT,
    SMART_CHARGING_ENABLED,
    TIME_ZONE,
)
from chargepoint.errors import Refused, StoreError
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_ports import Reporter
from chargepoint.station.profiles import Profiles

if TYPE_CHECKING:
    from chargepoint.station.station import Wiring

log = logging.getLogger(__name__)

HORIZON = timedelta(hours=24)
CLOCK_CHECK = timedelta(seconds=10)  # a clock that was set is noticed this soon
RETRY = timedelta(seconds=10)
_LATEST = datetime.max.replace(tzinfo=UTC)


class Limits:
    """The limits of all EVSEs."""

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        profiles: Profiles,
        *,
        clock: Clock,
        model: DeviceModel,
    ) -> None:
        self._runners = runners
        self._profiles = profiles
        self._clock = clock
        self._model = model
        self._loaded = False
        self._wake = asyncio.Event()
        self._lock = asyncio.Lock()  # limits are set as they were worked out, in that order
        profiles.changed = self.reconsider
        model.subscribe(SITE_CURRENT, lambda _: self.reconsider())
        model.subscribe(SMART_CHARGING_ENABLED, lambda _: self.reconsider())
        model.subscribe(TIME_ZONE, lambda _: self.reconsider())
        self._load()

    def reconsider(self) -> None:
        """Something that limits depend on is another one now."""
        self._wake.set()

    async def begin_with(
        self, evse_id: int, profile: Profile | None, begin: Awaitable[None], *, lenient: bool
    ) -> None:
        """Begin a session with a profile for it, which is in force before energy flows.

        If no session comes of it, the profile goes again.
        """
        if profile is not None:
            try:
                self._profiles.install(evse_id, profile, lenient=lenient, awaited=True)
            except (Refused, StoreError) as error:
                log.warning("profile of a remote start not installed: %s", error)
            await self.apply()
        await begin
        if self._runners[evse_id].state.authorization is None:
            self._profiles.drop_awaited(evse_id)

    async def prepare(self, evse_id: int) -> None:
        """Set the limit of one EVSE before anything can begin there."""
        async with self._lock:
            wanted, _ = self._wanted()
            await self._set(self._runners[evse_id], wanted[evse_id])

    async def run(self) -> None:
        """Keep the limits; ends only by cancellation."""
        while True:
            self._wake.clear()
            await self._sleep(await self.apply())

    async def apply(self) -> datetime | None:
        """Set every limit that is another one now; when to look again, None for not by itself."""
        async with self._lock:
            if not self._loaded:
                self._load()
            wanted, until = self._wanted()
            late = False
            for evse_id in sorted(wanted, key=lambda n: (wanted[n] is None, wanted[n] or 0)):
                late |= not await self._set(self._runners[evse_id], wanted[evse_id])
        if not late:
            return until
        again = self._clock.now() + RETRY
        return again if until is None else min(until, again)

    async def _set(self, runner: EvseRunner, limit_a: Decimal | None) -> bool:
        """Whether the limit is in force. The others do not wait for an EVSE that gives nothing.

        Its meter may take minutes to begin or end.
        """
        if limit_a == runner.state.limit_a:
            return True
        if runner.busy_since is not None and not runner.state.powered:
            return False
        log.debug("EVSE %d: limit %s A", runner.evse_id, limit_a)
        await runner.feed(LimitChanged(limit_a))
        return True

    async def _sleep(self, until: datetime | None) -> None:
        """Until a moment of wall time, a change, or a clock that somebody set."""
        if until is None:
            await self._wake.wait()
            return
        offset = self._offset()
        while (left := until - self._clock.now()) > timedelta(0):
            if await sleep_unless(self._clock, min(left, CLOCK_CHECK), self._wake):
                return
            if abs(self._offset() - offset) > 1:
                return

    def _offset(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def _load(self) -> None:
        try:
            self._profiles.load()
        except StoreError as error:
            log.error("charging with a safe current: %s", error)  # noqa: TRY400 - the disk
        else:
            self._loaded = True

    def _wanted(self) -> tuple[dict[int, Decimal | None], datetime | None]:
        """The limit of each EVSE now, and when the first of them changes by the clock."""
        now = self._clock.now()
        site = self._profiles.site()
        start = epoch(now)
        within = Stretch(start, start + int(HORIZON.total_seconds()))
        alone = {evse_id: of_evse(site, evse_id, within)[0] for evse_id in self._runners}
        total = lowest(of_station(site, within, site.outlet(STATION)), within)[0]
        ends = [total.end, *(limit.end for limit in alone.values())]
        until = datetime.fromtimestamp(min(ends), UTC) if site.profiles else None
        safe = None if self._loaded else self._model[SAFE_CURRENT]
        parts = self._shared(site, total, within)
        limits: dict[int, Decimal | None] = {}
        for evse_id, limit in alone.items():
            outlet = site.outlets[evse_id]
            known = [safe] if safe is not None else []
            known += [] if limit.watts is None else [outlet.amperes(limit.watts)]
            if not known:
                limits[evse_id] = None
                continue
            most = min(*known, outlet.rated_a, parts.get(evse_id, outlet.rated_a))
            limits[evse_id] = enforceable(most, _least(limit, outlet))
        return limits, until if self._loaded else now + RETRY

    def _shared(self, site: Site, total: Limit, within: Stretch) -> dict[int, Decimal]:
        """What each EVSE gets of the station's limit; one without a session as if it had one."""
        if total.watts is None:
            return {}
        claims = {evse_id: self._claim(site, evse_id, within) for evse_id in self._runners}
        begun = sorted(
            (evse_id for evse_id in claims if self._runners[evse_id].state.metering),
            key=self._started_at,
        )
        amperes = site.outlet(STATION).amperes(total.watts)
        parts = share(amperes, [claims[evse_id] for evse_id in begun])
        for evse_id in claims.keys() - parts.keys():
            with_it = [claims[n] for n in (*begun, evse_id)]
            parts[evse_id] = share(amperes, with_it)[evse_id]
        return parts

    def _claim(self, site: Site, evse_id: int, within: Stretch) -> Claim:
        limit = of_session(site, evse_id, within)[0]
        outlet = site.outlets[evse_id]
        most = outlet.rated_w if limit.watts is None else min(limit.watts, outlet.rated_w)
        return Claim(evse_id, outlet.amperes(most), _least(limit, outlet))

    def _started_at(self, evse_id: int) -> datetime:
        transaction = self._runners[evse_id].state.transaction
        return transaction.started_at if transaction else _LATEST


def smart_charging(
    runners: Mapping[int, EvseRunner],
    outlets: Mapping[int, Outlet],
    wiring: "Wiring",
    reporter: Reporter,
) -> tuple[Profiles, Limits]:
    """What is installed, and what keeps the outlets at it."""
    profiles = Profiles(
        runners,
        outlets,
        store=wiring.store,
        clock=wiring.clock,
        model=wiring.model,
        reporter=reporter,
        online=lambda: wiring.csms.online,
    )
    return profiles, Limits(runners, profiles, clock=wiring.clock, model=wiring.model)


def _least(limit: Limit, outlet: Outlet) -> Decimal:
    """The least current of use; DC has none, because no control pilot carries it."""
    lowest_a = LOWEST_A if outlet.phases else Decimal(0)
    return lowest_a if limit.min_rate is None else max(lowest_a, outlet.amperes(limit.min_rate))
