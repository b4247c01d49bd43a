"""Boots, resets and another CSMS, over real WebSockets."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from story_rig import STATION, Story, story, until

from chargepoint.bench.csms import SmallCsms
from chargepoint.bench.csms_answers import Boot
from chargepoint.core.model import IdToken
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle

TOKEN = IdToken("04A1B2C3D4")


@pytest.fixture
async def it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Story]:
    async with story(tmp_path, monkeypatch) as it:
        yield it


def _outlet(it: Story) -> SimulatedOutlet:
    outlet = it.life.station.board.outlet(1)
    assert isinstance(outlet, SimulatedOutlet)
    return outlet


async def _charge(it: Story) -> None:
    _outlet(it).plug_in(Vehicle())
    it.life.station.present(TOKEN)
    await it.csms.wait_for("TransactionEvent", lambda e: e["eventType"] == "Started")


def _reasons(it: Story) -> list[str]:
    return [boot["reason"] for boot in it.csms.messages("BootNotification")]


@pytest.mark.spec("2.0.1", "TC_B_02_CS")
async def test_a_pending_station_does_what_it_is_asked_for_and_no_more(it: Story) -> None:
    it.csms.answers.script_boots([Boot("Pending", 600), Boot("Accepted")])
    async with it.running():
        await it.csms.wait_for("BootNotification")
        threshold = await it.set("OCPPCommCtrlr", "OfflineThreshold", "123")
        report = await it.ask("GetBaseReport", requestId=1, reportBase="FullInventory")
        await it.csms.wait_for("NotifyReport", lambda part: not part["tbc"])
        start = await it.ask(
            "RequestStartTransaction",
            remoteStartId=1,
            idToken={"idToken": TOKEN.value, "type": "ISO14443"},
            evseId=1,
        )
        before = {frame.action for frame in it.csms.frames if frame.kind == 2}
        trigger = await it.ask("TriggerMessage", requestedMessage="BootNotification")
        await it.accepted()

    assert (threshold, report["status"], start["status"]) == ("Accepted", "Accepted", "Rejected")
    asked = {"SetVariables", "GetBaseReport", "RequestStartTransaction"}
    assert before - asked == {"BootNotification", "NotifyReport"}
    assert trigger == {"status": "Accepted"}
    assert _reasons(it) == ["PowerUp", "Triggered"]
    assert it.csms.messages("StatusNotification")


@pytest.mark.spec("2.0.1", "TC_B_20_CS")
async def test_a_reset_on_idle_boots_an_idle_station_again(it: Story) -> None:
    async with it.running():
        await it.accepted()

        answer = await it.ask("Reset", type="OnIdle")
        await it.accepted(2)

    assert answer == {"status": "Accepted"}
    assert len(_reasons(it)) == 2
    told = it.csms.messages("SecurityEventNotification")
    assert [event["type"] for event in told] == ["StartupOfTheDevice", "ResetOrReboot"]
    assert len(it.csms.messages("StatusNotification")) == 2


@pytest.mark.spec("2.0.1", "TC_B_21_CS")
async def test_a_reset_on_idle_waits_for_the_transaction_then_boots(it: Story) -> None:
    async with it.running():
        await it.accepted()
        await _charge(it)

        answer = await it.ask("Reset", type="OnIdle")
        it.life.station.present(TOKEN)
        ended = await it.csms.wait_for("TransactionEvent", lambda e: e["eventType"] == "Ended")
        await it.accepted(2)

    assert answer == {"status": "Scheduled"}
    assert ended["transactionInfo"].get("stoppedReason", "Local") == "Local"
    assert _reasons(it) == ["PowerUp", "ScheduledReset"]


@pytest.mark.spec("2.0.1", "TC_B_23_CS")
@pytest.mark.spec("2.0.1", "TC_G_18_CS")
@pytest.mark.spec("2.0.1", "TC_G_19_CS")
@pytest.mark.spec("2.0.1", "TC_G_21_CS")
@pytest.mark.parametrize(
    "where",
    [{}, {"evse": {"id": 1}}, {"evse": {"id": 1, "connectorId": 1}}],
    ids=["station", "EVSE", "connector"],
)
async def test_out_of_order_lasts_over_a_reset(it: Story, where: dict[str, Any]) -> None:
    async with it.running():
        await it.accepted()
        await it.ask("ChangeAvailability", operationalStatus="Inoperative", **where)
        mark = it.csms.mark()

        await it.ask("Reset", type="Immediate")
        await it.accepted(2)
        told = await it.csms.wait_for(
            "StatusNotification", lambda s: s["connectorStatus"] == "Unavailable", after=mark
        )

    assert (told["evseId"], told["connectorId"]) == (1, 1)
    assert _reasons(it) == ["PowerUp", "RemoteReset"]


def _profile(url: str) -> dict[str, Any]:
    return {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": 0,
        "ocppInterface": "Wired0",
    }


async def _move(it: Story, url: str) -> None:
    """Set slot 2, prefer it, and restart."""
    answer = await it.ask("SetNetworkProfile", configurationSlot=2, connectionData=_profile(url))
    assert answer == {"status": "Accepted"}
    assert await it.set("OCPPCommCtrlr", "NetworkConfigurationPriority", "2,1") == "RebootRequired"
    assert await it.ask("Reset", type="OnIdle") == {"status": "Accepted"}
    await until(lambda: len(it.lives) == 2)


@pytest.mark.spec("2.0.1", "TC_B_45_CS")
async def test_the_station_moves_to_another_csms(it: Story) -> None:
    async with SmallCsms(versions=["2.0.1"]) as other, it.running():
        await it.accepted()

        await _move(it, other.url)
        await it.accepted(2)
        item = {
            "component": {"name": "OCPPCommCtrlr"},
            "variable": {"name": "ActiveNetworkProfile"},
        }
        answer = await it.ask("GetVariables", other, getVariableData=[item])

    assert answer["getVariableResult"][0]["attributeValue"] == "2"
    assert len(other.messages("BootNotification")) == 1
    assert len(_reasons(it)) == 1


@pytest.mark.spec("2.0.1", "TC_B_46_CS")
async def test_the_station_comes_back_if_the_other_csms_is_not_there(it: Story) -> None:
    async with it.running():
        await it.accepted()

        await _move(it, "ws://127.0.0.1:9/nobody")
        await it.accepted(2)

    assert len(_reasons(it)) == 2
    assert it.life.link.config.url == it.csms.url


@pytest.mark.spec("2.0.1", "B10.FR.10")
async def test_a_csms_that_is_lost_is_left_for_the_next_one_with_a_boot(it: Story) -> None:
    async with SmallCsms(versions=["2.0.1"]) as other, it.running():
        await it.accepted()
        await _move(it, other.url)
        await it.accepted(2)

        await other.__aexit__()
        await it.csms.wait_until(lambda: len(it.csms.messages("BootNotification")) == 2)
        await it.accepted(2)

    assert _reasons(it)[-1] == "Unknown"
    assert it.csms.stations[STATION]


@pytest.mark.spec("2.0.1", "TC_N_20_CS")
async def test_a_monitor_tells_its_event(it: Story) -> None:
    of = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
    async with it.running():
        await it.accepted()
        item = {**of, "type": "UpperThreshold", "value": 100, "severity": 5}
        answer = await it.ask("SetVariableMonitoring", setMonitoringData=[item])
        assert answer["setMonitoringResult"][0]["status"] == "Accepted"

        await it.set("TxCtrlr", "EVConnectionTimeOut", "120")
        told = await it.csms.wait_for("NotifyEvent")
        await it.set("TxCtrlr", "EVConnectionTimeOut", "90")
        over = await it.csms.wait_for("NotifyEvent", lambda n: "cleared" in n["eventData"][0])

    (event,) = told["eventData"]
    assert (event["actualValue"], event["trigger"]) == ("120", "Alerting")
    assert over["eventData"][0]["actualValue"] == "90"
