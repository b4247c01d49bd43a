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
        """Return at ``moment`` of wall time, also if the clock was set meanwhile; at once if past."""
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
        while (left := (moment - self.now()).total_seconds()) > 0:
            await asyncio.sleep(min(left, self._PIECE))

    async def sleep(self, duration: timedelta) -> None:  # noqa: D102
        await asyncio.sleep(duration.total_seconds())
