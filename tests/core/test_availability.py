"""The one status of a connector that is true now."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chargepoint.core.availability import AVAILABILITY, connector_status, status
from chargepoint.core.facts import Status
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
