"""The meter side of one EVSE: live readings, begin and end, samples, health, left-over records.

A reading always has an age. A meter that fails is told once per outage, and sampling goes on. What
the meter still holds although nobody waits for it (after a power cut, a lost answer, a swapped
station) is read, verified, stored and only then released.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from chargepoint.clock import Clock
from chargepoint.core.inputs import (
    BeginFailed,
    BeginTaken,
    EndFailed,
    EndTaken,
    EnergyDenied,
    FaultCleared,
    FaultRaised,
    Input,
    MeterLost,
    StopRequested,
)
from chargepoint.core.model import (
    Cause,
    Missing,
    Sampled,
    Stage,
    StopReason,
)
from chargepoint.errors import StoreError
from chargepoint.station.broadcast import Broadcast
from chargepoint.station.driver import TRANSACTION_MOST, Driver
from chargepoint.station.left_overs import LeftOvers, Owner, Verify
from chargepoint.station.meter_health import METER_FAILURE, Health, MeterBooks
from chargepoint.store.sqlite import Store
from meters.api import Meter, SigningMeter
from meters.errors import MeterDataError, MeterError, MeterRefused, RecordLost
from meters.model import BillingTransaction, MeterInfo, Reading

log = logging.getLogger(__name__)

POLL = timedelta(seconds=1)
WATCH = timedelta(seconds=10)
RETRY = timedelta(milliseconds=500)
BEGIN_TIMEOUT = timedelta(seconds=60)
RECORD_TIMEOUT = timedelta(seconds=120)
PATIENCE = timedelta(seconds=30)
PRESENT = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a meter now; the reading keeps its own time."""

    name: str
    health: Health
    info: MeterInfo | None
    reading: Reading | None
    error: str


