"""An IEM-DCR that is read: identity, gateway data, clock, live values, outages, faults."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from meters.drivers.isabellenhuette_iem_dcr import wire
from meters.drivers.isabellenhuette_iem_dcr.clock import ClockKeeper
from meters.drivers.isabellenhuette_iem_dcr.config import Config
from meters.drivers.isabellenhuette_iem_dcr.device import Device
from meters.drivers.isabellenhuette_iem_dcr.wire import Gateway, Values
from meters.errors import MeterDataError, MeterError, MeterRefused, MeterUnreachable
from meters.http import HttpDevice, HttpRefusal
from meters.model import MeterInfo, Quantity, Reading
from meters.ocmf.errors import PublicKeyError
from meters.ocmf.keys import load_public_key

log = logging.getLogger(__name__)

ALGORITHM: Final = "ECDSA-secp256r1-SHA256"
VENDOR: Final = "Isabellenhuette"
_MODEL: Final = "IEM-DCR"
_QUANTITIES: Final = frozenset(
    (quantity, None)
    for quantity in (
        Quantity.ENERGY_IMPORT,
        Quantity.ENERGY_EXPORT,
        Quantity.POWER,
        Quantity.VOLTAGE,
        Quantity.CURRENT,
    )
)


class NotYet(MeterUnreachable):
    """The meter answers, but what was commanded is not done in time; to be asked again later."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers, and the charge point that it was told before; empty until it is told."""

    info: MeterInfo
    gateway: Gateway

    def same_meter(self, other: "Identity") -> bool:
        """Whether serial number and key are those of ``other``; a key not known fits any."""
        mine, its = self.info, other.info
        same_key = mine.public_key == its.public_key or not mine.public_key or not its.public_key
        return mine.serial_number == its.serial_number and same_key


