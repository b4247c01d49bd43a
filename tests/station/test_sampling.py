"""Samples at the right instants, and only where they belong."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from fake_clock import START, FakeClock
from station_bench import REMOTE_STOP, Bench, BenchMeter, FakeSession, station_bench

from chargepoint.core.facts import MeterSampled, TransactionEnded, TransactionUpdated
from chargepoint.core.inputs import Unplugged
from chargepoint.core.model import Cause, Context, Stage
from chargepoint.core.variables import Address
from chargepoint.provided_parts import provide_parts
from chargepoint.station.sampling import Due, Schedule, all_due
from meters.errors import MeterUnreachable

BY_HAND = {"MeterValueSampleInterval": "0"}
TEN = timedelta(seconds=10)
MINUTE = timedelta(minutes=1)
NEVER = timedelta(0)


def samples(bench: Bench, cause: Cause) -> list[float]:
    """When the samples of a running transaction were taken, in seconds from the start."""
    return [
        (fact.samples[0].reading.taken_at - START).total_seconds()
        for fact in bench.facts(TransactionUpdated)
        if fact.cause is cause
    ]


def idle(bench: Bench) -> list[float]:
    return [(fact.at - START).total_seconds() for fact in bench.facts(MeterSampled)]


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A station that lives and samples nothing by itself."""
    async with station_bench(tmp_path, running=True, settings=BY_HAND) as bench:
        yield bench


@pytest.mark.spec("2.0.1", "J02.FR.01")
async def test_periodic_samples_count_from_the_begin_of_the_transaction(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "10")
    await bench.clock.advance(3.5)
    await bench.charge()

    await bench.clock.advance(35)

    assert samples(bench, Cause.METER_PERIODIC) == [13.5, 23.5, 33.5]


@pytest.mark.spec("2.0.1", "J01.FR.06")
async def test_aligned_samples_are_stamped_with_their_instant(tmp_path: Path) -> None:
    clock = FakeClock()
    meters = {1: BenchMeter(clock=clock, read_takes_s=0.3)}
    async with station_bench(
        tmp_path, running=True, settings=BY_HAND, clock=clock, meters=meters
    ) as bench:
        await bench.clock.advance(4)
        bench.set("ClockAlignedDataInterval", "60")
        await bench.charge()

        await bench.clock.advance(200)

        assert samples(bench, Cause.METER_CLOCK) == [60, 120, 180]


async def test_an_idle_outlet_is_sampled_by_the_clock_outside_of_transactions(
    bench: Bench,
) -> None:
    bench.set("ClockAlignedDataInterval", "30")

    await bench.clock.advance(65)

    assert idle(bench) == [30, 60]
    assert {fact.sampled.context for fact in bench.facts(MeterSampled)} == {Context.CLOCK}
    assert bench.facts(TransactionUpdated) == []


async def test_a_transaction_takes_no_periodic_samples_before_it_starts_or_after_it_ended(
    bench: Bench,
) -> None:
    bench.set("MeterValueSampleInterval", "10")
    await bench.clock.advance(30)
    await bench.charge()
    await bench.clock.advance(15)
    await bench.finish()

    await bench.clock.advance(60)

    assert samples(bench, Cause.METER_PERIODIC) == [40]
    assert idle(bench) == []


@pytest.mark.spec("2.0.1", "J02.FR.02")
async def test_a_sample_whose_transaction_ended_meanwhile_is_dropped(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "10")
    await bench.charge()
    reached = asyncio.Event()
    go_on = asyncio.Event()
    refresh = bench.evse().meter.refresh

    async def slow() -> Any:
        reached.set()
        await go_on.wait()
        return await refresh()

    bench.evse().sampler._meter.refresh = slow  # type: ignore[method-assign]
    await bench.clock.advance(10)
    await reached.wait()

    await bench.feed(REMOTE_STOP)
    go_on.set()
    await bench.clock.settle()

    assert bench.state().stage is Stage.FINISHED
    assert idle(bench) == []
    assert samples(bench, Cause.METER_PERIODIC) == []


