"""When the meter's clock is set: after each connection and before a transaction, never during one.

The meter signs its own time into the record, so it must be right when a transaction begins; writing
it in the middle of one may disturb the record. What falls due during a transaction is done at the
first look at the meter after it, and at the latest before the next one begins.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Final

from meters.drivers.carlo_gavazzi_em580.config import Config
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.layout import State
from meters.errors import MeterRefused
from meters.timing import TimeUnknown, certain, confirmed

log = logging.getLogger(__name__)

# The meter refuses its clock for about two seconds after power-up.
_TRIES_BEFORE_BEGIN: Final = 4
_TRY_DELAY_S: Final = 1.0
_DRIFT_S: Final = 3.0  # by which the clock may be off at a begin, the answer's way included


class ClockKeeper:
    """Knows when the clock was set last. Its methods are called with the meter's lock held."""

    def __init__(self, config: Config, now: Callable[[], datetime]) -> None:
        self._now = now
        self._offset_min = config.timezone_offset_minutes
        self._interval_s = config.clock_sync_interval_h * 3600
        self._set_at: float | None = None
        self._refusal = ""

    def forget(self) -> None:
        """The meter may have been without power; its clock does not survive that."""
        self._set_at = None

    @property
    def due(self) -> bool:
        """Whether the clock was not set for too long."""
        now = asyncio.get_running_loop().time()
        return self._set_at is None or now - self._set_at >= self._interval_s

    async def attend(self, device: Device) -> None:
        """Set the clock if it is due and no transaction runs. A refusal is for the next time."""
        if not self.due or await device.state() is State.RUNNING:
            return
        if not confirmed(self._now) and await device.clock_is_set():
            return
        try:
            await self._set(device)
        except MeterRefused as error:
            if not self._refusal:
                log.info("clock of the meter: %s; it will be tried again", error)
            self._refusal = str(error)

    async def before_begin(self, device: Device) -> None:
        """See to it that the clock is right now.

        Raises:
            MeterRefused: it cannot be set, and the meter itself calls it not set.
        """
        if not (self.due and confirmed(self._now)) and await self._is_right(device):
            return
        for left in range(_TRIES_BEFORE_BEGIN - 1, -1, -1):
            try:
                await self._set(device)
            except MeterRefused as error:
                if left and not isinstance(error, TimeUnknown):
                    await asyncio.sleep(_TRY_DELAY_S)
                elif await device.clock_is_set() is not True:
                    raise
                else:
                    log.warning(
                        "the transaction begins on an older setting of the clock: %s", error
                    )
                    return
            else:
                return

    async def _is_right(self, device: Device) -> bool:
        """A short power cut takes the meter's clock away, and ours may have been corrected."""
        claimed = await device.clock_is_set()
        if claimed is False:
            return False
        if not confirmed(self._now):
            return claimed is True or self._set_at is not None
        shown = await device.clock()
        return abs(shown - self._now().timestamp()) <= _DRIFT_S

    async def _set(self, device: Device) -> None:
        await device.set_clock(partial(certain, self._now), self._offset_min)
        self._set_at, self._refusal = asyncio.get_running_loop().time(), ""
