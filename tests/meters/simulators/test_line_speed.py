"""A simulated line with a baud rate hears only masters of that speed."""

import termios
from collections.abc import Callable
from typing import Any

import pytest

from meters.errors import MeterUnreachable
from meters.line import SerialBusConfig
from meters.modbus import ModbusBus
from meters.rtu import READ_INPUT, read_request
from meters.simulators.em580 import Em580
from meters.simulators.line import PtyLine


async def words_read(line: PtyLine, baudrate: int) -> bool:
    config = SerialBusConfig(port=line.port, baudrate=baudrate, timeout_ms=150)
    async with ModbusBus(config) as bus:
        try:
            await bus.exchange(read_request(1, READ_INPUT, 0x0B, 1))
        except MeterUnreachable:
            return False
    return True


@pytest.mark.parametrize("baudrate", [19200, 115200])
async def test_a_master_of_another_speed_is_not_heard(
    meter: Callable[..., Em580], baudrate: int
) -> None:
    async with PtyLine({1: meter()}, baudrate=9600) as line:
        assert not await words_read(line, baudrate)
        assert line.counters.requests == 0
        assert await words_read(line, 9600)


async def test_a_line_without_speed_hears_every_master(meter: Callable[..., Em580]) -> None:
    async with PtyLine({1: meter()}) as line:
        assert await words_read(line, 19200)


async def test_a_master_that_sets_no_speed_finds_that_of_the_line(
    meter: Callable[..., Em580], opened: Any
) -> None:
    async with PtyLine({1: meter()}, baudrate=19200) as line:
        with opened(line.port) as master:
            assert termios.tcgetattr(master._handle)[5] == termios.B19200
