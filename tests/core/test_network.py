"""Which network profiles may be stored and used, and which comes next."""

from dataclasses import replace
from datetime import timedelta

import pytest

from chargepoint.core.network import NetworkProfile, Walk, check_priority, check_profile
from chargepoint.errors import Refused

PLAIN = NetworkProfile("ws://csms.example/ocpp", 1, timedelta(seconds=30), "Wired0")
SECURE = replace(PLAIN, url="wss://csms.example/ocpp", security_profile=2)


@pytest.mark.parametrize("slot", [1, 2, 3, 4])
@pytest.mark.parametrize("profile", [PLAIN, SECURE, replace(SECURE, security_profile=3)])
def test_a_profile_at_least_as_secure_may_be_stored(slot: int, profile: NetworkProfile) -> None:
    check_profile(slot, profile, security=1, downgrade=False)


@pytest.mark.parametrize(
    ("slot", "profile", "reason"),
    [
        (0, PLAIN, "InvalidConfSlot"),
        (999, PLAIN, "InvalidConfSlot"),
        (2, replace(PLAIN, security_profile=0), "NoSecurityDowngrade"),
        (2, replace(SECURE, security_profile=4), "InvalidNetworkConf"),
        (2, replace(PLAIN, url="wss://csms.example"), "InvalidNetworkConf"),
        (2, replace(SECURE, url="ws://csms.example"), "InvalidNetworkConf"),
        (2, replace(PLAIN, url="ws://user@csms.example"), "InvalidNetworkConf"),
        (2, replace(PLAIN, url="ws://csms.example:port"), "InvalidNetworkConf"),
        (2, replace(PLAIN, url="ws:///ocpp"), "InvalidNetworkConf"),
        (2, replace(PLAIN, url="ws://@csms.example"), "InvalidNetworkConf"),
    ],
)
def test_a_profile_that_cannot_be_is_refused(
    slot: int, profile: NetworkProfile, reason: str
) -> None:
    with pytest.raises(Refused) as refused:
        check_profile(slot, profile, security=1, downgrade=False)

    assert refused.value.reason == reason


@pytest.mark.spec("2.0.1", "B09.FR.31")
@pytest.mark.parametrize(
    ("current", "wanted", "downgrade", "allowed"),
    [(3, 2, True, True), (3, 2, False, False), (3, 1, True, False), (2, 1, True, False)],
)
def test_only_the_way_back_from_3_to_2_can_be_allowed(
    *, current: int, wanted: int, downgrade: bool, allowed: bool
) -> None:
    profile = SECURE if wanted > 1 else PLAIN
    found = True
    try:
        check_profile(2, profile, security=current, downgrade=downgrade)
    except Refused:
        found = False

    assert found is allowed


def _not_below_2(security: int) -> None:
    if security < 2:
        raise Refused("less secure")


@pytest.mark.parametrize("slots", [("3",), ("1", "3"), ("2", "1")])
def test_an_empty_or_forbidden_slot_is_not_tried(slots: tuple[str, ...]) -> None:
    with pytest.raises(Refused):
        check_priority(slots, {1: 1, 2: 2}, _not_below_2)


def test_filled_slots_may_be_tried() -> None:
    check_priority(("2",), {1: 1, 2: 2}, _not_below_2)


@pytest.mark.parametrize(
    ("place", "usable", "slots"),
    [(1, {2, 3}, [2, 3, 2]), (0, {2, 3}, [1, 2, 3]), (2, {1}, [3, 1, 3]), (1, set(), [2, 2, 2])],
)
def test_a_walk_goes_on_without_what_may_not_be_used(
    place: int, usable: set[int], slots: list[int]
) -> None:
    walk = Walk((1, 2, 3), place)

    assert _slots(walk.only(usable), 1, 3) == slots


def _slots(walk: Walk, attempts: int, count: int) -> list[int]:
    slots = []
    for _ in range(count):
        slots.append(walk.slot)
        walk = walk.failed(attempts)
    return slots


@pytest.mark.parametrize(
    ("priority", "available", "good", "attempts", "slots"),
    [
        (("1",), {1}, None, 3, [1, 1, 1, 1]),
        (("2", "1"), {1, 2}, None, 2, [2, 2, 1, 1, 2]),
        (("2",), {1, 2}, 1, 1, [2, 1, 2, 1]),
        (("2", "3"), {1, 3}, 2, 1, [3, 3]),
        (("4",), {1, 2}, None, 1, [1, 1]),
    ],
    ids=["one", "in order", "back to what worked", "empty left out", "none of the list"],
)
def test_slots_are_walked(
    priority: tuple[str, ...],
    available: set[int],
    good: int | None,
    attempts: int,
    slots: list[int],
) -> None:
    assert _slots(Walk.of(priority, available, good), attempts, len(slots)) == slots
