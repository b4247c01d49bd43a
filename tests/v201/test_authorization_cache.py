"""Block C with the authorization cache: the cases of the conformance index, step by step."""

from decimal import Decimal
from typing import Any

import pytest
from token_desk import TokenDesk

from chargepoint.core.model import IdTokenType, Stage

CARD = "04A1B2C3D4"
INVALID = {"status": "Invalid"}


@pytest.fixture
def desk(talk: Any) -> TokenDesk:
    return TokenDesk(talk)


@pytest.mark.spec("2.0.1", "TC_C_04_CS")
async def test_a_stranger_s_token_does_not_end_a_transaction(desk: TokenDesk) -> None:
    await desk.plug()
    await desk.swipe(CARD)

    events = await desk.swipe("DDEEFF00")

    assert desk.asked == [CARD, "DDEEFF00"]
    assert events == []
    assert desk.stage() is Stage.CHARGING


@pytest.mark.parametrize(
    "kind",
    [
        IdTokenType.EMAID,
        IdTokenType.ISO14443,
        IdTokenType.ISO15693,
        IdTokenType.KEY_CODE,
        IdTokenType.LOCAL,
        IdTokenType.MAC_ADDRESS,
    ],
)
@pytest.mark.spec("2.0.1", "C01.FR.02")
@pytest.mark.spec("2.0.1", "C03.FR.01")
@pytest.mark.spec("2.0.1", "C04.FR.01")
async def test_every_type_of_token_is_asked_about_and_told(
    desk: TokenDesk, kind: IdTokenType
) -> None:
    await desk.plug()

    started, _ = await desk.swipe("A1B2C3D4E5", kind)

    token = {"idToken": "A1B2C3D4E5", "type": str(kind)}
    assert desk.talk.csms.said("Authorize") == [{"idToken": token}]
    assert started["idToken"] == token


@pytest.mark.spec("2.0.1", "C02.FR.01")
@pytest.mark.spec("2.0.1", "C02.FR.03")
async def test_a_start_button_needs_no_authorization(desk: TokenDesk) -> None:
    await desk.plug()

    started, _ = await desk.swipe("", IdTokenType.NO_AUTHORIZATION)
    (ended,) = await desk.swipe("", IdTokenType.NO_AUTHORIZATION)

    assert desk.asked == []
    assert started["idToken"] == {"idToken": "", "type": "NoAuthorization"}
    assert ended["transactionInfo"]["stoppedReason"] == "Local"


@pytest.mark.spec("2.0.1", "TC_C_08_CS")
@pytest.mark.spec("2.0.1", "TC_C_33_CS")
async def test_a_cached_token_starts_without_asking(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD)
    await desk.plug()

    started, _ = await desk.swipe(CARD)

    assert desk.asked == []
    assert started["triggerReason"] == "Authorized"
    assert started["idToken"] == {"idToken": CARD, "type": "ISO14443"}
    assert desk.stage() is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_C_13_CS")
async def test_a_cached_token_may_come_before_the_cable(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD)

    await desk.swipe(CARD)
    assert desk.stage() is Stage.AUTHORIZED
    await desk.plug()
    events = await desk.told()

    assert desk.asked == []
    assert events[0]["eventType"] == "Started"
    assert events[0]["idToken"]["idToken"] == CARD
    assert desk.stage() is Stage.CHARGING


async def _start_offline(desk: TokenDesk, stop: str, energy: str) -> list[dict[str, Any]]:
    """Begin offline with a cached token; the CSMS finds it Invalid once it is back."""
    await desk.set("TxCtrlr", "StopTxOnInvalidId", stop)
    await desk.set("TxCtrlr", "MaxEnergyOnInvalidId", energy)
    await desk.cache(CARD)
    await desk.offline()
    await desk.plug()
    await desk.swipe(CARD)
    assert desk.stage() is Stage.CHARGING
    desk.later[CARD] = INVALID
    await desk.online()
    return await desk.told()


