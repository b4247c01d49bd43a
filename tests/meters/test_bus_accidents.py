"""Accidents on a real pseudo-terminal: what arrives besides, instead of, or behind an answer."""

import asyncio
from collections.abc import Sequence

import pytest
from modbus_slave import healthy, line, once, registers, sealed

from meters.errors import MeterUnreachable


@pytest.mark.parametrize("noise", [b"\xf7", b"\x00\x00\xff", b"\x01", b"\x01\x04", b"\x01\x04\x02"])
async def test_noise_in_front_of_an_answer_is_skipped(noise: bytes) -> None:
    async with line(lambda request: [noise + registers(request)]) as (_, bus):
        assert await bus.unit(1, attempts=1).read_input(7, 1) == (7,)


async def test_noise_behind_an_answer_is_dropped_and_counted() -> None:
    async with line(lambda request: [registers(request) + b"\xf7"]) as (slave, bus):
        unit = bus.unit(1, attempts=1)

        assert await unit.read_input(7, 1) == (7,)
        slave.say(b"\x01\x04\x02")
        await asyncio.sleep(0.01)
        assert await unit.read_input(8, 1) == (8,)
        assert bus.counters.bytes_unasked == 3
        assert bus.counters.crc_errors == 0


async def test_a_wrong_unit_that_talks_first_is_passed_over() -> None:
    def script(request: bytes) -> Sequence[bytes | float]:
        return [sealed(b"\x07\x04\x02\x12\x34"), 0.005, registers(request)]

    async with line(script) as (_, bus):
        assert await bus.unit(1, attempts=1).read_input(3, 1) == (3,)


@pytest.mark.parametrize("pause_s", [0.0, 0.01])
async def test_a_late_answer_of_one_meter_is_not_taken_for_that_of_another(pause_s: float) -> None:
    late: list[bytes] = []

    def script(request: bytes) -> Sequence[bytes | float]:
        if request[0] == 1:
            late.append(registers(request))
            return []
        return [late[0], pause_s, registers(request)]

    async with line(script) as (_, bus):
        with pytest.raises(MeterUnreachable):
            await bus.unit(1, attempts=1).read_input(0x1111, 1)

        assert await bus.unit(2, attempts=1).read_input(0x2222, 1) == (0x2222,)


async def test_only_a_late_answer_of_another_meter_is_none() -> None:
    def script(request: bytes) -> Sequence[bytes | float]:
        return [] if request[0] == 1 else [registers(b"\x01" + request[1:])]

    async with line(script) as (_, bus):
        with pytest.raises(MeterUnreachable):
            await bus.unit(1, attempts=1).read_input(5, 1)
        with pytest.raises(MeterUnreachable, match="unit 1 answered instead"):
            await bus.unit(2, attempts=1).read_input(5, 1)


async def test_the_rest_of_a_broken_answer_does_not_spoil_the_next() -> None:
    rest: list[bytes] = []

    def script(request: bytes) -> Sequence[bytes | float]:
        whole = registers(request)
        if not rest:
            rest.append(whole[4:])
            return [whole[:4]]
        return [rest[0] + whole]

    async with line(script) as (slave, bus):
        words = await bus.unit(1, attempts=2, retry_delay_s=0.0).read_input(6, 3)

    assert words == (6, 7, 8)
    assert len(slave.requests) == 2


async def test_the_answer_to_a_question_that_was_given_up_is_not_taken_for_the_next() -> None:
    def script(request: bytes) -> Sequence[bytes | float]:
        return [0.09 if request[3] == 1 else 0.01, registers(request)]

    async with line(script) as (_, bus):
        unit = bus.unit(1, attempts=1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.03):
                await unit.read_input(1, 1)

        assert await unit.read_input(2, 1) == (2,)


async def test_an_answer_that_grows_for_ever_is_given_up() -> None:
    async with line(lambda _: [b"\x01\x04\xfa"] + [0.01, b"\x55"] * 60) as (_, bus):
        async with asyncio.timeout(2):
            with pytest.raises(MeterUnreachable):
                await bus.unit(1, attempts=1).read_input(0, 125)

        assert bus.counters.timeouts + bus.counters.crc_errors == 1


async def test_a_slow_meter_has_a_time_out_of_its_own() -> None:
    async with line(lambda request: [0.1, registers(request)]) as (_, bus):
        assert await bus.unit(2, attempts=1, timeout_s=0.5).read_input(4, 1) == (4,)
        with pytest.raises(MeterUnreachable, match="no answer within 60 ms"):
            await bus.unit(1, attempts=1).read_input(4, 1)


async def test_attempts_are_those_of_the_bus_unless_a_meter_has_its_own() -> None:
    async with line(lambda _: [], attempts=2, retry_delay_ms=0, timeout_ms=20) as (slave, bus):
        with pytest.raises(MeterUnreachable):
            await bus.unit(1).read_input(0, 1)
        assert len(slave.requests) == 2
        with pytest.raises(MeterUnreachable):
            await bus.unit(2, attempts=3).read_input(0, 1)
        assert len(slave.requests) == 5


async def test_a_meter_that_is_silent_once_is_read_again_after_the_delay_of_the_bus() -> None:
    async with line(once(bad=[], then=healthy), retry_delay_ms=200) as (slave, bus):
        assert await bus.unit(1).read_input(5, 1) == (5,)

    assert slave.times[1] - slave.times[0] >= 0.2  # and the time-out, if nobody was slow to look
