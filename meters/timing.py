"""The time that a meter's clock is set by.

A meter that signs its time into a record must not be told one that is known to be wrong: the record
would state it as synchronised. Whoever opens a meter gives a function ``now``; if that has a method
``usable``, it says whether meters may be set by it, and its method ``confirmed`` whether it may
overrule a meter that has a time of its own.
"""

from collections.abc import Callable
from datetime import datetime

from meters.errors import MeterRefused

Now = Callable[[], datetime]


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
