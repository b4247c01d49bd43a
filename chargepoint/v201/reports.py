"""Block B, provisioning: reports of the device model, in parts."""

import logging
from collections.abc import Coroutine
from typing import Any

from chargepoint.core.variables import Address
from chargepoint.core.variables_answers import Inventory, ReportRow
from chargepoint.csms.adapter import SessionView, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError
from chargepoint.station.station import Station
from chargepoint.v201 import wire

log = logging.getLogger(__name__)

ROWS_PER_MESSAGE = 20  # some systems take 30 ms per row and drop what takes too long


class Reports:
    """Tells the CSMS all variables, or all it can set."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._session = session

    @handles("GetBaseReport")
    async def base_report(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """B07: accepted first, then sent in parts; a summary is not supported (optional)."""
        if payload["reportBase"] not in set(Inventory):
            return {"status": "NotSupported"}
        rows = list(self._station.model.report(Inventory(payload["reportBase"])))
        request_id = payload["requestId"]

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
