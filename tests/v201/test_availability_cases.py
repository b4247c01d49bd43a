"""Block G: plugged and unplugged, in order and out of order, case by case."""

from typing import Any

import pytest

from chargepoint.core.inputs import Plugged, Unplugged

PLACES = {
    "station": {},
    "EVSE": {"evse": {"id": 1}},
    "connector": {"evse": {"id": 1, "connectorId": 1}},
}


async def _change(talk: Any, status: str, where: dict[str, Any]) -> str:
    answer = await talk.ask("ChangeAvailability", {"operationalStatus": status, **where})
    return str(answer["status"])


async def _told(talk: Any) -> list[tuple[int, int, str]]:
    return [
        (s.payload["evseId"], s.payload["connectorId"], s.payload["connectorStatus"])
        for s in await talk.tell()
        if s.action == "StatusNotification"
    ]


@pytest.mark.spec("2.0.1", "TC_G_01_CS")
@pytest.mark.spec("2.0.1", "TC_G_02_CS")
async def test_plugged_is_occupied_and_unplugged_is_available(talk: Any) -> None:
    await talk.bench.feed(Plugged())
    plugged = await _told(talk)
    await talk.bench.feed(Unplugged())

    assert plugged == [(1, 1, "Occupied")]
    assert await _told(talk) == [(1, 1, "Available")]


@pytest.mark.spec("2.0.1", "TC_G_09_CS")
@pytest.mark.spec("2.0.1", "TC_G_12_CS")
@pytest.mark.spec("2.0.1", "TC_G_15_CS")
@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
async def test_what_is_in_order_already_is_accepted(talk: Any, where: dict[str, Any]) -> None:
    assert await _change(talk, "Operative", where) == "Accepted"
    assert await _told(talk) == []


@pytest.mark.spec("2.0.1", "TC_G_10_CS")
@pytest.mark.spec("2.0.1", "TC_G_13_CS")
@pytest.mark.spec("2.0.1", "TC_G_16_CS")
@pytest.mark.parametrize("where", PLACES.values(), ids=PLACES)
async def test_what_is_out_of_order_already_is_accepted(talk: Any, where: dict[str, Any]) -> None:
    first = await _change(talk, "Inoperative", where)
    await talk.tell()

    assert (first, await _change(talk, "Inoperative", where)) == ("Accepted", "Accepted")
    assert await _told(talk) == []


@pytest.mark.spec("2.0.1", "TC_G_11_CS")
@pytest.mark.spec("2.0.1", "TC_G_17_CS")
@pytest.mark.parametrize("place", ["EVSE", "connector"])
async def test_a_change_waits_for_the_transaction_of_its_place(talk: Any, place: str) -> None:
    await talk.bench.charge()
    await talk.tell()

    status = await _change(talk, "Inoperative", PLACES[place])
    during = await _told(talk)
    await talk.bench.finish()

    assert (status, during) == ("Scheduled", [])
    assert (1, 1, "Unavailable") in await _told(talk)
