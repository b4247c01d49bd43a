"""Reads one meter by its profile."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from meters.api import Meter
from meters.drivers.generic_modbus.config import Config
from meters.drivers.generic_modbus.identity import identify
from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.modbus import ModbusBus, ModbusException
from meters.model import MeterInfo, Quantity, Reading
from meters.registers import Block, blocks
from meters.rtu import READ_HOLDING

log = logging.getLogger(__name__)

TRANSPORT: Final = "modbus"
_NOT_THERE: Final = frozenset({0x02, 0x03})  # illegal address; illegal value: too long a read


def create(config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> Meter:
    """The meter, not yet asked anything."""
    return ProfileMeter(config, bus, now=now)


@dataclass(slots=True)
class _Outage:
    """Why the meter is not reachable, and when polls try again; empty while it answers."""

    sentence: str = ""
    next_try: float = 0.0


class ProfileMeter:
    """Keeps the contract of ``meters.api.Meter``.

    A reading takes as many reads as the profile needs, one after the other, so its values are a few
    hundredths of a second apart on a slow line. After an outage the meter is identified again
    before anything is believed; between two tries polls fail at once, so a dead meter does not slow
    down the others on its bus.
    """

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        self._config = config
        self._profile = config.adapted()
        self._reads = self._profile.blocks
        self._now = now
        self._unit = bus.unit(
            config.powermeter_device_id,
            attempts=config.communication_retry_count,
            retry_delay_s=config.communication_retry_delay_ms / 1000,
        )
        self._connecting = asyncio.Lock()  # protects the identity
        self._info: MeterInfo | None = None
        self._believed = False  # the identity is that of the meter now on the line
        self._outage = _Outage()

    async def identify(self) -> MeterInfo:
        """Vendor and model by the profile, or the model that the meter names; serial, version."""
        async with self._watched():
            return await self._connect()

    async def read(self) -> Reading:
        """All quantities of the profile that the meter measures now."""
        if self._outage.sentence and asyncio.get_running_loop().time() < self._outage.next_try:
            raise MeterUnreachable(self._outage.sentence)
        async with self._watched():
            await self._connect()
            memory = await self._memory()
        taken_at = self._now()
        samples = self._profile.samples(memory)
        if not samples:
            raise MeterDataError(f"no register of the profile {self._profile.name} holds a number")
        for sample in samples:
            if sample.quantity is Quantity.ENERGY_IMPORT and sample.value < 0:
                raise MeterDataError(f"imported energy {sample.value:f} Wh")
        return Reading(taken_at, samples)

    async def _connect(self) -> MeterInfo:
        """The identity of the meter on the line.

        Raises:
            MeterDataError: it is not the meter of the profile, or another one than before; the
                latter is told once.
        """
        async with self._connecting:
            known = self._info
            if known is not None and self._believed:
                return known
            found = await identify(
                self._unit, self._profile, strict=self._config.check_identification
            )
            self._info, self._believed = found, True
            log.debug("%s %s %s", found.vendor, found.model, found.serial_number)
            if known is not None and known.serial_number != found.serial_number:
                raise MeterDataError(
                    f"another meter: serial {found.serial_number or 'unknown'} "
                    f"where {known.serial_number or 'unknown'} was"
                )
            return found

    async def _memory(self) -> dict[Block, tuple[int, ...]]:
        """The words of all reads; without gaps from now on if the meter refuses one that has."""
        memory: dict[Block, tuple[int, ...]] = {}
        try:
            for block in self._reads:
                memory[block] = await self._words(block)
        except ModbusException as error:
            tight = blocks(self._profile.registers, max_words=self._profile.max_words)
            if error.code not in _NOT_THERE:
                raise
            if tight == self._reads:
                raise MeterDataError(
                    f"{error}; the profile {self._profile.name} does not fit this meter"
                ) from error
            log.info("%s; reading without gaps from now on", error)
            self._reads = tight
            return await self._memory()
        return memory

    async def _words(self, block: Block) -> tuple[int, ...]:
        if block.function == READ_HOLDING:
            return await self._unit.read_holding(block.address, block.count)
        return await self._unit.read_input(block.address, block.count)

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Keep the books of outages around one call."""
        try:
            yield
        except MeterUnreachable as error:
            if not self._outage.sentence:
                log.debug("meter lost: %s", error)  # the caller is told by the exception
            pause = self._config.communication_error_pause_delay_s
            next_try = asyncio.get_running_loop().time() + pause
            self._outage, self._believed = _Outage(str(error), next_try), False
            raise
        except MeterError:
            self._outage = _Outage()
            raise
        self._outage = _Outage()
