"""What a meter still holds although nobody waits for it: stored, then released."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sample_facts import RECORD
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.facts import TransactionEnded
from chargepoint.core.inputs import Plugged, TokenAccepted
from chargepoint.core.model import Authorization, Cause, Source, Stage, StopReason
from chargepoint.errors import StoreError
from chargepoint.station.meter_health import METER_FAILURE, Health
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.model import Reading

SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))
GONE = MeterUnreachable("no answer within 1 s")


async def _begin(bench: Bench) -> "asyncio.Task[None]":
    await bench.feed(Plugged())
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()
    return begin


async def _left_over(tmp_path: Path, *, running: bool) -> Bench:
    """A bench whose meter holds something of an earlier life that nobody waits for."""
    async with station_bench(tmp_path) as bench:
        bench.meters[1].running = "of-old"
        if not running:
            await bench.meters[1].end("of-old")
    return bench


@pytest.mark.parametrize("running", [True, False], ids=["still running", "unread"])
async def test_a_left_over_is_stored_then_released_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, running: bool
) -> None:
    old = await _left_over(tmp_path, running=running)
    happened: list[str] = []
    meter = old.meters[1]
    release = meter.release

    async def released(transaction_id: str) -> None:
        happened.append("released")
        await release(transaction_id)

    meter.release = released  # type: ignore[method-assign]
    async with station_bench(tmp_path, clock=old.clock, meters=old.meters) as bench:
        add = bench.store.records.add_found

        def added(*args: Any) -> None:
            happened.append("stored")
            add(*args)

        monkeypatch.setattr(bench.store.records, "add_found", added)
        await bench.evse().meter.refresh()

        (row,) = bench.store.records.of("of-old")

    assert happened == ["stored", "released"]
    assert (row.verdict, row.released_at) == ("valid", old.clock.now().isoformat())
    assert meter.record is None


async def test_a_left_over_that_cannot_be_stored_stays_in_the_meter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    old = await _left_over(tmp_path, running=False)
    again = station_bench(tmp_path, clock=old.clock, meters=old.meters, running=True)
    async with again as bench:

        def refuse(*_: Any) -> None:
            raise StoreError("record of of-old: disk full")

        with monkeypatch.context() as patched:
            patched.setattr(bench.store.records, "add_found", refuse)
            bench.evse().meter._left_over = True
            held = replace(await bench.meters[1].read(), signed=RECORD)
            bench.meters[1].record = ("of-old", held)
            await bench.clock.advance(5)

            assert bench.meters[1].record is not None
            assert bench.evse().meter.known().health is Health.OK, "it can be read all the same"
            assert sum("disk full" in record.getMessage() for record in caplog.records) == 1
        await bench.clock.advance(1)

        assert bench.meters[1].record is None


async def test_no_session_begins_over_a_left_over_that_cannot_be_stored(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.meters[1].running = "foreign"

    def refuse(*_: Any) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(bench.store.records, "add_found", refuse)

    await (await _begin(bench))

    assert bench.state().stage is Stage.FINISHED
    assert bench.meters[1].record is not None
    assert bench.meters[1].begins == []


async def test_a_session_begins_after_a_foreign_left_over(bench: Bench) -> None:
    bench.meters[1].running = "foreign"

    await bench.charge()

    assert [row.transaction_id for row in bench.store.records.of("foreign")] == ["foreign"]
    assert bench.meters[1].releases == ["foreign"]
    assert bench.state().stage is Stage.CHARGING


async def test_a_record_that_the_meter_itself_lost_does_not_stand_in_the_way_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    meter = bench.meters[1]
    meter.record = ("damaged", await meter.read())

    async def lost(_: str) -> Reading:
        raise RecordLost("the record is corrupted")

    monkeypatch.setattr(meter, "end", lost)

    await bench.charge()

    assert meter.releases == ["damaged"]
    assert bench.state().stage is Stage.CHARGING


async def test_a_record_that_the_meter_itself_lost_is_told_and_released_between_sessions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    transaction = await bench.charge()
    meter = bench.meters[1]

    async def lost(_: str) -> Reading:
        meter.running, meter.record = "", (transaction.transaction_id, await meter.read())
        raise RecordLost("the record is corrupted")

    monkeypatch.setattr(meter, "end", lost)
    await bench.finish()
    (ended,) = bench.facts(TransactionEnded)
    assert (ended.missing, meter.releases) == ("damaged: the record is corrupted", [])

    await bench.evse().meter.refresh()

    assert meter.releases == [transaction.transaction_id]
    assert "the record is corrupted" in caplog.text


async def test_a_release_that_was_not_noted_is_noted_once_the_meter_is_seen_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station_bench(tmp_path) as bench:

        def cut(*_: Any) -> None:
            raise StoreError("the power is gone")

        monkeypatch.setattr(bench.store.records, "mark_released", cut)
        transaction = await bench.charge()
        await bench.finish()
    again = station_bench(tmp_path, clock=bench.clock, meters=bench.meters)
    async with again as bench:
        await bench.evse().meter.refresh()

        (row,) = bench.store.records.of(transaction.transaction_id)

    assert row.released_at is not None


async def test_a_left_over_the_meter_will_not_give_does_not_cost_the_readings(
    alive: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def refuse(_: str) -> Reading:
        raise MeterRefused("not now")

    monkeypatch.setattr(alive.meters[1], "end", refuse)
    alive.meters[1].running = "foreign"
    alive.evse().meter._left_over = True

    await alive.clock.advance(5)

    known = alive.evse().meter.known()
    assert known.health is Health.OK
    assert known.reading is not None
    assert known.reading.taken_at == alive.clock.now()
    assert sum("not now" in record.getMessage() for record in caplog.records) == 1
    assert alive.meters[1].releases == [], "a running one is never given up"


async def test_a_release_that_fails_is_done_later(bench: Bench) -> None:
    transaction = await bench.charge()
    meter = bench.meters[1]
    release = meter.release

    async def fail(_: str) -> None:
        raise GONE

    meter.release = fail  # type: ignore[method-assign]
    await bench.finish()
    (row,) = bench.store.records.of(transaction.transaction_id)
    assert (row.released_at, meter.record is None) == (None, False)

    meter.release = release  # type: ignore[method-assign]
    await bench.evse().meter.refresh()

    (row,) = bench.store.records.of(transaction.transaction_id)
    assert row.released_at is not None
    assert meter.record is None


async def test_the_transaction_that_goes_on_after_a_restart_is_no_left_over(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path) as bench:
        bench.set("AllowEnergyTransferResumption", "true")
        await bench.charge()
    again = station_bench(tmp_path, clock=bench.clock, meters=bench.meters)
    async with again as bench:
        await bench.evse().meter.clear_left_overs()

        assert bench.meters[1].running


async def test_a_meter_that_ended_by_itself_ends_the_session(alive: Bench) -> None:
    transaction = await alive.charge()
    await alive.clock.advance(1)

    await alive.meters[1].end(transaction.transaction_id)
    await alive.clock.advance(10)

    (ended,) = alive.facts(TransactionEnded)
    assert (ended.reason, ended.cause) == (StopReason.POWER_LOSS, Cause.ABNORMAL_CONDITION)
    assert ended.end.signed is not None
    assert not alive.outlets[1].closed


async def test_a_meter_that_comes_back_is_looked_at_at_once(alive: Bench) -> None:
    transaction = await alive.charge()
    await alive.clock.advance(11)
    alive.meters[1].fails = GONE
    await alive.clock.advance(3)
    alive.meters[1].fails = None
    await alive.meters[1].end(transaction.transaction_id)

    await alive.clock.advance(1)

    assert len(alive.facts(TransactionEnded)) == 1


async def test_clearing_left_overs_never_meets_a_session_that_begins(bench: Bench) -> None:
    bench.meters[1].running = "foreign"
    await bench.feed(Plugged())
    bench.meters[1].gate.clear()
    looking = asyncio.create_task(bench.evse().meter.refresh())
    await bench.clock.settle()
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()
    assert bench.meters[1].waiting == 1

    bench.meters[1].gate.set()
    await asyncio.gather(looking, begin)

    assert bench.state().stage is Stage.CHARGING
    assert bench.meters[1].running == bench.meters[1].begins[0]
    assert bench.meters[1].ends == ["foreign"]


async def test_a_meter_that_shows_a_released_record_again_is_not_news(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    transaction = await bench.charge()
    meter = bench.meters[1]
    end = await meter.end(transaction.transaction_id)
    await bench.finish()
    meter.record = (transaction.transaction_id, end)
    caplog.clear()

    await bench.evse().meter.clear_left_overs()

    assert len(bench.store.records.of(transaction.transaction_id)) == 1
    assert meter.record is None
    assert caplog.records == []


async def test_a_record_of_nobody_that_is_read_again_is_stored_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its clock was never set, so each reading has the time at which it was fetched."""
    meter = bench.meters[1]
    meter.record = ("", replace(await meter.read(), signed=RECORD))
    release = meter.release

    async def again(_: str) -> Reading:
        return replace(await meter.read(), signed=RECORD)

    async def lost(_: str) -> None:
        raise GONE

    monkeypatch.setattr(meter, "end", again)
    monkeypatch.setattr(meter, "release", lost)
    for _ in range(3):
        with pytest.raises(MeterUnreachable):
            await bench.evse().meter.clear_left_overs()
        await bench.clock.advance(1)
    monkeypatch.setattr(meter, "release", release)
    await bench.evse().meter.clear_left_overs()

    assert sum(bench.store.records.count().values()) == 1
    assert meter.record is None


