"""Vendor-specific data (section 5.6)."""

import json
import logging
from typing import Any

from chargepoint.core.facts import DataOffered
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.station.vendors import UnknownMessage, UnknownVendor

log = logging.getLogger(__name__)


class DataTransfer:
    """Hands what only a vendor understands to its extension."""

    def __init__(self, station: Station) -> None:
        self._station = station

    @handles("DataTransfer")
    async def transfer(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.6: an unknown vendor and an unknown message have answers of their own.

        Data is text here: what an extension answers otherwise is written as JSON.
        """
        vendor, message = payload["vendorId"], payload.get("messageId")
        try:
            data = await self._station.vendors.transfer(vendor, message, payload.get("data"))
        except UnknownVendor:
            return {"status": "UnknownVendorId"}
        except UnknownMessage:
            return {"status": "UnknownMessageId"}
        except Refused:
            return {"status": "Rejected"}
        if data is None:
            return {"status": "Accepted"}
        return {"status": "Accepted", "data": _as_text(json.dumps(data))}

    @delivers(DataOffered)
    async def offered(self, fact: DataOffered, delivery: Delivery) -> None:
        """Section 4.3: something of an extension; what is no text goes as JSON."""
        payload: dict[str, Any] = {"vendorId": fact.vendor_id}
        if fact.message_id is not None:
            payload["messageId"] = fact.message_id
        if fact.data is not None:
            payload["data"] = _as_text(fact.data)
        reply = await delivery.call("DataTransfer", payload)
        if reply["status"] != "Accepted":
            log.warning("data of %s not taken: %s", fact.vendor_id, reply["status"])


def _as_text(data: str) -> str:
    """JSON as 1.6 can carry it: a text as itself, anything else as JSON."""
    value = json.loads(data)
    return value if isinstance(value, str) else data
