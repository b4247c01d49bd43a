"""What the station believes about the time: which moments can be, whose word counts, how often.

A clock without a battery begins anew at every start, and a CSMS may say anything. A time stamp that
was told cannot be taken back, so nothing is told before the time is known (the CSMS says it in its
first answer), and what was recorded until then is put right by as much as the clock was wrong.

The standard says that the clock follows the CSMS where Heartbeat is a time source (2.0.1 B01.FR.06,
G02), and nothing of an answer that cannot be true.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Final

EARLIEST: Final = datetime(2026, 1, 1, tzinfo=UTC)
"""No moment at which this software runs lies before it."""
LATEST: Final = EARLIEST + timedelta(days=40 * 365)
"""Nor after it: the longest that a station stands in the street, and then some."""
LONGEST_OFF: Final = timedelta(days=366)
"""What a station is at most without power, for its clock to be believed without another word."""
TOLERANCE: Final = timedelta(seconds=2)
"""Times of some systems have whole seconds only, and small steps of a clock help nobody."""
STEP: Final = timedelta(minutes=5)
"""What a clock that is known to be right can at most be wrong by; more has to be said twice."""
_APART: Final = timedelta(seconds=1)  # between the last moment of one life and the first of another


class Verdict(StrEnum):
    """What is made of a time that somebody told."""

    AGREES = "agrees"
    PUT_RIGHT = "put right"
    DOUBTED = "doubted"  # believed once it is said again
    IGNORED = "ignored"  # somebody else is the source of the time
    ABSURD = "absurd"


@dataclass(frozen=True, slots=True)
class Told:
    """How far a time that was told is from the station's own, and how far that may be wrong.

    ``ahead`` is positive if the station's clock is behind.
    """

    ahead: timedelta
    doubt: timedelta

    @classmethod
    def of(cls, moment: datetime, now: datetime, took: timedelta) -> "Told":
        """An answer that came ``now``, ``took`` after the question: it was written in between."""
        return cls(moment + took / 2 - now, took / 2 + TOLERANCE)


def believable(moment: datetime, known: datetime | None = None) -> bool:
    """Whether it can be now at all; ``known`` was the time once."""
    return max(EARLIEST, known or EARLIEST) <= moment <= LATEST


def judge(
    told: Told, moment: datetime, *, known: bool, source: bool, before: Told | None
) -> Verdict:
    """What to make of it.

    Args:
        told: the difference to the station's clock.
        moment: what was told.
        known: the station's time was confirmed since it started.
        source: the station goes by whoever told it.
        before: the last thing that was told and doubted, None if there is none.
    """
    if not believable(moment):
        return Verdict.ABSURD
    if abs(told.ahead) <= told.doubt:
        return Verdict.AGREES
    if not source:
        return Verdict.IGNORED
    if not known or abs(told.ahead) <= STEP:
        return Verdict.PUT_RIGHT
    again = before is not None and abs(before.ahead - told.ahead) <= before.doubt + told.doubt
    return Verdict.PUT_RIGHT if again else Verdict.DOUBTED


def first_moment(clock: datetime, known: datetime | None, newest: datetime | None) -> datetime:
    """When a life of the station begins, so that no moment comes twice.

    That is what the clock says, unless it cannot be: a clock that stands before what was recorded
    last was set back, or has lost its time, and one that stands years after it is more likely wrong
    than right. Then the life begins right after that, and its times are provisional.
    """
    recorded = [moment + _APART for moment in (known, newest) if moment is not None]
    before = max([EARLIEST, *recorded])
    latest = min(LATEST, before + LONGEST_OFF) if recorded else LATEST
    return clock if before <= clock <= latest else before


def moved_up(newest: datetime, now: datetime) -> timedelta:
    """By how much the times of a life that never knew the time are moved once a clock is back.

    Its last moment then lies right before the present life: that is the latest it can have been.
    """
    return now - _APART - newest
