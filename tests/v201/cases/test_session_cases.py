"""Blocks E and F, step by step: token or remote start first, stop, a vehicle that is not ready."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case, Sent
from token_cases import CARD, Office, asked, events, gapless, states, statuses

Open = Callable[..., AbstractAsyncContextManager[Case]]

ID_TOKEN = {"idToken": CARD, "type": "ISO14443"}


def _charges(run: Case, sent: list[Sent], *causes: str) -> list[dict[str, Any]]:
    """The events by which EnergyTransferStarted was reached."""
    told = events(sent)
    assert told[0]["eventType"] == "Started"
    assert told[0]["triggerReason"] in causes
    assert told[0]["idToken"] == ID_TOKEN
    assert told[0]["evse"] == {"id": 1, "connectorId": 1}
    assert states(told)[-1] == "Charging"
    assert gapless(told)
    assert run.outlets[1].closed
    return told


@pytest.mark.spec("2.0.1", "TC_E_04_CS")
async def test_a_token_first_and_then_the_vehicle(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        await run.swipe(CARD)
        sent = run.take()
        assert asked(sent) == [CARD]
        assert events(sent) == []
        await run.advance(20)

        await run.plug()
        sent = run.take()

        assert statuses(sent) == ["Occupied"]
        _charges(run, sent, "Authorized", "ChargingStateChanged")


@pytest.mark.spec("2.0.1", "TC_E_06_CS")
async def test_the_same_token_stops_and_the_vehicle_leaves(open_case: Open) -> None:
    async with open_case() as run:
        transaction = await run.charge(CARD)
        begun = events(run.take())
        await run.advance(30)

        await run.swipe(CARD)
        sent = run.take()
        (ended,) = events(sent)
        assert asked(sent) == []
        assert not run.outlets[1].closed
        assert (ended["eventType"], ended["triggerReason"]) == ("Ended", "StopAuthorized")
        assert ended["transactionInfo"] == {
            "transactionId": transaction,
            "chargingState": "EVConnected",
            "stoppedReason": "Local",
        }
        assert ended["idToken"] == ID_TOKEN
        assert gapless([*begun, ended])

        await run.unplug()
        sent = run.take()
        assert statuses(sent) == ["Available"]
        assert events(sent) == []


@pytest.mark.spec("2.0.1", "TC_E_38_CS")
async def test_a_vehicle_that_is_not_ready_suspends(open_case: Open) -> None:
    async with open_case() as run:
        await run.swipe(CARD)
        run.take()

        await run.plug(ready=False)
        told = events(run.take())

        assert told[0]["eventType"] == "Started"
        assert states(told)[-1] == "SuspendedEV"
        assert told[-1]["triggerReason"] == "ChargingStateChanged"


def _remote(number: int) -> dict[str, Any]:
    return {"remoteStartId": number, "evseId": 1, "idToken": ID_TOKEN}


@pytest.mark.spec("2.0.1", "TC_F_02_CS")
async def test_a_remote_start_is_authorized_and_waits_for_the_vehicle(open_case: Open) -> None:
    async with open_case(settings={"AuthCtrlr.AuthorizeRemoteStart": "true"}) as run:
        run.take()

        assert await run.ask("RequestStartTransaction", **_remote(5)) == {"status": "Accepted"}
        sent = run.take()
        assert asked(sent) == [CARD]
        assert events(sent) == []
        await run.plug()
        sent = run.take()

        assert statuses(sent) == ["Occupied"]
        told = _charges(run, sent, "RemoteStart")
        assert told[0]["transactionInfo"]["remoteStartId"] == 5


@pytest.mark.spec("2.0.1", "F01.FR.01")
async def test_a_remote_start_that_is_not_authorized_leaves_the_vehicle_alone(
    open_case: Open,
) -> None:
    async with open_case(settings={"AuthCtrlr.AuthorizeRemoteStart": "true"}) as run:
        office = Office(run)
        office.words[CARD] = {"status": "Blocked"}
        run.take()
        assert await run.ask("RequestStartTransaction", **_remote(5)) == {"status": "Accepted"}
        await run.plug()
        await run.advance(60)
        sent = run.take()

        assert asked(sent) == [CARD]
        assert events(sent) == []
        assert not run.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_F_04_CS")
async def test_a_remote_start_without_a_vehicle_runs_out(open_case: Open) -> None:
    async with open_case(settings={"TxCtrlr.EVConnectionTimeOut": "30"}) as run:
        run.take()
        assert await run.ask("RequestStartTransaction", **_remote(5)) == {"status": "Accepted"}
        await run.advance(31)
        assert events(run.take()) == [], "the transaction has not begun, so it does not end"

        assert await run.ask("RequestStartTransaction", **_remote(6)) == {"status": "Accepted"}
        await run.plug()
        told = _charges(run, run.take(), "RemoteStart")

        assert told[0]["transactionInfo"]["remoteStartId"] == 6
