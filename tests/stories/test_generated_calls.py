"""Whatever a CSMS sends, a station lives on: generated calls of every action, both versions.

The calls go to a whole station over a real WebSocket. ``GENERATED_CALLS`` in the environment says
how many of each sort are tried per action; the gate tries a few.
"""

import asyncio
import os
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter
from generated_calls import Broken, broken, legal
from hypothesis import HealthCheck, given, settings

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import CallError, Direction, SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.inputs import Plugged, StopRequested, TokenAccepted, VehicleReady
from chargepoint.core.model import Authorization, Cause, IdToken, Source, Stage, StopReason
from chargepoint.csms.schemas import Schemas
from meters.api import Meter

STATION = "CP1"
EXAMPLES = int(os.environ.get("GENERATED_CALLS", "6"))
NOT_OUR_FAULT = {"InternalError", "GenericError", "NotImplemented", "SecurityError"}
NOT_COMPARED = tuple(
    f'INSERT INTO "{table}"' for table in ("journal", "security_log", "sqlite_sequence")
)

pytestmark = pytest.mark.timeout(600)
few = settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize="GENERATED_CALLS" not in os.environ,  # the gate tries the same ones every time
    suppress_health_check=list(HealthCheck),
)


@dataclass
class World:
    """A station that charges at one of its EVSEs, and its CSMS."""

    version: str
    csms: SmallCsms
    life: Life
    tasks: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)

    @property
    def handled(self) -> set[str]:
        assert self.life.session.adapter is not None
        return set(self.life.session.adapter.handlers)

    async def call(self, action: str, payload: dict[str, Any]) -> str:
        """The code of the CALLERROR, "" for an answer; what the answer says is checked by all."""
        try:
            await self.csms.call(STATION, action, payload)
        except CallError as error:
            return error.code
        return ""

    def snapshot(self) -> Any:
        """Everything that a call could change, but for what waits to be told."""
        station = self.life.station
        dump = (line for line in self.life.store._db.iterdump())
        return (
            [line for line in dump if not line.startswith(NOT_COMPARED)],
            [evse.runner.state for evse in station.evses.values()],
            station.displays.find(),
            station.maintenance.reason,
        )

    async def rest(self) -> None:
        """Wait until what followed from the calls is over.

        A long job may still be under way, or wait for its hour; two of one kind are a leak.
        """
        for evse in self.life.station.evses.values():  # a reset may wait for it
            await evse.runner.feed(StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP))
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                while running() - self.tasks:  # noqa: ASYNC110 - looks from outside
                    await asyncio.sleep(0.05)
        left = running() - self.tasks
        assert {name: count for name, count in left.items() if count > 1} == {}

    def check(self) -> None:
        """The station has never gone, and never said anything illegal."""
        wrong = [v for v in self.csms.violations if v.direction is Direction.FROM_STATION]
        assert wrong == []
        assert self.csms.stations[STATION].connections == 1
        assert len(self.csms.messages("BootNotification")) == 1
        assert self.life.session.online
        assert self.complaints == []


def running() -> Counter[str]:
    """What runs beside whoever asks, by name, but for the halves of a sleep that can be woken."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    names = (str(getattr(task.get_coro(), "__qualname__", task)) for task in others)
    return Counter(name for name in names if name not in {"Event.wait", "SystemClock.sleep"})


def _config(version: str, csms: SmallCsms, folder: Path) -> StationConfig:
    path = folder / "station.yaml"
    path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox 22, state: {folder}/state}}
csms: {{url: "{csms.url}", ocpp: "{version}"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters:
  outlet1: {{driver: carlo_gavazzi_em580, bus: line, powermeter_device_id: 1}}
  outlet2: {{driver: carlo_gavazzi_em580, bus: line, powermeter_device_id: 2}}
evses:
  - id: 1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
  - id: 2
    meter: outlet2
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: sType2}}]
settings: {{SampledDataCtrlr.TxUpdatedInterval: 0, AlignedDataCtrlr.Interval: 0}}
""")
    return load_config(path)


