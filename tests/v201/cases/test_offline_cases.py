"""Blocks C and E without a connection, step by step: what may begin, what is told afterwards."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from token_cases import (
    ACCEPTED,
    CARD,
    GROUP,
    INVALID,
    MATE,
    Office,
    asked,
    events,
    gapless,
    states,
    statuses,
)

Open = Callable[..., AbstractAsyncContextManager[Case]]

UNKNOWN = {"AuthCtrlr.OfflineTxForUnknownIdEnabled": "true"}
CACHED = {"AuthCtrlr.LocalPreAuthorize": "true", "AuthCtrlr.LocalAuthorizeOffline": "true"}
AWAY = 30.0


def _is_one(told: list[dict[str, Any]]) -> bool:
    """Whether all is about one transaction and nothing of it is missing."""
    ids = {event["transactionInfo"]["transactionId"] for event in told}
    return len(ids) == 1 and gapless(told)


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("Invalid", marks=pytest.mark.spec("2.0.1", "TC_C_22_CS")),
        pytest.param("Blocked", marks=pytest.mark.spec("2.0.1", "TC_C_23_CS")),
        pytest.param("Expired", marks=pytest.mark.spec("2.0.1", "TC_C_24_CS")),
    ],
)
async def test_a_token_listed_as_bad_begins_nothing(open_case: Open, status: str) -> None:
    async with open_case(settings=UNKNOWN | CACHED) as run:
        office = Office(run)
        await office.put_on_list(**{CARD: {"status": status}})
        run.take()
        await run.cut()
        await run.plug()

        await run.swipe(CARD)
        await run.advance(AWAY)
        assert not run.outlets[1].closed
        await run.back()
        await run.advance(AWAY)
        sent = run.take()

        assert (asked(sent), events(sent)) == ([], [])
        assert statuses(sent) == ["Occupied"]
        assert not run.outlets[1].closed


@pytest.mark.parametrize(
    "more_wh",
    [
        pytest.param("0", marks=pytest.mark.spec("2.0.1", "TC_C_16_CS")),
        pytest.param("500", marks=pytest.mark.spec("2.0.1", "TC_C_18_CS")),
    ],
)
async def test_a_cached_token_that_the_csms_takes_back_is_deauthorized(
    open_case: Open, more_wh: str
) -> None:
    settings = {"TxCtrlr.StopTxOnInvalidId": "true", "TxCtrlr.MaxEnergyOnInvalidId": more_wh}
    async with open_case(settings=CACHED | settings) as run:
        office = Office(run)
        await office.cache(CARD)
        await run.plug()
        await run.cut()
        run.take()
        await run.swipe(CARD)
        await run.advance(AWAY)
        assert run.outlets[1].closed

        office.later[CARD] = INVALID
        await run.back()
        sent = run.take()
        told = events(sent)

        assert asked(sent) == []
        assert _is_one(told)
        assert told[0]["triggerReason"] in {"Authorized", "ChargingStateChanged"}
        assert told[0]["idToken"] == {"idToken": CARD, "type": "ISO14443"}
        assert told[0]["offline"] is True
        assert states([event for event in told if event.get("offline")])[-1] == "Charging"
        assert [e["triggerReason"] for e in told if "offline" not in e] == ["Deauthorized"]
        assert not run.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_E_16_CS")
@pytest.mark.parametrize("known", ["cache", "list", ""], ids=["cached", "listed", "unknown"])
async def test_a_transaction_begun_offline_on_a_bad_token_ends(open_case: Open, known: str) -> None:
    settings = {"TxCtrlr.StopTxOnInvalidId": "true", "SampledDataCtrlr.TxUpdatedInterval": "10"}
    async with open_case(settings=UNKNOWN | settings) as run:
        office = Office(run)
        if known == "cache":
            await office.cache(CARD)
        elif known == "list":
            await office.put_on_list(**{CARD: ACCEPTED})
        run.take()
        await run.cut()
        await run.swipe(CARD)
        await run.plug()
        await run.advance(AWAY)
        assert run.outlets[1].closed

        office.later[CARD] = office.words[CARD] = INVALID
        await run.back()
        told = events(run.take())

        *queued, last = told
        assert _is_one(told)
        assert len(queued) >= 4
        assert {event["offline"] for event in queued} == {True}
        assert queued[0]["eventType"] == "Started"
        assert {event["eventType"] for event in queued[1:]} == {"Updated"}
        assert (last["eventType"], last["triggerReason"]) == ("Ended", "Deauthorized")
        assert last["transactionInfo"]["stoppedReason"] == "DeAuthorized"
        assert "offline" not in last
        assert not run.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_E_40_CS")
async def test_readings_taken_while_the_connection_is_lost_are_told_later(open_case: Open) -> None:
    settings = {"SampledDataCtrlr.TxUpdatedInterval": "10"}
    async with open_case(settings=settings) as run:
        transaction = await run.charge(CARD)
        await run.advance(15)
        before = len(events(run.take()))

        await run.cut()
        await run.advance(AWAY)
        await run.back()
        told = events(run.take())

        assert len(told) == 3
        for number, event in enumerate(told, before):
            assert (event["eventType"], event["triggerReason"]) == ("Updated", "MeterValuePeriodic")
            assert (event["offline"], event["seqNo"]) == (True, number)
            assert event["transactionInfo"]["transactionId"] == transaction
            assert event["meterValue"][0]["sampledValue"]
        await run.advance(10)
        (present,) = events(run.take())
        assert "offline" not in present


@pytest.mark.spec("2.0.1", "TC_E_43_CS")
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
async def test_a_whole_transaction_without_connection_is_told_later(
    open_case: Open, *, known: bool
) -> None:
    async with open_case(settings=UNKNOWN) as run:
        office = Office(run)
        if known:
            await office.cache(CARD)
            await office.put_on_list(**{CARD: ACCEPTED})
        run.take()
        await run.cut()
        await run.plug()
        await run.swipe(CARD)
        await run.advance(AWAY)
        assert run.outlets[1].closed
        await run.swipe(CARD)
        assert not run.outlets[1].closed
        await run.unplug()

        await run.back()
        sent = run.take()
        told = events(sent)

        assert asked(sent) == []
        assert _is_one(told)
        assert {event["offline"] for event in told} == {True}
        assert (told[0]["eventType"], told[-1]["eventType"]) == ("Started", "Ended")
        assert {event["eventType"] for event in told[1:-1]} <= {"Updated"}
        assert told[0]["timestamp"] < told[-1]["timestamp"]


@pytest.mark.spec("2.0.1", "TC_E_45_CS")
@pytest.mark.parametrize("known", ["cache", "list"])
async def test_a_member_of_the_group_ends_a_transaction_without_connection(
    open_case: Open, known: str
) -> None:
    member = {**ACCEPTED, **GROUP}
    async with open_case() as run:
        office = Office(run)
        office.words[CARD] = member
        if known == "cache":
            await office.cache(MATE, **member)
        else:
            await office.put_on_list(**{MATE: member})
        transaction = await run.charge(CARD)
        run.take()
        await run.cut()
        await run.swipe(MATE)
        assert not run.outlets[1].closed
        await run.unplug()

        await run.back()
        sent = run.take()
        told = events(sent)

        assert asked(sent) == []
        assert {event["offline"] for event in told} == {True}
        assert {event["transactionInfo"]["transactionId"] for event in told} == {transaction}
        (ended,) = [event for event in told if event["eventType"] == "Ended"]
        assert told[-1] == ended
        stop = next(event for event in told if event["triggerReason"] == "StopAuthorized")
        assert stop["idToken"] == {"idToken": MATE, "type": "ISO14443"}
