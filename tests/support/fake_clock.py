"""A clock that stands still until a test moves it."""

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 1, 10, tzinfo=UTC)
SETTLING = 40  # turns of the loop in which everything that can go on without time has gone on


class FakeClock:
    """Wall time and monotonic time; sleepers wake in order of time while ``advance`` runs."""

    def __init__(self, start: datetime = START) -> None:
        self.wall = start
        self.elapsed = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()

    def now(self) -> datetime:
        return self.wall

    def monotonic(self) -> float:
        return self.elapsed

    async def sleep(self, duration: timedelta) -> None:
        if duration <= timedelta(0):
            await asyncio.sleep(0)
            return
        due = self.elapsed + duration.total_seconds()
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (due, next(self._numbers), sleeper))
        await sleeper

    async def sleep_until(self, moment: datetime) -> None:
        await self.sleep(moment - self.wall)

    @property
    def sleeping(self) -> int:
        """How many sleep."""
        return sum(not sleeper.done() for _, _, sleeper in self._sleepers)

    async def settle(self) -> None:
        """Let everything go on that needs no time."""
        for _ in range(SETTLING):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        """Let time pass; who sleeps is woken at its own moment, one after the other."""
        await self.settle()
        end = self.elapsed + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, sleeper = heapq.heappop(self._sleepers)
            if sleeper.done():
                continue
            self._move(due)
            sleeper.set_result(None)
            await self.settle()
        self._move(end)
        await self.settle()

    def pass_time(self, seconds: float) -> None:
        """Time passes while somebody is busy: nobody wakes before the next ``advance``."""
        self._move(self.elapsed + seconds)

    def set_wall(self, moment: datetime) -> None:
        """Somebody sets the clock; monotonic time does not care."""
        self.wall = moment

    def _move(self, elapsed: float) -> None:
        if elapsed > self.elapsed:
            # Whole microseconds, so that instants on a grid are met exactly.
            self.wall += timedelta(microseconds=round((elapsed - self.elapsed) * 1e6))
            self.elapsed = elapsed
