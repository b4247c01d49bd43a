"""A station that changes its OCPP version while facts wait, beside a CSMS that speaks both."""

import asyncio
import random
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from sample_facts import (
    ALL,
    TOKEN,
    ended,
    idle_sample,
    security,
    started,
    status,
    updated,
    variable_event,
)
from station_bench import Bench, station_bench
from websockets.asyncio.client import connect

from chargepoint import v16, v201
from chargepoint.app import _View
from chargepoint.bench.csms import Direction, Frame, SmallCsms, StationView
from chargepoint.core.facts import (
    CertificateRequested,
    DataOffered,
    Fact,
    FirmwareProgress,
    LogProgress,
    Status,
    TransactionUpdated,
)
from chargepoint.core.firmware import FirmwareStatus
from chargepoint.core.logs import LogStatus
from chargepoint.core.model import Cause
from chargepoint.csms.identity import Identity
from chargepoint.csms.outbox import Outbox, Retry
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.session import Session
from chargepoint.store.sqlite import Store

STATION = "CP1"
IDENTITY = Identity("Example", "Wallbox 22", "0001", "1.2.3")
VERSIONS = ("1.6", "2.0.1")
_CALL = 2


@dataclass
class Switching:
    """One folder and one CSMS; every life of the station speaks one version."""

    folder: Path
    csms: SmallCsms
    facts: dict[str, Fact] = field(default_factory=dict)  # by their ids in the journal
    names: dict[str, str] = field(default_factory=dict)  # id of a message -> that id
    cuts: int = 0

    @asynccontextmanager
    async def life(self, version: str) -> AsyncIterator["Life"]:
        """A life of the station, not connected yet."""
        made: list[tuple[Session, Outbox]] = []

        def prepare(wiring: Any) -> None:
            outbox = Outbox(wiring.store, wiring.clock, lambda: Retry(3, timedelta(seconds=60)))
            session = Session(
                store=wiring.store, outbox=outbox, clock=wiring.clock, spawn=wiring.spawn
            )
            wiring.csms, wiring.recorded = session, outbox.wake
            made.append((session, outbox))

        async with station_bench(self.folder, prepare=prepare) as bench:
            session, outbox = made[0]
            view = _View()
            view.station = bench.station
            more: dict[str, Any] = {"identity": IDENTITY, "session": session}
            both = [
                package.adapter(bench.station, profile=CsmsProfile(), **more)
                for package in (v16, v201)
            ]
            session.attach(view, {adapter.subprotocol: adapter for adapter in both})
            yield Life(self, version, bench, session, outbox)

    def calls(self) -> list[Frame]:
        """Every request that came, in order."""
        return [
            frame
            for frame in self.csms.frames
            if frame.kind == _CALL and frame.direction is Direction.FROM_STATION
        ]


@dataclass
class Life:
    """A station that speaks one version at a time."""

    switching: Switching
    version: str
    bench: Bench
    session: Session
    outbox: Outbox

    @property
    def store(self) -> Store:
        return self.bench.store

    def record(self, *facts: Fact) -> None:
        """Facts that happen now."""
        self.store.record(*facts, offline=True)
        self.outbox.wake()
        for entry in self.bench.journal():
            in_16 = str(uuid.uuid5(uuid.UUID(entry.message_id), "1.6"))
            self.switching.facts[entry.message_id] = entry.fact
            self.switching.names[entry.message_id] = self.switching.names[in_16] = entry.message_id

    async def speak(
        self, most: int | None = None, *, version: str = "", lost: bool = False
    ) -> None:
        """Connect, and be connected until all is told, or ``most`` messages came.

        ``lost``: until the connection breaks by itself.
        """
        csms, speaks = self.switching.csms, f"ocpp{version or self.version}"
        before = len(self.switching.calls())
        csms.stations.setdefault(STATION, StationView(STATION)).connected = True

        def enough() -> bool:
            come = len(self.switching.calls()) - before
            if lost:
                return not csms.stations[STATION].connected
            return self.idle() or (most is not None and come >= most)

        async with connect(f"{csms.url}/{STATION}", subprotocols=[speaks]) as line:  # type: ignore[list-item]
            serving = asyncio.create_task(self.session.serve(line, speaks))
            try:
                await _until(lambda: (lost or self.session.online) and enough())
                if not lost and not self.idle():
                    self.switching.cuts += 1
                    csms.drop(STATION)
                    await serving
            finally:
                serving.cancel()
                with suppress(asyncio.CancelledError):
                    await serving
        await _until(lambda: not csms.stations[STATION].connected)

    def idle(self) -> bool:
        """Nothing waits to be told."""
        return not self.store.waiting


@asynccontextmanager
async def switching(folder: Path) -> AsyncIterator[Switching]:
    """The CSMS listens; whatever it is told must be legal."""
    async with SmallCsms() as csms:
        csms.answers.count_transactions = True
        it = Switching(folder, csms)
        yield it
        assert csms.violations == []


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - two ends of a socket
            await asyncio.sleep(0.002)


def some_facts(numbers: random.Random) -> list[Fact]:
    """Sessions and all that can happen beside them, each session in its order."""
    lines = [list(_session(numbers, f"T{number}")) for number in range(numbers.randint(1, 3))]
    lines += [[fact] for fact in _beside(numbers)]
    facts: list[Fact] = []
    while lines:
        line = numbers.choice(lines)
        facts.append(line.pop(0))
        lines = [one for one in lines if one]
    return facts


def _session(numbers: random.Random, transaction_id: str) -> Iterator[Fact]:
    middle = numbers.randint(0, 4)
    yield started(transaction_id, token=TOKEN)
    for seq in range(1, middle + 1):
        if numbers.random() < 0.5:
            yield updated(transaction_id, seq)
        else:
            yield updated(transaction_id, seq, samples=(), cause=Cause.CHARGING_STATE_CHANGED)
    yield ended(transaction_id, middle + 1)


def _beside(numbers: random.Random) -> Iterator[Fact]:
    """Every kind of fact once, and some of them in other words."""
    at = ended().at
    yield from (fact for fact in ALL if not hasattr(fact, "transaction_id"))
    yield from (security("again"), idle_sample("501"), variable_event(value="false"))
    yield from (status(numbers.choice(list(Status)), evse_id=1) for _ in range(3))
    yield CertificateRequested("V2GCertificateChain", at, "csr of another key")
    yield DataOffered("com.example", at, None, None)
    for word in numbers.sample(list(FirmwareStatus), 4):
        signed = numbers.random() < 0.5
        number = 8 if signed else numbers.choice([None, 8])
        idle = word is FirmwareStatus.IDLE
        yield FirmwareProgress(None if idle else number, word, at, signed)
    for word in numbers.sample(list(LogStatus), 3):
        diagnostics = numbers.random() < 0.5
        without = diagnostics or word is LogStatus.IDLE
        yield LogProgress(None if without else 9, word, at, diagnostics)


def needs_no_words(fact: Fact, version: str) -> bool:
    """Whether a version tells this by something else: the state of a session is a status in 1.6."""
    return version == "1.6" and isinstance(fact, TransactionUpdated) and not fact.samples
