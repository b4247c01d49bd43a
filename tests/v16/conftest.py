"""A station that speaks OCPP 1.6 with the small CSMS over a real WebSocket."""

import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case
from fake_clock import START
from loopback import LOOPBACK
from quiet_loop import QuietClock
from scripted_csms import Answer, Payload, Sent
from station_bench import BenchMeter
from talk_rig import Desk, Talk, talk_rig

from chargepoint import v16
from chargepoint.core.facts import Fact
from chargepoint.core.model import IdToken, Transaction
from chargepoint.core.variables_layout import Signing
from chargepoint.csms.adapter import Adapter, Delivery, SessionView
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.rpc import Reply
from chargepoint.csms.session import Session
from chargepoint.station.station import Station, Wiring
from chargepoint.station.upkeep import Upkeep
from chargepoint.store.sqlite import Entry


@dataclass
class Bench:
    """The station under test and what a test does to it."""

    talk: Talk

    @property
    def station(self) -> Station:
        return self.talk.bench.station

    @property
    def adapter(self) -> Adapter:
        return self.talk.adapter

    @property
    def csms(self) -> Desk:
        return self.talk.csms

    @property
    def session(self) -> Session:
        return self.talk.session

    @property
    def clock(self) -> QuietClock:
        return self.talk.clock

    @property
    def meters(self) -> dict[int, BenchMeter]:
        return self.talk.bench.meters

    async def ask(self, action: str, *, lost: bool = False, **payload: Any) -> Payload:
        """A call of the CSMS: its answer, once what follows from it has been done.

        ``lost``: the connection is, as soon as the answer is there.
        """
        return await self.talk.ask(action, payload, lost=lost)

    async def hear(self, action: str, **payload: Any) -> Payload | Reply:
        """A call of the CSMS: its answer, before anything follows from it."""
        return await self.talk.hear(action, payload)

    async def tell(self) -> list[Sent]:
        """Let the outbox deliver what waits in the journal; what was sent for it."""
        return await self.talk.tell()

    async def tell_until(self, kind: type[Fact]) -> Entry:
        """Deliver what waits before the first fact of a kind; that one."""
        while (entry := self.station.store.next_entry()) is not None:
            if isinstance(entry.fact, kind):
                return entry
            await self.deliver(entry)
        raise AssertionError(f"no {kind.__name__} waits")

    async def deliver(self, entry: Entry) -> None:
        """Deliver one entry of the journal and forget it."""
        delivery = Delivery(entry, self.csms)
        await self.adapter.deliver(delivery)
        self.station.store.delivered(entry, self.clock.now(), csms_id=delivery.csms_id)
        await self.settle()

    async def deliver_fact(self, fact: Fact, *, number: int = 1) -> None:
        """Deliver a fact that is in no journal; ``number`` 0 is a report of the present."""
        entry = Entry(number, str(uuid.uuid4()), "", fact, offline=False, attempts=0)
        await self.adapter.deliver(Delivery(entry, self.csms))

    async def feed(self, *inputs: Any, evse_id: int = 1) -> None:
        await self.talk.bench.feed(*inputs, evse_id=evse_id)

    async def charge(self, tag: str = "04A1B2C3", evse_id: int = 1) -> Transaction:
        """Begin a session; nothing of it was told yet."""
        return await self.talk.bench.charge(IdToken(tag), evse_id=evse_id)

    def state(self, evse_id: int = 1) -> Any:
        return self.talk.bench.state(evse_id)

    def set(self, key: str, value: str) -> None:
        self.talk.bench.set(key, value)

    async def settle(self) -> None:
        """Let everything be done that needs no time."""
        await self.clock.settle()

    async def pending(self, *answer: Answer) -> None:
        """The station has had to boot anew, and the CSMS put it off, or answered something else."""
        await self.talk.pending(*answer)

    async def cut(self) -> None:
        """The connection is lost, and none comes about until ``back``."""
        await self.talk.cut()

    async def back(self) -> None:
        """The CSMS can be reached again; takes up to a second."""
        await self.talk.back()


@pytest.fixture
def connectors() -> dict[int, tuple[str, ...]]:
    """The connector types of each EVSE."""
    return {1: ("sType2",), 2: ("sType2",)}


@pytest.fixture
def profile() -> CsmsProfile:
    return CsmsProfile()


@pytest.fixture
def identity() -> Identity:
    return Identity("Example", "Wallbox 22", "0001", "1.2.3")


@pytest.fixture
def upkeep() -> Upkeep:
    """What the station was told of updates and logs."""
    return Upkeep(station_id="CP1", reach=LOOPBACK)


@pytest.fixture
async def bench(
    tmp_path: Path,
    connectors: dict[int, tuple[str, ...]],
    profile: CsmsProfile,
    identity: Identity,
    upkeep: Upkeep,
) -> AsyncIterator[Bench]:
    """Two EVSEs; nothing happens by itself."""

    def make(station: Station, session: SessionView) -> Adapter:
        return v16.adapter(station, profile=profile, identity=identity, session=session)

    def prepare(wiring: Wiring) -> None:
        wiring.upkeep = upkeep

    async with talk_rig(
        tmp_path,
        "1.6",
        make,
        connectors=tuple(connectors.values()),
        signing=Signing(started=True),
        key_in_first=profile.key_in_first,
        prepare=prepare,
    ) as talk:
        yield Bench(talk)


@pytest.fixture
def now() -> datetime:
    """When the tests happen."""
    return START


@pytest.fixture
def open_case(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Case]]:
    """Opens a whole running station and its CSMS; see ``case_rig``."""
    return partial(case, "1.6", tmp_path)
