"""Transactions of an IEM-DCR: begin, end, release, and what was left open."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime
from typing import Final

from meters.drivers.isabellenhuette_iem_dcr import record, wire, wording
from meters.drivers.isabellenhuette_iem_dcr.config import Config
from meters.drivers.isabellenhuette_iem_dcr.device import Look
from meters.drivers.isabellenhuette_iem_dcr.keeper import RecordKeeper
from meters.drivers.isabellenhuette_iem_dcr.meter import IsabellenhuetteMeter, NotYet
from meters.drivers.isabellenhuette_iem_dcr.record import NoRecord
from meters.drivers.isabellenhuette_iem_dcr.wire import Values
from meters.errors import MeterError, MeterRefused, MeterUnreachable, RecordLost
from meters.http import HttpDevice, HttpRefusal
from meters.model import BillingTransaction, OpenTransaction, Reading
from meters.ocmf.record import Record
from meters.patience import Patience

log = logging.getLogger(__name__)

TRANSPORT: Final = "http"

_DOUBT_S: Final = 2.0  # in which the effect of a command shows whose answer was lost
_POLL_S: Final = 0.1
_LOST_AFTER: Final = 3  # times the patience with a signature
_KEPT: Final = 4  # finished transactions remembered, so that `end` can be repeated
_UNKNOWN: Final = "of unknown id"


def create(config: Config, device: HttpDevice, *, now: Callable[[], datetime]) -> "IemDcr":
    """The driver of one meter; ``now`` is wall time, aware."""
    return IemDcr(config, device, now=now)


class IemDcr(IsabellenhuetteMeter):
    """Keeps the contract of ``meters.api.SigningMeter``.

    The meter has one record and no command to forget it, so ``release`` is only noted here, and
    ``begin`` refuses while the last record was not released. A new process begins with nothing
    noted.
    """

    def __init__(self, config: Config, http: HttpDevice, *, now: Callable[[], datetime]) -> None:
        super().__init__(config, http, now=now)
        self._in_tariff = config.transaction_id_in == "tariff"
        self._records = RecordKeeper(config, self._device)
        self._begun: tuple[str, Reading] | None = None
        self._given: str | None = None  # the id whose begin was commanded and is not seen yet
        self._closing: tuple[str, float] | None = None  # whose end was commanded, and when
        self._lost_record: str | None = None
        self._ended: dict[str, Reading] = {}
        self._patience = Patience(self._records.patience_s)

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction; the energy is that with which it began.

        Raises:
            MeterRefused: the meter is taken or holds a record, reports an error, signs for another
                charge point, measures a current, has no usable clock or key, or declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``, and the same ``begin`` may be repeated.
        """
        own = transaction.transaction_id
        wording.check_id(own)
        async with self._commanding():
            values = await self._idle_or_running()
            if values.XT:
                return await self._begun_already(values, own)
            await self._refuse_unread(own)
            await self._introduce(transaction.charge_point)
            self._check_health(values)
            await self._clock.before_begin(self._device, values)
            fields = wording.user(transaction, in_tariff=self._in_tariff, show=self._config.US)
            try:
                await self._insist(lambda: self._device.set_user(fields))
            except HttpRefusal as error:
                raise MeterRefused(f"the meter does not take the user: {error}") from error
            values = await self._start(own)
            self._next_record()
            self._begun = (own, wire.begin_reading(values, self._now()))
            return self._begun[1]

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and give its record, which stays in the meter until the next begins.

        After a restart of this process, a meter that does not tell whose transaction runs ends it
        for any id; if the record then is of another one it is not given, but left to be found by
        ``open_transaction``. The empty id ends a transaction that nobody knows.

        Raises:
            MeterRefused: the meter holds no such transaction; RecordLost if it ended it and gave no
                record for a long time.
            MeterUnreachable: no answer, a current that still flows, or not signed in time; repeat
                later.
            MeterDataError: what the meter holds is no record; repeat later. If it stays so, it
                comes as it stands, with the energies that the meter shows now.
        """
        if (known := self._ended.get(transaction_id)) is not None:
            return known
        async with self._commanding():
            values = await self._idle_or_running()
            if values.XT:
                await self._stop(transaction_id)
            ended_now = self._closing is not None and self._closing[0] == transaction_id
            look, right = await self._records.awaited(transaction_id, ended_now=ended_now)
            if look.record is None or not right:
                if look.odd is not None:
                    return await self._evidence(look.odd, transaction_id)
                raise self._missing(transaction_id, look)
            await self._need_key()
            return await self._end_reading(look.record, transaction_id)

    async def release(self, transaction_id: str) -> None:
        """Note that the record of this transaction may be overwritten; the meter is told nothing.

        Raises:
            MeterRefused: the transaction still runs.
            MeterUnreachable: no answer, and this process did not read the record; repeat later.
        """
        if self._records.release_read(transaction_id):
            return
        async with self._commanding():
            if transaction_id == self._lost_record:
                self._lost_record, self._closing = None, None
                return
            if (await self._idle_or_running()).XT:
                if await self._holder() == transaction_id:
                    raise MeterRefused(f"transaction {transaction_id or _UNKNOWN} still runs")
                return
            found = await self._records.unread()
            if found is not None and self._records.owner(found) == transaction_id:
                self._records.release(found)

    async def open_transaction(self) -> OpenTransaction | None:
        """What runs, or the last record unless it was released in this process."""
        async with self._commanding():
            if (await self._idle_or_running()).XT:
                return OpenTransaction(await self._holder(), running=True)
            if self._closing is not None:
                return OpenTransaction(self._closing[0], running=False)
            found = await self._records.unread()
            if found is None:
                return None
            return OpenTransaction(self._records.owner(found), running=False)

    # Whose it is.

    @contextlib.asynccontextmanager
    async def _commanding(self) -> AsyncIterator[None]:
        """One command at a time, to a meter that is connected."""
        async with self._watched(), self._lock:
            await self._connect()
            yield

    def _connected(self, *, swapped: bool) -> None:
        self._records.reconnected(swapped=swapped)
        if swapped:
            self._begun, self._given, self._closing, self._lost_record = None, None, None, None
            self._ended = {}
            self._patience.renew()
            self._clock.forget()

    async def _idle_or_running(self) -> Values:
        """Fresh values. An idle meter runs nothing that we remember."""
        values = await self._values()
        if values.XT:
            self._next_record()
        else:
            self._begun, self._given = None, None
        return values

    def _next_record(self) -> None:
        """A transaction runs, so that the next record is another one."""
        self._records.runs()
        self._patience.renew()

    async def _holder(self) -> str:
        """Whose transaction runs; empty if it cannot be told before it is ended."""
        if self._begun is not None:
            return self._begun[0]
        if self._given is not None:
            return self._given
        found = await self._records.shown()
        if found is None or record.is_finished(found):
            return ""
        return self._records.owner(found)

    # Begin.

    async def _begun_already(self, values: Values, own: str) -> Reading:
        holder = await self._holder()
        if holder != own:
            raise MeterRefused(
                f"the meter runs transaction {holder}"
                if holder
                else "the meter runs a transaction that was begun before this program started, or "
                "by somebody else; it tells whose it is only when it is ended"
            )
        if self._begun is None:
            self._begun = (own, wire.begin_reading(values, self._now()))
        return self._begun[1]

    async def _refuse_unread(self, own: str) -> None:
        """The next transaction overwrites the last record."""
        if self._closing is not None:
            raise MeterRefused(f"the record of transaction {self._closing[0]} was not fetched yet")
        found = await self._records.unread()
        if found is None:
            return
        owner = self._records.owner(found)
        if owner == own:
            raise MeterRefused(f"transaction {own} is over")
        page = "which is none" if isinstance(found, NoRecord) else f"page {found.pagination}"
        raise MeterRefused(
            f"the meter holds the record of transaction {owner or _UNKNOWN}, "
            f"{page}, which was not released"
        )

    async def _need_key(self) -> None:
        """A meter that gave no key is asked again, since without one nothing can be verified."""
        if self._identity is not None and not self._identity.info.public_key:
            self._believed = False
            await self._connect()

    async def _start(self, own: str) -> Values:
        """Command the begin once and wait until it shows."""
        await self._need_key()
        if self._identity is None or not self._identity.info.public_key:
            raise MeterRefused("the meter gives no public key, so no record could be verified")
        self._given = own
        try:
            await self._insist(lambda: self._device.command("B"))
        except HttpRefusal as error:
            values = await self._device.values()
            if values.XT:
                return values
            self._given = None
            raise MeterRefused(f"the meter does not begin: {_why(values)}{error}") from error
        except MeterUnreachable as error:
            log.info("begin: %s; looking whether it was done", error)
            values = await self._shows(running=True)
            if not values.XT:
                raise NotYet("the begin was not acknowledged and does not show") from error
            return values
        values = await self._shows(running=True)
        if not values.XT:
            raise MeterRefused("the meter took the begin, but no transaction runs")
        return values

    async def _insist(self, request: Callable[[], Awaitable[None]]) -> None:
        """Repeat a request that was declined, so certainly not done; never one in doubt."""
        left = self._config.resilience_transaction_request_retries
        while True:
            try:
                return await request()
            except HttpRefusal:
                if left <= 0:
                    raise
            left -= 1
            await asyncio.sleep(self._config.resilience_transaction_request_retry_delay / 1000)

    async def _shows(self, *, running: bool) -> Values:
        """Values that show the effect of a command, or the last ones when the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + min(_DOUBT_S, self._records.patience_s)
        while (values := await self._device.values()).XT is not running:
            if loop.time() >= deadline:
                break
            await asyncio.sleep(_POLL_S)
        return values

    # End.

    async def _stop(self, transaction_id: str) -> None:
        """Command the end and wait until the transaction does not run any more."""
        holder = await self._holder()
        if holder and holder != transaction_id:
            raise MeterRefused(f"the meter runs transaction {holder}")
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._config.current_timeout_ms / 1000
        while True:
            self._closing = (transaction_id, loop.time())
            sentence = "the meter took the end, but the transaction still runs"
            cause: MeterError | None = None
            try:
                await self._insist(lambda: self._device.command("E"))
                values = await self._shows(running=False)
            except HttpRefusal as error:
                values = await self._device.values()
                if values.XT and loop.time() < deadline:
                    await asyncio.sleep(_POLL_S)
                    continue
                sentence, cause = f"the meter does not end: {_why(values)}{error}", error
            except MeterUnreachable as error:
                log.info("end: %s; looking whether it was done", error)
                values = await self._shows(running=False)
                sentence, cause = "the end was not acknowledged and does not show", error
            if values.XT and not await self._is_signed(transaction_id):
                raise NotYet(sentence) from cause
            self._begun, self._given = None, None
            return

    async def _is_signed(self, transaction_id: str) -> bool:
        """Whether the record is there although the meter says that the transaction runs."""
        found = await self._records.shown()
        if found is None or not record.is_finished(found):
            return False
        return bool(transaction_id) and self._records.owner(found) == transaction_id

    def _missing(self, transaction_id: str, look: Look) -> MeterError:
        """Why there is no record of this transaction, or not yet."""
        name = transaction_id or _UNKNOWN
        closing = self._closing
        if look.record is not None and look.settled:
            if closing is not None and closing[0] == transaction_id:
                self._closing = None  # what ran was of somebody else
            owner = self._records.owner(look.record) or _UNKNOWN
            return MeterRefused(f"the meter holds the record of transaction {owner}, not {name}")
        if closing is None or closing[0] != transaction_id:
            return MeterRefused(f"the meter holds no record of transaction {name}")
        waited = asyncio.get_running_loop().time() - closing[1]
        if waited > _LOST_AFTER * self._records.patience_s:
            self._lost_record = transaction_id
            return RecordLost(f"the meter ended {name} {waited:.0f} s ago and gives no record")
        return NotYet(f"the record was not signed within {self._records.patience_s:g} s")

    async def _end_reading(self, found: Record, transaction_id: str) -> Reading:
        identity = await self._connect()
        info = identity.info
        reading = record.end_reading(
            found,
            public_key=info.public_key,
            method=info.signing_method,
            received=self._now(),
        )
        for sentence in record.oddities(
            found, serial_number=info.serial_number, charge_point=self._charge_point
        ):
            log.warning("record of transaction %s: %s", transaction_id or _UNKNOWN, sentence)
        names = frozenset({transaction_id, self._records.owner(found)})
        self._records.note_read(found, names)
        self._patience.renew()
        self._closing, self._lost_record = None, None
        for name in names - {""}:
            self._ended[name] = reading
        while len(self._ended) > _KEPT:
            del self._ended[next(iter(self._ended))]
        return reading

    async def _evidence(self, odd: NoRecord, transaction_id: str) -> Reading:
        """What the meter gives as a record although it is none, once there is no hope any more.

        That it is of this transaction it must say itself, or be the answer to the end that this
        process commanded. It is not remembered: should a good one come after all, that is given.
        """
        if not self._patience.ends():
            raise odd
        owner, closing = self._records.owner(odd), self._closing
        just_ended = closing is not None and closing[0] == transaction_id
        if owner != transaction_id and not (just_ended and "" in {owner, transaction_id}):
            self._closing = None if just_ended else closing
            raise MeterRefused(
                f"what the meter holds is no record, and is of transaction {owner or _UNKNOWN}, "
                f"not {transaction_id or _UNKNOWN}: {odd}"
            )
        log.error("no record of %s, handed on as it is: %s", transaction_id or _UNKNOWN, odd)
        await self._need_key()
        info = (await self._connect()).info
        live = wire.reading(await self._values(), self._now())
        self._records.note_odd(transaction_id)
        self._closing, self._lost_record = None, None
        return record.evidence(odd, live, public_key=info.public_key, method=info.signing_method)


def _why(values: Values) -> str:
    """What the meter is known to decline for."""
    if values.I:
        return (
            f"a current of {values.I} A flows, and it does so only below its threshold; is the "
            "contactor open? "
        )
    return ""
