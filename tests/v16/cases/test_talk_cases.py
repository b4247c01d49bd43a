"""Test cases of OCPP 1.6: keys, local list, triggers, data of vendors (TC_019 to TC_062)."""

from typing import Any

import pytest
from case_rig import Case
from words_16 import ACCEPTED, CARD, OTHER_CARD, REJECTED, Open, said, started, token_info, told

TWO = (("sType2",), ("sType2",))


async def values(run: Case, *keys: str) -> dict[str, str]:
    """Keys as they are told."""
    answer = await run.ask("GetConfiguration", key=list(keys))
    return {one["key"]: one.get("value", "") for one in answer["configurationKey"]}


async def send(run: Case, version: int, *items: dict[str, Any], full: bool = True) -> str:
    """Send a local list."""
    answer = await run.ask(
        "SendLocalList",
        listVersion=version,
        updateType="Full" if full else "Differential",
        localAuthorizationList=list(items),
    )
    return str(answer["status"])


async def version(run: Case) -> int:
    return int((await run.ask("GetLocalListVersion"))["listVersion"])


def item(tag: str, status: str = "Accepted") -> dict[str, Any]:
    return {"idTag": tag, **token_info(status)}


@pytest.mark.spec("1.6", "TC_019_CS")
async def test_one_key_and_all_keys_are_told(open_case: Open) -> None:
    async with open_case() as run:
        one = await run.ask("GetConfiguration", key=["SupportedFeatureProfiles", "Testing"])
        every = await run.ask("GetConfiguration")

        (key,) = one["configurationKey"]
        assert (key["key"], key["readonly"]) == ("SupportedFeatureProfiles", True)
        assert set(key["value"].split(",")) == {
            "Core",
            "FirmwareManagement",
            "LocalAuthListManagement",
            "Reservation",
            "SmartCharging",
            "RemoteTrigger",
        }
        assert one["unknownKey"] == ["Testing"]
        assert key in every["configurationKey"]
        assert "unknownKey" not in every
        names = [one["key"] for one in every["configurationKey"]]
        assert len(names) == len(set(names))


@pytest.mark.spec("1.6", "TC_021_CS")
@pytest.mark.spec("1.6", "MeterValueSampleInterval")
async def test_a_changed_key_is_in_force_and_told(open_case: Open) -> None:
    async with open_case() as run:
        answer = await run.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="15")
        await run.charge(CARD)
        run.take()
        await run.advance(30)

        assert answer == ACCEPTED
        assert len(run.take("MeterValues")) == 2
        assert await values(run, "MeterValueSampleInterval") == {"MeterValueSampleInterval": "15"}


@pytest.mark.spec("1.6", "TC_040_1_CS")
async def test_an_unknown_key_is_not_supported(open_case: Open) -> None:
    async with open_case() as run:
        answer = await run.ask("ChangeConfiguration", key="Testing", value="1")

        assert answer == {"status": "NotSupported"}


@pytest.mark.spec("1.6", "TC_040_2_CS")
@pytest.mark.parametrize("value", ["-1", "ten", ""])
async def test_a_value_that_cannot_be_is_rejected(open_case: Open, value: str) -> None:
    async with open_case() as run:
        before = await values(run, "MeterValueSampleInterval")
        answer = await run.ask("ChangeConfiguration", key="MeterValueSampleInterval", value=value)

        assert answer == REJECTED
        assert await values(run, "MeterValueSampleInterval") == before


@pytest.mark.spec("1.6", "TC_031_CS")
async def test_a_connector_that_does_not_exist_has_no_lock(open_case: Open) -> None:
    async with open_case() as run:
        answer = await run.ask("UnlockConnector", connectorId=999)

        assert answer == {"status": "NotSupported"}


@pytest.mark.spec("1.6", "TC_042_1_CS")
@pytest.mark.spec("1.6", "TC_043_1_CS")
@pytest.mark.spec("1.6", "LocalAuthListEnabled")
async def test_without_a_local_list(open_case: Open) -> None:
    async with open_case(settings={"LocalAuthListCtrlr.Enabled": "false"}) as run:
        assert await version(run) == -1
        assert await send(run, 1, item(CARD)) == "NotSupported"


@pytest.mark.spec("1.6", "TC_042_2_CS")
async def test_an_empty_list_has_version_0(open_case: Open) -> None:
    async with open_case() as run:
        before = await version(run)
        sent = await send(run, 1)

        assert sent == "Accepted"
        assert (before, await version(run)) == (0, 0)


@pytest.mark.spec("1.6", "TC_043_CS")
async def test_a_full_and_a_differential_list(open_case: Open) -> None:
    async with open_case() as run:
        full = await send(run, 1, item(CARD), item(OTHER_CARD))
        first = await version(run)
        differential = await send(run, 2, {"idTag": OTHER_CARD}, item("04FF"), full=False)

        assert (full, differential) == ("Accepted", "Accepted")
        assert (first, await version(run)) == (1, 2)
        await run.ask("ChangeConfiguration", key="LocalPreAuthorize", value="true")
        run.take()
        await run.swipe(OTHER_CARD)
        assert told(run)[0] == f"Authorize {OTHER_CARD}", "it is on the list no more"


