"""Block B, provisioning: reports of the device model, whole or by criteria, in parts."""

import logging
from collections.abc import Coroutine
from typing import Any

from chargepoint.core.variables import BYTES_PER_GET_REPORT, ITEMS_PER_GET_REPORT, Address
from chargepoint.core.variables_answers import Inventory, ReportRow
from chargepoint.core.variables_report import Criterion, Wanted, select
from chargepoint.csms.adapter import SessionView, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.limits import within

log = logging.getLogger(__name__)

ROWS_PER_MESSAGE = 20  # some systems take 30 ms per row and drop what takes too long


class Reports:
    """Tells the CSMS all variables, all it can set, how the parts are, or what it picks."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._session = session

    @handles("GetBaseReport")
    async def base_report(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """B07: accepted first, then sent in parts."""
        rows = list(self._station.model.report(Inventory(payload["reportBase"])))
        return self._reported(payload["requestId"], rows)

    @handles("GetReport")
    async def report(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """B08: the variables of components that meet a criterion, or those named, or both."""
        model, items = self._station.model, payload.get("componentVariable", [])
        within(
            payload,
            len(items),
            items=model[ITEMS_PER_GET_REPORT],
            size=model[BYTES_PER_GET_REPORT],
        )
        criteria = [Criterion(word) for word in payload.get("componentCriteria", [])]
        rows = list(model.report(Inventory.FULL))
        return self._reported(
            payload["requestId"], select(rows, criteria, [wanted(item) for item in items])
        )

    def _reported(self, request_id: int, rows: list[ReportRow]) -> dict[str, Any] | Reply:
        if not rows:
            return {"status": "EmptyResultSet"}

        def send() -> Coroutine[Any, Any, None]:
            return self._send(request_id, rows)

        return Reply({"status": "Accepted"}, send)

    async def _send(self, request_id: int, rows: list[ReportRow]) -> None:
        """NotifyReport with parts counted from 0; a lost connection ends the report."""
        csms = self._session.csms
        starts = range(0, len(rows), ROWS_PER_MESSAGE)
        try:
            for part, start in enumerate(starts):
                chunk = rows[start : start + ROWS_PER_MESSAGE]
                payload = {
                    "requestId": request_id,
                    "generatedAt": wire.timestamp(self._station.clock.now()),
                    "seqNo": part,
                    "tbc": start + ROWS_PER_MESSAGE < len(rows),
                    "reportData": [report_data(row) for row in chunk],
                }
                if csms is not None:
                    await csms.call("NotifyReport", payload)
        except CsmsError as error:
            log.warning("report %d not finished: %s", request_id, error)


def wanted(item: dict[str, Any]) -> Wanted:
    """Which addresses a ComponentVariableType means."""
    of, what = item["component"], item.get("variable", {})
    evse = of.get("evse", {})
    return Wanted(
        of["name"],
        what.get("name"),
        of.get("instance"),
        what.get("instance"),
        evse.get("id"),
        evse.get("connectorId"),
    )


def report_data(row: ReportRow) -> dict[str, Any]:
    """ReportDataType of one variable; what nobody may read has no value (errata 2025-09)."""
    attribute: dict[str, Any] = {
        "type": "Actual",
        "mutability": str(row.mutability),
        "persistent": row.persistent,
        "constant": row.constant,
    }
    if row.value is not None:
        attribute["value"] = row.value[:2500]
    return {
        "component": component(row.address),
        "variable": variable(row.address),
        "variableAttribute": [attribute],
        "variableCharacteristics": _characteristics(row),
    }


def component(address: Address) -> dict[str, Any]:
    """ComponentType."""
    data: dict[str, Any] = {"name": address.component}
    if address.component_instance:
        data["instance"] = address.component_instance
    if address.evse is not None:
        data["evse"] = {"id": address.evse}
        if address.connector is not None:
            data["evse"]["connectorId"] = address.connector
    return data


def variable(address: Address) -> dict[str, Any]:
    """VariableType."""
    data = {"name": address.variable}
    if address.variable_instance:
        data["instance"] = address.variable_instance
    return data


def _characteristics(row: ReportRow) -> dict[str, Any]:
    data: dict[str, Any] = {
        "dataType": str(row.data_type),
        "supportsMonitoring": row.supports_monitoring,
    }
    if row.unit:
        data["unit"] = row.unit
    if row.limits.low is not None:
        data["minLimit"] = row.limits.low
    if row.limits.high is not None:
        data["maxLimit"] = row.limits.high
    if row.limits.values:
        data["valuesList"] = ",".join(row.limits.values)[:1000]
    return data
