"""ReserveNow and CancelReservation: what a CSMS of 1.6 sees of reservations."""

from typing import Any

import pytest

from chargepoint.core.inputs import Plugged, Unplugged, VehicleReady
from chargepoint.core.model import Fault, IdToken, Stage

HOUR = "2026-03-01T11:00:00Z"
ANN, BOB, EVE = "AA01", "BB02", "EE03"


async def reserve(bench: Any, connector: int, tag: str = ANN, number: int = 7, **more: Any) -> str:
    answer = await bench.ask(
        "ReserveNow",
        connectorId=connector,
        reservationId=number,
        idTag=tag,
        **{"expiryDate": HOUR, **more},
    )
    status: str = answer["status"]
    return status


async def statuses(bench: Any) -> list[tuple[int, str]]:
    return [
        (sent.payload["connectorId"], sent.payload["status"])
        for sent in await bench.tell()
        if sent.action == "StatusNotification"
    ]


async def present(bench: Any, tag: str, *evses: int) -> None:
    await bench.station.authorizer.present(IdToken(tag), evses)


@pytest.mark.spec("1.6", "TC_046_1")
@pytest.mark.spec("1.6", "5.13")
async def test_who_reserved_a_connector_uses_it(bench: Any) -> None:
    assert await reserve(bench, 1) == "Accepted"
    assert await statuses(bench) == [(1, "Reserved")]

    await present(bench, ANN, 1)
    assert await statuses(bench) == [(1, "Preparing")]
    await bench.feed(Plugged(), VehicleReady(ready=True))
    await bench.tell()

    (started,) = bench.csms.said("StartTransaction")
    assert (started["connectorId"], started["reservationId"]) == (1, 7)
    assert bench.station.reservations.known == ()


async def test_a_session_without_a_reservation_names_none(bench: Any) -> None:
    await bench.charge()
    await bench.tell()

    assert "reservationId" not in bench.csms.said("StartTransaction")[0]


@pytest.mark.spec("1.6", "TC_047")
async def test_a_reservation_that_nobody_uses_expires(bench: Any) -> None:
    await reserve(bench, 1)
    await bench.tell()

    bench.clock.pass_time(3600)
    await bench.station.reservations.arrange()

    assert await statuses(bench) == [(1, "Available")]
    await present(bench, EVE, 1)
    assert bench.state().stage is Stage.AUTHORIZED


@pytest.mark.spec("1.6", "TC_048_1")
async def test_a_broken_connector_cannot_be_reserved(bench: Any) -> None:
    await bench.station.set_fault(1, Fault("GroundFailure"), active=True)

    assert await reserve(bench, 1) == "Faulted"


@pytest.mark.spec("1.6", "TC_048_2")
async def test_a_connector_in_use_cannot_be_reserved(bench: Any) -> None:
    await bench.feed(Plugged())

    assert await reserve(bench, 1) == "Occupied"


@pytest.mark.spec("1.6", "TC_048_3")
async def test_a_connector_out_of_order_cannot_be_reserved(bench: Any) -> None:
    await bench.ask("ChangeAvailability", connectorId=1, type="Inoperative")

    assert await reserve(bench, 1) == "Unavailable"


@pytest.mark.spec("1.6", "TC_048_4")
async def test_nothing_is_reserved_if_reservations_are_switched_off(bench: Any) -> None:
    bench.set("ReservationEnabled", "false")

    assert await reserve(bench, 1) == "Rejected"


async def test_a_connector_that_is_not_there_cannot_be_reserved(bench: Any) -> None:
    assert await reserve(bench, 9) == "Rejected"


@pytest.mark.spec("1.6", "5.13")
async def test_a_reserved_connector_is_occupied_for_another_reservation(bench: Any) -> None:
    await reserve(bench, 1, ANN, 1)

    assert await reserve(bench, 1, BOB, 2) == "Occupied"
    assert await reserve(bench, 1, BOB, 1) == "Accepted", "the same id replaces"


@pytest.mark.spec("1.6", "TC_049")
async def test_one_of_all_connectors_is_kept(bench: Any) -> None:
    assert await reserve(bench, 0) == "Accepted"
    assert await statuses(bench) == []

    await bench.charge(EVE, 2)
    await bench.station.reservations.arrange()
    assert (1, "Reserved") in await statuses(bench)
    await present(bench, BOB, 1)
    assert bench.state(1).stage is Stage.AVAILABLE

    await present(bench, ANN, 1)
    await bench.feed(Plugged(), VehicleReady(ready=True))
    await bench.tell()
    assert bench.csms.said("StartTransaction")[-1]["reservationId"] == 7


