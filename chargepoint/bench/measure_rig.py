"""The other programs of a measurement: simulated meter, small CSMS, station, each a process.

Processes, so that what they need is not counted as the station's; ``python -m chargepoint`` in
each of them is what an installer would start.
"""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chargepoint.errors import ChargePointError

PATIENCE_S = 30.0
STATION_ID = "BENCH01"
POWER_W = 11000

_CONFIG = """
station: {{id: {id}, vendor: Example, model: Wallbox 22, serial_number: "0001", state: {state}}}
csms: {{url: "{url}", ocpp: "{version}"}}
buses: {{rs485: {{port: {port}, baudrate: {baudrate}}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: rs485, powermeter_device_id: 1}}}}
evses:
  - id: 1
    evse_id: DE*ABC*E123*1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
settings: {{SampledDataCtrlr.TxUpdatedInterval: "{interval}"}}
local: {{listen: "127.0.0.1:0", ready_file: {ready}}}
"""


class MeasurementFailed(ChargePointError):  # noqa: N818 - reads as a state
    """Something that was to be measured did not happen; the message says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterLine:
    """A simulated EM580 on its line; ``baudrate`` None is a line that takes no time.

    ``reaction_ms`` is what the meter takes before it answers, ``signing_s`` until it has signed;
    ``record_size`` fills its records up to so many bytes.
    """

    baudrate: int | None = 115200
    reaction_ms: float | None = None
    signing_s: float = 0.0
    record_size: int | None = None

    def options(self) -> list[str]:
        """For the command line of the simulator."""
        options = ["--signing-delay", str(self.signing_s), "--boot-delay", "0"]
        for name, value in (
            ("--baudrate", self.baudrate),
            ("--reaction", self.reaction_ms),
            ("--record-size", self.record_size),
        ):
            if value is not None:
                options += [name, str(value)]
        return options


@contextlib.asynccontextmanager
async def program(*arguments: str, errors: int = DEVNULL) -> AsyncIterator[Process]:
    """``python`` with these arguments, ended when the context is left."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, *arguments, stdin=DEVNULL, stdout=DEVNULL, stderr=errors
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            async with asyncio.timeout(PATIENCE_S):
                await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()


@contextlib.asynccontextmanager
async def meter(folder: Path, line: MeterLine) -> AsyncIterator[Path]:
    """A simulated meter; gives the terminal on which it sits."""
    port, ready = folder / "ttyEM580", folder / "meter.json"
    command = ("-m", "chargepoint", "simulate", "em580", "--pty", str(port))
    async with program(*command, "--ready-file", str(ready), *line.options()) as process:
        await ready_file(ready, process)
        yield port


@contextlib.asynccontextmanager
async def csms(folder: Path) -> AsyncIterator[str]:
    """The small CSMS; gives its URL."""
    ready = folder / "csms.json"
    command = ("-m", "chargepoint", "csms", "--listen", "127.0.0.1:0", "--ready-file", str(ready))
    async with program(*command) as process:
        yield str((await ready_file(ready, process))["url"])


@contextlib.asynccontextmanager
async def station(config: Path, *, errors: int = DEVNULL) -> AsyncIterator[Process]:
    """``chargepoint run CONFIG``, on its own."""
    async with program("-m", "chargepoint", "run", str(config), errors=errors) as process:
        yield process


def write_config(
    folder: Path,
    *,
    url: str,
    port: Path,
    version: str = "2.0.1",
    baudrate: int | None = None,
    state: str = "state",
    interval_s: int = 60,
) -> Path:
    """The config of a station with one outlet; its local interface tells ``local.json``."""
    path = folder / "config.yaml"
    text = _CONFIG.format(
        id=STATION_ID,
        state=folder / state,
        url=url,
        version=version,
        port=port,
        baudrate=baudrate or 115200,
        interval=interval_s,
        ready=folder / "local.json",
    )
    path.write_text(text, encoding="utf-8")
    return path


async def ready_file(path: Path, process: Process) -> dict[str, Any]:
    """What a program wrote when it was ready.

    Raises:
        MeasurementFailed: it ended instead, or takes too long.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            while (content := _read(path)) is None:
                if process.returncode is not None:
                    raise MeasurementFailed(f"{path.name}: ended with {process.returncode}")
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise MeasurementFailed(f"{path.name}: not ready within {PATIENCE_S:g} s") from None
    return content


def _read(path: Path) -> dict[str, Any] | None:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return content


async def said(process: Process, words: str) -> None:
    """Return when the program has said these words in its log (``errors=PIPE``).

    Raises:
        MeasurementFailed: it ended or was silent for too long.
    """
    if process.stderr is None:
        raise MeasurementFailed("nobody listens to the log")
    try:
        async with asyncio.timeout(PATIENCE_S):
            while line := await process.stderr.readline():
                if words.encode() in line:
                    return
    except TimeoutError:
        raise MeasurementFailed(f"no {words!r} within {PATIENCE_S:g} s") from None
    raise MeasurementFailed(f"ended before it said {words!r}")


__all__ = ["DEVNULL", "PIPE", "Process"]