@pytest.mark.parametrize("asked", [True, False], ids=["asked for", "due"])
async def test_a_sample_that_was_read_before_a_transaction_began_is_none_of_its(
    bench: Bench, *, asked: bool
) -> None:
    bench.set("MeterValueSampleInterval", "10")
    await bench.charge()
    read, go_on = asyncio.Event(), asyncio.Event()
    refresh = bench.evse().meter.refresh

    async def attending_long() -> Any:
        reading = await refresh()
        read.set()
        await go_on.wait()
        return reading

    bench.evse().sampler._meter.refresh = attending_long  # type: ignore[method-assign]
    if asked:
        sampling = asyncio.ensure_future(
            bench.evse().sampler.now(Context.TRIGGER, in_transaction=True)
        )
    await bench.clock.advance(9 if asked else 10)
    await read.wait()

    await bench.feed(REMOTE_STOP, Unplugged())
    await bench.charge()
    go_on.set()
    await bench.clock.settle()
    if asked:
        assert await sampling
    await bench.feed(REMOTE_STOP)

    assert samples(bench, Cause.METER_PERIODIC) == samples(bench, Cause.TRIGGER) == []
    assert len(bench.facts(TransactionEnded)) == 2
    for end in bench.facts(TransactionEnded):
        assert Context.PERIODIC not in [sampled.context for sampled in end.samples]


async def test_no_sample_is_taken_while_the_meter_is_still_to_begin(tmp_path: Path) -> None:
    settings = {**BY_HAND, "TxCtrlr.TxStartPoint": "Authorized"}
    async with station_bench(tmp_path, running=True, settings=settings) as bench:
        bench.set("MeterValueSampleInterval", "10")
        bench.meters[1].gate.clear()
        charging = asyncio.ensure_future(bench.charge())
        await bench.clock.advance(35)
        assert bench.state().running is not None
        assert bench.state().stage is Stage.OPENING

        bench.meters[1].gate.set()
        await charging
        begun = (bench.clock.now() - START).total_seconds()
        await bench.clock.advance(10)

        taken = samples(bench, Cause.METER_PERIODIC)
        assert taken
        assert min(taken) > begun


async def test_a_new_interval_holds_at_once(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "600")
    await bench.charge()
    await bench.clock.advance(15)

    bench.set("MeterValueSampleInterval", "10")
    await bench.clock.advance(20)

    assert samples(bench, Cause.METER_PERIODIC) == [20, 30]


async def test_both_kinds_due_at_one_instant_are_both_taken(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "60")
    bench.set("ClockAlignedDataInterval", "60")
    await bench.charge()

    await bench.clock.advance(125)

    assert samples(bench, Cause.METER_CLOCK) == [60, 120]
    assert samples(bench, Cause.METER_PERIODIC) == [60, 120]


async def test_a_slow_meter_does_not_cost_the_sample_due_meanwhile(bench: Bench) -> None:
    await bench.clock.advance(1)
    bench.set("MeterValueSampleInterval", "60")
    bench.set("ClockAlignedDataInterval", "60")
    await bench.charge()
    bench.meters[1].read_takes_s = 1.5

    await bench.clock.advance(66)

    assert samples(bench, Cause.METER_CLOCK) == [60]
    assert len(samples(bench, Cause.METER_PERIODIC)) == 1


async def test_a_meter_that_does_not_answer_costs_this_sample_only(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "10")
    await bench.charge()
    await bench.clock.advance(15)
    bench.meters[1].fails = MeterUnreachable("gone")
    await bench.clock.advance(10)
    bench.meters[1].fails = None

    await bench.clock.advance(10)

    assert samples(bench, Cause.METER_PERIODIC) == [10, 30]


