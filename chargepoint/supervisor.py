"""Keeps the parts of the station running: one that fails is logged and started again.

The only place, beside the worker of a connection, that may catch everything.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any, Self, TypeVar

from chargepoint.clock import Clock

log = logging.getLogger(__name__)

T = TypeVar("T")
Part = Callable[[], Coroutine[Any, Any, object]]

RESTART_AFTER = timedelta(seconds=1)


class Supervisor:
    """Owns all tasks of one life of the station; leaving the context ends them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tasks = asyncio.TaskGroup()
        self._running: set[asyncio.Task[Any]] = set()

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._running:
            task.cancel()
        await self._tasks.__aexit__(None, None, None)  # an error of the body leaves as it is

    def spawn(self, work: Coroutine[Any, Any, T], /) -> asyncio.Task[T | None]:
        """Do a piece of work that outlives whoever asked for it.

        The result is None if it failed, which is logged: it must not end the station.
        """
        task = self._start(self._guarded(work))
        task.add_done_callback(lambda _: work.close())  # of use if cancelled before its first step
        return task

    def keep(self, name: str, part: Part) -> None:
        """Keep a part running until the end."""
        self._start(self._kept(name, part))

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = self._tasks.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return task

    async def _guarded(self, work: Coroutine[Any, Any, T]) -> T | None:
        try:
            return await work
        except Exception:
            log.exception("a piece of work failed")
            return None

    async def _kept(self, name: str, part: Part) -> None:
        while True:
            try:
                await part()
            except Exception:
                log.exception("%s failed, starting it again", name)
            else:
                return
            await self._clock.sleep(RESTART_AFTER)
