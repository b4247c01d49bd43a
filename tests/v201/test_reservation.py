"""Block H: reservations, as the CSMS makes them and as drivers meet them."""

from typing import Any

import pytest
from fake_csms import NOW
from station_bench import BenchMeter

from chargepoint.core.inputs import DeadlinePassed, Plugged, Unplugged, VehicleReady
from chargepoint.core.model import Fault, IdToken, Stage

HOUR = "2026-03-01T11:00:00Z"
ANN, BOB, EVE = "04A1B2C3D4", "04B0B0B0B0", "04EEEEEEEE"
FLEET = {"idToken": "FLEET", "type": "Central"}


def reserve_now(reservation_id: int = 1, token: str = ANN, **more: Any) -> dict[str, Any]:
    return {
        "id": reservation_id,
        "expiryDateTime": HOUR,
        "idToken": {"idToken": token, "type": "ISO14443"},
        **more,
    }


async def reserve(talk: Any, *args: Any, **more: Any) -> str:
    status: str = (await talk.ask("ReserveNow", reserve_now(*args, **more)))["status"]
    return status


async def statuses(talk: Any) -> dict[tuple[int, int], str]:
    """What was told of connectors, the last word on each."""
    return {
        (sent.payload["evseId"], sent.payload["connectorId"]): sent.payload["connectorStatus"]
        for sent in await talk.tell()
        if sent.action == "StatusNotification"
    }


async def present(talk: Any, token: str, *evses: int) -> None:
    """Swipe; what follows of it has followed."""
    talk.bench.station.present(IdToken(token), evses)
    await talk.bench.clock.settle()


async def arrange(talk: Any) -> None:
    """What the running station does by itself."""
    await talk.bench.station.reservations.arrange()


def stages(talk: Any) -> list[Stage]:
    return [talk.bench.state(evse_id).stage for evse_id in talk.bench.station.evses]


@pytest.fixture
def connectors() -> tuple[tuple[str, ...], ...]:
    return (("cType2",), ("cCCS2", "cType2"))


@pytest.mark.spec("2.0.1", "TC_H_01_CS")
@pytest.mark.spec("2.0.1", "H01.FR.15")
async def test_who_reserved_an_evse_uses_it(talk: Any) -> None:
    assert await reserve(talk, 7, evseId=1) == "Accepted"
    assert await statuses(talk) == {(1, 1): "Reserved"}

    await present(talk, ANN, 1)
    assert await statuses(talk) == {(1, 1): "Available"}
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))

    (started,) = [e for e in await talk.events() if e["eventType"] == "Started"]
    assert started["reservationId"] == 7
    assert talk.bench.station.reservations.known == ()
    assert await reserve(talk, 7, evseId=2) == "Accepted", "its id is free again"


@pytest.mark.spec("2.0.1", "G01.FR.09")
async def test_a_vehicle_at_a_reserved_evse_does_not_occupy_it(talk: Any) -> None:
    await reserve(talk, evseId=1)
    await talk.tell()

    await talk.bench.feed(Plugged())
    assert await statuses(talk) == {}
    await present(talk, EVE, 1)
    assert stages(talk)[0] is Stage.PLUGGED

    await present(talk, ANN, 1)
    assert await statuses(talk) == {(1, 1): "Occupied"}
    assert stages(talk)[0] is Stage.CHARGING


@pytest.mark.spec("2.0.1", "TC_H_02_CS")
async def test_somebody_else_gets_nothing_at_a_reserved_evse(talk: Any) -> None:
    await reserve(talk, evseId=1)
    await talk.tell()
    start = {"idToken": {"idToken": EVE, "type": "ISO14443"}, "remoteStartId": 5, "evseId": 1}

    await talk.bench.feed(Plugged())
    await present(talk, EVE, 1)
    answer = await talk.ask("RequestStartTransaction", start)

    assert answer["status"] == "Rejected"
    assert stages(talk) == [Stage.PLUGGED, Stage.AVAILABLE]
    assert await talk.events() == []


