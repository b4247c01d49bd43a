"""Any simulated meter of the catalogue on its wire, and the driver that is for it.

Made for virtual time, see ``virtual_time``: the device's clock is that of the loop.
"""

import asyncio
import pkgutil
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Generator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

import meters.drivers
from meters.api import Meter, SigningMeter
from meters.catalog import load_driver
from meters.errors import MeterUnreachable, RecordLost
from meters.http import HttpDevice
from meters.line import TcpBusConfig
from meters.modbus import ModbusBus
from meters.model import BillingTransaction, Identification
from meters.simulators.catalog import Simulator, load_simulator, simulators_of
from meters.simulators.faults import Fault
from meters.simulators.http import HttpServer
from meters.simulators.line import TcpLine

T = TypeVar("T")

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
UUID = "12345678-1234-5678-1234-567812345678"
OTHER = "87654321-4321-8765-4321-876543218765"
TIMEOUT_MS = 1000
PATIENCE_S = 300.0
_HOSTS = ("host", "ip_address")
_UNIT = "powermeter_device_id"
_COMMANDS = {"B": "begin", "E": "end"}


def own_drivers() -> tuple[str, ...]:
    """Every driver in the folder."""
    return tuple(sorted(found.name for found in pkgutil.iter_modules(meters.drivers.__path__)))


def pairs() -> list[tuple[str, str]]:
    """Every driver with every simulator that is for it; an empty name where there is none."""
    return [
        (driver, simulator)
        for driver in own_drivers()
        for simulator in sorted(simulators_of(driver)) or [""]
    ]


def now() -> datetime:
    """Wall time that goes with the loop."""
    return START + timedelta(seconds=asyncio.get_running_loop().time() % 1e6)


def transaction(transaction_id: str = UUID) -> BillingTransaction:
    who = Identification(
        assigned=True, level="TRUSTED", flags=("OCPP_AUTH",), type="ISO14443", data="04A1B2C3"
    )
    return BillingTransaction(transaction_id, "DE*ABC*E123*1", who)


@dataclass
class Bench:
    """One simulated meter on its wire."""

    driver_name: str
    simulator: Simulator
    device: Any
    wire: TcpLine | HttpServer
    opened: AsyncExitStack
    options: Mapping[str, Any] = field(default_factory=dict)
    now: Callable[[], datetime] = field(default_factory=lambda: now)

    async def meter(self) -> Meter:
        """A new driver with a connection of its own, as after a restart of the station."""
        driver = load_driver(self.driver_name)
        config = driver_config(self.simulator, driver.Config, self.options)
        if isinstance(self.wire, TcpLine):
            there = TcpBusConfig(
                host="127.0.0.1", tcp_port=self.wire.port, framing="rtu", timeout_ms=TIMEOUT_MS
            )
            bus = await self.opened.enter_async_context(ModbusBus(there))
            return driver.create(config, bus, now=self.now)
        plain: Any = driver
        where = msgspec.structs.replace(
            plain.http_config(config),
            host="127.0.0.1",
            port=self.wire.port,
            tls=False,
            certificate=None,
            timeout_ms=TIMEOUT_MS,
        )
        device = await self.opened.enter_async_context(HttpDevice(where))
        return driver.create(config, device, now=self.now)

    async def signing(self) -> SigningMeter:
        """The same, for a meter that signs."""
        meter = await self.meter()
        assert isinstance(meter, SigningMeter)
        return meter

    def fault(self, kind: str, **how: Any) -> None:
        self.device.faults.add(msgspec.convert({"kind": kind, **how}, Fault))

    def executed(self, command: str, transaction_id: str = UUID) -> int:
        """How often the device carried out "begin" or "end" for a transaction."""
        counts = self.device.status()["transactions"].get(transaction_id, {})
        named = {_COMMANDS.get(name, name): count for name, count in counts.items()}
        return int(named.get(command, 0))

    async def charge(self, watts: int = 11_000, seconds: float = 60) -> None:
        """Let energy flow for a while."""
        self.device.set_load(Decimal(watts), 3)
        await asyncio.sleep(seconds)
        self.device.set_load(Decimal(0), 3)


