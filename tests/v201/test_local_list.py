"""Block D: the cases of the conformance index, and the limits."""

from typing import Any

import pytest

from chargepoint.core.model import IdToken
from chargepoint.core.variables_answers import Inventory
from chargepoint.csms.rpc import CallError
from chargepoint.errors import StoreError
from chargepoint.v201 import local_list

ACCEPTED = {"status": "Accepted"}
GROUP = {"idToken": "FLEET", "type": "Central"}


def item(token: str, info: dict[str, Any] | None = None, kind: str = "ISO14443") -> dict[str, Any]:
    one: dict[str, Any] = {"idToken": {"idToken": token, "type": kind}}
    return one if info is None else {**one, "idTokenInfo": info}


async def send(talk: Any, version: int, *items: dict[str, Any], full: bool) -> str:
    """SendLocalList; a list of nobody is left out, as the schema wants it."""
    payload: dict[str, Any] = {
        "versionNumber": version,
        "updateType": "Full" if full else "Differential",
    }
    if items:
        payload["localAuthorizationList"] = list(items)
    answer: str = (await talk.ask("SendLocalList", payload))["status"]
    return answer


async def version(talk: Any) -> int:
    number: int = (await talk.ask("GetLocalListVersion", {}))["versionNumber"]
    return number


def listed(talk: Any, *tokens: str) -> list[str]:
    """Which of the tokens are on the list, with their status."""
    found = [(t, talk.bench.store.local_list.known(IdToken(t))) for t in tokens]
    return [f"{token} {known.status}" for token, known in found if known]


@pytest.mark.spec("2.0.1", "TC_D_01_CS")
@pytest.mark.spec("2.0.1", "TC_D_08_CS")
async def test_a_whole_list_takes_the_place_of_the_old_one(talk: Any) -> None:
    assert await version(talk) == 0
    assert await send(talk, 1, item("A", ACCEPTED), full=True) == "Accepted"

    answer = await send(talk, 2, item("B", ACCEPTED), item("C", {"status": "Blocked"}), full=True)

    assert answer == "Accepted"
    assert listed(talk, "A", "B", "C") == ["B Accepted", "C Blocked"]
    assert await version(talk) == 2


@pytest.mark.spec("2.0.1", "TC_D_02_CS")
async def test_changes_add_and_change(talk: Any) -> None:
    await send(talk, 1, item("A", ACCEPTED), full=True)

    changes = (item("A", {"status": "Expired"}), item("B", {**ACCEPTED, "groupIdToken": GROUP}))
    assert await send(talk, 2, *changes, full=False) == "Accepted"

    assert listed(talk, "A", "B") == ["A Expired", "B Accepted"]
    assert await version(talk) == 2


@pytest.mark.spec("2.0.1", "TC_D_03_CS")
async def test_a_change_without_info_takes_the_token_away(talk: Any) -> None:
    await send(talk, 1, item("A", ACCEPTED), item("B", ACCEPTED), full=True)

    assert await send(talk, 2, item("a"), full=False) == "Accepted"

    assert listed(talk, "A", "B") == ["B Accepted"]
    assert await version(talk) == 2


@pytest.mark.spec("2.0.1", "TC_D_04_CS")
async def test_a_whole_list_of_nobody_empties_the_list(talk: Any) -> None:
    await send(talk, 1, item("A", ACCEPTED), full=True)

    assert await send(talk, 2, full=True) == "Accepted"

    assert listed(talk, "A") == []
    assert await version(talk) == 2


@pytest.mark.spec("2.0.1", "TC_D_05_CS")
async def test_no_changes_change_the_version_only(talk: Any) -> None:
    await send(talk, 1, item("A", ACCEPTED), full=True)

    assert await send(talk, 2, full=False) == "Accepted"

    assert listed(talk, "A") == ["A Accepted"]
    assert await version(talk) == 2


