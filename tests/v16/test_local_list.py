"""SendLocalList and GetLocalListVersion (sections 5.10, 5.15), and what the list is for."""

from typing import Any

import pytest

from chargepoint.core.inputs import Plugged
from chargepoint.core.model import IdToken, IdTokenType, Source, Stage
from chargepoint.errors import StoreError
from chargepoint.v16 import local_list

ACCEPTED = {"status": "Accepted"}


def item(tag: str, info: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"idTag": tag} if info is None else {"idTag": tag, "idTagInfo": info}


async def send(bench: Any, version: int, *items: dict[str, Any], full: bool) -> str:
    payload: dict[str, Any] = {"updateType": "Full" if full else "Differential"}
    if items:
        payload["localAuthorizationList"] = list(items)
    answer: str = (await bench.ask("SendLocalList", listVersion=version, **payload))["status"]
    return answer


async def version(bench: Any) -> int:
    number: int = (await bench.ask("GetLocalListVersion"))["listVersion"]
    return number


def listed(bench: Any, *tags: str) -> list[str]:
    found = [(tag, bench.station.store.local_list.known(IdToken(tag))) for tag in tags]
    return [f"{tag} {known.status}" for tag, known in found if known]


@pytest.mark.spec("1.6", "TC_042_2")
@pytest.mark.spec("1.6", "5.10")
async def test_an_empty_list_has_version_zero(bench: Any) -> None:
    assert await version(bench) == 0


@pytest.mark.spec("1.6", "TC_042_1")
@pytest.mark.spec("1.6", "TC_043_1")
@pytest.mark.spec("1.6", "9.2")
async def test_a_list_that_is_switched_off_is_not_supported(bench: Any) -> None:
    await send(bench, 3, item("A", ACCEPTED), full=True)
    bench.set("LocalAuthListEnabled", "false")

    assert await version(bench) == -1
    assert await send(bench, 4, full=True) == "NotSupported"
    bench.set("LocalAuthListEnabled", "true")
    assert (await version(bench), listed(bench, "A")) == (3, ["A Accepted"])


@pytest.mark.spec("1.6", "TC_043")
@pytest.mark.spec("1.6", "5.15")
async def test_a_whole_list_takes_the_place_of_the_old_one(bench: Any) -> None:
    assert await send(bench, 7, item("A", ACCEPTED), full=True) == "Accepted"

    assert await send(bench, 1, item("B", {"status": "Blocked"}), full=True) == "Accepted"

    assert (await version(bench), listed(bench, "A", "B")) == (1, ["B Blocked"])


@pytest.mark.spec("1.6", "TC_043")
@pytest.mark.spec("1.6", "5.15")
async def test_changes_add_change_and_take_away(bench: Any) -> None:
    await send(bench, 1, item("A", ACCEPTED), item("B", ACCEPTED), full=True)

    changes = (item("A"), item("b", {"status": "Expired"}), item("C", ACCEPTED))
    assert await send(bench, 2, *changes, full=False) == "Accepted"

    assert (await version(bench), listed(bench, "A", "B", "C")) == (2, ["B Expired", "C Accepted"])


@pytest.mark.spec("1.6", "5.15")
@pytest.mark.parametrize(("full", "left"), [(True, (0, [])), (False, (2, ["A Accepted"]))])
async def test_an_update_of_nobody(bench: Any, left: tuple[int, list[str]], *, full: bool) -> None:
    await send(bench, 1, item("A", ACCEPTED), full=True)

    assert await send(bench, 2, full=full) == "Accepted"

    assert (await version(bench), listed(bench, "A")) == left


@pytest.mark.spec("1.6", "TC_043_2")
@pytest.mark.parametrize("number", [4, 5])
async def test_changes_that_are_not_newer_change_nothing(bench: Any, number: int) -> None:
    await send(bench, 5, item("A", ACCEPTED), full=True)

    assert await send(bench, number, item("A"), full=False) == "VersionMismatch"

    assert (await version(bench), listed(bench, "A")) == (5, ["A Accepted"])


