"""Transactions of a BSM-WS36A: one state machine under one lock.

The meter is asked what it holds before each step and believed; what this process remembers only
saves reads, and gives the meter its texts back after a power cut.

* begin: free; clock, texts and note, snapshot "start"; its record comes with the reading.
* end: running, snapshot "end" taken once; its record is read and stays in the meter.
* release: the note is blanked.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from meters.api import Meter
from meters.drivers.bauer_bsm import layout, record, wording
from meters.drivers.bauer_bsm.clock import ClockKeeper
from meters.drivers.bauer_bsm.config import Config
from meters.drivers.bauer_bsm.device import Device
from meters.drivers.bauer_bsm.holding import Held, Kind, Note, check_id
from meters.drivers.bauer_bsm.layout import FAILURES, Slot, Status
from meters.drivers.bauer_bsm.meter import BauerMeter
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.modbus import ModbusBus, ModbusException
from meters.model import BillingTransaction, MeterInfo, OpenTransaction, Reading, Sample
from meters.outage import NotYet
from meters.patience import Patience

log = logging.getLogger(__name__)

TRANSPORT: Final = "modbus"

_DOUBT_S: Final = 2.0  # in which the effect of a command shows whose answer was lost
_POLL_S: Final = 0.2
_KEPT: Final = 4  # finished transactions remembered, so that `end` can be repeated
_RECORD_READS: Final = 3


def create(config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> Meter:
    """The driver of one meter; ``now`` is wall time, aware. A SigningMeter unless told otherwise.

    Whether a meter signs is known when it answers. One that does not keeps giving readings, tells
    so by an empty ``signing_method`` and refuses ``begin``.
    """
    kind = BauerBsm if config.transactions else BauerMeter
    return kind(config, bus, now=now)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What this process knows of the transaction that it began."""

    note: Note
    texts: tuple[int, ...]
    reading: Reading | None = None


