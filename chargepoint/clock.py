"""The only source of time, so that tests can own it."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable


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


@runtime_checkable
class CorrectableClock(Clock, Protocol):
    """A clock that can be put right."""

    def correct(self, by: timedelta) -> None:
        """Add this to wall time from now on; monotonic time goes on as it was."""
        ...


class SystemClock:
    """The machine's clock, and what is known to be wrong with it.

    A long sleep is cut into pieces of at most ten seconds, so that a clock set by NTP or by the
    CSMS is noticed. To set the machine's own clock is for root, and for one program only; what
    the CSMS says is right is therefore kept beside it.
    """

    _PIECE = 10.0

    def __init__(self) -> None:
        self._ahead = timedelta(0)

    def now(self) -> datetime:  # noqa: D102
        return datetime.now(UTC) + self._ahead

    def correct(self, by: timedelta) -> None:  # noqa: D102
        self._ahead += by

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
