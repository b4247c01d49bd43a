"""Block O, display messages."""

import logging
from collections.abc import Coroutine
from typing import Any

from chargepoint.core.display import DisplayMessage, Messages, Priority, Screen, Situation
from chargepoint.csms.adapter import SessionView, handles
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import CsmsError, Refused, StoreError
from chargepoint.station.displays import Displays
from chargepoint.station.station import Station
from chargepoint.v201 import wire

log = logging.getLogger(__name__)

MESSAGES_PER_PART = 10
STATUSES = {
    "NotSupportedMessageFormat",
    "NotSupportedPriority",
    "NotSupportedState",
    "UnknownTransaction",
}


class Display:
    """Lets the CSMS set, read and clear what the screens show."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._session = session

    @handles("SetDisplayMessage")
    async def set_message(self, payload: dict[str, Any]) -> dict[str, Any]:
        """O01, O02, O06: shown from now or from its start on; replaces that of its id."""
        displays = self._displays()
        try:
            displays.put(message(payload["message"]))
        except Refused as refused:
            if refused.reason in STATUSES:
                return {"status": refused.reason}
            return wire.answer("Rejected", refused)
        except StoreError as error:
            return wire.answer("Rejected", Refused(str(error), reason="InternalError"))
        return {"status": "Accepted"}

    @handles("GetDisplayMessages")
    async def get_messages(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """O03, O04: accepted first, then sent in parts; Unknown if none fits."""
        priority, situation = payload.get("priority"), payload.get("state")
        found = self._displays().find(
            payload.get("id"),
            Priority(priority) if priority else None,
            Situation(situation) if situation else None,
        )
        if not found:
            return {"status": "Unknown"}
        request_id = payload["requestId"]

        def send() -> Coroutine[Any, Any, None]:
            return self._send(request_id, found)

        return Reply({"status": "Accepted"}, send)

    @handles("ClearDisplayMessage")
    async def clear_message(self, payload: dict[str, Any]) -> dict[str, Any]:
        """O05: forget one message."""
        try:
            known = self._displays().clear(payload["id"])
        except StoreError as error:
            raise CallError("InternalError", str(error)) from error
        return {"status": "Accepted" if known else "Unknown"}

    def _displays(self) -> Displays:
        """A station without screens has no such messages (O01.FR.01 is about those that do)."""
        displays = self._station.displays
        if not displays.available:
            raise CallError("NotSupported", "the station has no screen")
        return displays

    async def _send(self, request_id: int, found: Messages) -> None:
        """NotifyDisplayMessages; a lost connection ends it."""
        csms = self._session.csms
        if csms is None:
            return
        try:
            for start in range(0, len(found), MESSAGES_PER_PART):
                part = found[start : start + MESSAGES_PER_PART]
                payload = {
                    "requestId": request_id,
                    "tbc": start + MESSAGES_PER_PART < len(found),
                    "messageInfo": [message_info(one) for one in part],
                }
                await csms.call("NotifyDisplayMessages", payload)
        except CsmsError as error:
            log.warning("display messages for request %d not all sent: %s", request_id, error)


def message(data: dict[str, Any]) -> DisplayMessage:
    """A message from MessageInfoType."""
    situation, starts, ends = (data.get(k) for k in ("state", "startDateTime", "endDateTime"))
    return DisplayMessage(
        message_id=data["id"],
        priority=Priority(data["priority"]),
        text=wire.text(data["message"]),
        situation=Situation(situation) if situation else None,
        starts=wire.moment(starts) if starts else None,
        ends=wire.moment(ends) if ends else None,
        transaction_id=data.get("transactionId"),
        screen=_screen(data["display"]) if "display" in data else None,
    )


def message_info(kept: DisplayMessage) -> dict[str, Any]:
    """MessageInfoType."""
    data: dict[str, Any] = {
        "id": kept.message_id,
        "priority": str(kept.priority),
        "message": wire.message_content(kept.text),
    }
    if kept.situation is not None:
        data["state"] = str(kept.situation)
    if kept.starts is not None:
        data["startDateTime"] = wire.timestamp(kept.starts)
    if kept.ends is not None:
        data["endDateTime"] = wire.timestamp(kept.ends)
    if kept.transaction_id is not None:
        data["transactionId"] = kept.transaction_id
    if kept.screen is not None:
        data["display"] = _component(kept.screen)
    return data


def _screen(component: dict[str, Any]) -> Screen:
    evse = component.get("evse", {})
    return Screen(
        component["name"], component.get("instance"), evse.get("id"), evse.get("connectorId")
    )


def _component(screen: Screen) -> dict[str, Any]:
    data: dict[str, Any] = {"name": screen.name}
    if screen.instance is not None:
        data["instance"] = screen.instance
    if screen.evse_id is not None:
        data["evse"] = {"id": screen.evse_id}
        if screen.connector_id is not None:
            data["evse"]["connectorId"] = screen.connector_id
    return data