async def test_a_record_that_is_signed_anew_when_it_is_read_again_is_stored_once(
    bench: Bench,
) -> None:
    """The station went down between store and release; some meters sign whenever they are read."""
    meter, records = bench.meters[1], bench.store.records
    reading = await meter.read()
    meter.record = ("of-old", replace(reading, signed=RECORD))
    before = replace(RECORD, document=RECORD.document.replace(b'"00"', b'"01"'))
    records.add_found("of-old", 1, reading, before, "valid")

    await bench.evse().meter.clear_left_overs()

    (row,) = records.of("of-old")
    assert row.document == before.document
    assert row.released_at
    assert meter.releases == ["of-old"]


async def test_a_record_that_verifies_at_the_second_reading_is_stored_too(bench: Bench) -> None:
    meter, records = bench.meters[1], bench.store.records
    reading = await meter.read()
    meter.record = ("of-old", replace(reading, signed=RECORD))
    torn = replace(RECORD, document=RECORD.document.replace(b'"00"', b'"01"'))
    records.add_found("of-old", 1, reading, torn, "invalid")

    await bench.evse().meter.clear_left_overs()

    assert [row.verdict for row in records.of("of-old")] == ["invalid", "valid"]


async def test_a_page_of_nobody_that_is_stored_under_a_name_is_not_stored_again(
    bench: Bench,
) -> None:
    """The power went between store and release, and what it is does not say whose it is."""
    meter, records = bench.meters[1], bench.store.records
    page = replace(RECORD, document=b"<html>not found</html>")
    reading = await meter.read()
    meter.record = ("", replace(reading, signed=page))
    records.add_found("of-old", 1, reading, page, "unparsable")

    await bench.evse().meter.clear_left_overs()

    (row,) = records.of("of-old")
    assert sum(records.count().values()) == 1
    assert row.released_at
    assert meter.releases == [""]


