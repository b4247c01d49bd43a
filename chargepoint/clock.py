"""The only source of time, so that tests can own it."""

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

from chargepoint.kernel_clock import disciplined


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
    """A clock that can be put right, and jumps only then.

    ``known``: somebody who should know has confirmed the time since the program started;
    ``provisional``: it cannot be right, and only goes on from what is known. Both are said by
    ``station.time_source``.
    """

    known: bool
    provisional: bool

    def correct(self, by: timedelta) -> None:
        """Add this to wall time from now on; monotonic time goes on as it was."""
        ...

    def machine(self) -> datetime:
        """What the machine's own clock says."""
        ...

    def disciplined(self) -> bool:
        """Whether something keeps the machine's own clock right (NTP and the like)."""
        ...

    def follow(self) -> None:
        """Take over what the machine's own clock says now."""
        ...


class SystemClock:
    """A time of our own beside the machine's clock, which it begins with.

    To set the machine's clock is for root, and for one program only; so what somebody says is right
    is kept beside it. It goes on at the pace of the kernel's monotonic clock, which NTP keeps
    right, too, and does not jump when the machine's clock is set: ``station.time_source`` decides
    what becomes of that.

    A long sleep is cut into pieces of at most ten seconds, so that a clock that was set is noticed.

    Args:
        wall: seconds since 1970 of the machine's clock.
        ticks: seconds that never jump.
        kept_right: whether something keeps the machine's clock right.
    """

    _PIECE = 10.0

    def __init__(
        self,
        *,
        wall: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
        kept_right: Callable[[], bool] = disciplined,
    ) -> None:
        self.known = False
        self.provisional = False
        self._wall = wall
        self._ticks = ticks
        self._kept_right = kept_right
        self._own = (self.machine(), ticks())

    def now(self) -> datetime:  # noqa: D102
        then, ticks = self._own
        return then + timedelta(seconds=self._ticks() - ticks)

    def machine(self) -> datetime:  # noqa: D102
        return datetime.fromtimestamp(self._wall(), UTC)

    def disciplined(self) -> bool:  # noqa: D102
        return self._kept_right()

    def correct(self, by: timedelta) -> None:  # noqa: D102
        self._own = (self.now() + by, self._ticks())

    def follow(self) -> None:  # noqa: D102
        self._own = (self.machine(), self._ticks())

    def monotonic(self) -> float:  # noqa: D102
        return self._ticks()

    async def sleep_until(self, moment: datetime) -> None:  # noqa: D102
        while (left := (moment - self.now()).total_seconds()) > 0:  # noqa: ASYNC110 - time itself
            await asyncio.sleep(min(left, self._PIECE))

    async def sleep(self, duration: timedelta) -> None:  # noqa: D102
        await asyncio.sleep(duration.total_seconds())


class MeterTime:
    """The time for meters: those that sign it are not set by one that cannot be right."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(self) -> datetime:
        """Now, for readings."""
        return self._clock.now()

    def usable(self) -> bool:
        """Whether the clock of a meter may be set by it (``meters.timing``)."""
        return not (isinstance(self._clock, CorrectableClock) and self._clock.provisional)

    def confirmed(self) -> bool:
        """Whether it may overrule a meter that has a time of its own."""
        return not isinstance(self._clock, CorrectableClock) or self._clock.known


async def sleep_unless(clock: Clock, duration: timedelta, event: asyncio.Event) -> bool:
    """Sleep, but wake when the event is set. True if it was the event."""
    async with asyncio.TaskGroup() as waiting:
        timer = waiting.create_task(clock.sleep(max(duration, timedelta(0))))
        signal = waiting.create_task(event.wait())
        await asyncio.wait({timer, signal}, return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        signal.cancel()
    return event.is_set()
