"""A defect in the driver of a meter is a meter that does not answer: nothing else fails by it."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.core.model import StopReason
from chargepoint.errors import StoreError
from chargepoint.hardware.simulated import Vehicle
from chargepoint.station.driver import Driver
from chargepoint.station.meter_health import Health
from chargepoint.station.verdict import UNKNOWN, verdict_of
from meters.errors import MeterRefused, MeterUnreachable


async def _fails(error: Exception) -> None:
    raise error


async def test_a_defect_is_told_without_its_text_and_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    driver = Driver("outlet1")
    for _ in range(3):
        with pytest.raises(MeterUnreachable, match=r"^defect of the driver: KeyError$"):
            await driver.asked(_fails(KeyError("04A1B2C3")))

    assert caplog.text.count("defect of its driver") == 1


@pytest.mark.parametrize("error", [MeterRefused("no"), StoreError("full")])
async def test_what_may_be_raised_passes(error: Exception) -> None:
    with pytest.raises(type(error)):
        await Driver("outlet1").asked(_fails(error))


async def test_a_driver_that_never_answers_is_given_up() -> None:
    with pytest.raises(MeterUnreachable, match="no answer of the driver"):
        await Driver("outlet1").asked(asyncio.Event().wait(), timedelta(0))


@pytest.mark.parametrize("method", ["read", "identify", "open_transaction", "end", "release"])
async def test_a_session_outlives_a_driver_with_a_defect(
    tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station_bench(tmp_path, running=True) as bench:
        await bench.plug_and_charge()
        with monkeypatch.context() as patch:
            patch.setattr(bench.meters[1], method, _defect)
            await bench.clock.advance(15)
            assert bench.outlets[1].closed, "charging goes on"
            bench.outlets[1].plug_out()
            await bench.clock.advance(5)
        await bench.clock.advance(15)

        _ended_once(bench)
        assert all(books.failures == 0 for books in bench.station.parts.values())
        assert bench.evse().meter.books.health is Health.OK


async def test_a_session_does_not_begin_with_a_driver_that_cannot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station_bench(tmp_path, running=True) as bench:
        with monkeypatch.context() as patch:
            patch.setattr(bench.meters[1], "begin", _defect)
            bench.outlets[1].plug_in(Vehicle())
            await bench.clock.settle()
            bench.station.present(TOKEN)
            await bench.clock.advance(70)

            assert not bench.outlets[1].closed
            assert not bench.state().busy

        bench.station.present(TOKEN)
        await bench.clock.settle()
        assert bench.outlets[1].closed


async def test_a_session_ends_whatever_becomes_of_judging_its_record(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alive.plug_and_charge()
    monkeypatch.setattr(alive.station._wiring, "verify", _defect)
    alive.outlets[1].plug_out()
    await alive.clock.settle()

    (fact,) = alive.facts(TransactionEnded)
    assert fact.reason is StopReason.EV_DISCONNECTED
    (record,) = alive.store.records.of(fact.transaction_id)
    assert record.verdict == UNKNOWN


async def test_judging_a_record_is_given_up_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(_: object) -> str:
        await asyncio.Event().wait()
        return "valid"

    monkeypatch.setattr("chargepoint.station.verdict.MOST", timedelta(0))

    assert await verdict_of(never, None) == UNKNOWN  # type: ignore[arg-type]


async def _defect(*_: object) -> Any:
    raise KeyError("a defect")


def _ended_once(bench: Bench) -> None:
    (fact,) = bench.facts(TransactionEnded)
    assert len(bench.facts(TransactionStarted)) == 1
    records = bench.store.records.of(fact.transaction_id)
    assert [record.verdict for record in records] == ["valid"]
    assert records[0].released_at is not None
