"""Serial ports that are missing, taken, pulled, renamed, and what they cannot do."""

import asyncio
import fcntl
import logging
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import serial
from modbus_slave import Slave, line

from meters.errors import MeterUnreachable
from meters.line import SerialBusConfig
from meters.modbus import ModbusBus

if TYPE_CHECKING:
    from serial.rs485 import RS485Settings


async def test_a_missing_port_is_an_unreachable_meter(tmp_path: Path) -> None:
    port = tmp_path / "ttyUSB0"
    async with ModbusBus(SerialBusConfig(port=str(port))) as bus:
        with pytest.raises(MeterUnreachable, match=r"ttyUSB0: no such port"):
            await bus.unit(1, attempts=1).read_input(0, 1)


async def test_a_port_without_permission_names_the_group(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise PermissionError(13, "Permission denied")

    async with ModbusBus(SerialBusConfig(port="/dev/ttyUSB0")) as bus:
        monkeypatch.setattr("serial.serialposix.os.open", refuse)
        with pytest.raises(MeterUnreachable, match="group dialout"):
            await bus.unit(1, attempts=1).read_input(0, 1)


async def test_a_port_is_not_shared_with_another_program() -> None:
    async with line() as (slave, bus):
        await bus.unit(1).read_input(0, 1)
        async with ModbusBus(SerialBusConfig(port=slave.port)) as other:
            with pytest.raises(MeterUnreachable, match="in use by another program"):
                await other.unit(1, attempts=1).read_input(0, 1)


async def test_a_pseudo_terminal_is_opened_without_parity() -> None:
    async with line(parity="even") as (_, bus):
        assert await bus.unit(1).read_input(8, 1) == (8,)


async def test_a_port_without_direction_switching_says_so() -> None:
    async with line(rs485=True) as (_, bus):
        with pytest.raises(MeterUnreachable, match="RS485"):
            await bus.unit(1, attempts=1).read_input(8, 1)


async def test_a_port_that_vanished_is_used_again_when_it_is_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = tmp_path / "meter"
    slave = Slave()
    port.symlink_to(slave.port)
    caplog.set_level(logging.DEBUG, "meters.line")
    async with ModbusBus(SerialBusConfig(port=str(port), timeout_ms=60)) as bus:
        unit = bus.unit(1, attempts=1)
        await unit.read_input(1, 1)
        slave.close()
        port.unlink()
        with pytest.raises(MeterUnreachable):
            await unit.read_input(2, 1)
        with pytest.raises(MeterUnreachable, match="meter"):
            await unit.read_input(2, 1)

        slave = Slave()
        port.symlink_to(slave.port)
        words = await bus.unit(1, attempts=9, retry_delay_s=0.1).read_input(3, 1)

        assert words == (3,)
        assert bus.counters.reopened == 1
    slave.close()
    told = [record.getMessage() for record in caplog.records if record.name == "meters.line"]
    assert len(told) == 2, "the loss once, the return once"
    assert "is back" in told[1]


async def test_the_port_is_free_again_behind_the_bus() -> None:
    slave = Slave()
    for _ in range(2):
        async with ModbusBus(SerialBusConfig(port=slave.port)) as bus:
            await bus.unit(1).read_input(0, 1)
    with pytest.raises(MeterUnreachable, match="closed"):
        await bus.unit(1, attempts=1).read_input(0, 1)
    slave.close()


async def test_a_link_that_leads_to_another_port_is_followed(tmp_path: Path) -> None:
    link = tmp_path / "usb-FTDI_RS485-if00-port0"
    old, new = Slave(lambda _: []), Slave()
    link.symlink_to(old.port)
    async with ModbusBus(SerialBusConfig(port=str(link), timeout_ms=40)) as bus:
        unit = bus.unit(1, attempts=1)
        with pytest.raises(MeterUnreachable, match="no answer"):
            await unit.read_input(1, 1)
        link.unlink()
        link.symlink_to(new.port)
        with pytest.raises(MeterUnreachable):
            await unit.read_input(1, 1)  # still asked on the old one, and finds out

        words = await bus.unit(1, attempts=3, retry_delay_s=0.25).read_input(1, 1)

        assert words == (1,)
        assert bus.counters.reopened == 1
    assert len(old.requests) == 2
    old.close()
    new.close()


async def test_a_port_that_is_pulled_in_the_middle_of_a_request_is_told_at_once() -> None:
    slave = Slave(lambda _: [])
    loop = asyncio.get_running_loop()
    async with ModbusBus(SerialBusConfig(port=slave.port, timeout_ms=5000)) as bus:
        began = loop.time()
        loop.call_later(0.05, slave.close)
        with pytest.raises(MeterUnreachable, match=r"hung up|cannot be read"):
            await bus.unit(1, attempts=1).read_input(1, 1)

        assert loop.time() - began < 2


async def test_a_port_that_another_process_holds_is_told_apart() -> None:
    slave = Slave()
    holder = "import serial, sys; p = serial.Serial(sys.argv[1], exclusive=True); print(flush=True)"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        holder + "; sys.stdin.read()",
        slave.port,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with ModbusBus(SerialBusConfig(port=slave.port)) as bus:
        with pytest.raises(MeterUnreachable, match="in use by another program"):
            await bus.unit(1, attempts=1).read_input(0, 1)
        await process.communicate(b"")

        words = await bus.unit(1, attempts=3, retry_delay_s=0.3).read_input(2, 1)

    assert words == (2,)
    slave.close()


async def test_direction_switching_that_is_refused_names_the_option() -> None:
    async with line(rs485=True) as (slave, bus):
        with pytest.raises(MeterUnreachable, match="`rs485: true` is refused"):
            await bus.unit(1, attempts=1).read_input(8, 1)
    assert not slave.requests


@pytest.mark.parametrize("active_low", [False, True])
async def test_the_kernel_is_told_how_to_switch_the_direction(
    monkeypatch: pytest.MonkeyPatch, *, active_low: bool
) -> None:
    given: list[RS485Settings] = []
    monkeypatch.setattr(serial.Serial, "_set_rs485_mode", lambda _, wanted: given.append(wanted))

    async with line(rs485=True, rs485_active_low=active_low) as (_, bus):
        assert await bus.unit(1).read_input(8, 1) == (8,)

    levels = [(one.rts_level_for_tx, one.rts_level_for_rx) for one in given]
    assert levels == [(not active_low, active_low)]


async def test_a_port_is_asked_not_to_keep_bytes_and_may_refuse(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "meters.serial_port")
    async with line() as (_, bus):
        assert await bus.unit(1).read_input(8, 1) == (8,)
    assert "no low latency mode" in caplog.text

    asked: list[bool] = []
    monkeypatch.setattr(
        serial.Serial, "set_low_latency_mode", lambda _, wanted: asked.append(wanted)
    )
    async with line() as (_, bus):
        await bus.unit(1).read_input(8, 1)
    assert asked == [True]


async def test_a_real_port_is_locked_for_programs_that_do_not_ask(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    locks: list[int] = []
    slave = Slave()
    real = fcntl.ioctl

    def ioctl(fd: int, request: int, *rest: Any) -> Any:
        if request == termios.TIOCEXCL:
            return locks.append(fd)
        return real(fd, request, *rest)

    monkeypatch.setattr("meters.serial_port.fcntl.ioctl", ioctl)
    monkeypatch.setattr("meters.serial_port.os.path.realpath", lambda _: "/dev/ttyUSB0")
    async with ModbusBus(SerialBusConfig(port=slave.port)) as bus:
        assert await bus.unit(1).read_input(8, 1) == (8,)

    assert len(locks) == 1
    slave.close()
