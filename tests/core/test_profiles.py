"""Limits over time: one profile, stacks of them, several purposes, several EVSEs."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from chargepoint.core.profiles import Site, composite, of_evse
from chargepoint.core.profiles_model import (
    Installed,
    Kind,
    Outlet,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Session,
    Unit,
    epoch,
)
from chargepoint.core.profiles_time import Stretch

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)


def profile(
    *limits: tuple[int, float],
    purpose: Purpose = Purpose.TX_DEFAULT,
    evse_id: int = 1,
    level: int = 0,
    kind: Kind = Kind.ABSOLUTE,
    start: datetime | None = NOW,
    duration: int | None = None,
    unit: Unit = Unit.AMPERE,
    **more: Any,
) -> Installed:
    periods = tuple(Period(offset, Decimal(str(limit))) for offset, limit in limits)
    begin = None if kind is Kind.RELATIVE else start
    schedule = Schedule(unit, periods, begin, duration)
    return Installed(evse_id, Profile(1, purpose, kind, level, (schedule,), **more))


def expected(
    *profiles: Installed,
    evse_id: int = 1,
    duration: int = 3600,
    unit: Unit = Unit.AMPERE,
    at: datetime = NOW,
    **more: Any,
) -> list[tuple[int, float]]:
    site = Site(**{"profiles": profiles, "outlets": {1: Outlet(), 2: Outlet()}, **more})
    within = Stretch(epoch(at), epoch(at) + duration)
    return [(offset, float(limit)) for offset, limit in composite(site, evse_id, within, unit)]


def _running(started_at: datetime = NOW) -> dict[int, Session]:
    return {1: Session("T1", started_at)}


def test_without_profiles_the_hardware_limits() -> None:
    assert expected() == [(0, 32)]
    assert expected(unit=Unit.WATT) == [(0, 22080)]
    assert expected(evse_id=0) == [(0, 64)]


@pytest.mark.parametrize(
    ("given", "found"),
    [
        (profile((0, 16)), [(0, 16)]),
        (profile((0, 16), (600, 10)), [(0, 16), (600, 10)]),
        (profile((0, 16), (600, 10), duration=900), [(0, 16), (600, 10), (900, 32)]),
        (profile((0, 16), (600, 10), duration=600), [(0, 16), (600, 32)]),
        (profile((0, 16), (600, 10), duration=300), [(0, 16), (300, 32)]),
        (profile((0, 16), start=NOW + timedelta(seconds=300)), [(0, 32), (300, 16)]),
        (profile((0, 16), (600, 10), start=NOW - timedelta(seconds=500)), [(0, 16), (100, 10)]),
        (profile((0, 16), valid_from=NOW + timedelta(seconds=60)), [(0, 32), (60, 16)]),
        (profile((0, 16), valid_to=NOW + timedelta(seconds=60)), [(0, 16), (60, 32)]),
        (profile((0, 16), valid_to=NOW), [(0, 32)]),
        (profile((0, 40)), [(0, 32)]),
        (profile((0, 0)), [(0, 0)]),
        (profile((0, 16), (600, 16)), [(0, 16)]),
        (profile((0, 6900), unit=Unit.WATT), [(0, 10)]),
    ],
)
def test_one_absolute_profile(given: Installed, found: list[tuple[int, float]]) -> None:
    assert expected(given) == found


def test_a_relative_profile_counts_from_the_begin_of_the_transaction() -> None:
    relative = profile((0, 16), (600, 10), kind=Kind.RELATIVE)

    assert expected(relative) == [(0, 16), (600, 10)]
    begun = NOW - timedelta(seconds=400)
    assert expected(relative, sessions=_running(begun)) == [(0, 16), (200, 10)]


def test_a_daily_profile_begins_again_at_its_time_of_day() -> None:
    daily = profile(
        (0, 16),
        (1800, 10),
        kind=Kind.RECURRING,
        recurrency=Recurrency.DAILY,
        start=NOW - timedelta(days=3, hours=-1),
        duration=3600,
    )

    assert expected(daily, duration=3 * 3600) == [(0, 32), (3600, 16), (5400, 10), (7200, 32)]


def test_a_recurring_profile_does_not_count_before_its_start() -> None:
    daily = profile(
        (0, 16), kind=Kind.RECURRING, recurrency=Recurrency.DAILY, start=NOW + timedelta(days=1)
    )

    assert expected(daily, duration=2 * 86400) == [(0, 32), (86400, 16)]


def test_a_recurrence_is_cut_by_the_next_one() -> None:
    daily = profile(
        (0, 16),
        (3600, 10),
        kind=Kind.RECURRING,
        recurrency=Recurrency.DAILY,
        start=NOW,
        duration=2 * 86400,
    )

    assert expected(daily, duration=86400 + 60) == [(0, 16), (3600, 10), (86400, 16)]


def test_a_weekly_profile_without_duration_lasts_until_it_begins_again() -> None:
    weekly = profile(
        (0, 16),
        (86400, 10),
        kind=Kind.RECURRING,
        recurrency=Recurrency.WEEKLY,
        start=NOW - timedelta(days=6),
    )

    assert expected(weekly, duration=3 * 86400) == [(0, 10), (86400, 16), (172800, 10)]


@pytest.mark.parametrize(
    ("day", "gap"),
    [(datetime(2026, 3, 28, 22, tzinfo=UTC), 23), (datetime(2026, 10, 24, 21, tzinfo=UTC), 25)],
)
def test_over_a_change_of_the_clocks_a_daily_profile_keeps_its_local_time(
    day: datetime, gap: int
) -> None:
    daily = profile(
        (0, 16), (3600, 10), kind=Kind.RECURRING, recurrency=Recurrency.DAILY, start=day
    )

    found = expected(daily, at=day, duration=2 * 86400, zone=ZoneInfo("Europe/Berlin"))

    assert found[:3] == [(0, 16), (3600, 10), (gap * 3600, 16)]


@pytest.mark.spec("2.0.1", "K01.FR.17")
@pytest.mark.spec("1.6", "3.13.2")
def test_the_highest_stack_level_leads_where_it_says_anything() -> None:
    base = profile((0, 16), (300, 10), level=0)
    above = profile((0, 20), level=3, start=NOW + timedelta(seconds=100), duration=400)

    assert expected(base, above) == [(0, 16), (100, 20), (500, 10)]


def test_on_one_stack_level_the_profile_of_the_evse_leads_that_of_the_station() -> None:
    assert expected(profile((0, 10)), profile((0, 16), evse_id=0)) == [(0, 10)]
    assert expected(profile((0, 10)), profile((0, 16), evse_id=0), evse_id=2) == [(0, 16)]


@pytest.mark.spec("2.0.1", "K01.FR.18")
@pytest.mark.spec("1.6", "3.13.1")
def test_a_tx_profile_takes_the_place_of_the_default_while_it_lasts() -> None:
    default = profile((0, 10), level=5)
    own = profile((0, 20), purpose=Purpose.TX, duration=600, transaction_id="T1")
    other = profile((0, 6), purpose=Purpose.TX, level=9, transaction_id="T0")

    assert expected(default, own, other, sessions=_running()) == [(0, 20), (600, 10)]
    assert expected(default, own) == [(0, 10)]


@pytest.mark.spec("2.0.1", "K01.FR.23")
def test_the_least_of_the_purposes_counts() -> None:
    default = profile((0, 10), (600, 20))
    maximum = profile((0, 16), purpose=Purpose.STATION_MAX, evse_id=0)
    outside = profile((0, 13), purpose=Purpose.EXTERNAL, duration=900)

    assert expected(default, maximum, outside) == [(0, 10), (600, 13), (900, 16)]
    assert expected(default, maximum, supply_a=Decimal(12)) == [(0, 10), (600, 12)]


def test_the_station_draws_what_its_evses_may_take_together() -> None:
    first, second = profile((0, 10)), profile((0, 6), (600, 20), evse_id=2)

    assert expected(first, second, evse_id=0) == [(0, 16), (600, 30)]
    maximum = profile((0, 25), purpose=Purpose.STATION_MAX, evse_id=0)
    assert expected(first, second, maximum, evse_id=0) == [(0, 16), (600, 25)]
    assert expected(first, second, evse_id=0, unit=Unit.WATT) == [(0, 11040), (600, 20700)]


@pytest.mark.spec("2.0.1", "K01.FR.50")
@pytest.mark.parametrize(
    ("outlet", "amperes"),
    [(Outlet(phases=1), 20), (Outlet(), 6.6), (Outlet(Decimal(400), 0), 11.5)],
)
def test_watts_become_amperes_of_the_phases_of_the_outlet(outlet: Outlet, amperes: float) -> None:
    watts = profile((0, 4600), unit=Unit.WATT)

    assert expected(watts, outlets={1: outlet}) == [(0, amperes)]


def test_the_least_rate_comes_along_with_the_limit() -> None:
    given = profile((0, 16))
    schedule = replace(given.profile.schedule, min_rate=Decimal(8))
    given = replace(given, profile=replace(given.profile, schedules=(schedule,)))
    within = Stretch(epoch(NOW), epoch(NOW) + 60)

    (limit,) = of_evse(Site((given,), {1: Outlet()}), 1, within)

    assert (limit.watts, limit.min_rate) == (16 * 690, 8 * 690)
