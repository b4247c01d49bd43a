"""Block C with the local list, groups and master passes: the cases of the conformance index."""

from typing import Any

import pytest
from token_desk import TokenDesk

from chargepoint.core.model import Stage

CARD = "04A1B2C3D4"
MATE = "0455667788"
ACCEPTED = {"status": "Accepted"}
INVALID = {"status": "Invalid"}
GROUP = {"groupIdToken": {"idToken": "FLEET-7", "type": "Central"}}
MEMBER = {"status": "Accepted", **GROUP}
OUTCAST = {"status": "Invalid", **GROUP}
MASTER = {
    "status": "Accepted",
    "groupIdToken": {"idToken": "MASTER-1", "type": "Central"},
}


@pytest.fixture
def desk(talk: Any) -> TokenDesk:
    return TokenDesk(talk)


@pytest.mark.spec("2.0.1", "TC_C_21_CS")
async def test_a_listed_token_starts_and_stops_offline(desk: TokenDesk) -> None:
    await desk.list(**{CARD: ACCEPTED})
    await desk.offline()
    await desk.plug()
    await desk.swipe(CARD)
    assert desk.talk.bench.outlets[1].closed
    await desk.swipe(CARD)
    assert desk.stage() is Stage.FINISHED
    await desk.online()

    started, _, ended = await desk.told()

    assert desk.asked == []
    assert [started["offline"], ended["offline"]] == [True, True]
    assert (started["triggerReason"], ended["triggerReason"]) == ("Authorized", "StopAuthorized")


