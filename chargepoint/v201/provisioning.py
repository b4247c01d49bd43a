"""Block B, provisioning: boot, heartbeat, variables, reset. Reports are in ``reports``."""

from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from chargepoint.core.model import StopReason
from chargepoint.core.variables import (
    BYTES_PER_GET_VARIABLES,
    BYTES_PER_SET_VARIABLES,
    EVSE_ALLOW_RESET,
    ITEMS_PER_GET_VARIABLES,
    ITEMS_PER_SET_VARIABLES,
    Address,
)
from chargepoint.core.variables_answers import Answer, Outcome
from chargepoint.csms.adapter import BootAnswer, Csms, handles
from chargepoint.csms.announcing import alive, announced
from chargepoint.csms.identity import Identity
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.limits import within

VENDOR_MOST, MODEL_MOST, SERIAL_MOST, FIRMWARE_MOST = 50, 20, 25, 50


class Provisioning:
    """Announces the station; lets the CSMS read and change its variables and restart it."""

    def __init__(self, station: Station, identity: Identity) -> None:
        self._station = station
        self._identity = identity

    # --- the station speaks -----------------------------------------------------------------

    async def boot(self, csms: Csms, reason: str) -> BootAnswer:
        """B01: announce the station."""
        who = self._identity
        station = {"vendorName": who.vendor[:VENDOR_MOST], "model": who.model[:MODEL_MOST]}
        if who.serial_number:
            station["serialNumber"] = who.serial_number[:SERIAL_MOST]
        if who.firmware_version:
            station["firmwareVersion"] = who.firmware_version[:FIRMWARE_MOST]
        asked = csms.call("BootNotification", {"reason": reason, "chargingStation": station})
        return await announced(asked, self._station)

    async def heartbeat(self, csms: Csms) -> datetime:
        """G02: say that the station lives."""
        return await alive(csms.call("Heartbeat", {}), self._station)

    # --- the CSMS asks ----------------------------------------------------------------------

    @handles("GetVariables")
    async def get_variables(self, payload: dict[str, Any]) -> dict[str, Any]:
        """B06: one result per item, in the order asked."""
        items = payload["getVariableData"]
        model = self._station.model
        most, size = model[ITEMS_PER_GET_VARIABLES], model[BYTES_PER_GET_VARIABLES]
        within(payload, len(items), items=most, size=size)
        return {"getVariableResult": [self._get(item) for item in items]}

    @handles("SetVariables")
    async def set_variables(self, payload: dict[str, Any]) -> dict[str, Any]:
        """B05: one result per item, in the order given; each is kept by itself."""
        items = payload["setVariableData"]
        model = self._station.model
        most, size = model[ITEMS_PER_SET_VARIABLES], model[BYTES_PER_SET_VARIABLES]
        within(payload, len(items), items=most, size=size)
        return {"setVariableResult": [self._set(item) for item in items]}

    @handles("Reset")
    async def reset(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """B11, B12: at once ends the transactions, on idle waits for them."""
        maintenance = self._station.maintenance
        if "evseId" in payload:
            return self._reset_evse(payload["evseId"], at_once=payload["type"] == "Immediate")
        if payload["type"] == "Immediate":

            def restart() -> Coroutine[Any, Any, None]:
                return maintenance.restart(StopReason.IMMEDIATE_RESET)

            return Reply({"status": "Accepted"}, restart)
        status = "Accepted" if maintenance.idle else "Scheduled"
        return Reply({"status": status}, maintenance.restart_when_idle)

    # --- inside -----------------------------------------------------------------------------

    def _reset_evse(self, evse_id: int, *, at_once: bool) -> dict[str, Any] | Reply:
        """B11.FR.08 to .10: one EVSE alone, if it can be."""
        maintenance = self._station.maintenance
        try:
            self._station.evse(evse_id)
        except Refused as refused:
            return wire.answer("Rejected", refused)
        if not self._station.model.for_evse(EVSE_ALLOW_RESET, evse_id):
            whole = Refused("the whole station only", reason="UnsupportedRequest")
            return wire.answer("Rejected", whole)
        busy = maintenance.evse_busy(evse_id)

        def restart() -> Coroutine[Any, Any, None]:
            return maintenance.restart_evse(evse_id, at_once=at_once)

        return Reply({"status": "Scheduled" if busy and not at_once else "Accepted"}, restart)

    def _get(self, item: dict[str, Any]) -> dict[str, Any]:
        attribute = item.get("attributeType", "Actual")
        outcome = self._station.model.get(address(item), attribute)
        result = _result(item, outcome)
        if outcome.value is not None:
            result["attributeValue"] = outcome.value
        return result

    def _set(self, item: dict[str, Any]) -> dict[str, Any]:
        attribute = item.get("attributeType", "Actual")
        outcome = self._station.model.set(address(item), item["attributeValue"], attribute)
        return _result(item, outcome)


def address(item: dict[str, Any]) -> Address:
    """Where a variable is, from ComponentType and VariableType."""
    component, variable = item["component"], item["variable"]
    evse = component.get("evse", {})
    return Address(
        component["name"],
        variable["name"],
        component.get("instance"),
        variable.get("instance"),
        evse.get("id"),
        evse.get("connectorId"),
    )


def _result(item: dict[str, Any], outcome: Outcome) -> dict[str, Any]:
    result = {
        "attributeStatus": str(outcome.answer),
        "attributeType": item.get("attributeType", "Actual"),
        "component": item["component"],
        "variable": item["variable"],
    }
    if outcome.answer is Answer.REJECTED:
        info = {"reasonCode": (outcome.reason or "Unspecified")[:20]}
        if outcome.sentence:
            info["additionalInfo"] = outcome.sentence[:512]
        result["attributeStatusInfo"] = info
    return result
