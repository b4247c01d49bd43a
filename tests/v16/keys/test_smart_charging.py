"""What the station says of profiles is what it takes, and what it does (1.6 section 9.4)."""

import itertools
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from case_rig import Case
from key_talk import change, choose, value

from chargepoint.core.profiles_model import Installed
from chargepoint.errors import StoreError
from chargepoint.store.profiles import ChargingProfiles

Open = Callable[..., AbstractAsyncContextManager[Case]]

PLAIN = {"MeterValueSampleInterval": "0", "StartTxnSampledData": ""}
TWO = (("cType2",), ("cType2",))
ACCEPTED, REJECTED = "Accepted", "Rejected"
_numbers = itertools.count(1)


async def put(
    run: Case,
    *periods: dict[str, Any],
    connector: int = 0,
    unit: str = "A",
    level: int = 0,
    purpose: str = "TxDefaultProfile",
    start: str = "2026-03-01T00:00:00Z",
    **more: Any,
) -> str:
    """Install a profile."""
    schedule = {"chargingRateUnit": unit, "startSchedule": start}
    profile = {
        "chargingProfileId": next(_numbers),
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {**schedule, "chargingSchedulePeriod": list(periods)},
        **more,
    }
    answer = await run.ask("SetChargingProfile", connectorId=connector, csChargingProfiles=profile)
    return str(answer["status"])


def limit(amount: float, start: int = 0, **more: Any) -> dict[str, Any]:
    return {"startPeriod": start, "limit": amount, **more}


@pytest.mark.spec("1.6", "ChargeProfileMaxStackLevel")
async def test_the_highest_stack_level_is_taken_and_counts(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        highest = int(await value(run, "ChargeProfileMaxStackLevel"))
        await run.charge()

        assert await put(run, limit(10), level=0) == ACCEPTED
        assert await put(run, limit(13), level=highest) == ACCEPTED
        assert await put(run, limit(7), level=highest + 1) == REJECTED
        await run.advance(1)

        assert run.outlets[1].limit_a == 13
        assert await change(run, "ChargeProfileMaxStackLevel", "1") == REJECTED


@pytest.mark.spec("1.6", "ChargingScheduleAllowedChargingRateUnit")
@pytest.mark.parametrize(
    ("word", "unit", "amount"), [("Current", "A", 12.0), ("Power", "W", 12.0 * 3 * 230)]
)
async def test_limits_are_taken_in_every_unit_that_is_told(
    open_case: Open, word: str, unit: str, amount: float
) -> None:
    async with open_case(settings=PLAIN) as run:
        key = "ChargingScheduleAllowedChargingRateUnit"
        assert word in (await value(run, key)).split(",")
        await run.charge()

        assert await put(run, limit(amount), unit=unit) == ACCEPTED
        await run.advance(1)

        assert run.outlets[1].limit_a == 12
        assert await change(run, key, word) == REJECTED


@pytest.mark.spec("1.6", "ChargingScheduleMaxPeriods")
async def test_a_schedule_has_at_most_so_many_periods(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        most = int(await value(run, "ChargingScheduleMaxPeriods"))
        periods = [limit(6 + number % 20, start=number * 10) for number in range(most + 1)]
        await run.charge()

        assert await put(run, *periods[:most], start="2026-03-01T10:00:00Z") == ACCEPTED
        assert await put(run, *periods, start="2026-03-01T10:00:00Z", level=1) == REJECTED

        await run.advance(15)
        assert run.outlets[1].limit_a == 7
        assert await change(run, "ChargingScheduleMaxPeriods", "1") == REJECTED


@pytest.mark.spec("1.6", "MaxChargingProfilesInstalled")
async def test_so_many_profiles_can_be_installed(open_case: Open) -> None:
    async with open_case(settings=PLAIN, connectors=TWO) as run:
        most = int(await value(run, "MaxChargingProfilesInstalled"))
        levels = int(await value(run, "ChargeProfileMaxStackLevel")) + 1
        places = [
            {"connector": 0, "purpose": "ChargePointMaxProfile"},
            *({"connector": number} for number in range(3)),
        ]
        wanted = [(place, level) for place in places for level in range(levels)]

        for place, level in wanted[:most]:
            assert await put(run, limit(16), level=level, **place) == ACCEPTED
        place, level = wanted[most]
        assert await put(run, limit(16), level=level, **place) == REJECTED

        place, level = wanted[0]
        assert await put(run, limit(16), level=level, **place) == ACCEPTED, "one gives way"
        assert await change(run, "MaxChargingProfilesInstalled", "1") == REJECTED


@pytest.mark.spec("1.6", "ConnectorSwitch3to1PhaseSupported")
@pytest.mark.parametrize(("unit", "amount"), [("A", 11.0), ("W", 11.0 * 3 * 230)])
async def test_a_limit_for_one_phase_holds_unchanged_on_all_three(
    open_case: Open, unit: str, amount: float
) -> None:
    async with open_case(settings=PLAIN) as run:
        assert await value(run, "ConnectorSwitch3to1PhaseSupported") == "false"
        await run.charge()
        moves = run.outlets[1].moves

        assert await put(run, limit(amount, numberPhases=1), unit=unit) == ACCEPTED
        await run.advance(1)

        assert run.outlets[1].limit_a == 11
        assert (run.outlets[1].closed, run.outlets[1].moves) == (True, moves)
        assert await change(run, "ConnectorSwitch3to1PhaseSupported", "true") == REJECTED


@pytest.mark.spec("1.6", "SiteCurrent")
async def test_the_current_of_the_site_is_shared(open_case: Open) -> None:
    async with open_case(settings=PLAIN, connectors=TWO) as run:
        await run.charge(evse=1)
        await choose(run, SiteCurrent="24")
        await run.advance(1)
        assert run.outlets[1].limit_a == 24

        await run.charge("04FFFFFFFF", evse=2)
        await run.advance(1)
        assert (run.outlets[1].limit_a, run.outlets[2].limit_a) == (12, 12)

        await choose(run, SiteCurrent="0")
        await run.advance(1)
        assert (run.outlets[1].limit_a, run.outlets[2].limit_a) == (None, None)
        assert await change(run, "SiteCurrent", "-1") == REJECTED


@pytest.mark.spec("1.6", "SafeCurrent")
async def test_profiles_that_cannot_be_read_leave_a_safe_current(
    open_case: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: ChargingProfiles) -> tuple[Installed, ...]:
        raise StoreError("no disk")

    async with open_case(settings=PLAIN) as run:
        await choose(run, SafeCurrent="8")
        await put(run, limit(20))
        monkeypatch.setattr(ChargingProfiles, "load", broken)
        await run.restart()

        await run.charge()
        assert run.outlets[1].limit_a == 8

        monkeypatch.undo()
        await run.advance(10)
        assert run.outlets[1].limit_a == 20


@pytest.mark.spec("1.6", "TimeZone")
async def test_a_daily_profile_keeps_the_time_of_day_of_the_zone(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        daily = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
        summer = "2025-07-01T08:00:00Z"  # ten o'clock in Berlin, where that is 09:00 UTC now
        assert await put(run, limit(10), limit(20, start=5400), start=summer, **daily) == ACCEPTED
        await run.charge()
        await run.advance(1)
        assert run.outlets[1].limit_a == 20

        await choose(run, TimeZone="Europe/Berlin")
        await run.advance(1)
        assert run.outlets[1].limit_a == 10

        assert await change(run, "TimeZone", "Europe/Nowhere") == REJECTED
        assert await value(run, "TimeZone") == "Europe/Berlin"
