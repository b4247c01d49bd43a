"""What is spawned is finished or logged; what is kept is started again; leaving ends it all."""

import asyncio
import gc
import itertools
import warnings
from datetime import timedelta

import pytest
from fake_clock import FakeClock

from chargepoint import supervisor as supervisor_module
from chargepoint.station.parts import PartEnded, together
from chargepoint.supervisor import PROVEN, WORK, Supervisor


async def _fail() -> None:
    raise ValueError("a defect")


async def test_a_piece_of_work_gives_its_result() -> None:
    async def work() -> int:
        return 7

    async with Supervisor(FakeClock()) as supervisor:
        assert await supervisor.spawn(work()) == 7


async def test_work_that_fails_is_logged_and_harms_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with Supervisor(FakeClock()) as supervisor:
        neighbour = supervisor.spawn(asyncio.sleep(0, "fine"))
        assert await supervisor.spawn(_fail()) is None
        assert await neighbour == "fine"

        assert supervisor.parts[WORK].failures == 1
        assert supervisor.parts[WORK].last_error.startswith("ValueError at ")

    assert "a piece of work failed" in caplog.text


async def test_a_part_that_fails_is_started_again_after_a_while() -> None:
    clock, starts = FakeClock(), 0

    async def part() -> None:
        nonlocal starts
        starts += 1
        if starts < 3:
            raise ValueError("a defect")

    async with Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await clock.settle()
        assert starts == 1
        await clock.advance(1)
        assert starts == 2
        await clock.advance(10)
        assert starts == 3, "a part that returns is done"


async def test_a_part_that_fails_again_and_again_is_started_less_and_less_often() -> None:
    clock, starts = FakeClock(), []

    async def part() -> None:
        starts.append(clock.elapsed)
        raise ValueError("a defect")

    async with Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await clock.advance(300)
        waits = [after - before for before, after in itertools.pairwise(starts)]
        assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
        assert supervisor.parts["part"].failing_since == starts[0]


async def test_a_part_that_ran_long_enough_is_well_again() -> None:
    clock, heard = FakeClock(), []

    async def part() -> None:
        await clock.sleep(PROVEN if heard else timedelta(0))
        raise ValueError("a defect")

    async with Supervisor(clock) as supervisor:
        supervisor.on_change = lambda books: heard.append((books.failures, books.failing_since))
        supervisor.keep("part", part)
        await clock.advance(1)
        assert heard == [(1, 1000.0)]
        await clock.advance(PROVEN.total_seconds())
        assert heard[1:] == [(1, None), (2, 1001 + PROVEN.total_seconds())]
        await clock.advance(1)
        assert supervisor.parts["part"].running, "after a second again"


async def test_a_part_that_is_cancelled_from_inside_is_dead_and_started_again() -> None:
    clock, starts = FakeClock(), []

    async def part() -> None:
        starts.append(1)
        if len(starts) == 1:
            raise asyncio.CancelledError
        await asyncio.Event().wait()

    async with Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await clock.settle()
        assert not supervisor.parts["part"].running
        await clock.advance(1)
        assert supervisor.parts["part"].running


async def test_a_vital_part_does_not_end_by_itself() -> None:
    clock, starts = FakeClock(), []

    async def part() -> None:
        starts.append(1)

    async with Supervisor(clock) as supervisor:
        supervisor.keep("part", part, vital=True)
        await clock.advance(1)

        assert len(starts) == 2
        assert supervisor.parts["part"].last_error == "PartEnded"


async def test_the_books_hold_no_word_of_an_error() -> None:
    clock = FakeClock()

    async def part() -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_fail())

    async with Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await clock.settle()

        last = supervisor.parts["part"].last_error
        assert last.startswith("ValueError at station/test_supervisor.py:")


async def test_what_runs_together_ends_together() -> None:
    ended: list[str] = []

    async def stay() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("stay")

    for other, error in ((asyncio.sleep(0), PartEnded), (_fail(), ValueError)):
        with pytest.raises(ExceptionGroup) as raised:
            await together(stay(), other)
        assert isinstance(raised.value.exceptions[0], error)
    assert ended == ["stay", "stay"]


async def test_leaving_cancels_what_still_runs() -> None:
    ended: list[str] = []

    async def stay(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    async with Supervisor(FakeClock()) as supervisor:
        supervisor.keep("part", lambda: stay("part"))
        supervisor.spawn(stay("work"))
        await asyncio.sleep(0)

    assert sorted(ended) == ["part", "work"]


async def test_work_that_never_got_a_turn_leaves_no_trace() -> None:
    with warnings.catch_warnings(record=True) as complaints:
        warnings.simplefilter("always")
        async with Supervisor(FakeClock()) as supervisor:
            supervisor.spawn(_fail())
        gc.collect()

    assert complaints == []


async def test_an_error_of_the_body_leaves_as_it_is() -> None:
    async def life() -> None:
        async with Supervisor(FakeClock()) as supervisor:
            supervisor.spawn(asyncio.Event().wait())
            raise KeyError("body")

    with pytest.raises(KeyError, match="body"):
        await life()


async def test_cancelling_the_life_ends_it() -> None:
    async def life() -> None:
        async with Supervisor(FakeClock()) as supervisor:
            supervisor.spawn(asyncio.Event().wait())
            await asyncio.Event().wait()

    task = asyncio.create_task(life())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    assert task.cancelled()


async def test_a_part_that_fails_while_it_is_ended_is_not_started_again() -> None:
    clock, starts = FakeClock(), []

    async def part() -> None:
        starts.append(1)
        try:
            await asyncio.Event().wait()
        finally:
            raise OSError("the port is closed already")

    async with asyncio.timeout(1), Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await asyncio.sleep(0)

    assert len(starts) == 1


async def test_a_part_that_goes_on_when_it_is_ended_is_told_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor_module, "AGAIN_S", 0.05)
    clock, told = FakeClock(), 0

    async def part() -> None:
        nonlocal told
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                told += 1
                if told > 1:
                    raise

    async with asyncio.timeout(5), Supervisor(clock) as supervisor:
        supervisor.keep("part", part)
        await asyncio.sleep(0)

    assert told == 2


async def test_whoever_is_in_a_hurry_does_not_cut_off_what_makes_an_outlet_safe() -> None:
    safe: list[str] = []

    async def part() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)
            safe.append("open")

    async def life() -> None:
        async with Supervisor(FakeClock()) as supervisor:
            supervisor.keep("part", part)
            await asyncio.Event().wait()

    task = asyncio.create_task(life())
    await asyncio.sleep(0)
    for _ in range(3):
        task.cancel()
        await asyncio.sleep(0.01)
    await asyncio.wait([task])

    assert safe == ["open"]
    assert task.cancelled()
