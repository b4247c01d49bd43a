"""Test cases of OCPP 1.6: from the first boot to a transaction (TC_001 to TC_011 and more)."""

import pytest
from case_rig import SILENCE, Case
from words_16 import (
    ACCEPTED,
    CARD,
    OTHER_CARD,
    REJECTED,
    Open,
    configure,
    said,
    started,
    token_info,
    told,
)

TWO = (("sType2",), ("sType2",))


def boot(status: str, interval: int = 30) -> dict[str, object]:
    """An answer to a BootNotification."""
    return {"status": status, "currentTime": "2026-03-01T10:00:00Z", "interval": interval}


@pytest.mark.spec("1.6", "TC_001_CS")
async def test_a_cold_boot(open_case: Open) -> None:
    async with open_case(connectors=TWO, start=False) as run:
        run.answers("BootNotification", boot("Rejected"), boot("Accepted", 60))

        await run.start()
        (first,) = run.take()
        await run.advance(29)
        early = told(run)
        await run.advance(1)

        assert first.action == "BootNotification"
        assert first.payload == {
            "chargePointVendor": "Example",
            "chargePointModel": "Wallbox 22",
            "chargePointSerialNumber": "0001",
            "firmwareVersion": first.payload["firmwareVersion"],
        }
        assert early == []
        assert told(run) == ["BootNotification", "0 Available", "1 Available", "2 Available"]
        await run.advance(120)
        assert told(run) == ["Heartbeat", "Heartbeat"]


@pytest.mark.spec("1.6", "TC_002_CS")
async def test_a_cold_boot_that_is_pending(open_case: Open) -> None:
    async with open_case(start=False) as run:
        run.answers("BootNotification", boot("Pending"), boot("Accepted"))
        await run.start()

        answer = await run.ask("GetConfiguration", key=["SupportedFeatureProfiles"])
        changed = await run.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="300")
        remote = [
            await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD),
            await run.ask("RemoteStopTransaction", transactionId=1),
        ]
        await run.plug()
        before = told(run)
        triggered = await run.ask("TriggerMessage", requestedMessage="StatusNotification")
        after = told(run)

        assert answer["configurationKey"][0]["value"].split(",")[0] == "Core"
        assert changed == triggered == ACCEPTED
        assert remote == [REJECTED, REJECTED]
        assert before == ["BootNotification"]
        assert after == ["0 Available", "1 Preparing"]
        await run.advance(30)
        assert told(run) == ["BootNotification", "0 Available", "1 Preparing"]
        kept = await run.ask("GetConfiguration", key=["MeterValueSampleInterval"])
        assert kept["configurationKey"][0]["value"] == "300"


@pytest.mark.spec("1.6", "TC_003_CS")
async def test_a_session_with_the_cable_first(open_case: Open) -> None:
    async with open_case() as run:
        run.take()

        await run.plug()
        plugged = told(run)
        await run.swipe(CARD)
        begun = told(run)
        await run.swipe(CARD)
        ended = told(run)
        await run.unplug()

        assert plugged == ["1 Preparing"]
        assert begun == [f"Authorize {CARD}", f"Start 1 {CARD}", "1 Charging"]
        assert ended == ["1 Finishing", "Stop Local"]
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_004_1_CS")
async def test_a_session_with_the_token_first(open_case: Open) -> None:
    async with open_case() as run:
        run.take()

        await run.swipe(CARD)
        authorized = told(run)
        await run.plug()
        begun = told(run)
        await run.swipe(CARD)
        await run.unplug()

        assert authorized == [f"Authorize {CARD}", "1 Preparing"]
        assert begun == [f"Start 1 {CARD}", "1 Charging"]
        assert told(run) == ["1 Finishing", "Stop Local", "1 Available"]


@pytest.mark.spec("1.6", "TC_004_2_CS")
@pytest.mark.spec("1.6", "ConnectionTimeOut")
async def test_a_token_without_a_vehicle(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, ConnectionTimeOut=20)
        run.take()

        await run.swipe(CARD)
        await run.advance(19)
        waiting = told(run)
        await run.advance(1)
        gone = told(run)
        await run.plug()

        assert waiting == [f"Authorize {CARD}", "1 Preparing"]
        assert gone == ["1 Available"]
        assert told(run) == ["1 Preparing"]


