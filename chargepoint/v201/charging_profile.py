"""ChargingProfileType, read and written."""

from decimal import Decimal
from typing import Any

from chargepoint.core.profiles_model import (
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Unit,
)
from chargepoint.v201 import wire


def read_profile(data: dict[str, Any]) -> Profile:
    """A profile of the CSMS; the schema has checked its words. A sales tariff is not kept."""
    recurrency = data.get("recurrencyKind")
    return Profile(
        id=data["id"],
        purpose=Purpose(data["chargingProfilePurpose"]),
        kind=Kind(data["chargingProfileKind"]),
        stack_level=data["stackLevel"],
        schedules=tuple(_read_schedule(schedule) for schedule in data["chargingSchedule"]),
        recurrency=Recurrency(recurrency) if recurrency else None,
        valid_from=wire.moment(data["validFrom"]) if "validFrom" in data else None,
        valid_to=wire.moment(data["validTo"]) if "validTo" in data else None,
        transaction_id=data.get("transactionId"),
    )


def profile_data(profile: Profile) -> dict[str, Any]:
    """The profile as it was set."""
    data: dict[str, Any] = {
        "id": profile.id,
        "stackLevel": profile.stack_level,
        "chargingProfilePurpose": str(profile.purpose),
        "chargingProfileKind": str(profile.kind),
        "chargingSchedule": [charging_schedule(schedule) for schedule in profile.schedules],
    }
    if profile.recurrency is not None:
        data["recurrencyKind"] = str(profile.recurrency)
    if profile.valid_from is not None:
        data["validFrom"] = wire.timestamp(profile.valid_from)
    if profile.valid_to is not None:
        data["validTo"] = wire.timestamp(profile.valid_to)
    if profile.transaction_id is not None:
        data["transactionId"] = profile.transaction_id
    return data


def charging_schedule(schedule: Schedule) -> dict[str, Any]:
    """ChargingScheduleType."""
    data: dict[str, Any] = {
        "id": schedule.id,
        "chargingRateUnit": str(schedule.unit),
        "chargingSchedulePeriod": [_period(period) for period in schedule.periods],
    }
    if schedule.start is not None:
        data["startSchedule"] = wire.timestamp(schedule.start)
    if schedule.duration is not None:
        data["duration"] = schedule.duration
    if schedule.min_rate is not None:
        data["minChargingRate"] = float(schedule.min_rate)
    return data


def _read_schedule(data: dict[str, Any]) -> Schedule:
    rate = data.get("minChargingRate")
    return Schedule(
        unit=Unit(data["chargingRateUnit"]),
        periods=tuple(
            Period(
                period["startPeriod"],
                Decimal(str(period["limit"])),
                period.get("numberPhases"),
                period.get("phaseToUse"),
            )
            for period in data["chargingSchedulePeriod"]
        ),
        start=wire.moment(data["startSchedule"]) if "startSchedule" in data else None,
        duration=data.get("duration"),
        min_rate=None if rate is None else Decimal(str(rate)),
        id=data["id"],
    )


def _period(period: Period) -> dict[str, Any]:
    data: dict[str, Any] = {"startPeriod": period.start, "limit": float(period.limit)}
    if period.number_phases is not None:
        data["numberPhases"] = period.number_phases
    if period.phase_to_use is not None:
        data["phaseToUse"] = period.phase_to_use
    return data
