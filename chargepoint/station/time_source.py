"""The time as the CSMS tells it, where that is the source of the time (2.0.1 B01.FR.06, G02)."""

import logging
from datetime import datetime, timedelta
from enum import StrEnum

from chargepoint.clock import Clock, CorrectableClock
from chargepoint.core.variables import TIME_SOURCE
from chargepoint.station.device_model import DeviceModel

log = logging.getLogger(__name__)

# A message takes its time, and the times of some systems have whole seconds only.
TOLERANCE = timedelta(seconds=2)


class Source(StrEnum):
    """Where the time may come from; words of ClockCtrlr.TimeSource."""

    CSMS = "Heartbeat"
    SYSTEM = "NTP"


class TimeSource:
    """Puts the station's clock right, if the CSMS comes first among the sources."""

    def __init__(self, clock: Clock, model: DeviceModel) -> None:
        self._clock = clock
        self._model = model

    def told(self, moment: datetime) -> None:
        """The CSMS has just said what time it is."""
        if self._model[TIME_SOURCE][0] != Source.CSMS:
            return
        by = moment - self._clock.now()
        if abs(by) > TOLERANCE and isinstance(self._clock, CorrectableClock):
            log.info("the clock is put right by %+.1f s, as the CSMS says", by.total_seconds())
            self._clock.correct(by)
