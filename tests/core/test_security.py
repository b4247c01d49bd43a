"""Which security events matter, and when the clock was set."""

from datetime import timedelta

import pytest

from chargepoint.core.security import Event, clock_was_set, is_critical


@pytest.mark.spec("2.0.1", "A04.FR.02")
def test_most_events_are_critical_and_those_of_the_maker_too() -> None:
    assert {event for event in Event if not is_critical(event)} == {
        Event.ATTEMPTED_REPLAY,
        Event.CSMS_FAILED_TO_AUTHENTICATE,
        Event.FAILED_TO_AUTHENTICATE,
        Event.INVALID_MESSAGES,
        Event.RECONFIGURED,
        Event.RECORD_NOT_TOLD,
    }
    assert is_critical("ExampleDoorOpened")


@pytest.mark.parametrize(
    ("wall", "real", "told"), [(10, 10, False), (31, 10, True), (-11, 10, True), (29, 10, False)]
)
def test_a_clock_that_jumps_far_enough_was_set(wall: int, real: int, *, told: bool) -> None:
    seconds = [timedelta(seconds=value) for value in (wall, real, 20)]

    assert clock_was_set(*seconds) is told
