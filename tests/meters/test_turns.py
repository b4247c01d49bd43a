"""Whose turn it is on a line, in virtual time: meters polled, records read, commands given."""

import asyncio
import selectors
from collections import defaultdict
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from meters.turns import Rank, Turns

STALE_S = 5.0


class _Selector(selectors.SelectSelector):
    """Nothing ever arrives from outside, so what would be waited for is skipped."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        self.now += timeout or 0.0
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.now


@dataclass
class Wire:
    """A line as slow as its baud rate; a poll is what an EM580 is asked once a second."""

    baudrate: int
    turns: Turns = field(default_factory=Turns)
    order: list[int] = field(default_factory=list)
    taken_at: dict[int, float] = field(default_factory=dict)
    ages: dict[int, float] = field(default_factory=lambda: defaultdict(float))

    @property
    def gap_s(self) -> float:
        return 35 / self.baudrate

    def seconds(self, registers: int) -> float:
        """From the first byte of a read to the last of its answer; the meter takes 1.5 ms."""
        return (8 + 5 + 2 * registers) * 10 / self.baudrate + self.gap_s + 0.0015

    async def read(self, unit: int, registers: int, rank: Rank) -> None:
        async with self.turns.turn(unit, rank=rank, asked=registers) as turn:
            await asyncio.sleep(self.gap_s)
            while not await turn.still_first():
                pass
            self.order.append(unit)
            await asyncio.sleep(self.seconds(registers))

    async def poll(self, unit: int) -> None:
        loop = asyncio.get_running_loop()
        await asyncio.sleep(unit / 10)
        due = loop.time()
        while True:
            for registers in (52, 32):
                await self.read(unit, registers, Rank.POLL)
            self.look(unit)
            self.taken_at[unit] = loop.time()
            due = max(due + 1, loop.time())
            await asyncio.sleep(due - loop.time())

    def look(self, unit: int) -> None:
        """Note how old the reading of a unit is now."""
        now = asyncio.get_running_loop().time()
        self.ages[unit] = max(self.ages[unit], now - self.taken_at.get(unit, now))

    async def record(self, unit: int, parts: int = 17) -> float:
        """Read a record of 4 kB; gives the share of what the line alone would allow."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        for _ in range(parts):
            await self.read(unit, 125, Rank.LONG)
        return parts * (self.seconds(125) + self.gap_s) / (loop.time() - began)


