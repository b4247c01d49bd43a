"""Test cases of OCPP 1.6: reservations (TC_046 to TC_053)."""

import pytest
from case_rig import Case
from words_16 import (
    ACCEPTED,
    CARD,
    GROUP,
    OTHER_CARD,
    REJECTED,
    Open,
    configure,
    said,
    token_info,
    told,
)

from chargepoint.hardware.api import BoardFault

TWO = (("sType2",), ("sType2",))
IN_A_MINUTE = "2026-03-01T10:01:00Z"
LATER = "2026-03-01T11:00:00Z"


async def reserve(run: Case, connector: int = 1, **more: object) -> dict[str, object]:
    """Reserve for the card, or as told."""
    wanted = {"idTag": CARD, "reservationId": 7, "expiryDate": LATER, **more}
    return await run.ask("ReserveNow", connectorId=connector, **wanted)


@pytest.mark.spec("1.6", "TC_046_1_CS")
async def test_a_reserved_connector_serves_its_token(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        answer = await reserve(run)
        reserved = told(run)

        await run.swipe(OTHER_CARD)
        stranger = told(run)
        await run.swipe(CARD)
        await run.plug()

        assert answer == ACCEPTED
        assert reserved == ["1 Reserved"]
        assert stranger == [f"Authorize {OTHER_CARD}"]
        sent = [one for one in run.take() if one.action != "MeterValues"]
        assert [one.action for one in sent] == [
            "Authorize",
            "StatusNotification",
            "StartTransaction",
            "StatusNotification",
        ]
        assert sent[2].payload["reservationId"] == 7
        assert (await run.ask("CancelReservation", reservationId=7)) == REJECTED


@pytest.mark.spec("1.6", "TC_046_2_CS")
@pytest.mark.spec("1.6", "AuthorizeRemoteTxRequests")
@pytest.mark.parametrize("asks", [True, False])
async def test_a_reserved_connector_serves_a_remote_start(open_case: Open, *, asks: bool) -> None:
    async with open_case() as run:
        await configure(run, AuthorizeRemoteTxRequests=asks)
        answer = await reserve(run)
        run.take()

        stranger = await run.ask("RemoteStartTransaction", connectorId=1, idTag=OTHER_CARD)
        await run.plug()
        without = told(run)
        remote = await run.ask("RemoteStartTransaction", connectorId=1, idTag=CARD)

        assert answer == remote == ACCEPTED
        assert stranger == REJECTED
        assert without == []
        start = said(run, "StartTransaction")
        assert (start["idTag"], start["reservationId"]) == (CARD, 7)


@pytest.mark.spec("1.6", "TC_047_CS")
async def test_a_reservation_ends_at_its_expiry(open_case: Open) -> None:
    async with open_case() as run:
        run.take()
        await reserve(run, expiryDate=IN_A_MINUTE)
        await run.advance(59)
        before = told(run)
        await run.advance(1)
        after = told(run)
        await run.charge(OTHER_CARD)

        assert before == ["1 Reserved"]
        assert after == ["1 Available"]
        assert "reservationId" not in said(run, "StartTransaction")


@pytest.mark.spec("1.6", "TC_049_CS")
@pytest.mark.spec("1.6", "ReserveConnectorZeroSupported")
async def test_a_reservation_of_connector_0_is_used_at_any(open_case: Open) -> None:
    async with open_case(connectors=TWO) as run:
        run.take()
        answer = await reserve(run, 0)
        reserved = told(run)
        await run.charge(OTHER_CARD, evse=1)
        last = told(run)
        await run.charge(CARD, evse=2)

        assert answer == ACCEPTED
        assert reserved == []
        assert "2 Reserved" in last, "the last free one is kept"
        start = said(run, "StartTransaction")
        assert (start["connectorId"], start["reservationId"]) == (2, 7)


@pytest.mark.spec("1.6", "TC_048_1_CS")
@pytest.mark.spec("1.6", "TC_050_1_CS")
@pytest.mark.spec("1.6", "TC_048_2_CS")
@pytest.mark.spec("1.6", "TC_050_2_CS")
@pytest.mark.spec("1.6", "TC_048_3_CS")
@pytest.mark.spec("1.6", "TC_050_3_CS")
@pytest.mark.parametrize("state", ["Faulted", "Occupied", "Unavailable"])
async def test_nothing_is_reserved_where_nothing_is_free(open_case: Open, state: str) -> None:
    async with open_case(connectors=TWO) as run:
        await _become(run, state, 1)
        one = await reserve(run, 1)
        any_left = await reserve(run, 0)
        await run.ask("CancelReservation", reservationId=7)
        await _become(run, state, 2)
        run.take()
        every = await reserve(run, 0)

        assert one == {"status": state}
        assert any_left == ACCEPTED
        assert every == {"status": state}
        assert told(run) == []


@pytest.mark.spec("1.6", "TC_050_2_CS")
async def test_connector_0_is_occupied_by_reservations(open_case: Open) -> None:
    async with open_case(connectors=TWO) as run:
        await reserve(run, 1, reservationId=1)
        await reserve(run, 2, reservationId=2)

        assert await reserve(run, 0, reservationId=3) == {"status": "Occupied"}


@pytest.mark.spec("1.6", "TC_051_CS")
async def test_a_reservation_is_cancelled(open_case: Open) -> None:
    async with open_case() as run:
        await reserve(run)
        run.take()

        answer = await run.ask("CancelReservation", reservationId=7)

        assert answer == ACCEPTED
        assert told(run) == ["1 Available"]


@pytest.mark.spec("1.6", "TC_052_CS")
async def test_an_unknown_reservation_is_not_cancelled(open_case: Open) -> None:
    async with open_case() as run:
        await reserve(run)
        run.take()

        answer = await run.ask("CancelReservation", reservationId=8)

        assert answer == REJECTED
        assert told(run) == []


@pytest.mark.spec("1.6", "TC_053_1_CS")
async def test_another_token_of_the_group_uses_a_reservation(open_case: Open) -> None:
    async with open_case() as run:
        await reserve(run, parentIdTag=GROUP)
        run.take()
        run.answers("Authorize", token_info(parent=GROUP))

        await run.plug()
        await run.swipe(OTHER_CARD)

        start = said(run, "StartTransaction")
        assert (start["idTag"], start["reservationId"]) == (OTHER_CARD, 7)


@pytest.mark.spec("1.6", "TC_053_2_CS")
@pytest.mark.parametrize("asks", [True, False])
async def test_a_remote_start_of_the_group_uses_a_reservation(
    open_case: Open, *, asks: bool
) -> None:
    async with open_case() as run:
        await configure(run, AuthorizeRemoteTxRequests=asks)
        await reserve(run, parentIdTag=GROUP)
        run.take()
        run.answers("Authorize", token_info(parent=GROUP))

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=OTHER_CARD)
        await run.plug()

        assert answer == ACCEPTED
        start = said(run, "StartTransaction")
        assert (start["idTag"], start["reservationId"]) == (OTHER_CARD, 7)


@pytest.mark.spec("1.6", "5.13")
@pytest.mark.parametrize("parent", ["", "ANOTHER"])
async def test_a_remote_start_of_another_group_starts_nothing(open_case: Open, parent: str) -> None:
    async with open_case() as run:
        await reserve(run, parentIdTag=GROUP)
        await run.plug()
        run.take()
        run.answers("Authorize", token_info(parent=parent))

        answer = await run.ask("RemoteStartTransaction", connectorId=1, idTag=OTHER_CARD)

        assert answer == ACCEPTED
        assert told(run) == [f"Authorize {OTHER_CARD}"]
        assert run.transaction() is None


async def _become(run: Case, state: str, connector: int) -> None:
    match state:
        case "Faulted":
            run.outlets[connector].fault(BoardFault("GroundFailure"))
            await run.settle()
        case "Occupied":
            await run.charge(f"04{connector:08}", evse=connector)
        case _:
            answer = await run.ask("ChangeAvailability", connectorId=connector, type="Inoperative")
            assert answer == ACCEPTED
