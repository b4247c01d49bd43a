"""An Iskra meter that is read: identity, live values, outages."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from meters.drivers.iskra_wm3m4 import layout
from meters.drivers.iskra_wm3m4.config import Config
from meters.drivers.iskra_wm3m4.device import Device
from meters.errors import MeterDataError, MeterError, MeterRefused
from meters.modbus import ModbusBus, ModbusException
from meters.model import MeterInfo, Quantity, Reading
from meters.ocmf import PublicKeyError, load_public_key
from meters.outage import Outages
from meters.registers import Block

log = logging.getLogger(__name__)

VENDOR: Final = "Iskra"
_NO_SUCH_REGISTER: Final = frozenset({0x01, 0x02, 0x03})


@dataclass(frozen=True, slots=True)
class Identity:
    """What one connection has found."""

    info: MeterInfo

    @property
    def signs(self) -> bool:
        """Whether the meter has a key: WM3M4C has, WM3M4 has not."""
        return bool(self.info.public_key)


class IskraMeter:
    """Reads one meter; keeps the contract of ``meters.api.Meter``.

    After an outage the meter is identified again before anything else is believed.
    """

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        self._config = config
        self._now = now
        self._unit = bus.unit(
            config.powermeter_device_id,
            attempts=config.communication_retry_count,
            retry_delay_s=config.communication_retry_delay_ms / 1000,
        )
        self._device = Device(self._unit, attempts=config.communication_retry_count)
        self._outages = Outages(
            f"meter {config.powermeter_device_id}",
            tries=config.communication_errors_threshold,
            soon=timedelta(milliseconds=config.read_meter_values_interval_ms),
            later=timedelta(seconds=config.communication_error_pause_delay_s),
        )
        self._connecting = asyncio.Lock()  # protects the identity
        self._identity: Identity | None = None
        self._blocks: tuple[Block, ...] = layout.BLOCKS
        self._next_look = 0.0

    async def identify(self) -> MeterInfo:
        """Who the meter is; ``signing_method`` is empty if it cannot sign."""
        async with self._outages.watched():
            return (await self._connect()).info

    async def read(self) -> Reading:
        """All live values and both energies."""
        self._outages.spare_the_bus()
        async with self._outages.watched():
            identity = await self._connect()
            reading = await self._live()
            await self._look_around(identity)
            return reading

    async def _connect(self) -> Identity:
        """The identity of the meter on the line.

        Raises:
            MeterDataError: it is another meter than before; told once.
        """
        async with self._connecting:
            known = self._identity
            if known is not None and self._outages.believed:
                return known
            found = await self._identify()
            swapped = known is not None and known != found
            self._identity, self._outages.believed = found, True
            self._blocks = layout.BLOCKS
            self._next_look = 0.0
            self._connected(swapped=swapped)
            if known is not None and swapped:
                raise MeterDataError(
                    f"another meter: serial {found.info.serial_number} "
                    f"where {known.info.serial_number} was, or another key"
                )
            return found

    async def _identify(self) -> Identity:
        model, serial = await self._device.identity()
        if not serial or not serial.isprintable():
            raise MeterDataError(f"serial number {serial!r}")
        key = await self._key()
        return Identity(
            MeterInfo(
                vendor=VENDOR,
                model=model or "WM3M4",
                serial_number=serial,
                public_key=key,
                signing_method=layout.METHOD if key else "",
                quantities=layout.QUANTITIES,
            )
        )

    async def _key(self) -> str:
        """The key as SubjectPublicKeyInfo in hex; empty for a meter without one."""
        try:
            point = layout.raw(await self._device.read(layout.KEY, layout.KEY_WORDS))
        except ModbusException as error:
            if error.code not in _NO_SUCH_REGISTER:
                raise  # a passing failure must not make the meter one that cannot sign
            return ""
        if point in {bytes(len(point)), b"\xff" * len(point)}:
            return ""
        try:
            found = load_public_key((b"\x04" + point).hex(), algorithm=layout.METHOD)
        except PublicKeyError as error:
            raise MeterDataError(f"public key {point[:4].hex()}...: {error}") from error
        return found.spki.hex().upper()

    async def _live(self) -> Reading:
        try:
            memory = await self._read_blocks()
        except ModbusException as error:
            if error.code not in _NO_SUCH_REGISTER or self._blocks == layout.BLOCKS_WITHOUT_GAPS:
                raise
            self._blocks = layout.BLOCKS_WITHOUT_GAPS
            memory = await self._read_blocks()
        reading = Reading(self._now(), layout.samples(memory))
        energy = reading.value(Quantity.ENERGY_IMPORT)
        if energy is not None and energy < 0:
            raise MeterDataError(f"imported energy {energy} Wh")
        return reading

    async def _read_blocks(self) -> dict[Block, tuple[int, ...]]:
        return {
            block: await self._unit.read_input(block.address, block.count) for block in self._blocks
        }

    async def _look_around(self, identity: Identity) -> None:
        """Now and then, after a poll. A failure is not told to the caller, who has a reading."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + self._config.device_state_read_interval_ms / 1000
        try:
            await self._attend(identity)
        except MeterError as error:
            log.debug("no look at the meter's state: %s", error)

    async def _attend(self, identity: Identity) -> None:
        """Whatever goes with the look, for a class that does more than read."""

    async def _show_texts(self) -> None:
        """What the config wants on the display; a meter that does not show it still measures."""
        main, label = self._config.lcd_main_text, self._config.lcd_label_text
        if main or label:
            try:
                await self._device.show(main, label)
            except MeterRefused as error:
                log.info("display of the meter: %s", error)

    def _connected(self, *, swapped: bool) -> None:
        """The meter was found anew; ``swapped`` if what was known is of another one."""
