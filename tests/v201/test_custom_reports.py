"""Block B: reports by criteria and by address."""

from typing import Any

import pytest

from chargepoint.core.model import Fault
from chargepoint.csms.rpc import CallError

STATE = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "AvailabilityState"},
}
ITEMS = {"component": {"name": "DeviceDataCtrlr"}, "variable": {"name": "ItemsPerMessage"}}


async def _report(talk: Any, **payload: Any) -> tuple[str, list[dict[str, Any]]]:
    answer = await talk.ask("GetReport", {"requestId": 7, **payload})
    parts = talk.csms.said("NotifyReport")
    assert {part["requestId"] for part in parts} <= {7}
    return answer["status"], [row for part in parts for row in part["reportData"]]


@pytest.mark.spec("2.0.1", "TC_B_16_CS")
async def test_a_criterion_leaves_out_the_components_that_do_not_meet_it(talk: Any) -> None:
    off = {
        "component": {"name": "MonitoringCtrlr"},
        "variable": {"name": "Enabled"},
        "attributeValue": "false",
    }
    await talk.ask("SetVariables", {"setVariableData": [off]})

    status, rows = await _report(talk, componentCriteria=["Enabled"])

    assert status == "Accepted"
    named = {row["component"]["name"] for row in rows}
    assert "AuthCacheCtrlr" in named
    assert "MonitoringCtrlr" not in named


@pytest.mark.spec("2.0.1", "TC_B_17_CS")
async def test_one_variable_of_one_evse_is_reported(talk: Any) -> None:
    status, rows = await _report(talk, componentVariable=[STATE])

    (row,) = rows
    assert status == "Accepted"
    assert row["component"] == {"name": "EVSE", "evse": {"id": 1}}
    assert row["variableCharacteristics"] == {
        "dataType": "OptionList",
        "supportsMonitoring": True,
        "valuesList": "Available,Occupied,Reserved,Unavailable,Faulted",
    }


@pytest.mark.spec("2.0.1", "TC_B_18_CS")
@pytest.mark.parametrize(
    ("criterion", "status", "count"),
    [("Available", "Accepted", 1), ("Problem", "EmptyResultSet", 0)],
)
async def test_a_criterion_and_an_address_must_both_be_met(
    talk: Any, criterion: str, status: str, count: int
) -> None:
    found, rows = await _report(talk, componentCriteria=[criterion], componentVariable=[STATE])

    assert (found, len(rows)) == (status, count)


async def test_components_with_a_problem_are_found(talk: Any) -> None:
    talk.bench.station.model.provide(_problem(), lambda: True, 2)
    await talk.bench.station.set_fault(2, Fault("GroundFailure"), active=True)

    status, rows = await _report(talk, componentCriteria=["Problem"])

    assert status == "Accepted"
    assert {(row["component"]["name"], row["component"]["evse"]["id"]) for row in rows} == {
        ("EVSE", 2)
    }


def _problem() -> Any:
    from chargepoint.core.variables import EVSE_PROBLEM

    return EVSE_PROBLEM


@pytest.mark.spec("2.0.1", "TC_B_54_CS")
async def test_without_instance_every_instance_is_reported(talk: Any) -> None:
    _, rows = await _report(talk, componentVariable=[ITEMS])

    instances = {row["variable"]["instance"] for row in rows}
    assert instances == {"GetReport", "GetVariables", "SetVariables"}


@pytest.mark.spec("2.0.1", "TC_B_55_CS")
async def test_with_instance_only_that_one_is_reported(talk: Any) -> None:
    named = {"name": "ItemsPerMessage", "instance": "GetReport"}

    _, rows = await _report(talk, componentVariable=[{**ITEMS, "variable": named}])

    assert [row["variable"] for row in rows] == [named]


@pytest.mark.spec("2.0.1", "TC_B_56_CS")
async def test_without_evse_every_evse_is_reported(talk: Any) -> None:
    item = {"component": {"name": "EVSE"}, "variable": {"name": "AvailabilityState"}}

    _, rows = await _report(talk, componentVariable=[item])

    assert [row["component"]["evse"] for row in rows] == [{"id": 1}, {"id": 2}]


