"""A real station with a real store, spoken to through the OCPP 1.6 adapter, without a network."""

import asyncio
import itertools
import json
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case
from fake_meter import FakeMeter

from chargepoint import v16
from chargepoint.bench.csms_check import parse, payload_faults
from chargepoint.core.authorization import Known
from chargepoint.core.facts import Fact
from chargepoint.core.inputs import Plugged, TokenAccepted, VehicleReady
from chargepoint.core.model import Authorization, IdToken, Source, Transaction
from chargepoint.core.variables_layout import ConnectorDescription, Signing
from chargepoint.core.variables_layout import EvseDescription as EvseLayout
from chargepoint.csms.adapter import Adapter, Delivery, Registration
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.rpc import Reply
from chargepoint.csms.schemas import Schemas
from chargepoint.errors import CsmsUnavailable
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet
from chargepoint.station.device_model import DeviceModel
from chargepoint.station.station import EvseDescription, Station, Wiring
from chargepoint.station.upkeep import Upkeep
from chargepoint.store.sqlite import Entry, Store
from chargepoint.supervisor import Supervisor
from meters.model import BillingTransaction, Quantity, Reading, Sample

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SCHEMAS = Schemas("1.6")

ANSWERS: dict[str, dict[str, Any]] = {
    "Authorize": {"idTagInfo": {"status": "Accepted"}},
    "BootNotification": {
        "status": "Accepted",
        "currentTime": "2026-03-01T10:00:00Z",
        "interval": 300,
    },
    "DataTransfer": {"status": "Accepted"},
    "DiagnosticsStatusNotification": {},
    "FirmwareStatusNotification": {},
    "LogStatusNotification": {},
    "SecurityEventNotification": {},
    "SignedFirmwareStatusNotification": {},
    "Heartbeat": {"currentTime": "2026-03-01T10:00:00.500Z"},
    "MeterValues": {},
    "StartTransaction": {"transactionId": 4711, "idTagInfo": {"status": "Accepted"}},
    "StatusNotification": {},
    "StopTransaction": {},
}


def check(action: str, payload: Any, *, answer: bool) -> None:
    """Both validators, which share no code, must find the payload legal."""
    (SCHEMAS.response if answer else SCHEMAS.request)(action, payload)
    on_the_wire = parse(json.dumps(payload))
    assert payload_faults("1.6", action, answer=answer, payload=on_the_wire) == []


