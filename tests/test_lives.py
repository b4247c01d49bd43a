"""A life that cannot begin: tried again, given up, or not wanted any more."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from fake_clock import FakeClock

from chargepoint.errors import StoreError
from chargepoint.lives import PAUSE, begun


def failing(times: int) -> Callable[[], AbstractAsyncContextManager[int]]:
    """Gives the number of its attempt once it has failed so often."""
    made: list[int] = []

    @asynccontextmanager
    async def begin() -> AsyncIterator[int]:
        made.append(len(made) + 1)
        if len(made) <= times:
            raise StoreError(f"attempt {len(made)}")
        yield len(made)

    return begin


async def attempt(times: int, clock: FakeClock, stop: asyncio.Event, retries: int = 2) -> int:
    async with begun(failing(times), retries=retries, clock=clock, stop=stop) as life:
        return life


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_it_is_tried_again_after_a_pause(times: int) -> None:
    clock = FakeClock()
    task = asyncio.create_task(attempt(times, clock, asyncio.Event()))

    await clock.advance(times * PAUSE.total_seconds())

    assert task.done()
    assert task.result() == times + 1


async def test_what_the_last_attempt_said_is_raised() -> None:
    clock = FakeClock()
    task = asyncio.create_task(attempt(9, clock, asyncio.Event()))

    await clock.advance(3 * PAUSE.total_seconds())

    with pytest.raises(StoreError, match="attempt 3"):
        task.result()


async def test_the_first_start_of_the_program_is_not_tried_again() -> None:
    with pytest.raises(StoreError, match="attempt 1"):
        await attempt(1, FakeClock(), asyncio.Event(), retries=0)


async def test_whoever_stops_the_program_does_not_wait() -> None:
    clock, stop = FakeClock(), asyncio.Event()
    task = asyncio.create_task(attempt(9, clock, stop))
    await clock.advance(1)

    stop.set()
    await clock.advance(0)

    with pytest.raises(StoreError, match="attempt 1"):
        task.result()


async def test_an_error_within_a_life_is_not_a_failed_begin() -> None:
    entered: list[int] = []

    async def live() -> None:
        async with begun(failing(0), retries=2, clock=FakeClock(), stop=asyncio.Event()) as life:
            entered.append(life)
            raise StoreError("later")

    with pytest.raises(StoreError, match="later"):
        await live()

    assert entered == [1]