@asynccontextmanager
async def _world(version: str, folder: Path) -> AsyncIterator[World]:
    async with SmallCsms(versions=[version]) as csms:
        config = _config(version, csms, folder)
        async with app.live(config, clock=SystemClock()) as life:
            await csms.wait_for("StatusNotification")
            runner = life.station.evses[2].runner
            who = Authorization(IdToken("04A1B2C3D4"), Source.CSMS)
            for happened in (Plugged(), VehicleReady(ready=True), TokenAccepted(who)):
                await runner.feed(happened)
            assert runner.state.stage is Stage.CHARGING
            async with asyncio.timeout(10):
                while life.store.waiting or not life.session.online:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            world = World(version, csms, life)
            yield world


@dataclass
class Hosted:
    """A world that lives in a loop which runs only while somebody asks it something."""

    runner: asyncio.Runner
    world: World

    def run(self, work: Any) -> Any:
        return self.runner.run(work)


@pytest.fixture(params=["1.6", "2.0.1"])
def hosted(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> Iterator[Hosted]:
    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter(), "outlet2": FakeMeter()}

    monkeypatch.setattr(app, "open_meters", meters)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        ready, over = loop.create_future(), asyncio.Event()

        async def host() -> None:
            async with _world(request.param, tmp_path) as world:
                ready.set_result(world)
                await over.wait()

        async def begin() -> World:
            await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
            world: World = ready.result() if ready.done() else await task
            loop.set_exception_handler(lambda _, c: world.complaints.append(str(c["message"])))
            await asyncio.sleep(0.3)
            world.tasks = running()
            return world

        async def end() -> None:
            over.set()
            await task

        task = loop.create_task(host())
        world = runner.run(begin())
        yield Hosted(runner, world)
        runner.run(world.rest())
        world.check()
        runner.run(end())
    errors = [r for r in caplog.records if r.levelname in {"ERROR", "CRITICAL"}]
    assert [record.getMessage() for record in errors] == []


def test_an_illegal_call_gets_its_error_and_changes_nothing(hosted: Hosted) -> None:
    for action in sorted(Schemas(hosted.world.version).actions()):
        _refuses_what_is_illegal(hosted, action)


def test_a_legal_call_gets_a_legal_answer(hosted: Hosted) -> None:
    for action in sorted(Schemas(hosted.world.version).actions()):
        _answers_what_is_legal(hosted, action)


def _refuses_what_is_illegal(hosted: Hosted, action: str) -> None:
    world = hosted.world
    handled = action in world.handled

    @few
    @given(wrong=broken(world.version, action))
    def refused(wrong: Broken) -> None:
        before = world.snapshot()

        code = hosted.run(world.call(action, wrong.payload))

        assert code == (wrong.code(world.version) if handled else "NotSupported"), wrong
        assert world.snapshot() == before

    refused()


def _answers_what_is_legal(hosted: Hosted, action: str) -> None:
    world = hosted.world
    handled = action in world.handled

    @few
    @given(payload=legal(world.version, action))
    def answered(payload: dict[str, Any]) -> None:
        code = hosted.run(world.call(action, payload))

        if handled:
            assert code not in NOT_OUR_FAULT, (action, payload)
        else:
            assert code == "NotSupported"

    answered()


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ('[2,"a","Nonsense",{}]', {"NotImplemented"}),
        ('[2,"a","Reset"]', {"FormationViolation", "RpcFrameworkError"}),
        ('[2,"a","Reset",[]]', {"FormationViolation", "FormatViolation"}),
    ],
)
def test_what_is_no_call_of_the_version_gets_its_error(
    hosted: Hosted, text: str, codes: set[str]
) -> None:
    world = hosted.world
    before = world.snapshot()

    async def ask() -> list[str]:
        await world.csms.send_raw(STATION, text)
        async with asyncio.timeout(5):
            while True:
                for frame in world.csms.frames:
                    if frame.direction is Direction.FROM_STATION and frame.text.startswith(
                        '[4,"a"'
                    ):
                        return [frame.text.split('"')[3]]
                await asyncio.sleep(0.01)

    assert set(hosted.run(ask())) <= codes
    assert world.snapshot() == before