class IsabellenhuetteMeter:
    """Reads one meter; keeps the contract of ``meters.api.Meter``.

    After an outage, and when the meter's clock says that its power was cut, everything is looked
    at again before anything else is believed.

    ``faults`` is what the meter complains about or what is wrong with its set-up, in words; empty
    when all is well.
    """

    def __init__(self, config: Config, http: HttpDevice, *, now: Callable[[], datetime]) -> None:
        self.faults: tuple[str, ...] = ()
        self._config = config
        self._now = now
        self._name = http.name
        self._device = Device(http)
        self._clock = ClockKeeper(config, now)
        # Protects the transaction, the gateway data and the clock of this meter. Polls need none
        # of it: they go on while a record is signed.
        self._lock = asyncio.Lock()
        self._connecting = asyncio.Lock()  # protects the identity
        self._identity: Identity | None = None
        self._believed = False  # the identity is that of the meter now on the line
        self._charge_point = config.charge_point  # or what a transaction was begun for
        self._outage = ""
        self._failed_before = False
        self._next_try = 0.0

    async def identify(self) -> MeterInfo:
        """Who the meter is; its model and firmware are told by its records only."""
        async with self._watched():
            return (await self._connect()).info

    async def read(self) -> Reading:
        """All live values. Both energies are running totals, not those of the transaction."""
        if self._outage and asyncio.get_running_loop().time() < self._next_try:
            raise MeterUnreachable(self._outage)
        async with self._watched():
            await self._connect()
            values = await self._values()
            found = wire.reading(values, self._now())
            self._tell(values)
            if values.clock_letter == wire.UNSET:
                self._clock.doubt()
            await self._attend()
            return found

    async def _values(self) -> Values:
        """Live values, of the meter that was identified and still knows its charge point.

        Raises:
            MeterDataError: it is another meter.
        """
        identity = await self._connect()
        values = await self._device.values()
        if identity.info.serial_number != values.MS:
            self._believed = False
            await self._connect()
            return await self._device.values()
        cut = values.clock_letter == wire.UNSET and identity.gateway.CI
        if cut and not (await self._device.gateway()).CI:
            log.info("meter %s was without power", self._name)
            self._believed = False
            await self._connect()
            return await self._device.values()
        return values

    async def _connect(self) -> Identity:
        """The identity of the meter that answers.

        Raises:
            MeterDataError: it is another meter than before; told once.
        """
        async with self._connecting:
            known = self._identity
            if known is not None and self._believed:
                return known
            gateway = await self._introduced(await self._device.gateway(), self._charge_point)
            found = Identity(await self._info(), gateway)
            swapped = known is not None and not known.same_meter(found)
            self._identity, self._believed = found, True
            self._connected(swapped=swapped)
            await self._show_tariff()
            if known is not None and swapped:
                raise MeterDataError(
                    f"{self._name}: another meter: serial {found.info.serial_number} "
                    f"where {known.info.serial_number} was, or another key"
                )
            return found

    async def _introduced(self, found: Gateway, charge_point: str) -> Gateway:
        """Tell a meter its charge point if it knows none; what it knows afterwards.

        Only once, whatever becomes of the answer: the meter is asked before and after.
        """
        if found.CI or not charge_point or not self._clock.usable:
            return found
        self._clock.forget()
        try:
            await self._device.set_gateway(self._config.CT, charge_point, self._clock.text())
        except HttpRefusal as error:
            log.warning("%s: charge point not taken: %s", self._name, error)
        else:
            self._clock.was_set()
        return await self._device.gateway()

    async def _introduce(self, evse_id: str) -> None:
        """See to it that the meter signs for this EVSE.

        Raises:
            MeterRefused: it signs for another, or takes none.
        """
        chosen = self._config.charge_point
        if chosen and evse_id and evse_id != chosen:
            raise MeterRefused(
                f"the transaction is for EVSE id {evse_id!r}, but the meter is set up for CI "
                f"{chosen!r}: make CI the EVSE id in the config, then switch the supply of the "
                "meter off and on"
            )
        wanted = chosen or evse_id or self._config.CI
        found = await self._introduced(await self._device.gateway(), wanted)
        if self._identity is not None:
            self._identity = replace(self._identity, gateway=found)
        for sentence in self.frozen(found, wanted):
            raise MeterRefused(sentence)
        self._charge_point = wanted

    def _check_health(self, values: Values) -> None:
        """Whether its energy can be sold.

        Raises:
            MeterRefused: the meter itself says no.
        """
        if self.errors(values.XC):
            raise MeterRefused(
                f"the meter reports error code {values.XC}; nothing begins until it is gone"
            )
        if not values.billable:
            raise MeterRefused(
                f"the meter calls its energy not billable: state {values.ST}, "
                f"errors {values.EF or 'none'}"
            )

    async def _info(self) -> MeterInfo:
        values = await self._device.values()
        key, method = "", ALGORITHM
        try:
            answer = await self._device.key()
            method = answer.SA or ALGORITHM
            key = load_public_key(answer.PK, algorithm=method).spki.hex().upper()
        except (HttpRefusal, PublicKeyError) as error:  # it can be read even so
            log.warning("%s: no public key: %s", self._name, error)
        return MeterInfo(
            vendor=VENDOR,
            model=_MODEL,
            serial_number=values.MS,
            public_key=key,
            signing_method=method,
            quantities=_QUANTITIES,
        )

    async def _show_tariff(self) -> None:
        """What the meter shows before a session; a refusal is no reason not to charge."""
        if not self._config.TT_initial or (await self._device.values()).XT:
            return
        try:
            await self._device.set_tariff(self._config.TT_initial)
        except HttpRefusal as error:
            log.warning("%s: tariff text not taken: %s", self._name, error)

    def _connected(self, *, swapped: bool) -> None:
        """The meter was found anew; ``swapped`` if what was known is of another one."""

    async def _attend(self) -> None:
        """After a poll: the clock, if nothing else is going on. The reading is good anyway."""
        if not self._clock.due or self._lock.locked():
            return
        async with self._lock:
            try:
                await self._clock.attend(self._device)
            except MeterError as error:
                log.debug("%s: clock not set: %s", self._name, error)

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
            log.debug("meter %s answers again", self._name)
        self._outage, self._failed_before = "", False

    def _lost(self, sentence: str) -> None:
        """The next poll connects at once; if that fails too the ones after it wait."""
        if not self._outage:
            log.debug("meter lost: %s", sentence)  # the caller is told by the exception
        pause = self._config.resilience_initial_connection_retry_delay / 1000
        self._next_try = asyncio.get_running_loop().time() + pause * self._failed_before
        self._outage, self._believed, self._failed_before = sentence, False, True

    def _tell(self, values: Values) -> None:
        faults = tuple(self._complaints(values))
        if faults != self.faults:
            if faults:
                log.warning("meter %s: %s", self._name, "; ".join(faults))
            else:
                log.info("meter %s has no fault any more", self._name)
        self.faults = faults

    def _complaints(self, values: Values) -> list[str]:
        found = []
        try:
            if self.errors(values.XC):
                found.append(f"error code {values.XC}")
        except MeterDataError as error:  # the values are good even so
            found.append(str(error))
        if not values.billable:
            found.append(f"energy not billable (state {values.ST}, errors {values.EF or 'none'})")
        gateway = self._identity.gateway if self._identity else Gateway("", "")
        if gateway.CI and self._config.charge_point:
            found.extend(self.frozen(gateway, self._config.charge_point))
        return found

    def errors(self, code: str) -> bool:
        """Whether the error code holds a bit that is not to be ignored."""
        ignored = wire.error_words(self._config.ignored_errors)
        return any(word & ~mask for word, mask in zip(wire.error_words(code), ignored, strict=True))

    def frozen(self, found: Gateway, charge_point: str) -> list[str]:
        """What is wrong with the charge point that the meter keeps, and what to do; or nothing."""
        if (self._config.CT, charge_point) == (found.CT, found.CI):
            return []
        wanted = f"{charge_point!r} ({self._config.CT})"
        if not found.CI and not self._clock.usable:
            return ["the time is not known yet: the meter gets its charge point with it"]
        if not found.CI:
            return [f"the meter does not take its charge point {wanted}, so it signs nothing"]
        sentence = (
            f"the meter signs for charge point {found.CI!r} ({found.CT}) until its power is cut, "
            f"but this one is {wanted}: switch the supply of the meter off and on, or correct CI "
            "and CT in the config"
        )
        return [sentence]
