"""A restart on request ends what runs, in order, and does not wait for ever."""

import asyncio
from pathlib import Path

import pytest
from station_bench import REMOTE_STOP, TOKEN, Bench, station_bench

from chargepoint.core.facts import TransactionEnded
from chargepoint.core.inputs import Plugged, TokenAccepted
from chargepoint.core.model import Authorization, Cause, Source, Stage, StopReason
from chargepoint.station import maintenance as maintenance_module

SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))
TWO = (("cType2",), ("cType2",))


@pytest.mark.spec("2.0.1", "B12.FR.02")
async def test_a_restart_ends_all_transactions_first(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        await bench.charge(evse_id=1)
        await bench.charge(evse_id=2)

        await bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET)

        ended = bench.facts(TransactionEnded)
        assert {(fact.evse_id, fact.reason, fact.cause) for fact in ended} == {
            (1, StopReason.IMMEDIATE_RESET, Cause.RESET_COMMAND),
            (2, StopReason.IMMEDIATE_RESET, Cause.RESET_COMMAND),
        }
        assert bench.station.maintenance.wanted.is_set()
        assert bench.station.maintenance.reason == "RemoteReset"


async def test_a_restart_takes_an_authorization_back(bench: Bench) -> None:
    await bench.feed(SOMEBODY)

    await bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET)

    assert bench.state().stage is Stage.AVAILABLE


async def test_a_transaction_that_is_just_beginning_ends_with_the_reason_of_the_restart(
    bench: Bench,
) -> None:
    await bench.feed(Plugged())
    bench.meters[1].gate.clear()
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()
    restart = asyncio.create_task(bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET))
    await bench.clock.settle()
    assert not bench.station.maintenance.wanted.is_set()

    bench.meters[1].gate.set()
    await asyncio.gather(begin, restart)

    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.IMMEDIATE_RESET


async def test_a_transaction_that_is_just_ending_is_waited_for(bench: Bench) -> None:
    await bench.charge()
    bench.meters[1].gate.clear()
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.settle()
    restart = asyncio.create_task(bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET))
    await bench.clock.settle()
    assert not bench.station.maintenance.wanted.is_set()

    bench.meters[1].gate.set()
    await asyncio.gather(stop, restart)

    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.REMOTE, "the first reason stays"


async def test_a_meter_that_never_signs_does_not_hold_up_the_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance_module, "STOP_TIMEOUT_S", 0.02)
    async with station_bench(tmp_path) as bench:
        transaction = await bench.charge()
        bench.meters[1].gate.clear()

        await bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET)

        assert bench.station.maintenance.wanted.is_set()
        assert not bench.outlets[1].closed
    bench.meters[1].gate.set()

    again = station_bench(tmp_path, clock=bench.clock, meters=bench.meters, running=True)
    async with again as bench:
        (ended,) = bench.facts(TransactionEnded)
        assert ended.transaction_id == transaction.transaction_id
        assert ended.reason is StopReason.IMMEDIATE_RESET
        assert ended.end.signed is not None


@pytest.mark.spec("2.0.1", "B12.FR.01")
async def test_a_restart_when_idle_waits_and_ends_nothing(bench: Bench) -> None:
    await bench.charge()
    waiting = asyncio.create_task(bench.station.maintenance.restart_when_idle())
    await bench.clock.advance(60)
    assert bench.state().stage is Stage.CHARGING
    assert not bench.station.maintenance.wanted.is_set()

    await bench.finish()
    await bench.clock.advance(1)
    await waiting

    assert bench.station.maintenance.wanted.is_set()
    assert bench.station.maintenance.reason == "ScheduledReset"


async def test_whoever_asks_again_for_a_reset_that_waits_adds_no_work(bench: Bench) -> None:
    maintenance = bench.station.maintenance
    await bench.charge()
    first = [
        asyncio.create_task(maintenance.restart_when_idle()),
        asyncio.create_task(maintenance.restart_evse(1, at_once=False)),
    ]
    await bench.clock.settle()

    async with asyncio.timeout(5):
        await maintenance.restart_when_idle()
        await maintenance.restart_evse(1, at_once=False)

    assert not any(task.done() for task in first)
    await bench.finish()
    await bench.clock.advance(1)
    await asyncio.gather(*first)
    assert maintenance.wanted.is_set()


async def test_a_restart_at_once_overtakes_one_that_waits(bench: Bench) -> None:
    await bench.charge()
    waiting = asyncio.create_task(bench.station.maintenance.restart_when_idle())
    await bench.clock.settle()

    await bench.station.maintenance.restart(StopReason.IMMEDIATE_RESET)
    await bench.clock.advance(1)
    await waiting

    assert bench.station.maintenance.reason == "RemoteReset"


async def test_a_restart_when_idle_waits_for_other_work_too(bench: Bench) -> None:
    working = True
    bench.station.maintenance.hold(lambda: working)
    waiting = asyncio.create_task(bench.station.maintenance.restart_when_idle())
    await bench.clock.advance(60)
    assert not bench.station.maintenance.wanted.is_set()

    working = False
    await bench.clock.advance(1)
    await waiting

    assert bench.station.maintenance.wanted.is_set()
