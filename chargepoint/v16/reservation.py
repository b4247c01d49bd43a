"""ReserveNow and CancelReservation (sections 5.3, 5.13); the end of one has no message here."""

import logging
from typing import Any

from chargepoint.core.reservation import Reservation
from chargepoint.csms.adapter import handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v16 import wire
from chargepoint.v16.connectors import Connectors

log = logging.getLogger(__name__)


class Reservations:
    """Takes and cancels reservations."""

    def __init__(self, station: Station, connectors: Connectors) -> None:
        self._station = station
        self._connectors = connectors

    @handles("ReserveNow")
    async def reserve(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.13: keep a connector, or with 0 any one; stored before it is accepted."""
        connector, parent = payload["connectorId"], payload.get("parentIdTag")
        try:
            place = self._connectors.place(connector) if connector else None
        except Refused as refused:
            log.info("ReserveNow rejected: %s", refused)
            return {"status": "Rejected"}
        wanted = Reservation(
            payload["reservationId"],
            wire.moment(payload["expiryDate"]),
            wire.token(payload["idTag"]),
            wire.token(parent) if parent else None,
            place.evse_id if place else None,
            place.connector_id if place else None,
        )
        said = self._station.reservations.reserve(wanted)
        return Reply({"status": str(said)}, self._station.reservations.arrange)

    @handles("CancelReservation")
    async def cancel(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.3: forget a reservation; one that is not there is rejected."""
        known = self._station.reservations.cancel(payload["reservationId"])
        status = "Accepted" if known else "Rejected"
        return Reply({"status": status}, self._station.reservations.arrange)
