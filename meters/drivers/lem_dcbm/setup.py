"""Clock, time zone and identification type of the meter: set when idle, only where they differ.

The meter refuses settings while a transaction runs, and may forget those of the first two minutes
after power-up; when that was, nobody tells, so what was set soon after connecting is looked at
again. A synchronisation of its clock holds for 48 hours.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from meters.drivers.lem_dcbm.answers import SettingsRead, Status
from meters.drivers.lem_dcbm.config import Config
from meters.drivers.lem_dcbm.device import Device
from meters.errors import MeterError, MeterRefused
from meters.timing import LastSet, certain, confirmed

log = logging.getLogger(__name__)

_UNSURE_S: Final = 120.0
_AGAIN_S: Final = 60.0
_DAILY_S: Final = 24 * 3600.0
_OLD_S: Final = 12 * 3600.0
_SYNC_PERIOD: Final = 120
_PATIENCE_S: Final = 5.0  # in which a clock that was set, or a server, shows in the status
_POLL_S: Final = 0.5


class SetupKeeper:
    """Knows what was set last. Its methods are called with the meter's lock held."""

    def __init__(self, config: Config, now: Callable[[], datetime]) -> None:
        self._config = config
        self._now = now
        self._zone = {"tz": config.meter_timezone, "dst": config.daylight_saving()}
        self._servers = config.servers()
        self._written: dict[str, Any] = {}  # what the meter does not tell when it is read
        self._connected_at = 0.0
        self._done_at: float | None = None
        self._clock = LastSet(now)
        self._next = 0.0
        self._identified = config.IT < 0

    def forget(self) -> None:
        """The meter may have been without power."""
        self._written.clear()
        self._clock.forget()
        self._connected_at = asyncio.get_running_loop().time()
        self._done_at, self._next = None, 0.0

    @property
    def due(self) -> bool:
        """Whether the settings are to be looked at."""
        return asyncio.get_running_loop().time() >= self._next

    async def attend(self, device: Device, status: Status) -> bool:
        """Set what is due unless a transaction runs; whether it was done. Else it is for later."""
        if not self.due or status.running:
            return False
        try:
            await self._apply(device)
        except MeterError as error:
            log.info("%s: %s; it will be tried again", device.name, error)
            self._next = asyncio.get_running_loop().time() + _AGAIN_S
            return False
        return True

    async def before_begin(self, device: Device, status: Status) -> None:
        """See to it that clock and identification type are right now.

        Raises:
            MeterRefused: they cannot be set, and a transaction would not begin or be wrong.
        """
        age = asyncio.get_running_loop().time() - (self._done_at or 0.0)
        fresh = self._done_at is not None and age < _OLD_S and self._clock_is_ours()
        if fresh and self._identified and status.status.bits.synchronised:
            return
        try:
            await self._apply(device)
        except MeterRefused as error:
            if not (self._identified and status.status.bits.synchronised):
                raise
            log.warning("%s: the transaction begins on older settings: %s", device.name, error)
        await self._until_synchronised(device)

    async def _until_synchronised(self, device: Device) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _PATIENCE_S
        while True:
            if (await device.look()).status.bits.synchronised:
                return
            if loop.time() >= deadline:
                source = "its NTP servers" if self._servers else "this station"
                raise MeterRefused(f"the clock of the meter is not synchronised with {source}")
            await asyncio.sleep(_POLL_S)

    async def _apply(self, device: Device) -> None:
        loop = asyncio.get_running_loop()
        unsure = loop.time() - self._connected_at < _UNSURE_S
        if not unsure and self._done_at is not None:
            self._written.clear()
        known = await device.settings()
        await self._identification(device, known)
        timed = await self._time(device)
        await self._ntp(device, known)
        for name, wanted in self._zone.items():
            if known.time.get(name, self._written.get(name)) != wanted:
                fields = {"time": {name: wanted}}
                await device.write("time zone", lambda fields=fields: fields)  # type: ignore[misc]
                self._written[name] = wanted
        self._done_at = loop.time()
        self._next = self._connected_at + _UNSURE_S if unsure else self._done_at + _DAILY_S
        if not timed:
            self._next = self._done_at + _AGAIN_S

    async def _identification(self, device: Device, known: SettingsRead) -> None:
        wanted = self._config.IT
        if wanted < 0 or known.identification.get("IT") == wanted:
            self._identified = True
            return
        self._identified = False
        await device.write("identification type", lambda: {"ocmfId": {"IT": wanted}})
        self._identified = True

    async def _time(self, device: Device) -> bool:
        """Set the clock; False if the meter keeps its own until ours is confirmed."""
        if self._servers:
            return True
        if not confirmed(self._now) and (await device.look()).status.bits.synchronised:
            return False
        await device.write("clock", lambda: {"time": {"utc": _utc(certain(self._now))}})
        self._clock.note()
        return True

    def _clock_is_ours(self) -> bool:
        """Whether the meter goes by the time that it should: that of its servers, or ours.

        Until ours is confirmed it may have its own.
        """
        if self._servers or not confirmed(self._now):
            return True
        return self._clock.age_s is not None and not self._clock.outdated

    async def _ntp(self, device: Device, known: SettingsRead) -> None:
        if not self._servers or _same(known.ntp, self._servers):
            return
        wanted = {"servers": self._servers, "syncPeriod": _SYNC_PERIOD, "ntpActivated": True}
        await device.write("time servers", lambda: {"ntp": wanted})


def _same(known: Mapping[str, Any], servers: list[dict[str, Any]]) -> bool:
    return bool(known.get("ntpActivated")) and known.get("servers") == servers


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
