"""Block H, reservation: ReserveNow, CancelReservation, ReservationStatusUpdate."""

from typing import Any

from chargepoint.core.facts import ReservationEnded
from chargepoint.core.reservation import Reservation
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire


class Reservations:
    """Takes and cancels reservations; tells those that the station gave up."""

    def __init__(self, station: Station) -> None:
        self._station = station

    @handles("ReserveNow")
    async def reserve(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """H01: keep an EVSE, or one of several; stored before it is accepted."""
        evse_id = payload.get("evseId")
        if evse_id is not None:
            try:
                self._station.evse(evse_id)
            except Refused as refused:
                return wire.answer("Rejected", refused)
        wanted = Reservation(
            payload["id"],
            wire.moment(payload["expiryDateTime"]),
            wire.token(payload["idToken"]),
            wire.group(payload),
            evse_id,
            connector_type=payload.get("connectorType", ""),
        )
        said = self._station.reservations.reserve(wanted)
        return Reply({"status": str(said)}, self._station.reservations.arrange)

    @handles("CancelReservation")
    async def cancel(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """H02: forget a reservation; one that is not there is rejected."""
        known = self._station.reservations.cancel(payload["reservationId"])
        status = "Accepted" if known else "Rejected"
        return Reply({"status": status}, self._station.reservations.arrange)

    @delivers(ReservationEnded)
    async def ended(self, fact: ReservationEnded, delivery: Delivery) -> None:
        """H04, H01.FR.16: a reservation expired, or what was reserved is out of order."""
        payload = {
            "reservationId": fact.reservation_id,
            "reservationUpdateStatus": str(fact.ending),
        }
        await delivery.call("ReservationStatusUpdate", payload)
