"""Which times are believed, and where a life of the station begins."""

from datetime import datetime, timedelta

import pytest

from chargepoint.core.timekeeping import (
    EARLIEST,
    LATEST,
    LONGEST_OFF,
    STEP,
    TOLERANCE,
    Told,
    Verdict,
    believable,
    first_moment,
    judge,
    moved_up,
)

NOW = EARLIEST + timedelta(days=700)
SECOND = timedelta(seconds=1)
NO_TIME = timedelta(0)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("moment", "can_be"),
    [
        (datetime.fromisoformat("1970-01-01T00:00:00+00:00"), False),
        (EARLIEST - SECOND, False),
        (EARLIEST, True),
        (NOW, True),
        (LATEST, True),
        (LATEST + SECOND, False),
        (datetime.fromisoformat("9999-12-31T23:59:59+00:00"), False),
    ],
)
def test_a_moment_can_be_now(moment: datetime, *, can_be: bool) -> None:
    assert believable(moment) is can_be


def test_no_time_comes_back() -> None:
    assert believable(NOW, NOW - SECOND)
    assert not believable(NOW, NOW + SECOND)


# What was told, off by how much; how long the answer took; known, source; before; verdict.
CASES = [
    (NO_TIME, NO_TIME, True, True, None, Verdict.AGREES),
    (TOLERANCE, NO_TIME, False, True, None, Verdict.AGREES),
    (TOLERANCE + SECOND, NO_TIME, True, True, None, Verdict.PUT_RIGHT),
    (-TOLERANCE - SECOND, NO_TIME, True, True, None, Verdict.PUT_RIGHT),
    # The answer of a slow line is old when it comes: that is no reason to set the clock back.
    (-10 * SECOND, 20 * SECOND, True, True, None, Verdict.AGREES),
    (NO_TIME, 20 * SECOND, True, True, None, Verdict.AGREES),
    (-30 * SECOND, 20 * SECOND, True, True, None, Verdict.PUT_RIGHT),
    # Somebody else is the source.
    (NO_TIME, NO_TIME, False, False, None, Verdict.AGREES),
    (HOUR, NO_TIME, False, False, None, Verdict.IGNORED),
    # A time that nobody confirmed yet may be anything.
    (HOUR * 24 * 300, NO_TIME, False, True, None, Verdict.PUT_RIGHT),
    # One that was: a great step has to be said twice.
    (STEP, NO_TIME, True, True, None, Verdict.PUT_RIGHT),
    (STEP + SECOND, NO_TIME, True, True, None, Verdict.DOUBTED),
    (HOUR, NO_TIME, True, True, HOUR, Verdict.PUT_RIGHT),
    (HOUR, NO_TIME, True, True, HOUR + 4 * SECOND, Verdict.PUT_RIGHT),
    (HOUR, NO_TIME, True, True, HOUR + 5 * SECOND, Verdict.DOUBTED),
    (HOUR, NO_TIME, True, True, -HOUR, Verdict.DOUBTED),
    # What cannot be is never believed, however often it is said.
    (HOUR * 24 * 366 * 60, NO_TIME, False, True, None, Verdict.ABSURD),
    (-HOUR * 24 * 366 * 10, NO_TIME, True, True, -HOUR * 24 * 366 * 10, Verdict.ABSURD),
]


@pytest.mark.parametrize(("off", "took", "known", "source", "before", "verdict"), CASES)
def test_a_time_that_was_told_is_judged(
    off: timedelta,
    took: timedelta,
    *,
    known: bool,
    source: bool,
    before: timedelta | None,
    verdict: Verdict,
) -> None:
    moment = NOW + off - took / 2
    told = Told.of(moment, NOW, took)
    earlier = None if before is None else Told(before, TOLERANCE)
    assert told.ahead == off
    assert judge(told, moment, known=known, source=source, before=earlier) is verdict


@pytest.mark.parametrize(
    ("clock", "known", "newest", "begins"),
    [
        (NOW, None, None, NOW),
        (NOW, NOW - HOUR, NOW - SECOND, NOW),
        (NOW, NOW, None, NOW + SECOND),
        (NOW, NOW - HOUR, NOW + HOUR, NOW + HOUR + SECOND),
        (EARLIEST - HOUR, None, None, EARLIEST),
        (EARLIEST - HOUR, NOW, None, NOW + SECOND),
        (LATEST + HOUR, NOW, NOW - HOUR, NOW + SECOND),
        (NOW + LONGEST_OFF, None, NOW, NOW + LONGEST_OFF),
        (NOW + LONGEST_OFF + HOUR, None, NOW, NOW + SECOND),
        (NOW + LONGEST_OFF + HOUR, None, None, NOW + LONGEST_OFF + HOUR),
    ],
)
def test_a_life_begins_after_everything_that_is_recorded(
    clock: datetime, known: datetime | None, newest: datetime | None, begins: datetime
) -> None:
    assert first_moment(clock, known, newest) == begins


def test_a_life_without_time_ends_right_before_the_next() -> None:
    newest = NOW - HOUR
    assert newest + moved_up(newest, NOW) == NOW - SECOND
