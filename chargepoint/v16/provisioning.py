"""Boot, heartbeat, configuration keys, reset (sections 4.2, 4.6, 5.3, 5.8, 5.14)."""

from collections.abc import Coroutine
from datetime import datetime
from typing import Any

from chargepoint.core.model import StopReason
from chargepoint.core.variables import (
    ALIGNED_INTERVAL,
    ALIGNED_TX_ENDED_INTERVAL,
    ALIGNED_TX_ENDED_MEASURANDS,
    ITEMS_PER_GET_VARIABLES,
    TX_ENDED_INTERVAL,
    TX_ENDED_MEASURANDS,
    TX_UPDATED_INTERVAL,
)
from chargepoint.core.variables_answers import Answer, KeyValue
from chargepoint.csms.adapter import BootAnswer, Csms, handles
from chargepoint.csms.announcing import alive, announced
from chargepoint.csms.identity import Identity
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.station.station import Station
from chargepoint.v16 import wire

VENDOR_MOST, MODEL_MOST, SERIAL_MOST, FIRMWARE_MOST, VALUE_MOST = 20, 20, 25, 50, 500

CHANGED: dict[Answer, str] = {
    Answer.ACCEPTED: "Accepted",
    Answer.REBOOT_REQUIRED: "RebootRequired",
    Answer.REJECTED: "Rejected",
}
RESET: dict[str, StopReason] = {
    "Soft": StopReason.SCHEDULED_RESET,
    "Hard": StopReason.IMMEDIATE_RESET,
}


class Provisioning:
    """Announces the station; lets the CSMS read and change its keys and restart it."""

    def __init__(self, station: Station, identity: Identity) -> None:
        self._station = station
        self._identity = identity
        # Sections 9.1.25 and 9.1.27 know one interval for what is sent and what the end holds.
        follow = station.model.follow
        follow(TX_ENDED_INTERVAL, TX_UPDATED_INTERVAL, TX_ENDED_MEASURANDS)
        follow(ALIGNED_TX_ENDED_INTERVAL, ALIGNED_INTERVAL, ALIGNED_TX_ENDED_MEASURANDS)

    # --- the station speaks -----------------------------------------------------------------

    async def boot(self, csms: Csms, _reason: str) -> BootAnswer:
        """Section 4.2: announce the station; 1.6 has no word for the reason."""
        asked = csms.call("BootNotification", boot_notification(self._identity))
        return await announced(asked, self._station)

    async def heartbeat(self, csms: Csms) -> datetime:
        """Section 4.6: say that the station lives."""
        return await alive(csms.call("Heartbeat", {}), self._station)

    # --- the CSMS asks ----------------------------------------------------------------------

    @handles("GetConfiguration")
    async def get_configuration(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.8: the keys asked for, or all; names that do not exist apart from them."""
        asked, most = payload.get("key", []), self._station.model[ITEMS_PER_GET_VARIABLES]
        if len(asked) > most:
            raise CallError("OccurenceConstraintViolation", f"{len(asked)} keys, at most {most}")
        found = {name: self._station.model.get_key(name) for name in asked or self._keys()}
        answer: dict[str, Any] = {
            "configurationKey": [_key(name, key) for name, key in found.items() if key is not None]
        }
        if unknown := [name for name, key in found.items() if key is None]:
            answer["unknownKey"] = unknown
        return answer

    @handles("ChangeConfiguration")
    async def change_configuration(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.3: Accepted means kept and in force."""
        outcome = self._station.model.set_key(payload["key"], payload["value"])
        return {"status": CHANGED.get(outcome.answer, "NotSupported")}

    @handles("Reset")
    async def reset(self, payload: dict[str, Any]) -> Reply:
        """Section 5.14: both kinds end the transactions in order; only the reason differs."""
        reason = RESET[payload["type"]]

        def restart() -> Coroutine[Any, Any, None]:
            return self._station.maintenance.restart(reason)

        return Reply({"status": "Accepted"}, restart)

    def _keys(self) -> tuple[str, ...]:
        return self._station.model.keys()


def boot_notification(who: Identity) -> dict[str, Any]:
    """BootNotification.req; what is empty is left out."""
    payload = {
        "chargePointVendor": wire.cut(who.vendor, VENDOR_MOST, "station.vendor"),
        "chargePointModel": wire.cut(who.model, MODEL_MOST, "station.model"),
    }
    if who.serial_number:
        serial = wire.cut(who.serial_number, SERIAL_MOST, "station.serial_number")
        payload["chargePointSerialNumber"] = serial
    if who.firmware_version:
        firmware = wire.cut(who.firmware_version, FIRMWARE_MOST, "firmware version")
        payload["firmwareVersion"] = firmware
    return payload


def _key(name: str, key: KeyValue) -> dict[str, Any]:
    """KeyValue (section 7.29); a value that nobody may read is left out."""
    told: dict[str, Any] = {"key": name, "readonly": key.readonly}
    if key.value is not None:
        told["value"] = wire.cut(key.value, VALUE_MOST, name)
    return told
