"""Block E over the WebSocket: every start and stop point, told as a conformance test sees it."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case

Open = Callable[..., AbstractAsyncContextManager[Case]]
Told = list[tuple[str, str, str]]

TOKEN = "04A1B2C3D4"
ID_TOKEN = {"idToken": TOKEN, "type": "ISO14443"}
SOCKET = (("sType2",),)


def points(start: str = "PowerPathClosed", stop: str = "Authorized", **more: str) -> dict[str, str]:
    """The settings of a case; further ones by the name of their variable in TxCtrlr."""
    settings = {"TxCtrlr.TxStartPoint": start, "TxCtrlr.TxStopPoint": stop}
    return settings | {f"TxCtrlr.{name}": value for name, value in more.items()}


def told(run: Case) -> list[dict[str, Any]]:
    return run.take("TransactionEvent")


def words(events: list[dict[str, Any]]) -> Told:
    return [
        (event["eventType"], event["triggerReason"], event["transactionInfo"]["chargingState"])
        for event in events
    ]


def reason(event: dict[str, Any]) -> str:
    return str(event["transactionInfo"].get("stoppedReason", "Local"))


def contexts(event: dict[str, Any]) -> set[str]:
    values = event.get("meterValue", [])
    return {sample["context"] for value in values for sample in value["sampledValue"]}


async def start_remotely(run: Case, **more: Any) -> dict[str, Any]:
    return await run.ask(
        "RequestStartTransaction", idToken=ID_TOKEN, remoteStartId=7, evseId=1, **more
    )


# --- start points -----------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_E_01_CS")
async def test_power_path_closed_starts_once_both_are_there(open_case: Open) -> None:
    async with open_case(settings=points()) as run:
        run.take()
        await run.plug(ready=False)
        assert told(run) == []

        await run.swipe(TOKEN)
        await run.vehicle_ready(True)

        started, waits, charging = told(run)
        assert words([started]) == [("Started", "Authorized", "EVConnected")]
        assert words([waits]) == [("Updated", "ChargingStateChanged", "SuspendedEV")]
        assert (started["idToken"], started["evse"]) == (ID_TOKEN, {"id": 1, "connectorId": 1})
        assert words([charging]) == [("Updated", "ChargingStateChanged", "Charging")]


@pytest.mark.spec("2.0.1", "TC_E_02_CS")
@pytest.mark.parametrize("remote", [False, True])
async def test_energy_transfer_starts_with_the_energy(
    open_case: Open,
    remote: bool,  # noqa: FBT001 - the parameter of the test
) -> None:
    settings = points("EnergyTransfer") | {"AuthCtrlr.AuthorizeRemoteStart": "false"}
    async with open_case(settings=settings) as run:
        run.take()
        await run.plug(ready=False)
        await (start_remotely(run) if remote else run.swipe(TOKEN))
        assert told(run) == []

        await run.vehicle_ready(True)

        (started,) = told(run)
        trigger = "RemoteStart" if remote else "ChargingStateChanged"
        assert words([started]) == [("Started", trigger, "Charging")]
        assert (started["idToken"], started["evse"]) == (ID_TOKEN, {"id": 1, "connectorId": 1})
        assert contexts(started) == {"Transaction.Begin"}


@pytest.mark.spec("2.0.1", "TC_E_09_CS")
async def test_ev_connected_starts_with_the_cable(open_case: Open) -> None:
    async with open_case(settings=points("EVConnected")) as run:
        run.take()
        await run.plug()

        (started,) = told(run)
        assert words([started]) == [("Started", "CablePluggedIn", "EVConnected")]
        assert started["evse"] == {"id": 1, "connectorId": 1}
        assert "idToken" not in started

        await run.swipe(TOKEN)

        authorized, charging = told(run)
        assert words([authorized]) == [("Updated", "Authorized", "EVConnected")]
        assert authorized["idToken"] == ID_TOKEN
        assert words([charging]) == [("Updated", "ChargingStateChanged", "Charging")]


@pytest.mark.spec("2.0.1", "TC_E_10_CS")
@pytest.mark.spec("2.0.1", "TC_J_08_CS")
async def test_authorized_starts_with_the_token(open_case: Open) -> None:
    async with open_case(settings=points("Authorized")) as run:
        run.take()
        await run.swipe(TOKEN)

        authorize, started = run.take()
        assert authorize.action == "Authorize"
        assert words([started.payload]) == [("Started", "Authorized", "Idle")]
        assert started.payload["idToken"] == ID_TOKEN
        assert started.payload["evse"] == {"id": 1}
        assert contexts(started.payload) == {"Transaction.Begin"}

        await run.plug()

        plugged, *_, charging = told(run)
        assert words([plugged]) == [("Updated", "CablePluggedIn", "EVConnected")]
        assert plugged["evse"] == {"id": 1, "connectorId": 1}
        assert words([charging])[0][2] == "Charging"


@pytest.mark.spec("2.0.1", "TC_E_11_CS")
async def test_data_signed_starts_with_the_first_signed_value(open_case: Open) -> None:
    signing = {
        "SampledDataCtrlr.SignReadings": "true",
        "SampledDataCtrlr.SignStartedReadings": "true",
        "OCPPCommCtrlr.PublicKeyWithSignedMeterValue": "EveryMeterValue",
    }
    async with open_case(settings=points("DataSigned") | signing, start=False) as run:
        run.meters[1].signs_begin = True
        await run.start()
        run.take()
        await run.plug()
        assert told(run) == []

        await run.swipe(TOKEN)

        started, charging = told(run)
        assert words([started]) == [("Started", "SignedDataReceived", "EVConnected")]
        assert (started["idToken"], started["evse"]) == (ID_TOKEN, {"id": 1, "connectorId": 1})
        (sample,) = started["meterValue"][0]["sampledValue"]
        assert sample["context"] == "Transaction.Begin"
        assert set(sample["signedMeterValue"]) == {
            "signedMeterData",
            "signingMethod",
            "encodingMethod",
            "publicKey",
        }
        assert words([charging]) == [("Updated", "ChargingStateChanged", "Charging")]


@pytest.mark.spec("2.0.1", "TC_E_12_CS")
@pytest.mark.spec("2.0.1", "TC_E_19_CS")
async def test_a_transaction_may_last_as_long_as_the_vehicle_stands_there(open_case: Open) -> None:
    bay = "ParkingBayOccupancy"
    async with open_case(settings=points(bay, bay)) as run:
        run.take()
        run.outlets[1].park(occupied=True)
        await run.settle()
        assert words(told(run)) == [("Started", "EVDetected", "Idle")]

        await run.plug()
        await run.swipe(TOKEN)
        await run.swipe(TOKEN)
        await run.unplug()
        assert "Ended" not in {event["eventType"] for event in told(run)}
        run.outlets[1].park(occupied=False)
        await run.settle()

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "EVDeparted", "Idle")]
        assert reason(ended) == "Local"
        assert "signedMeterValue" in ended["meterValue"][-1]["sampledValue"][0]


@pytest.mark.spec("2.0.1", "TC_E_13_CS")
async def test_authorized_from_afar_starts_with_the_request(open_case: Open) -> None:
    async with open_case(settings=points("Authorized")) as run:
        run.take()
        answer = await start_remotely(run)

        started = told(run)[-1]
        assert answer["status"] == "Accepted"
        assert words([started]) == [("Started", "RemoteStart", "Idle")]
        assert (started["idToken"], started["transactionInfo"]["remoteStartId"]) == (ID_TOKEN, 7)


@pytest.mark.spec("2.0.1", "F01.FR.13")
async def test_a_remote_start_names_the_transaction_that_the_cable_began(open_case: Open) -> None:
    async with open_case(settings=points("EVConnected")) as run:
        await run.plug()
        started = told(run)[-1]["transactionInfo"]

        answer = await start_remotely(run)

        assert answer == {"status": "Accepted", "transactionId": started["transactionId"]}
        authorized, charging = told(run)
        assert words([authorized]) == [("Updated", "RemoteStart", "EVConnected")]
        assert authorized["transactionInfo"]["remoteStartId"] == 7
        assert "remoteStartId" not in charging["transactionInfo"]


# --- stop points ------------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_E_07_CS")
@pytest.mark.spec("2.0.1", "TC_E_15_CS")
@pytest.mark.parametrize("stop", ["PowerPathClosed", "Authorized"])
async def test_the_token_ends_it(open_case: Open, stop: str) -> None:
    async with open_case(settings=points(stop=stop)) as run:
        await run.charge()
        run.take()

        await run.swipe(TOKEN)

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "StopAuthorized", "EVConnected")]
        assert (reason(ended), ended["idToken"]) == ("Local", ID_TOKEN)


@pytest.mark.spec("2.0.1", "TC_E_08_CS")
async def test_energy_transfer_ends_with_the_energy_that_the_token_stops(open_case: Open) -> None:
    async with open_case(settings=points(stop="EnergyTransfer")) as run:
        await run.charge()
        run.take()

        await run.swipe(TOKEN)

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "StopAuthorized", "EVConnected")]
        assert run.outlets[1].closed is False


@pytest.mark.spec("2.0.1", "TC_E_14_CS")
async def test_ev_connected_ends_with_the_cable_after_the_token(open_case: Open) -> None:
    async with open_case(settings=points(stop="EVConnected"), connectors=SOCKET) as run:
        await run.charge()
        run.take()
        await run.swipe(TOKEN)
        (stopped,) = told(run)
        assert words([stopped]) == [("Updated", "StopAuthorized", "EVConnected")]
        assert run.outlets[1].locked is False

        await run.unplug()

        sent = run.take()
        ended = next(one.payload for one in sent if one.action == "TransactionEvent")
        assert words([ended]) == [("Ended", "EVCommunicationLost", "Idle")]
        assert reason(ended) == "Local"
        statuses = [one.payload for one in sent if one.action == "StatusNotification"]
        assert statuses[-1]["connectorStatus"] == "Available"


@pytest.mark.spec("2.0.1", "TC_E_17_CS")
@pytest.mark.spec("2.0.1", "TC_E_20_CS")
@pytest.mark.spec("2.0.1", "TC_E_37_CS")
@pytest.mark.spec("2.0.1", "TC_E_54_CS")
@pytest.mark.parametrize(
    ("stop", "stops"),
    [
        ("Authorized", "true"),
        ("EVConnected", "false"),
        ("EVConnected", "true"),
        ("PowerPathClosed", "false"),
    ],
)
async def test_unplugged_at_the_vehicle_it_ends(open_case: Open, stop: str, stops: str) -> None:
    settings = points(stop=stop, StopTxOnEVSideDisconnect=stops)
    async with open_case(settings=settings) as run:
        await run.charge()
        run.take()

        await run.unplug()

        sent = run.take()
        (ended,) = [one.payload for one in sent if one.action == "TransactionEvent"]
        assert words([ended]) == [("Ended", "EVCommunicationLost", "Idle")]
        assert reason(ended) == "EVDisconnected"
        statuses = [one.payload for one in sent if one.action == "StatusNotification"]
        assert statuses[-1]["connectorStatus"] == "Available"


@pytest.mark.spec("2.0.1", "TC_E_21_CS")
@pytest.mark.spec("2.0.1", "TC_E_35_CS")
@pytest.mark.parametrize("stop", ["Authorized", "PowerPathClosed", "EVConnected"])
async def test_a_remote_stop_ends_it(open_case: Open, stop: str) -> None:
    async with open_case(settings=points(stop=stop)) as run:
        transaction = await run.charge()
        run.take()

        answer = await run.ask("RequestStopTransaction", transactionId=transaction)
        stopped = told(run)
        await run.unplug()
        last = (stopped + told(run))[-1]

        assert answer["status"] == "Accepted"
        assert stopped[0]["triggerReason"] == "RemoteStop"
        assert (last["eventType"], reason(last)) == ("Ended", "Remote")
        assert len(stopped) == 1


@pytest.mark.spec("2.0.1", "TC_E_22_CS")
async def test_energy_transfer_ends_with_a_vehicle_that_pauses(open_case: Open) -> None:
    async with open_case(settings=points(stop="EnergyTransfer")) as run:
        await run.charge()
        run.take()

        await run.vehicle_ready(False)

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "ChargingStateChanged", "EVConnected")]
        assert reason(ended) == "StoppedByEV"


@pytest.mark.spec("2.0.1", "TC_E_05_CS")
@pytest.mark.spec("2.0.1", "TC_E_39_CS")
@pytest.mark.spec("2.0.1", "TC_F_04_CS")
@pytest.mark.parametrize("remote", [False, True])
async def test_a_vehicle_that_does_not_come_in_time(
    open_case: Open,
    remote: bool,  # noqa: FBT001 - the parameter of the test
) -> None:
    async with open_case(settings=points("Authorized", EVConnectionTimeOut="30")) as run:
        run.take()
        await (start_remotely(run) if remote else run.swipe(TOKEN))
        run.take()
        await run.advance(29)
        assert told(run) == []
        await run.advance(1)

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "EVConnectTimeout", "Idle")]
        assert reason(ended) == "Timeout"

        await run.plug()
        assert run.outlets[1].closed is False
        assert told(run) == []
        await (start_remotely(run) if remote else run.swipe(TOKEN))
        assert run.outlets[1].closed is True


# --- the cable at the side of the vehicle -----------------------------------------------------


@pytest.mark.spec("2.0.1", "TC_E_24_CS")
async def test_a_cable_pulled_at_the_vehicle_is_given_back_at_once(open_case: Open) -> None:
    unlock = {"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "true"}
    async with open_case(settings=points() | unlock, connectors=SOCKET) as run:
        await run.charge()
        assert run.outlets[1].locked is True
        run.take()

        await run.unplug()

        sent = run.take()
        assert words([one.payload for one in sent if one.action == "TransactionEvent"]) == [
            ("Ended", "EVCommunicationLost", "Idle")
        ]
        statuses = [one.payload for one in sent if one.action == "StatusNotification"]
        assert run.outlets[1].locked is False
        assert statuses[-1]["connectorStatus"] == "Available"


@pytest.mark.spec("2.0.1", "TC_E_25_CS")
async def test_a_cable_pulled_at_the_vehicle_is_held_until_the_token_is_shown(
    open_case: Open,
) -> None:
    held = {"OCPPCommCtrlr.UnlockOnEVSideDisconnect": "false"}
    async with open_case(settings=points() | held, connectors=SOCKET) as run:
        await run.charge()
        await run.unplug()
        assert run.outlets[1].locked is True
        await run.swipe("04FFFFFFFF")
        assert run.outlets[1].locked is True
        run.take()

        await run.swipe(TOKEN)

        assert run.outlets[1].locked is False
        assert run.take("StatusNotification")[-1]["connectorStatus"] == "Available"


@pytest.mark.spec("2.0.1", "TC_E_26_CS")
async def test_a_cable_pulled_at_the_vehicle_suspends_it(open_case: Open) -> None:
    settings = points(StopTxOnEVSideDisconnect="false")
    settings["OCPPCommCtrlr.UnlockOnEVSideDisconnect"] = "false"
    async with open_case(settings=settings, connectors=SOCKET) as run:
        await run.charge()
        run.take()

        await run.unplug()
        assert words(told(run)) == [("Updated", "EVCommunicationLost", "Idle")]
        assert (run.outlets[1].locked, run.outlets[1].closed) == (True, False)
        await run.plug()

        plugged, *_, charging = told(run)
        assert words([plugged]) == [("Updated", "CablePluggedIn", "EVConnected")]
        assert words([charging]) == [("Updated", "ChargingStateChanged", "Charging")]
        assert run.outlets[1].closed is True


@pytest.mark.spec("2.0.1", "TC_E_27_CS")
async def test_behind_a_fixed_cable_the_vehicle_must_come_back_in_time(open_case: Open) -> None:
    settings = points(StopTxOnEVSideDisconnect="false", EVConnectionTimeOut="20")
    async with open_case(settings=settings) as run:
        await run.charge()
        await run.unplug()
        run.take()
        await run.advance(20)

        (ended,) = told(run)
        assert words([ended]) == [("Ended", "EVConnectTimeout", "Idle")]
        assert reason(ended) == "Timeout"
        await run.plug()
        assert run.outlets[1].closed is False