@pytest.mark.spec("1.6", "TC_007_1_CS")
@pytest.mark.spec("1.6", "LocalPreAuthorize")
@pytest.mark.spec("1.6", "AuthorizationCacheEnabled")
async def test_a_token_in_the_cache_starts_without_asking(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AuthorizationCacheEnabled=True, LocalPreAuthorize=True)
        await _session(run)
        run.answers("Authorize", SILENCE)

        await run.swipe(CARD)
        await run.plug()

        assert told(run) == ["1 Preparing", f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "TC_007_2_CS")
@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
async def test_a_remote_start_with_a_token_in_the_cache(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            AuthorizationCacheEnabled=True,
            LocalPreAuthorize=True,
            AuthorizeRemoteTxRequests=True,
        )
        await _session(run)
        run.answers("Authorize", SILENCE)

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        await run.plug()

        assert answer == ACCEPTED
        assert told(run) == ["1 Preparing", f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "TC_008_1_CS")
@pytest.mark.spec("1.6", "LocalAuthListEnabled")
async def test_a_token_in_the_local_list_starts_without_asking(open_case: Open) -> None:
    async with open_case() as run:
        await _with_list(run)

        await run.swipe(CARD)
        await run.plug()

        assert told(run) == ["1 Preparing", f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "TC_008_2_CS")
async def test_a_remote_start_with_a_token_in_the_local_list(open_case: Open) -> None:
    async with open_case() as run:
        await _with_list(run)
        await configure(run, AuthorizeRemoteTxRequests=True)

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        await run.plug()

        assert answer == ACCEPTED
        assert told(run) == ["1 Preparing", f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "3.5.2")
async def test_a_list_that_the_csms_contradicts_is_told_of_connector_0(open_case: Open) -> None:
    async with open_case() as run:
        await _with_list(run)
        run.answers("StartTransaction", started(4711, "Blocked"), started(4712, "Blocked"))
        await run.swipe(CARD)
        await run.plug()
        (conflict,) = (one for one in run.take("StatusNotification") if one["connectorId"] == 0)
        await run.unplug()
        await run.swipe(CARD)
        await run.plug()
        again = [one for one in run.take("StatusNotification") if one["connectorId"] == 0]
        await run.ask("SendLocalList", listVersion=2, updateType="Full", localAuthorizationList=[])
        over = said(run, "StatusNotification")

        assert (conflict["status"], conflict["errorCode"]) == ("Available", "LocalListConflict")
        assert CARD not in conflict["info"]
        assert again == []
        assert (over["connectorId"], over["errorCode"]) == (0, "NoError")


@pytest.mark.spec("1.6", "3.5.2")
@pytest.mark.parametrize("status", ["Accepted", "ConcurrentTx"])
async def test_a_list_that_the_csms_does_not_contradict_is_none_of_its_business(
    open_case: Open, status: str
) -> None:
    async with open_case() as run:
        await _with_list(run)
        run.answers("StartTransaction", started(4711, status))
        await run.swipe(CARD)
        await run.plug()

        assert [one for one in run.take("StatusNotification") if one["connectorId"] == 0] == []


@pytest.mark.spec("1.6", "TC_010_CS")
@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
@pytest.mark.parametrize("asks", [True, False])
async def test_a_remote_start_with_the_cable_first(open_case: Open, *, asks: bool) -> None:
    async with open_case() as run:
        await configure(run, AuthorizeRemoteTxRequests=asks)
        run.take()

        await run.plug()
        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)

        assert answer == ACCEPTED
        asked = [f"Authorize {CARD}"] if asks else []
        assert told(run) == ["1 Preparing", *asked, f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "TC_011_1_CS")
@pytest.mark.parametrize("asks", [True, False])
async def test_a_remote_start_before_the_cable(open_case: Open, *, asks: bool) -> None:
    async with open_case() as run:
        await configure(run, AuthorizeRemoteTxRequests=asks)
        run.take()

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        waiting = told(run)
        await run.plug()

        assert answer == ACCEPTED
        assert waiting == [*([f"Authorize {CARD}"] if asks else []), "1 Preparing"]
        assert told(run) == [f"Start 1 {CARD}", "1 Charging"]


