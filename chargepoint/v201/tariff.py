"""Block I, tariff and cost."""

from decimal import Decimal
from typing import Any

from chargepoint.csms.adapter import handles
from chargepoint.station.station import Station
from chargepoint.v201 import wire


class TariffAndCost:
    """Takes the costs that the CSMS tells; the screens show them."""

    def __init__(self, station: Station) -> None:
        self._station = station

    @handles("CostUpdated")
    async def cost_updated(self, payload: dict[str, Any]) -> dict[str, Any]:
        """I02: the cost so far. The answer says nothing, not even that no such session runs."""
        self._station.displays.cost(payload["transactionId"], amount(payload["totalCost"]))
        return {}


def learn(station: Station, transaction_id: str, reply: dict[str, Any]) -> None:
    """What a TransactionEventResponse says of cost and tariff (I02, I03).

    A token that the CSMS was not asked about before has its personal message here for the first
    time.
    """
    cost = reply.get("totalCost")
    of_token = reply.get("idTokenInfo", {}).get("personalMessage")
    personal = reply.get("updatedPersonalMessage", of_token)
    if cost is None and personal is None:
        return
    station.displays.cost(
        transaction_id,
        None if cost is None else amount(cost),
        wire.text(personal) if personal else None,
    )


def amount(number: float) -> Decimal:
    """A sum of money with the digits that were sent."""
    return Decimal(str(number))
