"""Readings at the right instants: every so often in a transaction, and on the grid of the clock."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import MeterSampled
from chargepoint.core.inputs import ReadingTaken
from chargepoint.core.model import Context, Stage
from chargepoint.core.sampling import next_aligned, select
from chargepoint.station.evse import EvseRunner
from chargepoint.station.metering import EvseMeter
from meters.model import Reading

CLOCK_CHECK = timedelta(seconds=10)  # a clock that was set is noticed this soon


@dataclass(frozen=True, slots=True)
class Schedule:
    """When to sample; zero is never. The measurands are those for readings outside transactions."""

    periodic: timedelta
    aligned: timedelta
    aligned_measurands: tuple[str, ...] = ()
    idle_only: bool = False


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
            if not await self._reached(due[0][0]):
                continue
            for moment, context in due:
                if moment <= self._clock.now():  # the others come due while a slow meter answers
                    await self._sample(moment, context)

    async def now(
        self, context: Context, *, in_transaction: bool, measurands: tuple[str, ...] = ()
    ) -> bool:
        """Take one reading at once and tell it; False if the meter does not answer.

        ``measurands`` are for a reading outside of a transaction; by default the aligned ones.
        """
        reading = await self._meter.refresh()
        if reading is None:
            return False
        wanted = measurands or self._schedule().aligned_measurands
        await self._tell(reading, context, wanted, in_transaction=in_transaction)
        return True

    async def _reached(self, moment: datetime) -> bool:
        while (left := moment - self._clock.now()) > timedelta(0):
            changed = await sleep_unless(self._clock, min(left, CLOCK_CHECK), self._changed)
            if changed and self._clock.now() < moment:
                return False
        return True

    async def _sample(self, moment: datetime, context: Context) -> None:
        running = self._runner.state.stage is Stage.CHARGING
        if context is Context.CLOCK and running and self._schedule().idle_only:
            return
        reading = await self._meter.refresh()
        if reading is None:
            return
        if context is Context.CLOCK:
            reading = replace(reading, taken_at=moment)
        wanted = self._schedule().aligned_measurands
        await self._tell(reading, context, wanted, in_transaction=running)

    async def _tell(
        self, reading: Reading, context: Context, wanted: tuple[str, ...], *, in_transaction: bool
    ) -> None:
        if in_transaction and self._runner.state.stage is Stage.CHARGING:
            await self._runner.feed(ReadingTaken(reading, context))
            return
        if context is Context.PERIODIC:
            return  # the transaction ended meanwhile; its readings are no MeterValues
        for sampled in select(reading, context, wanted):
            fact = MeterSampled(self._runner.evse_id, reading.taken_at, sampled)
            self._record(fact)

    def _started_at(self) -> datetime | None:
        state = self._runner.state
        running = state.stage is Stage.CHARGING and state.transaction is not None
        return state.transaction.started_at if running and state.transaction else None


def all_due(
    now: datetime, schedule: Schedule, started_at: datetime | None
) -> list[tuple[datetime, Context]]:
    """The next instant of each kind of sample, in order of time; aligned first if both coincide.

    Periodic samples count from the start of the transaction (2.0.1 TxUpdatedInterval), aligned
    ones from midnight.
    """
    due: list[tuple[datetime, int, Context]] = []
    if schedule.aligned:
        due.append((next_aligned(now, schedule.aligned), 0, Context.CLOCK))
    if schedule.periodic and started_at is not None:
        steps = max((now - started_at) // schedule.periodic, 0) + 1
        due.append((started_at + steps * schedule.periodic, 1, Context.PERIODIC))
    return [(moment, context) for moment, _, context in sorted(due)]
