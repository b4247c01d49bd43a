"""Connector statuses, operative and inoperative (sections 4.9, 5.2)."""

from datetime import timedelta
from typing import Any

from chargepoint.core.facts import StatusChanged
from chargepoint.core.variables import MINIMUM_STATUS_DURATION
from chargepoint.csms.adapter import Csms, Delivery, NotYet, delivers, handles
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v16 import wire
from chargepoint.v16.connectors import Connectors

INFO_MOST = 50
VENDOR_ERROR_CODE_MOST = 50
ERROR_CODES = frozenset(
    {
        "ConnectorLockFailure",
        "EVCommunicationError",
        "GroundFailure",
        "HighTemperature",
        "InternalError",
        "LocalListConflict",
        "NoError",
        "OtherError",
        "OverCurrentFailure",
        "OverVoltage",
        "PowerMeterFailure",
        "PowerSwitchFailure",
        "ReaderFailure",
        "ResetFailure",
        "UnderVoltage",
        "WeakSignal",
    }
)


class Availability:
    """Tells statuses; sets connectors and the station operative or inoperative.

    It remembers what the CSMS knows of each connector, because after a time offline only what
    differs may be told (errata v4.0 to section 4.9).
    """

    def __init__(self, station: Station, connectors: Connectors) -> None:
        self._station = station
        self._connectors = connectors
        self._told: dict[int, dict[str, Any]] = {}

    @delivers(StatusChanged)
    async def changed(self, fact: StatusChanged, delivery: Delivery) -> None:
        """Section 4.9: a connector, or the station, has another status.

        A fact without a place in the journal is a report of the present and always told. Any other
        waits for MinimumStatusDuration; one that is followed by another one meanwhile is history.

        Raises:
            NotYet: the status has not lasted long enough.
        """
        payload = self._status_notification(fact)
        if delivery.entry.number and self._is_told(payload):
            return
        lasted = self._station.clock.now() - fact.at
        left = self._station.model[MINIMUM_STATUS_DURATION] - lasted
        if delivery.entry.number and left > timedelta(0) and lasted >= timedelta(0):
            raise NotYet(left)
        self._forget(payload)
        await delivery.call("StatusNotification", payload)
        self._remember(payload)

    async def report(self, csms: Csms, connector: int) -> None:
        """Tell the present status of one connector, 0 for the station, because it was asked for.

        Raises:
            CsmsUnavailable, CsmsRejected: it could not be told.
        """
        for fact in self._station.statuses():
            payload = self._status_notification(fact)
            if payload["connectorId"] == connector:
                self._forget(payload)
                await csms.call("StatusNotification", payload)
                self._remember(payload)

    @handles("ChangeAvailability")
    async def change(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.2: at once, or when the running transaction is over; kept over restarts.

        Connector 0 means the station and all its connectors, so Operative there also undoes what
        was set for single connectors.
        """
        operative, connector = payload["type"] == "Operative", payload["connectorId"]
        try:
            at_once = await self._set(connector, operative=operative)
        except (Refused, StoreError):
            return {"status": "Rejected"}
        return {"status": "Accepted" if at_once else "Scheduled"}

    async def _set(self, connector: int, *, operative: bool) -> bool:
        """Thoroughly: a CSMS that spoke 2.0.1 may have set the whole EVSE."""
        evse_id, connector_id = self._connectors.place(connector) if connector else (0, None)
        return await self._station.set_availability(
            operative=operative, evse_id=evse_id, connector_id=connector_id, thorough=True
        )

    def _status_notification(self, fact: StatusChanged) -> dict[str, Any]:
        payload = {
            "connectorId": self._connectors.number(fact.evse_id, fact.connector_id),
            "errorCode": "NoError",
            "status": str(fact.status),
            "timestamp": wire.timestamp(fact.at),
        }
        if fact.fault is not None:
            payload |= _error(fact.fault.error_code, fact.fault.vendor_error_code)
            if fact.fault.info:
                payload["info"] = wire.cut(fact.fault.info, INFO_MOST, "info of a fault")
        return payload

    def _is_told(self, payload: dict[str, Any]) -> bool:
        return self._told.get(payload["connectorId"]) == _content(payload)

    def _forget(self, payload: dict[str, Any]) -> None:
        """A call that gets no answer may have arrived or not: then nothing is known."""
        self._told.pop(payload["connectorId"], None)

    def _remember(self, payload: dict[str, Any]) -> None:
        self._told[payload["connectorId"]] = _content(payload)


def _content(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if name != "timestamp"}


def _error(code: str, vendor_code: str) -> dict[str, str]:
    """A code that ChargePointErrorCode does not have is OtherError, with its own word beside."""
    known = code in ERROR_CODES
    words = {"errorCode": code if known else "OtherError"}
    if beside := vendor_code or ("" if known else code):
        words["vendorErrorCode"] = wire.cut(beside, VENDOR_ERROR_CODE_MOST, "vendorErrorCode")
    return words
