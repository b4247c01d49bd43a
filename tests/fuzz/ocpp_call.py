"""Calls of the CSMS to a whole station: schema check, handler, what follows, schema of the answer.

An input is JSON: the version, whether a vehicle charges, then actions with their payloads.
"""

import asyncio
import atexit
import json
import re
import shutil
import tempfile
from collections.abc import Coroutine, Iterator
from datetime import timedelta
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import mock

from fuzz_meters import run as in_still_time
from generated_calls import example
from station_bench import Bench, station_bench

from chargepoint import v16, v201
from chargepoint.csms import frames
from chargepoint.csms.adapter import Adapter, Registration
from chargepoint.csms.identity import Identity
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.replies import CallError, Reply
from chargepoint.csms.rpc import Endpoint
from chargepoint.csms.schemas import Schemas
from chargepoint.errors import ChargePointError
from chargepoint.station import transfer

MODULES = (
    "chargepoint.v16",
    "chargepoint.v201",
    "chargepoint.station.certificates",
    "chargepoint.station.device_model",
    "chargepoint.core.profiles",
    "chargepoint.core.variables",
)
STRUCTURED = True
VERSIONS = {"1.6": v16, "2.0.1": v201}
MEMORY = Path("/dev/shm")  # noqa: S108 - a database per input, and nothing to survive a power cut
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-calls-", dir=MEMORY if MEMORY.is_dir() else None))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
CONNECTORS = (("cType2",), ("cType2", "sType3"))
WORDS = (
    "1.6", "2.0.1", "TxCtrlr", "EVConnectionTimeOut", "SampledDataCtrlr", "TxUpdatedInterval",
    "AlignedDataCtrlr", "Interval", "SecurityCtrlr", "BasicAuthPassword", "OCPPCommCtrlr",
    "NetworkConfigurationPriority", "MeterValueSampleInterval", "AuthorizationKey", "Display",
    "HeartbeatInterval", "04A1B2C3D4", "TxProfile", "TxDefaultProfile", "ChargingStationMaxProfile",
    "Recurring", "Relative", "Absolute", "Daily", "Weekly", "ws://127.0.0.1:9/", "http://a..b/",
    "ConnectorPlugRetention", "MessageTimeout", "Actual", "Target", "MinSet", "MaxSet",
)  # fmt: skip


class _NoWay:
    """Files cannot travel: there are no wires here."""

    @staticmethod
    async def download(*_: Any) -> None:
        raise transfer.TransferFailed("no wires here")

    upload = download


class _View:
    """A session that was accepted and has no connection just now."""

    registration = Registration.ACCEPTED
    csms = None

    def boot_again(self) -> bool:
        return False


def seeds() -> Iterator[bytes]:
    for version, package in VERSIONS.items():
        for action in _handled(package):
            few, all_there = (example(version, action, whole=whole) for whole in (False, True))
            yield json.dumps([version, True, [action, few], [action, all_there]]).encode()


def _handled(package: ModuleType) -> list[str]:
    files = Path(package.__file__ or "").parent.glob("*.py")
    text = "".join(path.read_text() for path in files)
    return sorted(set(re.findall(r'@handles\("(\w+)"\)', text)))


def run(data: bytes) -> str:
    try:
        asked = json.loads(data)
    except (ValueError, RecursionError):
        return "no input"
    match asked:
        case [str(version), bool(charging), *calls] if version in VERSIONS:
            with mock.patch.object(transfer, "_module", return_value=_NoWay):
                return in_still_time(_talk(version, calls, charging=charging))
    return "no input"


async def _talk(version: str, calls: list[Any], *, charging: bool) -> str:
    shutil.rmtree(FOLDER / "state", ignore_errors=True)
    work: list[asyncio.Task[None]] = []

    def spawn(what: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        work.append(asyncio.ensure_future(what))
        return work[-1]

    def prepare(wiring: Any) -> None:
        wiring.spawn = spawn

    ends = []
    async with station_bench(FOLDER, connectors=CONNECTORS, prepare=prepare) as bench:
        if charging:
            await bench.charge()
        adapter = VERSIONS[version].adapter(
            bench.station,
            profile=CsmsProfile(),
            identity=Identity("Example", "Wallbox", "1", "1"),
            session=_View(),
        )
        for call in calls[:8]:
            match call:
                case [str(action), payload]:
                    ends.append(await _answer(bench, adapter, action, payload))
        await _end(work)
    return " ".join(ends)


async def _answer(bench: Bench, adapter: Adapter, action: str, payload: Any) -> str:
    schemas = Schemas(adapter.version)
    endpoint = Endpoint(
        None,  # type: ignore[arg-type]
        schemas=schemas,
        handlers=adapter.handlers,
        timeout=timedelta(seconds=30),
        spawn=lambda _: None,
    )
    try:
        call = frames.parse(json.dumps([2, "1", action, payload]))
    except frames.Malformed:
        return "malformed"
    assert isinstance(call, frames.Call)
    try:
        reply: Reply = await endpoint._handle(call)
    except CallError as error:
        assert error.code != "InternalError"
        return error.code
    schemas.response(action, reply.payload)
    assert frames.result("1", reply.payload)
    if reply.after is not None:
        bench.station.spawn(reply.after())
    await bench.clock.advance(5)
    return str(reply.payload.get("status", "answered"))


async def _end(work: list[asyncio.Task[None]]) -> None:
    """What still waits may do so for hours; what failed is a defect, but for a CSMS not there."""
    for task in work:
        if not task.done():
            task.cancel()
        try:
            await task
        except (asyncio.CancelledError, ChargePointError):
            continue
