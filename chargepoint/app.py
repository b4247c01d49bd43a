"""The composition root: a config in, a running station out.

One life of the station is one nested set of contexts; a reset ends a life and begins another one
in the same process.
"""

import asyncio
import contextlib
import logging
import secrets
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from random import SystemRandom
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from chargepoint import __version__, wiring
from chargepoint.boot import POWER_UP, UNKNOWN, Boot
from chargepoint.clock import Clock, MeterTime, SystemClock
from chargepoint.config import StationConfig
from chargepoint.config_open import open_meters
from chargepoint.core.facts import StatusChanged
from chargepoint.core.model import StopReason
from chargepoint.core.security import Event
from chargepoint.core.variables import (
    HEARTBEAT_INTERVAL,
    MESSAGE_ATTEMPT_INTERVAL,
    MESSAGE_ATTEMPTS,
    MESSAGE_TIMEOUT,
    OFFLINE_THRESHOLD,
    RESET_RETRIES,
    WEB_SOCKET_PING_INTERVAL,
)
from chargepoint.csms.adapter import Registration
from chargepoint.csms.credentials import Credentials
from chargepoint.csms.frames import masked
from chargepoint.csms.identity import Identity
from chargepoint.csms.link import Link
from chargepoint.csms.outbox import Outbox, Retry
from chargepoint.csms.routes import Routes
from chargepoint.csms.session import Session, Timing
from chargepoint.errors import Refused, StoreError
from chargepoint.lives import Life, begun
from chargepoint.provided import provide
from chargepoint.reloading import Reload, reload_config
from chargepoint.secured import Secured, basis
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.log_keeper import keep_log
from chargepoint.station.record_keeper import RecordKeeper
from chargepoint.station.station import Station, Wiring
from chargepoint.station.store_keeper import StoreKeeper
from chargepoint.station.upkeep import LOG
from chargepoint.store.sqlite import Store
from chargepoint.supervisor import Supervisor
from meters.api import Meter

if TYPE_CHECKING:
    from chargepoint.local.metrics import Family

__all__ = ["Access", "Life", "live", "run"]

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 15.0


@dataclass(slots=True)
class Access:
    """Where the local interface is and what opens it: the same over a reset of the station.

    ``wanted`` is what the config said of the place; a port that was any free one is kept.
    """

    host: str
    port: int
    token: str
    wanted: str = ""

    @classmethod
    def of(cls, config: StationConfig) -> Self:
        """As the config says, with a fresh token."""
        access = cls("", 0, secrets.token_urlsafe(32))
        access.follow(config)
        return access

    def follow(self, config: StationConfig) -> None:
        """Go where the config says, if it says something else now."""
        local = config.local
        if local is not None and local.listen != self.wanted:
            self.host, self.port, self.wanted = local.host, local.port, local.listen


async def run(
    config: StationConfig,
    *,
    stop: asyncio.Event,
    clock: Clock | None = None,
    born: Callable[[Life], None] = lambda _life: None,
    reload: Reload | None = None,
    boot: Boot = UNKNOWN,
) -> None:
    """Run the station until ``stop`` is set; then end transactions and go, within a bound.

    ``born`` is told of every life, the first one and one per reset; ``boot`` is that of the
    machine.

    Raises:
        ConfigError: the config names something that cannot be.
        StoreError: the state folder cannot be used.
    """
    clock = clock or SystemClock()
    access = Access.of(config)
    reason, retries = POWER_UP, 0
    worked = config
    while not stop.is_set():
        begin = partial(live, clock=clock, reason=reason, access=access, boot=boot)
        former = partial(begin, worked) if worked is not config else None
        async with begun(
            partial(begin, config), retries=retries, clock=clock, stop=stop, otherwise=former
        ) as life:
            worked = life.config
            born(life)
            reason = await _until_restart(life, stop, reload, boot)
            config, retries = life.config, life.station.model[RESET_RETRIES]
        if not stop.is_set():
            log.info("starting again (%s)", reason)