class BauerBsm(BauerMeter):
    """Keeps the contract of ``meters.api.SigningMeter``.

    Other than with meters that sign one record for both, the reading of ``begin`` is signed too.
    """

    signs_begin = True

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        super().__init__(config, bus, now=now)
        self._lock = asyncio.Lock()  # protects the transaction and the clock of this meter
        self._clock = ClockKeeper(config, now)
        self._begun: _Begun | None = None
        self._ended: dict[str, Reading] = {}
        self._patience = Patience()

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction; ``signed`` of the reading is the record of the begin.

        After a power cut of the meter that record is gone: the reading then is one of now, without.

        Raises:
            MeterRefused: the meter cannot sign, is taken, its clock cannot be set, it calls its own
                signatures worthless, or it declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``, and the same ``begin`` may be repeated.
        """
        check_id(transaction.transaction_id)
        texts = wording.texts(transaction)
        async with self._commanding() as (device, info):
            await self._check_meter(device, info)
            held = await self._settled(device)
            if held.kind is not Kind.FREE:
                return await self._begun_already(device, info, held, transaction.transaction_id)
            await self._clock.before_begin(device)
            note = Note(transaction.transaction_id, await device.response_count())
            await device.write_texts(texts, note)
            self._begun = _Begun(note, texts)
            self._patience.renew()
            await self._take(device, Slot.START, note)
            return await self._begin_reading(device, info, note)

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and give the record of its end, which stays until released.

        One that stays impossible to understand, or wrong, comes as it stands; the energies beside
        it then are those that the meter shows now.

        Raises:
            MeterRefused: the meter holds no such transaction, or its record was lost with the
                power.
            MeterUnreachable: no answer, or not signed in time; repeat later.
            MeterDataError: what the meter holds is no record; repeat later.
        """
        if (known := self._ended.get(transaction_id)) is not None:
            return known
        async with self._commanding() as (device, info):
            held = await self._settled(device)
            if held.kind is Kind.FREE and held.power_cut and self._config.end_after_power_cut:
                held = await self._adopt(device, transaction_id)
            if held.note is None or held.kind is Kind.FREE:
                raise MeterRefused(f"the meter holds no record of transaction {transaction_id}")
            if held.owner != transaction_id:
                raise MeterRefused(f"the meter holds {held.kind.value}: transaction {held.owner}")
            if held.kind is Kind.LOST:
                raise RecordLost("the record of the end was lost with the meter's power")
            if held.kind is Kind.RUNNING:
                await self._clock.before_end(device)
                await self._take(device, Slot.END, held.note)
            return await self._fetch(device, info, transaction_id)

    async def release(self, transaction_id: str) -> None:
        """Blank the note, so that the record of this transaction counts as fetched.

        Raises:
            MeterRefused: the transaction still runs.
            MeterUnreachable: no answer, or it is being signed; repeat later.
        """
        async with self._commanding(refuse=False) as (device, info):
            if not info.public_key:
                return
            held = await self._settled(device)
            if held.kind is Kind.FREE or held.owner != transaction_id:
                return
            if held.kind is Kind.RUNNING:
                raise MeterRefused(f"transaction {transaction_id} still runs")
            await device.write_note(None)
            self._begun = None

    async def open_transaction(self) -> OpenTransaction | None:
        """What the meter holds. A record that was lost counts as one that waits."""
        async with self._commanding(refuse=False) as (device, info):
            if not info.public_key:
                return None
            held = await self._settled(device)
            if held.kind is Kind.FREE:
                return None
            return OpenTransaction(held.owner, held.kind is Kind.RUNNING)

    @contextlib.asynccontextmanager
    async def _commanding(self, *, refuse: bool = True) -> AsyncIterator[tuple[Device, MeterInfo]]:
        """One command at a time, to a meter that is connected and can sign."""
        async with self._outages.watched(), self._lock:
            info = await self._connect()
            if refuse and not info.public_key:
                raise MeterRefused(f"{info.model} has no key and cannot sign")
            yield self._device, info

    def _connected(self, *, swapped: bool) -> None:
        self._clock.forget()
        if swapped:
            self._begun, self._ended = None, {}
            self._patience.renew()

    async def _attend(self, info: MeterInfo) -> None:
        if not info.public_key or self._lock.locked():
            return
        async with self._lock:
            if await self._device.note() is None:
                await self._clock.before_begin(self._device)

    async def _check_meter(self, device: Device, info: MeterInfo) -> None:
        """Not in the name of a meter that was swapped, nor with signatures that do not count."""
        if await device.serial_number() != info.serial_number:
            self._outages.believed = False
            await self._connect()
        if troubles := layout.not_authentic(await device.events()):
            raise MeterRefused(f"signatures of this meter do not count: {', '.join(troubles)}")

    async def _settled(self, device: Device) -> Held:
        """What the meter holds once it has finished signing.

        Raises:
            NotYet: it signs for longer than allowed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.ready_timeout_s
        while (held := await device.held()).kind is Kind.SIGNING:
            if loop.time() > deadline:
                raise NotYet(f"not signed within {self._config.ready_timeout_s} s")
            await asyncio.sleep(_POLL_S)
        begun = self._begun
        if held.note is None and held.power_cut and begun is not None:
            log.warning("the meter lost its texts in transaction %s", begun.note.transaction_id)
            await device.write_texts(begun.texts, begun.note)
            held = await device.held()
        return held

    async def _adopt(self, device: Device, transaction_id: str) -> Held:
        """Make a transaction of which the meter knows nothing any more one that runs."""
        check_id(transaction_id)
        log.warning("the meter forgot what ran; %s is ended", transaction_id)
        # As if the start had been the last thing that it signed.
        note = Note(transaction_id, max(await device.response_count() - 1, 0))
        nobody = BillingTransaction(transaction_id, "")
        await device.write_texts(wording.texts(nobody), note)
        return await device.held()

    async def _begun_already(
        self, device: Device, info: MeterInfo, held: Held, transaction_id: str
    ) -> Reading:
        if held.owner != transaction_id:
            raise MeterRefused(f"the meter holds {held.kind.value}: transaction {held.owner}")
        if held.kind is not Kind.RUNNING or held.note is None:
            raise MeterRefused(f"transaction {transaction_id} is over")
        begun = self._begun
        if begun is not None and begun.note == held.note and begun.reading is not None:
            return begun.reading
        if held.power_cut:
            return await self._live()
        return await self._begin_reading(device, info, held.note)

    async def _take(self, device: Device, slot: Slot, note: Note) -> None:
        """Command a snapshot once, and wait until it is there and signed."""
        word = "begin" if slot is Slot.START else "end"
        self._answering.clear()
        try:
            acknowledged = True
            try:
                await device.take(slot)
            except ModbusException as error:
                raise MeterRefused(f"the meter declines to {word}: {error}") from error
            except MeterUnreachable as error:
                log.info("%s: %s; looking whether it was done", word, error)
                acknowledged = False
            await self._until_taken(device, slot, note, acknowledged=acknowledged)
        finally:
            self._answering.set()

    async def _until_taken(
        self, device: Device, slot: Slot, note: Note, *, acknowledged: bool
    ) -> None:
        """Wait for a snapshot with our note; the meter may keep silent while it signs."""
        word = "begin" if slot is Slot.START else "end"
        loop = asyncio.get_running_loop()
        started = loop.time()
        seen = acknowledged
        while True:
            elapsed = loop.time() - started
            try:
                found = await device.snapshot(slot)
            except MeterUnreachable:
                if elapsed > self._config.ready_timeout_s:
                    raise
                await asyncio.sleep(_POLL_S)
                continue
            if found.status is Status.VALID and found.note == note:
                return
            seen = seen or found.status is Status.UPDATING
            if seen and found.status in FAILURES:
                reason = FAILURES[found.status]
                if found.status is Status.FAILED:
                    raise NotYet(f"the {word} was not signed: {reason}; repeat")
                raise MeterRefused(f"the meter declines to {word}: {reason}")
            if seen and found.status is Status.INVALID and elapsed > _DOUBT_S:
                raise NotYet(f"the meter lost its power while it signed the {word}; repeat")
            if not seen and elapsed > _DOUBT_S:
                # Not commanded again here: the next call does so, if it then is still needed.
                raise NotYet(f"the {word} was not acknowledged and does not show")
            if elapsed > self._config.ready_timeout_s:
                raise NotYet(f"the {word} was not signed within {self._config.ready_timeout_s} s")
            await asyncio.sleep(_POLL_S)

    async def _begin_reading(self, device: Device, info: MeterInfo, note: Note) -> Reading:
        signed = await self._record(device, info, Slot.START)
        live = await self._live()
        energies = {(sample.quantity, sample.phase): sample for sample in signed.samples}
        samples: tuple[Sample, ...] = tuple(
            energies.get((sample.quantity, sample.phase), sample) for sample in live.samples
        )
        reading = replace(signed, samples=samples)
        if self._begun is not None and self._begun.note == note:
            self._begun = replace(self._begun, reading=reading)
        return reading

    async def _fetch(self, device: Device, info: MeterInfo, transaction_id: str) -> Reading:
        try:
            reading = await self._record(device, info, Slot.END)
        except MeterDataError as error:
            if isinstance(error, ModbusException) or not self._patience.ends():
                raise
            reading = await self._rescued(device, info, error)
        self._patience.renew()
        self._ended[transaction_id] = reading
        while len(self._ended) > _KEPT:
            del self._ended[next(iter(self._ended))]
        return reading

    async def _rescued(self, device: Device, info: MeterInfo, cause: MeterDataError) -> Reading:
        """What stands where the record should, and the energies of now."""
        try:
            document = await device.record(Slot.END)
        except ModbusException:
            raise
        except MeterDataError as error:
            raise RecordLost(f"the meter does not give its record: {error}") from error
        if not document:
            raise RecordLost(f"the meter offers an empty record: {cause}") from cause
        if record.is_authentic(document, public_key=info.public_key):
            raise RecordLost(f"the meter offers the record of another snapshot: {cause}") from cause
        log.error("no good record, handed on as it is: %s", cause)
        live = await self._live()
        energies = tuple(sample for sample in live.samples if sample.quantity in layout.ENERGIES)
        return record.evidence(document, energies, public_key=info.public_key, received=self._now())

    async def _record(self, device: Device, info: MeterInfo, slot: Slot) -> Reading:
        """The record of a snapshot as a reading.

        The meter makes and signs the text when it is read, so one that does not verify is read
        again.
        """
        page = (await device.snapshot(slot)).count
        tries = 0
        while True:
            tries += 1
            document = await device.record(slot)
            try:
                found = record.read(document, public_key=info.public_key, page=page)
            except MeterDataError:
                if tries == _RECORD_READS:
                    raise
            else:
                return record.reading(found, public_key=info.public_key, received=self._now())
