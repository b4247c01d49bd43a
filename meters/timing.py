"""The time that a meter's clock is set by.

A meter that signs its time into a record must not be told one that is known to be wrong: the record
would state it as synchronised. Whoever opens a meter gives a function ``now``; if that has a method
``usable``, it says whether meters may be set by it, and its method ``confirmed`` whether it may
overrule a meter that has a time of its own.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from meters.errors import MeterRefused

Now = Callable[[], datetime]

_STEP: Final = timedelta(seconds=3)  # of our clock, after which a meter's is too far from it


class TimeUnknown(MeterRefused):
    """The clock of the meter should be set, and nobody knows what time it is."""


def usable(now: Now) -> bool:
    """Whether a meter may be set by this time."""
    asked: Callable[[], bool] | None = getattr(now, "usable", None)
    return asked is None or asked()


def confirmed(now: Now) -> bool:
    """Whether somebody who should know has said that this is the time.

    Until then a meter that has the time keeps it: it may be right where this one is not.
    """
    asked: Callable[[], bool] | None = getattr(now, "confirmed", None)
    return usable(now) if asked is None else asked()


def certain(now: Now) -> datetime:
    """The time, for a meter.

    Raises:
        TimeUnknown: it is known to be wrong.
    """
    if not usable(now):
        raise TimeUnknown("the time is not known yet: the clock of the meter is not set by it")
    return now()


class LastSet:
    """When the clock of a meter was set, and by which time: that may have been put right since."""

    def __init__(self, now: Now) -> None:
        self._now = now
        self._set: tuple[float, datetime] | None = None

    def note(self) -> None:
        """It was set just now."""
        self._set = asyncio.get_running_loop().time(), self._now()

    def forget(self) -> None:
        """It is not known when it was set."""
        self._set = None

    @property
    def age_s(self) -> float | None:
        """Seconds since then; None if it was not set."""
        return None if self._set is None else asyncio.get_running_loop().time() - self._set[0]

    @property
    def outdated(self) -> bool:
        """Whether the time is confirmed now, and is another than the one it was set by."""
        if self._set is None or not confirmed(self._now):
            return False
        ticks, said = self._set
        passed = timedelta(seconds=asyncio.get_running_loop().time() - ticks)
        return abs(self._now() - said - passed) > _STEP
