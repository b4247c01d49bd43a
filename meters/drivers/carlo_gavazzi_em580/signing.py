"""Transactions of an EM580: one state machine under one lock.

The meter is asked for its state before each step and believed; what this process remembers only
saves reads. So every call may be repeated, by this process or the next, wherever the one before
broke off:

* begin: free, RUNNING with our id after it. RUNNING with our id before it: nothing to do.
* end: RUNNING, told to end once, READY; the record is read and stays in the meter. What is no
  record is handed on after a while all the same, see ``unread``.
* release: READY with the record of that id, confirmed, free.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from meters.api import Meter
from meters.drivers.carlo_gavazzi_em580 import layout, record, resumed, wording
from meters.drivers.carlo_gavazzi_em580.clock import ClockKeeper
from meters.drivers.carlo_gavazzi_em580.complaints import Noticed
from meters.drivers.carlo_gavazzi_em580.config import Config
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.identity import Identity, serial_number
from meters.drivers.carlo_gavazzi_em580.layout import Charging, Command, State
from meters.drivers.carlo_gavazzi_em580.meter import CarloGavazziMeter, NotYet
from meters.drivers.carlo_gavazzi_em580.unread import UnreadRecord
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.modbus import ModbusBus, ModbusException
from meters.model import BillingTransaction, OpenTransaction, Reading
from meters.ocmf.ahead import verify_ahead

log = logging.getLogger(__name__)

TRANSPORT: Final = "modbus"

_START_TIMEOUT_S: Final = 15.0
_DOUBT_S: Final = 2.0  # in which the effect of a command shows whose answer was lost
_FAST_POLLS: Final = 10
_FAST_POLL_S: Final = 0.1
_SLOW_POLL_S: Final = 0.5
_GIVE_WAY_S: Final = 5.0  # the longest record at 9600 baud takes 4.8
_KEPT: Final = 4  # finished transactions remembered, so that `end` can be repeated

_GRACE_S: Final = 3.0  # in which a record may appear that a meter is signing while it seems free
_UNKNOWN: Final = "of unknown id"
_SIGNED: Final = frozenset({State.READY, State.CORRUPTED})
_OVER: Final = frozenset({Charging.ENDED, Charging.FAILED})


def create(config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> Meter:
    """The driver of one meter; ``now`` is wall time, aware. A SigningMeter unless told otherwise.

    Whether a meter signs is known when it answers. One that does not (EM300 series, no key) keeps
    giving readings, tells so by an empty ``signing_method`` and refuses ``begin``.
    """
    kind = Em580 if config.transactions else CarloGavazziMeter
    return kind(config, bus, now=now)


class Em580(CarloGavazziMeter):
    """Keeps the contract of ``meters.api.SigningMeter``."""

    def __init__(self, config: Config, bus: ModbusBus, *, now: Callable[[], datetime]) -> None:
        super().__init__(config, bus, now=now)
        # Protects the transaction and the clock of this meter. Polls need neither: they go on
        # while a record is signed.
        self._lock = asyncio.Lock()
        # Cleared while a begin or an end needs the line: at 9600 baud each poll between the parts
        # of a record costs 0.2 s, a quarter more in all.
        self._line_free = asyncio.Event()
        self._line_free.set()
        self._clock = ClockKeeper(config, now)
        self._begun: tuple[str, Reading] | None = None
        self._end_given: str | None = None  # the id whose end was commanded and is not seen yet
        self._ended: dict[str, Reading] = {}
        self._checked: asyncio.Future[None] | None = None  # the signature of what was read last
        self._held: str | None = None  # whose record was seen in the meter since it was connected
        self._unread = UnreadRecord(self._complaints)

    async def begin(self, transaction: BillingTransaction) -> Reading:
        """Start a transaction; the reading is taken while it runs already.

        Raises:
            MeterRefused: the meter cannot sign, is taken, its clock cannot be set, or it declined.
            MeterUnreachable: no answer; whether the transaction runs is told by
                ``open_transaction``, and the same ``begin`` may be repeated.
        """
        fields = wording.fields(transaction)
        async with self._commanding() as (device, identity), self._before_polls():
            await self._check_serial(device, identity)
            state = await device.state()
            if state is not State.NOT_READY:
                return await self._begun_already(device, identity, state, transaction)
            await self._clock.before_begin(device)
            for loss in wording.losses(transaction):
                log.warning("transaction %s: %s", transaction.transaction_id, loss)
            for name, address, words in fields:
                await device.write_field(name, address, words)
            self._another_one()
            await self._start(device)
            self._begun = (transaction.transaction_id, await self._live(identity))
            return self._begun[1]

    async def end(self, transaction_id: str) -> Reading:
        """End the transaction and give its record, which stays in the meter until released.

        A record that stays impossible to understand, or does not state the energy of the end, comes
        as it stands; the energies beside it then are those that the meter shows now.

        Raises:
            MeterRefused: the meter holds no such transaction.
            RecordLost: the record is corrupted by the meter's own word, or empty.
            MeterUnreachable: no answer, or not signed in time; repeat later.
            MeterDataError: what the meter holds is no record; repeat later.
        """
        if (known := self._ended.get(transaction_id)) is not None:
            return known
        async with self._commanding() as (device, identity), self._before_polls():
            state = await device.state()
            if state is State.RUNNING:
                await self._stop(device, transaction_id)
            elif state is State.NOT_READY:
                await self._until_signed(device, transaction_id)
            elif state is State.CORRUPTED:
                raise await self._corrupted(device, transaction_id)
            return await self._fetch(device, identity, transaction_id)

    async def release(self, transaction_id: str) -> None:
        """Let the meter forget the record of this transaction, and no other.

        A corrupted record is given up too, else the meter could never be used again.

        Raises:
            MeterRefused: the transaction still runs.
            MeterUnreachable: no answer; repeat later.
        """
        async with self._commanding(refuse=False) as (device, identity):
            if identity.signature is None:
                return
            state = await device.state()
            if state is State.NOT_READY or await self._holder(device, state) != transaction_id:
                return
            if state is State.RUNNING:
                raise MeterRefused(f"transaction {transaction_id} still runs")
            await device.confirm()
            if await device.state() is not State.NOT_READY:
                raise NotYet("the meter acknowledged and keeps the record")
            self._another_one()

    async def open_transaction(self) -> OpenTransaction | None:
        """What the meter holds. A corrupted record counts as one that waits to be released."""
        async with self._commanding(refuse=False) as (device, identity):
            if identity.signature is None:
                return None
            state = await device.state()
            if state is State.NOT_READY:
                return None
            return OpenTransaction(await self._holder(device, state), state is State.RUNNING)

    @contextlib.asynccontextmanager
    async def _commanding(self, *, refuse: bool = True) -> AsyncIterator[tuple[Device, Identity]]:
        """One command at a time, to a meter that is connected and can sign."""
        async with self._watched(), self._lock:
            identity = await self._connect()
            if refuse and identity.signature is None:
                raise MeterRefused(_unfit(identity))
            yield self._device, identity

    @contextlib.asynccontextmanager
    async def _before_polls(self) -> AsyncIterator[None]:
        """Have this meter's polls wait, except in a ``_rest``."""
        self._line_free.clear()
        try:
            yield
        finally:
            self._line_free.set()

    async def _rest(self, seconds: float) -> None:
        """Wait for the meter, and let polls have the line meanwhile."""
        kept = not self._line_free.is_set()
        self._line_free.set()
        await asyncio.sleep(seconds)
        if kept:
            self._line_free.clear()

    async def _give_way(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_GIVE_WAY_S):
                await self._line_free.wait()

    def _connected(self, *, swapped: bool) -> None:
        self._clock.forget()
        self._held = None
        if swapped:
            self._begun, self._end_given, self._ended = None, None, {}
            self._unread.forget()

    def _another_one(self) -> None:
        """The meter is free; nothing that is known of its last transaction counts any more."""
        self._begun = self._held = self._end_given = None
        self._unread.forget()
        self._complaints.clear(Noticed.TRANSACTION)

    async def _attend(self, identity: Identity) -> None:
        if identity.signature is None or self._lock.locked():
            return
        async with self._lock:
            await self._clock.attend(self._device)
            if self._config.monitor_transaction_state and self._begun is not None:
                await self._look_whether_it_runs(self._begun[0])

    async def _look_whether_it_runs(self, transaction_id: str) -> None:
        """A short power cut ends a transaction inside the meter; nothing else tells."""
        state = await self._device.state()
        if state is State.RUNNING or transaction_id in self._ended:
            return
        what = "keeps no record of it" if state is State.NOT_READY else "holds its record"
        told = f"transaction {transaction_id} was ended by the meter itself, which {what}"
        self._complaints.replace(Noticed.TRANSACTION, (told,))
        self._begun = None

    async def _check_serial(self, device: Device, identity: Identity) -> None:
        """A meter swapped between two polls must not start a transaction in the old one's name."""
        if await serial_number(device, em300=False) != identity.info.serial_number:
            self._believed = False
            await self._connect()

    async def _begun_already(
        self, device: Device, identity: Identity, state: State, transaction: BillingTransaction
    ) -> Reading:
        holder = await self._holder(device, state)
        if holder != transaction.transaction_id:
            raise MeterRefused(
                f"the meter holds transaction {holder or _UNKNOWN}, state {state.name}"
            )
        if state is not State.RUNNING or await device.charging() in _OVER:
            raise MeterRefused(f"transaction {holder} is over, state {state.name}")
        if self._begun is None or self._begun[0] != holder:
            begin = await resumed.begin_reading(device, self._now)
            # Without a counter of the session nothing is known that is nearer to its begin.
            self._begun = (holder, begin or await self._live(identity))
        return self._begun[1]

    async def _start(self, device: Device) -> None:
        """Command the begin once and wait until it shows."""
        acknowledged = True
        try:
            await device.command(Command.BEGIN)
        except ModbusException as error:
            if await device.state() is not State.RUNNING:
                raise MeterRefused(f"the meter declines to begin: {error}") from error
        except MeterUnreachable as error:
            log.info("begin: %s; looking whether it was done", error)
            acknowledged = False
        patience = _START_TIMEOUT_S if acknowledged else _DOUBT_S
        state = await self._poll(device, frozenset({State.RUNNING}), patience)
        if state is State.RUNNING:
            return
        if not acknowledged:
            raise NotYet("the begin was not acknowledged and does not show")
        raise MeterRefused(f"the meter took the begin, but its state is {state.name}")

    async def _stop(self, device: Device, transaction_id: str) -> None:
        """Command the end unless it was executed already, and wait until it is signed."""
        if self._begun is None or self._begun[0] != transaction_id:
            holder = await self._holder(device, State.RUNNING)
            if holder != transaction_id:
                raise MeterRefused(f"the meter runs transaction {holder or _UNKNOWN}")
        declined = await self._command_end(device, transaction_id)
        state = await self._poll(device, _SIGNED, self._config.ready_timeout_s)
        if state is not State.NOT_READY:  # as some show themselves while they sign
            self._end_given = None
        if state is State.CORRUPTED:
            raise await self._corrupted(device, transaction_id)
        if state is not State.READY and declined is not None:
            raise MeterRefused(f"the meter declines to end: {declined}") from declined
        if state is not State.READY:
            seconds = self._config.ready_timeout_s
            raise NotYet(f"the record was not signed within {seconds} s")

    async def _command_end(self, device: Device, transaction_id: str) -> ModbusException | None:
        """Command the end if it still is needed; what the meter had against it."""
        charging = await device.charging()
        given_already = charging is None and self._end_given == transaction_id
        if charging in _OVER or given_already:
            return None
        self._end_given = transaction_id
        try:
            await device.command(Command.END)
        except ModbusException as error:
            return error  # perhaps because it is being signed already: the state will tell
        except MeterUnreachable as error:
            log.info("end: %s; looking whether it was done", error)
            if charging is not None:
                await self._look_for_the_end(device)
        return None

    async def _look_for_the_end(self, device: Device) -> None:
        """After an end command without answer: see its effect, or say that there is none.

        Not commanded again here: the next call of ``end`` does so, if it then is still needed.
        """
        deadline = asyncio.get_running_loop().time() + _DOUBT_S
        while await device.state() is State.RUNNING and await device.charging() not in _OVER:
            if asyncio.get_running_loop().time() > deadline:
                raise NotYet("the end was not acknowledged and does not show")
            await self._rest(_FAST_POLL_S)

    async def _until_signed(self, device: Device, transaction_id: str) -> None:
        """A meter that seems free may still be signing what was ended before a restart of ours."""
        ours = await self._holder(device, State.NOT_READY) == transaction_id
        charging = await device.charging()
        over = charging in _OVER or (charging is None and self._end_given == transaction_id)
        if ours and over:
            state = await self._poll(device, _SIGNED, _GRACE_S)
            if state is State.CORRUPTED:
                raise await self._corrupted(device, transaction_id)
            if state is State.READY:
                return
        raise MeterRefused(f"the meter holds no record of transaction {transaction_id or _UNKNOWN}")

    async def _corrupted(self, device: Device, transaction_id: str) -> MeterRefused:
        holder = await self._holder(device, State.CORRUPTED)
        sentence = f"the record of transaction {holder or _UNKNOWN} is corrupted in the meter"
        self._complaints.replace(Noticed.RECORD, (sentence,))
        return (RecordLost if holder == transaction_id else MeterRefused)(sentence)

    def _look_into(self, document: bytes) -> None:
        """Let the signature be checked in a thread while the last answer is on the wire."""
        super()._look_into(document)
        with contextlib.suppress(MeterDataError):
            found, identity = record.read_record(document), self._identity
            if identity is not None:
                method = "" if found.algorithm else identity.info.signing_method
                check = partial(verify_ahead, document, identity.info.public_key, method=method)
                self._checked = asyncio.get_running_loop().run_in_executor(None, check)

    async def _fetch(self, device: Device, identity: Identity, transaction_id: str) -> Reading:
        document, found = await self._unread.fetch(device)
        if self._checked is not None:
            await self._checked
        info = identity.info
        source = record.Source(info.public_key, info.signing_method, self._now())
        if found is None:
            holder = wording.id_in(await device.tariff_text())
            reading = record.evidence(document, source)
        else:
            holder = record.owner(found)
            reading = record.end_reading(found, source)
        if holder != transaction_id:
            raise MeterRefused(f"the meter holds the record of transaction {holder or _UNKNOWN}")
        if not reading.samples:
            now = await self._live(identity)
            energies = tuple(s for s in now.samples if s.quantity in layout.ENERGIES)
            reading = replace(reading, samples=energies)
        self._begun = self._end_given = None
        self._held = transaction_id
        self._complaints.clear(Noticed.TRANSACTION)
        if transaction_id:
            self._ended[transaction_id] = reading
            while len(self._ended) > _KEPT:
                del self._ended[next(iter(self._ended))]
        return reading

    async def _holder(self, device: Device, state: State) -> str:
        """Whose transaction or record the meter holds; empty if it cannot be told.

        A record speaks for itself; the tariff text speaks for a transaction without one.
        """
        if state is State.READY:
            if self._held is None:
                with contextlib.suppress(MeterDataError):
                    self._held = record.owner(record.read_record(await device.record()))
            if self._held is not None:
                return self._held
        return wording.id_in(await device.tariff_text())

    async def _poll(self, device: Device, wanted: frozenset[State], patience_s: float) -> State:
        """The first wanted state, or the last one seen when the time is up."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        polls = 0
        while (state := await device.state()) not in wanted and loop.time() < deadline:
            polls += 1
            await self._rest(_FAST_POLL_S if polls <= _FAST_POLLS else _SLOW_POLL_S)
        return state


def _unfit(identity: Identity) -> str:
    """Why there are no transactions, and what the installer can do."""
    model = identity.info.model
    if identity.em300:
        return f"{model} cannot sign; `transactions: false` uses it for readings only"
    return f"{model} has no key and cannot sign"
