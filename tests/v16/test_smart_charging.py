"""Sections 5.5, 5.7, 5.16 and 3.13: profiles set, cleared, expected; connector 0 and the others."""

from datetime import timedelta
from typing import Any

import pytest

from chargepoint.core.profiles_model import Purpose
from chargepoint.core.variables import SMART_CHARGING_ENABLED
from chargepoint.csms.rpc import CallError
from chargepoint.v16.wire import timestamp

ACCEPTED = {"status": "Accepted"}
REJECTED = {"status": "Rejected"}
UNKNOWN = {"status": "Unknown"}


@pytest.fixture
def charging(now: Any) -> Any:
    def make(
        number: int = 1,
        limit: float = 8.0,
        *,
        purpose: str = "TxDefaultProfile",
        level: int = 0,
        kind: str = "Absolute",
        start: timedelta | None = timedelta(0),
        duration: int | None = 300,
        periods: list[dict[str, Any]] | None = None,
        unit: str = "A",
        **more: Any,
    ) -> dict[str, Any]:
        schedule: dict[str, Any] = {
            "chargingRateUnit": unit,
            "chargingSchedulePeriod": periods or [{"startPeriod": 0, "limit": limit}],
        }
        if duration is not None:
            schedule["duration"] = duration
        if kind != "Relative" and start is not None:
            schedule["startSchedule"] = timestamp(now + start)
        return {
            "chargingProfileId": number,
            "stackLevel": level,
            "chargingProfilePurpose": purpose,
            "chargingProfileKind": kind,
            "chargingSchedule": schedule,
            **more,
        }

    return make


async def put(bench: Any, what: dict[str, Any], connector: int = 1) -> Any:
    return await bench.ask("SetChargingProfile", connectorId=connector, csChargingProfiles=what)


async def expected(bench: Any, connector: int = 1, duration: int = 300) -> Any:
    answer = await bench.ask("GetCompositeSchedule", connectorId=connector, duration=duration)
    assert (answer["status"], answer["connectorId"]) == ("Accepted", connector)
    assert answer["scheduleStart"] == timestamp(bench.clock.now())
    schedule = answer["chargingSchedule"]
    assert (schedule["duration"], schedule["chargingRateUnit"]) == (duration, "A")
    assert "startSchedule" not in schedule
    return [(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]]


def ids(bench: Any) -> list[int]:
    return [one.profile.id for one in bench.station.profiles.installed]


@pytest.mark.spec("1.6", "TC_056")
@pytest.mark.spec("1.6", "5.16.1")
async def test_a_default_profile_limits_the_transactions_to_come(bench: Any, charging: Any) -> None:
    assert await put(bench, charging()) == ACCEPTED

    await bench.charge()
    await bench.station.limits.apply()

    assert bench.state().limit_a == 8
    assert await expected(bench) == [
        (0, 8),
    ]


@pytest.mark.spec("1.6", "TC_057")
@pytest.mark.spec("1.6", "3.13.1")
async def test_a_tx_profile_lasts_as_long_as_its_transaction(bench: Any, charging: Any) -> None:
    await bench.charge()
    await bench.tell()
    given = charging(purpose="TxProfile", kind="Relative", transactionId=4711)

    assert await put(bench, given) == ACCEPTED
    await bench.station.limits.apply()
    assert bench.state().limit_a == 8

    await bench.ask("RemoteStopTransaction", transactionId=4711)
    await bench.station.limits.apply()
    assert ids(bench) == []
    assert bench.state().limit_a is None


@pytest.mark.spec("1.6", "TC_058_1")
async def test_a_tx_profile_without_transaction_is_rejected(bench: Any, charging: Any) -> None:
    assert await put(bench, charging(purpose="TxProfile")) == REJECTED


@pytest.mark.spec("1.6", "TC_058_2")
async def test_a_tx_profile_of_another_transaction_is_rejected(bench: Any, charging: Any) -> None:
    await bench.charge()
    await bench.tell()

    answer = await put(bench, charging(purpose="TxProfile", transactionId=4712))

    assert answer == REJECTED
    assert ids(bench) == []


async def test_a_tx_profile_without_number_is_for_what_runs(bench: Any, charging: Any) -> None:
    transaction = await bench.charge()

    assert await put(bench, charging(purpose="TxProfile")) == ACCEPTED

    (one,) = bench.station.profiles.installed
    assert one.profile.transaction_id == transaction.transaction_id