async def test_without_connector_every_connector_of_the_evse_is_reported(talk: Any) -> None:
    item = {
        "component": {"name": "Connector", "evse": {"id": 2}},
        "variable": {"name": "Available"},
    }

    _, rows = await _report(talk, componentVariable=[item])

    assert [row["component"]["evse"]["connectorId"] for row in rows] == [1, 2]


async def test_what_is_not_there_is_an_empty_report(talk: Any) -> None:
    status, rows = await _report(talk, componentVariable=[{"component": {"name": "Nonsense"}}])

    assert (status, rows) == ("EmptyResultSet", [])
    assert talk.csms.sent == []


async def test_more_items_than_announced_are_refused(talk: Any) -> None:
    with pytest.raises(CallError, match="101 items") as refused:
        await talk.hear("GetReport", {"requestId": 7, "componentVariable": [STATE] * 101})

    assert refused.value.code == "OccurrenceConstraintViolation"


@pytest.mark.spec("2.0.1", "TC_B_53_CS")
async def test_the_full_inventory_holds_what_every_station_must_have(talk: Any) -> None:
    await talk.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})

    rows = [row for part in talk.csms.said("NotifyReport") for row in part["reportData"]]
    there = {(row["component"]["name"], row["variable"]["name"]) for row in rows}
    assert there >= {tuple(line.split(".")) for line in REQUIRED.split()}
    for row in rows:
        kinds = row["variableCharacteristics"]
        if kinds["dataType"] in {"OptionList", "MemberList", "SequenceList"}:
            assert kinds["valuesList"], row


REQUIRED = """
    AlignedDataCtrlr.Interval AlignedDataCtrlr.Measurands AlignedDataCtrlr.TxEndedInterval
    AlignedDataCtrlr.TxEndedMeasurands AuthCtrlr.AuthorizeRemoteStart
    AuthCtrlr.LocalAuthorizeOffline AuthCtrlr.LocalPreAuthorize ChargingStation.Available
    ChargingStation.AvailabilityState ChargingStation.SupplyPhases ClockCtrlr.DateTime
    ClockCtrlr.TimeSource Connector.Available Connector.ConnectorType Connector.SupplyPhases
    DeviceDataCtrlr.BytesPerMessage DeviceDataCtrlr.ItemsPerMessage EVSE.Available
    EVSE.AvailabilityState EVSE.Power EVSE.SupplyPhases OCPPCommCtrlr.ActiveNetworkProfile
    OCPPCommCtrlr.FileTransferProtocols OCPPCommCtrlr.MessageAttemptInterval
    OCPPCommCtrlr.MessageAttempts OCPPCommCtrlr.MessageTimeout
    OCPPCommCtrlr.NetworkConfigurationPriority OCPPCommCtrlr.NetworkProfileConnectionAttempts
    OCPPCommCtrlr.OfflineThreshold OCPPCommCtrlr.ResetRetries OCPPCommCtrlr.RetryBackOffRandomRange
    OCPPCommCtrlr.RetryBackOffRepeatTimes OCPPCommCtrlr.RetryBackOffWaitMinimum
    OCPPCommCtrlr.UnlockOnEVSideDisconnect OCPPCommCtrlr.WebSocketPingInterval
    SampledDataCtrlr.TxEndedInterval SampledDataCtrlr.TxEndedMeasurands
    SampledDataCtrlr.TxStartedMeasurands SampledDataCtrlr.TxUpdatedInterval
    SampledDataCtrlr.TxUpdatedMeasurands SecurityCtrlr.CertificateEntries
    SecurityCtrlr.OrganizationName SecurityCtrlr.SecurityProfile TxCtrlr.EVConnectionTimeOut
    TxCtrlr.StopTxOnEVSideDisconnect TxCtrlr.StopTxOnInvalidId TxCtrlr.TxStartPoint
    TxCtrlr.TxStopPoint
"""