@pytest.mark.spec("2.0.1", "TC_C_25_CS")
async def test_the_list_counts_before_the_cache(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    await desk.cache(CARD)
    await desk.list(**{CARD: INVALID})
    await desk.offline()
    await desk.plug()

    await desk.swipe(CARD)

    assert desk.stage() is Stage.PLUGGED


@pytest.mark.spec("2.0.1", "TC_C_27_CS")
async def test_a_listed_token_starts_without_asking(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.list(**{CARD: ACCEPTED})
    await desk.plug()

    started, _ = await desk.swipe(CARD)

    assert started["idToken"]["idToken"] == CARD
    assert desk.asked == []
    assert desk.stage() is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_C_58_CS")
async def test_a_token_listed_as_bad_may_be_refused_without_asking(desk: TokenDesk) -> None:
    await desk.set("LocalAuthListCtrlr", "DisablePostAuthorize", "true")
    await desk.list(**{CARD: INVALID})
    await desk.plug()

    assert (await desk.swipe(CARD), desk.asked) == ([], [])


async def test_a_listed_token_is_good_until_its_time_is_over(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.list(**{CARD: {"status": "Accepted", "cacheExpiryDateTime": "2026-02-01T00:00:00Z"}})
    desk.words[CARD] = INVALID
    await desk.plug()

    assert (await desk.swipe(CARD), desk.asked) == ([], [CARD])


async def test_a_list_switched_off_does_not_count_and_is_kept(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.list(**{CARD: ACCEPTED})
    desk.words[CARD] = INVALID
    await desk.set("LocalAuthListCtrlr", "Enabled", "false")
    await desk.plug()
    assert (await desk.swipe(CARD), desk.asked) == ([], [CARD])

    await desk.set("LocalAuthListCtrlr", "Enabled", "true")
    desk.later[CARD] = ACCEPTED
    started, _ = await desk.swipe(CARD)

    assert started["eventType"] == "Started"
    assert desk.asked == [CARD]


@pytest.mark.spec("1.6", "3.5.3")
async def test_what_is_on_the_list_is_not_added_to_the_cache(desk: TokenDesk) -> None:
    await desk.list(**{CARD: INVALID})
    await desk.plug()
    await desk.swipe(CARD)

    assert desk.talk.bench.store.tokens.bytes() == 0


@pytest.mark.spec("2.0.1", "TC_C_39_CS")
async def test_a_member_of_the_group_stops_after_asking(desk: TokenDesk) -> None:
    await desk.set("AuthCacheCtrlr", "Enabled", "false")
    desk.words = {CARD: MEMBER, MATE: MEMBER}
    await desk.plug()
    await desk.swipe(CARD)

    (ended,) = await desk.swipe(MATE)

    assert desk.asked == [CARD, MATE]
    assert ended["triggerReason"] == "StopAuthorized"
    assert ended["idToken"]["idToken"] == MATE
    assert ended["transactionInfo"]["stoppedReason"] == "Local"


@pytest.mark.parametrize("kind", ["Central", "NoAuthorization"])
async def test_a_group_without_a_name_has_no_members(desk: TokenDesk, kind: str) -> None:
    nobody = {"status": "Accepted", "groupIdToken": {"idToken": "", "type": kind}}
    desk.words = {CARD: nobody, MATE: nobody}
    await desk.plug()
    await desk.swipe(CARD)

    assert await desk.swipe(MATE) == []

    assert desk.stage() is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_C_40_CS")
async def test_a_member_of_the_group_on_the_list_stops_without_asking(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.list(**{CARD: MEMBER, MATE: MEMBER})
    await desk.plug()
    await desk.swipe(CARD)

    (ended,) = await desk.swipe(MATE)

    assert desk.asked == []
    assert ended["triggerReason"] == "StopAuthorized"


@pytest.mark.spec("2.0.1", "TC_C_41_CS")
async def test_a_cached_member_of_the_group_stops_without_asking(desk: TokenDesk) -> None:
    await desk.cache(CARD, **GROUP)
    await desk.cache(MATE, **GROUP)
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.plug()
    await desk.swipe(CARD)

    (ended,) = await desk.swipe(MATE)

    assert desk.asked == []
    assert ended["triggerReason"] == "StopAuthorized"


@pytest.mark.spec("2.0.1", "C09.FR.04")
async def test_a_group_that_is_named_after_the_start_may_stop_too(desk: TokenDesk) -> None:
    desk.words[MATE] = MEMBER
    desk.later[CARD] = MEMBER
    await desk.plug()
    await desk.swipe(CARD)
    await desk.talk.bench.clock.settle()

    (ended,) = await desk.swipe(MATE)

    assert ended["idToken"]["idToken"] == MATE


@pytest.mark.spec("2.0.1", "F01.FR.02")
async def test_a_remote_start_may_name_the_group(desk: TokenDesk) -> None:
    desk.words[MATE] = MEMBER
    await desk.plug()
    request = {
        "remoteStartId": 1,
        "evseId": 1,
        "idToken": {"idToken": "R1", "type": "Central"},
        **GROUP,
    }
    assert (await desk.talk.ask("RequestStartTransaction", request))["status"] == "Accepted"
    await desk.told()

    (ended,) = await desk.swipe(MATE)

    assert ended["eventType"] == "Ended"


@pytest.mark.spec("2.0.1", "TC_C_45_CS")
@pytest.mark.parametrize("known", [False, True], ids=["asked", "listed"])
async def test_a_master_pass_starts_nothing(desk: TokenDesk, *, known: bool) -> None:
    await desk.set("AuthCtrlr", "MasterPassGroupId", "MASTER-1")
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    desk.words[CARD] = MASTER
    if known:
        await desk.list(**{CARD: MASTER})
    await desk.plug()

    assert await desk.swipe(CARD) == []
    assert desk.asked == ([] if known else [CARD])
    assert desk.stage() is Stage.PLUGGED


@pytest.mark.spec("2.0.1", "TC_C_47_CS")
@pytest.mark.spec("2.0.1", "TC_C_49_CS")
async def test_a_master_pass_ends_all_transactions(desk: TokenDesk) -> None:
    await _two_sessions(desk)

    events = await desk.swipe(CARD)

    assert sorted(event["evse"]["id"] for event in events) == [1, 2]
    assert {event["triggerReason"] for event in events} == {"StopAuthorized"}
    reasons = {event["transactionInfo"]["stoppedReason"] for event in events}
    assert reasons == {"MasterPass"}
    assert {event["idToken"]["idToken"] for event in events} == {CARD}


@pytest.mark.spec("2.0.1", "TC_C_48_CS")
async def test_a_master_pass_ends_the_transaction_that_was_chosen(desk: TokenDesk) -> None:
    await _two_sessions(desk)

    (ended,) = await desk.swipe(CARD, evse_ids=[2])

    assert ended["evse"]["id"] == 2
    assert ended["transactionInfo"]["stoppedReason"] == "MasterPass"
    assert [desk.stage(1), desk.stage(2)] == [Stage.CHARGING, Stage.FINISHED]


@pytest.mark.spec("2.0.1", "TC_C_14_CS")
async def test_a_cached_master_pass_ends_without_asking_and_starts_nothing(
    desk: TokenDesk,
) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD, **MASTER)
    await desk.set("AuthCtrlr", "MasterPassGroupId", "MASTER-1")
    await desk.plug()
    assert await desk.swipe(CARD) == []
    await desk.swipe(MATE)

    (ended,) = await desk.swipe(CARD)

    assert desk.asked == [MATE]
    assert ended["transactionInfo"]["stoppedReason"] == "MasterPass"


async def _two_sessions(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "MasterPassGroupId", "MASTER-1")
    desk.words[CARD] = MASTER
    for evse_id, token in ((1, MATE), (2, "0499887766")):
        await desk.plug(evse_id)
        await desk.swipe(token, evse_ids=[evse_id])
    assert [desk.stage(1), desk.stage(2)] == [Stage.CHARGING, Stage.CHARGING]


# What is known of the token, what the CSMS says now, settings -> begins, asked. The cases of local
# starts may be run with a remote start as well (errata 2025-09).
REMOTE: list[Any] = [
    pytest.param("cache", "Accepted", "Invalid", {}, True, False, id="C_08"),
    pytest.param("cache", "Invalid", "Invalid", {}, False, True, id="C_09"),
    pytest.param("cache", "Invalid", "Accepted", {}, True, True, id="C_12"),
    pytest.param("list", "Accepted", "Invalid", {}, True, False, id="C_27"),
    pytest.param("list", "Invalid", "Invalid", {}, False, True, id="C_28"),
    pytest.param("list", "Invalid", "Accepted", {}, True, True, id="C_31"),
    pytest.param(
        "cache", "Blocked", "Accepted", {"AuthCacheCtrlr": "true"}, False, False, id="C_57"
    ),
    pytest.param(
        "list", "Blocked", "Accepted", {"LocalAuthListCtrlr": "true"}, False, False, id="C_58"
    ),
]


@pytest.mark.parametrize(("where", "status", "now", "no_post", "begins", "asks"), REMOTE)
async def test_a_remote_start_that_is_authorized_goes_by_the_same_rules(
    desk: TokenDesk,
    where: str,
    status: str,
    now: str,
    no_post: dict[str, str],
    *,
    begins: bool,
    asks: bool,
) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.set("AuthCtrlr", "AuthorizeRemoteStart", "true")
    if where == "list":
        await desk.list(**{CARD: {"status": status}})
    else:
        await desk.cache(CARD, status=status)
    for component, value in no_post.items():
        await desk.set(component, "DisablePostAuthorize", value)
    desk.words[CARD] = {"status": now}
    desk.later[CARD] = ACCEPTED
    await desk.plug()

    request = {"remoteStartId": 5, "evseId": 1, "idToken": {"idToken": CARD, "type": "ISO14443"}}
    answer = await desk.talk.ask("RequestStartTransaction", request)
    events = await desk.told()

    assert answer["status"] == "Accepted"
    assert bool(desk.asked) is asks
    assert [event["triggerReason"] for event in events] == (
        ["RemoteStart", "ChargingStateChanged"] if begins else []
    )
