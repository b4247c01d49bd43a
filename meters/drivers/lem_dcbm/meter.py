"""A LEM DCBM that is read: identity, live values, outages, complaints."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from meters.drivers.lem_dcbm.answers import NO_LINK, Status
from meters.drivers.lem_dcbm.config import Config
from meters.drivers.lem_dcbm.device import Device
from meters.drivers.lem_dcbm.record import METHOD
from meters.drivers.lem_dcbm.temperature import TemperatureWatch
from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.http import HttpDevice, HttpTrouble
from meters.model import MeterInfo, Quantity, Reading

log = logging.getLogger(__name__)

VENDOR: Final = "LEM"
MODEL: Final = "DCBM 400/600"
_QUANTITIES: Final = frozenset(
    (quantity, None)
    for quantity in (
        Quantity.ENERGY_IMPORT,
        Quantity.ENERGY_EXPORT,
        Quantity.POWER,
        Quantity.VOLTAGE,
        Quantity.CURRENT,
        Quantity.TEMPERATURE,
    )
)


class NotYet(MeterUnreachable):
    """The meter answers, but what was commanded is not done in time; to be asked again later."""


class AnotherMeter(MeterDataError):  # noqa: N818 - reads as a state
    """Another meter answers at this address than before; told once."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What one connection has found."""

    info: MeterInfo
    second: bool

    def same_meter(self, other: "Identity") -> bool:
        """Whether it is the same piece of hardware."""
        mine, theirs = self.info, other.info
        return (mine.serial_number, mine.public_key) == (theirs.serial_number, theirs.public_key)


def identity_of(status: Status) -> Identity:
    """Who the meter is.

    Raises:
        MeterDataError: no serial number, or a key that is none.
    """
    if not status.serial_number.strip():
        raise MeterDataError("the meter tells no serial number (meterId)")
    key = status.public_key
    info = MeterInfo(
        vendor=VENDOR,
        model=MODEL,
        serial_number=status.serial_number,
        # The way the meter writes it into its records.
        firmware=f"MU-{status.version.application}_SU-{status.version.sensor}",
        public_key=key,
        signing_method=METHOD if key else "",
        quantities=_QUANTITIES,
    )
    return Identity(info, status.speaks_v2)


class LemMeter:
    """Reads one meter; keeps the contract of ``meters.api.Meter``.

    ``faults`` is what there is to complain about, in words; empty when all is well.
    """

    def __init__(self, config: Config, http: HttpDevice, *, now: Callable[[], datetime]) -> None:
        self.faults: tuple[str, ...] = ()
        self._config = config
        self._now = now
        self._device = Device(http, attempts=1 + config.resilience_transaction_request_retries)
        self._connecting = asyncio.Lock()  # protects the identity
        self._identity: Identity | None = None
        self._believed = False  # the identity is that of the meter now on the line
        self._outage = ""
        self._failed_polls = 0
        self._next_try = 0.0
        self._next_look = 0.0
        self._watch = TemperatureWatch(config)
        self._complaints: tuple[str, ...] = ()
        self._linked = True  # as last told, the meter hears its sensor unit

    async def identify(self) -> MeterInfo:
        """Who the meter is."""
        async with self._watched():
            return (await self._connect()).info

    async def read(self) -> Reading:
        """All live values, from one answer."""
        if self._outage and asyncio.get_running_loop().time() < self._next_try:
            raise MeterUnreachable(self._outage)
        async with self._watched():
            await self._connect()
            live = await self._device.live()
            reading = Reading(self._now(), live.samples())
            hot = self._watch.note(live.hottest, asyncio.get_running_loop().time())
            await self._look_around()
            self._tell(self._complaints + hot)
            if not self._linked:
                # What it shows now was measured before, or not at all.
                self._next_look = 0.0
                raise MeterDataError(f"{self._device.name}: {NO_LINK}, its values are not of now")
            return reading

    async def _connect(self) -> Identity:
        """The identity of the meter at this address.

        Raises:
            AnotherMeter: it is another one than before; told once.
        """
        async with self._connecting:
            known = self._identity
            if known is None or not self._believed:
                return self._met(await self._device.status())
            return known

    def _met(self, status: Status) -> Identity:
        """Take note of who answers.

        Raises:
            AnotherMeter: it is another one than before; told once.
        """
        found, known = identity_of(status), self._identity
        swapped = known is not None and not known.same_meter(found)
        anew = swapped or not self._believed
        self._identity, self._believed = found, True
        self._device.second = found.second
        if anew:
            self._connected(swapped=swapped)
        if known is not None and swapped:
            raise AnotherMeter(
                f"another meter: serial {found.info.serial_number} where "
                f"{known.info.serial_number} was, or another key"
            )
        return found

    def _connected(self, *, swapped: bool) -> None:
        """The meter was found anew; ``swapped`` if what was known is of another one."""

    async def _attend(self, status: Status) -> bool:
        """Whatever goes with the look at the meter's state; True if the state may have changed."""
        del status
        return False

    @contextlib.asynccontextmanager
    async def _watched(self) -> AsyncIterator[None]:
        """Keep the books of outages around one call."""
        try:
            yield
        except MeterError as error:
            # A meter that says it has trouble, or is not ready, is there.
            if isinstance(error, MeterUnreachable) and not isinstance(error, NotYet | HttpTrouble):
                self._lost(str(error))
            else:
                self._heard()
            raise
        self._heard()

    def _heard(self) -> None:
        self._outage, self._failed_polls = "", 0

    def _lost(self, sentence: str) -> None:
        self._outage, self._believed = sentence, False
        self._failed_polls += 1
        most = self._config.resilience_initial_connection_retries
        if most and self._failed_polls > most:
            pause = self._config.resilience_initial_connection_retry_delay / 1000
            self._next_try = asyncio.get_running_loop().time() + pause

    async def _look_around(self) -> None:
        """Now and then, after a poll: status and errors. A failure does not spoil the reading."""
        now = asyncio.get_running_loop().time()
        if now < self._next_look:
            return
        self._next_look = now + self._config.state_read_interval_s
        try:
            status = await self._device.status()
            self._met(status)
            if await self._attend(status):
                status = await self._device.status()
            self._complaints, self._linked = status.complaints(), status.status.bits.link
        except AnotherMeter:
            raise
        except MeterError as error:
            log.debug("%s: no look at the meter's state: %s", self._device.name, error)

    def _tell(self, faults: tuple[str, ...]) -> None:
        if faults != self.faults:
            if faults:
                log.warning("meter %s reports: %s", self._device.name, ", ".join(faults))
            else:
                log.info("meter %s reports no fault any more", self._device.name)
        self.faults = faults
