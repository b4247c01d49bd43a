"""A station that is used all day while something goes wrong, in virtual time.

The station is the whole product, with its real driver on a simulated meter that signs, and with a
real WebSocket through a network that can be broken. Drivers come and go; whatever happens in the
meantime, the books must be right in the end (``fault_books``).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Any, Final

from fault_books import owner
from fault_config import STATION, write_config
from fault_csms import FaultyCsms
from fault_gateway import Gateway

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import CallError, StationAway
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken, Stage
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from chargepoint.station.station import Evse
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.line import TcpLine

POLL_S: Final = 0.1
SESSION_S: Final = 600.0  # none takes longer, whatever happens; virtual
REST_S: Final = 7200.0
BEGIN_WH: Final = 1_234_567
LAPSE: Final = Decimal(200)


class VirtualClock(SystemClock):
    """The machine of a station in virtual time, whose own clock can be set wrong and put right.

    It is kept right by somebody as long as nobody sets it (as the kernel sees it, too).
    """

    def __init__(self) -> None:
        self._time = asyncio.get_running_loop().time
        self._began = self._time()
        self.wall = datetime.now(UTC)
        self.ahead = timedelta(0)
        super().__init__(
            wall=self._machine,
            ticks=self._time,
            kept_right=lambda: not self.ahead,
        )

    def _machine(self) -> float:
        return (self.true() + self.ahead).timestamp()

    def true(self) -> datetime:
        """What a clock would show that was never touched."""
        return self.wall + timedelta(seconds=self._time() - self._began)

    def forget(self) -> None:
        """The program ends: what it knew of the time is gone with it."""
        self.known = self.provisional = False
        self.follow()


class Stuck(Exception):  # noqa: N818 - reads as a state
    """Something that had to happen did not."""


class Off(Exception):  # noqa: N818 - reads as a state
    """The station has no power now."""


@dataclass
class Site:
    """Everything that runs. ``tried`` are the tokens of the sessions, in order."""

    version: str
    folder: Path
    numbers: Random
    clock: VirtualClock
    csms: FaultyCsms
    gateway: Gateway
    meter: Em580
    line: TcpLine
    config: StationConfig
    pause_s: float = 0.0  # between two drivers, at most
    life: Life | None = None
    tried: list[str] = field(default_factory=list)
    records: dict[str, list[bytes]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    notes: dict[str, int] = field(default_factory=dict)
    _stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    @property
    def evse(self) -> Evse:
        """Raises ``Off``."""
        if self.life is None:
            raise Off
        return self.life.station.evses[1]

    @property
    def outlet(self) -> SimulatedOutlet:
        outlet: Any = self.evse.runner.outlet
        return outlet  # type: ignore[no-any-return]

    @property
    def online(self) -> bool:
        return self.life is not None and self.life.session.online

    def note(self, what: str, many: int = 1) -> None:
        """Count something that happened."""
        self.notes[what] = self.notes.get(what, 0) + many

    async def until(self, condition: Callable[[], object], what: str, within: float) -> None:
        """Wait in virtual time; raises ``Stuck``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + within
        while not condition():
            if loop.time() > end:
                raise Stuck(f"no {what} within {within:g} s")
            await asyncio.sleep(POLL_S)

    # --- the life of the station --------------------------------------------------------------

    async def start(self) -> None:
        """Switch the station on."""
        self._stack = AsyncExitStack()
        live = app.live(self.config, clock=self.clock)
        self.life = await self._stack.enter_async_context(live)
        outlet = self.outlet
        outlet.load = self._load

    async def stop(self) -> None:
        """Take its power away, as far as a process can do that to itself."""
        life, self.life = self.life, None
        if life is not None:
            await self._stack.aclose()
            self.meter.set_load(0)
            self.clock.forget()

    async def _load(self, _evse: int, watts: Decimal, phases: int) -> None:
        self.meter.set_load(watts, phases)

    # --- drivers ------------------------------------------------------------------------------

    async def session(self) -> None:
        """One driver comes, charges and goes.

        Raises:
            Stuck: the outlet does not become free again.
            Off: the station has no power now.
        """
        token = f"{len(self.tried) + 1:08X}"
        self.tried.append(token)
        outlet = self.outlet
        outlet.plug_in(Vehicle(power_w=11000))
        await asyncio.sleep(self.numbers.uniform(0, 0.2))
        self.present(token)
        with suppress(Stuck):  # a meter or a disk that fails may keep it from beginning
            await self.until(lambda: self.stage in {Stage.CHARGING, Stage.FINISHED}, "begin", 60)
            self._look()
            await asyncio.sleep(self.numbers.uniform(0.2, 4))
            if self.numbers.random() < 0.2:
                outlet.suspend()
                await asyncio.sleep(self.numbers.uniform(0, 1))
        await self._leave(token)

    def _look(self) -> None:
        """What the driver sees on the screen."""
        transaction = self.evse.runner.state.transaction
        if self.stage is Stage.CHARGING and transaction is not None:
            self.seen.append(transaction.transaction_id)

    async def _leave(self, token: str) -> None:
        how = self.numbers.choice(("token", "csms", "plug"))
        with suppress(StationAway, CallError, TimeoutError):
            if how == "csms" and (name := self.name_at_csms(token)) is not None:
                await self._stop_remotely(name)
        if how == "token" and self.stage is Stage.CHARGING:
            self.present(token)
            with suppress(Stuck):
                await self.until(lambda: self.stage is not Stage.CHARGING, "end", 30)
        if self.outlet.vehicle is not None:
            self.outlet.plug_out()
        await self.until(lambda: self.stage is Stage.AVAILABLE, "free outlet", SESSION_S)

    def present(self, token: str) -> None:
        """A card at the reader; raises ``Off``."""
        if self.life is None:
            raise Off
        self.life.station.present(IdToken(token))

    @property
    def stage(self) -> Stage:
        return self.evse.runner.state.stage

    def name_at_csms(self, token: str) -> Any:
        """What the CSMS calls the transaction of a token; None before it has heard of it."""
        view = self.csms.stations.get(STATION)
        for one in reversed(view.transactions) if view else ():
            if one.token == token and one.started:
                return int(one.transaction_id) if self.version == "1.6" else one.transaction_id
        return None

    async def _stop_remotely(self, name: Any) -> None:
        action = "RemoteStopTransaction" if self.version == "1.6" else "RequestStopTransaction"
        patience = timedelta(seconds=5)
        await self.csms.call(STATION, action, {"transactionId": name}, within=patience)

    async def drive(self, enough: asyncio.Event) -> None:
        """Drivers, one after the other; one whose station goes off looks for another."""
        while not enough.is_set():
            try:
                if self.outlet.vehicle is not None:  # the power failed, and it is still there
                    self.outlet.plug_out()
                    await self.until(lambda: self.stage is Stage.AVAILABLE, "free", SESSION_S)
                await self.session()
            except Off:
                await self.until(lambda: self.life is not None, "power", SESSION_S)
            await asyncio.sleep(self.numbers.uniform(0, self.pause_s))

    async def come_to_rest(self) -> None:
        """Wait until all is told and nothing is on its way.

        Raises:
            Stuck: it never was.
        """
        await self.until(self._at_rest, "rest", REST_S)

    def _at_rest(self) -> bool:
        life = self.life
        if life is None or not life.session.online or life.store.waiting:
            return False
        return not self.evse.runner.state.busy and self.meter.state.name == "NOT_READY"


