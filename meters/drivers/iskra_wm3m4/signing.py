"""Transactions of a WM3M4C: one state machine under one lock.

The meter is asked what it holds before each step and believed; what this process remembers only
saves reads, and gives a transaction its name back after a power cut of the meter.

* begin: free; clock, data set with our id, command B; active, and the begin is signed.
* end: active, command r once, idle, and the record with begin and end is signed; it stays.
* release: idle with the record of that id; the data set is blanked, free.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime
from typing import Final

from meters.api import Meter
from meters.drivers.iskra_wm3m4 import dataset, layout, record
from meters.drivers.iskra_wm3m4.clock import ClockKeeper
from meters.drivers.iskra_wm3m4.config import Config
from meters.drivers.iskra_wm3m4.device import Device
from meters.drivers.iskra_wm3m4.holding import UNSETTLED, Held, Kind, look
from meters.drivers.iskra_wm3m4.layout import Charging, Command
from meters.drivers.iskra_wm3m4.meter import Identity, IskraMeter
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.modbus import ModbusBus, ModbusException
from meters.model import BillingTransaction, OpenTransaction, Reading
from meters.outage import NotYet
from meters.patience import Patience

log = logging.getLogger(__name__)

TRANSPORT: Final = "modbus"

_EFFECT_S: Final = 2.0  # the charging state follows a command within one second
_STALE_S: Final = 3.0  # after an end the status of the begin may still be seen
_OLD_STATUS_S: Final = 1.0  # in which a complaint may be about an older command
_POLL_S: Final = 0.1
_KEPT: Final = 4  # finished transactions remembered, so that `end` can be repeated
_UNKNOWN: Final = "of unknown id"


def create(config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> Meter:
    """The driver of one meter; ``now`` is wall time, aware. A SigningMeter unless told otherwise.

    Whether a meter signs is known when it answers. A WM3M4 keeps giving readings, tells so by an
    empty ``signing_method`` and refuses ``begin``.
    """
    kind = IskraWm3m4 if config.transactions else IskraMeter
    return kind(config, bus, now=now)


class IskraWm3m4(IskraMeter):
    """Keeps the contract of ``meters.api.SigningMeter``."""

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        super().__init__(config, bus, now=now)
        # Protects the transaction and the clock of this meter; polls go on meanwhile.
        self._lock = asyncio.Lock()
        self._clock = ClockKeeper(config, now)
        self._begun: tuple[str, bytes, Reading | None] | None = None  # id, data set, begin
        self._ended: dict[str, Reading] = {}
        self._patience = Patience()

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction; the energy and time are those that the meter signed.

        Raises:
            MeterRefused: the meter cannot sign, is taken, its clock cannot be set, or it declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``, and the same ``begin`` may be repeated.
        """
        data, name = dataset.build(self._config, transaction), transaction.transaction_id
        async with self._commanding() as (device, identity):
            await self._check_serial(device, identity)
            held = await self._settled(device)
            if held.kind is not Kind.FREE:
                return await self._begun_already(device, held, name)
            await self._clock.before_begin(device)
            await device.set_up_signature()
            await device.write_data_set(data)
            self._begun = (name, data, None)
            self._patience.renew()
            await self._start(device)
            return await self._begin_reading(device, name)

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and give its record, which stays in the meter until released.

        A transaction whose name the meter lost with its power is ended for whoever asks first: only
        the caller can know whose it is.

        Raises:
            MeterRefused: the meter holds no such transaction, or its record cannot be had.
            MeterUnreachable: no answer, or not signed in time; repeat later.
            MeterDataError: what the meter holds is no record; repeat later. If it stays so, it
                comes as it stands, with the energies that the meter shows now.
        """
        if (known := self._ended.get(transaction_id)) is not None:
            return known
        async with self._commanding() as (device, identity):
            held = await self._settled(device)
            if held.kind is Kind.RUNNING:
                await self._stop(device, held, transaction_id)
                held = await self._settled(device)
            if held.kind is Kind.FREE:
                raise MeterRefused(
                    f"the meter holds no record of transaction {transaction_id or _UNKNOWN}"
                )
            if held.owner != transaction_id:
                raise MeterRefused(
                    f"the meter holds {held.kind.value}: transaction {held.owner or _UNKNOWN}"
                )
            if held.kind is Kind.LOST:
                raise RecordLost(f"the meter could not sign the record: {held.trouble}")
            return await self._fetch(device, identity, transaction_id)

    async def release(self, transaction_id: str) -> None:
        """Blank the data set, so that the record of this transaction counts as fetched.

        Raises:
            MeterRefused: the transaction still runs.
            MeterUnreachable: no answer, or it is being signed; repeat later.
        """
        async with self._commanding(refuse=False) as (device, identity):
            if not identity.signs:
                return
            held = await self._settled(device)
            if held.kind is Kind.FREE or held.owner != transaction_id:
                return
            if held.kind is Kind.RUNNING:
                raise MeterRefused(f"transaction {transaction_id or _UNKNOWN} still runs")
            await device.write_data_set(dataset.released(self._config))
            self._begun = None

    async def open_transaction(self) -> OpenTransaction | None:
        """What the meter holds. A record that could not be signed counts as one that waits."""
        async with self._commanding(refuse=False) as (device, identity):
            if not identity.signs:
                return None
            held = await self._settled(device)
            if held.kind is Kind.FREE:
                return None
            if held.nameless and self._begun is not None:
                await self._restore(device, self._begun[0])
                return OpenTransaction(self._begun[0], running=True)
            return OpenTransaction(held.owner, held.kind is Kind.RUNNING)

    @contextlib.asynccontextmanager
    async def _commanding(self, *, refuse: bool = True) -> AsyncIterator[tuple[Device, Identity]]:
        """One command at a time, to a meter that is connected and can sign."""
        async with self._outages.watched(), self._lock:
            identity = await self._connect()
            if refuse and not identity.signs:
                raise MeterRefused(f"{identity.info.model} has no key and cannot sign")
            yield self._device, identity

    def _connected(self, *, swapped: bool) -> None:
        self._clock.forget()
        if swapped:
            self._begun, self._ended = None, {}
            self._patience.renew()

    async def _attend(self, identity: Identity) -> None:
        if not identity.signs or self._lock.locked():
            return
        async with self._lock:
            idle = await self._device.charging() is Charging.IDLE
            if await self._clock.attend(self._device, idle=idle):
                await self._show_texts()

    async def _check_serial(self, device: Device, identity: Identity) -> None:
        """A meter swapped between two polls must not start a transaction in the old one's name."""
        if await device.serial_number() != identity.info.serial_number:
            self._outages.believed = False
            await self._connect()

    async def _settled(self, device: Device) -> Held:
        """What the meter holds once it has finished signing.

        A transaction that goes on showing only its begin has no record: the status of the begin is
        gone within moments. A text that stays impossible to read is what there is of one.

        Raises:
            NotYet: it signs for longer than allowed.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        while (held := await look(device)).kind in UNSETTLED:
            elapsed = loop.time() - started
            if held.kind is Kind.STALE and elapsed > _STALE_S:
                return Held(Kind.LOST, held.owner, trouble="only the begin is there")
            if held.kind is Kind.TORN and elapsed > _STALE_S:
                return Held(Kind.WAITING, held.owner)  # for whoever fetches it
            if elapsed > self._config.ready_timeout_s:
                seconds = self._config.ready_timeout_s
                raise NotYet(f"the record was not signed within {seconds} s")
            await asyncio.sleep(_POLL_S)
        return held

    async def _begun_already(self, device: Device, held: Held, transaction_id: str) -> Reading:
        ours = self._begun is not None and self._begun[0] == transaction_id
        if held.nameless and ours:
            await self._restore(device, transaction_id)
        elif held.owner != transaction_id:
            raise MeterRefused(
                f"the meter holds {held.kind.value}: transaction {held.owner or _UNKNOWN}"
            )
        if held.kind is not Kind.RUNNING:
            raise MeterRefused(f"transaction {transaction_id} is over")
        if ours and self._begun is not None and self._begun[2] is not None:
            return self._begun[2]
        return await self._begin_reading(device, transaction_id)

    async def _start(self, device: Device) -> None:
        """Command the begin once and wait until it shows."""
        acknowledged = await self._command(device, Command.BEGIN)
        if await self._becomes(device, idle=False):
            return
        if not acknowledged:
            raise NotYet("the begin was not acknowledged and does not show")
        trouble = layout.TROUBLES.get(await device.signature_status())
        if trouble is not None:
            raise MeterRefused(f"the meter declines to begin: {trouble}")
        raise MeterRefused("the meter took the begin and stays idle")

    async def _stop(self, device: Device, held: Held, transaction_id: str) -> None:
        """Command the end once and see its effect."""
        remembered = self._begun[0] if self._begun is not None else None
        if held.nameless and remembered in {None, transaction_id}:
            await self._restore(device, transaction_id)
        elif held.owner != transaction_id:
            runs = held.owner or (remembered if held.nameless else None)
            raise MeterRefused(f"the meter runs transaction {runs or _UNKNOWN}")
        await self._clock.before_end(device)
        await device.set_up_signature()
        acknowledged = await self._command(device, Command.END_WITH_BEGIN)
        if await self._becomes(device, idle=True):
            return
        if not acknowledged:
            # Not commanded again here: the next call does so, if it then is still needed.
            raise NotYet("the end was not acknowledged and does not show")
        trouble = layout.TROUBLES.get(await device.signature_status())
        if trouble is not None:
            raise MeterRefused(f"the meter declines to end: {trouble}")
        raise NotYet("the meter took the end and stays active")

    async def _command(self, device: Device, command: Command) -> bool:
        """Give a command once; False if its answer was lost.

        Raises:
            MeterRefused: the meter said no.
        """
        try:
            await device.command(command)
        except ModbusException as error:
            word = "begin" if command is Command.BEGIN else "end"
            raise MeterRefused(f"the meter declines to {word}: {error}") from error
        except MeterUnreachable as error:
            log.info("%s: %s; looking whether it was done", command.name.lower(), error)
            return False
        return True

    async def _becomes(self, device: Device, *, idle: bool) -> bool:
        """Whether the charging state shows the effect of a command in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _EFFECT_S
        while (await device.charging() is Charging.IDLE) is not idle:
            if loop.time() > deadline:
                return False
            await asyncio.sleep(_POLL_S)
        return True

    async def _restore(self, device: Device, transaction_id: str) -> None:
        """Give a running transaction its data set back, which the meter lost with its power."""
        log.warning("the meter lost its data in transaction %s; restored", transaction_id)
        await self._clock.before_end(device)
        begun = self._begun
        known = begun is not None and begun[0] == transaction_id
        data = begun[1] if begun is not None and known else None
        await device.write_data_set(data or dataset.nameless(self._config, transaction_id))
        await self._show_texts()

    async def _begin_reading(self, device: Device, transaction_id: str) -> Reading:
        """The begin as the meter signed it; taken now where it cannot be had any more."""
        text = await self._signed_begin(device, transaction_id)
        live = await self._live()
        reading = record.begin_reading(live, record.begin_of(text) if text else None)
        if self._begun is not None and self._begun[0] == transaction_id:
            self._begun = (transaction_id, self._begun[1], reading)
        return reading

    async def _signed_begin(self, device: Device, transaction_id: str) -> bytes:
        """The text of the begin; empty if a power cut took it.

        Raises:
            MeterRefused: the meter could not sign, so no record is to be expected.
            NotYet: it is not signed in time.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        after_power_cut = await device.charging() is not Charging.ACTIVE
        while True:
            status = await device.signature_status()
            if status in layout.TROUBLES and loop.time() - started > _OLD_STATUS_S:
                raise MeterRefused(f"the begin was not signed: {layout.TROUBLES[status]}")
            if status == layout.SIGNED:
                text = await device.output_text()
                found = dataset.read(text)
                if found is not None and found.owner == transaction_id and not found.complete:
                    return text
            if after_power_cut and status != layout.SIGNING:
                return b""
            if loop.time() - started > self._config.ready_timeout_s:
                raise NotYet(f"the begin was not signed within {self._config.ready_timeout_s} s")
            await asyncio.sleep(_POLL_S)

    async def _fetch(self, device: Device, identity: Identity, transaction_id: str) -> Reading:
        key = identity.info.public_key
        try:
            text, signature = await device.output()
            record.check_whole(signature)
            document = record.assemble(text, signature)
            reading = record.end_reading(document, public_key=key, received=self._now())
        except ModbusException:
            raise
        except MeterDataError as error:
            if not self._patience.ends():
                raise
            reading = await self._rescued(device, key, error)
        self._patience.renew()
        self._begun = None
        if transaction_id:
            self._ended[transaction_id] = reading
            while len(self._ended) > _KEPT:
                del self._ended[next(iter(self._ended))]
        return reading

    async def _rescued(self, device: Device, key: str, cause: MeterDataError) -> Reading:
        """The record if only its sizes are told wrongly, else what stands in its place."""
        document = record.assemble(*record.trimmed(*await device.whole_output()))
        try:
            return record.end_reading(document, public_key=key, received=self._now())
        except MeterDataError:
            log.error("no record, handed on as it is: %s", cause)  # noqa: TRY400 - the meter's data
        return record.evidence(document, await self._live(), public_key=key)