@pytest.mark.spec("1.6", "TC_067")
async def test_profiles_are_cleared_by_id_or_by_what_they_are(bench: Any, charging: Any) -> None:
    await put(bench, charging(1))
    await put(bench, charging(2, level=1), 2)
    await put(bench, charging(3, purpose="ChargePointMaxProfile"), 0)

    assert await bench.ask("ClearChargingProfile", id=1, connectorId=2) == ACCEPTED
    assert ids(bench) == [2, 3]
    assert await bench.ask("ClearChargingProfile", connectorId=2, stackLevel=0) == UNKNOWN
    assert await bench.ask("ClearChargingProfile", connectorId=9) == UNKNOWN
    by_purpose = {"chargingProfilePurpose": "ChargePointMaxProfile"}
    assert await bench.ask("ClearChargingProfile", **by_purpose) == ACCEPTED
    assert ids(bench) == [2]
    assert await bench.ask("ClearChargingProfile", connectorId=2, stackLevel=1) == ACCEPTED
    assert await bench.ask("ClearChargingProfile", id=2) == UNKNOWN


@pytest.mark.spec("1.6", "5.5")
async def test_clearing_without_criteria_clears_everything(bench: Any, charging: Any) -> None:
    await put(bench, charging(1))
    await put(bench, charging(2, purpose="ChargePointMaxProfile"), 0)

    assert await bench.ask("ClearChargingProfile") == ACCEPTED

    assert ids(bench) == []
    assert await bench.ask("ClearChargingProfile") == UNKNOWN


@pytest.mark.spec("1.6", "TC_066")
@pytest.mark.spec("1.6", "5.7")
async def test_a_composite_schedule_is_the_least_of_all_purposes(bench: Any, charging: Any) -> None:
    await bench.charge()
    maximum = [{"startPeriod": 0, "limit": 10.0}, {"startPeriod": 100, "limit": 16.0}]
    own = [{"startPeriod": 0, "limit": 8.0}, {"startPeriod": 50, "limit": 11.0}]
    await put(bench, charging(1, purpose="ChargePointMaxProfile", periods=maximum), 0)
    await put(bench, charging(2, limit=6.0))
    tx = charging(3, purpose="TxProfile", kind="Relative", duration=200, periods=own)
    await put(bench, tx)

    assert await expected(bench) == [(0, 8), (50, 10), (100, 11), (200, 6)]
    assert await expected(bench, 0) == [(0, 10), (100, 16)]


@pytest.mark.spec("1.6", "TC_072")
async def test_of_a_stack_the_higher_level_leads_while_it_lasts(bench: Any, charging: Any) -> None:
    low = [
        {"startPeriod": 0, "limit": 6.0},
        {"startPeriod": 60, "limit": 10.0},
        {"startPeriod": 120, "limit": 8.0},
    ]
    high = [{"startPeriod": 0, "limit": 7.0}, {"startPeriod": 100, "limit": 9.0}]
    await put(bench, charging(1, duration=400, periods=low))
    await put(bench, charging(2, level=1, duration=150, periods=high))

    assert await expected(bench, duration=350) == [(0, 7), (100, 9), (150, 8)]


@pytest.mark.spec("1.6", "TC_082")
async def test_a_default_profile_takes_effect_on_a_transaction_that_runs(
    bench: Any, charging: Any
) -> None:
    await bench.charge()

    await put(bench, charging())
    await bench.station.limits.apply()
    assert bench.state().limit_a == 8

    await bench.ask("ClearChargingProfile", id=1)
    await bench.station.limits.apply()
    assert bench.state().limit_a is None


async def test_without_profiles_the_hardware_limits(bench: Any) -> None:
    assert await expected(bench) == [(0, 32)]
    assert await expected(bench, 0) == [(0, 64)]


async def test_a_composite_schedule_of_an_unknown_connector_is_rejected(bench: Any) -> None:
    answer = await bench.ask("GetCompositeSchedule", connectorId=9, duration=300)

    assert answer == REJECTED


async def test_a_composite_schedule_is_told_in_watts_as_well(bench: Any, charging: Any) -> None:
    await put(bench, charging(limit=11000.0, unit="W"))

    answer = await bench.ask(
        "GetCompositeSchedule", connectorId=1, duration=300, chargingRateUnit="W"
    )

    assert answer["chargingSchedule"]["chargingSchedulePeriod"] == [
        {"startPeriod": 0, "limit": 11000.0}
    ]
    assert await expected(bench) == [(0, 15.9)]


