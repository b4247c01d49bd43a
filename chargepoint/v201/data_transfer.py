"""Block P, data transfer."""

import json
import logging
from typing import Any

from chargepoint.core.facts import DataOffered
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.station.vendors import UnknownMessage, UnknownVendor
from chargepoint.v201 import wire

log = logging.getLogger(__name__)


class DataTransfer:
    """Hands what only a vendor understands to its extension."""

    def __init__(self, station: Station) -> None:
        self._station = station

    @handles("DataTransfer")
    async def transfer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """P01: an unknown vendor and an unknown message have answers of their own."""
        vendor, message = payload["vendorId"], payload.get("messageId")
        try:
            data = await self._station.vendors.transfer(vendor, message, payload.get("data"))
        except UnknownVendor:
            return {"status": "UnknownVendorId"}
        except UnknownMessage:
            return {"status": "UnknownMessageId"}
        except Refused as refused:
            return wire.answer("Rejected", refused)
        return {"status": "Accepted"} if data is None else {"status": "Accepted", "data": data}

    @delivers(DataOffered)
    async def offered(self, fact: DataOffered, delivery: Delivery) -> None:
        """P02: something of an extension; data of any kind."""
        payload: dict[str, Any] = {"vendorId": fact.vendor_id}
        if fact.message_id is not None:
            payload["messageId"] = fact.message_id
        if fact.data is not None:
            payload["data"] = json.loads(fact.data)
        reply = await delivery.call("DataTransfer", payload)
        if reply["status"] != "Accepted":
            log.warning("data of %s not taken: %s", fact.vendor_id, reply["status"])
