"""The one status of a connector that is true now."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chargepoint.core.availability import (
    AVAILABILITY,
    Place,
    altered,
    availability,
    changes,
    connector_availability,
    connector_status,
    evse_availability,
    free,
    status,
    statuses_between,
)
from chargepoint.core.facts import Status, StatusChanged
from chargepoint.core.inputs import AvailabilityChanged, FaultCleared, FaultRaised
from chargepoint.core.model import (
    Authorization,
    ChargingState,
    EvseState,
    Fault,
    IdToken,
    Scope,
    Source,
    Stage,
    Transaction,
)
from meters.model import Reading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
RUNNING = Transaction("T1", NOW, Authorization(IdToken("AB12"), Source.CSMS), Reading(NOW))
CHARGING = EvseState(1, Stage.CHARGING, plugged=True, ev_ready=True, transaction=RUNNING)
BROKEN = (Fault("GroundFailure"),)
ODD = (Fault("EVCommunicationError"),)
OUT = frozenset({Scope.STATION})

ROWS = {
    "free": (EvseState(1), Status.AVAILABLE),
    "authorized": (EvseState(1, Stage.AUTHORIZED), Status.PREPARING),
    "plugged": (EvseState(1, Stage.PLUGGED, plugged=True), Status.PREPARING),
    "opening": (EvseState(1, Stage.OPENING, plugged=True), Status.PREPARING),
    "charging": (CHARGING, Status.CHARGING),
    "the vehicle pauses": (replace(CHARGING, ev_ready=False), Status.SUSPENDED_EV),
    "no vehicle any more": (replace(CHARGING, plugged=False), Status.SUSPENDED_EV),
    "we pause": (replace(CHARGING, limit_a=Decimal(0)), Status.SUSPENDED_EVSE),
    "energy denied": (replace(CHARGING, denied=True), Status.SUSPENDED_EVSE),
    "both pause": (replace(CHARGING, ev_ready=False, denied=True), Status.SUSPENDED_EVSE),
    "closing": (EvseState(1, Stage.CLOSING, plugged=True), Status.FINISHING),
    "finished": (EvseState(1, Stage.FINISHED, plugged=True), Status.FINISHING),
    "out of order": (EvseState(1, inoperative=OUT), Status.UNAVAILABLE),
    "out of order, a vehicle": (
        EvseState(1, Stage.PLUGGED, plugged=True, inoperative=OUT),
        Status.UNAVAILABLE,
    ),
    "out of order once it has ended": (replace(CHARGING, inoperative=OUT), Status.CHARGING),
    "out of order once it has begun": (EvseState(1, Stage.OPENING, inoperative=OUT), "Preparing"),
    "out of order once it is signed": (EvseState(1, Stage.CLOSING, inoperative=OUT), "Finishing"),
    "broken": (EvseState(1, faults=BROKEN), Status.FAULTED),
    "broken while charging": (replace(CHARGING, faults=BROKEN), Status.FAULTED),
    "broken and out of order": (EvseState(1, faults=BROKEN, inoperative=OUT), Status.FAULTED),
    "not understood": (EvseState(1, Stage.PLUGGED, plugged=True, faults=ODD), Status.PREPARING),
    "not understood while charging": (replace(CHARGING, faults=ODD), Status.SUSPENDED_EVSE),
    "a warning": (EvseState(1, faults=(Fault("WeakSignal", blocks=False),)), Status.AVAILABLE),
}


@pytest.mark.spec("2.0.1", "G03.FR.05")
@pytest.mark.parametrize(("state", "expected"), ROWS.values(), ids=ROWS)
def test_status_follows_from_the_state(state: EvseState, expected: str) -> None:
    assert status(state) == expected


def test_every_status_has_a_word_in_both_versions() -> None:
    assert set(AVAILABILITY) == set(Status)


@pytest.mark.spec("2.0.1", "G01.FR.08")
def test_the_connector_that_no_vehicle_uses_is_not_told_as_occupied() -> None:
    second = replace(CHARGING, connector_id=2)

    assert connector_status(second, 1) is Status.AVAILABLE
    assert connector_status(second, 2) is Status.CHARGING


@pytest.mark.parametrize(
    ("change", "expected"),
    [({"faults": BROKEN}, Status.FAULTED), ({"inoperative": OUT}, Status.UNAVAILABLE)],
)
def test_what_is_wrong_with_the_evse_is_wrong_with_all_its_connectors(
    change: dict[str, object], expected: Status
) -> None:
    assert connector_status(replace(CHARGING, connector_id=2, **change), 1) is expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (EvseState(1), ChargingState.IDLE),
        (EvseState(1, Stage.FINISHED, plugged=True), ChargingState.EV_CONNECTED),
        (CHARGING, ChargingState.CHARGING),
        (replace(CHARGING, ev_ready=False), ChargingState.SUSPENDED_EV),
        (replace(CHARGING, limit_a=Decimal(0)), ChargingState.SUSPENDED_EVSE),
    ],
)
def test_charging_state_tells_what_happens_between_outlet_and_vehicle(
    state: EvseState, expected: ChargingState
) -> None:
    assert state.charging_state is expected


def test_an_evse_is_busy_from_the_begin_reading_to_the_end_reading() -> None:
    busy = {stage for stage in Stage if EvseState(1, stage).busy}

    assert busy == {Stage.OPENING, Stage.CHARGING, Stage.CLOSING}


TWO_CONNECTORS = EvseState(2, connector_id=2)
FAULT_THERE = (Fault("ConnectorLockFailure", connector_id=1),)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (TWO_CONNECTORS, ("Available", "Available")),
        (replace(TWO_CONNECTORS, closed=frozenset({1})), ("Unavailable", "Available")),
        (replace(TWO_CONNECTORS, faults=FAULT_THERE), ("Faulted", "Available")),
        (replace(CHARGING, connector_id=2, closed=frozenset({1})), ("Unavailable", "Charging")),
        (replace(CHARGING, connector_id=2, closed=frozenset({2})), ("Available", "Charging")),
        (replace(CHARGING, connector_id=2, faults=FAULT_THERE), ("Faulted", "Charging")),
        (replace(TWO_CONNECTORS, reserved_for=(1,)), ("Reserved", "Reserved")),
        (
            replace(TWO_CONNECTORS, reserved_for=(1,), stage=Stage.PLUGGED, plugged=True),
            ("Reserved", "Reserved"),
        ),
        (
            replace(TWO_CONNECTORS, reserved_for=(1,), closed=frozenset({1})),
            ("Unavailable", "Reserved"),
        ),
        (replace(TWO_CONNECTORS, reserved_for=(1,), faults=BROKEN), ("Faulted", "Faulted")),
    ],
)
@pytest.mark.spec("2.0.1", "G01.FR.08")
@pytest.mark.spec("2.0.1", "G01.FR.09")
def test_each_connector_has_its_own_status(state: EvseState, expected: tuple[str, str]) -> None:
    assert (connector_status(state, 1), connector_status(state, 2)) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (TWO_CONNECTORS, "Available"),
        (replace(TWO_CONNECTORS, closed=frozenset({2})), "Available"),
        (replace(TWO_CONNECTORS, closed=frozenset({1, 2})), "Unavailable"),
        (replace(TWO_CONNECTORS, closed=frozenset({2}), faults=FAULT_THERE), "Faulted"),
        (replace(TWO_CONNECTORS, reserved_for=(1,), closed=frozenset({1})), "Reserved"),
        (replace(TWO_CONNECTORS, stage=Stage.AUTHORIZED), "Available"),
        (replace(CHARGING, connector_id=2, closed=frozenset({1})), "Occupied"),
        (replace(CHARGING, plugged=False), "Occupied"),
    ],
)
def test_an_evse_is_what_its_best_connector_is(state: EvseState, expected: str) -> None:
    assert evse_availability(state, 2) == expected


@pytest.mark.spec("2.0.1", "G01.FR.03")
def test_a_connector_that_waits_for_a_vehicle_is_not_occupied() -> None:
    waiting = EvseState(1, Stage.AUTHORIZED)

    assert connector_availability(waiting, 1) == "Available"
    assert availability(StatusChanged(1, 1, NOW, Status.PREPARING, vacant=True)) == "Available"
    assert availability(StatusChanged(1, 1, NOW, Status.PREPARING)) == "Occupied"


def test_a_change_of_the_evse_is_told_of_every_connector_the_used_one_first() -> None:
    out = altered(TWO_CONNECTORS, AvailabilityChanged(operative=False))

    told = [(f.connector_id, f.status) for f in statuses_between(TWO_CONNECTORS, out, NOW, 3)]

    assert told == [(2, "Unavailable"), (1, "Unavailable"), (3, "Unavailable")]


def test_what_works_again_at_the_evse_works_at_its_connectors() -> None:
    here, there = Fault("OtherError"), Fault("OtherError", connector_id=1)
    both = altered(altered(TWO_CONNECTORS, FaultRaised(here)), FaultRaised(there))

    assert both.faults == (here, there)
    assert altered(both, FaultCleared("OtherError", 1)).faults == (here,)
    assert altered(both, FaultCleared("OtherError")).faults == ()


def test_the_same_fault_again_is_one_fault_with_the_last_word() -> None:
    first, again = (
        Fault("OtherError", "a", connector_id=1),
        Fault("OtherError", "b", connector_id=1),
    )
    state = altered(altered(TWO_CONNECTORS, FaultRaised(first)), FaultRaised(again))

    assert state.faults == (again,)


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (replace(TWO_CONNECTORS, closed=frozenset({1})), True),
        (replace(TWO_CONNECTORS, closed=frozenset({1, 2})), False),
        (replace(TWO_CONNECTORS, closed=frozenset({2}), plugged=True), False),
        (replace(TWO_CONNECTORS, closed=frozenset({1}), plugged=True), True),
        (replace(TWO_CONNECTORS, faults=FAULT_THERE, plugged=True), True),
        (replace(TWO_CONNECTORS, inoperative=OUT), False),
    ],
)
def test_a_session_may_begin_where_the_vehicle_is_or_can_be(
    state: EvseState, *, expected: bool
) -> None:
    assert free(state, 2) is expected


EVSE_OPEN = AvailabilityChanged(operative=True, scope=Scope.EVSE)


def changed(scope: Scope, number: int = 1, *, operative: bool = True) -> AvailabilityChanged:
    return AvailabilityChanged(operative, scope, number)


@pytest.mark.parametrize(
    ("place", "operative", "expected"),
    [
        (Place(2), False, [(2, AvailabilityChanged(operative=False))]),
        (Place(2, 1), True, [(2, changed(Scope.CONNECTOR, 1))]),
        (
            Place(2, 1, thorough=True),
            True,
            [(2, EVSE_OPEN), (2, changed(Scope.CONNECTOR, 1))],
        ),
        (
            Place(2, 1, thorough=True),
            False,
            [(2, changed(Scope.CONNECTOR, 1, operative=False))],
        ),
        (
            Place(),
            True,
            [(number, changed(Scope.STATION)) for number in (1, 2)],
        ),
        (
            Place(thorough=True),
            False,
            [(number, changed(Scope.STATION, operative=False)) for number in (1, 2)],
        ),
        (
            Place(thorough=True),
            True,
            [
                (1, changed(Scope.STATION)),
                (1, EVSE_OPEN),
                (1, changed(Scope.CONNECTOR, 1)),
                (2, changed(Scope.STATION)),
                (2, EVSE_OPEN),
                (2, changed(Scope.CONNECTOR, 1)),
                (2, changed(Scope.CONNECTOR, 2)),
            ],
        ),
    ],
)
def test_a_change_has_its_parts(
    *, place: Place, operative: bool, expected: list[tuple[int, AvailabilityChanged]]
) -> None:
    assert list(changes(place, {1: 1, 2: 2}, operative=operative)) == expected