def run(main: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        runner.run(main)


async def polled(wire: Wire, units: int, work: Coroutine[Any, Any, Any]) -> Any:
    """Do some work while so many meters are polled; they are polled some seconds before, after."""
    tasks = [asyncio.create_task(wire.poll(unit)) for unit in range(1, units + 1)]
    await asyncio.sleep(8)
    done = await work
    await asyncio.sleep(8)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return done


def test_a_record_at_19200_baud_hardly_notices_eight_meters_and_none_gets_stale() -> None:
    async def story() -> None:
        wire = Wire(19_200)

        share = await polled(wire, 8, wire.record(1))

        assert share > 0.95
        assert len(wire.ages) == 8
        assert max(wire.ages.values()) < 4.5

    run(story())


def test_a_record_at_9600_baud_leaves_room_for_readings_before_they_get_stale() -> None:
    async def story() -> None:
        wire = Wire(9600)

        share = await polled(wire, 4, wire.record(1))

        assert share > 0.75
        assert max(wire.ages.values()) < STALE_S
        assert wire.turns.longest_wait_s < wire.turns.patience_s + 0.6

    run(story())


def test_two_records_at_once_get_the_same_of_the_line() -> None:
    async def story() -> None:
        wire = Wire(19_200)

        first, second = await polled(
            wire, 4, asyncio.wait_for(asyncio.gather(wire.record(1), wire.record(2)), 60)
        )

        assert first == pytest.approx(second, rel=0.1)
        assert first + second > 0.8
        assert max(wire.ages.values()) < STALE_S

    run(story())


def test_on_a_line_with_too_many_meters_a_record_is_read_all_the_same() -> None:
    async def story() -> None:
        wire = Wire(9600)

        share = await polled(wire, 20, wire.record(1))

        assert share > 0.2
        assert len(wire.ages) == 20

    run(story())


def test_polls_that_waited_too_long_take_turns_with_endless_commands() -> None:
    async def story() -> None:
        wire = Wire(9600)

        async def commands() -> None:
            while True:
                await wire.read(9, 1, Rank.COMMAND)

        with suppress(TimeoutError):
            await polled(wire, 2, asyncio.wait_for(commands(), 30))

        during = wire.order[wire.order.index(9) : len(wire.order) - wire.order[::-1].index(9)]
        assert {1, 2} < set(during)
        rows = "".join("c" if unit == 9 else "p" for unit in during)
        assert "pp" not in rows
        assert max(wire.ages.values()) < STALE_S

    run(story())


def test_a_command_waits_for_one_request_at_most() -> None:
    async def story() -> None:
        wire = Wire(9600)
        waited: list[float] = []
        loop = asyncio.get_running_loop()

        async def command() -> None:
            await asyncio.sleep(2.5)
            began = loop.time()
            await wire.read(5, 1, Rank.COMMAND)
            waited.append(loop.time() - began - wire.seconds(1))

        await polled(wire, 4, asyncio.gather(wire.record(1), wire.record(2), command()))

        assert waited[0] < wire.seconds(125) + 3 * wire.gap_s

    run(story())


def test_requests_that_follow_each_other_are_one_visit() -> None:
    async def story() -> None:
        wire = Wire(19_200)

        async def visit(unit: int) -> None:
            for registers in (52, 32):
                await wire.read(unit, registers, Rank.POLL)

        await asyncio.gather(*(visit(unit) for unit in (1, 2, 3)))

        assert wire.order == [1, 1, 2, 2, 3, 3]

    run(story())


def test_two_who_ask_the_same_meter_do_not_wait_for_each_other() -> None:
    async def story() -> None:
        wire = Wire(19_200)

        async def visit() -> None:
            for registers in (52, 32, 10):
                await wire.read(1, registers, Rank.POLL)

        async with asyncio.timeout(2):
            await asyncio.gather(visit(), visit(), wire.read(2, 1, Rank.POLL))

        assert wire.order.count(1) == 6

    run(story())


def test_one_who_never_pauses_does_not_keep_the_line() -> None:
    async def story() -> None:
        wire = Wire(115_200)

        async def greedy() -> None:
            while True:
                await wire.read(1, 1, Rank.POLL)

        task = asyncio.create_task(greedy())
        for _ in range(5):
            await wire.read(2, 1, Rank.POLL)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

        assert wire.order.count(1) <= 6 * wire.order.count(2)

    run(story())


def test_a_dead_meter_queues_again_after_each_time_out() -> None:
    async def story() -> None:
        turns = Turns()
        order: list[int] = []

        async def dead() -> None:
            for _ in range(3):
                with suppress(TimeoutError):
                    async with turns.turn(1):
                        order.append(1)
                        await asyncio.sleep(0.5)
                        raise TimeoutError

        async def alive(unit: int) -> None:
            async with turns.turn(unit):
                order.append(unit)
                await asyncio.sleep(0.1)

        await asyncio.gather(dead(), alive(2), alive(3))

        assert order == [1, 2, 3, 1, 1]

    run(story())


@pytest.mark.parametrize("moment_s", [0.0, 0.001, 0.05, 0.1, 0.13, 0.15, 0.2, 0.3, 0.5])
def test_a_line_is_free_again_whenever_somebody_gives_up(moment_s: float) -> None:
    async def story() -> None:
        wire = Wire(19_200)
        ranks = (Rank.LONG, Rank.POLL, Rank.COMMAND, Rank.POLL, Rank.LONG)
        tasks = [
            asyncio.create_task(wire.read(unit, 50, rank)) for unit, rank in enumerate(ranks, 1)
        ]
        await asyncio.sleep(moment_s)
        for task in tasks[::2]:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

        async with asyncio.timeout(1):
            await wire.read(9, 1, Rank.POLL)
        assert wire.order[-1] == 9
        assert not any(task.cancelled() for task in tasks[1::2])

    run(story())