async def test_a_clock_that_was_set_forward_is_noticed(bench: Bench) -> None:
    bench.set("ClockAlignedDataInterval", "3600")
    await bench.clock.settle()

    bench.clock.set_wall(datetime(2026, 3, 1, 10, 59, 55, tzinfo=UTC))
    await bench.clock.advance(11)

    assert idle(bench) == [3600]


async def test_a_clock_that_was_set_back_costs_one_sample_at_most(bench: Bench) -> None:
    bench.set("MeterValueSampleInterval", "60")
    await bench.charge()
    await bench.clock.advance(90)
    bench.clock.set_wall(START - timedelta(hours=1))
    await bench.clock.advance(200)

    taken = samples(bench, Cause.METER_PERIODIC)[1:]
    assert len(taken) == 3
    assert all(after - before == 60 for before, after in pairwise(taken))


@pytest.mark.parametrize("charging", [True, False])
async def test_a_reading_can_be_asked_for(bench: Bench, *, charging: bool) -> None:
    if charging:
        await bench.charge()

    answered = await bench.station.sample_now(1, in_transaction=charging)

    assert answered
    contexts = [
        *(fact.sampled.context for fact in bench.facts(MeterSampled)),
        *(s.context for f in bench.facts(TransactionUpdated) for s in f.samples),
    ]
    assert contexts == [Context.TRIGGER]
    assert bool(bench.facts(MeterSampled)) is not charging


async def test_a_reading_that_cannot_be_had_is_no_answer(bench: Bench) -> None:
    bench.meters[1].fails = MeterUnreachable("gone")

    assert not await bench.station.sample_now(1, in_transaction=False)
    assert idle(bench) == []


async def test_while_a_transaction_runs_idle_samples_can_be_left_out(bench: Bench) -> None:
    bench.set("ClockAlignedDataInterval", "10")
    sampler = bench.evse().sampler
    sampler._schedule = lambda: Schedule(NEVER, TEN, ("Frequency",), idle_only=True)
    await bench.charge()

    await bench.clock.advance(30)

    assert samples(bench, Cause.METER_CLOCK) == []


async def test_samples_carry_what_the_settings_said_when_they_were_taken(tmp_path: Path) -> None:
    session = FakeSession()
    session.online = False
    async with station_bench(tmp_path, running=True, session=session) as bench:
        bench.set("MeterValueSampleInterval", "10")
        bench.set("MeterValuesSampledData", "Power.Active.Import")
        await bench.charge()
        await bench.clock.advance(10)
        bench.set("MeterValuesSampledData", "Energy.Active.Import.Register")
        await bench.clock.advance(10)

        told = [f.samples[0].measurands for f in bench.facts(TransactionUpdated) if f.samples]

    assert told == [("Power.Active.Import",), ("Energy.Active.Import.Register",)]


PERIODIC, CLOCK = Context.PERIODIC, Context.CLOCK
DUE = [
    (Schedule(NEVER, NEVER), None, []),
    (Schedule(NEVER, NEVER), START, []),
    (Schedule(TEN, NEVER), None, []),
    (Schedule(TEN, NEVER), START, [Due(START + TEN, PERIODIC)]),
    (Schedule(TEN, NEVER), START - TEN / 2, [Due(START + TEN / 2, PERIODIC)]),
    (Schedule(TEN, NEVER), START + MINUTE, [Due(START + TEN, PERIODIC)]),  # set back since
    (Schedule(NEVER, MINUTE), None, [Due(START + MINUTE, CLOCK)]),
    (Schedule(MINUTE, MINUTE), START, [Due(START + MINUTE, CLOCK), Due(START + MINUTE, PERIODIC)]),
    (Schedule(TEN, MINUTE), START, [Due(START + TEN, PERIODIC), Due(START + MINUTE, CLOCK)]),
    (Schedule(NEVER, NEVER, kept=TEN), None, []),
    (Schedule(NEVER, NEVER, kept=TEN), START, [Due(START + TEN, PERIODIC, tell=False, keep=True)]),
    (Schedule(TEN, NEVER, kept=TEN), START, [Due(START + TEN, PERIODIC, keep=True)]),
    (
        Schedule(TEN, NEVER, kept=MINUTE),
        START,
        [Due(START + TEN, PERIODIC), Due(START + MINUTE, PERIODIC, tell=False, keep=True)],
    ),
    (Schedule(NEVER, NEVER, aligned_kept=MINUTE), None, []),
    (
        Schedule(NEVER, MINUTE, aligned_kept=MINUTE),
        START - TEN,
        [Due(START + MINUTE, CLOCK, keep=True)],
    ),
    (
        Schedule(NEVER, NEVER, aligned_kept=MINUTE),
        START - TEN,
        [Due(START + MINUTE, CLOCK, tell=False, keep=True)],
    ),
]


