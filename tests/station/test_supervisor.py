"""What is spawned is finished or logged; what is kept is started again; leaving ends it all."""

import asyncio
import gc
import warnings

import pytest
from fake_clock import FakeClock

from chargepoint.supervisor import Supervisor


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
