"""How sessions begin and end, and what the station is made of (1.6 sections 9.1 and 9.3)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from key_talk import change, choose, value

from meters.errors import MeterUnreachable

Open = Callable[..., AbstractAsyncContextManager[Case]]

TOKEN = "04A1B2C3D4"
PLAIN = {"MeterValueSampleInterval": "0", "StartTxnSampledData": ""}
TWO = (("cType2",), ("cType2",))


def statuses(run: Case, connector: int = 1) -> list[str]:
    """What a connector was told to be since the last look."""
    told = run.take("StatusNotification")
    return [one["status"] for one in told if one["connectorId"] == connector]


async def reserve(run: Case, connector: int, number: int = 1) -> str:
    answer = await run.ask(
        "ReserveNow",
        connectorId=connector,
        expiryDate="2026-03-01T12:00:00Z",
        idTag=TOKEN,
        reservationId=number,
    )
    return str(answer["status"])


@pytest.mark.spec("1.6", "ConnectionTimeOut")
async def test_an_accepted_token_waits_so_long_for_a_vehicle(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, ConnectionTimeOut="45")
        run.take()
        await run.swipe(TOKEN)
        assert statuses(run) == ["Preparing"]

        await run.advance(44)
        assert statuses(run) == []
        await run.advance(1)
        assert statuses(run) == ["Available"]

        await run.plug()
        assert not run.outlets[1].closed
        assert await change(run, "ConnectionTimeOut", "0") == "Rejected"


@pytest.mark.spec("1.6", "ConnectionTimeOut")
async def test_a_vehicle_that_comes_in_time_charges(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, ConnectionTimeOut="45")
        await run.swipe(TOKEN)
        await run.advance(44)

        await run.plug()
        await run.advance(60)

        assert run.outlets[1].closed
        assert len(run.take("StartTransaction")) == 1


@pytest.mark.spec("1.6", "StopTransactionOnEVSideDisconnect")
async def test_a_vehicle_that_leaves_ends_the_transaction(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnEVSideDisconnect="true")
        await run.charge()

        await run.unplug()

        assert [one["reason"] for one in run.take("StopTransaction")] == ["EVDisconnected"]
        assert not run.outlets[1].closed


@pytest.mark.spec("1.6", "StopTransactionOnEVSideDisconnect")
async def test_or_it_may_come_back_to_its_transaction(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnEVSideDisconnect="false")
        await run.charge()
        run.take()

        await run.unplug()
        assert not run.outlets[1].closed
        await run.advance(30)
        await run.plug()

        sent = [one.action for one in run.take()]
        assert run.outlets[1].closed
        assert not {"StartTransaction", "StopTransaction"} & set(sent)


@pytest.mark.spec("1.6", "AllowEnergyTransferResumption")
@pytest.mark.parametrize(("switch", "reasons"), [("true", []), ("false", ["PowerLoss"])])
async def test_a_transaction_goes_on_after_a_power_cut_if_it_may(
    open_case: Open, switch: str, reasons: list[str]
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, AllowEnergyTransferResumption=switch)
        await run.charge()
        run.take()

        await run.restart()
        await run.advance(5)

        assert [one["reason"] for one in run.take("StopTransaction")] == reasons
        assert run.outlets[1].closed is not bool(reasons)


@pytest.mark.spec("1.6", "StopTransactionOnMeterFailure")
@pytest.mark.spec("1.6", "MeterFailureTimeout")
@pytest.mark.parametrize(("switch", "reasons"), [("true", ["Other"]), ("false", [])])
async def test_a_meter_that_is_lost_for_long_ends_the_transaction_if_it_is_to(
    open_case: Open, switch: str, reasons: list[str]
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, StopTransactionOnMeterFailure=switch, MeterFailureTimeout="40")
        await run.charge()
        run.take()
        run.meters[1].fails = MeterUnreachable("nobody answers")

        await run.advance(39)
        assert run.outlets[1].closed
        await run.advance(5)
        assert run.outlets[1].closed is not bool(reasons)

        run.meters[1].fails = None
        await run.advance(5)
        assert [one["reason"] for one in run.take("StopTransaction")] == reasons


@pytest.mark.spec("1.6", "MeterFailureTimeout")
async def test_an_outlet_without_its_meter_is_faulted_after_that_time(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, MeterFailureTimeout="25")
        run.meters[1].fails = MeterUnreachable("nobody answers")

        await run.advance(24)
        assert "Faulted" not in statuses(run)
        await run.advance(4)
        assert statuses(run) == ["Faulted"]
        await run.plug()
        await run.swipe(TOKEN)
        assert not run.outlets[1].closed


@pytest.mark.spec("1.6", "ReservationEnabled")
async def test_no_reservation_is_taken_while_they_are_switched_off(open_case: Open) -> None:
    async with open_case(settings=PLAIN, connectors=TWO) as run:
        assert await reserve(run, 1, number=1) == "Accepted"
        await choose(run, ReservationEnabled="false")
        run.take()

        assert await reserve(run, 2, number=2) == "Rejected"
        await run.plug(evse=1)
        await run.swipe("04FFFFFFFF", evse=1)
        assert not run.outlets[1].closed, "the one that is there stays"

        await choose(run, ReservationEnabled="true")
        assert await reserve(run, 2, number=2) == "Accepted"


@pytest.mark.spec("1.6", "ReserveConnectorZeroSupported")
async def test_connector_zero_can_be_reserved_if_the_station_says_so(open_case: Open) -> None:
    async with open_case(settings=PLAIN, connectors=TWO) as run:
        assert await value(run, "ReserveConnectorZeroSupported") == "true"
        assert await change(run, "ReserveConnectorZeroSupported", "false") == "Rejected"
        assert await reserve(run, 0) == "Accepted"

        await run.charge("04FFFFFFFF", evse=1)
        await run.plug(evse=2)
        await run.swipe("04EEEEEEEE", evse=2)
        assert not run.outlets[2].closed, "the last one is kept for the token"
        await run.swipe(TOKEN, evse=2)
        assert run.outlets[2].closed


@pytest.mark.spec("1.6", "ReserveConnectorZeroSupported")
async def test_a_station_that_does_not_take_it_says_so(open_case: Open) -> None:
    settings = {**PLAIN, "ReserveConnectorZeroSupported": "false"}
    async with open_case(settings=settings, connectors=TWO) as run:
        assert await value(run, "ReserveConnectorZeroSupported") == "false"
        assert await reserve(run, 0) == "Rejected"
        assert await reserve(run, 1) == "Accepted"


@pytest.mark.spec("1.6", "NumberOfConnectors")
async def test_connectors_are_counted_over_all_outlets(open_case: Open) -> None:
    outlets = (("cType2",), ("cType2", "sType2"))
    async with open_case(settings=PLAIN, connectors=outlets) as run:
        number = int(await value(run, "NumberOfConnectors"))

        told = [one["connectorId"] for one in run.take("StatusNotification")]
        assert sorted(told) == list(range(number + 1))
        asked: dict[str, Any] = {"requestedMessage": "StatusNotification"}
        assert (await run.ask("TriggerMessage", **asked, connectorId=number))[
            "status"
        ] == "Accepted"
        away = await run.ask("TriggerMessage", **asked, connectorId=number + 1)
        assert away["status"] == "Rejected"
        assert await change(run, "NumberOfConnectors", "7") == "Rejected"


@pytest.mark.spec("1.6", "ConnectorPhaseRotation")
@pytest.mark.spec("1.6", "ConnectorPhaseRotationMaxLength")
async def test_the_rotation_of_each_connector_is_told_and_kept(open_case: Open) -> None:
    async with open_case(settings=PLAIN, connectors=TWO) as run:
        assert await value(run, "ConnectorPhaseRotation") == "1.Unknown,2.Unknown"
        assert await change(run, "ConnectorPhaseRotation", "0.RST, 1.RTS, 2.TRS") == "Accepted"
        most = int(await value(run, "ConnectorPhaseRotationMaxLength"))

        for wrong in ("0.RST,1.RST,1.RTS,2.TRS", "1.RST,3.RST", "RST", "1.XYZ"):
            assert await change(run, "ConnectorPhaseRotation", wrong) == "Rejected", wrong
        await run.restart()

        told = await value(run, "ConnectorPhaseRotation")
        assert told == "0.RST,1.RTS,2.TRS"
        assert len(told.split(",")) == most


@pytest.mark.spec("1.6", "MinimumStatusDuration")
async def test_a_status_is_told_once_it_has_lasted(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, MinimumStatusDuration="10")
        run.take()
        await run.plug()
        await run.advance(9)
        assert statuses(run) == []
        await run.advance(1)
        assert statuses(run) == ["Preparing"]

        await run.unplug()
        await run.advance(5)
        await run.plug()
        await run.advance(60)
        assert statuses(run) == []
        assert await change(run, "MinimumStatusDuration", "-1") == "Rejected"


async def test_a_station_without_a_light_has_no_keys_for_one(open_case: Open) -> None:
    async with open_case() as run:
        for key in ("BlinkRepeat", "LightIntensity"):
            assert await change(run, key, "50") == "NotSupported"
            assert await run.ask("GetConfiguration", key=[key]) == {
                "configurationKey": [],
                "unknownKey": [key],
            }
