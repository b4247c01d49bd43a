"""The station: its parts, wired. What adapters, the local interface and tests call.

No rules of its own: they are in ``core``. Nothing here knows OCPP.
"""

import logging
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

from chargepoint.clock import Clock
from chargepoint.core.availability import Place
from chargepoint.core.facts import Fact, SecurityEvent, Status, StatusChanged, TransactionStarted
from chargepoint.core.inputs import (
    StopRequested,
)
from chargepoint.core.model import (
    Cause,
    Context,
    Fault,
    IdToken,
    StopReason,
)
from chargepoint.core.profiles_model import Outlet
from chargepoint.core.variables import (
    ALIGNED_INTERVAL,
    ALIGNED_TX_ENDED_INTERVAL,
    RESUME_AFTER_POWER_LOSS,
    TX_BEFORE_ACCEPTED,
    TX_ENDED_INTERVAL,
    TX_UPDATED_INTERVAL,
)
from chargepoint.errors import Refused, StoreError
from chargepoint.hardware.api import (
    Board,
)
from chargepoint.station import known_tokens
from chargepoint.station.authorizer import AsksCsms, Authorizer
from chargepoint.station.availability import Availability
from chargepoint.station.broadcast import Broadcast, announce
from chargepoint.station.contracts import Contracts
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.displays import Displays
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_parts import parts_of
from chargepoint.station.evse_ports import Spawn
from chargepoint.station.known_tokens import KnownTokens
from chargepoint.station.limits import smart_charging
from chargepoint.station.local_list import LocalList
from chargepoint.station.maintenance import Maintenance
from chargepoint.station.metering import EvseMeter
from chargepoint.station.monitors import Monitors
from chargepoint.station.parts import Books, Keeper
from chargepoint.station.progress import Progress
from chargepoint.station.refused_tokens import refuse
from chargepoint.station.reservations import Reservations
from chargepoint.station.sampling import Sampler
from chargepoint.station.security import Security
from chargepoint.station.settings import StationSettings
from chargepoint.station.supervision import Supervision
from chargepoint.station.time_source import TimeSource
from chargepoint.station.unlocking import unlock
from chargepoint.station.upkeep import Services, Upkeep
from chargepoint.station.vehicles import Vehicles
from chargepoint.station.vendors import Vendors
from chargepoint.station.verdict import verdict_of
from chargepoint.store.sqlite import Store
from meters.api import Meter
from meters.model import MeterInfo, Reading

log = logging.getLogger(__name__)

UNSTORED_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EvseDescription:
    """What the installer said of an EVSE."""

    evse_id: int
    charge_point: str
    meter_name: str
    meter: Meter
    connectors: tuple[str, ...] = ("cType2",)
    outlet: Outlet = field(default_factory=Outlet)


@dataclass(slots=True)
class Evse:
    """The parts of one EVSE."""

    description: EvseDescription
    runner: EvseRunner
    meter: EvseMeter
    sampler: Sampler


@dataclass(slots=True)
class Wiring:
    """What the station is given by the composition root.

    ``verify`` says what a signed reading is worth, ``prepare`` makes ready for that of a meter;
    ``recorded`` wakes the outbox; ``accepted`` says whether the CSMS has accepted this life of it;
    ``spawn`` does work that must be finished whatever happens to whoever asked for it, ``keeper``
    keeps the parts running; ``tls`` says whether the way to the CSMS is encrypted.
    """

    store: Store
    clock: Clock
    board: Board
    model: DeviceModel
    csms: AsksCsms
    verify: Callable[[Reading], Coroutine[Any, Any, str]]
    recorded: Callable[[], None]
    spawn: Spawn
    keeper: Keeper
    fresh_id: Callable[[], str]
    prepare: Callable[[MeterInfo], Coroutine[Any, Any, None]] | None = None
    tls: Callable[[], bool] = lambda: False
    key_in_first: bool = False
    accepted: Callable[[], bool] = lambda: True
    faults: dict[str, Fault] = field(default_factory=dict)
    upkeep: Upkeep = field(default_factory=Upkeep)