async def test_who_reserved_may_be_started_remotely(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))
    start = {"idToken": {"idToken": ANN, "type": "ISO14443"}, "remoteStartId": 5, "evseId": 1}

    assert (await talk.ask("RequestStartTransaction", start))["status"] == "Accepted"

    started, _ = await talk.events()
    assert started["reservationId"] == 7


async def test_a_remote_start_of_the_group_uses_the_reservation(talk: Any) -> None:
    await reserve(talk, 7, evseId=1, groupIdToken=FLEET)
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))
    start = {
        "idToken": {"idToken": BOB, "type": "ISO14443"},
        "groupIdToken": FLEET,
        "remoteStartId": 5,
        "evseId": 1,
    }

    assert (await talk.ask("RequestStartTransaction", start))["status"] == "Accepted"

    started, _ = await talk.events()
    assert started["reservationId"] == 7


async def test_a_remote_start_anywhere_leaves_the_reserved_evse(talk: Any) -> None:
    await reserve(talk, evseId=1)
    await talk.bench.feed(Plugged())
    start = {"idToken": {"idToken": EVE, "type": "ISO14443"}, "remoteStartId": 5}

    assert (await talk.ask("RequestStartTransaction", start))["status"] == "Accepted"

    assert stages(talk) == [Stage.PLUGGED, Stage.AUTHORIZED]


@pytest.mark.spec("2.0.1", "TC_H_03_CS")
async def test_a_reserved_evse_is_occupied_for_another_reservation(talk: Any) -> None:
    await reserve(talk, 1, evseId=1)

    assert await reserve(talk, 2, BOB, evseId=1) == "Occupied"


@pytest.mark.spec("2.0.1", "TC_H_04_CS")
@pytest.mark.parametrize("charging", [True, False])
async def test_an_evse_in_use_cannot_be_reserved(talk: Any, *, charging: bool) -> None:
    await (talk.bench.charge() if charging else talk.bench.feed(Plugged()))

    assert await reserve(talk, evseId=1) == "Occupied"


@pytest.mark.spec("2.0.1", "TC_H_06_CS")
async def test_an_evse_out_of_order_cannot_be_reserved(talk: Any) -> None:
    where = {"operationalStatus": "Inoperative", "evse": {"id": 1}}
    await talk.ask("ChangeAvailability", where)

    assert await reserve(talk, evseId=1) == "Unavailable"


async def test_a_broken_evse_cannot_be_reserved(talk: Any) -> None:
    await talk.bench.station.set_fault(1, Fault("GroundFailure"), active=True)

    assert await reserve(talk, evseId=1) == "Faulted"


@pytest.mark.parametrize(
    "wanted",
    [
        {"evseId": 9},
        {"evseId": 1, "connectorType": "cCCS2"},
        {"connectorType": "sType3"},
        {"evseId": 1, "expiryDateTime": NOW},
    ],
    ids=["no such EVSE", "no such connector there", "no such connector", "expired already"],
)
async def test_what_cannot_be_is_rejected(talk: Any, wanted: dict[str, Any]) -> None:
    assert await reserve(talk, **wanted) == "Rejected"
    assert talk.bench.station.reservations.known == ()


@pytest.mark.spec("2.0.1", "TC_H_07_CS")
async def test_a_reservation_that_nobody_uses_expires(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)
    await talk.tell()

    await talk.bench.clock.advance(3600)
    await arrange(talk)

    told = await talk.tell()
    assert [s.payload for s in told if s.action == "ReservationStatusUpdate"] == [
        {"reservationId": 7, "reservationUpdateStatus": "Expired"}
    ]
    words = [s.payload["connectorStatus"] for s in told if s.action == "StatusNotification"]
    assert words == ["Available"]
    await present(talk, EVE, 1)
    assert stages(talk)[0] is Stage.AUTHORIZED


