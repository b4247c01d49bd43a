"""Block K, smart charging: profiles set, told, cleared; composite schedules; external limits."""

import logging
from collections.abc import Coroutine, Iterable
from itertools import groupby
from typing import Any

from chargepoint.core.facts import ChargingLimitCleared, ChargingLimitSet
from chargepoint.core.profiles_model import Criteria, Installed, Purpose, Unit
from chargepoint.csms.adapter import Delivery, SessionView, delivers, handles
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import CsmsError, Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.charging_profile import charging_schedule, profile_data, read_profile

log = logging.getLogger(__name__)

PROFILES_PER_MESSAGE = 5


class SmartCharging:
    """Limits that the CSMS sets, and what it learns of those it did not."""

    def __init__(self, station: Station, session: SessionView) -> None:
        self._station = station
        self._profiles = station.profiles
        self._session = session

    @handles("SetChargingProfile")
    async def set_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        """K01 to K04: in force at once, in the place of the one with its id."""
        self._need_smart_charging()
        try:
            profile = read_profile(payload["chargingProfile"])
            self._profiles.install(payload["evseId"], profile)
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError as error:
            return wire.answer("Rejected", Refused(str(error), reason="OutOfStorage"))
        return {"status": "Accepted"}

    @handles("GetChargingProfiles")
    async def get_profiles(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """K09: the answer says whether there are any; reports with them follow."""
        self._need_smart_charging()
        wanted = payload["chargingProfile"]
        found = self._profiles.find(
            Criteria(
                ids=wanted.get("chargingProfileId"),
                evse_id=payload.get("evseId"),
                purpose=_purpose(wanted),
                stack_level=wanted.get("stackLevel"),
                sources=wanted.get("chargingLimitSource"),
            )
        )
        if not found:
            return {"status": "NoProfiles"}
        request_id = payload["requestId"]

        def send() -> Coroutine[Any, Any, None]:
            return self._report(request_id, found)

        return Reply({"status": "Accepted"}, send)

    @handles("ClearChargingProfile")
    async def clear(self, payload: dict[str, Any]) -> dict[str, Any]:
        """K10: one by its id, else all that meet the criteria; external limits stay."""
        self._need_smart_charging()
        wanted = payload.get("chargingProfileCriteria", {})
        meant = Criteria(
            evse_id=wanted.get("evseId"),
            purpose=_purpose(wanted),
            stack_level=wanted.get("stackLevel"),
        )
        if "chargingProfileId" in payload:
            meant = Criteria(ids={payload["chargingProfileId"]})
        try:
            cleared = self._profiles.clear(meant)
        except StoreError as error:
            raise CallError("InternalError", str(error)) from error
        return {"status": "Accepted" if cleared else "Unknown"}

    @handles("GetCompositeSchedule")
    async def composite(self, payload: dict[str, Any]) -> dict[str, Any]:
        """K08: what is expected of an EVSE, with 0 of the station at its grid connection."""
        self._need_smart_charging()
        unit = Unit(payload.get("chargingRateUnit", Unit.AMPERE))
        evse_id = payload["evseId"]
        try:
            expected = self._profiles.expected(evse_id, payload["duration"], unit)
        except Refused as refused:
            return wire.answer("Rejected", refused)
        schedule = {
            "evseId": evse_id,
            "duration": expected.duration,
            "scheduleStart": wire.timestamp(expected.start),
            "chargingRateUnit": str(unit),
            "chargingSchedulePeriod": [
                {"startPeriod": offset, "limit": float(limit)} for offset, limit in expected.periods
            ],
        }
        return {"status": "Accepted", "schedule": schedule}

    @delivers(ChargingLimitSet)
    async def limit_set(self, fact: ChargingLimitSet, delivery: Delivery) -> None:
        """K11, K12: somebody else limits an EVSE or the station."""
        limit: dict[str, Any] = {"chargingLimitSource": fact.source}
        if fact.grid_critical is not None:
            limit["isGridCritical"] = fact.grid_critical
        payload: dict[str, Any] = {"chargingLimit": limit}
        if fact.evse_id:
            payload["evseId"] = fact.evse_id
        if fact.schedule is not None:
            payload["chargingSchedule"] = [charging_schedule(fact.schedule)]
        await delivery.call("NotifyChargingLimit", payload)

    @delivers(ChargingLimitCleared)
    async def limit_cleared(self, fact: ChargingLimitCleared, delivery: Delivery) -> None:
        """K13: that limit is over."""
        payload: dict[str, Any] = {"chargingLimitSource": fact.source}
        if fact.evse_id:
            payload["evseId"] = fact.evse_id
        await delivery.call("ClearedChargingLimit", payload)

    def _need_smart_charging(self) -> None:
        """K01.FR.29: while it is switched off there is no such thing."""
        if not self._profiles.enabled:
            raise CallError("NotSupported", "SmartChargingCtrlr.Enabled is false")

    async def _report(self, request_id: int, found: list[Installed]) -> None:
        """ReportChargingProfiles per EVSE and source; a lost connection ends the report."""
        parts = list(_parts(found))
        csms = self._session.csms
        try:
            for number, (evse_id, source, some) in enumerate(parts, 1):
                payload = {
                    "requestId": request_id,
                    "chargingLimitSource": source,
                    "evseId": evse_id,
                    "tbc": number < len(parts),
                    "chargingProfile": [profile_data(installed.profile) for installed in some],
                }
                if csms is not None:
                    await csms.call("ReportChargingProfiles", payload)
        except CsmsError as error:
            log.warning("report %d of profiles not finished: %s", request_id, error)


def _parts(found: list[Installed]) -> Iterable[tuple[int, str, list[Installed]]]:
    """Profiles of one EVSE and source, a few at a time."""

    def place(installed: Installed) -> tuple[int, str]:
        return installed.evse_id, installed.source

    for (evse_id, source), group in groupby(sorted(found, key=place), key=place):
        some = list(group)
        for start in range(0, len(some), PROFILES_PER_MESSAGE):
            yield evse_id, source, some[start : start + PROFILES_PER_MESSAGE]


def _purpose(wanted: dict[str, Any]) -> Purpose | None:
    word = wanted.get("chargingProfilePurpose")
    return None if word is None else Purpose(word)
