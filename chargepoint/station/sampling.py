"""Readings at the right instants: every so often in a transaction, and on the grid of the clock."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import MeterSampled
from chargepoint.core.inputs import ReadingTaken
from chargepoint.core.model import Context, Stage
from chargepoint.core.sampling import next_aligned, select
from chargepoint.station.evse import EvseRunner
from chargepoint.station.metering import EvseMeter

CLOCK_CHECK = timedelta(seconds=10)  # a clock that was set is noticed this soon


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to sample; zero is never. The measurands are those for readings outside transactions.

    ``kept`` and ``aligned_kept`` are the periods of readings for the final message only.
    """

    periodic: timedelta
    aligned: timedelta
    aligned_measurands: tuple[str, ...] = ()
    idle_only: bool = False
    kept: timedelta = timedelta(0)
    aligned_kept: timedelta = timedelta(0)
    sign_aligned: bool = False
    key_aligned: bool = False


@dataclass(frozen=True, slots=True)
class Due:
    """One reading to take: when, why, and what for."""

    moment: datetime
    context: Context
    tell: bool = True
    keep: bool = False


class Sampler:
    """Takes the samples of one EVSE. ``record`` stores a fact that changes no EVSE."""

    def __init__(
        self,
        runner: EvseRunner,
        meter: EvseMeter,
        *,
        clock: Clock,
        schedule: Callable[[], Schedule],
        record: Callable[[MeterSampled], None],
    ) -> None:
        self._runner = runner
        self._meter = meter
        self._clock = clock
        self._schedule = schedule
        self._record = record
        self._changed = asyncio.Event()

    def reconsider(self) -> None:
        """A transaction began or ended, or a setting changed."""
        self._changed.set()

    async def run(self) -> None:
        """Sample for ever; ends only by cancellation."""
        while True:
            self._changed.clear()
            due = all_due(self._clock.now(), self._schedule(), self._started_at())
            if not due:
                await self._changed.wait()
                continue
            if not await self._reached(due[0].moment):
                continue
            for one in due:
                if (
                    one.moment <= self._clock.now()
                ):  # the others come due while a slow meter answers
                    await self._sample(one)

    async def now(
        self, context: Context, *, in_transaction: bool, measurands: tuple[str, ...] = ()
    ) -> bool:
        """Take one reading at once and tell it; False if the meter does not answer.

        ``measurands`` are for a reading outside of a transaction; by default the aligned ones.
        """
        within = self._transaction_id() if in_transaction else ""
        reading = await self._meter.refresh()
        if reading is None:
            return False
        wanted = measurands or self._schedule().aligned_measurands
        given = ReadingTaken(reading, context)
        await self._tell(given, wanted, within)
        return True

    async def _reached(self, moment: datetime) -> bool:
        longest = moment - self._clock.now()
        while (left := moment - self._clock.now()) > timedelta(0):
            if left > longest:
                return False  # the clock was set back
            changed = await sleep_unless(self._clock, min(left, CLOCK_CHECK), self._changed)
            if changed and self._clock.now() < moment:
                return False
        return True

    async def _sample(self, due: Due) -> None:
        within = self._transaction_id()
        schedule = self._schedule()
        tell = due.tell
        if due.context is Context.CLOCK and within and schedule.idle_only:
            tell = False
        if not tell and not (due.keep and within):
            return
        reading = await self._meter.refresh()
        if reading is None:
            return
        if due.context is Context.CLOCK:
            reading = replace(reading, taken_at=due.moment)
        given = ReadingTaken(reading, due.context, tell, due.keep)
        await self._tell(given, schedule.aligned_measurands, within)

    async def _tell(self, given: ReadingTaken, wanted: tuple[str, ...], within: str) -> None:
        """Tell a reading; ``within`` is the transaction that it was asked for.

        A slow meter may answer when another one runs: what was read before it began is none of its.
        """
        if within and (now := self._transaction_id()):
            if now == within:
                await self._runner.feed(given)
            return
        if given.context is Context.PERIODIC or not given.tell:
            return  # the transaction ended meanwhile; its readings are no MeterValues
        schedule = self._schedule()
        signed = schedule.sign_aligned and given.context is Context.CLOCK
        for sampled in select(given.reading, given.context, wanted, signed=signed):
            taken_at = given.reading.taken_at
            self._record(
                MeterSampled(self._runner.evse_id, taken_at, sampled, schedule.key_aligned)
            )

    def _transaction_id(self) -> str:
        """The transaction that a reading of now is of; none while the meter is still to begin."""
        state = self._runner.state
        if state.running is None or state.stage is Stage.OPENING:
            return ""
        return state.running.transaction_id

    def _started_at(self) -> datetime | None:
        running = self._runner.state.running
        return running.started_at if running is not None else None


def all_due(now: datetime, schedule: Schedule, started_at: datetime | None) -> list[Due]:
    """The next reading of each kind, in order of time; aligned first if both coincide.

    Periodic readings count from the start of the transaction (2.0.1 TxUpdatedInterval and
    TxEndedInterval), aligned ones from midnight. A reading that is due both to be told and to be
    kept is taken once.
    """
    due: list[Due] = []
    moments = [next_aligned(now, schedule.aligned) if schedule.aligned else None]
    if started_at is not None:
        kept = schedule.aligned_kept
        moments.append(next_aligned(now, kept) if kept else None)
    due += _merged(Context.CLOCK, *moments)
    if started_at is not None:
        periods = (schedule.periodic, schedule.kept)
        due += _merged(Context.PERIODIC, *(_next_step(now, started_at, one) for one in periods))
    return sorted(due, key=lambda one: one.moment)


def _next_step(now: datetime, started_at: datetime, period: timedelta) -> datetime | None:
    if not period:
        return None
    steps = max((now - started_at) // period, 0) + 1
    return min(started_at + steps * period, now + period)  # the clock may have been set back


def _merged(context: Context, told: datetime | None, kept: datetime | None = None) -> Iterator[Due]:
    """Both purposes of one kind of reading; one element if they fall together."""
    if told is not None:
        yield Due(told, context, keep=told == kept)
    if kept is not None and kept != told:
        yield Due(kept, context, tell=False, keep=True)