@contextlib.asynccontextmanager
async def live(
    config: StationConfig,
    *,
    clock: Clock,
    reason: str = POWER_UP,
    access: "Access | None" = None,
    boot: Boot = UNKNOWN,
) -> AsyncIterator[Life]:
    """One life of the station, running while the context is open.

    ``access`` is the way to the local interface, kept from one life to the next.
    """
    async with AsyncExitStack() as stack:
        store = stack.enter_context(Store(config.station.state, config.station.id))
        stack.enter_context(keep_log(store.folder / LOG, clock.now))
        meters = await stack.enter_async_context(open_meters(config, MeterTime(clock)))
        supervisor = Supervisor(clock)
        life = _assemble(config, store, meters, clock, supervisor)
        life.station.time_source.begin()
        await stack.enter_async_context(supervisor)
        if reason == POWER_UP:
            reason = boot.reason(store.timeline)
        lost = StopReason.POWER_LOSS if reason == POWER_UP else StopReason.REBOOT
        for evse in life.station.evses.values():
            evse.runner.lost = lost
        life.station.on_recovered = partial(boot.recovered, store.timeline)
        reason = life.station.services.firmware.boot_reason or reason
        life.session.forget(reason)
        life.station.security.event(_started(reason), reason)
        await stack.enter_async_context(_local(life, access or Access.of(config)))
        supervisor.keep("station", life.station.run)
        supervisor.keep("monitors", life.station.monitors.run)
        supervisor.keep("store", StoreKeeper(life.station, life.session.tell_statuses).run)
        supervisor.keep("records", RecordKeeper(store, clock, wiring.bounds_of(config)).run)
        supervisor.keep("link", lambda: life.link.run(life.session.serve))
        yield life


def _started(reason: str) -> Event:
    """The word of the security log for a start with this reason."""
    return Event.STARTUP if reason == POWER_UP else Event.RESET


async def _until_restart(life: Life, stop: asyncio.Event, reload: Reload | None, boot: Boot) -> str:
    maintenance = life.station.maintenance
    events = [stop, maintenance.wanted] + ([reload.wanted] if reload else [])
    while not stop.is_set() and not maintenance.wanted.is_set():
        async with asyncio.TaskGroup() as waiting:
            tasks = [waiting.create_task(event.wait()) for event in events]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
        if reload is not None and reload.wanted.is_set():
            reload.wanted.clear()
            await reload_config(life, reload)
            reload.done()
    if stop.is_set():
        boot.ends(life.store.timeline)
        await _end_transactions(life)
    await life.session.take_leave()
    return "" if stop.is_set() else maintenance.reason


async def _end_transactions(life: Life) -> None:
    if life.station.maintenance.busy:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await life.station.maintenance.restart(StopReason.REBOOT, reason="Unknown")


def _assemble(
    config: StationConfig,
    store: Store,
    meters: dict[str, Meter],
    clock: Clock,
    supervisor: Supervisor,
) -> Life:
    profile = wiring.profile_of(config)
    model = wiring.device_model(config, store.settings, meters)
    outbox = Outbox(
        store, clock, lambda: Retry(model[MESSAGE_ATTEMPTS], model[MESSAGE_ATTEMPT_INTERVAL])
    )
    routes = Routes(basis(config, store.keys), store=store.network, keys=store.keys, model=model)
    credentials = Credentials(routes.basis(), store.keys, store.credentials)
    view = _View()
    link = _link(credentials, model, clock, view)
    session = Session(
        store=store,
        outbox=outbox,
        clock=clock,
        spawn=supervisor.spawn,
        good=view.works,
    )
    station = Station(
        Wiring(
            store=store,
            clock=clock,
            board=wiring.board(config),
            model=model,
            csms=session,
            verify=wiring.verify,
            prepare=wiring.prepare,
            recorded=outbox.wake,
            spawn=supervisor.spawn,
            keeper=supervisor,
            fresh_id=lambda: str(uuid.uuid4()),
            tls=lambda: link.config.url.startswith("wss:"),
            key_in_first=profile.key_in_first,
            accepted=lambda: session.registration is Registration.ACCEPTED,
            upkeep=wiring.upkeep_of(config),
        ),
        [wiring.describe(section, meters) for section in config.evses],
    )
    identity = Identity(
        config.station.vendor, config.station.model, config.station.serial_number, __version__
    )
    adapters = wiring.adapters_of(
        config, station, profile=profile, identity=identity, session=session
    )
    station.security.certificates.serial_number = config.station.serial_number
    secured = Secured(credentials, station, link, session, supervisor.spawn)
    secured.refresh()
    view.station, view.session = station, session
    view.routes, view.secured = routes, secured
    session.on_rejected, routes.event = view.rejected, station.security.event
    session.attach(view, adapters)
    provide(config, station, profile, link=link, session=session)
    return Life(config, station, session, link, secured, store, identity, routes)


