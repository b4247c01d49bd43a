"""Block G, availability."""

from typing import Any

from chargepoint.core.availability import AVAILABILITY
from chargepoint.core.facts import StatusChanged
from chargepoint.core.model import Scope
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire


class Availability:
    """Tells connector statuses; sets EVSEs and the station operative or inoperative."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._told: dict[tuple[int, int], str] = {}

    @delivers(StatusChanged)
    async def changed(self, fact: StatusChanged, delivery: Delivery) -> None:
        """G01: a connector has another status. What 2.0.1 has no word for is not told.

        A fact without a place in the journal is a report of the present and always told.
        """
        if not fact.evse_id:
            return
        payload = status_notification(fact)
        key = (fact.evse_id, fact.connector_id)
        if delivery.entry.number and self._told.get(key) == payload["connectorStatus"]:
            return
        await delivery.call("StatusNotification", payload)
        self._told[key] = payload["connectorStatus"]

    @handles("ChangeAvailability")
    async def change(self, payload: dict[str, Any]) -> dict[str, Any]:
        """G03, G04: at once, or when the running transaction is over; kept over restarts."""
        operative = payload["operationalStatus"] == "Operative"
        evse = payload.get("evse", {})
        scope = Scope.CONNECTOR if "connectorId" in evse else Scope.EVSE
        try:
            at_once = await self._station.set_availability(
                operative=operative, evse_id=evse.get("id", 0), scope=scope
            )
        except Refused as refused:
            return wire.answer("Rejected", refused)
        return {"status": "Accepted" if at_once else "Scheduled"}


def status_notification(fact: StatusChanged) -> dict[str, Any]:
    """StatusNotificationRequest."""
    return {
        "timestamp": wire.timestamp(fact.at),
        "connectorStatus": str(AVAILABILITY[fact.status]),
        "evseId": fact.evse_id,
        "connectorId": fact.connector_id,
    }
