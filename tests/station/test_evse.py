"""The runner: one input at a time, stored before it is done, finished whoever gives up waiting."""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from station_bench import REMOTE_STOP, TOKEN, Bench, station_bench

from chargepoint.core.facts import (
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.inputs import (
    FaultCleared,
    FaultRaised,
    Plugged,
    ReadingTaken,
    TokenAccepted,
    Unplugged,
    VehicleReady,
)
from chargepoint.core.model import (
    POWER_SWITCH_FAILURE,
    Authorization,
    Context,
    EvseState,
    Fault,
    Source,
    Stage,
    StopReason,
)
from chargepoint.errors import HardwareFault, StoreError
from chargepoint.hardware.simulated import Vehicle
from chargepoint.station import evse as runner_module

SOMEBODY = TokenAccepted(Authorization(TOKEN, Source.CSMS))


class Disk:
    """A disk that refuses every commit while it is full."""

    def __init__(self, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.full = False
        self._commit: Callable[..., None] = bench.store.commit
        monkeypatch.setattr(bench.store, "commit", self.commit)

    def commit(self, *args: Any, **kwargs: Any) -> None:
        if self.full:
            raise StoreError("journal: database or disk is full")
        self._commit(*args, **kwargs)


@pytest.fixture
def disk(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(bench, monkeypatch)


async def test_a_session_goes_from_plug_to_record(bench: Bench) -> None:
    transaction = await bench.charge()
    await bench.finish()

    meter = bench.meters[1]
    assert meter.begins == meter.ends == meter.releases == [transaction.transaction_id]
    assert bench.outlets[1].orders == ["close", "open"]
    assert len(bench.facts(TransactionStarted)) == len(bench.facts(TransactionEnded)) == 1
    (record,) = bench.store.records.of(transaction.transaction_id)
    assert (record.verdict, record.released_at) == ("valid", bench.clock.now().isoformat())


async def test_an_input_is_finished_although_who_gave_it_is_cancelled(bench: Bench) -> None:
    await bench.charge()
    bench.meters[1].gate.clear()
    handler = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.settle()
    assert bench.state().stage is Stage.CLOSING

    handler.cancel()
    await asyncio.wait([handler])
    bench.meters[1].gate.set()
    await bench.clock.settle()

    assert handler.cancelled()
    assert bench.state().stage is Stage.FINISHED
    assert len(bench.meters[1].releases) == 1


async def test_a_cancelled_begin_still_begins(bench: Bench) -> None:
    await bench.feed(Plugged())
    bench.meters[1].gate.clear()
    handler = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()

    handler.cancel()
    await asyncio.wait([handler])
    bench.meters[1].gate.set()
    await bench.clock.settle()

    assert bench.state().stage is Stage.CHARGING
    assert bench.outlets[1].closed


async def test_an_input_waits_until_the_one_before_has_been_finished(bench: Bench) -> None:
    await bench.feed(Plugged())
    bench.meters[1].gate.clear()
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.settle()
    assert bench.state().stage is Stage.OPENING

    bench.meters[1].gate.set()
    await asyncio.gather(begin, stop)

    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.REMOTE
    assert bench.state().stage is Stage.FINISHED


async def test_two_tokens_at_once_begin_one_session(bench: Bench) -> None:
    await bench.feed(Plugged())

    await asyncio.gather(bench.feed(SOMEBODY), bench.feed(SOMEBODY))

    assert len(bench.meters[1].begins) == 1
    assert len(bench.facts(TransactionStarted)) == 1


async def test_a_vehicle_that_leaves_while_the_meter_begins_gets_no_power(bench: Bench) -> None:
    bench.outlets[1].plug_in(Vehicle())
    await bench.feed(Plugged())
    bench.meters[1].gate.clear()
    begin = asyncio.create_task(bench.feed(SOMEBODY))
    await bench.clock.settle()

    bench.outlets[1].plug_out()
    bench.meters[1].gate.set()
    await begin
    await bench.feed(Unplugged())  # as the board tells it, too

    assert "close" not in bench.outlets[1].orders
    (ended,) = bench.facts(TransactionEnded)
    assert ended.reason is StopReason.EV_DISCONNECTED
    assert bench.state().stage is Stage.AVAILABLE
    assert len(bench.meters[1].releases) == 1


async def test_a_disk_that_refuses_takes_no_new_session(bench: Bench, disk: Disk) -> None:
    await bench.feed(Plugged())
    disk.full = True

    with pytest.raises(StoreError, match="full"):
        await bench.feed(SOMEBODY)

    assert bench.state().stage is Stage.PLUGGED
    assert bench.meters[1].begins == []


async def test_a_disk_that_is_nearly_full_takes_no_new_session(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.feed(Plugged())
    monkeypatch.setattr(bench.store, "takes_sessions", lambda: False)

    with pytest.raises(StoreError, match="too full for a new session"):
        await bench.feed(SOMEBODY)

    assert bench.meters[1].begins == []


async def test_a_disk_that_is_nearly_full_lets_a_session_end(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.charge()
    monkeypatch.setattr(bench.store, "takes_sessions", lambda: False)

    await bench.feed(SOMEBODY)
    await bench.finish()

    assert len(bench.facts(TransactionEnded)) == 1


async def test_a_disk_that_refuses_does_not_keep_the_contactor_closed(
    bench: Bench, disk: Disk
) -> None:
    await bench.charge()
    disk.full = True
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.settle()

    assert not bench.outlets[1].closed
    assert bench.meters[1].ends == [], "the meter is told only what is stored"

    disk.full = False
    await bench.clock.advance(1)
    await stop
    assert len(bench.facts(TransactionEnded)) == 1


@pytest.mark.parametrize(
    "stop", [REMOTE_STOP, Unplugged(), FaultRaised(Fault("GroundFailure"))], ids=str
)
async def test_a_stop_opens_the_contactor_although_a_reading_waits_for_the_disk(
    bench: Bench, disk: Disk, stop: Any
) -> None:
    await bench.charge()
    disk.full = True
    taken = ReadingTaken(await bench.meters[1].read(), Context.PERIODIC)
    reading = asyncio.create_task(bench.feed(taken))
    await bench.clock.settle()
    assert bench.outlets[1].closed

    stopping = asyncio.create_task(bench.feed(stop))
    await bench.clock.settle()

    assert not bench.outlets[1].closed
    disk.full = False
    await bench.clock.advance(2)
    await asyncio.gather(reading, stopping)
    assert not bench.outlets[1].closed
    assert bench.state().faulted or len(bench.facts(TransactionEnded)) == 1


async def test_a_contactor_that_sticks_while_the_disk_refuses_loses_no_input(
    bench: Bench, disk: Disk
) -> None:
    await bench.charge()
    disk.full = True
    bench.outlets[1].fails["open"] = HardwareFault("welded")
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.advance(3)

    disk.full = False
    await bench.clock.advance(10)
    await stop

    assert len(bench.facts(TransactionEnded)) == 1
    assert [fault.error_code for fault in bench.state().faults] == [POWER_SWITCH_FAILURE]


async def test_a_disk_that_refuses_is_told_once_and_without_secrets(
    bench: Bench, disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.charge()
    bench.meters[1].gate.clear()
    stop = asyncio.create_task(bench.feed(REMOTE_STOP))
    await bench.clock.settle()
    disk.full = True
    bench.meters[1].gate.set()

    await bench.clock.advance(5)

    (said,) = [r.getMessage() for r in caplog.records if r.levelno == logging.ERROR]
    assert said == "EVSE 1: EndTaken cannot be stored: journal: database or disk is full"
    disk.full = False
    await bench.clock.advance(10)
    await stop


@pytest.mark.parametrize("order", ["close", "open"])
async def test_a_contactor_that_does_not_move_is_a_fault(bench: Bench, order: str) -> None:
    bench.outlets[1].fails[order] = HardwareFault("contactor 1: no feedback")

    await bench.charge()
    await bench.finish()

    assert bench.state().faults == (Fault(POWER_SWITCH_FAILURE, "contactor 1: no feedback"),)
    assert bench.facts(StatusChanged)[-1].fault.info == "contactor 1: no feedback"
    assert bench.outlets[1].orders[-1] == "open"


async def test_a_board_that_says_nothing_is_a_fault(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def silence() -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(runner_module, "HARDWARE_TIMEOUT_S", 0.01)
    monkeypatch.setattr(bench.evse().runner, "outlet", Silent(bench, silence))

    await bench.charge()

    (fault,) = bench.state().faults
    assert fault == Fault(POWER_SWITCH_FAILURE, "no confirmation within 0.01 s")


class Silent:
    """An outlet whose contactor does not answer when it is to close."""

    def __init__(self, bench: Bench, close: Callable[[], Any]) -> None:
        self.seen = bench.outlets[1].seen
        self.open_contactor = bench.outlets[1].open_contactor
        self.close_contactor = close


async def test_after_a_restart_a_repaired_contactor_serves_again(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path) as bench:
        bench.outlets[1].fails["close"] = HardwareFault("stuck")
        await bench.charge()
        await bench.finish()
        assert bench.state().faulted

    async with station_bench(tmp_path, clock=bench.clock, running=True) as bench:
        assert not bench.state().faulted


async def test_after_a_restart_a_welded_contactor_is_found_again(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.outlets[1].fails["open"] = HardwareFault("welded")
        await bench.charge()
        await bench.finish()

    async with station_bench(tmp_path, clock=bench.clock) as bench:
        bench.outlets[1].fails["open"] = HardwareFault("welded")
        await bench.evse().runner.recover()

        assert bench.state().faulted


async def test_facts_of_a_time_without_csms_are_marked(bench: Bench) -> None:
    await bench.feed(Plugged())
    bench.session.online = False
    await bench.feed(SOMEBODY)

    marks = {type(entry.fact): entry.offline for entry in bench.journal()}

    assert set(marks) == {StatusChanged, TransactionStarted, TransactionUpdated}
    assert all(marks.values())


async def test_an_input_that_means_nothing_wakes_nobody(bench: Bench) -> None:
    await bench.feed(Unplugged(), VehicleReady(ready=False), FaultCleared("OtherError"))

    assert bench.woken == []
    assert bench.journal() == []


async def test_an_authorization_without_vehicle_ends_at_its_deadline(alive: Bench) -> None:
    await alive.feed(SOMEBODY)

    await alive.clock.advance(59.9)
    assert alive.state().stage is Stage.AUTHORIZED
    await alive.clock.advance(0.2)

    assert alive.state().stage is Stage.AVAILABLE


async def test_a_new_authorization_gets_a_whole_deadline(alive: Bench) -> None:
    await alive.feed(SOMEBODY)
    await alive.clock.advance(50)
    await alive.feed(REMOTE_STOP, SOMEBODY)

    await alive.clock.advance(50)

    assert alive.state().stage is Stage.AUTHORIZED


@pytest.mark.parametrize("years", [-50, 50])
async def test_a_clock_that_was_set_does_not_move_a_deadline(alive: Bench, years: int) -> None:
    await alive.feed(SOMEBODY)
    await alive.clock.settle()

    alive.clock.set_wall(alive.clock.now() + timedelta(days=365 * years))
    await alive.clock.advance(50)
    assert alive.state().stage is Stage.AUTHORIZED
    await alive.clock.advance(11)

    assert alive.state().stage is Stage.AVAILABLE


async def test_a_state_is_found_again_after_a_restart(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        await bench.charge()
        before = bench.state()

    async with station_bench(tmp_path, clock=bench.clock, meters=bench.meters) as bench:
        assert bench.state() == before
        assert isinstance(bench.state(), EvseState)


async def test_life_ends_in_the_middle_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        transaction = await bench.charge()
        bench.meters[1].gate.clear()
        stop = asyncio.create_task(bench.feed(REMOTE_STOP))
        await bench.clock.settle()
    await asyncio.wait([stop])
    bench.meters[1].gate.set()

    again = station_bench(tmp_path, clock=bench.clock, meters=bench.meters, running=True)
    async with again as bench:
        await bench.clock.advance(1)
        (ended,) = bench.facts(TransactionEnded)

    assert (ended.reason, ended.verdict) == (StopReason.REMOTE, "valid")
    assert bench.meters[1].releases == [transaction.transaction_id]


@pytest.mark.parametrize(
    "given", [REMOTE_STOP, Unplugged(), FaultRaised(Fault("GroundFailure"))], ids=str
)
async def test_what_happens_while_the_meter_begins_counts_before_the_contactor_closes(
    bench: Bench, given: Any
) -> None:
    bench.meters[1].gate.clear()
    beginning = asyncio.create_task(bench.charge())
    await bench.clock.settle()
    happening = asyncio.create_task(bench.feed(given))
    await bench.clock.settle()
    bench.meters[1].gate.set()
    await asyncio.gather(beginning, happening, return_exceptions=True)

    assert "close" not in bench.outlets[1].orders
    if isinstance(given, FaultRaised):
        await bench.feed(FaultCleared("GroundFailure"))
        assert bench.outlets[1].closed
    else:
        assert len(bench.facts(TransactionEnded)) == 1
