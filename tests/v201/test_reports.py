"""Block B: reports of the device model, in parts."""

from typing import Any

import pytest

from chargepoint.core.variables_answers import Inventory
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsUnavailable
from chargepoint.v201.reports import ROWS_PER_MESSAGE


def _rows(talk: Any) -> list[dict[str, Any]]:
    return [row for part in talk.csms.said("NotifyReport") for row in part["reportData"]]


@pytest.mark.spec("2.0.1", "TC_B_13_CS")
@pytest.mark.spec("2.0.1", "B07.FR.01")
@pytest.mark.spec("2.0.1", "B07.FR.03")
async def test_a_report_is_accepted_then_sent_in_counted_parts(talk: Any) -> None:
    reply = await talk.hear("GetBaseReport", {"requestId": 42, "reportBase": "FullInventory"})
    assert isinstance(reply, Reply)
    assert reply.payload == {"status": "Accepted"}
    assert talk.csms.sent == []

    assert reply.after is not None
    await reply.after()

    parts = talk.csms.said("NotifyReport")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    assert [part["tbc"] for part in parts] == [True] * (len(parts) - 1) + [False]
    assert {part["requestId"] for part in parts} == {42}
    assert all(len(part["reportData"]) <= ROWS_PER_MESSAGE for part in parts)
    assert len(_rows(talk)) == len(list(talk.bench.station.model.report(Inventory.FULL)))


@pytest.mark.spec("2.0.1", "TC_B_12_CS")
@pytest.mark.spec("2.0.1", "B07.FR.07")
async def test_the_inventory_of_the_configuration_holds_only_what_can_be_set(talk: Any) -> None:
    await talk.ask("GetBaseReport", {"requestId": 1, "reportBase": "ConfigurationInventory"})

    kinds = {row["variableAttribute"][0]["mutability"] for row in _rows(talk)}
    assert kinds == {"ReadWrite", "WriteOnly"}


@pytest.mark.spec("2.0.1", "TC_B_14_CS")
@pytest.mark.spec("2.0.1", "B07.FR.09")
async def test_a_summary_tells_availability_and_problems_of_every_part(talk: Any) -> None:
    answer = await talk.ask("GetBaseReport", {"requestId": 1, "reportBase": "SummaryInventory"})

    assert answer == {"status": "Accepted"}
    assert {row["variable"]["name"] for row in _rows(talk)} == {"AvailabilityState", "Problem"}
    parts = {row["component"]["name"] for row in _rows(talk)}
    assert parts == {"ChargingStation", "EVSE", "Connector", "FiscalMetering"}


async def test_what_nobody_may_read_is_reported_without_value(talk: Any) -> None:
    await talk.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})

    (secret,) = [row for row in _rows(talk) if row["variable"]["name"] == "BasicAuthPassword"]
    assert "value" not in secret["variableAttribute"][0]


@pytest.mark.spec("2.0.1", "B07.FR.11")
async def test_a_variable_is_reported_with_its_address_and_limits(talk: Any) -> None:
    await talk.ask("GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})

    rows = {
        (
            row["component"]["name"],
            row["component"].get("evse", {}).get("id"),
            row["component"].get("evse", {}).get("connectorId"),
            row["variable"]["name"],
            row["variable"].get("instance"),
        ): row
        for row in _rows(talk)
    }
    timeout = rows["TxCtrlr", None, None, "EVConnectionTimeOut", None]
    assert timeout["variableAttribute"] == [
        {
            "type": "Actual",
            "mutability": "ReadWrite",
            "persistent": True,
            "constant": False,
            "value": "60",
        }
    ]
    assert timeout["variableCharacteristics"] == {
        "dataType": "integer",
        "supportsMonitoring": True,
        "unit": "s",
        "minLimit": 1,
    }
    assert ("OCPPCommCtrlr", None, None, "MessageTimeout", "Default") in rows
    assert ("EVSE", 2, None, "SupplyPhases", None) in rows
    connector = rows["Connector", 2, 2, "ConnectorType", None]
    assert connector["variableAttribute"][0]["value"] == "sType3"


@pytest.mark.parametrize("connected", [True, False])
async def test_a_report_ends_with_its_connection(talk: Any, *, connected: bool) -> None:
    talk.csms.answers("NotifyReport", {}, CsmsUnavailable("gone"))

    payload = {"requestId": 1, "reportBase": "FullInventory"}
    answer = await talk.ask("GetBaseReport", payload, lost=not connected)

    assert answer == {"status": "Accepted"}
    assert len(talk.csms.said("NotifyReport")) == (2 if connected else 0)
