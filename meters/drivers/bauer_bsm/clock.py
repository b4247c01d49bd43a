"""When the meter's clock is set: when it is not set or wrong, else once a day, as it wears memory.

It loses the time with the power, and again if nobody renews it for two days. During a transaction
it is left alone, unless it has no time at all.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from functools import partial

from meters.drivers.bauer_bsm.config import Config
from meters.drivers.bauer_bsm.device import Device
from meters.outage import NotYet
from meters.timing import TimeUnknown, certain, confirmed


class ClockKeeper:
    """Knows when the clock was set last. Its methods are called with the meter's lock held."""

    def __init__(self, config: Config, now: Callable[[], datetime]) -> None:
        self._now = now
        self._offset_min = config.timezone_offset_minutes
        self._interval_s = config.clock_sync_interval_h * 3600
        self._set_at: float | None = None

    async def before_begin(self, device: Device) -> None:
        """See to it that the clock is right now.

        Raises:
            MeterRefused: it cannot be set.
        """
        if self._due() or not await self._right(device):
            await self._set(device)

    async def before_end(self, device: Device) -> None:
        """Set the clock only if the meter has no time.

        Raises:
            MeterRefused: it cannot be set.
            NotYet: nobody knows the time; the end is to be asked for again.
        """
        if await self._right(device) is None:
            try:
                await self._set(device)
            except TimeUnknown as error:
                raise NotYet(str(error)) from error

    def forget(self) -> None:
        """It may be another meter, or one that was without power: look before believing."""
        self._set_at = None

    async def _right(self, device: Device) -> bool | None:
        right = await device.clock_is_right(self._now, self._offset_min)
        if right is not None and not confirmed(self._now):
            return True  # the meter may well know better
        if right and self._set_at is None:
            self._set_at = asyncio.get_running_loop().time()  # by whoever; renewed a day from now
        return right

    async def _set(self, device: Device) -> None:
        await device.set_clock(partial(certain, self._now), self._offset_min)
        self._set_at = asyncio.get_running_loop().time()

    def _due(self) -> bool:
        now = asyncio.get_running_loop().time()
        return (
            confirmed(self._now)
            and self._set_at is not None
            and now - self._set_at >= self._interval_s
        )
