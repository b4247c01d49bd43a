"""The line: frames byte for byte, other units, broadcasts, and every fault as a master sees it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin

from meters.simulators.em580 import Em580
from meters.simulators.faults import Fault, FaultKind, parse
from meters.simulators.line import PtyLine, TcpLine
from meters.simulators.wire import Codec, Framing

Make = Callable[..., Em580]
Pty = Callable[[Em580], AbstractAsyncContextManager[tuple[PtyLine, Any]]]
Opened = Callable[[str], AbstractContextManager[Any]]

SAMPLE = (
    "0901 0000 0906 0000 08FA 0000 0F98 0000 0FA1 0000 0F93 0000 3E80 0000 3E4E 0000"
    "C16C FFFF 9010 0000 8FED 0000 7032 FFFF 9010 0000 8FED 0000 8FD4 0000 04B0 0000"
    "FEA2 FFFF 0050 0000 0900 0000 0F99 0000 902F 0000 AFD1 0001 03A2 0000 03E8 03E7"
    "FC19 03E6 0001 01F4"
)
STATE_REQUEST = bytes.fromhex("01 04 71 00 00 01 2A F6")
NOT_READY = bytes.fromhex("01 04 02 00 00 B9 30")
BEGIN = bytes.fromhex("01 10 70 40 00 01 02 00 42 59 66")
END = bytes.fromhex("01 10 70 40 00 01 02 00 45 18 A4")
ORDERED = bytes.fromhex("01 10 70 40 00 01 1A DD")


def framed(text: str) -> bytes:
    """With its checksum, worked out bit by bit."""
    body, crc = bytes.fromhex(text), 0xFFFF
    for byte in body:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return body + crc.to_bytes(2, "little")


def spaced(text: str) -> list[int]:
    data = bytes.fromhex(text)
    return [int.from_bytes(data[at : at + 2], "big") for at in range(0, len(data), 2)]


@pytest.mark.parametrize(
    ("request_hex", "reply_hex"),
    [
        ("01 04 71 00 00 01 2A F6", "01 04 02 00 00 B9 30"),
        ("01 10 70 40 00 01 02 00 42 59 66", "01 10 70 40 00 01 1A DD"),
        (
            "01 10 70 32 00 04 08 8F 5C 69 42 00 00 00 00 15 DE",
            "01 10 70 32 00 04 7A C5",
        ),
        ("01 10 70 31 00 01 02 00 3C D3 A7", "01 10 70 31 00 01 4A C6"),
        ("01 10 70 07 00 02 04 41 42 43 00 52 93", "01 10 70 07 00 02 EA C9"),
        ("01 10 71 00 00 01 02 00 00 C7 57", "01 10 71 00 00 01 1A F5"),
        ("01 04 00 58 00 01 B0 19", "01 84 02 C2 C1"),
        ("01 10 71 00 00 01 02 00 01 06 97", "01 90 03 0C 01"),
        ("01 10 71 01 00 01 02 00 01 07 46", "01 90 02 CD C1"),
    ],
)
async def test_frames_are_answered_byte_for_byte(
    meter: Make, pty: Pty, request_hex: str, reply_hex: str
) -> None:
    async with pty(meter()) as (_, master):
        expected = bytes.fromhex(reply_hex)

        assert await master.exchange(bytes.fromhex(request_hex), len(expected)) == expected


async def test_a_transaction_frame_by_frame(meter: Make, pty: Pty) -> None:
    exchanges = [
        (BEGIN, ORDERED),
        (STATE_REQUEST, bytes.fromhex("01 04 02 00 01 78 F0")),
        (END, ORDERED),
        (STATE_REQUEST, bytes.fromhex("01 04 02 00 02 38 F1")),
        (bytes.fromhex("01 04 71 01 00 01 7B 36"), bytes.fromhex("01 04 02 02 1E 38 58")),
    ]
    async with pty(meter(record_size=1083)) as (_, master):
        for request, reply in exchanges:
            assert await master.exchange(request, len(reply)) == reply

        record = b""
        for chunk in (
            "01 04 71 10 00 7D 2A D2",
            "01 04 71 8D 00 7D BB 3C",
            "01 04 72 0A 00 7D 0B 51",
            "01 04 72 87 00 7D 9B 7A",
            "01 04 73 04 00 2A 2A 90",
        ):
            words = bytes.fromhex(chunk)[5]
            record += (await master.exchange(bytes.fromhex(chunk), 5 + 2 * words))[3:-2]

    assert record.startswith(b'OCMF|{"FV":"1.2"')
    assert record.endswith(b'SHA256"}\0')
    assert len(record) == 1084


async def test_an_identification_and_a_live_block(meter: Make, pty: Pty) -> None:
    async with pty(meter(identification_code=340)) as (_, master):
        code = await master.exchange(bytes.fromhex("01 04 00 0B 00 01 40 08"), 7)
    device = meter()
    device.override(0x0000, spaced(SAMPLE))
    async with pty(device) as (_, master):
        block = await master.exchange(bytes.fromhex("01 04 00 00 00 34 F1 DD"), 109)

    assert code == bytes.fromhex("01 04 02 01 54 B9 5F")
    assert block == bytes.fromhex("01 04 68") + bytes.fromhex(SAMPLE) + bytes.fromhex("48 F0")


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        (framed("04 04 71 00 00 01"), None),  # another unit
        (bytes.fromhex("01 04 71 00 00 01 2A F7"), None),  # wrong checksum
        (bytes.fromhex("01 04 71 00 00 01"), None),  # incomplete
        (framed("01 04 71 00 00 00"), framed("01 84 03")),  # no registers
        (framed("01 04 71 00 00 7E"), framed("01 84 03")),  # 126 registers
        (framed("01 10 70 07 00 02 02 00 00"), framed("01 90 03")),  # 2 announced, 1 there
        (framed("01 01 00 00 00 01"), framed("01 81 01")),  # coils
        (framed("01 41 00"), framed("01 C1 01")),  # a function nobody knows
    ],
)
async def test_what_is_no_good_request(
    meter: Make, pty: Pty, asked: bytes, answered: bytes | None
) -> None:
    async with pty(meter()) as (_, master):
        master.send(asked)
        if answered is None:
            assert await master.hears_nothing()
        else:
            assert await master.receive(len(answered)) == answered
        await asyncio.sleep(0.06)  # the line falls silent

        assert await master.exchange(STATE_REQUEST, 7) == NOT_READY


async def test_a_broadcast_is_executed_by_all_and_answered_by_none(
    meter: Make, opened: Opened
) -> None:
    devices = {1: meter(), 7: meter()}
    async with PtyLine(devices) as line:
        with opened(line.port) as master:
            master.send(framed("00 10 70 32 00 04 08 8F 5C 69 42 00 00 00 00"))
            silent = await master.hears_nothing()

    assert silent
    assert line.counters.broadcasts == 1
    assert [device.moment().synchronised for device in devices.values()] == [True, True]


async def test_a_meter_that_starts_up_is_not_there(meter: Make, pty: Pty, clock: Any) -> None:
    device = meter(boot_silence=timedelta(seconds=6))
    async with pty(device) as (_, master):
        master.send(STATE_REQUEST)
        assert await master.hears_nothing()
        clock.pass_by(6)
        assert await master.exchange(STATE_REQUEST, 7) == NOT_READY


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("silence", ""),
        ("lost-reply", ""),
        ("late", ""),
        ("bad-crc", "01 04 02 00 00 B9 CF"),
        ("truncated", "01 04 02 00"),
        ("truncated:value=100", "01"),
        ("noise", "01 04 02 00 00 B9 30 F7"),
        ("noise-before:value=2", "F7 F7 01 04 02 00 00 B9 30"),
        ("wrong-unit", framed("02 04 02 00 00").hex()),
        ("fewer-words", framed("01 04 00").hex()),
        ("echo", "01 04 71 00 00 01 2A F6 01 04 02 00 00 B9 30"),
        ("exception", "01 84 04 42 C3"),
        ("exception:value=6,register=0x7100", "01 84 06 C3 02"),
        ("delay:value=1", "01 04 02 00 00 B9 30"),
        ("split:value=1", "01 04 02 00 00 B9 30"),
        ("silence:function=3", "01 04 02 00 00 B9 30"),
        ("silence:register=0x7101", "01 04 02 00 00 B9 30"),
        ("silence:command=B", "01 04 02 00 00 B9 30"),
        ("value:register=0x7100,value=3", "01 04 02 00 03 F9 31"),
    ],
)
@pytest.mark.parametrize("unit", [None, 1])
async def test_each_fault_as_a_master_sees_it(
    meter: Make, pty: Pty, spec: str, expected: str, unit: int | None
) -> None:
    wanted = bytes.fromhex(expected)
    async with pty(meter()) as (line, master):
        line.add_fault(parse(spec), unit)

        seen = await master.exchange(
            STATE_REQUEST, len(wanted) or 1, within_s=2.0 if wanted else 0.02
        )

        assert seen == wanted
        if wanted:
            assert await master.hears_nothing()


@pytest.mark.parametrize("kind", ["lost-reply", "silence"])
async def test_a_lost_reply_was_executed_and_a_lost_request_was_not(
    meter: Make, pty: Pty, kind: str
) -> None:
    device = meter()
    async with pty(device) as (line, master):
        line.add_fault(parse(f"{kind}:command=B,count=1"))
        master.send(BEGIN)
        assert await master.hears_nothing()
        assert device.status()["executed"] == ({"B": 1} if kind == "lost-reply" else {})
        master.send(BEGIN)
        answer = await master.receive(5)

    assert answer[1] == (0x90 if kind == "lost-reply" else 0x10)


async def test_a_late_reply_comes_in_front_of_the_next(meter: Make, pty: Pty) -> None:
    async with pty(meter()) as (line, master):
        line.add_fault(Fault(kind=FaultKind.LATE, count=1))
        master.send(STATE_REQUEST)
        assert await master.hears_nothing()

        both = await master.exchange(bytes.fromhex("01 04 00 32 00 01 90 05"), 14)

    assert both == NOT_READY + bytes.fromhex("01 04 02 00 01 78 F0")


async def test_a_split_reply_pauses_in_the_middle(meter: Make, pty: Pty) -> None:
    async with pty(meter()) as (line, master):
        line.add_fault(Fault(kind=FaultKind.SPLIT, value=80, count=1))
        first = await master.exchange(STATE_REQUEST, 7, within_s=0.04)
        rest = await master.receive(7 - len(first))

    assert 0 < len(first) < 7
    assert first + rest == NOT_READY


async def test_a_fault_ends_after_its_count_and_spares_those_before(meter: Make, pty: Pty) -> None:
    async with pty(meter()) as (line, master):
        line.add_fault(parse("exception:value=6,skip=1,count=2"))

        answers = [await master.exchange(STATE_REQUEST, size) for size in (7, 5, 5, 7)]

    assert [answer[1] for answer in answers] == [0x04, 0x84, 0x84, 0x04]


@pytest.mark.parametrize(
    "spec",
    [
        "nonsense",
        "silence:count=0",
        "silence:count",
        "silence:until=never",
        "exception:value=x",
        "silence:command=Q",
        "silence:register=0x10000",
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(spec: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(spec)


@pytest.mark.parametrize(
    "spec",
    [
        "silence",
        "slow-ready:value=0",
        "exception:value=6,count=2,register=28672",
        "split:seconds=1.5,command=B",
    ],
)
def test_a_fault_is_written_as_it_is_given(spec: str) -> None:
    assert str(parse(spec)) == spec


def test_a_fault_of_some_seconds_ends_by_itself(meter: Make, clock: Any) -> None:
    device = meter()
    device.faults.add(parse("silence:seconds=2"))

    clock.pass_by(1.9)
    assert len(device.faults.active()) == 1
    clock.pass_by(0.2)
    assert device.faults.active() == ()


def test_only_units_that_can_be_addressed_sit_on_a_line(meter: Make) -> None:
    with pytest.raises(ValueError, match="1 to 247"):
        PtyLine({0: meter()})


@given(data=st.binary(max_size=300), framing=st.sampled_from(Framing))
def test_no_bytes_upset_the_codec(data: bytes, framing: Framing) -> None:
    codec = Codec(framing)
    buffer = bytearray(data)

    found = list(codec.requests(buffer))
    codec.after_silence(buffer)

    assert not buffer
    assert all(request is None or 0 <= request.unit <= 255 for request in found)


# Masters come and go.


async def test_the_line_outlives_its_masters(meter: Make, tmp_path: Path, opened: Opened) -> None:
    link = tmp_path / "tty"
    link.symlink_to("/nowhere")
    async with PtyLine({1: meter()}, link) as line:
        assert link.readlink() == Path(line._terminal)
        for _ in range(3):
            with opened(str(link)) as master:
                assert await master.exchange(STATE_REQUEST, 7) == NOT_READY

    assert not link.is_symlink()


async def test_a_file_in_the_place_of_the_link_is_spared(meter: Make, tmp_path: Path) -> None:
    link = tmp_path / "tty"
    link.write_text("mine")

    with pytest.raises(FileExistsError):
        async with PtyLine({1: meter()}, link):
            pass

    assert link.read_text() == "mine"


async def test_a_pulled_adapter_hangs_up_and_comes_back(
    meter: Make, tmp_path: Path, opened: Opened
) -> None:
    link = tmp_path / "tty"
    async with PtyLine({1: meter()}, link) as line:
        with opened(str(link)) as master:
            line.unplug()
            assert not link.is_symlink()
            with pytest.raises(OSError, match="Input/output"):
                master.send(STATE_REQUEST)
        line.plug_in()
        with opened(str(link)) as master:
            assert await master.exchange(STATE_REQUEST, 7) == NOT_READY


def open_handles() -> set[str]:
    # The handle that lists the folder is in the list, always under the lowest free number.
    return {path.name for path in Path("/proc/self/fd").iterdir()}


async def test_nothing_is_left_open(meter: Make) -> None:
    before = open_handles()
    async with PtyLine({1: meter()}, baudrate=9600), TcpLine({1: meter()}, baudrate=9600):
        pass

    assert open_handles() == before


# An independent master: pymodbus.

DATATYPE = ModbusClientMixin.DATATYPE


async def talk(client: Any, device: Em580) -> None:
    """A session as a driver would hold it, with everything done by pymodbus."""
    assert await client.connect()
    live = await client.read_input_registers(0, count=52, device_id=1)
    power = client.convert_from_registers(live.registers[0x28:0x2A], DATATYPE.INT32, "little")
    held = await client.read_holding_registers(0, count=52, device_id=1)
    await client.write_register(0x7031, 60, device_id=1)
    clock = client.convert_to_registers(1765969756, DATATYPE.INT64, "little")
    await client.write_registers(0x7032, clock, device_id=1)
    began = await client.write_registers(0x7040, [ord("B")], device_id=1)
    refused = await client.write_registers(0x7040, [ord("B")], device_id=1)
    await client.write_register(0x7040, ord("E"), device_id=1)
    state = await client.read_input_registers(0x7100, count=2, device_id=1)
    record: list[int] = []
    while (left := state.registers[1] - len(record)) > 0:
        chunk = await client.read_input_registers(
            0x7110 + len(record), count=min(125, left), device_id=1
        )
        record += chunk.registers
    await client.write_register(0x7100, 0, device_id=1)
    client.close()

    assert power == 110_000
    assert held.registers == live.registers
    assert not began.isError()
    assert refused.exception_code == 4
    assert state.registers[0] == 2
    text = client.convert_from_registers(record, DATATYPE.STRING)
    assert text.startswith("OCMF|{")
    assert '"TM":"2025-12-17T12:09:16,000+0100 S","TX":"B"' in text
    assert device.status()["executed"] == {"B": 1, "E": 1, "confirm": 1}


async def test_pymodbus_holds_a_session_over_a_terminal(meter: Make) -> None:
    device = meter()
    device.set_load(11000)
    async with PtyLine({1: device}) as line:
        await talk(AsyncModbusSerialClient(line.port, baudrate=115200, retries=0), device)


@pytest.mark.parametrize(("framing", "framer"), [("rtu", "rtu"), ("tcp", "socket")])
async def test_pymodbus_holds_a_session_over_tcp(meter: Make, framing: str, framer: Any) -> None:
    device = meter()
    device.set_load(11000)
    async with TcpLine({1: device}, framing=framing) as line:
        client = AsyncModbusTcpClient(line.host, port=line.port, framer=framer, retries=0)
        await talk(client, device)


async def test_two_masters_share_a_gateway(meter: Make) -> None:
    async with TcpLine({1: meter(serial_number="ONE"), 2: meter(serial_number="TWO")}) as line:
        clients = [
            AsyncModbusTcpClient(line.host, port=line.port, framer="rtu", retries=0)
            for _ in range(2)
        ]
        for client in clients:
            await client.connect()

        answers = await asyncio.gather(
            *(
                client.read_input_registers(0x5000, count=2, device_id=unit)
                for unit, client in enumerate(clients, start=1)
            )
        )
        for client in clients:
            client.close()

    assert [answer.registers for answer in answers] == [[0x4F4E, 0x4500], [0x5457, 0x4F00]]


async def test_a_gateway_that_hangs_up_takes_new_connections(meter: Make) -> None:
    async with TcpLine({1: meter()}) as line:
        reader, writer = await asyncio.open_connection(line.host, line.port)
        line.hang_up()
        assert await reader.read() == b""
        writer.close()
        reader, writer = await asyncio.open_connection(line.host, line.port)
        writer.write(STATE_REQUEST)
        assert await reader.readexactly(7) == NOT_READY
        writer.close()
        await writer.wait_closed()
