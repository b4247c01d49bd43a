"""Taking turns on a line, and waiting exactly."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator
from typing import Final

_TIMER_S: Final = 0.001  # asyncio's timers end on whole milliseconds


class Turns:
    """Protects the line: one request at a time, urgent ones first, else in order of arrival."""

    def __init__(self) -> None:
        self._taken = False
        self._waiting: dict[bool, deque[asyncio.Future[None]]] = {True: deque(), False: deque()}

    @contextlib.asynccontextmanager
    async def turn(self, *, urgent: bool) -> AsyncIterator[None]:
        """Hold the line for the duration of the block."""
        if self._taken:
            await self._wait(self._waiting[urgent])
        self._taken = True
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, queue: deque[asyncio.Future[None]]) -> None:
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._pass_on()  # the turn came at the same moment
            raise

    def _pass_on(self) -> None:
        for urgent in (True, False):
            queue = self._waiting[urgent]
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._taken = False


async def pause(seconds: float) -> None:
    """Wait exactly: in the loop up to the last whole millisecond, then a short real sleep.

    The loop's timers are late by up to a millisecond, half of the silence between two frames.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    if (whole := int(seconds / _TIMER_S)) > 0:
        await asyncio.sleep((whole - 0.1) * _TIMER_S)
    _sleep_exactly(end - loop.time())


def _sleep_exactly(seconds: float) -> None:
    if seconds > 0:
        time.sleep(min(seconds, _TIMER_S))