@asynccontextmanager
async def site(
    version: str,
    folder: Path,
    numbers: Random,
    *,
    settings: dict[str, str] | None = None,
    csms_section: dict[str, Any] | None = None,
    url_scheme: str = "ws",
    **served: Any,
) -> AsyncIterator[Site]:
    """A station that has been accepted, its meter, and its CSMS behind a gateway."""
    clock = VirtualClock()
    loop = asyncio.get_running_loop()
    meter = Em580(
        Em580Settings(
            boot_silence=timedelta(seconds=1),
            clock_refusal=timedelta(0),
            signing_delay=timedelta(milliseconds=100),
            begin_energy_wh=BEGIN_WH,
            time_lapse=LAPSE,
            key_seed="faults",
        ),
        clock=clock.true,
        monotonic=loop.time,
    )
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(TcpLine({1: meter}))
        csms = FaultyCsms(clock.true, version, **served)
        await stack.enter_async_context(csms)
        gateway = await stack.enter_async_context(Gateway(lambda: csms.port))
        url = f"{url_scheme}://127.0.0.1:{gateway.port}/ocpp"
        section = {"url": url, "ocpp": [version], **(csms_section or {})}
        config = load_config(write_config(folder, line.port, section, settings or {}), {})
        it = Site(version, folder, numbers, clock, csms, gateway, meter, line, config)
        stack.enter_context(books_of_the_meter(it))
        stack.push_async_callback(it.stop)
        await it.start()
        await it.until(lambda: it.online and it.evse.meter.reading is not None, "acceptance", 300)
        yield it


@contextmanager
def books_of_the_meter(it: Any) -> Iterator[None]:
    """Write down every begin, and every record that the meter makes: it forgets them itself."""
    meter: Any = it.meter
    save = meter._save

    def saving(memory: Any, *, durable: bool = True) -> None:
        before = meter._memory
        save(memory, durable=durable)
        if memory.record and memory.record != before.record:
            it.records.setdefault(owner(memory.record), []).append(memory.record)
        if len(memory.commands) and memory.commands != before.commands:
            last = memory.commands[-1]
            if str(last.command) == "B":
                it.begun.append(last.transaction_id)

    meter._save = saving
    yield