class EvseMeter:
    """One meter in the service of one EVSE.

    ``verify`` gives the verdict on a signed reading, ``patience`` how long the meter may be
    unreadable before that counts. Calls that change the meter's transaction are
    ordered by one lock, so that clearing left-overs never meets a session that begins.
    ``turned_at`` is when the meter was last asked by itself, monotonic.
    """

    def __init__(
        self,
        name: str,
        meter: Meter,
        owner: Owner,
        *,
        store: Store,
        clock: Clock,
        verify: Verify,
        patience: Callable[[], timedelta] = lambda: PATIENCE,
        told: Broadcast | None = None,
    ) -> None:
        self.name = name
        self.meter = meter
        self.info: MeterInfo | None = None
        self.reading: Reading | None = None
        self.turned_at: float | None = None
        self.books = MeterBooks(should_sign=isinstance(meter, SigningMeter))
        self._owner = owner
        self._store = store
        self._clock = clock
        self._verify = verify
        self._patience = patience
        self._told = told
        self._condition: tuple[Health, bool, tuple[str, ...]] | None = None  # as last told
        self._identify = False
        self._lost_told = False
        self._transaction_lock = asyncio.Lock()  # begin, end, release, left-overs
        self._left_overs = LeftOvers(owner, store=store, clock=clock, verify=verify)
        self._left_over = True  # look for left-overs at the next opportunity
        self._watched_at = 0.0
        self._driver = Driver(name)
        self._complaint = ""  # about what the meter holds, so that it is logged once

    @property
    def signing(self) -> SigningMeter | None:
        """The meter as one that signs, if it does."""
        return self.meter if isinstance(self.meter, SigningMeter) else None

    def known(self) -> Known:
        """What is known now."""
        return Known(self.name, self.books.health, self.info, self.reading, self.books.error)

    def recent(self) -> Reading | None:
        """The last reading, None if it is too old to be the present."""
        known = self.reading
        if known is None or self._clock.now() - known.taken_at > PRESENT:
            return None
        return known

    # --- orders -----------------------------------------------------------------------------

    async def take_begin(self, transaction: BillingTransaction) -> Input:
        """Begin, clearing left-overs first. The answer comes within a bounded time."""
        started, told = self._clock.monotonic(), ""
        while True:
            try:
                async with self._transaction_lock:
                    reading = await self._driver.asked(self._begin(transaction), TRANSACTION_MOST)
                self.books.began()
                verdict = await self._verify(reading) if reading.signed else ""
                return BeginTaken(transaction.transaction_id, reading, verdict)
            except MeterRefused as error:
                log.warning("EVSE %d: no session: %s", self._owner.evse_id, error)
                self.books.refused(str(error))
            except (MeterError, StoreError) as error:
                if str(error) != told:
                    log.warning("EVSE %d: meter did not begin: %s", self._owner.evse_id, error)
                told = str(error)
                if self._elapsed(started) < BEGIN_TIMEOUT and not isinstance(error, StoreError):
                    await self._clock.sleep(RETRY)
                    continue
                if isinstance(error, MeterDataError):  # it answers, so nothing else tells of it
                    self.books.refused(str(error))
            self._left_over = True
            return BeginFailed(transaction.transaction_id)

    async def take_end(self, transaction_id: str) -> Input:
        """End, waiting for a meter that signs slowly or restarts, but not for ever."""
        started = self._clock.monotonic()
        told = False
        while True:
            try:
                async with self._transaction_lock:
                    reading = await self._driver.asked(self._end(transaction_id), TRANSACTION_MOST)
                return await self._ended(transaction_id, reading)
            except RecordLost as error:
                missing, reason = Missing.DAMAGED, str(error)
                break
            except MeterRefused as error:
                missing, reason = Missing.REFUSED, str(error)
                break
            except MeterError as error:
                missing, reason = Missing.UNREACHABLE, str(error)
                if self._elapsed(started) >= RECORD_TIMEOUT:
                    break
                if not told:
                    log.warning("EVSE %d: end not taken yet: %s", self._owner.evse_id, reason)
                    told = True
                await self._clock.sleep(RETRY)
        log.error(
            "EVSE %d: transaction ends without its record (%s): %s",
            self._owner.evse_id,
            missing,
            reason,
        )
        self._left_over = True
        kept = self._kept(transaction_id)
        return EndFailed(transaction_id, missing, reason, self.reading, kept)

    async def release(self, transaction_id: str) -> None:
        """Let the meter forget a stored record; left for later if it does not answer."""
        meter = self.signing
        if meter is None:
            return
        try:
            async with self._transaction_lock:
                await self._driver.asked(meter.release(transaction_id))
            self._store.records.mark_released(transaction_id, self._clock.now())
        except (MeterError, StoreError) as error:
            log.warning("EVSE %d: record not released yet: %s", self._owner.evse_id, error)
            self._left_over = True

    async def _begin(self, transaction: BillingTransaction) -> Reading:
        meter = self.signing
        if meter is None:
            return await self.meter.read()
        found = await meter.open_transaction()
        if found is not None and found.transaction_id != transaction.transaction_id:
            await self._left_overs.take(meter, found)
        return await meter.begin(transaction)

    async def _ended(self, transaction_id: str, reading: Reading) -> Input:
        kept = self._kept(transaction_id)
        if reading.signed is None and self.signing is not None:
            reason = "the meter gave an end reading without a record"
            log.error("EVSE %d: %s", self._owner.evse_id, reason)
            return EndFailed(transaction_id, Missing.UNSIGNED, reason, reading, kept)
        verdict = await self._verify(reading) if reading.signed else ""
        return EndTaken(transaction_id, reading, verdict, kept)

    async def _end(self, transaction_id: str) -> Reading:
        meter = self.signing
        return await (self.meter.read() if meter is None else meter.end(transaction_id))

    def _kept(self, transaction_id: str) -> tuple[Sampled, ...]:
        try:
            return self._store.transactions.kept(transaction_id)
        except StoreError as error:
            log.error("EVSE %d: final message without %s", self._owner.evse_id, error)  # noqa: TRY400 - the disk
            return ()

    # --- what the meter still holds ---------------------------------------------------------

    async def clear_left_overs(self) -> None:
        """Read, verify, store and release what the meter holds and nobody waits for.

        Then the meter holds no record: one whose release was not noted, because the power went in
        between, is noted now.

        Raises:
            MeterError: the meter does not answer; to be tried again.
            StoreError: the record cannot be stored; the meter keeps it.
        """
        meter = self.signing
        if meter is not None:
            async with self._transaction_lock:
                found = await meter.open_transaction()
                if found is None or not self._left_overs.awaited(found):
                    if found is not None:
                        await self._left_overs.take(meter, found)
                    self._store.records.mark_all_released(self._owner.evse_id, self._clock.now())
        self._left_over = False

    # --- live -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read the meter once a second, or as often as its config says; ends by cancellation."""
        due = self._clock.monotonic()
        while True:
            self.turned_at = self._clock.monotonic()
            await self.refresh()
            due = max(due + self.period.total_seconds(), self._clock.monotonic())
            await self._clock.sleep(timedelta(seconds=max(0.0, due - self._clock.monotonic())))

    @property
    def period(self) -> timedelta:
        """How often it is read."""
        wanted: timedelta | None = getattr(self.meter, "poll_interval", None)
        return wanted or POLL

    async def refresh(self) -> Reading | None:
        """One fresh reading, or None while the meter does not answer."""
        try:
            if self.info is None or self._identify:
                self.info = await self._driver.asked(self.meter.identify())
                self._identify = False
            reading = await self._driver.asked(self.meter.read())
        except MeterError as error:
            await self._failed(error)
            return None
        self.reading = reading
        watch = self._watch_due()
        await self._answered(self.info)
        if self._owner.state.granted_up_to(reading):
            await self._owner.feed(EnergyDenied())
        await self._attend(watch=watch)
        if self._told is not None and self._told.heard:
            self._tell(self._told, reading)
        return reading

    async def _attend(self, *, watch: bool) -> None:
        """Look after what the meter holds. A meter that refuses that can still be read."""
        clears = self._left_over and not self._owner.state.metering
        try:
            if clears:
                await self._driver.asked(self.clear_left_overs(), TRANSACTION_MOST)
                self.books.holds("", self._clock.monotonic())
            elif watch:
                await self._watch()
        except (MeterError, StoreError) as error:
            if str(error) != self._complaint:
                log.warning("EVSE %d: what the meter holds: %s", self._owner.evse_id, error)
            self._complaint = str(error)
            if clears and isinstance(error, MeterError):
                self.books.holds(str(error), self._clock.monotonic())
        else:
            self._complaint = ""

    def _tell(self, told: Broadcast, reading: Reading) -> None:
        values = [
            [str(sample.quantity), str(sample.phase or ""), str(sample.value)]
            for sample in reading.samples
        ]
        at = reading.taken_at.isoformat()
        told.tell("reading", evse=self._owner.evse_id, meter=self.name, at=at, values=values)

    def _watch_due(self) -> bool:
        if self._owner.state.stage is not Stage.CHARGING:
            return False
        now = self._clock.monotonic()
        well = self.books.health is not Health.UNREACHABLE
        if well and now - self._watched_at < WATCH.total_seconds():
            return False
        self._watched_at = now
        return True

    async def _watch(self) -> None:
        """A meter that ended the transaction by itself (power dip) ends the session."""
        meter = self.signing
        if meter is None:
            return
        found = await self._driver.asked(meter.open_transaction())
        state = self._owner.state
        if state.stage is not Stage.CHARGING or state.transaction is None:
            return
        # An empty id is that of a meter which cannot tell while it runs.
        own = found is not None and (not found.transaction_id or self._left_overs.awaited(found))
        if found is None or not found.running or not own:
            log.warning("EVSE %d: the meter has ended the transaction", self._owner.evse_id)
            await self._owner.feed(StopRequested(StopReason.POWER_LOSS, Cause.ABNORMAL_CONDITION))

    async def _failed(self, error: MeterError) -> None:
        now = self._clock.monotonic()
        self._identify = True  # it may be another one when it is back
        self.books.failed(str(error), now)
        lost = self.books.outage_s(now) >= self._patience().total_seconds()
        await self._tell_condition(blocks=lost and not self._owner.state.metering)
        if lost and not self._lost_told:
            self._lost_told = True
            await self._owner.feed(MeterLost())

    async def _answered(self, info: MeterInfo) -> None:
        before = self.books.health
        self.books.answered(info, getattr(self.meter, "faults", ()))
        self._lost_told = False
        if before is Health.UNREACHABLE:
            log.info("EVSE %d: meter %s answers again", self._owner.evse_id, self.name)
        await self._tell_condition(blocks=self.books.stuck)

    async def _tell_condition(self, *, blocks: bool) -> None:
        """Raise the standard's fault, or clear it; only what changed is told, an outage once."""
        health, told = self.books.health, self._condition
        self._condition = (health, blocks, self.books.complaints)
        if self._condition == told:
            return
        fault = self.books.fault(blocks=blocks)
        if fault is None:
            await self._owner.feed(FaultCleared(METER_FAILURE))
            return
        if self.books.error and (told is None or told[0] is not health):
            words = (self._owner.evse_id, self.name, self.books.error)
            log.warning("EVSE %d: meter %s: %s", *words)
        await self._owner.feed(FaultRaised(fault))

    def _elapsed(self, started: float) -> timedelta:
        return timedelta(seconds=self._clock.monotonic() - started)


def is_fresh(known: Known, now: datetime, limit: timedelta) -> bool:
    """Whether the last reading is young enough to be shown as the present."""
    return known.reading is not None and now - known.reading.taken_at <= limit
