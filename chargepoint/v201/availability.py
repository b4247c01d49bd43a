"""Block G, availability."""

from collections.abc import Awaitable, Callable
from typing import Any

from chargepoint.core.availability import availability
from chargepoint.core.facts import StatusChanged
from chargepoint.core.variables import AvailabilityState  # noqa: TC001 - import rules see it
from chargepoint.csms.adapter import Csms, Delivery, delivers, handles
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire

Call = Callable[[str, dict[str, Any]], Awaitable[dict[str, Any]]]


class Availability:
    """Tells connector statuses; sets EVSEs and the station operative or inoperative."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._told: dict[tuple[int, int], AvailabilityState] = {}

    @delivers(StatusChanged)
    async def changed(self, fact: StatusChanged, delivery: Delivery) -> None:
        """G01: a connector has another status. What 2.0.1 has no word for is not told.

        A fact without a place in the journal is a report of the present and always told.
        """
        told = self._told.get((fact.evse_id, fact.connector_id))
        if not fact.evse_id or (delivery.entry.number and told == availability(fact)):
            return
        await self._tell(fact, delivery.call)

    async def report(self, csms: Csms, evse_id: int | None, connector_id: int | None) -> None:
        """F06: the status of the connectors asked for, now; None is all of them."""
        for fact in self._station.statuses():
            if (
                fact.evse_id
                and evse_id in {None, fact.evse_id}
                and connector_id in {None, fact.connector_id}
            ):
                await self._tell(fact, csms.call)

    async def _tell(self, fact: StatusChanged, call: Call) -> None:
        """A status whose answer got lost does not count as told."""
        key = (fact.evse_id, fact.connector_id)
        self._told.pop(key, None)
        payload = {
            "timestamp": wire.timestamp(fact.at),
            "connectorStatus": str(availability(fact)),
            "evseId": fact.evse_id,
            "connectorId": fact.connector_id,
        }
        await call("StatusNotification", payload)
        self._told[key] = availability(fact)

    @handles("ChangeAvailability")
    async def change(self, payload: dict[str, Any]) -> dict[str, Any]:
        """G03, G04: at once, or when the running transaction is over; kept over restarts."""
        operative = payload["operationalStatus"] == "Operative"
        evse = payload.get("evse", {})
        try:
            if evse:
                self._station.evse(evse["id"])
            at_once = await self._station.set_availability(
                operative=operative,
                evse_id=evse.get("id", 0),
                connector_id=evse.get("connectorId"),
            )
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError:
            return {"status": "Rejected"}
        return {"status": "Accepted" if at_once else "Scheduled"}