@pytest.mark.spec("2.0.1", "TC_D_06_CS")
@pytest.mark.parametrize("number", [4, 5])
async def test_changes_that_are_not_newer_change_nothing(talk: Any, number: int) -> None:
    await send(talk, 5, item("A", ACCEPTED), full=True)

    assert await send(talk, number, item("A"), full=False) == "VersionMismatch"

    assert listed(talk, "A") == ["A Accepted"]
    assert await version(talk) == 5


@pytest.mark.spec("2.0.1", "TC_D_10_CS")
async def test_a_list_that_is_switched_off_has_version_zero(talk: Any) -> None:
    await send(talk, 5, item("A", ACCEPTED), full=True)
    talk.bench.set("LocalAuthListEnabled", "false")

    assert await version(talk) == 0
    assert await send(talk, 6, full=True) == "Failed"
    talk.bench.set("LocalAuthListEnabled", "true")
    assert await version(talk) == 5


@pytest.mark.spec("2.0.1", "D01.FR.18")
@pytest.mark.parametrize(
    ("number", "items"),
    [
        (0, [item("B", ACCEPTED)]),
        (-1, [item("B", ACCEPTED)]),
        (6, [item("B", ACCEPTED), item("b", ACCEPTED)]),
        (6, [item("B")]),
    ],
    ids=["version zero", "negative", "twice", "without info"],
)
async def test_a_list_that_cannot_be_changes_nothing(
    talk: Any, number: int, items: list[dict[str, Any]]
) -> None:
    await send(talk, 5, item("A", ACCEPTED), full=True)

    assert await send(talk, number, *items, full=True) == "Failed"

    assert listed(talk, "A", "B") == ["A Accepted"]
    assert await version(talk) == 5


async def test_one_value_of_two_types_is_two_tokens(talk: Any) -> None:
    both = (item("A", ACCEPTED), item("A", {"status": "Blocked"}, "KeyCode"))

    assert await send(talk, 1, *both, full=True) == "Accepted"
    assert listed(talk, "A") == ["A Accepted"]


@pytest.mark.spec("2.0.1", "D01.FR.11")
@pytest.mark.spec("2.0.1", "D01.FR.12")
@pytest.mark.parametrize(
    ("bound", "most", "code"),
    [
        ("LIST_ITEMS_PER_MESSAGE", 2, "OccurrenceConstraintViolation"),
        ("LIST_BYTES_PER_MESSAGE", 200, "FormatViolation"),
    ],
)
async def test_a_message_that_is_too_long_is_refused(
    talk: Any, monkeypatch: pytest.MonkeyPatch, bound: str, most: int, code: str
) -> None:
    monkeypatch.setattr(local_list, bound, most)

    with pytest.raises(CallError) as error:
        await send(talk, 1, *(item(token, ACCEPTED) for token in "ABC"), full=True)

    assert error.value.code == code
    assert await version(talk) == 0


async def test_a_list_that_the_disk_refuses_is_failed(
    talk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(talk.bench.store.local_list, "apply", refuse)

    assert await send(talk, 1, item("A", ACCEPTED), full=True) == "Failed"


@pytest.mark.spec("2.0.1", "D02.FR.01")
async def test_the_device_model_tells_how_full_list_and_cache_are(talk: Any) -> None:
    await send(talk, 1, item("A", ACCEPTED), item("B", ACCEPTED), full=True)

    values = {row.address.variable: row for row in _rows(talk, "LocalAuthListCtrlr")}
    cache = {row.address.variable: row for row in _rows(talk, "AuthCacheCtrlr")}

    assert (values["Entries"].value, values["Entries"].limits.high) == ("2", 10_000)
    assert int(values["Storage"].value) > 0
    assert values["ItemsPerMessage"].value == "1000"
    assert values["BytesPerMessage"].value == "500000"
    assert (cache["Storage"].value, cache["Storage"].limits.high) == ("0", 500_000)


def _rows(talk: Any, component: str) -> list[Any]:
    rows = talk.bench.station.model.report(Inventory.FULL)
    return [row for row in rows if row.address.component == component]
