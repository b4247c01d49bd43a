"""A whole station in a temporary folder, with its own time, simulated outlets and fake meters."""

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fake_clock import FakeClock
from fake_meter import KEY, FakeMeter
from quiet_loop import moment

from chargepoint.core.authorization import Known
from chargepoint.core.inputs import Input, Plugged, StopRequested, TokenAccepted, VehicleReady
from chargepoint.core.model import (
    Authorization,
    Cause,
    EvseState,
    IdToken,
    Source,
    StopReason,
    Transaction,
)
from chargepoint.core.variables_layout import ConnectorDescription, Signing
from chargepoint.core.variables_layout import EvseDescription as EvseLayout
from chargepoint.errors import CsmsUnavailable
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet, Vehicle
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.station import Evse, EvseDescription, Station, Wiring
from chargepoint.store.sqlite import Entry, Store
from chargepoint.supervisor import Supervisor
from meters.model import BillingTransaction, MeterInfo, Quantity, Reading, Sample, SignedReading

TOKEN = IdToken("04A1B2C3D4")
REMOTE_STOP = StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP)


@dataclass
class BenchMeter(FakeMeter):
    """A fake meter on the bench's time; can be slow, and sign more than the end.

    ``gate`` holds up begin and end while it is closed; ``reads`` counts readings. Records have at
    least ``record_bytes``, those of a begin ``begin_bytes``.
    """

    clock: FakeClock = field(default_factory=FakeClock)
    more: tuple[Sample, ...] = ()
    signs_begin: bool = False
    signs_readings: bool = False
    signs_end: bool = True
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    waiting: int = 0
    reads: int = 0
    read_takes_s: float = 0.0
    record_bytes: int = 0
    begin_bytes: int = 0

    def __post_init__(self) -> None:
        self.gate.set()

    async def read(self) -> Reading:
        self._check()
        self.reads += 1
        self.clock.pass_time(self.read_takes_s)
        samples = (
            Sample(Quantity.ENERGY_IMPORT, self.energy_wh),
            Sample(Quantity.POWER, self.power_w),
            *self.more,
        )
        signed = self._record("reading") if self.signs_readings else None
        return Reading(self.clock.now(), samples, signed)

    async def begin(self, transaction: BillingTransaction) -> Reading:
        await self._pass_gate()
        reading = replace(await super().begin(transaction), signed=None)
        signed = _long(self._record("begin"), self.begin_bytes)
        return replace(reading, signed=signed) if self.signs_begin else reading

    async def end(self, transaction_id: str) -> Reading:
        await self._pass_gate()
        reading = await super().end(transaction_id)
        if self.signs_end and reading.signed is not None:
            return replace(reading, signed=_long(reading.signed, self.record_bytes))
        return replace(reading, signed=None)

    async def _pass_gate(self) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1

    def _record(self, what: str) -> SignedReading:
        return SignedReading(f"OCMF|{what}|{{}}".encode(), public_key=KEY)


def _long(signed: SignedReading, size: int) -> SignedReading:
    return replace(signed, document=signed.document.ljust(size, b"+"))


@dataclass
class FakeSession:
    """The way to the CSMS as the station sees it; ``says`` are its words on tokens."""

    online: bool = True
    says: dict[str, Known] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def authorize(self, token: IdToken) -> Known:
        self.asked.append(token.value)
        await self.gate.wait()
        if not self.online:
            raise CsmsUnavailable("not connected")
        return self.says.get(token.value, Known("Accepted", Source.CSMS))


class BenchOutlet(SimulatedOutlet):
    """An outlet that writes down what it was ordered, and fails what it is told to."""

    def __init__(self, evse_id: int, connectors: int) -> None:
        super().__init__(evse_id, connectors)
        self.orders: list[str] = []
        self.fails: dict[str, Exception] = {}

    async def close_contactor(self) -> None:
        self._ordered("close")
        await super().close_contactor()

    async def open_contactor(self) -> None:
        self._ordered("open")
        await super().open_contactor()

    def _ordered(self, what: str) -> None:
        self.orders.append(what)
        if what in self.fails:
            raise self.fails[what]


