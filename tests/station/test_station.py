"""The station as a whole: the board's events, availability, faults, statuses, unlocking."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.facts import (
    Status,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.inputs import Plugged, TokenAccepted, VehicleReady
from chargepoint.core.model import Authorization, Cause, Fault, Scope, Source, Stage, StopReason
from chargepoint.errors import HardwareFault, Refused, StoreError
from chargepoint.hardware.api import BoardFault
from chargepoint.hardware.simulated import Vehicle
from chargepoint.station import availability, unlocking

SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))
TWO = (("cType2",), ("cType2", "sType3"))


async def test_a_driver_plugs_swipes_swipes_and_leaves(alive: Bench) -> None:
    alive.outlets[1].plug_in(Vehicle())
    await alive.clock.settle()
    await alive.station.authorizer.present(TOKEN)
    await alive.clock.settle()
    assert alive.outlets[1].closed

    await alive.station.authorizer.present(TOKEN)
    alive.outlets[1].plug_out()
    await alive.clock.settle()

    assert alive.state().stage is Stage.AVAILABLE
    assert len(alive.facts(TransactionStarted)) == len(alive.facts(TransactionEnded)) == 1


async def test_a_begun_transaction_makes_ready_for_its_record(alive: Bench) -> None:
    await alive.plug_and_charge()

    info = alive.evse().meter.info
    assert info is not None
    assert alive.expected == [info]


async def test_a_vehicle_that_pauses_is_told(alive: Bench) -> None:
    await alive.plug_and_charge()
    alive.outlets[1].suspend()
    await alive.clock.settle()

    (updated,) = alive.facts(TransactionUpdated)[-1:]
    assert updated.cause is Cause.CHARGING_STATE_CHANGED


async def test_a_fault_of_the_board_comes_and_goes(alive: Bench) -> None:
    alive.outlets[1].fault(BoardFault("GroundFailure", info="30 mA", vendor_error_code="V1"))
    await alive.clock.settle()
    assert alive.state().faults == (Fault("GroundFailure", "30 mA", "V1"),)

    alive.outlets[1].fault(BoardFault("GroundFailure", active=False))
    await alive.clock.settle()

    assert alive.state().faults == ()


async def test_a_transaction_ends_while_the_power_reserve_lasts(alive: Bench) -> None:
    await alive.plug_and_charge()
    alive.outlets[1].power_fails()
    await alive.clock.settle()

    (ended,) = alive.facts(TransactionEnded)
    assert ended.reason is StopReason.POWER_LOSS
    assert ended.end is not None
    assert not alive.outlets[1].closed


async def test_a_transaction_that_goes_on_after_a_power_cut_is_not_ended_before(
    alive: Bench,
) -> None:
    alive.set("AllowEnergyTransferResumption", "true")
    await alive.plug_and_charge()
    alive.outlets[1].power_fails()
    await alive.clock.settle()

    assert alive.state().stage is Stage.CHARGING


async def test_what_happened_before_the_start_is_seen_at_the_start(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.outlets[1].plug_in(Vehicle())
        bench.supervisor.keep("station", bench.station.run)
        await bench.clock.settle()

        assert bench.state().stage is Stage.PLUGGED


@pytest.mark.spec("2.0.1", "G03.FR.05")
@pytest.mark.spec("2.0.1", "G03.FR.08")
async def test_out_of_order_is_scheduled_while_a_transaction_runs_and_kept_over_a_restart(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path) as bench:
        await bench.charge()

        at_once = await bench.station.set_availability(operative=False, evse_id=1)

        assert not at_once
        assert bench.facts(StatusChanged)[-1].status is Status.CHARGING
        await bench.finish()
        assert bench.facts(StatusChanged)[-1].status is Status.UNAVAILABLE

    async with station_bench(tmp_path, clock=bench.clock, running=True) as bench:
        statuses = {fact.evse_id: fact.status for fact in bench.station.statuses()}
        assert statuses == {0: Status.AVAILABLE, 1: Status.UNAVAILABLE}
        await bench.feed(SOMEBODY)
        assert bench.state().stage is Stage.AVAILABLE


async def test_out_of_order_at_an_idle_outlet_is_at_once(bench: Bench) -> None:
    assert await bench.station.set_availability(operative=False, evse_id=1)
    assert bench.facts(StatusChanged)[-1].status is Status.UNAVAILABLE


@pytest.mark.spec("2.0.1", "G04.FR.02")
async def test_the_whole_station_out_of_order_is_told_of_the_station_too(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        await bench.station.set_availability(operative=False)

        told = {fact.evse_id: fact.status for fact in bench.facts(StatusChanged)}
        assert told == dict.fromkeys((0, 1, 2), Status.UNAVAILABLE)

        await bench.station.set_availability(operative=True)

        told = {fact.evse_id: fact.status for fact in bench.facts(StatusChanged)}
        assert told == dict.fromkeys((0, 1, 2), Status.AVAILABLE)


async def test_one_level_does_not_undo_another(bench: Bench) -> None:
    await bench.station.set_availability(operative=False)
    await bench.station.set_availability(operative=False, evse_id=1)

    await bench.station.set_availability(operative=True)

    assert bench.state().inoperative == {Scope.EVSE}
    assert bench.station.own_status() is Status.AVAILABLE


async def test_a_fault_of_the_station_is_one_of_every_evse(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        fire = Fault("HighTemperature")

        await bench.station.set_fault(0, fire, active=True)
        assert bench.station.own_status() is Status.FAULTED
        assert {fact.status for fact in bench.station.statuses()} == {Status.FAULTED}

        await bench.station.set_fault(0, fire, active=False)
        assert bench.station.own_status() is Status.AVAILABLE
        assert {fact.status for fact in bench.station.statuses()} == {Status.AVAILABLE}


async def test_a_fault_of_one_evse_is_none_of_the_station(bench: Bench) -> None:
    await bench.station.set_fault(1, Fault("OtherError"), active=True)

    assert bench.station.own_status() is Status.AVAILABLE
    assert bench.state().faulted


@pytest.mark.spec("2.0.1", "G01.FR.08")
async def test_statuses_name_every_connector_and_only_the_used_one_as_occupied(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        bench.outlets[2].plug_in(Vehicle(), connector_id=2)
        await bench.clock.settle()

        told = {(f.evse_id, f.connector_id): f.status for f in bench.station.statuses()}

    assert told == {
        (0, 0): Status.AVAILABLE,
        (1, 1): Status.AVAILABLE,
        (2, 1): Status.AVAILABLE,
        (2, 2): Status.PREPARING,
    }


@pytest.mark.parametrize(("evse_id", "connector_id"), [(3, None), (1, 2), (2, 0)])
async def test_what_is_not_there_is_refused_by_name(
    tmp_path: Path, evse_id: int, connector_id: int | None
) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        with pytest.raises(Refused, match=r"no EVSE 3, there are 1, 2|connectors 1 to"):
            bench.station.evse(evse_id, connector_id)


async def test_a_token_for_an_outlet_that_is_not_there_is_refused(bench: Bench) -> None:
    with pytest.raises(Refused, match="no EVSE 7"):
        bench.station.present(TOKEN, (7,))


async def test_only_a_transaction_that_runs_is_stopped(bench: Bench) -> None:
    transaction = await bench.charge()

    await bench.station.stop("another", StopReason.REMOTE, Cause.REMOTE_STOP)
    assert bench.state().stage is Stage.CHARGING
    await bench.station.stop(transaction.transaction_id, StopReason.REMOTE, Cause.REMOTE_STOP)
    await bench.station.stop(transaction.transaction_id, StopReason.LOCAL, Cause.STOP_AUTHORIZED)

    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.REMOTE


@pytest.mark.spec("2.0.1", "E05.FR.08")
@pytest.mark.parametrize("stops", [True, False])
async def test_a_token_refused_afterwards_ends_the_transaction_or_its_energy(
    bench: Bench, *, stops: bool
) -> None:
    bench.set("StopTransactionOnInvalidId", str(stops).lower())
    transaction = await bench.charge()

    await bench.station.token_refused(transaction.transaction_id)

    assert not bench.outlets[1].closed
    assert [fact.reason for fact in bench.facts(TransactionEnded)] == (
        [StopReason.DEAUTHORIZED] if stops else []
    )


async def test_a_refusal_that_comes_after_the_end_changes_nothing(bench: Bench) -> None:
    transaction = await bench.charge()
    await bench.finish()
    before = bench.journal()

    await bench.station.token_refused(transaction.transaction_id)

    assert bench.journal() == before


async def test_unlocking_ends_the_transaction_but_does_not_wait_for_the_record(
    bench: Bench,
) -> None:
    bench.evse().runner.sockets = frozenset({1})
    await bench.charge()
    bench.meters[1].gate.clear()

    assert await bench.station.unlock(1, 1)

    assert bench.state().stage is Stage.CLOSING
    bench.meters[1].gate.set()
    await bench.clock.settle()
    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.UNLOCK_COMMAND


async def test_nothing_is_unlocked_under_power(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unlocking, "OPEN_TIMEOUT_S", 0.02)
    bench.evse().runner.sockets = frozenset({1})
    await bench.charge()
    bench.outlets[1].fails["open"] = HardwareFault("welded")

    assert not await bench.station.unlock(1, 1)


async def test_an_idle_connector_is_unlocked_and_a_missing_one_refused(bench: Bench) -> None:
    assert await bench.station.unlock(1, 1)
    with pytest.raises(Refused):
        await bench.station.unlock(1, 9)


async def test_a_fact_that_cannot_be_stored_costs_the_fact_only(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(bench.store, "record", refuse)

    await bench.station.set_availability(operative=False)

    assert bench.woken == [1], "the EVSE's own step was stored, the station's status was not"


async def test_statuses_and_transactions_are_told_to_whoever_listens(bench: Bench) -> None:
    async with bench.station.told.listen() as told:
        await bench.charge()
        await bench.finish()
        heard = []
        while not told.empty():
            heard.append(told.get_nowait())

    assert [told.kind for told in heard].count("transaction") == 2
    assert {told.about.get("what") for told in heard} == {None, "started", "ended"}


async def test_no_token_is_logged_in_a_whole_session(
    alive: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")

    await alive.plug_and_charge()
    await alive.station.authorizer.present(TOKEN)

    assert "started" in caplog.text
    assert TOKEN.value not in caplog.text


async def test_parts_end_when_the_station_does(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        assert bench.clock.sleeping > 0
    await asyncio.sleep(0)

    assert bench.clock.sleeping == 0


@pytest.mark.spec("2.0.1", "B02.FR.03")
@pytest.mark.parametrize(
    ("accepted", "enabled", "begins"),
    [(False, "false", False), (False, "true", True), (True, "false", True)],
)
async def test_before_the_station_is_accepted_sessions_begin_if_the_setting_says_so(
    tmp_path: Path, enabled: str, *, accepted: bool, begins: bool
) -> None:
    def prepare(wiring: Any) -> None:
        wiring.accepted = lambda: accepted

    settings = {"TxCtrlr.TxBeforeAcceptedEnabled": enabled}
    async with station_bench(tmp_path, prepare=prepare, settings=settings) as bench:
        await bench.feed(Plugged(), VehicleReady(ready=True))
        bench.station.present(TOKEN)
        await bench.clock.settle()

        assert (bench.state().transaction is not None) is begins


@pytest.mark.spec("2.0.1", "G01.FR.08")
async def test_a_fault_of_one_connector_that_the_board_sees_leaves_the_other_one(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        bench.outlets[2].fault(BoardFault("ConnectorLockFailure", connector_id=2))
        await bench.clock.settle()

        told = {(f.evse_id, f.connector_id): f.status for f in bench.station.statuses()}
        assert (told[2, 1], told[2, 2]) == (Status.AVAILABLE, Status.FAULTED)

        bench.outlets[2].fault(BoardFault("ConnectorLockFailure", active=False, connector_id=2))
        await bench.clock.settle()

        told = {(f.evse_id, f.connector_id): f.status for f in bench.station.statuses()}
        assert told[2, 2] is Status.AVAILABLE


async def test_whoever_asks_does_not_wait_for_a_disk_that_refuses(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of the CSMS are worked off one by one: the next one may be a remote stop."""

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(bench.store, "commit", refuse)
    monkeypatch.setattr(bench.store, "probe", refuse)

    async with asyncio.timeout(5):
        with pytest.raises(StoreError):
            await bench.station.set_availability(operative=False, evse_id=1)
    assert bench.state().operative


async def test_whoever_asks_does_not_wait_for_a_meter_that_takes_its_time(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "ANSWER_MOST_S", 0.05, raising=False)
    await bench.charge()
    bench.meters[1].gate.clear()
    ending = asyncio.ensure_future(bench.finish())
    await bench.clock.settle()

    async with asyncio.timeout(5):
        assert not await bench.station.set_availability(operative=False, evse_id=1)

    bench.meters[1].gate.set()
    await ending
    await bench.clock.settle()
    assert not bench.state().operative


@pytest.mark.parametrize("hangs", [True, False])
async def test_a_lock_that_does_not_answer_is_one_that_did_not_move(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, hangs: bool
) -> None:
    async def unlock(_: int) -> bool:
        await (asyncio.Event().wait() if hangs else asyncio.sleep(0))
        raise HardwareFault("jammed")

    monkeypatch.setattr(unlocking, "HARDWARE_TIMEOUT_S", 0.05, raising=False)
    monkeypatch.setattr(bench.outlets[1], "unlock", unlock)

    async with asyncio.timeout(5):
        assert not await bench.station.unlock(1, 1)