@asynccontextmanager
async def bench(
    driver: str, simulator: str, *, options: Mapping[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Bench]:
    """A meter that is awake at once unless told otherwise; its energy counter is not at zero."""
    assert simulator, f"the driver {driver} has no simulator: nothing can be said about it"
    found = load_simulator(simulator)
    device = create_device(found, **settings)
    async with AsyncExitStack() as opened:
        wire: TcpLine | HttpServer = (
            HttpServer(device) if found.TRANSPORT == "http" else TcpLine({1: device})
        )
        await opened.enter_async_context(wire)
        yield Bench(driver, found, device, wire, opened, options or {})


def create_device(simulator: Simulator, **settings: Any) -> Any:
    """A device as for tests; settings that this one does not have are left out."""
    wanted = {"key_seed": "contract", "begin_energy_wh": 1637, **simulator.QUICK, **settings}
    known = simulator.Settings.__struct_fields__
    values = {name: value for name, value in wanted.items() if name in known}
    made = simulator.Settings(**values)
    return simulator.create(made, clock=now, monotonic=asyncio.get_running_loop().time)


def driver_config(
    simulator: Simulator, kind: type[msgspec.Struct], options: Mapping[str, Any]
) -> msgspec.Struct:
    """Options of the driver for tests; an address where it wants one.

    They may be shorter than an installer may choose: limits are checked when a config is read.
    """
    values = {**simulator.QUICK_DRIVER, **options}
    for name in _HOSTS:
        if name in kind.__struct_fields__:
            values.setdefault(name, "127.0.0.1")
    if _UNIT in kind.__struct_fields__:
        values[_UNIT] = 1  # its default may be another, as meters leave the factory
    return kind(**values)


async def patiently(call: Callable[[], Awaitable[T]], seconds: float = PATIENCE_S) -> T:
    """What a station does: try again while the meter cannot be reached."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while True:
        try:
            return await call()
        except MeterUnreachable:
            if loop.time() > end:
                raise
        await asyncio.sleep(1)


async def cleared(meter: SigningMeter) -> None:
    """What a station does before it begins: take what the meter still holds, then release it."""
    left = await patiently(meter.open_transaction)
    if left is None:
        return
    with suppress(RecordLost):
        await patiently(lambda: meter.end(left.transaction_id))
    await patiently(lambda: meter.release(left.transaction_id))
    assert await patiently(meter.open_transaction) is None


class Interrupted:
    """A coroutine that is cancelled where it waits for the ``place``-th time (0 is the first).

    Attributes:
        waits: how often it waited until it ended.
    """

    def __init__(self, inner: Coroutine[Any, Any, Any], place: int | None = None) -> None:
        self._inner, self._place = inner, place
        self.waits = 0

    async def run(self) -> None:
        """To its end, or until it was cancelled; anything else it raises goes through."""
        task = asyncio.ensure_future(self._counted())
        try:
            await task
        except asyncio.CancelledError:
            assert task.cancelled()
            return

    async def _counted(self) -> None:
        await _Counting(self)

    def steps(self) -> Generator[Any, Any, None]:
        step = self._inner.__await__()
        send: Callable[[], Any] = lambda: next(step)  # noqa: E731 - replaced by what comes back
        while True:
            try:
                waited_for = send()
            except StopIteration:
                return
            if self.waits == self._place:
                task = asyncio.current_task()
                assert task is not None
                task.cancel()
            self.waits += 1
            try:
                yield waited_for
            except BaseException as error:  # noqa: BLE001 - handed on to where it belongs
                send = _throwing(step, error)
            else:
                send = lambda: next(step)  # noqa: E731


def _throwing(step: Generator[Any, Any, Any], error: BaseException) -> Callable[[], Any]:
    return lambda: step.throw(error)


class _Counting:
    def __init__(self, owner: Interrupted) -> None:
        self._owner = owner

    def __await__(self) -> Generator[Any, Any, None]:
        return self._owner.steps()
