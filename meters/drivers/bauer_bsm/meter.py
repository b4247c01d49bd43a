"""A Bauer meter that is read: identity, live values, outages, events."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from meters.drivers.bauer_bsm import layout
from meters.drivers.bauer_bsm.config import Config
from meters.drivers.bauer_bsm.device import Device
from meters.errors import MeterDataError, MeterError
from meters.modbus import ModbusBus
from meters.model import MeterInfo, Reading
from meters.ocmf import PublicKeyError, load_public_key
from meters.outage import Outages
from meters.registers import text

log = logging.getLogger(__name__)

_TRIES: Final = 10
_GIVE_WAY_S: Final = 5.0


class BauerMeter:
    """Reads one meter; keeps the contract of ``meters.api.Meter``.

    After an outage the meter is identified again before anything else is believed.

    ``faults`` is what the meter itself complains about, in words; empty when it is content.
    """

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        self.faults: tuple[str, ...] = ()
        self._config = config
        self._now = now
        attempts = config.communication_retry_count
        delay_s = config.communication_retry_delay_ms / 1000
        unit = bus.unit(config.powermeter_device_id, attempts=attempts, retry_delay_s=delay_s)
        self._device = Device(unit, config.sunspec_base_address, attempts=attempts)
        self._outages = Outages(
            f"meter {config.powermeter_device_id}",
            tries=_TRIES,
            soon=timedelta(seconds=config.update_interval),
            later=timedelta(seconds=config.watchdog_wakeup_interval),
        )
        self._connecting = asyncio.Lock()  # protects the identity
        self._info: MeterInfo | None = None
        self._next_look = 0.0
        # Cleared while the meter takes a snapshot: it may answer nothing then.
        self._answering = asyncio.Event()
        self._answering.set()

    async def identify(self) -> MeterInfo:
        """Who the meter is; ``signing_method`` is empty if it cannot sign."""
        async with self._outages.watched():
            return await self._connect()

    async def read(self) -> Reading:
        """All live values and both energies."""
        self._outages.spare_the_bus()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_WAY_S):
                await self._answering.wait()
        async with self._outages.watched():
            info = await self._connect()
            reading = await self._live()
            await self._look_around(info)
            return reading

    async def _connect(self) -> MeterInfo:
        """The identity of the meter on the line.

        Raises:
            MeterDataError: it is another meter than before; told once.
        """
        async with self._connecting:
            known = self._info
            if known is not None and self._outages.believed:
                return known
            found = await self._identify()
            swapped = known is not None and _hardware(known) != _hardware(found)
            self._info, self._outages.believed = found, True
            self._next_look = 0.0
            self._connected(swapped=swapped)
            if known is not None and swapped:
                raise MeterDataError(
                    f"another meter: serial {found.serial_number} "
                    f"where {known.serial_number} was, or another key"
                )
            return found

    async def _identify(self) -> MeterInfo:
        words = await self._device.common()
        vendor, model, version, serial = (
            text(words[at : at + count])
            for at, count in (layout.VENDOR, layout.MODEL, layout.VERSION, layout.SERIAL)
        )
        if not serial or not serial.isprintable():
            raise MeterDataError(f"serial number {serial!r}")
        key = await self._device.public_key()
        try:
            spki = load_public_key(key, algorithm=layout.METHOD).spki.hex().upper() if key else ""
        except PublicKeyError as error:
            raise MeterDataError(f"public key of {len(key)} bytes: {error}") from error
        return MeterInfo(
            vendor=vendor,
            model=model,
            serial_number=serial,
            firmware=version,
            public_key=spki,
            signing_method=layout.METHOD if spki else "",
            quantities=layout.QUANTITIES,
        )

    async def _live(self) -> Reading:
        words = await self._device.read(layout.LIVE, layout.LIVE_WORDS, urgent=False)
        return Reading(self._now(), layout.samples(words))

    async def _look_around(self, info: MeterInfo) -> None:
        """Now and then, after a poll. A failure is not told to the caller, who has a reading."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + self._config.device_state_read_interval_ms / 1000
        try:
            self._tell(layout.events(await self._device.events()))
            await self._attend(info)
        except MeterError as error:
            log.debug("no look at the meter's state: %s", error)

    async def _attend(self, info: MeterInfo) -> None:
        """Whatever goes with the look, for a class that does more than read."""

    def _connected(self, *, swapped: bool) -> None:
        """The meter was found anew; ``swapped`` if what was known is of another one."""

    def _tell(self, faults: tuple[str, ...]) -> None:
        if faults != self.faults:
            if faults:
                log.warning(
                    "meter %d reports: %s", self._config.powermeter_device_id, ", ".join(faults)
                )
            else:
                log.info("meter %d reports no fault any more", self._config.powermeter_device_id)
        self.faults = faults


def _hardware(info: MeterInfo) -> tuple[str, str]:
    return info.serial_number, info.public_key
