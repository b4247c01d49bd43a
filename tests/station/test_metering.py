"""The meter side of an EVSE: outages, begin and end that fail, what the meter still holds."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fake_clock import FakeClock
from station_bench import REMOTE_STOP, TOKEN, Bench, BenchMeter, station_bench

from chargepoint.core.facts import SecurityEvent, StatusChanged, TransactionEnded
from chargepoint.core.inputs import Plugged, TokenAccepted
from chargepoint.core.model import Authorization, Fault, Source, Stage
from chargepoint.errors import StoreError
from chargepoint.station.meter_health import Health
from chargepoint.station.metering import is_fresh
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import BillingTransaction, MeterInfo, OpenTransaction, Reading

SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))
GONE = MeterUnreachable("no answer within 1 s")


class PlainMeter:
    """A meter that cannot sign."""

    def __init__(self, meter: BenchMeter) -> None:
        self._meter = meter

    async def identify(self) -> MeterInfo:
        return await self._meter.identify()

    async def read(self) -> Reading:
        return await self._meter.read()


def faults(bench: Bench) -> list[Fault | None]:
    return [fact.fault for fact in bench.facts(StatusChanged)]


async def _begin(bench: Bench) -> "asyncio.Task[None]":
    await bench.feed(Plugged())
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()
    return begin


async def test_an_outage_is_told_once_and_its_end_once(
    alive: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    meter = alive.evse().meter
    alive.meters[1].fails = GONE
    await alive.clock.advance(5)

    known = meter.known()
    assert (known.health, known.error) == (Health.UNREACHABLE, "no answer within 1 s")
    assert meter.books.failures == 5
    assert faults(alive) == [Fault("PowerMeterFailure", "no answer within 1 s", blocks=False)]
    told = [r for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 1

    alive.meters[1].fails = None
    await alive.clock.advance(5)

    known = meter.known()
    assert (known.health, known.error, meter.books.failures) == (Health.OK, "", 0)
    assert faults(alive) == [None]


async def test_a_meter_that_fails_does_not_end_the_transaction(alive: Bench) -> None:
    await alive.charge()

    alive.meters[1].fails = MeterDataError("nonsense")
    await alive.clock.advance(60)

    assert alive.state().stage is Stage.CHARGING
    assert alive.outlets[1].closed


async def test_the_last_reading_stays_and_grows_old(alive: Bench) -> None:
    await alive.clock.advance(1)
    taken = alive.clock.now()
    alive.meters[1].fails = GONE
    await alive.clock.advance(10)

    known = alive.evse().meter.known()

    assert known.reading is not None
    assert known.reading.taken_at == taken
    limit = alive.station.settings.meter_stale_after()
    assert is_fresh(known, taken + limit, limit)
    assert not is_fresh(known, alive.clock.now(), limit)
    assert not is_fresh(replace(known, reading=None), taken, limit)


async def test_who_the_meter_is_is_asked_until_it_tells(alive: Bench) -> None:
    assert alive.evse().meter.info is not None

    alive.evse().meter.info = None
    alive.meters[1].fails = GONE
    await alive.clock.advance(2)
    alive.meters[1].fails = None
    await alive.clock.advance(1)

    info = alive.evse().meter.info
    assert info is not None
    assert info.vendor == "Fake"


async def test_readings_are_told_to_whoever_listens(alive: Bench) -> None:
    async with alive.station.told.listen() as told:
        await alive.clock.advance(1)

        heard = told.get_nowait()

    assert (heard.kind, heard.about["evse"], heard.about["meter"]) == ("reading", 1, "outlet1")
    assert ["energy_import", "", "1000"] in heard.about["values"]


async def test_a_begin_is_tried_again_until_the_meter_answers(bench: Bench) -> None:
    bench.meters[1].fails = GONE
    begin = await _begin(bench)
    await bench.clock.advance(30)
    assert bench.state().stage is Stage.OPENING

    bench.meters[1].fails = None
    await bench.clock.advance(1)
    await begin

    assert bench.state().stage is Stage.CHARGING


async def test_a_begin_is_given_up_after_a_minute(bench: Bench) -> None:
    bench.meters[1].fails = GONE
    begin = await _begin(bench)

    await bench.clock.advance(61)
    await begin

    assert bench.state().stage is Stage.FINISHED
    assert not bench.outlets[1].closed


async def test_a_begin_whose_answer_was_lost_is_not_given_twice(bench: Bench) -> None:
    meter = bench.meters[1]
    given = meter.begin

    async def lossy(transaction: BillingTransaction) -> Reading:
        await given(transaction)
        meter.begin = given  # type: ignore[method-assign]
        raise GONE

    meter.begin = lossy  # type: ignore[method-assign]

    begin = await _begin(bench)
    await bench.clock.advance(1)
    await begin

    assert len(meter.begins) == 1
    assert bench.state().stage is Stage.CHARGING


async def test_a_begin_given_up_although_the_meter_runs_is_cleared_afterwards(
    bench: Bench,
) -> None:
    meter = bench.meters[1]
    given = meter.begin

    async def deaf(transaction: BillingTransaction) -> Reading:
        await given(transaction)
        raise GONE

    meter.begin = deaf  # type: ignore[method-assign]
    begin = await _begin(bench)
    await bench.clock.advance(61)
    await begin
    assert meter.running

    await bench.evse().meter.refresh()

    assert (meter.running, meter.record) == ("", None)
    assert len(bench.store.records.of(meter.begins[0])) == 1
    assert bench.facts(TransactionEnded) == [], "the CSMS never heard of it"


async def test_a_meter_that_declines_is_not_asked_again(bench: Bench) -> None:
    async def decline(_: BillingTransaction) -> Reading:
        raise MeterRefused("the clock is not set")

    bench.meters[1].begin = decline  # type: ignore[method-assign]

    await (await _begin(bench))

    assert bench.state().stage is Stage.FINISHED
    await bench.evse().meter.refresh()
    known = bench.evse().meter.known()
    assert (known.health, known.error) == (Health.REFUSING, "the clock is not set")
    assert faults(bench)[-1] == Fault("PowerMeterFailure", "the clock is not set", blocks=False)


async def test_a_refusal_holds_until_a_transaction_begins(bench: Bench) -> None:
    meter = bench.evse().meter
    meter.books.refused("the clock is not set")
    await meter.refresh()
    assert meter.known().health is Health.REFUSING

    await bench.charge()
    await meter.refresh()

    assert (meter.known().health, meter.known().error) == (Health.OK, "")
    assert faults(bench)[-1] is None


async def test_a_meter_without_key_is_told_as_unsigned(alive: Bench) -> None:
    meter = alive.evse().meter
    assert meter.info is not None
    meter.info = replace(meter.info, signing_method="")

    await alive.clock.advance(1)

    assert meter.known().health is Health.UNSIGNED
    (fault,) = alive.state().faults
    assert (fault.error_code, fault.blocks) == ("PowerMeterFailure", False)
    assert "no key" in fault.info


async def test_an_outage_beyond_the_patience_keeps_sessions_from_beginning(alive: Bench) -> None:
    alive.set("MeterFailureTimeout", "30")
    alive.meters[1].fails = GONE
    await alive.clock.advance(30)
    assert [fault.blocks for fault in alive.state().faults] == [False]

    await alive.clock.advance(2)
    assert [fault.blocks for fault in alive.state().faults] == [True]

    alive.meters[1].fails = None
    await alive.clock.advance(2)
    assert alive.state().faults == ()
    assert faults(alive)[-1] is None


@pytest.mark.parametrize("stops", [True, False])
async def test_a_session_whose_meter_dies_stops_or_goes_on_as_the_setting_says(
    alive: Bench, *, stops: bool
) -> None:
    alive.set("StopTransactionOnMeterFailure", "true" if stops else "false")
    await alive.charge()
    alive.meters[1].fails = GONE

    await alive.clock.advance(29)
    assert alive.outlets[1].closed
    await alive.clock.advance(3)

    assert alive.outlets[1].closed is not stops
    assert alive.state().stage is (Stage.CLOSING if stops else Stage.CHARGING)
    assert not any(fault.blocks for fault in alive.state().faults), "the session may go on"


async def test_an_end_waits_for_a_meter_that_restarts(bench: Bench) -> None:
    transaction = await bench.charge()
    bench.meters[1].fails = GONE
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.advance(100)
    assert bench.state().stage is Stage.CLOSING

    bench.meters[1].fails = None
    await bench.clock.advance(1)
    await stop

    (ended,) = bench.facts(TransactionEnded)
    assert ended.end.signed is not None
    assert bench.meters[1].releases == [transaction.transaction_id]


async def test_an_end_without_meter_is_told_with_the_last_reading_and_why(bench: Bench) -> None:
    await bench.charge()
    bench.meters[1].energy_wh = Decimal(4000)
    last = await bench.evse().meter.refresh()
    bench.meters[1].fails = GONE
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))

    await bench.clock.advance(121)
    await stop

    (ended,) = bench.facts(TransactionEnded)
    assert (ended.end, ended.verdict) == (last, "")
    assert ended.missing == "unreachable: no answer within 1 s"
    assert bench.meters[1].releases == []


async def test_a_record_that_comes_too_late_is_archived_then_released(bench: Bench) -> None:
    transaction = await bench.charge()
    bench.meters[1].fails = GONE
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.advance(121)
    await stop

    bench.meters[1].fails = None
    await bench.evse().meter.refresh()

    (row,) = bench.store.records.of(transaction.transaction_id)
    assert row.released_at is not None
    assert bench.meters[1].releases == [transaction.transaction_id]
    assert bench.store.transactions.without_record() == {"recovered": 1}


async def test_a_meter_that_refuses_the_end_is_not_waited_for(bench: Bench) -> None:
    await bench.charge()
    bench.meters[1].running = ""

    await bench.finish()

    (ended,) = bench.facts(TransactionEnded)
    assert ended.missing.startswith("refused: no transaction")


async def test_an_end_without_signed_record_ends_the_transaction_and_releases_nothing(
    bench: Bench,
) -> None:
    await bench.charge()
    bench.meters[1].signs_end = False

    await bench.finish()

    (ended,) = bench.facts(TransactionEnded)
    assert (ended.end.signed, ended.verdict) == (None, "")
    assert ended.missing.startswith("unsigned: ")
    assert bench.meters[1].releases == []
    assert bench.meters[1].record is not None, "nothing is released that is not stored"


async def test_an_end_does_not_fail_because_kept_readings_cannot_be_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: str) -> tuple[()]:
        raise StoreError("kept readings: disk I/O error")

    await bench.charge()
    monkeypatch.setattr(bench.store.transactions, "kept", refuse)

    await bench.finish()

    assert len(bench.facts(TransactionEnded)) == 1


async def test_a_meter_that_cannot_sign_serves_all_the_same(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.evse().meter.meter = PlainMeter(bench.meters[1])
        await bench.charge()
        bench.meters[1].energy_wh = Decimal(2500)
        await bench.evse().meter.refresh()
        await bench.finish()

        (ended,) = bench.facts(TransactionEnded)
        assert ended.end.samples[0].value == 2500
        assert (ended.end.signed, ended.missing) == (None, "")
        assert bench.meters[1].begins == []
        assert bench.evse().meter.signing is None


@pytest.mark.parametrize("verdict", ["invalid", "malformed_signature", "unparsable"])
async def test_a_record_that_does_not_verify_is_kept_sent_and_reported(
    bench: Bench, verdict: str
) -> None:
    transaction = await bench.charge()
    bench.verdicts.append(verdict)

    await bench.finish()

    (ended,) = bench.facts(TransactionEnded)
    (row,) = bench.store.records.of(transaction.transaction_id)
    (event,) = bench.facts(SecurityEvent)
    assert (ended.verdict, row.verdict) == (verdict, verdict)
    assert ended.end.signed is not None
    assert event.type == "TamperDetectionActivated"


async def test_what_a_meter_reports_of_itself_is_told_and_its_end_too(alive: Bench) -> None:
    alive.meters[1].faults = ("phase sequence L1-L3-L2",)  # type: ignore[attr-defined]
    await alive.clock.advance(1)

    assert alive.evse().meter.known().health is Health.OK
    assert alive.state().faults == (
        Fault("PowerMeterFailure", "phase sequence L1-L3-L2", blocks=False),
    )

    alive.meters[1].faults = ()  # type: ignore[attr-defined]
    await alive.clock.advance(1)

    assert alive.state().faults == ()


async def test_a_meter_that_was_swapped_is_asked_who_it_is(alive: Bench) -> None:
    meter = alive.meters[1]
    other = replace(await meter.identify(), serial_number="other")

    async def identify() -> MeterInfo:
        return other

    meter.fails = GONE
    await alive.clock.advance(1)
    meter.identify = identify  # type: ignore[method-assign]
    meter.fails = None
    await alive.clock.advance(1)

    assert alive.evse().meter.info == other


async def test_a_meter_is_read_as_often_as_its_config_says(alive: Bench) -> None:
    alive.meters[1].poll_interval = timedelta(seconds=5)  # type: ignore[attr-defined]
    await alive.clock.advance(1)
    before = alive.meters[1].reads

    await alive.clock.advance(20)

    assert alive.meters[1].reads - before == 4


async def test_a_begin_that_fails_again_and_again_is_logged_once(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    bench.meters[1].fails = GONE
    begin = await _begin(bench)

    await bench.clock.advance(61)
    await begin

    told = [r for r in caplog.records if "did not begin" in r.getMessage()]
    assert len(told) == 1


async def test_a_meter_that_signs_the_begin_too_leaves_two_records(tmp_path: Path) -> None:
    clock = FakeClock()
    meter = BenchMeter(clock=clock, signs_begin=True)
    async with station_bench(tmp_path, clock=clock, meters={1: meter}) as bench:
        bench.verdicts += ["invalid", "valid"]
        transaction = await bench.charge()
        await bench.finish()
        rows = bench.store.records.of(transaction.transaction_id)

    assert [row.verdict for row in rows] == ["invalid", "valid"]
    assert all(row.released_at is not None for row in rows)


async def test_a_meter_that_cannot_name_what_it_runs_is_not_taken_for_stopped(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nameless() -> OpenTransaction:
        return OpenTransaction("", running=True)

    await alive.charge()
    monkeypatch.setattr(alive.meters[1], "open_transaction", nameless)

    await alive.clock.advance(30)

    assert alive.state().stage is Stage.CHARGING
