"""Who may use which EVSE while some are reserved, as tables."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.model import EvseState, Fault, IdToken, Scope, Stage
from chargepoint.core.reservation import Answer, Outlet, Reservation, Use, answer, entitled, lost
from chargepoint.core.reservation import use as use_of

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ANN, BOB, EVE = IdToken("AA01"), IdToken("BB02"), IdToken("EE03")
FLEET = IdToken("FLEET")
DOWN = frozenset({Scope.EVSE})
BROKEN = (Fault("OtherError"),)


def reserved(reservation_id: int = 1, token: IdToken = ANN, **more: object) -> Reservation:
    return Reservation(reservation_id, NOW + timedelta(hours=1), token, **more)  # type: ignore[arg-type]


def outlet(evse_id: int = 1, *types: str, given: bool = False, **state: object) -> Outlet:
    known = EvseState(evse_id, **state)  # type: ignore[arg-type]
    return Outlet(known, types or ("cType2",), given=given)


TWO = [outlet(1), outlet(2)]
MIXED = [outlet(1), outlet(2, "cCCS2", "cType2")]

ANSWERS: dict[str, tuple[Reservation, list[Reservation], list[Outlet], str]] = {
    "a free EVSE": (reserved(evse_id=1), [], TWO, "Accepted"),
    "an EVSE that is not there": (reserved(evse_id=9), [], TWO, "Rejected"),
    "reserved": (reserved(2, BOB, evse_id=1), [reserved(evse_id=1)], TWO, "Occupied"),
    "reserved by the same": (reserved(2, evse_id=1), [reserved(evse_id=1)], TWO, "Occupied"),
    "the same id again": (reserved(token=BOB, evse_id=1), [reserved(evse_id=1)], TWO, "Accepted"),
    "the same id elsewhere": (reserved(evse_id=2), [reserved(evse_id=1)], TWO, "Accepted"),
    "a vehicle": (reserved(evse_id=1), [], [outlet(stage=Stage.PLUGGED)], "Occupied"),
    "somebody may come": (reserved(evse_id=1), [], [outlet(stage=Stage.AUTHORIZED)], "Occupied"),
    "just given away": (reserved(evse_id=1), [], [outlet(given=True)], "Occupied"),
    "broken": (reserved(evse_id=1), [], [outlet(faults=BROKEN)], "Faulted"),
    "out of order": (reserved(evse_id=1), [], [outlet(inoperative=DOWN)], "Unavailable"),
    "broken and out of order": (
        reserved(evse_id=1),
        [],
        [outlet(faults=BROKEN, inoperative=DOWN)],
        "Faulted",
    ),
    "its only connector is out of order": (
        reserved(evse_id=1),
        [],
        [outlet(closed=frozenset({1}))],
        "Unavailable",
    ),
    "one of two connectors is out of order": (
        reserved(evse_id=2),
        [],
        [outlet(2, "cCCS2", "cType2", closed=frozenset({1}))],
        "Accepted",
    ),
    "that very connector is": (
        reserved(evse_id=2, connector_id=1),
        [],
        [outlet(2, "cCCS2", "cType2", closed=frozenset({1}))],
        "Unavailable",
    ),
    "anywhere": (reserved(), [], TWO, "Accepted"),
    "anywhere, the last one": (reserved(2), [reserved(1)], TWO, "Accepted"),
    "anywhere, all reserved": (reserved(3), [reserved(1), reserved(2)], TWO, "Occupied"),
    "anywhere, all reserved by name": (
        reserved(3),
        [reserved(1, evse_id=1), reserved(2, evse_id=2)],
        TWO,
        "Occupied",
    ),
    "by name, the rest is for the others": (
        reserved(3, evse_id=1),
        [reserved(1), reserved(2)],
        TWO,
        "Occupied",
    ),
    "anywhere, all in use": (
        reserved(),
        [],
        [outlet(1, stage=Stage.CHARGING), outlet(2, stage=Stage.FINISHED)],
        "Occupied",
    ),
    "anywhere, all out of order": (
        reserved(),
        [],
        [outlet(1, inoperative=DOWN), outlet(2, inoperative=DOWN)],
        "Unavailable",
    ),
    "anywhere, one broken, one in use": (
        reserved(),
        [],
        [outlet(1, faults=BROKEN), outlet(2, stage=Stage.CHARGING)],
        "Occupied",
    ),
    "a type": (reserved(connector_type="cCCS2"), [], MIXED, "Accepted"),
    "a type that is not there": (reserved(connector_type="cTesla"), [], MIXED, "Rejected"),
    "a type at an EVSE without it": (
        reserved(evse_id=1, connector_type="cCCS2"),
        [],
        MIXED,
        "Rejected",
    ),
    "a type, all of it reserved": (
        reserved(2, connector_type="cCCS2"),
        [reserved(1, connector_type="cCCS2")],
        MIXED,
        "Occupied",
    ),
    "the other type finds the other EVSE": (
        reserved(2, connector_type="cType2"),
        [reserved(1, connector_type="cCCS2")],
        MIXED,
        "Accepted",
    ),
    "an open one makes room for a type": (
        reserved(2, connector_type="cCCS2"),
        [reserved(1)],
        MIXED,
        "Accepted",
    ),
}


@pytest.mark.spec("2.0.1", "H01.FR.02")
@pytest.mark.spec("1.6", "5.13")
@pytest.mark.parametrize("row", ANSWERS.values(), ids=ANSWERS)
def test_reserve_now_is_answered(
    row: tuple[Reservation, list[Reservation], list[Outlet], str],
) -> None:
    wanted, known, outlets, expected = row

    assert answer(wanted, known, outlets) == expected


@pytest.mark.spec("2.0.1", "TC_H_19_CS")
@pytest.mark.parametrize(
    ("token", "group", "evse_id", "known", "expected"),
    [
        (ANN, None, 1, [reserved(evse_id=1)], Use(True, 1)),
        (EVE, None, 1, [reserved(evse_id=1)], Use(False)),
        (EVE, None, 2, [reserved(evse_id=1)], Use(True)),
        (ANN, None, 2, [reserved(evse_id=1)], Use(True)),
        (BOB, FLEET, 1, [reserved(evse_id=1, group=FLEET)], Use(True, 1)),
        (FLEET, None, 1, [reserved(evse_id=1, group=FLEET)], Use(False)),
        (BOB, FLEET, 1, [reserved(evse_id=1)], Use(False)),
        (EVE, None, 1, [reserved()], Use(True)),
        (EVE, None, 1, [reserved(), reserved(2, BOB)], Use(False)),
        (BOB, None, 1, [reserved(), reserved(2, BOB)], Use(True, 2)),
        (ANN, None, 1, [reserved(), reserved(2, evse_id=1)], Use(True, 2)),
        (EVE, None, 2, [reserved(), reserved(2, evse_id=1)], Use(False)),
    ],
    ids=[
        "who reserved",
        "somebody else",
        "somebody else, elsewhere",
        "who reserved, elsewhere",
        "one of the group",
        "the group itself is no member",
        "another group",
        "one is left for who reserved",
        "none is left",
        "both have reserved",
        "the very EVSE is used up first",
        "the rest is for the open one",
    ],
)
def test_a_token_may_use_what_is_not_kept_for_others(
    token: IdToken,
    group: IdToken | None,
    evse_id: int,
    known: list[Reservation],
    expected: Use,
) -> None:
    assert use_of(token, group, evse_id, known, TWO) == expected


def test_an_open_reservation_does_not_take_the_only_connector_of_a_type_from_another() -> None:
    known = [reserved(1, ANN), reserved(2, BOB, connector_type="cCCS2")]

    assert use_of(ANN, None, 2, known, MIXED) == Use(allowed=False)
    assert use_of(ANN, None, 1, known, MIXED) == Use(allowed=True, reservation_id=1)
    assert use_of(BOB, None, 2, known, MIXED) == Use(allowed=True, reservation_id=2)


@pytest.mark.spec("2.0.1", "TC_H_14_CS")
def test_all_evses_are_kept_once_there_are_as_many_reservations() -> None:
    one, both = [reserved(1)], [reserved(1), reserved(2, BOB)]

    assert [entitled(evse_id, one, TWO) for evse_id in (1, 2)] == [(), ()]
    assert [entitled(evse_id, both, TWO) for evse_id in (1, 2)] == [(1, 2), (1, 2)]


@pytest.mark.spec("2.0.1", "G01.FR.09")
def test_a_vehicle_plugged_at_a_kept_evse_changes_nothing() -> None:
    here = outlet(1, stage=Stage.PLUGGED, plugged=True, reserved_for=(1,))
    outlets = [here, outlet(2, stage=Stage.CHARGING)]

    assert entitled(1, [reserved(1)], outlets) == (1,)
    assert use_of(EVE, None, 1, [reserved(1)], outlets) == Use(allowed=False)


@pytest.mark.spec("2.0.1", "TC_H_08_CS")
def test_a_vehicle_plugged_at_another_evse_makes_the_last_one_kept() -> None:
    outlets = [outlet(1, stage=Stage.PLUGGED, plugged=True), outlet(2)]

    assert entitled(1, [reserved(1)], outlets) == ()
    assert entitled(2, [reserved(1)], outlets) == (1,)
    assert use_of(EVE, None, 1, [reserved(1)], outlets) == Use(allowed=True)
    assert use_of(ANN, None, 1, [reserved(1)], outlets) == Use(allowed=True, reservation_id=1)


def test_a_vehicle_that_came_while_its_evse_was_reserved_changes_nothing() -> None:
    outlets = [outlet(1, stage=Stage.PLUGGED, plugged=True), outlet(2)]

    assert entitled(1, [reserved(1, evse_id=1)], outlets) == (1,)
    assert use_of(EVE, None, 1, [reserved(1, evse_id=1)], outlets) == Use(allowed=False)


def test_an_evse_in_use_is_kept_for_nobody() -> None:
    assert entitled(1, [reserved(1, evse_id=1)], [outlet(1, stage=Stage.CHARGING)]) == ()


@pytest.mark.spec("2.0.1", "H01.FR.16")
@pytest.mark.parametrize(
    ("known", "outlets", "gone"),
    [
        ([reserved(evse_id=1)], TWO, []),
        ([reserved(evse_id=1)], [outlet(1, inoperative=DOWN), outlet(2)], [1]),
        ([reserved(evse_id=1)], [outlet(1, faults=BROKEN), outlet(2)], [1]),
        ([reserved(1)], [outlet(1, faults=BROKEN), outlet(2)], []),
        ([reserved(1), reserved(2)], [outlet(1, faults=BROKEN), outlet(2)], [2]),
        ([reserved(1), reserved(2)], [outlet(1), outlet(2, stage=Stage.CHARGING)], []),
        ([reserved(1), reserved(2, evse_id=2)], [outlet(1, faults=BROKEN), outlet(2)], [2]),
    ],
    ids=["fine", "out of order", "broken", "another is left", "the later goes", "busy", "by name"],
)
def test_what_cannot_be_kept_is_lost(
    known: list[Reservation], outlets: list[Outlet], gone: list[int]
) -> None:
    assert [r.reservation_id for r in lost(known, outlets)] == gone


def test_never_are_more_accepted_than_can_be_kept() -> None:
    """Whatever is asked in whatever order: each reservation finds an EVSE of its own."""
    outlets = [outlet(1), outlet(2, "cCCS2", "cType2"), outlet(3, "cCCS2")]
    wishes = [
        {},
        {"evse_id": 2},
        {"connector_type": "cCCS2"},
        {"connector_type": "cType2"},
        {"evse_id": 1},
    ]
    for order in itertools.product(wishes, repeat=4):
        known: list[Reservation] = []
        for number, wish in enumerate(order):
            wanted = reserved(number, **wish)
            if answer(wanted, known, outlets) is Answer.ACCEPTED:
                known.append(wanted)
        assert len(known) <= len(outlets)
        assert lost(known, outlets) == []
        for wanted in known:
            usable = [
                use_of(ANN, None, place.evse_id, [replace(wanted)], outlets) for place in outlets
            ]
            assert any(use.reservation_id == wanted.reservation_id for use in usable)
