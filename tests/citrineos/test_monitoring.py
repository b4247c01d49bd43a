"""Monitors that a real CitrineOS sets, and what becomes of their events (OCPP 2.0.1 block N)."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from citrine_office import until
from citrine_site import Site

if TYPE_CHECKING:
    from conftest import Open

LIMIT = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
UPPER, ABOVE, BELOW = 100, "120", "60"
PATIENT = timedelta(seconds=120)


async def test_a_monitor_that_is_set_tells_of_what_it_watches_until_it_is_cleared(
    open_site: "Open",
) -> None:
    async with open_site("2.0.1") as site:
        await report(site)
        number = await watch(site)

        await change(site, ABOVE)

        alert = await event(site, lambda told: told["trigger"] == "Alerting")
        assert (alert["actualValue"], alert["variableMonitoringId"]) == (ABOVE, number)
        await until(lambda: stored_event(site, alert), "the event in the database")
        await change(site, BELOW)
        over = await event(site, lambda told: bool(told.get("cleared")))
        assert over["actualValue"] == BELOW

        cleared = await site.ask("ClearVariableMonitoring", id=[number])
        assert [one["status"] for one in cleared["clearMonitoringResult"]] == ["Accepted"]
        before = await site.office.last(site.id)
        await change(site, ABOVE)
        await site.ask("TriggerMessage", requestedMessage="Heartbeat")
        await site.office.wait_for(site.id, "Heartbeat", after=before)
        assert await site.office.messages(site.id, "NotifyEvent", after=before) == []


async def test_what_is_not_severe_enough_is_not_told(open_site: "Open") -> None:
    async with open_site("2.0.1") as site:
        await report(site)
        await watch(site, severity=7)
        assert (await site.ask("SetMonitoringLevel", severity=5))["status"] == "Accepted"
        before = await site.office.last(site.id)

        await change(site, ABOVE)

        await site.ask("TriggerMessage", requestedMessage="Heartbeat")
        await site.office.wait_for(site.id, "Heartbeat", after=before)
        assert await site.office.messages(site.id, "NotifyEvent", after=before) == []


async def test_a_base_of_monitors_is_chosen_and_reported(open_site: "Open") -> None:
    async with open_site("2.0.1") as site:
        await report(site)
        number = await watch(site)
        before = await site.office.last(site.id)

        answer = await site.ask("SetMonitoringBase", monitoringBase="All")

        assert answer["status"] == "Accepted"
        await site.office.wait_for(site.id, "GetMonitoringReport", origin="csms", after=before)
        told = await site.office.wait_for(site.id, "NotifyMonitoringReport", after=before)
        [monitor] = [one for one in told.payload["monitor"] if one["variable"] == LIMIT["variable"]]
        assert [one["id"] for one in monitor["variableMonitoring"]] == [number]


async def report(site: Site) -> None:
    """CitrineOS keeps monitors of variables only that it was told of."""
    await site.ask("GetBaseReport", requestId=31, reportBase="FullInventory")

    async def known() -> bool:
        query = (
            'SELECT count(*) FROM "VariableAttributes" a JOIN "Components" c'
            ' ON a."componentId" = c.id JOIN "Variables" v ON a."variableId" = v.id'
            " WHERE a.\"stationId\" = %s AND c.name = 'TxCtrlr' AND v.name = 'EVConnectionTimeOut'"
        )
        [(count,)] = await site.office.rows(query, site.id)
        return bool(count)

    await until(known, "the variable in the device model", PATIENT)
    await site.office.wait_for(site.id, "NotifyReport", lambda part: not part.get("tbc", False))


async def watch(site: Site, severity: int = 4) -> int:
    """Set a monitor; its number, as CitrineOS keeps it."""
    item = {**LIMIT, "type": "UpperThreshold", "value": UPPER, "severity": severity}
    answer = await site.ask("SetVariableMonitoring", setMonitoringData=[item])
    [result] = answer["setMonitoringResult"]
    assert result["status"] == "Accepted"

    async def stored() -> int:
        query = (
            'SELECT id FROM "VariableMonitorings" WHERE "stationId" = %s'
            " AND type = 'UpperThreshold' AND value = %s AND severity = %s"
        )
        rows = await site.office.rows(query, site.id, UPPER, severity)
        return int(rows[0][0] or 0) if rows else 0

    assert await until(stored, "the monitor in the database") == result["id"]
    return int(result["id"])


async def change(site: Site, value: str) -> None:
    answer = await site.ask("SetVariables", setVariableData=[{**LIMIT, "attributeValue": value}])
    assert answer["setVariableResult"][0]["attributeStatus"] == "Accepted"


async def event(site: Site, true: Any) -> dict[str, Any]:
    """The first such event that the station told."""
    found = await site.office.wait_for(
        site.id, "NotifyEvent", lambda told: any(true(one) for one in told["eventData"])
    )
    return next(one for one in found.payload["eventData"] if true(one))


async def stored_event(site: Site, told: dict[str, Any]) -> bool:
    query = 'SELECT "actualValue" FROM "EventData" WHERE "stationId" = %s AND "eventId" = %s'
    return await site.office.rows(query, site.id, told["eventId"]) == [(told["actualValue"],)]
