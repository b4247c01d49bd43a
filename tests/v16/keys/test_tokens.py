"""Who may charge: tokens, cache, local list, offline (1.6 sections 3.4, 3.5, 9.1 and 9.2)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from key_talk import change, choose, value

Open = Callable[..., AbstractAsyncContextManager[Case]]

TOKEN, OTHER = "04A1B2C3D4", "04FFFFFFFF"
ACCEPTED, INVALID = {"status": "Accepted"}, {"status": "Invalid"}
PLAIN = {"MeterValueSampleInterval": "0", "StartTxnSampledData": ""}


async def listed(run: Case, *tags: str, version: int = 1, **more: Any) -> str:
    """Send a whole local list of accepted tags."""
    entries = [{"idTag": tag, "idTagInfo": ACCEPTED} for tag in tags]
    full = {"updateType": "Full", "listVersion": version, "localAuthorizationList": entries}
    return str((await run.ask("SendLocalList", **full, **more))["status"])


async def cached(run: Case, tag: str = TOKEN) -> None:
    """A whole session, after which the token is in the cache."""
    await run.charge(tag)
    await run.unplug()
    run.take()


async def swiped(run: Case, tag: str = TOKEN) -> tuple[bool, bool]:
    """Plug and swipe: whether the CSMS was asked about the token, whether energy flows."""
    run.take()
    await run.plug()
    await run.swipe(tag)
    asked = any(one.action == "Authorize" for one in run.take())
    return asked, run.outlets[1].closed


@pytest.mark.spec("1.6", "LocalPreAuthorize")
@pytest.mark.parametrize(("switch", "asked"), [("true", False), ("false", True)])
async def test_online_a_known_token_starts_without_being_asked_about(
    open_case: Open, switch: str, *, asked: bool
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, LocalPreAuthorize=switch)
        assert await listed(run, TOKEN) == "Accepted"

        assert await swiped(run) == (asked, True)


@pytest.mark.spec("1.6", "LocalAuthorizeOffline")
@pytest.mark.parametrize(("switch", "charges"), [("true", True), ("false", False)])
async def test_offline_a_known_token_charges_if_it_may(
    open_case: Open, switch: str, *, charges: bool
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, LocalAuthorizeOffline=switch)
        await listed(run, TOKEN)
        await run.cut()

        assert await swiped(run) == (False, charges)


@pytest.mark.spec("1.6", "AllowOfflineTxForUnknownId")
@pytest.mark.parametrize(("switch", "charges"), [("true", True), ("false", False)])
async def test_offline_an_unknown_token_charges_if_it_may(
    open_case: Open, switch: str, *, charges: bool
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, AllowOfflineTxForUnknownId=switch)
        await run.cut()

        assert await swiped(run) == (False, charges)

        await run.back()
        starts = run.take("StartTransaction")
        assert [one["idTag"] for one in starts] == [TOKEN] * charges


@pytest.mark.spec("1.6", "AllowOfflineTxForUnknownId")
async def test_offline_a_token_known_as_bad_never_charges(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, AllowOfflineTxForUnknownId="true")
        run.answers("Authorize", {"idTagInfo": {"status": "Blocked"}})
        assert await swiped(run, OTHER) == (True, False)
        await run.unplug()
        await run.cut()

        assert await swiped(run, OTHER) == (False, False)


@pytest.mark.spec("1.6", "AuthorizationCacheEnabled")
@pytest.mark.parametrize(("switch", "charges"), [("true", True), ("false", False)])
async def test_a_token_is_remembered_while_the_cache_is_on(
    open_case: Open, switch: str, *, charges: bool
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, AuthorizationCacheEnabled=switch)
        await cached(run)
        cleared = "Accepted" if charges else "Rejected"
        await run.cut()

        assert await swiped(run) == (False, charges)

        await run.back()
        assert await run.ask("ClearCache") == {"status": cleared}


@pytest.mark.spec("1.6", "AuthorizationCacheEnabled")
async def test_what_was_remembered_counts_again_when_the_cache_is_back(open_case: Open) -> None:
    async with open_case(settings={**PLAIN, "LocalPreAuthorize": "true"}) as run:
        await cached(run)

        await choose(run, AuthorizationCacheEnabled="false")
        assert await swiped(run) == (True, True)
        await run.unplug()
        await choose(run, AuthorizationCacheEnabled="true")
        assert await swiped(run) == (False, True)


@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
@pytest.mark.parametrize(("switch", "asked"), [("true", True), ("false", False)])
async def test_the_token_of_a_remote_start_is_asked_about_if_it_is_to_be(
    open_case: Open, switch: str, *, asked: bool
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, AuthorizeRemoteTxRequests=switch)
        run.answers("Authorize", {"idTagInfo": INVALID})
        await run.plug()
        run.take()

        assert await run.ask("RemoteStartTransaction", idTag=TOKEN) == ACCEPTED

        assert [one["idTag"] for one in run.take("Authorize")] == [TOKEN] * asked
        assert run.outlets[1].closed is not asked


@pytest.mark.spec("1.6", "LocalAuthListEnabled")
async def test_a_list_that_is_switched_off_does_not_count_and_is_kept(open_case: Open) -> None:
    async with open_case(settings={**PLAIN, "LocalPreAuthorize": "true"}) as run:
        await listed(run, TOKEN, version=5)
        await choose(run, LocalAuthListEnabled="false")

        assert await swiped(run) == (True, True)
        assert await listed(run, OTHER, version=6) == "NotSupported"
        assert await run.ask("GetLocalListVersion") == {"listVersion": -1}

        await run.unplug()
        await run.ask("ClearCache")
        await choose(run, LocalAuthListEnabled="true")
        assert await run.ask("GetLocalListVersion") == {"listVersion": 5}
        assert await swiped(run) == (False, True)


@pytest.mark.spec("1.6", "SendLocalListMaxLength")
@pytest.mark.spec("1.6", "LocalAuthListMaxLength")
async def test_a_list_has_as_many_tokens_as_it_says_and_no_more(open_case: Open) -> None:
    async with open_case(settings={"MessageTimeout": "600"}) as run:
        per_message = int(await value(run, "SendLocalListMaxLength"))
        most = int(await value(run, "LocalAuthListMaxLength"))
        assert await change(run, "LocalAuthListMaxLength", "1") == "Rejected"
        assert await change(run, "SendLocalListMaxLength", "1") == "Rejected"
        tags = [f"TAG{number}" for number in range(most + 1)]

        assert await listed(run, *tags[: per_message + 1]) == "Failed"
        assert await run.ask("GetLocalListVersion") == {"listVersion": 0}

        version = 0
        for start in range(0, most, per_message):
            version += 1
            assert await _added(run, version, tags[start : min(start + per_message, most)]) == (
                "Accepted"
            )
        assert await _added(run, version + 1, tags[most:]) == "Failed"
        assert await run.ask("GetLocalListVersion") == {"listVersion": version}


async def _added(run: Case, version: int, tags: list[str]) -> str:
    entries = [{"idTag": tag, "idTagInfo": ACCEPTED} for tag in tags]
    answer = await run.ask(
        "SendLocalList",
        updateType="Differential",
        listVersion=version,
        localAuthorizationList=entries,
    )
    return str(answer["status"])


@pytest.mark.spec("1.6", "StopTransactionOnInvalidId")
@pytest.mark.parametrize(("switch", "reasons"), [("true", ["DeAuthorized"]), ("false", [])])
async def test_a_token_refused_afterwards_ends_the_transaction_or_the_energy(
    open_case: Open, switch: str, reasons: list[str]
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnInvalidId=switch)
        run.answers("StartTransaction", {"transactionId": 7, "idTagInfo": INVALID})
        await run.plug()
        await run.swipe(TOKEN)
        await run.advance(5)

        sent = run.take()
        assert not run.outlets[1].closed
        stops = [one.payload for one in sent if one.action == "StopTransaction"]
        assert [stop["reason"] for stop in stops] == reasons
        statuses = [one.payload["status"] for one in sent if one.action == "StatusNotification"]
        assert statuses[-1] == ("Finishing" if reasons else "SuspendedEVSE")


@pytest.mark.spec("1.6", "MaxEnergyOnInvalidId")
async def test_a_refused_token_still_gets_so_much_energy(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="700")
        run.answers("StartTransaction", {"transactionId": 7, "idTagInfo": INVALID})
        await run.charge(TOKEN)
        await run.advance(2)
        assert run.outlets[1].closed

        run.meters[1].energy_wh += 699
        await run.advance(2)
        assert run.outlets[1].closed

        run.meters[1].energy_wh += 1
        await run.advance(2)
        assert not run.outlets[1].closed
        assert run.take("StopTransaction") == []
        assert await change(run, "MaxEnergyOnInvalidId", "-1") == "Rejected"


@pytest.mark.spec("1.6", "MaxEnergyOnInvalidId")
async def test_nothing_more_is_given_if_the_transaction_ends(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnInvalidId="true", MaxEnergyOnInvalidId="700")
        run.answers("StartTransaction", {"transactionId": 7, "idTagInfo": INVALID})
        await run.plug()
        await run.swipe(TOKEN)

        assert not run.outlets[1].closed
        assert len(run.take("StopTransaction")) == 1
