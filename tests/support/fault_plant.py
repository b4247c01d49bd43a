"""A station as a process of its own, in real time, between a simulated meter and a CSMS.

Drivers use it through its local interface. It may be killed at any moment and started again on what
it had stored; meter and CSMS live on in the process that looks on.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import h11
from fault_books import Truth
from fault_config import STATION, write_config
from fault_csms import FaultyCsms
from fault_gateway import Gateway
from fault_rig import BEGIN_WH, LAPSE, Stuck, books_of_the_meter

from chargepoint.bench.local_client import LocalClient, LocalRefused
from chargepoint.store.sqlite import Store
from meters.simulators.control import ControlServer
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.line import TcpLine

POLL_S: Final = 0.02
START_S: Final = 60.0  # a busy machine is no fault of the station
REST_S: Final = 300.0
PLUGGED: Final = {"evse": 1, "ev": {"power_w": 11000}}
SWEPT: Final = {"evse": 1}
_GONE: Final = (OSError, TimeoutError, ValueError, h11.RemoteProtocolError, h11.LocalProtocolError)


class Program:
    """A station started as a program of its own; what it says goes to a file."""

    def __init__(self, log: Path, *command: str) -> None:
        with log.open("ab") as said:
            self._running = subprocess.Popen(command, stdout=said, stderr=said)
        self.pid = self._running.pid

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._running.poll()


@dataclass(slots=True)
class Forked:
    """A station out of ``fault_child``."""

    pid: int
    code: int | None = None


class Nursery:
    """Makes station processes, one after the other, while it is entered."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._watching is not None:
            await self._watching
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()
            await self._process.wait()

    async def born(self, config: Path, *, plugged: bool) -> Forked:
        """A new one; the one before has ended."""
        if self._process is None:
            program = str(Path(__file__).with_name("fault_child.py"))
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, program, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        if self._watching is not None:
            await self._watching
        stdin.write(json.dumps([str(config), plugged]).encode() + b"\n")
        await stdin.drain()
        made = Forked(int(await stdout.readline()))

        async def watch() -> None:
            made.code = int(await stdout.readline())

        self._watching = asyncio.create_task(watch())
        return made


class Gone(Exception):  # noqa: N818 - reads as a state
    """The station does not answer any more: it was killed."""


