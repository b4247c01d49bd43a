"""Block B: boot, heartbeat, variables, reset."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_csms import BOOTED
from station_bench import TOKEN

from chargepoint.core.facts import TransactionEnded
from chargepoint.core.model import Stage, StopReason
from chargepoint.csms.adapter import Registration
from chargepoint.csms.identity import Identity
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import CsmsRejected


@pytest.mark.spec("2.0.1", "B01.FR.01")
@pytest.mark.spec("2.0.1", "B01.FR.03")
async def test_boot_tells_who_the_station_is_and_why(talk: Any) -> None:
    await talk.adapter.boot(talk.csms, "RemoteReset")

    assert talk.csms.said("BootNotification") == [
        {
            "reason": "RemoteReset",
            "chargingStation": {
                "vendorName": "Example",
                "model": "Wallbox 22",
                "serialNumber": "0001",
                "firmwareVersion": "1.2.3",
            },
        }
    ]


@pytest.mark.parametrize("identity", [Identity("V" * 51, "M" * 21, "S" * 26, "F" * 51)])
async def test_what_is_too_long_for_a_boot_is_cut(talk: Any) -> None:
    await talk.adapter.boot(talk.csms, "PowerUp")

    (boot,) = talk.csms.said("BootNotification")
    lengths = [len(text) for text in boot["chargingStation"].values()]
    assert sorted(lengths) == [20, 25, 50, 50]


@pytest.mark.parametrize("identity", [Identity("Example", "Wallbox")])
async def test_what_the_installer_did_not_say_is_left_out(talk: Any) -> None:
    await talk.adapter.boot(talk.csms, "PowerUp")

    (boot,) = talk.csms.said("BootNotification")
    assert set(boot["chargingStation"]) == {"vendorName", "model"}


@pytest.mark.parametrize(("interval", "seconds"), [(300, 300), (0, 0), (-1, 0)])
@pytest.mark.parametrize("status", ["Accepted", "Pending", "Rejected"])
async def test_boot_answer_says_whether_when_and_how_often(
    talk: Any, status: str, interval: int, seconds: int
) -> None:
    talk.csms.answers("BootNotification", {**BOOTED, "status": status, "interval": interval})

    answer = await talk.adapter.boot(talk.csms, "PowerUp")

    assert answer.registration is Registration(status)
    assert answer.current_time == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert answer.interval == timedelta(seconds=seconds)


async def test_a_refused_boot_is_an_error(talk: Any) -> None:
    talk.csms.answers("BootNotification", CsmsRejected("InternalError"))

    with pytest.raises(CsmsRejected):
        await talk.adapter.boot(talk.csms, "PowerUp")


@pytest.mark.spec("2.0.1", "G02.FR.01")
@pytest.mark.parametrize(
    "text", ["2026-03-01T10:00:00Z", "2026-03-01T11:00:00+01:00", "2026-03-01T10:00:00.000Z"]
)
async def test_heartbeat_gives_the_time_of_the_csms(talk: Any, text: str) -> None:
    talk.csms.answers("Heartbeat", {"currentTime": text})

    assert await talk.adapter.heartbeat(talk.csms) == datetime(2026, 3, 1, 10, tzinfo=UTC)


def _item(component: str, variable: str, **more: Any) -> dict[str, Any]:
    parts = {"component": {"name": component}, "variable": {"name": variable}}
    return {**parts, **more}


@pytest.mark.spec("2.0.1", "TC_B_32_CS")
@pytest.mark.spec("2.0.1", "TC_B_33_CS")
@pytest.mark.spec("2.0.1", "TC_B_34_CS")
@pytest.mark.spec("2.0.1", "B06.FR.01")
@pytest.mark.spec("2.0.1", "B06.FR.06")
async def test_variables_are_answered_item_by_item_in_order(talk: Any) -> None:
    answer = await talk.ask(
        "GetVariables",
        {
            "getVariableData": [
                _item("TxCtrlr", "EVConnectionTimeOut"),
                _item("Nonsense", "EVConnectionTimeOut"),
                _item("TxCtrlr", "Nonsense"),
                _item("TxCtrlr", "EVConnectionTimeOut", attributeType="Target"),
                _item("SecurityCtrlr", "BasicAuthPassword"),
            ]
        },
    )

    results = answer["getVariableResult"]
    assert [result["attributeStatus"] for result in results] == [
        "Accepted",
        "UnknownComponent",
        "UnknownVariable",
        "NotSupportedAttributeType",
        "Rejected",
    ]
    assert results[0]["attributeValue"] == "60"
    assert all("attributeValue" not in result for result in results[1:])
    assert results[3]["attributeType"] == "Target"
    assert results[4]["attributeStatusInfo"]["reasonCode"] == "WriteOnly"


async def test_a_variable_of_one_evse_is_found_at_its_address(talk: Any) -> None:
    component = {"name": "EVSE", "evse": {"id": 2}}
    connector = {"name": "Connector", "evse": {"id": 2, "connectorId": 2}}
    answer = await talk.ask(
        "GetVariables",
        {
            "getVariableData": [
                {"component": component, "variable": {"name": "SupplyPhases"}},
                {"component": connector, "variable": {"name": "ConnectorType"}},
                {
                    "component": {"name": "OCPPCommCtrlr"},
                    "variable": {"name": "MessageTimeout", "instance": "Default"},
                },
            ]
        },
    )

    values = [result.get("attributeValue") for result in answer["getVariableResult"]]
    assert values == ["3", "sType3", "30"]


@pytest.mark.spec("2.0.1", "B05.FR.10")
@pytest.mark.spec("2.0.1", "B05.FR.04")
async def test_variables_are_set_item_by_item_and_kept(talk: Any) -> None:
    answer = await talk.ask(
        "SetVariables",
        {
            "setVariableData": [
                _item("TxCtrlr", "EVConnectionTimeOut", attributeValue="20"),
                _item("TxCtrlr", "EVConnectionTimeOut", attributeValue="soon"),
                _item("OCPPCommCtrlr", "FileTransferProtocols", attributeValue="FTP"),
                _item("Nonsense", "A", attributeValue="1"),
            ]
        },
    )

    results = answer["setVariableResult"]
    statuses = [result["attributeStatus"] for result in results]
    assert statuses == ["Accepted", "Rejected", "Rejected", "UnknownComponent"]
    assert results[2]["attributeStatusInfo"]["reasonCode"] == "ReadOnly"
    saved = talk.bench.store.settings.load_settings()
    assert saved == {"TxCtrlr.EVConnectionTimeOut": "20"}


@pytest.mark.parametrize(
    ("action", "name"), [("GetVariables", "getVariableData"), ("SetVariables", "setVariableData")]
)
async def test_too_many_items_are_refused_as_a_whole(talk: Any, action: str, name: str) -> None:
    item = _item("TxCtrlr", "EVConnectionTimeOut")
    if action == "SetVariables":
        item["attributeValue"] = "20"

    with pytest.raises(CallError, match="101 items, at most 100") as refused:
        await talk.hear(action, {name: [item] * 101})

    assert refused.value.code == "OccurrenceConstraintViolation"
    assert talk.bench.store.settings.load_settings() == {}


@pytest.mark.spec("2.0.1", "B12.FR.02")
async def test_an_immediate_reset_answers_then_ends_the_transaction_then_restarts(
    talk: Any,
) -> None:
    await talk.bench.charge()

    reply = await talk.hear("Reset", {"type": "Immediate"})

    assert isinstance(reply, Reply)
    assert reply.payload == {"status": "Accepted"}
    assert talk.bench.state().stage is Stage.CHARGING
    assert reply.after is not None
    await reply.after()
    (ended,) = [e for e in await talk.events() if e["eventType"] == "Ended"]
    assert ended["triggerReason"] == "ResetCommand"
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert "idToken" not in ended
    assert talk.bench.station.maintenance.wanted.is_set()


@pytest.mark.spec("2.0.1", "B12.FR.01")
@pytest.mark.parametrize(("busy", "status"), [(False, "Accepted"), (True, "Scheduled")])
async def test_a_reset_on_idle_waits_for_the_transaction(
    talk: Any, status: str, *, busy: bool
) -> None:
    if busy:
        await talk.bench.charge()

    reply = await talk.hear("Reset", {"type": "OnIdle"})
    talk.bench.station.spawn(reply.after())
    await talk.bench.clock.advance(5)

    assert reply.payload == {"status": status}
    assert talk.bench.station.maintenance.wanted.is_set() is not busy
    assert talk.bench.facts(TransactionEnded) == []


@pytest.mark.spec("2.0.1", "TC_B_25_CS")
@pytest.mark.parametrize("kind", ["Immediate", "OnIdle"])
async def test_an_idle_evse_is_reset_alone(talk: Any, kind: str) -> None:
    answer = await talk.ask("Reset", {"type": kind, "evseId": 1})

    assert answer == {"status": "Accepted"}
    assert not talk.bench.station.maintenance.wanted.is_set()


@pytest.mark.spec("2.0.1", "TC_B_26_CS")
async def test_a_reset_of_one_evse_on_idle_waits_for_its_transaction(talk: Any) -> None:
    await talk.bench.charge()

    reply = await talk.hear("Reset", {"type": "OnIdle", "evseId": 1})
    done = talk.bench.station.spawn(reply.after())
    await talk.bench.clock.advance(5)
    waited = not done.done()
    await talk.bench.finish()
    await talk.bench.clock.advance(2)

    assert reply.payload == {"status": "Scheduled"}
    assert waited
    assert done.done()
    (ended,) = [e for e in await talk.events() if e["eventType"] == "Ended"]
    assert ended["transactionInfo"]["stoppedReason"] == "Remote"


@pytest.mark.spec("2.0.1", "TC_B_27_CS")
async def test_an_immediate_reset_of_one_evse_ends_its_transaction_only(talk: Any) -> None:
    await talk.bench.charge(evse_id=1)
    await talk.bench.charge(evse_id=2)

    answer = await talk.ask("Reset", {"type": "Immediate", "evseId": 1})

    assert answer == {"status": "Accepted"}
    (ended,) = [e for e in await talk.events() if e["eventType"] == "Ended"]
    assert (ended["evse"]["id"], ended["triggerReason"]) == (1, "ResetCommand")
    assert ended["transactionInfo"]["stoppedReason"] == "ImmediateReset"
    assert talk.bench.state(2).stage is Stage.CHARGING
    assert not talk.bench.station.maintenance.wanted.is_set()


@pytest.mark.spec("2.0.1", "B11.FR.10")
async def test_an_evse_that_is_not_there_cannot_be_reset(talk: Any) -> None:
    answer = await talk.ask("Reset", {"type": "Immediate", "evseId": 9})

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "UnknownEvse")


async def test_a_request_of_too_many_bytes_is_refused_as_a_whole(talk: Any) -> None:
    item = _item("TxCtrlr", "EVConnectionTimeOut", attributeValue="2" * 1000)

    with pytest.raises(CallError, match="at most 65536") as refused:
        await talk.hear("SetVariables", {"setVariableData": [item] * 80})

    assert refused.value.code == "FormatViolation"


@pytest.mark.spec("2.0.1", "TC_B_41_CS")
async def test_a_reset_on_idle_waits_for_the_last_of_several_transactions(talk: Any) -> None:
    await talk.bench.charge(evse_id=1)
    await talk.bench.charge(evse_id=2)

    reply = await talk.hear("Reset", {"type": "OnIdle"})
    talk.bench.station.spawn(reply.after())
    await talk.bench.finish(evse_id=1)
    await talk.bench.clock.advance(5)
    early = talk.bench.station.maintenance.wanted.is_set()
    await talk.bench.finish(evse_id=2)
    await talk.bench.clock.advance(2)

    assert reply.payload == {"status": "Scheduled"}
    assert not early
    assert talk.bench.station.maintenance.reason == "ScheduledReset"


async def test_a_reset_whose_connection_is_gone_is_done_all_the_same(talk: Any) -> None:
    await talk.bench.charge(TOKEN)
    reply = await talk.hear("Reset", {"type": "Immediate"})
    await talk.cut()

    await reply.after()

    (ended,) = talk.bench.facts(TransactionEnded)
    assert ended.reason is StopReason.IMMEDIATE_RESET
    assert talk.bench.journal()[-2].offline or talk.bench.journal()[-1].offline