@pytest.mark.spec("2.0.1", "TC_H_08_CS")
async def test_the_last_evse_is_kept_for_a_reservation_of_any(talk: Any) -> None:
    assert await reserve(talk, 7) == "Accepted"
    assert await statuses(talk) == {}

    await talk.bench.charge(IdToken(EVE), evse_id=2)
    await arrange(talk)
    assert (await statuses(talk))[1, 1] == "Reserved"
    await present(talk, BOB)
    assert stages(talk)[0] is Stage.AVAILABLE

    await present(talk, ANN)
    await talk.bench.feed(Plugged(), VehicleReady(ready=True))
    (started,) = [e for e in await talk.events() if e["eventType"] == "Started"]
    assert started["reservationId"] == 7


@pytest.mark.spec("2.0.1", "TC_H_09_CS")
async def test_none_is_left_to_reserve_if_all_are_reserved(talk: Any) -> None:
    await reserve(talk, 1, evseId=1)
    await reserve(talk, 2, BOB, evseId=2)

    assert await reserve(talk, 3, EVE) == "Occupied"


@pytest.mark.spec("2.0.1", "TC_H_10_CS")
async def test_none_is_left_to_reserve_if_all_are_in_use(talk: Any) -> None:
    await talk.bench.charge(IdToken(BOB))
    await talk.bench.charge(IdToken(EVE), evse_id=2)

    assert await reserve(talk) == "Occupied"


@pytest.mark.spec("2.0.1", "TC_H_12_CS")
async def test_none_can_be_reserved_if_all_are_out_of_order(talk: Any) -> None:
    for evse_id in (1, 2):
        where = {"operationalStatus": "Inoperative", "evse": {"id": evse_id}}
        await talk.ask("ChangeAvailability", where)

    assert await reserve(talk) == "Unavailable"


@pytest.mark.spec("2.0.1", "TC_H_14_CS")
async def test_all_are_reserved_once_there_are_as_many_reservations(talk: Any) -> None:
    assert await reserve(talk, 1, ANN) == "Accepted"
    assert await statuses(talk) == {}

    assert await reserve(talk, 2, BOB) == "Accepted"
    assert await statuses(talk) == dict.fromkeys([(1, 1), (2, 1), (2, 2)], "Reserved")
    await present(talk, EVE)
    assert stages(talk) == [Stage.AVAILABLE, Stage.AVAILABLE]

    await present(talk, BOB)
    await arrange(talk)
    assert stages(talk) == [Stage.AUTHORIZED, Stage.AVAILABLE]
    assert talk.bench.state(2).reserved_for == (1,)


@pytest.mark.spec("2.0.1", "TC_H_15_CS")
async def test_a_connector_of_a_type_is_kept(talk: Any) -> None:
    assert await reserve(talk, 7, connectorType="cCCS2") == "Accepted"
    assert (await statuses(talk))[2, 1] == "Reserved"
    await present(talk, EVE, 2)
    assert stages(talk)[1] is Stage.AVAILABLE

    await present(talk, ANN, 2)
    await talk.bench.feed(Plugged(1), VehicleReady(ready=True), evse_id=2)

    (started,) = [e for e in await talk.events() if e["eventType"] == "Started"]
    assert started["reservationId"] == 7


@pytest.mark.spec("2.0.1", "TC_H_16_CS")
async def test_a_type_that_is_all_reserved_is_occupied(talk: Any) -> None:
    await reserve(talk, 1, connectorType="cCCS2")

    assert await reserve(talk, 2, BOB, connectorType="cCCS2") == "Occupied"
    assert await reserve(talk, 3, BOB, connectorType="cType2") == "Accepted"


@pytest.mark.spec("2.0.1", "TC_H_17_CS")
async def test_a_reservation_is_cancelled(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)
    await talk.tell()

    assert await talk.ask("CancelReservation", {"reservationId": 7}) == {"status": "Accepted"}

    told = await talk.tell()
    assert [s.action for s in told] == ["StatusNotification"]
    assert told[0].payload["connectorStatus"] == "Available"


