"""A Carlo Gavazzi meter that is read: identity, live values, outages, faults."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from meters.drivers.carlo_gavazzi_em580 import layout
from meters.drivers.carlo_gavazzi_em580.complaints import Complaints, Noticed
from meters.drivers.carlo_gavazzi_em580.config import Config
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.identity import Identity, identify
from meters.drivers.carlo_gavazzi_em580.record import look_into
from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.modbus import ModbusBus, ModbusException
from meters.model import MeterInfo, Quantity, Reading, Sample, SignedReading
from meters.registers import Block, decode

log = logging.getLogger(__name__)

_BLOCKS: Final = {  # of an EM580, of the EM300 series
    False: (layout.LIVE_BLOCK, layout.ENERGY_BLOCK),
    True: (*layout.EM300_LIVE_BLOCKS, layout.EM300_ENERGY_BLOCK),
}


class NotYet(MeterUnreachable):
    """The meter answers, but what was commanded is not done in time; to be asked again later."""


class CarloGavazziMeter:
    """Reads one meter; keeps the contract of ``meters.api.Meter``.

    After an outage the meter is identified again before anything else is believed. Between two
    tries polls fail at once with the same sentence, so a dead meter does not slow down the others
    on its bus.
    """

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        self._complaints = Complaints(f"meter {config.powermeter_device_id} on {bus.name}")
        self._config = config
        self._now = now
        self._unit = bus.unit(
            config.powermeter_device_id,
            attempts=config.communication_retry_count,
            retry_delay_s=config.communication_retry_delay_ms / 1000,
        )
        self._device = self._new_device()
        self._connecting = asyncio.Lock()  # protects the identity
        self._identity: Identity | None = None
        self._believed = False  # the identity is that of the meter now on the line
        self._outage = ""
        self._tries = 0
        self._next_try = 0.0
        self._next_look = 0.0
        self._rotation: tuple[str, ...] = ()
        self._temperature: tuple[Sample, ...] = ()
        self._next_temperature = 0.0
        self._imported: Decimal | None = None  # as last read from this meter
        self._map_refused = False

    @property
    def faults(self) -> tuple[str, ...]:
        """What the meter itself complains about, in words; empty when it is content.

        As it was when last looked for, see ``device_state_read_interval_ms``.
        """
        return self._complaints.now

    @property
    def poll_interval(self) -> timedelta:
        """How often the installer wants the meter to be read."""
        return timedelta(milliseconds=self._config.live_measurement_interval_ms)

    async def identify(self) -> MeterInfo:
        """Who the meter is; ``signing_method`` is empty if it cannot sign."""
        async with self._watched():
            return (await self._connect()).info

    async def read(self) -> Reading:
        """All live values and both energies; the temperature may be as old as its interval."""
        if self._outage and asyncio.get_running_loop().time() < self._next_try:
            raise MeterUnreachable(self._outage)
        await self._give_way()
        async with self._watched():
            identity = await self._connect()
            reading = await self._live(identity)
            await self._look_around(identity)
            return reading

    def _new_device(self) -> Device:
        attempts = self._config.communication_retry_count
        return Device(self._unit, attempts=attempts, look=self._look_into)

    def _look_into(self, document: bytes) -> None:
        """The whole record is here, and the meter is asked once more whether it is the same."""
        look_into(document)

    async def _connect(self) -> Identity:
        """The identity of the meter on the line.

        Raises:
            MeterDataError: it is another meter than before; told once.
        """
        async with self._connecting:
            known = self._identity
            if known is None or not self._believed:
                self._device = self._new_device()
                found = await identify(self._device, self._config.public_key_format)
                swapped = known is not None and not known.same_meter(found)
                self._identity, self._believed = found, True
                self._forget(swapped=swapped)
                self._connected(swapped=swapped)
                if known is not None and swapped:
                    raise MeterDataError(
                        f"another meter: serial {found.info.serial_number} "
                        f"where {known.info.serial_number} was, or another key"
                    )
                return found
            return known

    def _forget(self, *, swapped: bool) -> None:
        """What was seen before an outage is not the present; the next poll looks at everything."""
        self._next_look = self._next_temperature = 0.0
        self._temperature, self._map_refused = (), False
        if swapped:
            self._complaints.forget()
            self._imported = None

    def _connected(self, *, swapped: bool) -> None:
        """The meter was found anew; ``swapped`` if what was known is of another one."""

    async def _give_way(self) -> None:
        """Before a poll: wait for what is more urgent, for a class that does more than read."""

    async def _attend(self, identity: Identity) -> None:
        """Whatever goes with the look at the meter's state, for a class that does more than read.

        A failure is not told to the caller, who has got a good reading.
        """

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Keep the books of outages around one call."""
        try:
            yield
        except MeterError as error:
            if isinstance(error, MeterUnreachable) and not isinstance(error, NotYet):
                self._lost(str(error))
            else:
                self._heard()
            raise
        self._heard()

    def _heard(self) -> None:
        if self._outage:
            log.debug("meter %d answers again", self._config.powermeter_device_id)
        self._outage, self._tries = "", 0

    def _lost(self, sentence: str) -> None:
        if not self._outage:
            log.debug("meter lost: %s", sentence)  # the caller is told by the exception
        config = self._config
        self._outage, self._believed = sentence, False
        self._tries += 1
        count = config.initial_connection_retry_count
        pause = config.initial_connection_retry_delay_ms / 1000
        if count and self._tries > count:
            pause = config.communication_error_pause_delay_s
        self._next_try = asyncio.get_running_loop().time() + pause

    async def _live(self, identity: Identity) -> Reading:
        memory: dict[Block, tuple[int, ...]] = {}
        for block in _BLOCKS[identity.em300]:
            memory[block] = await self._unit.read_input(block.address, block.count)
        taken_at = self._now()
        samples = decode(layout.LIVE, memory) + _energy(memory)
        self._check_energy(Reading(taken_at, samples).value(Quantity.ENERGY_IMPORT))
        self._rotation = layout.rotation(memory)
        samples += await self._temperature_sample(identity)
        return Reading(taken_at, samples, await self._signed_map(identity))

    def _check_energy(self, imported: Decimal | None) -> None:
        """A counter never falls. Told by one failed reading; then the lower value is believed.

        Raises:
            MeterDataError: it is negative, or lower than it was.
        """
        if imported is None:
            return
        before, self._imported = self._imported, imported
        if imported < 0:
            raise MeterDataError(f"imported energy {imported} Wh")
        if before is not None and imported < before:
            raise MeterDataError(f"imported energy {imported} Wh, it was {before} Wh before")

    async def _temperature_sample(self, identity: Identity) -> tuple[Sample, ...]:
        interval, now = self._config.temperature_read_interval_s, asyncio.get_running_loop().time()
        if interval and not identity.em300 and now >= self._next_temperature:
            self._next_temperature = now + interval
            self._temperature = ()
            with contextlib.suppress(MeterError):  # of no use for billing; the rest is read
                words = await self._device.optional(layout.TEMPERATURE, attempts=1)
                self._temperature = layout.temperature(words) if words else ()
        return self._temperature

    async def _signed_map(self, identity: Identity) -> SignedReading | None:
        wanted = self._config.signed_live_map and not self._map_refused
        if not wanted or identity.signature is None:
            return None
        # Its words are signed as one, so they are read in one request.
        count = layout.SIGNED_MAP_WORDS + identity.signature.half
        try:
            words = await self._unit.read_input(layout.SIGNED_MAP, count)
        except ModbusException as error:
            # Readings are worth more than a map; one refused for good is not asked for again.
            self._map_refused = error.code in layout.NO_SUCH_REGISTER
            log.log(
                logging.WARNING if self._map_refused else logging.DEBUG,
                "no signed map with the readings: %s",
                error,
            )
            return None
        return SignedReading(
            document=layout.signed_map(words),
            encoding="plain",
            method=identity.signature,
            public_key=identity.info.public_key,
        )

    async def _look_around(self, identity: Identity) -> None:
        """Now and then, after a poll: what the meter complains about."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + self._config.device_state_read_interval_ms / 1000
        try:
            words = None if identity.em300 else await self._device.optional(layout.DEVICE_STATE)
            self._complaints.replace(Noticed.ROTATION, self._rotation)
            self._complaints.replace(Noticed.STATE, layout.faults(words[0]) if words else ())
            await self._attend(identity)
        except MeterError as error:
            log.debug("no look at the meter's state: %s", error)


def _energy(memory: Mapping[Block, Sequence[int]]) -> tuple[Sample, ...]:
    if layout.EM300_ENERGY_BLOCK in memory:
        return layout.em300_energy(memory[layout.EM300_ENERGY_BLOCK])
    return decode(layout.ENERGY, memory)
