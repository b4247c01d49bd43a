"""The local authorization list: SendLocalList, GetLocalListVersion (sections 5.10, 5.15)."""

from typing import Any

from chargepoint.core.local_list import LIST_ITEMS_PER_MESSAGE, Outdated
from chargepoint.csms.adapter import handles
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v16 import wire

NOT_SUPPORTED, EMPTY = -1, 0


class LocalList:
    """The CSMS keeps the list of tags that are known without asking."""

    def __init__(self, station: Station) -> None:
        self._list = station.local_list

    @handles("SendLocalList")
    async def send(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.15: a whole list or the changes to it, all or nothing.

        A list that is switched off is one that the station does not have.
        """
        items = payload.get("localAuthorizationList", [])
        if not self._list.enabled:
            return {"status": "NotSupported"}
        if len(items) > LIST_ITEMS_PER_MESSAGE:
            return {"status": "Failed"}
        full = payload["updateType"] == "Full"
        try:
            entries = [wire.listed(item) for item in items]
            self._list.update(payload["listVersion"], entries, full=full)
        except Outdated:
            return {"status": "VersionMismatch"}
        except Refused:
            return {"status": "Failed"}
        return {"status": "Accepted"}

    @handles("GetLocalListVersion")
    async def version(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.10: 0 if nobody is on the list, -1 if it is switched off."""
        if not self._list.enabled:
            return {"listVersion": NOT_SUPPORTED}
        return {"listVersion": self._list.version() if self._list.entries() else EMPTY}
