"""When the meter's clock is set: when it is due and no transaction runs, or when it was lost.

The meter signs its own time into the record and refuses to sign without one, so after a power cut
in a transaction the clock is set again before the end is commanded.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial

from meters.drivers.iskra_wm3m4 import layout
from meters.drivers.iskra_wm3m4.config import Config
from meters.drivers.iskra_wm3m4.device import Device
from meters.outage import NotYet
from meters.timing import LastSet, TimeUnknown, certain, confirmed

log = logging.getLogger(__name__)


class ClockKeeper:
    """Knows when the clock was set last. Its methods are called with the meter's lock held."""

    def __init__(self, config: Config, now: Callable[[], datetime]) -> None:
        self._now = now
        self._offset_min = config.timezone_offset_minutes
        self._interval_s = config.clock_sync_interval_h * 3600
        self._last = LastSet(now)

    def forget(self) -> None:
        """The meter may have been without power; its clock does not survive that."""
        self._last.forget()

    async def before_begin(self, device: Device) -> None:
        """See to it that the clock is right now.

        Raises:
            MeterRefused: it cannot be set.
        """
        synchronised = await device.clock_status() == layout.CLOCK_SYNCHRONISED
        if self._due() or not synchronised:
            await self.set(device)

    async def before_end(self, device: Device) -> None:
        """Set the clock only if the meter has lost it: during a transaction it is left alone.

        Raises:
            MeterRefused: it cannot be set.
            NotYet: nobody knows the time; the end is to be asked for again.
        """
        if await device.clock_status() == layout.CLOCK_LOST:
            try:
                await self.set(device)
            except TimeUnknown as error:
                raise NotYet(str(error)) from error

    async def attend(self, device: Device, *, idle: bool) -> bool:
        """Set the clock if it is due; whether the meter had lost it.

        Raises:
            MeterRefused: it cannot be set.
        """
        lost = await device.clock_status() == layout.CLOCK_LOST
        if idle and (lost or self._due()):
            await self.set(device)
        return lost

    async def set(self, device: Device) -> None:
        """Set it now.

        Raises:
            MeterRefused: it cannot be set.
        """
        await device.set_clock(partial(certain, self._now), self._offset_min)
        self._last.note()

    def _due(self) -> bool:
        if not confirmed(self._now):
            return False
        age_s = self._last.age_s
        return age_s is None or age_s >= self._interval_s or self._last.outdated
