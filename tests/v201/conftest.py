"""A station spoken to through the OCPP 2.0.1 adapter, without a network."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case
from fake_csms import FakeCsms, Payload, Sent, check
from file_servers import Files, http_server
from firmware_rig import IMAGE, FakeInstaller, Maker, make_maker
from station_bench import Bench, FakeSession, station_bench

from chargepoint import v201
from chargepoint.csms.adapter import Adapter, Delivery, Registration
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.rpc import Reply
from chargepoint.station.station import Wiring
from chargepoint.station.upkeep import Upkeep


class Session(FakeSession):
    """The session as blocks see it; without ``csms`` there is no connection."""

    def __init__(self, csms: FakeCsms) -> None:
        super().__init__()
        self.csms: FakeCsms | None = csms
        self.registration = Registration.ACCEPTED
        self.boots = 0

    def boot_again(self) -> bool:
        self.boots += 1
        return True


@dataclass
class Talk:
    """The station under test and its CSMS."""

    bench: Bench
    adapter: Adapter
    csms: FakeCsms
    session: Session

    async def ask(self, action: str, payload: Payload) -> Payload:
        """A call of the CSMS: its answer, once what follows from it has been done."""
        reply = await self.hear(action, payload)
        if not isinstance(reply, Reply):
            return reply
        if reply.after is not None:
            await self.bench.station.spawn(reply.after())
        await self.bench.clock.settle()
        return reply.payload

    async def hear(self, action: str, payload: Payload) -> Payload | Reply:
        """A call of the CSMS: its answer, before anything follows from it."""
        check("2.0.1", action, payload, answer=False)
        reply = await self.adapter.handlers[action](payload)
        check("2.0.1", action, reply.payload if isinstance(reply, Reply) else reply, answer=True)
        return reply

    async def tell(self) -> list[Sent]:
        """Deliver what waits in the journal, as the outbox does; what was sent for it."""
        before = len(self.csms.sent)
        store = self.bench.store
        while (entry := store.next_entry()) is not None:
            delivery = Delivery(entry, self.csms)
            await self.adapter.deliver(delivery)
            store.delivered(entry, self.bench.clock.now(), csms_id=delivery.csms_id)
            await self.bench.clock.settle()
        return self.csms.sent[before:]

    async def events(self) -> list[Payload]:
        """The TransactionEvents among them."""
        return [sent.payload for sent in await self.tell() if sent.action == "TransactionEvent"]


Begin = Callable[..., AbstractAsyncContextManager[Talk]]


@asynccontextmanager
async def _talk(
    folder: Path, identity: Identity, profile: CsmsProfile, **more: Any
) -> AsyncIterator[Talk]:
    csms = FakeCsms()
    session = Session(csms)
    async with station_bench(folder, session=session, **more) as bench:
        adapter = v201.adapter(bench.station, profile=profile, identity=identity, session=session)
        yield Talk(bench, adapter, csms, session)


@pytest.fixture
def identity() -> Identity:
    return Identity("Example", "Wallbox 22", "0001", "1.2.3")


@pytest.fixture
def profile() -> CsmsProfile:
    return CsmsProfile()


@pytest.fixture
def connectors() -> tuple[tuple[str, ...], ...]:
    """The connector types of each EVSE."""
    return (("cType2",), ("cType2", "sType3"))


@pytest.fixture
def upkeep() -> Upkeep:
    """What the station was told of updates and logs."""
    return Upkeep(station_id="CP1")


@pytest.fixture
def settings() -> dict[str, str]:
    """What the installer's file says."""
    return {}


@pytest.fixture
def begin(
    *,
    tmp_path: Path,
    identity: Identity,
    profile: CsmsProfile,
    connectors: tuple[tuple[str, ...], ...],
    upkeep: Upkeep,
    settings: dict[str, str],
) -> Begin:
    """Begins a life of the station in the one folder; given a clock it is a restart."""

    def prepare(wiring: Wiring) -> None:
        wiring.upkeep = upkeep

    def life(**more: Any) -> AbstractAsyncContextManager[Talk]:
        more = {"connectors": connectors, "prepare": prepare, "settings": settings} | more
        return _talk(tmp_path, identity, profile, **more)

    return life


@pytest.fixture
async def talk(begin: Begin) -> AsyncIterator[Talk]:
    """Two EVSEs, the second with two connectors; nothing happens by itself."""
    async with begin() as talk:
        yield talk


@pytest.fixture
def open_talk(tmp_path: Path, identity: Identity, profile: CsmsProfile) -> Any:
    """Makes a talk with other settings, or with the state of the one before: then a restart."""
    return partial(_talk, tmp_path, identity, profile)


@pytest.fixture(scope="module")
def maker() -> Maker:
    return make_maker()


@pytest.fixture
def installer() -> FakeInstaller:
    return FakeInstaller()


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        files.files["/fw.bin"] = IMAGE
        yield files


@pytest.fixture
def open_case(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Case]]:
    """Opens a whole running station and its CSMS; see ``case_rig``."""
    return partial(case, "2.0.1", tmp_path)