@dataclass
class Clock:
    """Time that passes only when somebody sleeps or moves it."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return (self.at - NOW).total_seconds()

    async def sleep(self, duration: timedelta) -> None:
        self.at += duration
        await asyncio.sleep(0)

    async def sleep_until(self, moment: datetime) -> None:
        await self.sleep(max(moment - self.at, timedelta(0)))


@dataclass
class Meter(FakeMeter):
    """Signs the end, and the begin if it is to; measures also what ``more`` holds."""

    clock: Clock = field(default_factory=Clock)
    more: tuple[Sample, ...] = ()
    signs_begin: bool = False

    async def read(self) -> Reading:
        self._check()
        energy = Sample(Quantity.ENERGY_IMPORT, self.energy_wh)
        return Reading(self.clock.now(), (energy, Sample(Quantity.POWER, self.power_w), *self.more))

    async def begin(self, transaction: BillingTransaction) -> Reading:
        reading = await super().begin(transaction)
        if not self.signs_begin:
            return reading
        self.running = transaction.transaction_id
        ended = await super().end(transaction.transaction_id)
        self.running, self.record = transaction.transaction_id, None
        return replace(reading, signed=ended.signed)


@dataclass(frozen=True)
class Sent:
    action: str
    payload: dict[str, Any]
    message_id: str | None


@dataclass
class FakeCsms:
    """A CSMS that answers as scripted and takes no illegal message."""

    answers: dict[str, dict[str, Any] | Exception] = field(default_factory=lambda: {**ANSWERS})
    sent: list[Sent] = field(default_factory=list)

    async def call(
        self, action: str, payload: dict[str, Any], *, message_id: str | None = None
    ) -> dict[str, Any]:
        check(action, payload, answer=False)
        self.sent.append(Sent(action, payload, message_id))
        answer = self.answers[action]
        if isinstance(answer, Exception):
            raise answer
        check(action, answer, answer=True)
        return answer

    def said(self, action: str) -> list[dict[str, Any]]:
        return [sent.payload for sent in self.sent if sent.action == action]

    @property
    def actions(self) -> list[str]:
        return [sent.action for sent in self.sent]


@dataclass
class FakeSession:
    """A session as the station and the blocks see it; without ``csms`` there is no connection."""

    csms: FakeCsms | None
    registration: Registration = Registration.ACCEPTED
    adapter: Adapter | None = None
    boots: int = 0

    @property
    def online(self) -> bool:
        return self.csms is not None and self.registration is Registration.ACCEPTED

    async def authorize(self, token: IdToken) -> Known:
        if not self.online or self.csms is None or self.adapter is None:
            raise CsmsUnavailable("not connected")
        return await self.adapter.authorize(self.csms, token)

    def boot_again(self) -> bool:
        self.boots += 1
        return True


@dataclass
class Bench:
    """The station under test and what a test does to it."""

    station: Station
    adapter: Adapter
    csms: FakeCsms
    session: FakeSession
    clock: Clock
    meters: dict[int, Meter]
    work: list[asyncio.Task[Any]]

    async def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        """A call of the CSMS: its answer, once what follows from it has been done."""
        reply = await self.hear(action, **payload)
        if isinstance(reply, Reply):
            assert reply.after is not None
            await reply.after()
            await self.settle()
            return reply.payload
        return reply

    async def hear(self, action: str, **payload: Any) -> dict[str, Any] | Reply:
        """A call of the CSMS: its answer, before anything follows from it."""
        check(action, payload, answer=False)
        reply = await self.adapter.handlers[action](payload)
        check(action, reply.payload if isinstance(reply, Reply) else reply, answer=True)
        return reply

    async def tell(self) -> list[Sent]:
        """Deliver what waits in the journal, as the outbox does; what was sent for it."""
        before = len(self.csms.sent)
        while (entry := self.station.store.next_entry()) is not None:
            await self.deliver(entry)
        return self.csms.sent[before:]

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
        for given in inputs:
            await self.station.evse(evse_id).runner.feed(given)

    async def charge(self, tag: str = "04A1B2C3", evse_id: int = 1) -> Transaction:
        """Begin a session; nothing of it was told yet."""
        authorization = Authorization(IdToken(tag), Source.CSMS)
        await self.feed(
            Plugged(), VehicleReady(ready=True), TokenAccepted(authorization), evse_id=evse_id
        )
        transaction = self.state(evse_id).transaction
        assert transaction is not None
        return transaction

    def state(self, evse_id: int = 1) -> Any:
        return self.station.evse(evse_id).runner.state

    def set(self, key: str, value: str) -> None:
        assert self.station.model.set_key(key, value).answer == "Accepted"

    async def settle(self) -> None:
        """Wait for the work that outlives whoever asked for it."""
        while self.work:
            await self.work.pop()


async def _valid(_: Reading) -> str:
    return "valid"


@asynccontextmanager
async def _bench(
    folder: Path,
    connectors: dict[int, tuple[str, ...]],
    profile: CsmsProfile,
    identity: Identity,
    upkeep: Upkeep,
) -> AsyncIterator[Bench]:
    clock, csms, work = Clock(), FakeCsms(), []
    session = FakeSession(csms)
    meters = {evse_id: Meter(clock=clock) for evse_id in connectors}
    numbers = itertools.count(1)
    layout = [
        EvseLayout(
            evse_id,
            tuple(ConnectorDescription(number, kind) for number, kind in enumerate(kinds, 1)),
            signing=Signing(started=True),
        )
        for evse_id, kinds in connectors.items()
    ]
    described = [
        EvseDescription(
            evse_id=evse_id,
            charge_point=f"DE*ABC*E{evse_id}",
            meter_name=f"outlet{evse_id}",
            meter=meters[evse_id],
            connectors=kinds,
        )
        for evse_id, kinds in connectors.items()
    ]
    with Store(folder / "state", "CP1") as store:
        async with Supervisor(clock) as supervisor:

            def spawn(job: Coroutine[Any, Any, Any], /) -> asyncio.Task[Any]:
                task = supervisor.spawn(job)
                work.append(task)
                return task

            wiring = Wiring(
                store=store,
                clock=clock,
                board=SimulatedBoard([SimulatedOutlet(e, len(k)) for e, k in connectors.items()]),
                model=DeviceModel(evses=layout, store=store.settings),
                csms=session,
                verify=_valid,
                recorded=lambda: None,
                spawn=spawn,
                fresh_id=lambda: f"transaction-{next(numbers)}",
                key_in_first=profile.key_in_first,
                upkeep=upkeep,
            )
            station = Station(wiring, described)
            adapter = v16.adapter(station, profile=profile, identity=identity, session=session)
            session.adapter = adapter
            yield Bench(station, adapter, csms, session, clock, meters, work)


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
    return Upkeep(station_id="CP1")


@pytest.fixture
async def bench(
    tmp_path: Path,
    connectors: dict[int, tuple[str, ...]],
    profile: CsmsProfile,
    identity: Identity,
    upkeep: Upkeep,
) -> AsyncIterator[Bench]:
    async with _bench(tmp_path, connectors, profile, identity, upkeep) as it:
        yield it


@pytest.fixture
def now() -> datetime:
    """When the tests happen."""
    return NOW


@pytest.fixture
def open_case(tmp_path: Path) -> Callable[..., AbstractAsyncContextManager[Case]]:
    """Opens a whole running station and its CSMS; see ``case_rig``."""
    return partial(case, "1.6", tmp_path)
