"""Single calls of a real CitrineOS: reservations, cards, lists, locks, texts, customers, costs."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from citrine_office import Unable, until
from citrine_site import Site

if TYPE_CHECKING:
    from conftest import Open

VERSIONS = ["2.0.1", "1.6"]
RESERVATION = 4711


# --- reservations -------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reserved_outlet_charges_with_its_card_alone(
    open_site: "Open", version: str
) -> None:
    async with open_site(version, needs=("ReserveNow",)) as site:
        mine, other = await site.office.enter_token(), await site.office.enter_token()
        before = await site.office.last(site.id)

        assert (await reserve(site, mine))["status"] == "Accepted"

        await site.office.wait_for(
            site.id,
            "StatusNotification",
            lambda told: told["connectorStatus"] == "Reserved",
            after=before,
        )
        await until(stored(site, mine), "the reservation in the database")
        await site.plug()
        await site.swipe(other)
        asked = await site.office.wait_for(
            site.id, "Authorize", lambda told: told["idToken"]["idToken"] == other
        )
        answer = await site.office.answer_to(site.id, asked)
        assert answer.payload["idTokenInfo"]["status"] == "Accepted"
        assert (await site.local.get("/v1/transactions"))["transactions"] == []
        await site.swipe(mine)
        await site.charging()
        started = await site.office.wait_for(
            site.id, "TransactionEvent", lambda told: "reservationId" in told
        )
        assert started.payload["reservationId"] == RESERVATION
        assert (await site.local.get("/v1/status"))["reservations"] == []


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_reservation_is_cancelled(open_site: "Open", version: str) -> None:
    async with open_site(version, needs=("ReserveNow", "CancelReservation")) as site:
        token = await site.office.enter_token()
        assert (await reserve(site, token))["status"] == "Accepted"
        [known] = (await site.local.get("/v1/status"))["reservations"]
        assert known["reservation_id"] == RESERVATION
        await until(stored(site, token), "the reservation in the database")
        await site.office.wait_for(
            site.id, "StatusNotification", lambda told: told["connectorStatus"] == "Reserved"
        )
        before = await site.office.last(site.id)

        answer = await site.ask("CancelReservation", reservationId=RESERVATION)

        assert answer["status"] == "Accepted"
        await site.office.wait_for(
            site.id,
            "StatusNotification",
            lambda told: told["connectorStatus"] == "Available",
            after=before,
        )
        assert (await site.local.get("/v1/status"))["reservations"] == []


async def reserve(site: Site, token: str) -> dict[str, Any]:
    end = datetime.now(UTC) + timedelta(minutes=30)
    return await site.ask(
        "ReserveNow",
        id=RESERVATION,
        idToken={"idToken": token, "type": "ISO14443"},
        expiryDateTime=end.isoformat(timespec="seconds").replace("+00:00", "Z"),
    )


def stored(site: Site, token: str) -> Callable[[], Awaitable[bool]]:
    """CitrineOS 1.8.3 writes what becomes of it into the row whose own number is the id."""

    async def is_stored() -> bool:
        query = 'SELECT id, "idToken"->>\'idToken\' FROM "Reservations" WHERE "stationId" = %s'
        return await site.office.rows(query, site.id) == [(RESERVATION, token)]

    return is_stored


# --- cards --------------------------------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_cleared_cache_makes_the_station_ask_again(open_site: "Open", version: str) -> None:
    settings = {"AuthCacheCtrlr.Enabled": "true", "AuthCtrlr.LocalPreAuthorize": "true"}
    async with open_site(version, settings=settings) as site:
        token = await site.office.enter_token()

        asked = [await asked_by_a_session(site, token), await asked_by_a_session(site, token)]
        answer = await site.ask("ClearCache")
        asked.append(await asked_by_a_session(site, token))

        assert answer["status"] == "Accepted"
        assert asked == [1, 0, 1]


async def asked_by_a_session(site: Site, token: str) -> int:
    """How often the card was asked about by a short session."""
    before = await site.office.last(site.id)
    known = len((await site.local.get("/v1/transactions"))["transactions"])
    await site.plug()
    await site.swipe(token)

    async def count() -> int:
        page = (await site.local.get("/v1/transactions"))["transactions"]
        return len(page) - known

    await until(count, "a transaction")
    await site.swipe(token)
    await site.ended(after=before)
    await site.local.post("/v1/ev/plug-out", {"evse": 1})
    return len(await site.office.messages(site.id, "Authorize", after=before))


async def test_the_version_of_the_list_of_cards_is_told(open_site: "Open") -> None:
    async with open_site("2.0.1", needs=("GetLocalListVersion",)) as site:
        answer = await site.ask("GetLocalListVersion")

        assert answer == {"versionNumber": 0}

        async def kept() -> bool:
            query = 'SELECT "versionNumber" FROM "LocalListVersions" WHERE "stationId" = %s'
            return await site.office.rows(query, site.id) == [(0,)]

        await until(kept, "the version in the database")


async def test_a_list_of_cards_is_taken_and_used(open_site: "Open") -> None:
    settings = {"LocalAuthListCtrlr.Enabled": "true", "AuthCtrlr.LocalPreAuthorize": "true"}
    async with open_site("2.0.1", settings=settings, needs=("SendLocalList",)) as site:
        token = await site.office.enter_token()
        card = {"idToken": token, "type": "ISO14443"}
        known = [{"idToken": card, "idTokenInfo": {"status": "Accepted"}}]
        try:
            answer = await site.ask(
                "SendLocalList", versionNumber=3, updateType="Full", localAuthorizationList=known
            )
        except Unable as unable:
            pytest.skip(str(unable))

        assert answer["status"] == "Accepted"
        assert (await site.ask("GetLocalListVersion"))["versionNumber"] == 3
        assert await asked_by_a_session(site, token) == 0


# --- locks --------------------------------------------------------------------------------------

SOCKET, FIXED_CABLE = "sType2", "cType2"


@pytest.mark.parametrize("kind", [SOCKET, FIXED_CABLE])
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_connector_is_unlocked_if_it_has_a_lock(
    open_site: "Open", version: str, kind: str
) -> None:
    async with open_site(version, connector=kind) as site:
        answer = await site.ask("UnlockConnector", **connector(version))

        no_lock = "NotSupported" if version == "1.6" else "UnlockFailed"
        assert answer["status"] == ("Unlocked" if kind == SOCKET else no_lock)


async def test_a_connector_in_use_stays_locked(open_site: "Open") -> None:
    async with open_site("2.0.1", connector=SOCKET) as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        await site.charging()

        answer = await site.ask("UnlockConnector", **connector("2.0.1"))  # F05.FR.02

        assert answer["status"] == "OngoingAuthorizedTransaction"
        [evse] = (await site.local.get("/v1/status"))["evses"]
        assert evse["transaction"]


async def test_unlocking_in_1_6_ends_the_session_first(open_site: "Open") -> None:
    async with open_site("1.6", connector=SOCKET) as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        transaction = await site.charging()
        await site.office.wait_for(site.id, "StartTransaction")

        answer = await site.ask("UnlockConnector", connectorId=1)  # section 5.18

        assert answer["status"] == "Unlocked"
        ended = await site.ended()
        assert ended["reason"] == "UnlockCommand"
        await site.verify(ended, transaction)


def connector(version: str) -> dict[str, Any]:
    return {"connectorId": 1} if version == "1.6" else {"evseId": 1, "connectorId": 1}


# --- data, texts, customers, costs --------------------------------------------------------------


@pytest.mark.parametrize("version", VERSIONS)
async def test_data_of_an_unknown_vendor_is_not_taken(open_site: "Open", version: str) -> None:
    async with open_site(version) as site:
        answer = await site.ask("DataTransfer", vendorId="org.example", data="?")

        assert answer["status"] == "UnknownVendorId"


async def test_a_text_is_shown_told_and_taken_away(open_site: "Open") -> None:
    async with open_site("2.0.1") as site:
        before = await site.office.last(site.id)
        content = {"format": "UTF8", "content": "Closed on Sunday", "language": "en"}
        text = {"id": 5, "priority": "AlwaysFront", "message": content}

        assert (await site.ask("SetDisplayMessage", message=text))["status"] == "Accepted"

        await site.office.wait_for(site.id, "GetDisplayMessages", origin="csms", after=before)
        told = await site.office.wait_for(site.id, "NotifyDisplayMessages", after=before)
        [message] = told.payload["messageInfo"]
        assert message["message"] == content
        assert await shown(site) == ["Closed on Sunday"]
        assert (await site.ask("ClearDisplayMessage", id=5))["status"] == "Accepted"
        assert await shown(site) == []


async def shown(site: Site) -> list[str]:
    [evse] = (await site.local.get("/v1/status"))["evses"]
    return [text["content"] for text in evse["screen"]]


async def test_what_is_kept_of_a_customer_is_told_and_forgotten(open_site: "Open") -> None:
    settings = {"AuthCacheCtrlr.Enabled": "true", "AuthCtrlr.LocalPreAuthorize": "true"}
    async with open_site("2.0.1", settings=settings) as site:
        token = await site.office.enter_token()
        await asked_by_a_session(site, token)

        told = await customer(site, token, 21, clear=True)
        again = await customer(site, token, 22, clear=False)

        assert any("authorization cache" in part for part in told)
        assert not any("authorization cache" in part for part in again)


async def customer(site: Site, token: str, number: int, *, clear: bool) -> list[str]:
    """What the station tells of whom the card belongs to."""
    answer = await site.ask(
        "CustomerInformation",
        requestId=number,
        report=True,
        clear=clear,
        idToken={"idToken": token, "type": "ISO14443"},
    )
    assert answer["status"] == "Accepted"

    def last(part: dict[str, Any]) -> bool:
        return part["requestId"] == number and not part.get("tbc", False)

    await site.office.wait_for(site.id, "NotifyCustomerInformation", last)
    parts = await site.office.messages(site.id, "NotifyCustomerInformation")
    return [one.payload["data"] for one in parts if one.payload["requestId"] == number]


async def test_a_transaction_is_said_to_go_on_and_gets_its_costs(open_site: "Open") -> None:
    async with open_site("2.0.1") as site:
        token = await site.office.enter_token()
        await site.plug()
        await site.swipe(token)
        transaction = await site.charging()
        await site.office.wait_for(site.id, "TransactionEvent")

        running = await site.ask("GetTransactionStatus", transactionId=transaction)
        cost = await site.ask("CostUpdated", totalCost=1.25, transactionId=transaction)
        unknown = await site.ask("GetTransactionStatus", transactionId="nobody-knows-it")

        assert running["ongoingIndicator"] is True
        assert cost == {}
        assert unknown.get("ongoingIndicator") is False


# --- connections, boot --------------------------------------------------------------------------


async def test_a_network_profile_is_stored(open_site: "Open") -> None:
    async with open_site("2.0.1", needs=("SetNetworkProfile",)) as site:
        data = {
            "ocppVersion": "OCPP20",
            "ocppTransport": "JSON",
            "ocppCsmsUrl": site.door.url,
            "messageTimeout": 60,
            "securityProfile": 0,
            "ocppInterface": "Wired0",
        }
        try:
            answer = await site.ask("SetNetworkProfile", configurationSlot=2, connectionData=data)
        except Unable as unable:
            pytest.skip(str(unable))

        assert answer["status"] in {"Accepted", "Rejected"}


async def test_a_1_6_station_kept_pending_is_set_up_and_accepted(open_site: "Open") -> None:
    async with open_site("1.6", accepted=False) as site:
        await site.office.write(
            'INSERT INTO "ChangeConfigurations"'
            ' ("stationId", key, value, readonly, "tenantId", "createdAt", "updatedAt")'
            " VALUES (%s, 'MeterValueSampleInterval', '9', false, 1, now(), now())",
            site.id,
        )
        pending = {"status": "Pending", "bootRetryInterval": 5}
        path = f"/data/configuration/boot?stationId={site.id}&tenantId=1"
        await site.office.post(path, pending, method="PUT")

        await site.start()

        await site.office.wait_for(site.id, "ChangeConfiguration", origin="csms")
        await site.office.wait_for(site.id, "GetConfiguration", origin="csms")
        await site.office.wait_for(site.id, "TriggerMessage", origin="csms")
        await site.accepted()
        answer = await site.ask("GetConfiguration", key=["MeterValueSampleInterval"])
        assert answer["configurationKey"][0]["value"] == "9"
