"""Charging profiles and composite schedules (sections 5.5, 5.7, 5.16, 7.8 to 7.15)."""

import logging
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from chargepoint.core.facts import NeedsStated
from chargepoint.core.profiles_model import (
    Criteria,
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Unit,
)
from chargepoint.core.vehicle import NeedsAnswer
from chargepoint.csms.adapter import Delivery, delivers, handles
from chargepoint.csms.rpc import CallError
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v16 import wire
from chargepoint.v16.connectors import Connectors

log = logging.getLogger(__name__)

_STATION_MAX = "ChargePointMaxProfile"


class SmartCharging:
    """Limits that the central system sets."""

    def __init__(self, station: Station, connectors: Connectors) -> None:
        self._station = station
        self._profiles = station.profiles
        self._connectors = connectors

    @handles("SetChargingProfile")
    async def set_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.16: in force at once; a connector that is not there is a CALLERROR (errata)."""
        self._need_smart_charging()
        try:
            evse_id = self._evse_id(payload["connectorId"])
        except Refused as refused:
            raise CallError("PropertyConstraintViolation", str(refused)) from refused
        profile = read_profile(payload["csChargingProfiles"], self._station.clock.now())
        try:
            self._profiles.install(evse_id, self._with_transaction(profile, evse_id), lenient=True)
        except (Refused, StoreError) as refused:
            log.info("charging profile %d rejected: %s", profile.id, refused)
            return {"status": "Rejected"}
        return {"status": "Accepted"}

    @delivers(NeedsStated)
    async def needs_stated(self, fact: NeedsStated, _delivery: Delivery) -> None:
        """1.6 has no words for what a vehicle needs, so no schedule comes of it."""
        self._station.vehicles.answered(fact, NeedsAnswer.REJECTED)

    @handles("ClearChargingProfile")
    async def clear(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.5: one by its id, else all that meet what is given, without anything all."""
        self._need_smart_charging()
        try:
            connector = payload.get("connectorId")
            meant = Criteria(
                evse_id=None if connector is None else self._evse_id(connector),
                purpose=_purpose(payload["chargingProfilePurpose"])
                if "chargingProfilePurpose" in payload
                else None,
                stack_level=payload.get("stackLevel"),
            )
            if "id" in payload:
                meant = Criteria(ids={payload["id"]})
            return {"status": "Accepted" if self._profiles.clear(meant) else "Unknown"}
        except Refused:
            return {"status": "Unknown"}
        except StoreError as error:
            raise CallError("InternalError", str(error)) from error

    @handles("GetCompositeSchedule")
    async def composite(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.7: what is expected of a connector, with 0 of the whole charge point."""
        self._need_smart_charging()
        unit = Unit(payload.get("chargingRateUnit", Unit.AMPERE))
        try:
            evse_id = self._evse_id(payload["connectorId"])
            expected = self._profiles.expected(evse_id, payload["duration"], unit)
        except Refused as refused:
            log.info("composite schedule rejected: %s", refused)
            return {"status": "Rejected"}
        return {
            "status": "Accepted",
            "connectorId": payload["connectorId"],
            "scheduleStart": wire.timestamp(expected.start),
            "chargingSchedule": {
                "duration": expected.duration,
                "chargingRateUnit": str(unit),
                "chargingSchedulePeriod": [
                    {"startPeriod": offset, "limit": float(limit)}
                    for offset, limit in expected.periods
                ],
            },
        }

    def _with_transaction(self, profile: Profile, evse_id: int) -> Profile:
        """A TxProfile belongs to what runs; the number it may name must be that transaction's.

        A transaction that the central system gave no number yet cannot be named.
        """
        if profile.purpose is not Purpose.TX or evse_id not in self._station.evses:
            return profile
        running = self._station.evse(evse_id).runner.state.transaction
        if running is None:
            return profile
        number = self._station.store.csms_transaction(running.transaction_id)
        if profile.transaction_id not in {None, str(number)}:
            raise Refused(f"transaction {profile.transaction_id} does not run there")
        return replace(profile, transaction_id=running.transaction_id)

    def _evse_id(self, connector: int) -> int:
        return self._connectors.place(connector).evse_id if connector else 0

    def _need_smart_charging(self) -> None:
        if not self._profiles.enabled:
            raise CallError("NotSupported", "SmartChargingCtrlr.Enabled is false")


def read_profile(data: dict[str, Any], now: datetime) -> Profile:
    """ChargingProfile; the schema has checked its words.

    An absolute schedule without a start counts from the begin of the transaction (section 7.13),
    for the whole charge point from now on.
    """
    purpose, kind = _purpose(data["chargingProfilePurpose"]), Kind(data["chargingProfileKind"])
    schedule = _schedule(data["chargingSchedule"])
    if kind is Kind.RELATIVE:
        schedule = replace(schedule, start=None)
    elif kind is Kind.ABSOLUTE and schedule.start is None:
        if purpose is Purpose.STATION_MAX:
            schedule = replace(schedule, start=now)
        else:
            kind = Kind.RELATIVE
    recurrency = data.get("recurrencyKind")
    number = data.get("transactionId")
    return Profile(
        id=data["chargingProfileId"],
        purpose=purpose,
        kind=kind,
        stack_level=data["stackLevel"],
        schedules=(schedule,),
        recurrency=Recurrency(recurrency) if recurrency else None,
        valid_from=wire.moment(data["validFrom"]) if "validFrom" in data else None,
        valid_to=wire.moment(data["validTo"]) if "validTo" in data else None,
        transaction_id=None if number is None else str(number),
    )


def _schedule(data: dict[str, Any]) -> Schedule:
    rate = data.get("minChargingRate")
    return Schedule(
        unit=Unit(data["chargingRateUnit"]),
        periods=tuple(
            Period(period["startPeriod"], Decimal(str(period["limit"])), period.get("numberPhases"))
            for period in data["chargingSchedulePeriod"]
        ),
        start=wire.moment(data["startSchedule"]) if "startSchedule" in data else None,
        duration=data.get("duration"),
        min_rate=None if rate is None else Decimal(str(rate)),
    )


def _purpose(word: str) -> Purpose:
    return Purpose.STATION_MAX if word == _STATION_MAX else Purpose(word)