async def test_an_outlet_that_is_blocked_by_what_its_meter_does_not_give_is_faulted(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def keep(_: str) -> Reading:
        raise MeterDataError("found garbage, expected an HTTP answer")

    meter = alive.evse().meter
    with monkeypatch.context() as patched:
        patched.setattr(alive.meters[1], "end", keep)
        alive.meters[1].running = "foreign"
        meter._left_over = True
        await alive.clock.advance(50)
        soon = alive.state().faults
        await alive.clock.advance(20)
        (fault,) = alive.state().faults
        known = meter.known()
    await alive.clock.advance(3)

    assert soon == ()
    assert known.health is Health.REFUSING
    assert known.error == "no session over an unread record: found garbage, expected an HTTP answer"
    assert (fault.error_code, fault.info, fault.blocks) == (METER_FAILURE, known.error[:50], True)
    assert alive.state().faults == ()
    assert meter.known().health is Health.OK
    assert alive.meters[1].releases == ["foreign"]


async def test_a_meter_that_answers_a_begin_with_nonsense_for_a_minute_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nonsense(_: object) -> Reading:
        raise MeterDataError("energy -5 Wh")

    monkeypatch.setattr(bench.meters[1], "begin", nonsense)
    begin = await _begin(bench)
    await bench.clock.advance(61)
    await begin
    await bench.evse().meter.refresh()

    known = bench.evse().meter.known()
    assert (known.health, known.error) == (Health.REFUSING, "energy -5 Wh")