@pytest.mark.spec("1.6", "5.16.4")
async def test_a_profile_of_the_same_level_and_purpose_gives_way(bench: Any, charging: Any) -> None:
    await put(bench, charging(1, validFrom="2020-01-01T00:00:00Z", validTo="2020-01-02T00:00:00Z"))
    await put(bench, charging(2))
    await put(bench, charging(3), 2)
    await put(bench, charging(4), 0)

    assert ids(bench) == [2, 3, 4]
    await put(bench, charging(2, level=5), 2)
    assert ids(bench) == [3, 4, 2]


@pytest.mark.spec("1.6", "3.13.1")
async def test_the_default_of_a_connector_leads_that_of_all(bench: Any, charging: Any) -> None:
    await put(bench, charging(1, limit=10.0), 0)
    await put(bench, charging(2, limit=16.0), 1)

    assert await expected(bench, 1) == [(0, 16)]
    assert await expected(bench, 2) == [(0, 10)]


@pytest.mark.spec("1.6", "7.13")
async def test_an_absolute_schedule_without_start_counts_from_the_transaction(
    bench: Any, charging: Any
) -> None:
    await bench.charge()
    bench.clock.pass_time(100)

    await put(bench, charging(start=None))
    await put(bench, charging(2, 12.0, purpose="ChargePointMaxProfile", start=None), 0)

    assert await expected(bench) == [(0, 8), (200, 12)]
    assert await expected(bench, duration=400) == [(0, 8), (200, 12), (300, 32)]


@pytest.mark.spec("1.6", "3.13.2")
async def test_more_phases_than_there_are_change_nothing(bench: Any, charging: Any) -> None:
    one_phase = [{"startPeriod": 0, "limit": 8.0, "numberPhases": 1}]

    assert await put(bench, charging(periods=one_phase)) == ACCEPTED
    assert await expected(bench) == [(0, 8)]


@pytest.mark.parametrize(
    ("wrong", "connector"),
    [
        ({"purpose": "ChargePointMaxProfile"}, 1),
        ({"purpose": "TxProfile"}, 0),
        ({"level": 100}, 1),
        ({"periods": [{"startPeriod": 5, "limit": 8.0}]}, 1),
        ({"kind": "Recurring"}, 1),
    ],
)
async def test_a_profile_that_cannot_be_is_rejected(
    bench: Any, charging: Any, wrong: dict[str, Any], connector: int
) -> None:
    assert await put(bench, charging(**wrong), connector) == REJECTED
    assert ids(bench) == []


@pytest.mark.spec("1.6", "5.16")
async def test_a_profile_of_an_unknown_connector_is_a_callerror(bench: Any, charging: Any) -> None:
    with pytest.raises(CallError) as raised:
        await put(bench, charging(), 9)

    assert raised.value.code == "PropertyConstraintViolation"


async def test_without_smart_charging_its_calls_are_not_supported(
    bench: Any, charging: Any
) -> None:
    bench.station.model.assign(SMART_CHARGING_ENABLED, value=False)

    with pytest.raises(CallError) as raised:
        await put(bench, charging())

    assert raised.value.code == "NotSupported"


@pytest.mark.spec("1.6", "9.4")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("ChargeProfileMaxStackLevel", "99"),
        ("ChargingScheduleAllowedChargingRateUnit", "Current,Power"),
        ("ChargingScheduleMaxPeriods", "300"),
        ("ConnectorSwitch3to1PhaseSupported", "false"),
        ("MaxChargingProfilesInstalled", "300"),
    ],
)
async def test_the_bounds_are_told(bench: Any, key: str, value: str) -> None:
    answer = await bench.ask("GetConfiguration", key=[key])

    assert answer["configurationKey"] == [{"key": key, "readonly": True, "value": value}]


async def test_a_maximum_of_the_charge_point_is_shared(bench: Any, charging: Any) -> None:
    await put(bench, charging(limit=20.0, purpose="ChargePointMaxProfile"), 0)
    await bench.charge()
    await bench.station.limits.apply()
    assert bench.state(1).limit_a == 20

    await bench.charge("OTHER", 2)
    await bench.station.limits.apply()

    assert (bench.state(1).limit_a, bench.state(2).limit_a) == (10, 10)
    assert bench.station.profiles.installed[0].profile.purpose is Purpose.STATION_MAX