@dataclass
class Plant:
    """Everything that runs. ``steps`` are those of drivers, of all sessions together."""

    version: str
    folder: Path
    numbers: Random
    csms: FaultyCsms
    gateway: Gateway
    meter: Em580
    line: TcpLine
    config: Path
    nursery: Nursery
    program: tuple[str, ...] = ()
    tried: int = 0
    steps: int = 0
    lives: int = 0
    records: dict[str, list[bytes]] = field(default_factory=dict)
    begun: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    notes: dict[str, int] = field(default_factory=dict)
    process: Program | Forked | None = None

    def note(self, what: str, many: int = 1) -> None:
        """Count something that happened."""
        self.notes[what] = self.notes.get(what, 0) + many

    @property
    def log(self) -> Path:
        """What a program said."""
        return self.folder / "station.log"

    @property
    def online(self) -> bool:
        """Whether the CSMS sees the station."""
        view = self.csms.stations.get(STATION)
        return view is not None and view.connected

    # --- the process --------------------------------------------------------------------------

    async def start(self, *, plugged: bool = False) -> None:
        """The next life; ``plugged``: the vehicle is there already."""
        self.lives += 1
        if self.program:
            self.process = Program(self.log, *self.program, str(self.config))
        else:
            self.process = await self.nursery.born(self.config, plugged=plugged)

    @property
    def code(self) -> int | None:
        """How the process ended; None while it runs."""
        return 0 if self.process is None else self.process.code

    async def ended(self, within: float) -> int:
        """Wait for its end.

        Raises:
            Stuck: it goes on.
        """
        await self.until(lambda: self.code is not None, "end of the process", within)
        self.meter.set_load(0)  # a contactor opens without power
        assert self.code is not None
        return self.code

    async def kill(self, sign: signal.Signals, within: float = 20.0) -> int:
        """Send a signal and wait for the end; 0 or the negative signal."""
        if self.process is not None and self.code is None:
            os.kill(self.process.pid, sign)
        return await self.ended(within)

    def access(self) -> LocalClient | None:
        """The way to the local interface of this life; None before it listens."""
        try:
            found = json.loads((self.folder / "local.json").read_text())
        except (OSError, ValueError):
            return None
        if self.process is None or found["pid"] != self.process.pid:
            return None
        return LocalClient(found["url"], found["token"])

    # --- drivers ------------------------------------------------------------------------------

    async def session(self) -> None:
        """One driver comes, charges and goes; or the station dies meanwhile.

        Raises:
            Gone: it died.
            Stuck: it lives and does not do what it should.
        """
        self.tried += 1
        token = {"id_token": f"{self.tried:08X}"}
        if not (await self.evse())["plugged"]:
            await self.post("ev/plug-in", PLUGGED)
        await self.stage("plugged", "finished", "charging")
        await self.post("token", token)
        with suppress(Stuck):
            await self.stage("charging", within=10)
            self.look(await self.evse())
            await asyncio.sleep(self.numbers.uniform(0, 0.4))
        if self.numbers.random() < 0.5 and (await self.evse())["stage"] == "charging":
            await self.post("token", token)
            await self.stage("finished", "plugged", "available")
        await self.leave()

    async def leave(self) -> None:
        """The vehicle goes, and the outlet is free again."""
        if (await self.evse())["plugged"]:
            with suppress(LocalRefused):
                await self.post("ev/plug-out", SWEPT)
        await self.stage("available")

    def look(self, evse: dict[str, Any]) -> None:
        """What the driver sees on the screen."""
        if evse["stage"] == "charging" and evse["transaction"]:
            self.seen.add(evse["transaction"]["transaction_id"])

    async def evse(self) -> dict[str, Any]:
        """How the outlet is."""
        return dict((await self.get("/v1/status"))["evses"][0])

    async def stage(self, *wanted: str, within: float = START_S) -> None:
        """Wait until the outlet is in one of these."""
        end = time.monotonic() + within
        while (await self.evse())["stage"] not in wanted:
            if time.monotonic() > end:
                raise Stuck(f"not {' or '.join(wanted)} within {within:g} s")
            await asyncio.sleep(POLL_S)
        self.steps += 1

    async def get(self, path: str) -> Any:
        """Ask the station; see ``session`` for what is raised."""
        return await self._asked(lambda local: local.get(path))

    async def text(self, path: str) -> str:
        """The same where the answer is no JSON."""
        return str(await self._asked(lambda local: local.text(path)))

    async def post(self, what: str, body: dict[str, Any]) -> Any:
        """Do something to the station."""
        self.steps += 1
        return await self._asked(lambda local: local.post(f"/v1/{what}", body))

    async def _asked(self, ask: Callable[[LocalClient], Any]) -> Any:
        await self.until(lambda: self.code is not None or self.access(), "local interface", START_S)
        local = self.access()
        if local is None:
            raise Gone
        try:
            return await ask(local)
        except _GONE as error:
            raise Gone from error

    async def until(self, condition: Callable[[], object], what: str, within: float) -> None:
        """Wait in real time; raises ``Stuck``."""
        end = time.monotonic() + within
        while not condition():
            if time.monotonic() > end:
                raise Stuck(f"no {what} within {within:g} s")
            await asyncio.sleep(POLL_S)

    async def come_to_rest(self) -> None:
        """Wait until all is told and nothing is on its way.

        Raises:
            Stuck: it never was.
        """
        await self.leave()
        end = time.monotonic() + REST_S
        while not await self._at_rest():
            if time.monotonic() > end:
                raise Stuck(f"no rest within {REST_S:g} s")
            await asyncio.sleep(0.1)

    async def _at_rest(self) -> bool:
        status = await self.get("/v1/status")
        evse = status["evses"][0]
        busy = evse["transaction"] or evse["stage"] in {"opening", "charging", "closing"}
        if busy or status["journal"]["waiting"] or not status["online"]:
            return False
        return self.meter.state.name == "NOT_READY"

    def truth(self) -> Truth:
        """What is known without the CSMS; to be asked when the process has ended."""
        with Store(self.folder / "state", STATION) as store:
            rows = store.transactions.page(1_000_000)
            known = {one.transaction_id: one.ended_at is not None for one in rows}
            stored = {
                name: [one.document for one in store.records.of(name)] for name in self.records
            }
        counted = int(self.meter.energy_wh) - BEGIN_WH
        return Truth(self.meter.public_key, known, stored, self.records, self.seen, counted)

    def events(self) -> dict[str, int]:
        """How often which security event is in the log."""
        with Store(self.folder / "state", STATION) as store:
            found: dict[str, int] = {}
            for entry in store.security_log.entries():
                found[entry.type] = found.get(entry.type, 0) + 1
        return found


@asynccontextmanager
async def plant(
    version: str,
    folder: Path,
    numbers: Random,
    *,
    program: tuple[str, ...] = (),
    settings: dict[str, str] | None = None,
    **sections: Any,
) -> AsyncIterator[Plant]:
    """All but the station, which is to be started; it is killed in the end.

    ``program`` is a command that gets the config as its last argument; without one stations are
    forked.
    """
    meter = Em580(
        Em580Settings(
            boot_silence=timedelta(0),
            clock_refusal=timedelta(0),
            signing_delay=timedelta(milliseconds=20),
            begin_energy_wh=BEGIN_WH,
            time_lapse=LAPSE,
            key_seed="faults",
        )
    )
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(TcpLine({1: meter}))
        control = str(folder / "control")
        await stack.enter_async_context(ControlServer(control, line, {1: meter}))
        csms = FaultyCsms(lambda: datetime.now(UTC), version)
        await stack.enter_async_context(csms)
        gateway = await stack.enter_async_context(Gateway(lambda: csms.port))
        section = {"url": f"ws://127.0.0.1:{gateway.port}/ocpp", "ocpp": [version]}
        local = {"listen": "127.0.0.1:0", "ready_file": str(folder / "local.json")}
        config = write_config(
            folder,
            line.port,
            section,
            settings or {},
            local=local,
            hardware={"control": control},
            **sections,
        )
        nursery = await stack.enter_async_context(Nursery())
        it = Plant(version, folder, numbers, csms, gateway, meter, line, config, nursery, program)
        stack.enter_context(books_of_the_meter(it))
        try:
            yield it
        finally:
            await it.kill(signal.SIGKILL)