@pytest.mark.spec("2.0.1", "TC_C_15_CS")
async def test_a_token_found_invalid_gets_the_energy_that_is_granted(desk: TokenDesk) -> None:
    meter = desk.talk.bench.meters[1]
    events = await _start_offline(desk, "false", "500")

    assert [event["eventType"] for event in events] == ["Started", "Updated"]
    assert events[0]["offline"] is True
    assert desk.talk.bench.outlets[1].closed

    meter.energy_wh += Decimal(499)
    await desk.talk.bench.evse().meter.refresh()
    assert await desk.told() == []
    meter.energy_wh += Decimal(1)
    await desk.talk.bench.evse().meter.refresh()
    (suspended,) = await desk.told()

    assert suspended["triggerReason"] == "ChargingStateChanged"
    assert suspended["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    assert not desk.talk.bench.outlets[1].closed
    assert desk.stage() is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_C_17_CS")
async def test_a_token_found_invalid_may_keep_its_transaction(desk: TokenDesk) -> None:
    events = await _start_offline(desk, "false", "0")

    assert [event["eventType"] for event in events] == ["Started", "Updated", "Updated"]
    assert events[2]["transactionInfo"]["chargingState"] == "SuspendedEVSE"
    assert not desk.talk.bench.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_C_26_CS")
@pytest.mark.spec("2.0.1", "C15.FR.01")
async def test_an_unknown_token_may_start_offline_where_the_settings_say_so(
    desk: TokenDesk,
) -> None:
    await desk.set("AuthCtrlr", "OfflineTxForUnknownIdEnabled", "true")
    await desk.set("TxCtrlr", "StopTxOnInvalidId", "false")
    desk.words[CARD] = INVALID
    await desk.offline()
    await desk.plug()
    await desk.swipe(CARD)
    assert desk.stage() is Stage.CHARGING
    assert desk.talk.bench.store.tokens.bytes() == 0
    await desk.online()

    events = await desk.told()

    assert events[0]["offline"] is True
    assert events[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE"


@pytest.mark.spec("2.0.1", "TC_C_34_CS")
async def test_the_word_on_a_transaction_changes_the_cache(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD)
    desk.later[CARD] = desk.words[CARD] = INVALID
    await desk.plug()

    events = await desk.swipe(CARD)
    assert events[-1]["triggerReason"] == "Deauthorized"
    assert desk.asked == []
    await desk.leave()
    await desk.plug()
    again = await desk.swipe(CARD)

    assert (again, desk.asked) == ([], [CARD])


@pytest.mark.spec("2.0.1", "TC_C_36_CS")
async def test_without_pre_authorization_a_cached_token_is_asked_about(desk: TokenDesk) -> None:
    await desk.cache(CARD)
    await desk.plug()

    await desk.swipe(CARD)

    assert desk.asked == [CARD]
    assert desk.stage() is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_C_37_CS")
async def test_after_the_cache_was_emptied_a_token_is_asked_about(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD)
    assert await desk.talk.ask("ClearCache", {}) == {"status": "Accepted"}
    await desk.plug()

    await desk.swipe(CARD)

    assert desk.asked == [CARD]


@pytest.mark.spec("2.0.1", "TC_C_38_CS")
async def test_a_cache_switched_off_is_kept_and_not_emptied(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.cache(CARD)
    await desk.set("AuthCacheCtrlr", "Enabled", "false")

    assert await desk.talk.ask("ClearCache", {}) == {"status": "Rejected"}
    await desk.set("AuthCacheCtrlr", "Enabled", "true")
    await desk.plug()
    await desk.swipe(CARD)

    assert desk.asked == []


@pytest.mark.spec("2.0.1", "TC_C_46_CS")
async def test_a_cached_token_gets_old_from_its_last_use(desk: TokenDesk) -> None:
    await desk.set("AuthCtrlr", "LocalPreAuthorize", "true")
    await desk.set("AuthCacheCtrlr", "LifeTime", "600")
    await desk.cache(CARD)
    for _ in range(2):
        desk.talk.bench.clock.pass_time(500)
        await desk.cache(CARD)
    assert desk.asked == []
    desk.talk.bench.clock.pass_time(601)
    await desk.plug()

    await desk.swipe(CARD)

    assert desk.asked == [CARD]


@pytest.mark.spec("2.0.1", "TC_C_57_CS")
async def test_a_token_cached_as_bad_may_be_refused_without_asking(desk: TokenDesk) -> None:
    await desk.set("AuthCacheCtrlr", "DisablePostAuthorize", "true")
    await desk.cache(CARD, status="Blocked")
    await desk.plug()

    events = await desk.swipe(CARD)

    assert (events, desk.asked) == ([], [])
    assert desk.stage() is Stage.PLUGGED


@pytest.mark.spec("2.0.1", "C01.FR.21")
async def test_a_token_charges_only_at_the_evses_that_the_csms_names(desk: TokenDesk) -> None:
    desk.words[CARD] = {"status": "Accepted", "evseId": [2]}
    await desk.plug(1)
    await desk.plug(2)

    events = await desk.swipe(CARD)

    assert [event["evse"]["id"] for event in events] == [2, 2]
    assert [desk.stage(1), desk.stage(2)] == [Stage.PLUGGED, Stage.CHARGING]


async def test_the_csms_is_never_asked_if_it_does_not_want_to_be(desk: TokenDesk) -> None:
    await desk.cache(CARD)
    await desk.set("AuthCtrlr", "DisableRemoteAuthorization", "true")
    await desk.plug()

    assert await desk.swipe("DDEEFF00") == []
    started, _ = await desk.swipe(CARD)

    assert started["eventType"] == "Started"
    assert desk.asked == []