@pytest.mark.parametrize(("schedule", "started_at", "due"), DUE)
def test_what_is_due_next(schedule: Schedule, started_at: datetime | None, due: list[Due]) -> None:
    assert all_due(START, schedule, started_at) == due


@pytest.mark.spec("2.0.1", "J02.FR.03")
async def test_the_final_message_repeats_readings_of_both_kinds(tmp_path: Path) -> None:
    async with station_bench(tmp_path, running=True) as bench:
        bench.set("MeterValueSampleInterval", "0")
        bench.set("StopTxnSampledDataInterval", "20")
        bench.set("StopTxnAlignedData", "Energy.Active.Import.Register")
        bench.set("StopTxnAlignedDataInterval", "60")
        await bench.charge()
        await bench.clock.advance(70)
        await bench.finish()

        (ended,) = bench.facts(TransactionEnded)
        told = bench.facts(TransactionUpdated)

    assert not any(fact.samples for fact in told)
    contexts = [sampled.context for sampled in ended.samples]
    assert contexts[0] is Context.BEGIN
    assert contexts[-1] is Context.END
    assert sorted(contexts[1:-1]) == [CLOCK, PERIODIC, PERIODIC, PERIODIC]
    times = [sampled.reading.taken_at for sampled in ended.samples]
    assert times == sorted(times)


def _switch(bench: Bench, name: str, value: str) -> None:
    outcome = bench.station.model.set(Address.parse(name), value)
    assert outcome.answer == "Accepted"


async def test_sampled_readings_can_be_switched_off(bench: Bench) -> None:
    provide_parts(bench.station)
    bench.set("MeterValueSampleInterval", "10")
    await bench.charge()
    await bench.clock.advance(15)

    _switch(bench, "SampledDataCtrlr.Enabled", "false")
    await bench.clock.advance(30)
    off = samples(bench, Cause.METER_PERIODIC)
    _switch(bench, "SampledDataCtrlr.Enabled", "true")
    await bench.clock.advance(10)

    assert off == [10]
    assert samples(bench, Cause.METER_PERIODIC) == [10, 50]


async def test_aligned_readings_can_be_switched_off(bench: Bench) -> None:
    provide_parts(bench.station)
    bench.set("ClockAlignedDataInterval", "10")
    await bench.clock.advance(15)

    _switch(bench, "AlignedDataCtrlr.Enabled", "false")
    await bench.clock.advance(30)

    assert idle(bench) == [10]


@pytest.mark.spec("2.0.1", "TC_J_06_CS")
@pytest.mark.spec("2.0.1", "J01.FR.19")
async def test_aligned_readings_may_be_of_idle_outlets_only(bench: Bench) -> None:
    _switch(bench, "AlignedDataCtrlr.SendDuringIdle", "true")
    bench.set("ClockAlignedDataInterval", "10")
    await bench.clock.advance(15)
    await bench.charge()
    await bench.clock.advance(20)
    await bench.feed(REMOTE_STOP)
    await bench.clock.advance(10)

    assert samples(bench, Cause.METER_CLOCK) == []
    assert idle(bench) == [10, 40]
