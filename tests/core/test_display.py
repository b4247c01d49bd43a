"""The rules of the screens, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chargepoint.core.display import (
    Abilities,
    DisplayMessage,
    Priority,
    Scene,
    Screen,
    Situation,
    accept,
    current,
    matching,
    next_change,
    shown,
)
from chargepoint.core.model import (
    Authorization,
    EvseState,
    Fault,
    IdToken,
    Scope,
    Source,
    Stage,
    Text,
    Transaction,
)
from chargepoint.errors import Refused
from meters.model import Reading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)
ALL = Abilities(("ASCII", "UTF8", "HTML", "URI"))
IDLE = Scene(1, Situation.IDLE)
SESSION = Scene(1, Situation.CHARGING, "T1")
OWN = (Text("own"),)


def message(
    number: int = 1, priority: Priority = Priority.NORMAL_CYCLE, **more: object
) -> DisplayMessage:
    made = DisplayMessage(number, priority, Text(f"text {number}"))
    return replace(made, **more)  # type: ignore[arg-type]


FRONT, IN_FRONT = Priority.ALWAYS_FRONT, Priority.IN_FRONT


def contents(texts: tuple[Text, ...]) -> list[str]:
    return [text.content for text in texts]


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        ((), ["own"]),
        ((message(1), message(2)), ["own", "text 1", "text 2"]),
        ((message(1), message(2, IN_FRONT), message(3, IN_FRONT)), ["text 2", "text 3"]),
        ((message(1, FRONT), message(2, IN_FRONT)), ["text 1"]),
        ((message(1, FRONT, transaction_id="T1"), message(2, FRONT)), ["text 2"]),
        ((message(1, FRONT, starts=NOW + SECOND), message(2)), ["own", "text 2"]),
    ],
)
@pytest.mark.spec("2.0.1", "O01.FR.10")
def test_the_priority_decides_who_is_seen(
    kept: tuple[DisplayMessage, ...], expected: list[str]
) -> None:
    assert contents(shown(kept, SESSION, NOW, OWN)) == expected


@pytest.mark.parametrize(
    ("more", "scene", "seen"),
    [
        ({"situation": Situation.IDLE}, IDLE, True),
        ({"situation": Situation.IDLE}, SESSION, False),
        ({"situation": Situation.CHARGING}, SESSION, True),
        ({"transaction_id": "T1"}, SESSION, True),
        ({"transaction_id": "T1"}, IDLE, False),
        ({"transaction_id": "T2"}, SESSION, False),
        ({"starts": NOW}, IDLE, True),
        ({"starts": NOW + SECOND}, IDLE, False),
        ({"ends": NOW + SECOND}, IDLE, True),
        ({"ends": NOW}, IDLE, False),
        ({"screen": Screen("Display")}, IDLE, True),
        ({"screen": Screen("Display", evse_id=1)}, IDLE, True),
        ({"screen": Screen("Display", evse_id=2)}, IDLE, False),
    ],
)
def test_a_message_is_seen_where_and_when_it_belongs(
    more: dict[str, object], scene: Scene, *, seen: bool
) -> None:
    assert bool(shown((message(**more),), scene, NOW, ())) is seen


@pytest.mark.parametrize(
    ("kept", "new", "left"),
    [
        ((message(1), message(2)), message(1, IN_FRONT), [2, 1]),
        ((message(1, FRONT),), message(2, FRONT), [2]),
        ((message(1, FRONT),), message(2, IN_FRONT), [1, 2]),
        ((message(1, IN_FRONT),), message(2, FRONT), [1, 2]),
        ((message(1, FRONT),), message(2, FRONT, transaction_id="T1"), [1, 2]),
        ((message(1, FRONT),), message(2, FRONT, screen=Screen("Display", evse_id=1)), [1, 2]),
    ],
)
@pytest.mark.spec("2.0.1", "O06.FR.01")
def test_a_message_replaces_its_predecessor(
    kept: tuple[DisplayMessage, ...], new: DisplayMessage, left: list[int]
) -> None:
    after = accept(kept, new, ["T1"], ALL)

    assert [one.message_id for one in after] == left
    assert after[-1] is new


@pytest.mark.parametrize(
    ("new", "abilities", "reason"),
    [
        (message(), replace(ALL, priorities=("InFront",)), "NotSupportedPriority"),
        (message(), replace(ALL, formats=("ASCII",)), "NotSupportedMessageFormat"),
        (
            message(situation=Situation.FAULTED),
            replace(ALL, situations=("Idle",)),
            "NotSupportedState",
        ),
        (message(transaction_id="T9"), ALL, "UnknownTransaction"),
        (message(3), replace(ALL, most=2), "OutOfStorage"),
        (message(2**31), ALL, "InvalidValue"),
        (message(starts=NOW, ends=NOW), ALL, "InvalidValue"),
    ],
)
def test_what_the_screen_cannot_do_is_refused(
    new: DisplayMessage, abilities: Abilities, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        accept((message(1), message(2)), new, ["T1"], abilities)

    assert refused.value.reason == reason


def test_a_full_store_still_takes_a_successor() -> None:
    kept = (message(1), message(2))

    assert len(accept(kept, message(2, IN_FRONT), [], replace(ALL, most=2))) == 2


@pytest.mark.spec("2.0.1", "O02.FR.02")
def test_messages_go_with_their_time_and_their_session() -> None:
    kept = (message(1), message(2, ends=NOW), message(3, transaction_id="T1"))

    assert [m.message_id for m in current(kept, NOW, ["T1"])] == [1, 3]
    assert [m.message_id for m in current(kept, NOW - SECOND, [])] == [1, 2]


def test_the_next_change_is_the_next_edge_of_any_message() -> None:
    kept = (
        message(1, starts=NOW, ends=NOW + 3 * SECOND),
        message(2, starts=NOW + 2 * SECOND),
        message(3),
    )

    assert next_change(kept, NOW) == NOW + 2 * SECOND
    assert next_change(kept, NOW + 3 * SECOND) is None


@pytest.mark.parametrize(
    ("criteria", "found"),
    [
        ({}, [1, 2, 3]),
        ({"ids": [2, 9]}, [2]),
        ({"ids": [9]}, []),
        ({"priority": IN_FRONT}, [2]),
        ({"situation": Situation.IDLE}, [3]),
        ({"ids": [2], "situation": Situation.IDLE}, []),
    ],
)
def test_every_criterion_counts(criteria: dict[str, object], found: list[int]) -> None:
    kept = (message(1), message(2, IN_FRONT), message(3, situation=Situation.IDLE))

    assert [m.message_id for m in matching(kept, **criteria)] == found  # type: ignore[arg-type]


WHO = Authorization(IdToken("04A1B2C3"), Source.CSMS)
RUNNING = Transaction("T1", NOW, WHO, Reading(NOW, ()))
PLUGGED = EvseState(1, plugged=True, authorization=WHO)


@pytest.mark.parametrize(
    ("state", "scene"),
    [
        (EvseState(1), IDLE),
        (replace(PLUGGED, stage=Stage.PLUGGED), IDLE),
        (replace(PLUGGED, stage=Stage.CHARGING, transaction=RUNNING), SESSION),
        (
            replace(PLUGGED, stage=Stage.CHARGING, transaction=RUNNING, limit_a=Decimal(0)),
            SESSION,
        ),
        (EvseState(1, inoperative=frozenset({Scope.EVSE})), Scene(1, Situation.UNAVAILABLE)),
        (EvseState(1, faults=(Fault("OtherError"),)), Scene(1, Situation.FAULTED)),
    ],
)
def test_the_scene_follows_from_the_state(state: EvseState, scene: Scene) -> None:
    assert Scene.of(state) == scene