@pytest.mark.spec("1.6", "9.3")
async def test_the_station_says_whether_it_keeps_one_of_all(bench: Any) -> None:
    answer = await bench.ask("GetConfiguration", key=["ReserveConnectorZeroSupported"])

    (key,) = answer["configurationKey"]
    assert (key["value"], key["readonly"]) == ("true", True)


@pytest.mark.spec("1.6", "TC_051")
@pytest.mark.spec("1.6", "5.3")
async def test_a_reservation_is_cancelled(bench: Any) -> None:
    await reserve(bench, 1)
    await bench.tell()

    assert await bench.ask("CancelReservation", reservationId=7) == {"status": "Accepted"}
    assert await statuses(bench) == [(1, "Available")]


@pytest.mark.spec("1.6", "TC_052")
async def test_a_reservation_that_is_not_there_cannot_be_cancelled(bench: Any) -> None:
    await reserve(bench, 1)

    assert await bench.ask("CancelReservation", reservationId=8) == {"status": "Rejected"}


@pytest.mark.spec("1.6", "TC_053_1")
async def test_another_tag_of_the_parent_uses_the_reservation(bench: Any) -> None:
    await reserve(bench, 1, parentIdTag="FLEET")
    bench.csms.standing["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": "FLEET"}}

    await bench.feed(Plugged(), VehicleReady(ready=True))
    await present(bench, BOB, 1)
    await bench.tell()

    (started,) = bench.csms.said("StartTransaction")
    assert (started["idTag"], started["reservationId"]) == (BOB, 7)


async def test_a_tag_of_another_parent_does_not(bench: Any) -> None:
    await reserve(bench, 1, parentIdTag="FLEET")
    bench.csms.standing["Authorize"] = {"idTagInfo": {"status": "Accepted", "parentIdTag": "OTHER"}}

    await present(bench, BOB, 1)

    assert bench.state().stage is Stage.AVAILABLE


@pytest.mark.spec("1.6", "5.11")
async def test_a_remote_start_of_another_tag_is_rejected(bench: Any) -> None:
    await reserve(bench, 1)

    answer = await bench.ask("RemoteStartTransaction", connectorId=1, idTag=EVE)
    assert answer == {"status": "Rejected"}

    answer = await bench.ask("RemoteStartTransaction", connectorId=1, idTag=ANN)
    assert answer == {"status": "Accepted"}
    assert bench.state().stage is Stage.AUTHORIZED


@pytest.mark.spec("1.6", "5.13")
@pytest.mark.parametrize("broken", ["fault", "inoperative"])
async def test_what_is_out_of_order_is_reserved_no_more(bench: Any, broken: str) -> None:
    await reserve(bench, 1)
    await bench.tell()

    if broken == "fault":
        await bench.station.set_fault(1, Fault("GroundFailure"), active=True)
    else:
        await bench.ask("ChangeAvailability", connectorId=1, type="Inoperative")

    assert await statuses(bench) == [(1, "Faulted" if broken == "fault" else "Unavailable")]
    assert bench.station.reservations.known == ()
    assert bench.csms.actions == ["StatusNotification", "StatusNotification"]


@pytest.mark.spec("1.6", "4.9")
async def test_a_vehicle_at_a_reserved_connector_leaves_it_reserved(bench: Any) -> None:
    await reserve(bench, 1)
    await bench.tell()

    await bench.feed(Plugged(), Unplugged())

    assert await statuses(bench) == []


class TestTwoConnectorsOfOneEvse:
    """Both share one supply, so what keeps one keeps the other."""

    @pytest.fixture
    def connectors(self) -> dict[int, tuple[str, ...]]:
        return {1: ("sType2",), 2: ("cCCS2", "cType2")}

    async def test_a_reserved_connector_keeps_its_evse(self, bench: Any) -> None:
        assert await reserve(bench, 3) == "Accepted"

        assert await statuses(bench) == [(2, "Reserved"), (3, "Reserved")]
        assert await reserve(bench, 2, BOB, 8) == "Occupied"

    async def test_it_is_lost_with_its_own_connector_only(self, bench: Any) -> None:
        await reserve(bench, 3)

        await bench.ask("ChangeAvailability", connectorId=2, type="Inoperative")
        assert len(bench.station.reservations.known) == 1

        await bench.ask("ChangeAvailability", connectorId=3, type="Inoperative")
        assert bench.station.reservations.known == ()
