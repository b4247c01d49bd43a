"""The meter's own clock: runs on a battery, but nobody trusts it until it is set."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from meters.simulators.iem_dcr.moment import SET, UNSET, Moment, told
from meters.simulators.iem_dcr.settings import ClockReading, Settings


class MeterClock:
    """Goes on with ``monotonic``; making one is power-up."""

    def __init__(
        self, settings: Settings, clock: Callable[[], datetime], monotonic: Callable[[], float]
    ) -> None:
        self._settings, self._monotonic = settings, monotonic
        self._base = clock() + timedelta(seconds=settings.clock_drift_s)
        self._at = monotonic()
        self._offset_min = settings.zone_offset_min
        self.letter = UNSET

    def moment(self) -> Moment:
        """The time that it shows."""
        running = timedelta(seconds=self._monotonic() - self._at)
        return Moment(self._base + running, self._offset_min, self.letter)

    def set(self, text: str) -> None:
        """Take the time of a request, in the way that ``Settings.clock_reading`` says."""
        given = told(text)
        offset = given.utcoffset() or timedelta(0)
        if self._settings.clock_reading is ClockReading.TAKES_DIGITS:
            offset = timedelta(minutes=self._settings.zone_offset_min)
        self._base = given.replace(tzinfo=UTC) - offset
        self._at, self.letter = self._monotonic(), SET
        self._offset_min = round(offset.total_seconds() / 60)
