"""Block D, local authorization list: SendLocalList, GetLocalListVersion."""

import json
from typing import Any

from chargepoint.core.local_list import (
    LIST_BYTES_PER_MESSAGE,
    LIST_ITEMS_PER_MESSAGE,
    Outdated,
)
from chargepoint.csms.adapter import handles
from chargepoint.csms.rpc import CallError
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire


class LocalList:
    """The CSMS keeps the list of tokens that are known without asking."""

    def __init__(self, station: Station) -> None:
        self._list = station.local_list

    @handles("SendLocalList")
    async def send(self, payload: dict[str, Any]) -> dict[str, Any]:
        """D01: a whole list or the changes to it, all or nothing.

        Raises:
            CallError: more entries or bytes than announced (D01.FR.11, .12).
        """
        items = payload.get("localAuthorizationList", [])
        _check_size(len(items), payload)
        full = payload["updateType"] == "Full"
        try:
            entries = [wire.listed(item) for item in items]
            self._list.update(payload["versionNumber"], entries, full=full)
        except Outdated as outdated:
            return wire.answer("VersionMismatch", outdated)
        except Refused as refused:
            return wire.answer("Failed", refused)
        return {"status": "Accepted"}

    @handles("GetLocalListVersion")
    async def version(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """D02: 0 if no list was ever sent or it is switched off; an emptied one has its version."""
        return {"versionNumber": self._list.version()}


def _check_size(items: int, payload: dict[str, Any]) -> None:
    if items > LIST_ITEMS_PER_MESSAGE:
        said = f"{items} items, at most {LIST_ITEMS_PER_MESSAGE}"
        raise CallError("OccurrenceConstraintViolation", said)
    size = len(json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode())
    if size > LIST_BYTES_PER_MESSAGE:
        raise CallError("FormatViolation", f"{size} bytes, at most {LIST_BYTES_PER_MESSAGE}")