@pytest.mark.spec("1.6", "TC_043_2_CS")
async def test_a_differential_list_that_is_not_newer(open_case: Open) -> None:
    async with open_case() as run:
        await send(run, 2, item(CARD))
        newer = await send(run, 5, item(OTHER_CARD), full=False)
        older = await send(run, 4, item("04FF"), full=False)

        assert (newer, older) == ("Accepted", "VersionMismatch")
        assert await version(run) == 5


@pytest.mark.spec("1.6", "TC_043_3_CS")
@pytest.mark.spec("1.6", "SendLocalListMaxLength")
async def test_a_list_that_is_too_long(open_case: Open) -> None:
    async with open_case() as run:
        most = int((await values(run, "SendLocalListMaxLength"))["SendLocalListMaxLength"])
        status = await send(run, 1, *(item(f"{number:08X}") for number in range(most + 1)))

        assert status == "Failed"
        assert await version(run) == 0


@pytest.mark.spec("1.6", "TC_048_4_CS")
@pytest.mark.spec("1.6", "ReservationEnabled")
async def test_a_station_that_takes_no_reservation(open_case: Open) -> None:
    async with open_case(settings={"ReservationCtrlr.Enabled": "false"}) as run:
        assert await _reserve(run, 1) == REJECTED
        assert await _reserve(run, 0) == REJECTED


@pytest.mark.spec("1.6", "TC_050_4_CS")
@pytest.mark.spec("1.6", "ReserveConnectorZeroSupported")
async def test_a_station_that_reserves_no_connector_0(open_case: Open) -> None:
    async with open_case(settings={"ReservationCtrlr.NonEvseSpecific": "false"}) as run:
        assert await _reserve(run, 0) == REJECTED
        assert await _reserve(run, 1) == ACCEPTED


@pytest.mark.spec("1.6", "TC_054_CS")
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("MeterValues", "MeterValues 1"),
        ("Heartbeat", "Heartbeat"),
        ("StatusNotification", "1 Charging"),
        ("DiagnosticsStatusNotification", "DiagnosticsStatusNotification"),
        ("FirmwareStatusNotification", "Firmware Idle"),
    ],
)
async def test_every_message_can_be_triggered(open_case: Open, message: str, expected: str) -> None:
    async with open_case() as run:
        await run.charge(CARD)
        run.take()

        answer = await run.ask("TriggerMessage", requestedMessage=message, connectorId=1)

        assert answer == ACCEPTED
        assert told(run) == [expected]


@pytest.mark.spec("1.6", "TC_054_CS")
async def test_readings_that_were_triggered_say_so(open_case: Open) -> None:
    async with open_case(connectors=TWO) as run:
        run.answers("StartTransaction", started(4711))
        await run.charge(CARD)
        run.take()

        await run.ask("TriggerMessage", requestedMessage="MeterValues")

        charging, idle = run.take("MeterValues")
        assert (charging["connectorId"], charging["transactionId"]) == (1, 4711)
        assert (idle["connectorId"], "transactionId" in idle) == (2, False)
        contexts = {
            value["context"]
            for values in (charging, idle)
            for one in values["meterValue"]
            for value in one["sampledValue"]
        }
        assert contexts == {"Trigger"}


@pytest.mark.spec("1.6", "TC_055_CS")
@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
async def test_a_trigger_for_a_connector_that_does_not_exist(open_case: Open, message: str) -> None:
    async with open_case() as run:
        run.take()
        answer = await run.ask("TriggerMessage", requestedMessage=message, connectorId=999)

        assert answer == REJECTED
        assert told(run) == []


@pytest.mark.spec("1.6", "TC_062_CS")
async def test_data_of_a_vendor_that_nobody_knows(open_case: Open) -> None:
    async with open_case() as run:
        answer = await run.ask("DataTransfer", vendorId="Nobody", messageId="Test", data="hello")

        assert answer == {"status": "UnknownVendorId"}


@pytest.mark.spec("1.6", "4.6")
@pytest.mark.spec("1.6", "HeartbeatInterval")
async def test_a_heartbeat_comes_when_nothing_else_was_sent(open_case: Open) -> None:
    async with open_case() as run:
        await run.ask("ChangeConfiguration", key="HeartbeatInterval", value="60")
        run.take()
        await run.advance(50)
        await run.plug()
        await run.advance(50)
        quiet = told(run)
        await run.advance(10)

        assert quiet == ["1 Preparing"]
        assert said(run, "Heartbeat") == {}


async def _reserve(run: Case, connector: int) -> dict[str, Any]:
    wanted = {"idTag": CARD, "reservationId": 7, "expiryDate": "2026-03-01T11:00:00Z"}
    return await run.ask("ReserveNow", connectorId=connector, **wanted)
