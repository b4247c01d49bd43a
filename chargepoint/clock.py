"""The only source of time, so that tests can own it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Wall time for time stamps, monotonic time for durations."""

    def now(self) -> datetime:
        """Wall time in UTC, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    async def sleep_until(self, moment: datetime) -> None:
        """Return at ``moment`` of wall time, at once if past; a clock set meanwhile is noticed."""
        ...

    async def sleep(self, duration: timedelta) -> None:
        """Return after ``duration`` of monotonic time."""
        ...


class SystemClock:
    """The machine's clock.

    A long sleep is cut into pieces of at most ten seconds, so that a clock set by NTP or by the
    CSMS is noticed.
    """

    _PIECE = 10.0

    def now(self) -> datetime:  # noqa: D102
        return datetime.now(UTC)

    def monotonic(self) -> float:  # noqa: D102
        return time.monotonic()

    async def sleep_until(self, moment: datetime) -> None:  # noqa: D102
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time itself
            await asyncio.sleep(min(left, self._PIECE))

    async def sleep(self, duration: timedelta) -> None:  # noqa: D102
        await asyncio.sleep(duration.total_seconds())


async def sleep_unless(clock: Clock, duration: timedelta, event: asyncio.Event) -> bool:
    """Sleep, but wake when the event is set. True if it was the event."""
    async with asyncio.TaskGroup() as waiting:
        timer = waiting.create_task(clock.sleep(max(duration, timedelta(0))))
        signal = waiting.create_task(event.wait())
        await asyncio.wait({timer, signal}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        signal.cancel()
    return event.is_set()
