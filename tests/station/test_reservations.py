"""Reservations in a station that lives: what it does by itself, and when."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START
from station_bench import Bench, BenchMeter, station_bench

from chargepoint.core.facts import ReservationEnded, ReservationEnding, StatusChanged
from chargepoint.core.model import Fault, IdToken, Stage
from chargepoint.core.reservation import Answer, Reservation
from chargepoint.errors import StoreError
from chargepoint.hardware.api import BoardFault
from chargepoint.hardware.simulated import Vehicle

ANN, BOB, EVE = IdToken("AA01"), IdToken("BB02"), IdToken("EE03")
TWO = (("cType2",), ("cType2",))


def reservation(number: int = 1, token: IdToken = ANN, *, evse: int | None = 1) -> Reservation:
    return Reservation(number, START + timedelta(hours=1), token, evse_id=evse)


async def reserve(bench: Bench, wanted: Reservation) -> Answer:
    said = bench.station.reservations.reserve(wanted)
    await bench.station.reservations.arrange()
    return said


async def present(bench: Bench, token: IdToken, *evses: int) -> None:
    bench.station.present(token, evses)
    await bench.clock.settle()


def ends(bench: Bench) -> list[tuple[int, str]]:
    return [(fact.reservation_id, fact.ending) for fact in bench.facts(ReservationEnded)]


@pytest.fixture
async def alive(tmp_path: Path) -> AsyncIterator[Bench]:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        yield bench


@pytest.mark.spec("2.0.1", "H04.FR.01")
async def test_a_reservation_expires_at_its_moment(alive: Bench) -> None:
    await reserve(alive, reservation())

    await alive.clock.advance(3599)
    assert ends(alive) == []
    await alive.clock.advance(1)

    assert ends(alive) == [(1, ReservationEnding.EXPIRED)]
    assert alive.state().reserved_for == ()
    assert alive.store.reservations.load() == []


@pytest.mark.parametrize("number", [2**31, 2**70, -(2**31)])
async def test_an_id_of_more_than_32_bits_is_rejected(alive: Bench, number: int) -> None:
    assert await reserve(alive, reservation(number)) is Answer.REJECTED

    assert alive.store.reservations.load() == []


async def test_a_clock_that_is_set_is_noticed(alive: Bench) -> None:
    await reserve(alive, reservation())

    alive.clock.set_wall(START + timedelta(hours=2))
    await alive.clock.advance(10)

    assert ends(alive) == [(1, ReservationEnding.EXPIRED)]


async def test_an_expired_reservation_holds_nobody_up_even_before_it_is_told(alive: Bench) -> None:
    await reserve(alive, reservation())
    alive.clock.pass_time(3600)

    assert alive.station.reservations.use(1, EVE, None).allowed
    assert not alive.station.reservations.cancel(1)


async def test_a_fault_of_the_board_ends_the_reservation(alive: Bench) -> None:
    await reserve(alive, reservation())

    alive.outlets[1].fault(BoardFault("GroundFailure"))
    await alive.clock.settle()

    assert ends(alive) == [(1, ReservationEnding.REMOVED)]


async def test_a_warning_does_not(alive: Bench) -> None:
    await reserve(alive, reservation())

    await alive.station.set_fault(1, Fault("WeakSignal", blocks=False), active=True)

    assert ends(alive) == []


async def test_the_last_outlet_is_kept_as_soon_as_the_others_are_taken(alive: Bench) -> None:
    await reserve(alive, reservation(evse=None))
    assert alive.state(1).reserved_for == alive.state(2).reserved_for == ()

    alive.outlets[2].plug_in(Vehicle())
    await present(alive, EVE, 2)

    assert alive.state(2).stage is Stage.CHARGING
    assert alive.state(1).reserved_for == (1,)
    await present(alive, BOB, 1)
    assert alive.state(1).stage is Stage.AVAILABLE

    await present(alive, EVE, 2)
    alive.outlets[2].plug_out()
    await alive.clock.settle()
    assert alive.state(1).reserved_for == (), "another one is free again"


async def test_two_tokens_at_once_do_not_both_get_past_a_reservation(alive: Bench) -> None:
    """Of two outlets one is kept: whoever is second must not slip in while the first is begun."""
    await reserve(alive, reservation(evse=None))
    alive.session.gate.clear()
    alive.station.present(BOB, (1,))
    alive.station.present(EVE, (2,))
    await alive.clock.settle()

    alive.session.gate.set()
    await alive.clock.settle()

    assert {alive.state(1).stage, alive.state(2).stage} == {Stage.AUTHORIZED, Stage.AVAILABLE}


async def test_who_reserved_uses_it_once(alive: Bench) -> None:
    await reserve(alive, reservation())
    await present(alive, ANN, 1)
    assert alive.state(1).authorization is not None
    assert alive.state(1).authorization.reservation_id == 1
    await present(alive, ANN, 1)
    assert alive.state(1).stage is Stage.AVAILABLE

    await present(alive, EVE, 1)

    assert alive.state(1).stage is Stage.AUTHORIZED
    assert alive.store.reservations.load() == []


async def test_a_reservation_that_cannot_be_stored_is_none(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Reservation) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(alive.store.reservations, "put", full)

    with pytest.raises(StoreError):
        await reserve(alive, reservation())

    assert alive.station.reservations.known == ()
    await alive.station.reservations.arrange()
    assert alive.state(1).reserved_for == ()


async def test_a_cut_between_a_reservation_and_its_status_is_made_good(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        assert bench.station.reservations.reserve(reservation()) is Answer.ACCEPTED
        clock = bench.clock

    meters = {number: BenchMeter(clock=clock) for number in (1, 2)}
    async with station_bench(
        tmp_path, connectors=TWO, clock=clock, meters=meters, running=True
    ) as bench:
        assert bench.state(1).reserved_for == (1,)
        assert [fact.status for fact in bench.facts(StatusChanged)] == ["Reserved"]


async def test_a_cut_between_the_end_of_a_reservation_and_its_status_is_made_good(
    tmp_path: Path,
) -> None:
    async with station_bench(tmp_path, connectors=TWO) as bench:
        await reserve(bench, reservation())
        bench.station.reservations.cancel(1)
        clock = bench.clock

    meters = {number: BenchMeter(clock=clock) for number in (1, 2)}
    async with station_bench(
        tmp_path, connectors=TWO, clock=clock, meters=meters, running=True
    ) as bench:
        assert bench.state(1).reserved_for == ()


async def test_an_outlet_that_somebody_is_just_getting_cannot_be_reserved(alive: Bench) -> None:
    alive.station.reservations.given.add(1)

    assert await reserve(alive, reservation()) is Answer.OCCUPIED
    assert await reserve(alive, reservation(evse=None)) is Answer.ACCEPTED, "there is another one"


async def test_the_station_arranges_by_itself_if_the_answer_never_left(alive: Bench) -> None:
    alive.station.reservations.reserve(reservation())
    await alive.clock.settle()
    assert alive.state(1).reserved_for == (1,)

    alive.station.reservations.cancel(1)
    await alive.clock.settle()
    assert alive.state(1).reserved_for == ()
