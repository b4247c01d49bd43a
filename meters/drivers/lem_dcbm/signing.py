"""Transactions of a LEM DCBM: one state machine under one lock.

The meter is asked before each step and believed; what this process remembers only saves requests.
So every call may be repeated, by this process or the next, wherever the one before broke off:

* begin: idle, started once, running with our id. Running with our id before it: nothing to do.
* end: running with our id, stopped once, idle; the record is read and stays in the meter.
* release: the meter keeps its records in any case, in a ring of some ten thousand. So nothing is
  told to it; this process remembers that the last one is stored. The next process does not know
  that and finds the last record unread once, which costs a request and hides nothing.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import Any, Final

from meters.api import Meter
from meters.drivers.lem_dcbm import record, wording
from meters.drivers.lem_dcbm.answers import READY, Legal, Status, complaints
from meters.drivers.lem_dcbm.config import Config
from meters.drivers.lem_dcbm.device import Device
from meters.drivers.lem_dcbm.meter import Identity, LemMeter, NotYet
from meters.drivers.lem_dcbm.setup import SetupKeeper
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.http import HttpDevice, HttpRefusal
from meters.model import BillingTransaction, OpenTransaction, Reading
from meters.ocmf.record import Record

log = logging.getLogger(__name__)

TRANSPORT: Final = "http"

_DOUBT_S: Final = 2.0  # in which the effect of a command shows whose answer was lost
_LOST_AFTER_S: Final = 600.0  # a record that is empty for so long is lost
_FAST_POLLS: Final = 10
_FAST_POLL_S: Final = 0.1
_SLOW_POLL_S: Final = 0.5
_KEPT: Final = 4  # finished transactions remembered, so that `end` can be repeated
_LEAST: Final = timedelta(minutes=2)  # operation manual; shorter transactions may not be ended
_MOST: Final = timedelta(hours=48, minutes=-1)  # so long the clock is valid, once set
_MEMORY_ERRORS: Final = frozenset({"memoryAccessIsFailed", "muDataIntegrityIsFailed"})
_UNKNOWN: Final = "of unknown id"


def create(config: Config, device: HttpDevice, *, now: Callable[[], datetime]) -> Meter:
    """The driver of one meter; ``now`` is wall time, aware. A SigningMeter."""
    return Lem(config, device, now=now)


class Lem(LemMeter):
    """Keeps the contract of ``meters.api.SigningMeter``."""

    def __init__(self, config: Config, http: HttpDevice, *, now: Callable[[], datetime]) -> None:
        super().__init__(config, http, now=now)
        # Protects the transaction and the settings of this meter. Polls need neither.
        self._lock = asyncio.Lock()
        self._setup = SetupKeeper(config, now)
        self._begun: tuple[str, Reading] | None = None
        self._started: tuple[str, float] | None = None  # by this process, and when
        self._ended: dict[str, Reading] = {}
        self._released = ""
        self._missing: dict[str, float] = {}  # since when a record is waited for in vain

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction; the reading is that which the record begins with.

        Raises:
            MeterRefused: another transaction is open or unread, something is wrong with the meter,
                its clock cannot be set, or it declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``, and the same ``begin`` may be repeated.
        """
        wanted = transaction.transaction_id
        wording.check_id(wanted)
        async with self._commanding() as (device, identity):
            status, last = await self._look(device)
            held = self._held(status, last)
            if last is not None and last.transaction_id == wanted:
                if not status.running:
                    raise MeterRefused(f"transaction {wanted} is over")
                return await self._begin_of(device, wanted, fresh=False)
            if held is not None:
                what = "runs" if held.running else "holds the record of"
                name = held.transaction_id or _UNKNOWN
                raise MeterRefused(f"the meter {what} transaction {name}")
            fields = wording.fields(transaction, self._config, second=identity.second)
            if wrong := status.obstacles():
                raise MeterRefused(f"the meter cannot begin: {', '.join(wrong)}")
            await self._setup.before_begin(device, status)
            await self._start(device, fields)
            self._started = wanted, asyncio.get_running_loop().time()
            return await self._begin_of(device, wanted, fresh=True)

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and give its record, which stays in the meter.

        A record of an earlier transaction is given as well, as long as the meter finds it.

        Raises:
            MeterRefused: the meter knows no such transaction, or its record is lost.
            MeterUnreachable: no answer, or not signed in time; repeat later.
            MeterDataError: what the meter gives is no record, or not the one asked for; if that
                lasts, the record is lost.
        """
        if (known := self._ended.get(transaction_id)) is not None:
            return known
        async with self._commanding() as (device, identity):
            status, last = await self._look(device)
            holder = last.transaction_id if last is not None else ""
            if holder != transaction_id:
                await self._find(device, transaction_id, holder if status.running else None)
            elif status.running:
                await self._stop(device, transaction_id)
            elif not transaction_id:
                raise MeterRefused("the meter holds no record of an unknown transaction")
            try:
                return await self._fetch(device, identity, transaction_id)
            except MeterDataError as error:
                # Else one broken record would keep the meter from ever being used again.
                if self._missed_s(transaction_id) < _LOST_AFTER_S:
                    raise
                raise RecordLost(f"the record of {transaction_id} is broken: {error}") from error

    async def release(self, transaction_id: str) -> None:
        """Remember that the record is stored, so that the next transaction may begin.

        Raises:
            MeterRefused: the transaction still runs.
            MeterUnreachable: no answer; repeat later.
        """
        async with self._commanding(refuse=False) as (device, _):
            status, last = await self._look(device)
            if last is None or last.transaction_id != transaction_id:
                return
            if status.running:
                raise MeterRefused(f"transaction {transaction_id} still runs")
            self._begun, self._released = None, transaction_id
            self._missing.pop(transaction_id, None)

    async def open_transaction(self) -> OpenTransaction | None:
        """What the meter runs, or the last record, unless this process has released it."""
        async with self._commanding(refuse=False) as (device, _):
            return self._held(*await self._look(device))

    @contextlib.asynccontextmanager
    async def _commanding(self, *, refuse: bool = True) -> AsyncIterator[tuple[Device, Identity]]:
        """One command at a time, to a meter that is connected and can sign."""
        async with self._watched(), self._lock:
            identity = await self._connect()
            if refuse and not identity.info.public_key:
                raise MeterRefused("the meter has no key and cannot sign")
            yield self._device, identity

    def _connected(self, *, swapped: bool) -> None:
        self._setup.forget()
        if swapped:
            self._begun, self._ended, self._released, self._missing = None, {}, "", {}

    async def _attend(self, status: Status) -> bool:
        if self._lock.locked() or not self._setup.due:
            return False
        async with self._lock:
            return await self._setup.attend(self._device, status)

    def _tell(self, faults: tuple[str, ...]) -> None:
        if self._begun is not None and self._now() - self._begun[1].taken_at > _MOST:
            faults += ("transaction longer than the clock is valid, 48 h",)
        super()._tell(faults)

    async def _look(self, device: Device) -> tuple[Status, Legal | None]:
        """The state of the meter, and the transaction that runs or was the last.

        Raises:
            MeterDataError: another meter answers.
        """
        status = await device.look()
        self._met(status)
        return status, await device.last()

    def _held(self, status: Status, last: Legal | None) -> OpenTransaction | None:
        if status.running:
            return OpenTransaction(last.transaction_id if last else "", running=True)
        if last is None or last.transaction_id == self._released:
            return None
        return OpenTransaction(last.transaction_id, running=False)

    async def _begin_of(self, device: Device, transaction_id: str, *, fresh: bool) -> Reading:
        """The begin of the running transaction: legal record, else OCMF, else, if fresh, live."""
        if self._begun is not None and self._begun[0] == transaction_id:
            return self._begun[1]
        legal = await device.legal(transaction_id)
        samples = legal.begin_samples() if legal is not None else ()
        if legal is not None and samples:
            reading = Reading(legal.begun_at() or self._now(), samples)
        else:
            reading = await self._begin_in_record(device, transaction_id, fresh=fresh)
        self._begun = (transaction_id, reading)
        return reading

    async def _begin_in_record(
        self, device: Device, transaction_id: str, *, fresh: bool
    ) -> Reading:
        document = await device.record(transaction_id)
        if document:
            found = record.begin_reading(record.read_record(document), self._now())
            if found is not None:
                return found
        if not fresh:
            raise MeterDataError(f"the meter does not tell the begin of {transaction_id}")
        return Reading(self._now(), (await device.live()).samples())

    async def _start(self, device: Device, fields: dict[str, Any]) -> None:
        """Command the start once and see that it was done."""
        wanted = fields["transactionId"]
        declined: object = None
        try:
            if await device.start(fields):
                return
            declined = "it answers that nothing runs"
        except HttpRefusal as error:
            declined = error
        except (MeterUnreachable, MeterDataError) as error:
            log.info("begin: %s; looking whether it was done", error)
        status = await self._until(device, lambda now: now.running, 0.0 if declined else _DOUBT_S)
        if status.running:
            last = await device.last()
            if last is not None and last.transaction_id == wanted:
                return
        if declined:
            told = ", ".join(status.complaints()) or "no complaint in its status"
            raise MeterRefused(f"the meter declines to begin: {declined} ({told})")
        raise NotYet("the begin was not acknowledged and does not show")

    async def _find(self, device: Device, transaction_id: str, running: str | None) -> None:
        """See that the meter knows an earlier transaction.

        Raises:
            MeterRefused: it does not.
        """
        found = await device.legal(transaction_id) if transaction_id else None
        if found is not None and found.transaction_id == transaction_id:
            return
        if running is not None:
            raise MeterRefused(f"the meter runs transaction {running or _UNKNOWN}")
        raise MeterRefused(f"the meter holds no record of transaction {transaction_id or _UNKNOWN}")

    async def _stop(self, device: Device, transaction_id: str) -> None:
        """Command the end once and see that it was done."""
        declined: HttpRefusal | None = None
        try:
            await device.stop(transaction_id)
        except HttpRefusal as error:
            declined = error
        except MeterUnreachable as error:
            log.info("end: %s; looking whether it was done", error)
        else:
            return
        status = await self._until(
            device, lambda now: not now.running, 0.0 if declined else _DOUBT_S
        )
        if not status.running:
            return
        if declined is None:
            raise NotYet("the end was not acknowledged and does not show")
        if await self._is_young(device, transaction_id):
            raise NotYet(f"the meter ends no transaction in its first 2 minutes: {declined}")
        raise MeterRefused(f"the meter declines to end: {declined}")

    async def _is_young(self, device: Device, transaction_id: str) -> bool:
        if self._started is not None and self._started[0] == transaction_id:
            age_s = asyncio.get_running_loop().time() - self._started[1]
            return age_s < _LEAST.total_seconds()  # whatever became of our clock, and of its own
        begun = await self._begin_of(device, transaction_id, fresh=False)
        return self._now() - begun.taken_at < _LEAST

    async def _fetch(self, device: Device, identity: Identity, transaction_id: str) -> Reading:
        found = await self._whole(device, transaction_id)
        legal = await device.legal(transaction_id)
        record.check(found, transaction_id, identity.info.serial_number, legal)
        if legal is not None and legal.meter_value is not None:
            self._judge(transaction_id, legal.meter_value.status)
        reading = record.end_reading(
            found, public_key=identity.info.public_key, received=self._now()
        )
        self._begun = None
        self._missing.pop(transaction_id, None)
        self._ended[transaction_id] = reading
        while len(self._ended) > _KEPT:
            del self._ended[next(iter(self._ended))]
        return reading

    def _judge(self, transaction_id: str, status: int) -> None:
        if status != READY:
            told = ", ".join(complaints(status)) or "unknown bits"
            log.warning(
                "transaction %s is not billable: status %d, %s", transaction_id, status, told
            )

    async def _whole(self, device: Device, transaction_id: str) -> Record:
        """The record with its end, as soon as the meter offers it.

        Raises:
            RecordLost: the meter has no record of a transaction that it knows.
            NotYet: it is not offered in time.
        """
        loop = asyncio.get_running_loop()
        started, polls = loop.time(), 0
        while True:
            document = await device.record(transaction_id)
            if document:
                found = record.read_record(document)
                if record.is_whole(found):
                    return found
            waited, missed_s = loop.time() - started, self._missed_s(transaction_id)
            if waited >= self._config.ready_timeout_s:
                if document is None:
                    raise RecordLost(f"the meter has no record of transaction {transaction_id}")
                await self._give_up(device, transaction_id, missed_s)
            polls += 1
            await asyncio.sleep(_FAST_POLL_S if polls <= _FAST_POLLS else _SLOW_POLL_S)

    def _missed_s(self, transaction_id: str) -> float:
        """For how long now a record was asked for in vain; starts to count if it was not yet."""
        now = asyncio.get_running_loop().time()
        return now - self._missing.setdefault(transaction_id, now)

    async def _give_up(self, device: Device, transaction_id: str, missing_s: float) -> None:
        errors = (await device.look()).errors.bits
        broken = [name for name in sorted(_MEMORY_ERRORS) if errors.get(name)]
        if broken or missing_s >= _LOST_AFTER_S:
            why = broken[0] if broken else f"empty for {missing_s:.0f} s"
            raise RecordLost(f"the record of transaction {transaction_id} is lost: {why}")
        seconds = self._config.ready_timeout_s
        raise NotYet(f"the record was not offered within {seconds} s")

    async def _until(
        self, device: Device, wanted: Callable[[Status], bool], patience_s: float
    ) -> Status:
        """The first status that is wanted, or the last one seen when the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            status = await device.look()
            if wanted(status) or loop.time() >= deadline:
                return status
            await asyncio.sleep(_FAST_POLL_S)