@pytest.mark.spec("2.0.1", "TC_H_18_CS")
async def test_a_reservation_that_is_not_there_cannot_be_cancelled(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)

    assert await talk.ask("CancelReservation", {"reservationId": 8}) == {"status": "Rejected"}
    assert len(talk.bench.station.reservations.known) == 1


@pytest.mark.spec("2.0.1", "TC_H_19_CS")
@pytest.mark.spec("2.0.1", "TC_H_24_CS")
@pytest.mark.parametrize("where", [{"evseId": 1}, {}], ids=["an EVSE", "any"])
async def test_another_token_of_the_group_uses_the_reservation(
    talk: Any, where: dict[str, int]
) -> None:
    talk.csms.answers("Authorize", {"idTokenInfo": {"status": "Accepted", "groupIdToken": FLEET}})
    await talk.bench.charge(IdToken(EVE), evse_id=2)
    await reserve(talk, 7, groupIdToken=FLEET, **where)
    await talk.tell()

    await talk.bench.feed(Plugged(), VehicleReady(ready=True))
    await present(talk, BOB, 1)

    (started,) = [e for e in await talk.events() if e["eventType"] == "Started"]
    assert (started["reservationId"], started["idToken"]["idToken"]) == (7, BOB)


@pytest.mark.spec("2.0.1", "TC_H_21_CS")
@pytest.mark.parametrize("scope", [{"evse": {"id": 1}}, {}, {"evse": {"id": 1, "connectorId": 1}}])
async def test_what_goes_out_of_order_is_reserved_no_more(talk: Any, scope: dict[str, Any]) -> None:
    await reserve(talk, 7, evseId=1)
    await talk.tell()

    await talk.ask("ChangeAvailability", {"operationalStatus": "Inoperative", **scope})

    told = await talk.tell()
    assert [s.payload for s in told if s.action == "ReservationStatusUpdate"] == [
        {"reservationId": 7, "reservationUpdateStatus": "Removed"}
    ]
    words = [s.payload["connectorStatus"] for s in told if s.action == "StatusNotification"]
    assert set(words) == {"Unavailable"}
    await talk.ask("ChangeAvailability", {"operationalStatus": "Operative", **scope})
    await present(talk, EVE, 1)
    assert stages(talk)[0] is Stage.AUTHORIZED


async def test_what_breaks_is_reserved_no_more(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)
    await talk.tell()

    await talk.bench.station.set_fault(1, Fault("GroundFailure"), active=True)

    told = await talk.tell()
    assert [(s.action, *s.payload.values())[-1] for s in told if "Reser" in s.action] == ["Removed"]
    words = [s.payload["connectorStatus"] for s in told if s.action == "StatusNotification"]
    assert words == ["Faulted"]


@pytest.mark.spec("2.0.1", "TC_H_22_CS")
async def test_nothing_is_reserved_if_reservations_are_switched_off(talk: Any) -> None:
    await reserve(talk, 1, evseId=1)
    where = {"component": {"name": "ReservationCtrlr"}, "variable": {"name": "Enabled"}}
    await talk.ask("SetVariables", {"setVariableData": [{**where, "attributeValue": "false"}]})

    assert await reserve(talk, 2, BOB, evseId=2) == "Rejected"
    assert len(talk.bench.station.reservations.known) == 1, "what was reserved still is"


