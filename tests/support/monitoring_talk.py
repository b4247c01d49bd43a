"""What a CSMS says and hears about monitors."""

from typing import Any

POWER = {
    "component": {"name": "EVSE", "evse": {"id": 1}},
    "variable": {"name": "Power"},
}
STATE = {
    "component": {"name": "Connector", "evse": {"id": 1, "connectorId": 1}},
    "variable": {"name": "AvailabilityState"},
}
NO_EVSE = {"name": "EVSE", "evse": {"id": 9}}
LIMIT = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}


def item_of(of: dict[str, Any], kind: str, value: float, severity: int = 5, **more: Any) -> Any:
    return {**of, "type": kind, "value": value, "severity": severity, **more}


async def set_monitors(talk: Any, *items: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await talk.ask("SetVariableMonitoring", {"setMonitoringData": list(items)})
    results: list[dict[str, Any]] = answer["setMonitoringResult"]
    return results


async def report(talk: Any, **payload: Any) -> tuple[str, list[dict[str, Any]]]:
    talk.csms.sent.clear()
    answer = await talk.ask("GetMonitoringReport", {"requestId": 7, **payload})
    parts = talk.csms.said("NotifyMonitoringReport")
    assert [part["seqNo"] for part in parts] == list(range(len(parts)))
    return answer["status"], [monitor for part in parts for monitor in part["monitor"]]


async def ids(talk: Any) -> set[int]:
    _, found = await report(talk)
    return {one["id"] for monitor in found for one in monitor["variableMonitoring"]}


def change(talk: Any, value: str) -> None:
    assert talk.bench.station.model.set_key("ConnectionTimeOut", value).answer == "Accepted"
    talk.bench.station.monitors.look()


async def events(talk: Any) -> list[dict[str, Any]]:
    sent = [s.payload for s in await talk.tell() if s.action == "NotifyEvent"]
    return [event for payload in sent for event in payload["eventData"]]