@pytest.mark.spec("1.6", "TC_011_2_CS")
@pytest.mark.spec("1.6", "ConnectionTimeOut")
async def test_a_remote_start_without_a_vehicle(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, ConnectionTimeOut=20)
        run.take()

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        await run.advance(19)
        waiting = told(run)
        await run.advance(1)

        assert answer == ACCEPTED
        assert waiting[-1] == "1 Preparing"
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_023_4_CS")
@pytest.mark.parametrize("status", ["Invalid", "Expired", "Blocked", "ConcurrentTx"])
async def test_a_local_token_that_is_refused(open_case: Open, status: str) -> None:
    async with open_case() as run:
        run.take()
        run.answers("Authorize", token_info(status), token_info(status))

        await run.swipe(CARD)
        await run.plug()
        await run.swipe(CARD)
        await run.advance(300)

        assert told(run)[:3] == [f"Authorize {CARD}", "1 Preparing", f"Authorize {CARD}"]
        assert run.transaction() is None


@pytest.mark.spec("1.6", "TC_023_5_CS")
@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
@pytest.mark.parametrize("status", ["Invalid", "Expired", "Blocked", "ConcurrentTx"])
async def test_a_remote_start_whose_token_is_refused(open_case: Open, status: str) -> None:
    async with open_case() as run:
        await configure(run, AuthorizeRemoteTxRequests=True)
        run.take()
        run.answers("Authorize", token_info(status), token_info(status))

        without = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)
        await run.plug()
        plugged = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)

        assert without == plugged == ACCEPTED
        assert told(run) == [f"Authorize {CARD}", "1 Preparing", f"Authorize {CARD}"]
        assert run.transaction() is None


@pytest.mark.spec("1.6", "TC_026_CS")
async def test_a_remote_start_where_a_transaction_runs(open_case: Open) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        run.take()

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=OTHER_CARD)

        assert answer == REJECTED
        assert told(run) == []


@pytest.mark.spec("1.6", "TC_027_CS")
async def test_a_remote_start_at_connector_0(open_case: Open) -> None:
    async with open_case(connectors=TWO) as run:
        await run.plug()
        run.take()

        answer = await run.ask("RemoteStartTransaction", connectorId=0, idTag=CARD)

        assert answer == REJECTED
        assert told(run) == []
        assert run.transaction() is None


@pytest.mark.spec("1.6", "TC_061_1_CS")
@pytest.mark.spec("1.6", "LocalPreAuthorize")
async def test_after_the_cache_was_cleared_a_token_is_asked_about(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, AuthorizationCacheEnabled=True, LocalPreAuthorize=True)
        await _session(run)

        cleared = await run.ask("ClearCache")
        await run.swipe(CARD)

        assert cleared == ACCEPTED
        assert told(run) == [f"Authorize {CARD}", "1 Preparing"]


@pytest.mark.spec("1.6", "TC_061_2_CS")
@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
async def test_after_the_cache_was_cleared_a_remote_token_is_asked_about(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            AuthorizationCacheEnabled=True,
            LocalPreAuthorize=True,
            AuthorizeRemoteTxRequests=True,
        )
        await _session(run)

        cleared = await run.ask("ClearCache")
        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)

        assert cleared == answer == ACCEPTED
        assert told(run) == [f"Authorize {CARD}", "1 Preparing"]


async def _session(run: Case) -> None:
    """A whole session, so that its token is in the cache; of no interest by itself."""
    await run.charge(CARD)
    await run.swipe(CARD)
    await run.unplug()
    assert said(run, "StopTransaction")["idTag"] == CARD


async def _with_list(run: Case) -> None:
    """The token is in the local list, and whoever asks about it gets no answer."""
    await configure(run, LocalAuthListEnabled=True, LocalPreAuthorize=True)
    item = {"idTag": CARD, **token_info()}
    answer = await run.ask(
        "SendLocalList", listVersion=1, updateType="Full", localAuthorizationList=[item]
    )
    assert answer == ACCEPTED
    run.take()
    run.answers("Authorize", SILENCE)
