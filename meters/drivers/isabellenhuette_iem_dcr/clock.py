"""When the meter's clock is set: when it is first idle, then at intervals, never in a transaction.

The meter signs its own time into the record; until it was set the record calls the time unusable.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from meters.drivers.isabellenhuette_iem_dcr.config import Config
from meters.drivers.isabellenhuette_iem_dcr.device import Device
from meters.drivers.isabellenhuette_iem_dcr.times import shown, told
from meters.drivers.isabellenhuette_iem_dcr.wire import UNSET, Values
from meters.errors import MeterRefused
from meters.http import HttpRefusal
from meters.timing import LastSet, certain, confirmed, usable

log = logging.getLogger(__name__)

_TOLERANCE: Final = timedelta(seconds=5)
_AGAIN_S: Final = 60.0


class ClockKeeper:
    """Knows when the clock was set last. Its methods are called with the meter's lock held."""

    def __init__(self, config: Config, now: Callable[[], datetime]) -> None:
        self._config, self._now = config, now
        self._last = LastSet(now)
        self._next_try = 0.0
        self._told = ""

    def forget(self) -> None:
        """The power of the meter was cut, or it is not known when the clock was set."""
        self._last.forget()
        self._next_try = 0.0

    def doubt(self) -> None:
        """The meter itself calls its clock not set; an attempt just now is not repeated at once."""
        self._last.forget()

    def text(self) -> str:
        """The time now, as the meter is told.

        Raises:
            TimeUnknown: it is known to be wrong.
        """
        config = self._config
        return told(
            certain(self._now),
            normal=config.timezone,
            summer_rule=config.timezone_handle_DST,
            zone=config.timezone_name,
            normal_all_year=config.time_text == "everest",
        )

    @property
    def usable(self) -> bool:
        """Whether the meter may be told the time at all."""
        return usable(self._now)

    def was_set(self) -> None:
        """The meter took the time together with something else."""
        self._last.note()

    @property
    def due(self) -> bool:
        """Whether the clock was not set for too long, and no attempt failed just now."""
        age_s, interval_s = self._last.age_s, self._config.datetime_resync_interval * 3600
        old = age_s is None or age_s >= interval_s or self._last.outdated
        return old and asyncio.get_running_loop().time() >= self._next_try

    async def attend(self, device: Device) -> None:
        """Set the clock if it is due and no transaction runs. A refusal is for the next time."""
        if not self.due or (values := await device.values()).XT:
            return
        if values.clock_letter != UNSET and not confirmed(self._now):
            return
        try:
            await self._set(device)
        except MeterRefused as error:
            log.info("%s; it will be tried again", error)

    async def before_begin(self, device: Device, values: Values) -> None:
        """See to it that the clock is right now.

        Raises:
            MeterRefused: it cannot be set, and the meter itself calls it not set.
        """
        due = self._last.outdated or (self.due and confirmed(self._now))
        if values.clock_letter != UNSET and not due:
            return
        try:
            await self._set(device)
        except MeterRefused as error:
            if values.clock_letter == UNSET:
                raise
            log.warning("the transaction begins on an older setting of the clock: %s", error)

    async def _set(self, device: Device) -> None:
        self._next_try = asyncio.get_running_loop().time() + _AGAIN_S
        text = self.text()
        try:
            await device.set_clock(text)
        except HttpRefusal as error:
            raise MeterRefused(f"the meter does not take the time: {error}") from error
        self.was_set()
        self._check(text, await device.clock())

    def _check(self, given: str, answer: str) -> None:
        """Whether the meter goes by what it took; a meter that ignores the offset is known."""
        (wanted, _), (found, _) = shown(given), shown(answer)
        kind, sentence = "", f"the meter was told {given} and shows {answer[:40]}"
        if wanted is None or found is None:
            kind, sentence = "none", f"the meter took the time and shows {answer[:40]!r}"
        elif abs(found - wanted) > _TOLERANCE:
            kind = "other"
            digits = found.replace(tzinfo=None) - wanted.replace(tzinfo=None)
            if abs(digits) <= _TOLERANCE:
                kind = "offset"
                sentence += "; it ignores the offset: `time_text: everest` would fit it better"
        if kind and kind != self._told:
            log.warning("%s", sentence)
        self._told = kind
