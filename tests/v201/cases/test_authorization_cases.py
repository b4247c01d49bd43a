"""Block C online, step by step as in the test cases: who is asked about, who gets energy."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from case_rig import Case, Sent
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

PRE = {"AuthCtrlr.LocalPreAuthorize": "true"}


@pytest.mark.parametrize(
    "status",
    [
        pytest.param("Invalid", marks=pytest.mark.spec("2.0.1", "TC_C_02_CS")),
        pytest.param("Blocked", marks=pytest.mark.spec("2.0.1", "TC_C_06_CS")),
        pytest.param("Expired", marks=pytest.mark.spec("2.0.1", "TC_C_07_CS")),
        pytest.param("Unknown", marks=pytest.mark.spec("2.0.1", "TC_C_56_CS")),
    ],
)
async def test_a_token_that_the_csms_does_not_accept_gets_no_energy(
    open_case: Open, status: str
) -> None:
    async with open_case() as run:
        office = Office(run)
        office.words[CARD] = {"status": status}
        run.take()
        await run.plug()
        assert statuses(run.take()) == ["Occupied"]

        assert await office.refused(CARD) == [CARD]


@pytest.mark.spec("2.0.1", "TC_C_05_CS")
async def test_a_token_refused_before_a_vehicle_is_there_moves_nothing(open_case: Open) -> None:
    async with open_case() as run:
        office = Office(run)
        office.words[CARD] = INVALID
        moved = list(run.outlets[1].orders)

        assert await office.refused(CARD) == [CARD]
        assert run.outlets[1].orders == moved

        await run.plug()
        await run.advance(60)
        assert events(run.take()) == []
        assert not run.outlets[1].closed


@pytest.mark.parametrize(
    ("known", "status", "now"),
    [
        pytest.param("cache", "Invalid", "Invalid", marks=pytest.mark.spec("2.0.1", "TC_C_09_CS")),
        pytest.param("cache", "Blocked", "Blocked", marks=pytest.mark.spec("2.0.1", "TC_C_10_CS")),
        pytest.param("cache", "Expired", "Expired", marks=pytest.mark.spec("2.0.1", "TC_C_11_CS")),
        pytest.param("cache", "Invalid", "Accepted", marks=pytest.mark.spec("2.0.1", "TC_C_12_CS")),
        pytest.param("list", "Invalid", "Invalid", marks=pytest.mark.spec("2.0.1", "TC_C_28_CS")),
        pytest.param("list", "Blocked", "Blocked", marks=pytest.mark.spec("2.0.1", "TC_C_29_CS")),
        pytest.param("list", "Expired", "Expired", marks=pytest.mark.spec("2.0.1", "TC_C_30_CS")),
        pytest.param("list", "Invalid", "Accepted", marks=pytest.mark.spec("2.0.1", "TC_C_31_CS")),
    ],
)
async def test_a_token_known_as_bad_is_asked_about_again(
    open_case: Open, known: str, status: str, now: str
) -> None:
    async with open_case(settings=PRE) as run:
        office = Office(run)
        if known == "cache":
            await office.cache(CARD, status=status)
        else:
            await office.put_on_list(**{CARD: {"status": status}})
        office.words[CARD] = {"status": now}
        await run.plug()
        run.take()

        if now != "Accepted":
            assert await office.refused(CARD) == [CARD]
            return
        await run.swipe(CARD)
        sent = run.take()

        assert asked(sent) == [CARD]
        _energy_flows(run, sent)


@pytest.mark.parametrize(
    "known",
    [
        pytest.param("", marks=pytest.mark.spec("2.0.1", "TC_C_42_CS")),
        pytest.param("list", marks=pytest.mark.spec("2.0.1", "TC_C_43_CS")),
        pytest.param("cache", marks=pytest.mark.spec("2.0.1", "TC_C_44_CS")),
    ],
)
async def test_a_member_of_the_group_that_is_not_accepted_stops_nothing(
    open_case: Open, known: str
) -> None:
    member, outcast = {**ACCEPTED, **GROUP}, {**INVALID, **GROUP}
    async with open_case(settings=PRE if known else {}) as run:
        office = Office(run)
        if known == "cache":
            await office.cache(CARD, **member)
            await office.cache(MATE, **outcast)
        elif known == "list":
            await office.put_on_list(**{CARD: member, MATE: outcast})
        office.words = {CARD: member, MATE: outcast}
        await run.plug()
        run.take()
        await run.swipe(CARD)
        sent = run.take()
        assert asked(sent) == ([] if known else [CARD])
        _energy_flows(run, sent)

        await run.swipe(MATE)
        await run.advance(60)
        sent = run.take()

        assert asked(sent) == [MATE]
        assert not [e for e in events(sent) if e["triggerReason"] != "MeterValuePeriodic"]
        assert run.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_E_52_CS")
@pytest.mark.parametrize("plugged", [False, True], ids=["token first", "vehicle first"])
async def test_the_csms_is_not_asked_if_it_does_not_want_to_be(
    open_case: Open, *, plugged: bool
) -> None:
    async with open_case() as run:
        office = Office(run)
        await office.set(AuthCtrlr_DisableRemoteAuthorization="true")
        if plugged:
            await run.plug()

        assert await office.refused(CARD) == []

        if not plugged:
            await run.plug()
        await run.advance(60)
        assert events(run.take()) == []
        assert not run.outlets[1].closed


def _energy_flows(run: Case, sent: list[Sent]) -> None:
    """EnergyTransferStarted was reached by what was sent."""
    told = events(sent)
    assert told[0]["eventType"] == "Started"
    assert told[0]["triggerReason"] in {"Authorized", "ChargingStateChanged"}
    assert told[0]["idToken"] == {"idToken": CARD, "type": "ISO14443"}
    assert told[0]["evse"] == {"id": 1, "connectorId": 1}
    assert states(told)[-1] == "Charging"
    assert gapless(told)
    assert run.outlets[1].closed
