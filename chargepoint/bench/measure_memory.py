"""The idle station: memory and work of ``chargepoint run`` with one meter read once a second.

A process of its own, beside one for the meter and one for the CSMS: what they cost is not counted.
Store and local interface are on.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import Process
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench import measure_process as books
from chargepoint.bench import measure_rig as rig
from chargepoint.bench.local_client import LocalClient
from chargepoint.bench.measure_figures import Extent, Figure
from chargepoint.bench.measure_process import MB

GOAL_MB: Final = 40.0
GOAL_PERCENT: Final = 1.5
_BAUDRATE: Final = 115_200

_LIBRARIES: Final = (
    "asyncio, ssl, sqlite3, logging, websockets.asyncio.client, msgspec, yaml, h11, click,"
    " fastjsonschema, serial"
)
_MODULES: Final = (
    "chargepoint.cli.run, chargepoint.app, chargepoint.v201, chargepoint.local.server,"
    " meters.drivers.carlo_gavazzi_em580, yaml, serial"
)
_IMPORTS: Final = (
    ("interpreter alone", "sys"),
    ("with asyncio, ssl, sqlite3, logging", "asyncio, ssl, sqlite3, logging"),
    ("and websockets, msgspec, yaml, h11, click, fastjsonschema, serial", _LIBRARIES),
    ("and the station's modules, nothing made of them", _MODULES),
)
UNWANTED: Final = ("cryptography", "pymodbus", "jsonschema", "aiohttp")
"""Nothing of these may be in an idle station."""


async def measure(extent: Extent) -> list[Figure]:
    """One station, idle, then once more after a whole session."""
    with TemporaryDirectory(prefix="memory-", dir=extent.folder) as own:
        folder = Path(own)
        line = rig.MeterLine(baudrate=_BAUDRATE)
        async with rig.meter(folder, line) as port, rig.csms(folder) as url:
            config = rig.write_config(folder, url=url, port=port)
            async with rig.station(config, errors=rig.PIPE) as process:
                figures = await _station(extent, folder, process)
            figures.insert(2, await _imports(extent, config))
    floors = [await _floor(name, modules) for name, modules in _IMPORTS]
    return [*figures[:1], *floors, *figures[1:]]


async def _station(extent: Extent, folder: Path, process: Process) -> list[Figure]:
    access = await rig.ready_file(folder / "local.json", process)
    local = LocalClient(access["url"], access["token"])
    await rig.said(process, "accepted by the CSMS")
    async with asyncio.TaskGroup() as tasks:
        deaf = tasks.create_task(_drain(process))  # its log must not fill the pipe
        await asyncio.sleep(extent.settle_s)
        idle = books.memory(process.pid)
        before = books.work(process.pid)
        await asyncio.sleep(extent.window_s)
        worked = books.work(process.pid) - before
        await _one_session(local, charging_s=extent.settle_s)
        await asyncio.sleep(extent.settle_s)
        after = books.memory(process.pid)
        deaf.cancel()
    return [
        _memory("idle station, one meter at 1 Hz, store, local interface: PSS", idle),
        Figure(
            what="idle station: time on a core",
            value=100 * worked.cpu_s / extent.window_s,
            unit="% of a core",
            goal=GOAL_PERCENT,
            beside=f"{worked.switches / extent.window_s:.1f} wake-ups/s over {extent.window_s:g} s",
            elsewhere="bare python-ocpp client without meter 0.005 %, MicroOcpp 0.11 %",
        ),
        _memory("after one whole session: PSS", after),
    ]


def _memory(what: str, memory: books.Memory) -> Figure:
    return Figure(
        what=what,
        value=memory.pss / MB,
        unit="MB",
        goal=GOAL_MB,
        beside=f"RSS {memory.rss / MB:.1f}, anonymous {memory.anonymous / MB:.1f}",
        elsewhere="bare python-ocpp client 24 MB, Node simulator 494 MB",
    )


async def _imports(extent: Extent, config: Path) -> Figure:
    """What an idle station imports, by the interpreter's own log (``-X importtime``).

    A run of its own, because the log costs time and memory.
    """
    command = ("-X", "importtime", "-m", "chargepoint", "run", str(config))
    async with rig.program(*command, errors=rig.PIPE) as process:
        roots = await _imported(process, extent.settle_s + 1.0)
    loaded = [name for name in UNWANTED if name in roots]
    return Figure(
        what="idle station: libraries imported that it does not need",
        value=len(loaded),
        unit="",
        goal=0,
        beside=", ".join(loaded) or f"none of {', '.join(UNWANTED)}",
    )


async def _imported(process: Process, idle_s: float) -> set[str]:
    """The packages it imports until it was accepted, and in so many seconds after that.

    Raises:
        MeasurementFailed: it was not accepted, or there is no log.
    """
    roots: set[str] = set()
    accepted = False
    deadline = asyncio.timeout(rig.PATIENCE_S)
    with contextlib.suppress(TimeoutError):
        async with deadline:
            while process.stderr is not None and (line := await process.stderr.readline()):
                if line.startswith(b"import time:"):
                    roots.add(line.decode().rpartition("|")[2].strip().partition(".")[0])
                elif b"accepted by the CSMS" in line:
                    accepted = True
                    deadline.reschedule(asyncio.get_running_loop().time() + idle_s)
    if not accepted or "chargepoint" not in roots:
        raise rig.MeasurementFailed("no import log of an accepted station")
    return roots


async def _floor(name: str, modules: str) -> Figure:
    """PSS of an interpreter that imports and waits."""
    waiting = (
        f"import {modules}\nimport sys; sys.stdout.write('.'); sys.stdout.flush(); sys.stdin.read()"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", waiting, stdin=rig.PIPE, stdout=rig.PIPE
    )
    if process.stdout is None:
        raise rig.MeasurementFailed("no pipe")
    await process.stdout.readexactly(1)
    await asyncio.sleep(0.2)
    memory = books.memory(process.pid)
    await process.communicate(b"")  # the end of its input is the end of its wait
    return Figure(
        what=f"  {name}: PSS",
        value=memory.pss / MB,
        unit="MB",
        beside=f"RSS {memory.rss / MB:.1f}, anonymous {memory.anonymous / MB:.1f}",
    )


async def _one_session(local: LocalClient, *, charging_s: float) -> None:
    outlet = {"evse": 1, "connector": 1}
    vehicle = {"ready_after_s": 0.0, "power_w": rig.POWER_W, "phases": 3}
    await local.post("/v1/ev/plug-in", {**outlet, "ev": vehicle})
    await local.post("/v1/token", {"id_token": "04BENCH000000", "type": "ISO14443"})
    await _stage(local, "charging")
    await asyncio.sleep(charging_s)
    await local.post("/v1/token", {"id_token": "04BENCH000000", "type": "ISO14443"})
    await _stage(local, "finished")
    await local.post("/v1/ev/plug-out", outlet)
    await _stage(local, "available")


async def _stage(local: LocalClient, wanted: str) -> None:
    async with asyncio.timeout(rig.PATIENCE_S):
        while f'"{wanted}"' not in json.dumps(await _evses(local)):
            pass


async def _evses(local: LocalClient) -> object:
    await asyncio.sleep(0.1)
    return (await local.get("/v1/status"))["evses"]


async def _drain(process: Process) -> None:
    if process.stderr is not None:
        while await process.stderr.readline():
            pass
