"""The machine's clock, and the time of our own once it was corrected."""

from datetime import UTC, datetime, timedelta

from chargepoint.clock import CorrectableClock, MeterTime, SystemClock
from chargepoint.kernel_clock import disciplined

NOON = datetime(2028, 2, 29, 12, tzinfo=UTC)  # a leap day
HOUR = timedelta(hours=1)


class Machine:
    """Its two clocks."""

    def __init__(self) -> None:
        self.wall = NOON.timestamp()
        self.ticks = 5.0
        self.clock = SystemClock(wall=lambda: self.wall, ticks=lambda: self.ticks)

    def pass_time(self, seconds: float) -> None:
        self.wall += seconds
        self.ticks += seconds


def test_it_begins_with_the_machines_clock() -> None:
    machine = Machine()
    machine.pass_time(1.5)
    assert machine.clock.now() == machine.clock.machine() == NOON + timedelta(seconds=1.5)


def test_it_does_not_jump_when_somebody_sets_that() -> None:
    machine = Machine()
    machine.wall = 0.0
    machine.pass_time(1.5)
    assert machine.clock.now() == NOON + timedelta(seconds=1.5)
    assert machine.clock.machine().year == 1970


def test_a_corrected_one_goes_on_by_itself() -> None:
    machine = Machine()
    machine.clock.correct(HOUR)
    machine.clock.correct(HOUR)
    machine.wall -= 86400  # somebody sets the machine's clock
    machine.pass_time(10)

    assert machine.clock.now() == NOON + 2 * HOUR + timedelta(seconds=10)
    assert machine.clock.machine() == NOON - timedelta(days=1) + timedelta(seconds=10)


def test_it_takes_over_what_the_machine_says() -> None:
    machine = Machine()
    machine.clock.correct(HOUR)
    machine.clock.follow()
    assert machine.clock.now() == NOON


def test_a_day_that_comes_every_four_years_has_an_hour_after_its_last() -> None:
    machine = Machine()
    machine.clock.correct(11 * HOUR + timedelta(minutes=59))
    machine.pass_time(61)
    assert machine.clock.now() == datetime(2028, 3, 1, 0, 0, 1, tzinfo=UTC)


def test_meters_are_not_set_by_a_time_that_is_provisional() -> None:
    machine = Machine()
    time = MeterTime(machine.clock)
    assert time.usable()
    machine.clock.provisional = True
    assert not time.usable()
    assert time() == NOON


def test_what_the_kernel_says_of_its_clock_can_be_asked() -> None:
    assert disciplined() in {True, False}
    assert isinstance(SystemClock(), CorrectableClock)
    assert SystemClock().disciplined() is disciplined()