def _link(credentials: Credentials, model: DeviceModel, clock: Clock, view: "_View") -> Link:
    link = Link(
        replace(credentials.config(), ping_interval=model[WEB_SOCKET_PING_INTERVAL]),
        clock=clock,
        random=SystemRandom(),
        back_off=lambda: wiring.back_off(model),
        on_change=lambda: view.link_changed(link),
    )
    return link


class _View:
    """The station as the CSMS side sees it; the parts are set before anything runs."""

    station: Station
    session: Session
    routes: Routes
    secured: Secured

    def works(self) -> None:
        """The session works on the present connection."""
        self.secured.good()
        self.routes.works()

    def statuses(self) -> list[StatusChanged]:
        return self.station.statuses()

    def timing(self) -> Timing:
        model = self.station.model
        return Timing(model[MESSAGE_TIMEOUT], model[OFFLINE_THRESHOLD], model[HEARTBEAT_INTERVAL])

    def accepted(self, interval: timedelta) -> None:
        """The CSMS's choice of the heartbeat interval is kept like every setting of its."""
        if interval:
            try:
                self.station.model.assign(HEARTBEAT_INTERVAL, interval)
            except (Refused, StoreError) as error:
                log.warning("heartbeat interval of the CSMS not taken: %s", error)

    def link_changed(self, link: Link) -> None:
        """Choose the way of the next attempt; tell whoever looks at the live events.

        An outage may be one of security.
        """
        moved = self.routes.follow(link)
        self.secured.link_changed()
        if moved:
            self._go_on()
        self.station.told.tell("link", state=str(link.state), error=link.last_error)

    def rejected(self) -> None:
        """The CSMS does not accept the station: another one may."""
        if self.routes.rejected():
            self._go_on()
            self.secured.reconnect()

    def _go_on(self) -> None:
        self.secured.rebase(self.routes.basis())
        self.session.moved()

    def frame(self, direction: str, text: str) -> None:
        """Show a frame to whoever looks at the live events, without tokens in it."""
        if self.station.told.heard:
            self.station.told.tell("frame", direction=direction, text=masked(text))


@contextlib.asynccontextmanager
async def _local(life: Life, access: Access) -> AsyncIterator[None]:
    """The local interface, if the config asks for one."""
    local = life.config.local
    if local is None:
        yield
        return
    from chargepoint.local.server import LocalServer

    access.follow(life.config)
    config = life.config  # a config that is reloaded changes no bus
    async with LocalServer(
        life.station,
        station_id=life.config.station.id,
        identity=life.identity,
        session=life.session,
        link=life.link,
        listen=(access.host, access.port),
        token=access.token,
        ready_file=local.ready_file,
        drive=local.drive_real_hardware,
        more=lambda: _buses(config),
        pending=lambda: life.pending,
    ) as server:
        life.url = server.url
        access.port = urlsplit(server.url).port or access.port
        yield


def _buses(config: StationConfig) -> "Iterator[Family]":
    """What the meter buses count, and each meter on them."""
    from chargepoint.local.metrics import of_buses, of_units
    from meters.modbus import open_bus

    found = {name: open_bus(section) for name, section in config.buses.items()}
    buses = {name: bus for name, bus in found.items() if bus is not None}
    yield from of_buses({name: bus.counters for name, bus in buses.items()})
    yield from of_units({name: bus.units for name, bus in buses.items()})