@pytest.mark.spec("2.0.1", "TC_H_23_CS")
@pytest.mark.parametrize("evse_id", [1, 2])
async def test_a_reservation_of_the_same_id_replaces_the_first_one(talk: Any, evse_id: int) -> None:
    await reserve(talk, 7, ANN, evseId=1)

    assert await reserve(talk, 7, BOB, evseId=evse_id) == "Accepted"

    (known,) = talk.bench.station.reservations.known
    assert (known.token, known.evse_id) == (IdToken(BOB), evse_id)
    await talk.bench.feed(Plugged(), evse_id=evse_id)
    await present(talk, ANN, evse_id)
    assert stages(talk)[evse_id - 1] is Stage.PLUGGED
    await present(talk, BOB, evse_id)
    assert talk.bench.state(evse_id).busy


async def test_a_reservation_that_replaces_nothing_good_leaves_the_first_one(talk: Any) -> None:
    await reserve(talk, 7, ANN, evseId=1)
    await talk.bench.charge(IdToken(EVE), evse_id=2)

    assert await reserve(talk, 7, BOB, evseId=2) == "Occupied"

    (known,) = talk.bench.station.reservations.known
    assert known.token == IdToken(ANN)


async def test_a_reservation_is_used_up_although_no_vehicle_comes(talk: Any) -> None:
    await reserve(talk, 7, evseId=1)
    await present(talk, ANN, 1)

    await talk.bench.feed(DeadlinePassed())
    await arrange(talk)

    assert stages(talk)[0] is Stage.AVAILABLE
    assert talk.bench.state(1).reserved_for == ()


async def test_a_reader_for_all_sends_who_reserved_to_the_evse_kept_for_him(talk: Any) -> None:
    await reserve(talk, 7, evseId=2)

    await present(talk, ANN)

    assert stages(talk) == [Stage.AVAILABLE, Stage.AUTHORIZED]


async def test_a_vehicle_that_leaves_a_reserved_evse_leaves_it_reserved(talk: Any) -> None:
    await reserve(talk, evseId=1)
    await talk.bench.feed(Plugged(), Unplugged())

    assert await statuses(talk) == {(1, 1): "Reserved"}
    assert talk.bench.state(1).reserved_for == (1,)


@pytest.mark.spec("2.0.1", "TC_H_13_CS")
async def test_a_station_may_refuse_to_leave_the_evse_open(open_talk: Any) -> None:
    only = {"ReservationCtrlr.NonEvseSpecific": False}
    async with open_talk(settings=only) as talk:
        assert await reserve(talk) == "Rejected"
        assert await reserve(talk, evseId=1) == "Accepted"


@pytest.mark.spec("2.0.1", "TC_B_24_CS")
async def test_a_reservation_survives_a_restart(
    open_talk: Any, connectors: tuple[tuple[str, ...], ...]
) -> None:
    async with open_talk(connectors=connectors) as talk:
        await reserve(talk, 7, evseId=1)
        clock = talk.bench.clock

    meters = {number: BenchMeter(clock=clock) for number in (1, 2)}
    async with open_talk(connectors=connectors, clock=clock, meters=meters, running=True) as talk:
        told = {(f.evse_id, f.connector_id): str(f.status) for f in talk.bench.station.statuses()}
        assert told[1, 1] == "Reserved"

        await present(talk, EVE, 1)
        assert stages(talk)[0] is Stage.AVAILABLE
        await present(talk, ANN, 1)
        assert stages(talk)[0] is Stage.AUTHORIZED


async def test_a_reservation_that_expired_while_the_power_was_off_is_told(
    open_talk: Any, connectors: tuple[tuple[str, ...], ...]
) -> None:
    async with open_talk(connectors=connectors) as talk:
        await reserve(talk, 7, evseId=1)
        clock = talk.bench.clock
    clock.pass_time(4000)

    meters = {number: BenchMeter(clock=clock) for number in (1, 2)}
    async with open_talk(connectors=connectors, clock=clock, meters=meters, running=True) as talk:
        told = await talk.tell()

        assert [s.payload for s in told if s.action == "ReservationStatusUpdate"] == [
            {"reservationId": 7, "reservationUpdateStatus": "Expired"}
        ]
        assert talk.bench.state(1).reserved_for == ()
