"""A token for any of several EVSEs charges where its vehicle is plugged, whichever was chosen."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from commit_cuts import keep_cuts
from fake_clock import START, FakeClock
from station_bench import TOKEN, Bench, station_bench

from chargepoint.core.authorization import Known
from chargepoint.core.facts import TransactionEnded, TransactionStarted
from chargepoint.core.inputs import Plugged
from chargepoint.core.model import IdToken, Source, Stage
from chargepoint.core.reservation import Reservation
from chargepoint.hardware.simulated import Vehicle
from chargepoint.store.sqlite import Store

THREE = (("cType2",), ("cType2",), ("cType2",))
OTHER = IdToken("DDEEFF0011")
HOUR = timedelta(hours=1)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with station_bench(tmp_path, connectors=THREE, running=True) as bench:
        yield bench


async def swipe(bench: Bench, *evse_ids: int, token: IdToken = TOKEN) -> None:
    bench.station.present(token, evse_ids)
    await bench.clock.settle()


async def plug(bench: Bench, *evse_ids: int) -> None:
    """Vehicles that come at the same moment."""
    for evse_id in evse_ids:
        bench.outlets[evse_id].plug_in(Vehicle())
    await bench.clock.settle()


def stages(bench: Bench) -> list[str]:
    return [str(bench.state(evse_id).stage) for evse_id in bench.outlets]


def started(bench: Bench) -> list[tuple[int, IdToken]]:
    return [(fact.evse_id, fact.token) for fact in bench.facts(TransactionStarted)]


@pytest.mark.spec("2.0.1", "E03.FR.01")
@pytest.mark.parametrize("evse_id", [1, 2, 3])
async def test_a_token_of_the_station_s_reader_goes_to_its_vehicle(
    bench: Bench, evse_id: int
) -> None:
    await swipe(bench)
    assert stages(bench) == ["authorized", "available", "available"]

    await plug(bench, evse_id)

    assert started(bench) == [(evse_id, TOKEN)]
    assert [outlet.closed for outlet in bench.outlets.values()] == [
        number == evse_id for number in (1, 2, 3)
    ]
    assert {"authorized", "plugged"}.isdisjoint(stages(bench))


@pytest.mark.parametrize("readers", [(1,), (1, 2)])
async def test_a_token_stays_where_its_reader_serves(
    bench: Bench, readers: tuple[int, ...]
) -> None:
    await swipe(bench, *readers)

    await plug(bench, 3)

    assert stages(bench) == ["authorized", "available", "plugged"]


async def test_a_token_goes_only_where_the_csms_lets_it(bench: Bench) -> None:
    bench.session.says[TOKEN.value] = Known("Accepted", Source.CSMS, evse_ids=(1, 2))
    await swipe(bench)

    await plug(bench, 3)
    assert stages(bench) == ["authorized", "available", "plugged"]
    await plug(bench, 2)

    assert started(bench) == [(2, TOKEN)]


async def test_nobody_charges_on_one_of_two_tokens_that_wait(bench: Bench) -> None:
    await swipe(bench)
    await swipe(bench, token=OTHER)

    await plug(bench, 3)
    assert stages(bench) == ["authorized", "authorized", "plugged"]
    await plug(bench, 2)

    assert started(bench) == [(2, OTHER)]


async def test_an_authorization_that_ran_out_goes_nowhere(bench: Bench) -> None:
    await swipe(bench)
    await bench.clock.advance(61)

    await plug(bench, 2)

    assert stages(bench) == ["available", "plugged", "available"]


async def test_a_token_that_was_taken_back_goes_nowhere(bench: Bench) -> None:
    await swipe(bench)
    await swipe(bench)

    await plug(bench, 2)

    assert stages(bench) == ["available", "plugged", "available"]


async def test_one_token_charges_one_of_two_vehicles(bench: Bench) -> None:
    await swipe(bench)

    await plug(bench, 2, 3)

    assert len(started(bench)) == 1
    assert sorted(stages(bench)) == ["available", "charging", "plugged"]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
async def test_the_vehicle_at_the_chosen_evse_comes_before_others(
    bench: Bench, order: tuple[int, int]
) -> None:
    await swipe(bench)

    await plug(bench, *order)

    assert stages(bench) == ["charging", "plugged", "available"]
    assert started(bench) == [(1, TOKEN)]


async def test_a_vehicle_that_the_board_sees_before_it_tells_is_not_robbed(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=THREE) as bench:
        await bench.station.authorizer.present(TOKEN)
        bench.outlets[1].plug_in(Vehicle())
        await bench.feed(Plugged(), evse_id=2)
        await bench.station.authorizer.plugged(bench.evse(2).runner)

        await bench.feed(Plugged(), evse_id=1)

        assert stages(bench) == ["charging", "plugged", "available"]


async def test_a_vehicle_that_comes_while_the_token_is_taken_in_is_not_forgotten(
    bench: Bench,
) -> None:
    presented = asyncio.create_task(bench.station.authorizer.present(TOKEN))
    while bench.state(1).stage is not Stage.AUTHORIZED:
        if bench.outlets[2].vehicle is None:
            bench.outlets[2].plug_in(Vehicle())
        await asyncio.sleep(0)
    await presented
    await bench.clock.settle()

    assert started(bench) == [(2, TOKEN)]
    assert bench.state(1).stage is Stage.AVAILABLE


@pytest.mark.spec("2.0.1", "H03.FR.01")
@pytest.mark.parametrize(
    ("reservation", "where"),
    [
        (Reservation(7, START + HOUR, TOKEN, evse_id=1), []),
        (Reservation(7, START + HOUR, TOKEN, connector_type="cType2"), []),
        (Reservation(7, START + HOUR, TOKEN), [(2, TOKEN)]),
        (Reservation(7, START + HOUR, OTHER, evse_id=2), []),
    ],
    ids=["an EVSE", "a type", "any EVSE", "by somebody else"],
)
async def test_what_was_reserved_stays_reserved(
    bench: Bench, reservation: Reservation, where: list[tuple[int, IdToken]]
) -> None:
    bench.station.reservations.reserve(reservation)
    await bench.clock.settle()
    await swipe(bench)

    await plug(bench, 2)

    assert started(bench) == where
    if where:
        assert bench.facts(TransactionStarted)[0].reservation_id == 7
        assert bench.station.reservations.known == ()


@pytest.mark.spec("2.0.1", "F02.FR.01")
@pytest.mark.parametrize(("anywhere", "where"), [(True, [(2, TOKEN)]), (False, [])])
async def test_a_remote_start_goes_elsewhere_only_if_it_named_no_evse(
    bench: Bench, where: list[tuple[int, IdToken]], *, anywhere: bool
) -> None:
    runner = bench.evse(1).runner
    await bench.station.authorizer.start_remotely(runner, TOKEN, 9, ask=False, anywhere=anywhere)

    await plug(bench, 2)

    assert started(bench) == where
    assert [fact.remote_start_id for fact in bench.facts(TransactionStarted)] == [9] * len(where)


async def test_a_remote_start_that_named_no_evse_goes_where_the_csms_lets_it(bench: Bench) -> None:
    bench.session.says[TOKEN.value] = Known("Accepted", Source.CSMS, evse_ids=(3,))
    runner = bench.evse(1).runner

    await bench.station.authorizer.start_remotely(runner, TOKEN, 9, ask=True, anywhere=True)

    assert stages(bench) == ["available", "available", "authorized"]


async def test_wherever_the_power_goes_one_token_gives_one_session_or_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuts = keep_cuts(tmp_path, monkeypatch)
    async with station_bench(tmp_path, connectors=THREE, running=True) as bench:
        await swipe(bench)
        await plug(bench, 2)
        assert started(bench) == [(2, TOKEN)]
    monkeypatch.undo()
    between = 0

    for folder in cuts:
        with Store(folder / "state", "CP1") as store:
            left = [str(store.load(evse_id).stage) for evse_id in (1, 2, 3)]
        between += left == ["available", "plugged", "available"]
        async with station_bench(
            folder, connectors=THREE, clock=FakeClock(), running=True
        ) as bench:
            assert not any(outlet.closed for outlet in bench.outlets.values()), left
            assert set(stages(bench)) == {"available"}, left
            told = [fact.transaction_id for fact in bench.facts(TransactionStarted)]
            assert told == [fact.transaction_id for fact in bench.facts(TransactionEnded)], left
            await swipe(bench)
            await plug(bench, 2)
            assert started(bench)[len(told) :] == [(2, TOKEN)], left
    assert between >= 1, "the cut between taking back and giving"