@dataclass
class Bench:
    """The station under test and what a test does to it."""

    station: Station
    store: Store
    clock: FakeClock
    session: Any
    meters: dict[int, BenchMeter]
    outlets: dict[int, BenchOutlet]
    verdicts: list[str]
    supervisor: Supervisor
    woken: list[int]
    expected: list[MeterInfo]

    def evse(self, evse_id: int = 1) -> Evse:
        return self.station.evse(evse_id)

    def state(self, evse_id: int = 1) -> EvseState:
        return self.evse(evse_id).runner.state

    async def feed(self, *inputs: Input, evse_id: int = 1) -> None:
        for given in inputs:
            await self.evse(evse_id).runner.feed(given)

    async def charge(self, token: IdToken = TOKEN, *, evse_id: int = 1) -> Transaction:
        """Begin a session by what reaches the EVSE; the outlet knows nothing of the vehicle."""
        begin = TokenAccepted(Authorization(token, Source.CSMS))
        await self.feed(Plugged(), VehicleReady(ready=True), begin, evse_id=evse_id)
        transaction = self.state(evse_id).transaction
        assert transaction is not None
        return transaction

    async def plug_and_charge(self, token: IdToken = TOKEN) -> Transaction:
        """Begin a session as a driver does, in a station that runs."""
        self.outlets[1].plug_in(Vehicle())
        await self.clock.settle()
        self.station.present(token)
        await self.clock.settle()
        transaction = self.state().transaction
        assert transaction is not None
        return transaction

    async def finish(self, evse_id: int = 1) -> None:
        await self.feed(REMOTE_STOP, evse_id=evse_id)

    def set(self, key: str, value: str) -> None:
        """Change a setting by its 1.6 key, as a CSMS would."""
        assert self.station.model.set_key(key, value).answer == "Accepted", key

    def journal(self) -> list[Entry]:
        """Everything that waits for the CSMS, oldest first; it stays there."""
        return list(entries(self.store))

    def facts(self, kind: type) -> list[Any]:
        """The facts of one kind that wait for the CSMS."""
        return [entry.fact for entry in self.journal() if isinstance(entry.fact, kind)]


def entries(store: Store) -> list[Entry]:
    """Everything in a journal, oldest first, without taking anything out."""
    from chargepoint.store import codec

    rows = store._db.execute(
        "SELECT number, message_id, stream, kind, fact, offline, attempts FROM journal"
        " ORDER BY number"
    )
    return [
        Entry(number, message_id, stream, codec.decode_fact(kind, fact), bool(offline), attempts)
        for number, message_id, stream, kind, fact, offline, attempts in rows
    ]


@asynccontextmanager
async def station_bench(
    folder: Path,
    *,
    connectors: tuple[tuple[str, ...], ...] = (("cType2",),),
    running: bool = False,
    signing: Signing | None = None,
    clock: FakeClock | None = None,
    meters: dict[int, BenchMeter] | None = None,
    session: Any = None,
    key_in_first: bool = False,
    settings: dict[str, Any] | None = None,
    prepare: Callable[[Any], None] = lambda _wiring: None,
) -> AsyncIterator[Bench]:
    """A station with one EVSE per element of ``connectors``; ``running`` also lets it live.

    The folder, the clock and the meters may be those of an earlier bench: then it is a restart.
    """
    clock = clock or FakeClock()
    session = session or FakeSession()
    by_id = dict(enumerate(connectors, 1))
    meters = meters or {evse_id: BenchMeter(clock=clock) for evse_id in by_id}
    outlets = {evse_id: BenchOutlet(evse_id, len(kinds)) for evse_id, kinds in by_id.items()}
    verdicts: list[str] = []
    woken: list[int] = []
    expected: list[MeterInfo] = []
    numbers = itertools.count(1)

    async def ready(info: MeterInfo) -> None:
        expected.append(info)

    async def verify(_: Reading) -> str:
        return verdicts.pop(0) if verdicts else "valid"

    def fresh_id() -> str:
        return f"tx-{clock.elapsed:g}-{next(numbers)}"

    with Store(folder / "state", "CP1") as store:
        async with Supervisor(clock) as supervisor:
            wiring = Wiring(
                store=store,
                clock=clock,
                board=SimulatedBoard(list(outlets.values())),
                model=DeviceModel(
                    evses=_layout(by_id, signing or Signing(started=True, updated=True)),
                    store=store.settings,
                    settings=settings or {},
                ),
                csms=session,
                verify=verify,
                recorded=lambda: woken.append(1),
                spawn=supervisor.spawn,
                keeper=supervisor,
                fresh_id=fresh_id,
                key_in_first=key_in_first,
                prepare=ready,
            )
            prepare(wiring)
            station = Station(wiring, _described(by_id, meters))
            if running:
                supervisor.keep("station", station.run)
                await clock.settle()
            yield Bench(
                station,
                store,
                clock,
                session,
                meters,
                outlets,
                verdicts,
                supervisor,
                woken,
                expected,
            )


def _layout(connectors: dict[int, tuple[str, ...]], signing: Signing) -> list[EvseLayout]:
    return [
        EvseLayout(
            evse_id,
            tuple(ConnectorDescription(number, kind) for number, kind in enumerate(kinds, 1)),
            signing=signing,
        )
        for evse_id, kinds in connectors.items()
    ]


def _described(
    connectors: dict[int, tuple[str, ...]], meters: dict[int, BenchMeter]
) -> list[EvseDescription]:
    return [
        EvseDescription(
            evse_id=evse_id,
            charge_point=f"DE*ABC*E{evse_id}",
            meter_name=f"outlet{evse_id}",
            meter=meters[evse_id],
            connectors=kinds,
        )
        for evse_id, kinds in connectors.items()
    ]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so that happens in its own real time."""
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "did not come about"
        await moment()
