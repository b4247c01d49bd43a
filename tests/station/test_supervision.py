"""A part that fails harms no other; no contactor is closed while nobody looks after its outlet."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.facts import StatusChanged, TransactionEnded, TransactionStarted
from chargepoint.core.inputs import Unplugged, VehicleReady
from chargepoint.core.model import Fault, Stage, StopReason
from chargepoint.errors import HardwareFault, StoreError
from chargepoint.hardware.api import BoardEvent
from chargepoint.hardware.simulated import Vehicle
from chargepoint.station import evse as evse_module
from chargepoint.supervisor import PROVEN

TWO = (("cType2",), ("cType2",))


class Defect(Exception):  # noqa: N818 - a test's own
    pass


def internal_error(bench: Bench) -> str:
    """What the CSMS is told of the station as a whole."""
    told = [fact for fact in bench.facts(StatusChanged) if fact.evse_id == 0]
    fault = told[-1].fault if told else None
    return fault.info if fault is not None and fault.error_code == "InternalError" else ""


def ended(bench: Bench) -> TransactionEnded:
    (fact,) = bench.facts(TransactionEnded)
    assert len(bench.facts(TransactionStarted)) == 1
    assert [row.verdict for row in bench.store.records.of(fact.transaction_id)] == ["valid"]
    return fact  # type: ignore[no-any-return]


def break_advance(monkeypatch: pytest.MonkeyPatch, kind: type) -> None:
    """The rules have a defect that one kind of input brings out, once."""
    advance, armed = evse_module.advance, [kind]

    def defective(state: Any, given: Any, *more: Any) -> Any:
        if armed and isinstance(given, armed[0]):
            armed.clear()
            raise Defect
        return advance(state, given, *more)

    monkeypatch.setattr(evse_module, "advance", defective)


async def test_a_defect_in_an_input_opens_the_contactor_and_ends_the_session_with_its_record(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alive.plug_and_charge()
    break_advance(monkeypatch, VehicleReady)
    alive.outlets[1].suspend()
    await alive.clock.settle()

    assert not alive.outlets[1].closed
    assert internal_error(alive) == "failed: EVSE 1"
    assert alive.station.parts["EVSE 1"].last_error.startswith("InputFailed at station/evse.py:")

    await alive.clock.advance(2)

    assert ended(alive).reason is StopReason.OTHER
    await alive.clock.advance(PROVEN.total_seconds() + 2)
    assert internal_error(alive) == ""


async def test_an_order_that_was_never_carried_out_is_carried_out_later(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alive.plug_and_charge()

    def defective(*_: object) -> None:
        monkeypatch.undo()
        raise Defect

    monkeypatch.setattr(alive.station, "recorded", defective)
    alive.outlets[1].plug_out()  # stored as closing, and then nothing of it is done
    await alive.clock.settle()

    assert not alive.outlets[1].closed
    await alive.clock.advance(2)
    assert ended(alive).reason is StopReason.EV_DISCONNECTED, "the first reason is kept"


async def _defective_events() -> AsyncIterator[BoardEvent]:
    await asyncio.sleep(0)
    raise Defect
    yield


async def _cancelled_events() -> AsyncIterator[BoardEvent]:
    await asyncio.sleep(0)
    raise asyncio.CancelledError
    yield


async def _events_that_end() -> AsyncIterator[BoardEvent]:
    await asyncio.sleep(0)
    return
    yield


@pytest.mark.parametrize("events", [_defective_events, _cancelled_events, _events_that_end])
async def test_an_outlet_that_is_not_heard_any_more_opens(
    tmp_path: Path, events: Callable[[], AsyncIterator[BoardEvent]]
) -> None:
    async with station_bench(tmp_path) as bench:
        outlet, healthy = bench.outlets[1], bench.outlets[1].events
        gate = asyncio.Event()

        async def until_told() -> AsyncIterator[BoardEvent]:
            told = healthy()
            while not gate.is_set():
                yield await anext(told)
            async for event in events():
                yield event

        outlet.events = until_told  # type: ignore[method-assign]
        bench.supervisor.keep("station", bench.station.run)
        await bench.clock.settle()
        await bench.plug_and_charge()
        gate.set()
        outlet.suspend()
        await bench.clock.settle()
        assert not outlet.closed

        outlet.events = healthy  # type: ignore[method-assign]
        await bench.clock.advance(2)

        assert ended(bench).reason is StopReason.OTHER
        assert bench.station.parts["EVSE 1"].failures == 1


async def test_a_board_that_is_not_served_any_more_opens_all_its_outlets(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        fails, serve = asyncio.Event(), bench.station.board.run

        async def board() -> None:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(serve())
                await fails.wait()
                fails.clear()
                raise Defect

        bench.station.board.run = board  # type: ignore[method-assign]
        bench.supervisor.keep("station", bench.station.run)
        await bench.clock.settle()
        await bench.plug_and_charge()
        bench.outlets[2].plug_in(Vehicle())
        bench.station.present(TOKEN, (2,))
        await bench.clock.settle()
        assert [bench.outlets[n].closed for n in (1, 2)] == [True, True]

        fails.set()
        await bench.clock.settle()
        assert [bench.outlets[n].closed for n in (1, 2)] == [False, False]

        await bench.clock.advance(5)
        reasons = [fact.reason for fact in bench.facts(TransactionEnded)]
        assert reasons == [StopReason.OTHER, StopReason.OTHER]
        assert all(bench.station.parts[name].running for name in ("board", "EVSE 1", "EVSE 2"))


@pytest.mark.parametrize("part", ["samples of EVSE 1", "limits", "meter outlet1", "screens"])
async def test_charging_goes_on_without_a_part_that_it_does_not_need(
    tmp_path: Path, part: str
) -> None:
    async with station_bench(tmp_path) as bench:
        fails = asyncio.Event()
        place = {
            "samples of EVSE 1": bench.evse().sampler,
            "limits": bench.station.limits,
            "meter outlet1": bench.evse().meter,
            "screens": bench.station.displays,
        }[part]

        async def defective() -> None:
            await fails.wait()
            raise Defect

        place.run = defective  # type: ignore[method-assign, assignment]
        bench.supervisor.keep("station", bench.station.run)
        await bench.clock.settle()
        await bench.plug_and_charge()
        fails.set()
        await bench.clock.advance(60)

        books = bench.station.parts[part]
        assert books.failures == 6, "after 1, 2, 4, 8, 16 and 32 s"
        assert bench.outlets[1].closed
        assert internal_error(bench) == f"failed: {part}"
        bench.outlets[1].plug_out()
        await bench.clock.settle()
        assert ended(bench).reason is StopReason.EV_DISCONNECTED


async def test_an_internal_error_of_the_board_is_not_cleared_by_a_part_that_is_well(
    tmp_path: Path,
) -> None:
    async def defective() -> None:
        raise Defect

    async with station_bench(tmp_path, running=True) as bench:
        await bench.station.set_fault(0, Fault("InternalError", "sensor"), active=True)
        bench.supervisor.keep("broken", defective)
        await bench.clock.advance(PROVEN.total_seconds())

        assert bench.station.faults["InternalError"].info == "sensor"


async def test_nothing_is_closed_while_nobody_looks_after_it(bench: Bench) -> None:
    runner = bench.evse().runner
    await runner.make_safe()

    await bench.charge()

    assert bench.state().stage is Stage.CHARGING
    assert not bench.outlets[1].closed
    await runner.recover()
    assert not bench.outlets[1].closed
    assert ended(bench).reason is StopReason.OTHER


async def test_a_contactor_that_closes_while_its_supervision_ends_is_opened_again(
    bench: Bench,
) -> None:
    outlet, runner, gate = bench.outlets[1], bench.evse().runner, asyncio.Event()
    close = outlet.close_contactor

    async def slow() -> None:
        await gate.wait()
        await close()

    outlet.close_contactor = slow  # type: ignore[method-assign]
    charging = asyncio.ensure_future(bench.charge())
    await bench.clock.settle()
    await runner.make_safe()
    gate.set()
    await charging

    assert outlet.orders[-2:] == ["close", "open"]
    assert not outlet.closed


async def test_a_contactor_that_does_not_open_is_an_alarm_and_a_fault(
    alive: Bench, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    await alive.plug_and_charge()
    alive.outlets[1].fails["open"] = HardwareFault("welded")
    break_advance(monkeypatch, VehicleReady)
    alive.outlets[1].suspend()
    await alive.clock.advance(2)

    assert "EVSE 1: the contactor may be closed: HardwareFault" in caplog.text
    assert [fault.error_code for fault in alive.state().faults] == ["PowerSwitchFailure"]


async def test_a_station_that_goes_leaves_no_contactor_closed(tmp_path: Path) -> None:
    async with station_bench(tmp_path, running=True) as bench:
        await bench.plug_and_charge()
        outlet = bench.outlets[1]
        assert outlet.closed

    assert not outlet.closed


@pytest.mark.parametrize("order", ["close_contactor", "open_contactor", "set_current_limit"])
async def test_a_defect_of_the_board_is_a_fault_of_the_outlet(
    tmp_path: Path, order: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def defective(*_: object) -> None:
        raise Defect

    async with station_bench(tmp_path, running=True) as bench:
        monkeypatch.setattr(bench.outlets[1], order, defective)
        await bench.station.evse(1).runner.feed(Unplugged())
        bench.outlets[1].plug_in(Vehicle())
        await bench.clock.settle()
        bench.station.present(TOKEN)
        await bench.clock.settle()
        bench.station.present(TOKEN)
        await bench.clock.settle()
        await bench.station.limits.apply()
        faults = [fault.error_code for fault in bench.state().faults]
        if order == "set_current_limit":
            await bench.evse().runner.recover()
            faults = [fault.error_code for fault in bench.state().faults]

        assert faults == ["PowerSwitchFailure"]
        assert bench.station.parts["EVSE 1"].failures == 0


async def test_a_runner_goes_round_although_nothing_is_due(alive: Bench) -> None:
    runner = alive.evse().runner
    await alive.clock.advance(60)

    assert runner.turned_at is not None
    assert alive.clock.monotonic() - runner.turned_at <= 10


async def test_an_input_in_work_says_since_when(alive: Bench) -> None:
    runner = alive.evse().runner
    alive.meters[1].gate.clear()
    begun = alive.clock.monotonic()
    alive.outlets[1].plug_in(Vehicle())
    await alive.clock.settle()
    alive.station.present(TOKEN)
    await alive.clock.advance(20)

    assert runner.busy_since == begun
    alive.meters[1].gate.set()
    await alive.clock.settle()
    assert runner.busy_since is None


async def test_a_disk_that_breaks_just_after_a_stop_does_not_keep_the_contactor_closed(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alive.plug_and_charge()

    def broken(*_: object) -> None:
        monkeypatch.undo()
        raise StoreError("disk I/O error")

    monkeypatch.setattr(alive.station, "recorded", broken)
    with suppress(StoreError):
        await alive.finish()  # stored as closing, and then nothing of it is done
    await alive.clock.advance(2)

    assert not alive.outlets[1].closed
    assert ended(alive).reason is StopReason.REMOTE


async def test_a_reset_of_an_evse_that_nobody_supervises_closes_nothing(bench: Bench) -> None:
    runner = bench.evse().runner
    await runner.make_safe()

    await bench.station.maintenance.restart_evse(1, at_once=True)
    await bench.charge()

    assert bench.state().stage is Stage.CHARGING
    assert not bench.outlets[1].closed
