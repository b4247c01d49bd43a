"""Block N, diagnostics: monitors and the events they tell."""

import logging
from collections.abc import Coroutine
from decimal import Decimal
from itertools import groupby
from typing import Any

from chargepoint.core.facts import VariableEvent
from chargepoint.core.monitoring import Criterion, Monitor, MonitorType
from chargepoint.core.variables import (
    BYTES_PER_CLEAR_MONITORING,
    BYTES_PER_GET_REPORT,
    BYTES_PER_SET_MONITORING,
    ITEMS_PER_CLEAR_MONITORING,
    ITEMS_PER_GET_REPORT,
    ITEMS_PER_SET_MONITORING,
    Address,
    MonitoringBase,
)
from chargepoint.csms.adapter import Delivery, SessionView, delivers, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import CsmsError, Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.limits import within
from chargepoint.v201.provisioning import address
from chargepoint.v201.reports import component, variable, wanted

log = logging.getLogger(__name__)

MONITORS_PER_MESSAGE = 20
INTERNAL = Refused("it could not be stored", reason="InternalError")


class Monitoring:
    """Lets the CSMS set, clear and list monitors; tells their events."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._session = session

    # --- the CSMS asks ----------------------------------------------------------------------

    @handles("SetVariableMonitoring")
    async def set_monitors(self, payload: dict[str, Any]) -> dict[str, Any]:
        """N04: one result per item, in the order given."""
        items, model = payload["setMonitoringData"], self._station.model
        most, size = model[ITEMS_PER_SET_MONITORING], model[BYTES_PER_SET_MONITORING]
        within(payload, len(items), items=most, size=size)
        return {"setMonitoringResult": [self._set(item) for item in items]}

    @handles("ClearVariableMonitoring")
    async def clear_monitors(self, payload: dict[str, Any]) -> dict[str, Any]:
        """N06: one result per id, in the order given."""
        ids, model = payload["id"], self._station.model
        most, size = model[ITEMS_PER_CLEAR_MONITORING], model[BYTES_PER_CLEAR_MONITORING]
        within(payload, len(ids), items=most, size=size)
        return {"clearMonitoringResult": [self._clear(monitor_id) for monitor_id in ids]}

    @handles("SetMonitoringBase")
    async def set_base(self, payload: dict[str, Any]) -> dict[str, Any]:
        """N03: which monitors there are."""
        try:
            self._station.monitors.set_base(MonitoringBase(payload["monitoringBase"]))
        except StoreError:
            return wire.answer("Rejected", INTERNAL)
        return {"status": "Accepted"}

    @handles("SetMonitoringLevel")
    async def set_level(self, payload: dict[str, Any]) -> dict[str, Any]:
        """N05: up to which severity number events are told."""
        try:
            self._station.monitors.set_level(payload["severity"])
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError:
            return wire.answer("Rejected", INTERNAL)
        return {"status": "Accepted"}

    @handles("GetMonitoringReport")
    async def report(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """N02: the monitors that are asked for; accepted first, then sent in parts."""
        items, model = payload.get("componentVariable", []), self._station.model
        most, size = model[ITEMS_PER_GET_REPORT], model[BYTES_PER_GET_REPORT]
        within(payload, len(items), items=most, size=size)
        criteria = [Criterion(word) for word in payload.get("monitoringCriteria", [])]
        found = self._station.monitors.select(criteria, [wanted(item) for item in items])
        if not found:
            return {"status": "EmptyResultSet"}
        request_id = payload["requestId"]

        def send() -> Coroutine[Any, Any, None]:
            return self._send(request_id, found)

        return Reply({"status": "Accepted"}, send)

    # --- the station speaks -----------------------------------------------------------------

    @delivers(VariableEvent)
    async def happened(self, fact: VariableEvent, delivery: Delivery) -> None:
        """N07, N08: a monitor has seen something."""
        of = Address.parse(fact.variable)
        event: dict[str, Any] = {
            "eventId": delivery.entry.number,
            "timestamp": wire.timestamp(fact.at),
            "trigger": fact.trigger,
            "actualValue": fact.value[:2500],
            "eventNotificationType": fact.origin,
            "variableMonitoringId": fact.monitor_id,
            "component": component(of),
            "variable": variable(of),
        }
        if fact.cleared:
            event["cleared"] = True
        if fact.transaction_id:
            event["transactionId"] = fact.transaction_id
        payload = {
            "generatedAt": wire.timestamp(fact.at),  # not of the sending: it may be sent again
            "seqNo": 0,
            "eventData": [event],
        }
        await delivery.call("NotifyEvent", payload)

    # --- inside -----------------------------------------------------------------------------

    def _set(self, item: dict[str, Any]) -> dict[str, Any]:
        kept = {key: item[key] for key in ("type", "severity", "component", "variable")}
        monitors, new = self._station.monitors, _monitor(item)
        old = monitors.get(item["id"]) if "id" in item else None
        if "id" in item and old is None:
            unknown = Refused(f"no monitor {item['id']}", reason="NotFound")
            return {**kept, "id": item["id"], **wire.answer("Rejected", unknown)}
        verdict, monitor, refused = monitors.set(old, new, address(item))
        result = {**kept, **wire.answer(str(verdict), refused)}
        if verdict == "Accepted" or "id" in item:
            result["id"] = item.get("id", monitor.id)
        return result

    def _clear(self, monitor_id: int) -> dict[str, Any]:
        try:
            found = self._station.monitors.clear(monitor_id)
        except Refused as refused:
            return {"id": monitor_id, **wire.answer("Rejected", refused)}
        except StoreError:
            return {"id": monitor_id, **wire.answer("Rejected", INTERNAL)}
        return {"id": monitor_id, "status": "Accepted" if found else "NotFound"}

    async def _send(self, request_id: int, monitors: list[Monitor]) -> None:
        """NotifyMonitoringReport with parts counted from 0; a lost connection ends it."""
        starts = range(0, len(monitors), MONITORS_PER_MESSAGE)
        try:
            for part, start in enumerate(starts):
                if (csms := self._session.csms) is None:
                    return
                chunk = monitors[start : start + MONITORS_PER_MESSAGE]
                payload = {
                    "requestId": request_id,
                    "generatedAt": wire.timestamp(self._station.clock.now()),
                    "seqNo": part,
                    "tbc": start + MONITORS_PER_MESSAGE < len(monitors),
                    "monitor": monitoring_data(chunk),
                }
                await csms.call("NotifyMonitoringReport", payload)
        except CsmsError as error:
            log.warning("report %d not finished: %s", request_id, error)


def monitoring_data(monitors: list[Monitor]) -> list[dict[str, Any]]:
    """MonitoringDataType: the monitors of each variable together."""
    ordered = sorted(monitors, key=lambda monitor: (monitor.variable, monitor.id))
    return [
        {
            "component": component(Address.parse(name)),
            "variable": variable(Address.parse(name)),
            "variableMonitoring": [
                {
                    "id": monitor.id,
                    "transaction": monitor.transaction,
                    "value": float(monitor.value),
                    "type": str(monitor.kind),
                    "severity": monitor.severity,
                }
                for monitor in group
            ],
        }
        for name, group in groupby(ordered, key=lambda monitor: monitor.variable)
    ]


def _monitor(item: dict[str, Any]) -> Monitor:
    return Monitor(
        0,
        str(address(item)),
        MonitorType(item["type"]),
        Decimal(str(item["value"])),
        item["severity"],
        item.get("transaction", False),
    )
