"""The power is cut after each commit of a story with reservations: none is half applied."""

from datetime import timedelta
from pathlib import Path

import pytest
from commit_cuts import Cuts, keep_cuts
from fake_clock import START, FakeClock
from station_bench import Bench, station_bench

from chargepoint.core.facts import TransactionStarted
from chargepoint.core.model import IdToken, Stage
from chargepoint.core.reservation import Reservation
from chargepoint.hardware.simulated import Vehicle

ANN, BOB = IdToken("AA01"), IdToken("BB02")
TWO = (("cType2",), ("cType2",))


@pytest.fixture
def cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cuts:
    return keep_cuts(tmp_path, monkeypatch)


async def story(bench: Bench) -> None:
    """Ann reserves and comes, Bob reserves and does not, the rest is cancelled or out of order."""
    hold, later = bench.station.reservations, START + timedelta(hours=1)
    hold.reserve(Reservation(1, later, ANN, evse_id=1))
    hold.reserve(Reservation(2, later, BOB))
    await bench.clock.settle()
    bench.outlets[1].plug_in(Vehicle())
    await bench.clock.settle()
    bench.station.present(ANN, (1,))
    await bench.clock.settle()
    hold.cancel(2)
    await bench.clock.settle()
    hold.reserve(Reservation(3, later, BOB, evse_id=2))
    await bench.clock.settle()
    await bench.station.set_availability(operative=False, evse_id=2)
    await bench.station.set_availability(operative=True, evse_id=2)
    hold.reserve(Reservation(4, later, BOB, evse_id=2))
    await bench.clock.advance(3600)


@pytest.mark.spec("2.0.1", "H01.FR.15")
async def test_no_reservation_is_half_applied_wherever_the_power_goes(
    tmp_path: Path, cuts: Cuts, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        await story(bench)
        assert bench.store.reservations.load() == []
        (started,) = bench.facts(TransactionStarted)
        assert started.reservation_id == 1
    monkeypatch.undo()
    assert cuts.count > 15

    for folder in cuts:
        async with station_bench(folder, connectors=TWO, clock=FakeClock(), running=True) as bench:
            known = {r.reservation_id: r for r in bench.station.reservations.known}
            waiting = {Stage.AVAILABLE, Stage.PLUGGED}
            for evse_id in (1, 2):
                state = bench.state(evse_id)
                kept = {r.reservation_id for r in known.values() if r.evse_id == evse_id}
                assert kept <= set(state.reserved_for), folder.name
                assert set(state.reserved_for) <= set(known), folder.name
                assert state.stage in waiting or not state.reserved_for, folder.name
            told = [fact.reservation_id for fact in bench.facts(TransactionStarted)]
            assert not (1 in told and 1 in known), "used up and still there"
