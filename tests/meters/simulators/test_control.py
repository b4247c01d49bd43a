"""Orders to a running simulator, and what it says of bad ones."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from meters.simulators.control import (
    ControlClient,
    ControlServer,
    SimulatorRefused,
    SimulatorUnreachable,
    tcp_address,
)
from meters.simulators.em580 import Em580, OcmfState
from meters.simulators.line import PtyLine

Make = Callable[..., Em580]


@asynccontextmanager
async def controlled(where: str, *devices: Em580) -> AsyncIterator[tuple[PtyLine, ControlServer]]:
    units = dict(enumerate(devices, start=1))
    async with PtyLine(units) as line, ControlServer(where, line, units) as server:
        yield line, server


@pytest.fixture(params=["socket", "tcp"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "control") if request.param == "socket" else "127.0.0.1:0"


async def test_the_load_is_what_the_client_says(meter: Make, where: str) -> None:
    device = meter()
    async with controlled(where, device) as (_, server):
        await ControlClient(server.where).set_load(Decimal("7360.5"), 1)

        assert (device.load.watts, device.load.phases) == (Decimal("7360.5"), 1)
        status = await ControlClient(server.where).status()

    assert status["units"]["1"]["load_w"] == "7360.5"
    assert status["units"]["1"]["state"] == "NOT_READY"
    assert status["counters"]["requests"] == 0


async def test_an_order_with_a_unit_concerns_that_one(meter: Make, where: str) -> None:
    one, two = meter(), meter()
    async with controlled(where, one, two) as (line, server):
        client = ControlClient(server.where)
        await client.set_load(Decimal(1), unit=2)
        await client.add_fault(unit=2, kind="silence", count=3)
        await client.add_fault(kind="bad-crc")
        await client.add_fault(kind="corrupted")
        status = await client.status(unit=2)

        assert (one.load.watts, two.load.watts) == (0, 1)
        assert [str(fault) for fault in line.faults.active()] == ["bad-crc"]
        assert [str(fault) for fault in one.faults.active()] == ["corrupted"]
        assert [str(fault) for fault in two.faults.active()] == ["silence:count=3", "corrupted"]
        assert list(status["units"]) == ["2"]

        await client.clear()
        assert not line.faults.active() + one.faults.active() + two.faults.active()


async def test_a_reboot_over_the_control_socket_ends_the_transaction(
    meter: Make, where: str
) -> None:
    device = meter()
    device.write(0x7040, [ord("B")])
    async with controlled(where, device) as (_, server):
        await ControlClient(server.where).reboot()

    assert device.state is OcmfState.READY
    assert device.memory.boots == 2


async def test_an_adapter_can_be_pulled_over_the_control_socket(meter: Make, where: str) -> None:
    async with controlled(where, meter()) as (line, server):
        client = ControlClient(server.where)
        await client.order({"unplug": True})
        assert line._ends is None
        await client.order({"plug_in": True})
        assert line._ends is not None


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"nonsense", "malformed"),
        (b"[]", "object"),
        (b'{"lode_w": 5}', "lode_w"),
        (b'{"load_w": "much"}', "load_w"),
        (b'{"load_w": 1, "phases": 4}', "phases"),
        (b'{"load_w": 1e99}', "fit"),
        (b'{"load_w": 1, "unit": 9}', "unit 9"),
        (b'{"phases": 1}', "load_w"),
        (b'{"fault": {"kind": "tired"}}', "tired"),
        (b'{"fault": {"kind": "silence", "count": 0}}', "count"),
        (b'{"override": {"register": 70000, "words": []}}', "register"),
        (b"\xff\xfe", "malformed"),
    ],
)
async def test_a_bad_order_is_answered_with_its_reason(
    meter: Make, tmp_path: Path, line: bytes, words: str
) -> None:
    device = meter()
    async with controlled(str(tmp_path / "control"), device) as (_, server):
        reader, writer = await asyncio.open_unix_connection(server.where)
        writer.write(line + b'\n\n{"status": true}\n')
        refused, status = [json.loads(await reader.readline()) for _ in range(2)]
        writer.close()

    assert words in refused["error"]
    assert "units" in status
    assert device.load.watts == 0


async def test_a_line_without_end_is_cut_off(meter: Make, tmp_path: Path) -> None:
    async with controlled(str(tmp_path / "control"), meter()) as (_, server):
        reader, writer = await asyncio.open_unix_connection(server.where)
        writer.write(b"x" * 70_000)
        answer = json.loads(await reader.readline())
        assert await reader.read() == b""
        writer.close()

    assert answer == {"error": "line too long"}


async def test_a_client_tells_a_refusal_from_a_missing_simulator(
    meter: Make, tmp_path: Path
) -> None:
    where = tmp_path / "control"
    async with controlled(str(where), meter()):
        with pytest.raises(SimulatorRefused, match="unit 3"):
            await ControlClient(where).set_load(Decimal(1), unit=3)

    assert not where.exists()
    with pytest.raises(SimulatorUnreachable, match="control"):
        await ControlClient(where).set_load(Decimal(1))


async def test_a_socket_left_behind_is_replaced_and_a_file_is_not(
    meter: Make, tmp_path: Path
) -> None:
    where = tmp_path / "control"
    async with controlled(str(where), meter()):
        (tmp_path / "stale").hardlink_to(where)
    async with controlled(str(tmp_path / "stale"), meter()):
        pass
    where.write_text("mine")

    with pytest.raises(FileExistsError):
        async with controlled(str(where), meter()):
            pass
    assert where.read_text() == "mine"


async def test_the_socket_is_for_its_owner_only(meter: Make, tmp_path: Path) -> None:
    async with controlled(str(tmp_path / "control"), meter()):
        assert (tmp_path / "control").stat().st_mode & 0o777 == 0o600


async def test_a_path_too_long_for_a_socket_is_said_so(meter: Make, tmp_path: Path) -> None:
    with pytest.raises(OSError, match="107 bytes"):
        async with controlled(str(tmp_path / ("x" * 200)), meter()):
            pass


@pytest.mark.parametrize("where", ["localhost:http", "localhost:70000"])
def test_an_address_that_is_none_is_refused(where: str) -> None:
    with pytest.raises(ValueError, match="HOST:PORT"):
        tcp_address(where)