class Station:
    """All parts of a charging station."""

    def __init__(self, wiring: Wiring, evses: list[EvseDescription]) -> None:
        self.store = wiring.store
        self.clock = wiring.clock
        self.board = wiring.board
        self.model = wiring.model
        self.spawn = wiring.spawn
        self.told = Broadcast()
        self.settings = StationSettings(wiring.model, key_in_first=wiring.key_in_first)
        self.faults = wiring.faults
        self.on_recovered: Callable[[], None] = lambda: None  # no EVSE has anything left open
        self.unstored: deque[SecurityEvent] = deque(maxlen=UNSTORED_MOST)
        self.security = Security(self.store, self.clock, self.model, self.record)
        self._wiring = wiring
        self.evses: Mapping[int, Evse] = {
            description.evse_id: Evse(
                description, *parts_of(description, self, wiring, self._verify)
            )
            for description in evses
        }
        for interval in (
            TX_UPDATED_INTERVAL,
            TX_ENDED_INTERVAL,
            ALIGNED_INTERVAL,
            ALIGNED_TX_ENDED_INTERVAL,
        ):
            self.model.subscribe(interval, lambda _: self._reconsider())
        rules, policy = self.settings.rules, self.settings.cache_policy
        runners = {evse_id: evse.runner for evse_id, evse in self.evses.items()}
        self.availability = Availability(
            runners,
            clock=self.clock,
            store=self.store,
            faults=self.faults,
            record=self.record,
            spawn=self.spawn,
        )
        self.reservations = Reservations(
            runners,
            {evse_id: evse.description.connectors for evse_id, evse in self.evses.items()},
            model=self.model,
            store=self.store,
            clock=self.clock,
            record=self.record,
        )
        tokens = KnownTokens(self.store, self.clock, rules=rules, policy=policy)
        self.authorizer = Authorizer(
            runners,
            tokens,
            clock=self.clock,
            rules=rules,
            contracts=self.settings.contracts,
            csms=wiring.csms,
            spawn=self.spawn,
            reservations=self.reservations,
        )
        self.contracts = Contracts(self.security.certificates.trusted, self.clock)
        self.local_list = LocalList(self.store, self.model)
        known_tokens.report_conflicts(tokens, self.local_list, self.availability.warn)
        known_tokens.provide(self.model, self.store)
        self.maintenance = Maintenance(runners, clock=self.clock)
        self.maintenance.hold(lambda: bool(self.reservations.known))
        self.monitors = Monitors(self, online=lambda: wiring.csms.online)
        outlets = {one.evse_id: one.outlet for one in evses}
        self.profiles, self.limits = smart_charging(runners, outlets, wiring, self)
        self.displays = Displays(self, runners)
        self.vehicles = Vehicles(
            runners,
            self.profiles,
            clock=self.clock,
            record=self.record,
            online=lambda: wiring.csms.online,
        )
        self.vendors = Vendors(self)
        self.time_source = TimeSource(
            self.clock, self.model, self.store.timeline, self._times_moved
        )
        for evse in self.evses.values():
            evse.runner.straight = self.time_source.straight
        self.progress = Progress(self)
        self.services = Services.build(wiring.upkeep, self, lambda: wiring.csms.online)

    # --- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Recover what a power cut left, then live; ends only by cancellation."""
        await Supervision(self, self._wiring.keeper).run()

    async def power_fails(self, runner: EvseRunner) -> None:
        """The mains are gone at an outlet, and a reserve lasts for a moment."""
        if not self.model[RESUME_AFTER_POWER_LOSS]:
            await self.maintenance.power_fails(runner)

    def _times_moved(self) -> None:
        """The store moved recorded times: what the runners know of them is read again."""
        for evse in self.evses.values():
            evse.runner.reload()
            evse.sampler.reconsider()

    @property
    def parts(self) -> Mapping[str, Books]:
        """What became of each part that is kept running."""
        return self._wiring.keeper.parts

    def _reconsider(self) -> None:
        for evse in self.evses.values():
            evse.sampler.reconsider()

    # --- facts ------------------------------------------------------------------------------

    def recorded(self, evse_id: int, facts: tuple[Fact, ...]) -> None:
        """Facts of an EVSE were stored."""
        self.reservations.heard(facts)
        for fact in facts:
            announce(self.told, fact)
            if isinstance(fact, TransactionStarted):
                self._expect_record(evse_id)
            if isinstance(fact, StatusChanged) and fact.status is Status.PREPARING:
                self.spawn(self.authorizer.plugged(self.evses[evse_id].runner))
        if evse_id in self.evses:
            self.evses[evse_id].sampler.reconsider()
        self.profiles.happened(evse_id, facts)
        self.displays.recorded(evse_id, facts)
        self.vehicles.happened(evse_id, facts)
        self._wiring.recorded()

    def _expect_record(self, evse_id: int) -> None:
        info = self.evses[evse_id].meter.info
        if self._wiring.prepare is not None and info is not None and info.public_key:
            self.spawn(self._wiring.prepare(info))

    def record(self, fact: Fact) -> None:
        """Store a fact that changes no EVSE; a disk that refuses costs a reading, not a session.

        A security event waits in ``unstored`` for it; of many the newest.
        """
        try:
            self.store.record(fact, offline=not self._wiring.csms.online)
        except StoreError as error:
            log.error("%s not stored: %s", type(fact).__name__, error)  # noqa: TRY400 - the disk
            if isinstance(fact, SecurityEvent):
                self.unstored.append(fact)
            return
        announce(self.told, fact)
        self._wiring.recorded()

    def statuses(self) -> list[StatusChanged]:
        """The status of the station (EVSE 0) and of every connector, now."""
        return self.availability.statuses()

    def own_status(self) -> Status:
        """The status of the station itself: Available, Unavailable or Faulted."""
        return self.availability.own_status()

    async def _verify(self, reading: Reading) -> str:
        verdict = await verdict_of(self._wiring.verify, reading)
        if verdict in {"invalid", "malformed_signature", "unparsable"}:
            log.error("a signed record of the meter does not verify: %s", verdict)
            info = "a signed record does not verify with the meter's public key"
            self.record(SecurityEvent("TamperDetectionActivated", self.clock.now(), info))
        return verdict

    # --- what others ask of it --------------------------------------------------------------

    def evse(self, evse_id: int, connector_id: int | None = None) -> Evse:
        """One EVSE.

        Raises:
            Refused: there is no such EVSE, or it has no such connector.
        """
        if evse_id not in self.evses:
            known = ", ".join(map(str, self.evses))
            raise Refused(f"no EVSE {evse_id}, there are {known}", reason="UnknownEvse")
        evse = self.evses[evse_id]
        most = len(evse.description.connectors)
        if connector_id is not None and not 1 <= connector_id <= most:
            found = f"EVSE {evse_id} has connectors 1 to {most}, not {connector_id}"
            raise Refused(found, reason="UnknownConnectorId")
        return evse

    def find(self, transaction_id: str) -> EvseRunner | None:
        """The EVSE whose transaction this is, if it still runs and the CSMS was told."""
        for evse in self.evses.values():
            transaction = evse.runner.state.transaction
            told = transaction is not None and transaction.told
            if told and transaction is not None and transaction.transaction_id == transaction_id:
                return evse.runner
        return None

    async def stop(self, transaction_id: str, reason: StopReason, cause: Cause) -> None:
        """End a transaction; nothing happens if it does not run."""
        runner = self.find(transaction_id)
        if runner is not None:
            await runner.feed(StopRequested(reason, cause))

    async def token_refused(self, transaction_id: str) -> None:
        """The CSMS does not accept the token of a transaction that may run still."""
        runner = self.find(transaction_id)
        if runner is not None:
            await refuse(runner, self.evses[runner.evse_id].meter, self.settings)

    async def set_availability(
        self,
        *,
        operative: bool,
        evse_id: int = 0,
        connector_id: int | None = None,
        thorough: bool = False,
    ) -> bool:
        """Make a connector, an EVSE, or with 0 the station, operative or not; kept over restarts.

        False if it will count only when the running transaction is over. ``thorough``: see
        ``core.availability.Place``.

        Raises:
            Refused: there is no such EVSE or connector.
        """
        if evse_id:
            self.evse(evse_id, connector_id)
        place = Place(evse_id, connector_id, thorough)
        at_once = await self.availability.set_operative(place, operative=operative)
        await self.reservations.arrange()
        return at_once

    async def unlock(self, evse_id: int, connector_id: int) -> bool:
        """Unlock a cable, ending a running transaction first. False if the lock did not move.

        Waits for the open contactor, but not for the meter's record, which may take long.

        Raises:
            Refused: there is no such EVSE, connector or lock.
        """
        return await unlock(self.evse(evse_id).runner, connector_id, self.spawn)

    async def sample_now(
        self, evse_id: int, *, in_transaction: bool, measurands: tuple[str, ...] = ()
    ) -> bool:
        """Read the meter for the CSMS's sake. False if it does not answer.

        ``measurands`` are for a reading outside of a transaction; by default the aligned ones.
        """
        now = self.evse(evse_id).sampler.now
        return await now(Context.TRIGGER, in_transaction=in_transaction, measurands=measurands)

    async def set_fault(self, evse_id: int, fault: Fault, *, active: bool) -> None:
        """A fault of an EVSE, or with 0 of the whole station, appears or goes."""
        if evse_id:
            self.evse(evse_id, fault.connector_id or None)
        await self.availability.set_fault(evse_id, fault, active=active)
        await self.reservations.arrange()

    def present(self, token: IdToken, evse_ids: tuple[int, ...] = ()) -> None:
        """A reader saw a token; what follows happens in its own time."""
        for evse_id in evse_ids:
            self.evse(evse_id)
        if self._wiring.accepted() or self.model[TX_BEFORE_ACCEPTED]:
            self.spawn(self.authorizer.present(token, evse_ids))

    async def present_contract(self, evse_id: int, chain: str) -> None:
        """A vehicle showed its contract: PEM, leaf first (ISO 15118, OCPP 2.0.1 C07).

        Raises:
            Refused: there is no such EVSE, or no contract in that text.
        """
        self.evse(evse_id)
        contract = await self.contracts.examine(chain)
        if self._wiring.accepted() or self.model[TX_BEFORE_ACCEPTED]:
            self.spawn(self.authorizer.present(contract.token, (evse_id,), contract))