@pytest.mark.spec("1.6", "TC_043_3")
@pytest.mark.parametrize(
    ("number", "items"),
    [
        (0, [item("B", ACCEPTED)]),
        (-1, [item("B", ACCEPTED)]),
        (6, [item("B", ACCEPTED), item("b", ACCEPTED)]),
        (6, [item("B")]),
    ],
    ids=["version zero", "version -1", "twice", "without info"],
)
async def test_a_list_that_cannot_be_changes_nothing(
    bench: Any, number: int, items: list[dict[str, Any]]
) -> None:
    await send(bench, 5, item("A", ACCEPTED), full=True)

    assert await send(bench, number, *items, full=True) == "Failed"

    assert (await version(bench), listed(bench, "A", "B")) == (5, ["A Accepted"])


@pytest.mark.spec("1.6", "9.2")
async def test_the_limits_are_told_and_kept(bench: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength"]
    answer = await bench.ask("GetConfiguration", key=names)
    assert {(one["key"], one["value"], one["readonly"]) for one in answer["configurationKey"]} == {
        ("LocalAuthListEnabled", "true", False),
        ("LocalAuthListMaxLength", "10000", True),
        ("SendLocalListMaxLength", "1000", True),
    }
    monkeypatch.setattr(local_list, "LIST_ITEMS_PER_MESSAGE", 1)

    assert await send(bench, 1, item("A", ACCEPTED), item("B", ACCEPTED), full=True) == "Failed"


async def test_a_list_that_the_disk_refuses_is_failed(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    monkeypatch.setattr(bench.station.store.local_list, "apply", refuse)

    assert await send(bench, 1, item("A", ACCEPTED), full=True) == "Failed"


@pytest.mark.spec("1.6", "3.5.2")
@pytest.mark.parametrize("kind", [IdTokenType.ISO14443, IdTokenType.KEY_CODE])
async def test_a_listed_tag_starts_whatever_it_was_read_from(bench: Any, kind: IdTokenType) -> None:
    bench.set("LocalPreAuthorize", "true")
    await send(bench, 1, item("04A1B2C3", {**ACCEPTED, "parentIdTag": "FLEET"}), full=True)
    await _present(bench, "04A1B2C3", kind)

    assert bench.csms.said("Authorize") == []
    authorization = bench.state().authorization
    assert (authorization.source, authorization.group) == (Source.LOCAL_LIST, IdToken("FLEET"))


@pytest.mark.spec("1.6", "3.5.1")
@pytest.mark.parametrize(
    ("info", "allowed", "begins"),
    [
        (ACCEPTED, "true", True),
        (ACCEPTED, "false", False),
        ({"status": "Blocked"}, "true", False),
        ({"status": "Accepted", "expiryDate": "2026-02-01T00:00:00Z"}, "true", False),
    ],
    ids=["accepted", "not to be used", "blocked", "outdated"],
)
async def test_a_listed_tag_offline(
    bench: Any, info: dict[str, Any], allowed: str, *, begins: bool
) -> None:
    bench.set("LocalAuthorizeOffline", allowed)
    bench.set("AllowOfflineTxForUnknownId", "true")
    await send(bench, 1, item("04A1B2C3", info), full=True)
    await bench.cut()

    await _present(bench, "04A1B2C3")

    assert (bench.state().stage is Stage.CHARGING) is begins


@pytest.mark.spec("1.6", "5.11")
@pytest.mark.parametrize(("status", "begins"), [("Accepted", True), ("Blocked", False)])
async def test_a_remote_start_that_is_authorized_first_uses_the_list(
    bench: Any, status: str, *, begins: bool
) -> None:
    bench.set("LocalPreAuthorize", "true")
    bench.set("AuthorizeRemoteTxRequests", "true")
    bench.csms.standing["Authorize"] = {"idTagInfo": {"status": "Blocked"}}
    await send(bench, 1, item("04A1B2C3", {"status": status}), full=True)
    await bench.feed(Plugged())

    await bench.ask("RemoteStartTransaction", idTag="04A1B2C3", connectorId=1)

    assert (bench.state().stage is Stage.CHARGING) is begins
    assert bool(bench.csms.said("Authorize")) is not begins


async def _present(bench: Any, tag: str, kind: IdTokenType = IdTokenType.ISO14443) -> None:
    await bench.feed(Plugged())
    await bench.station.authorizer.present(IdToken(tag, kind), [1])
