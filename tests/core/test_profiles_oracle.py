"""Composite schedules of random stacks, beside an oracle that asks moment by moment.

CHARGEPOINT_EXAMPLES sets how many stacks are tried: a sweep takes 100000, the gate a few.
"""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from profile_oracle import each_second, schedule

from chargepoint.core.profiles import Site, composite
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

EXAMPLES = int(os.environ.get("CHARGEPOINT_EXAMPLES", "150"))
MANY = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
DAY = 86400
# The days on which clocks change in Europe and in America, and one on which none does.
DAYS = [
    datetime(2026, 3, 28, tzinfo=UTC),
    datetime(2026, 10, 24, tzinfo=UTC),
    datetime(2026, 3, 7, tzinfo=UTC),
    datetime(2026, 6, 10, tzinfo=UTC),
]
ZONES = [UTC, ZoneInfo("Europe/Berlin"), ZoneInfo("America/New_York"), ZoneInfo("Asia/Kathmandu")]
OUTLETS = [
    Outlet(),
    Outlet(phases=1),
    Outlet(Decimal(231), 2, Decimal(16)),
    Outlet(Decimal(400), 0),
]

# Whole days on purpose: small numbers, which hypothesis prefers, would hide what recurs.
WINDOWS = st.sampled_from([DAY, 3 * DAY]) | st.integers(1, 3 * DAY)

limits = st.decimals(0, 40, places=1, allow_nan=False)
watts = st.decimals(0, 25000, places=1, allow_nan=False)


@st.composite
def schedules(draw: Any, kind: Kind, near: datetime, longest: int) -> Schedule:
    unit = draw(st.sampled_from(list(Unit)))
    starts = draw(st.lists(st.integers(1, longest), max_size=4, unique=True))
    amount = limits if unit is Unit.AMPERE else watts
    periods = tuple(Period(start, draw(amount)) for start in [0, *sorted(starts)])
    back = draw(st.integers(-longest, 3 * longest))
    begin = None if kind is Kind.RELATIVE else near - timedelta(seconds=back)
    whole = st.sampled_from([None, longest // 2, longest, longest + longest // 20, 2 * longest])
    duration = draw(whole | st.integers(1, 2 * longest))
    return Schedule(unit, periods, begin, duration)


@st.composite
def installed(draw: Any, number: int, near: datetime, longest: int) -> Installed:
    purpose = draw(st.sampled_from(list(Purpose)))
    kind = draw(st.sampled_from(list(Kind)))
    if purpose in {Purpose.STATION_MAX, Purpose.EXTERNAL} and kind is Kind.RELATIVE:
        kind = Kind.ABSOLUTE
    evse_id = draw(st.integers(0, 2))
    if purpose is Purpose.STATION_MAX:
        evse_id = 0
    elif purpose is Purpose.TX:
        evse_id = max(evse_id, 1)
    edge = st.none() | st.integers(-longest, longest).map(lambda s: near + timedelta(seconds=s))
    profile = Profile(
        number,
        purpose,
        kind,
        number,  # no two of one level, so that the order is never left to chance
        (draw(schedules(kind, near, longest)),),
        draw(st.sampled_from(list(Recurrency))) if kind is Kind.RECURRING else None,
        draw(edge),
        draw(edge),
        draw(st.sampled_from(["T1", "T2", None])) if purpose is Purpose.TX else None,
    )
    return Installed(evse_id, profile)


@st.composite
def sites(draw: Any, longest: int) -> tuple[Site, int]:
    now = draw(st.sampled_from(DAYS)) + timedelta(seconds=draw(st.integers(0, 2 * DAY)))
    levels = draw(st.permutations(range(draw(st.integers(0, 7)))))
    profiles = tuple(draw(installed(level, now, longest)) for level in levels)
    began = {
        evse_id: Session(f"T{evse_id}", now - timedelta(seconds=draw(st.integers(0, longest))))
        for evse_id in draw(st.sets(st.sampled_from([1, 2])))
    }
    outlets = {1: draw(st.sampled_from(OUTLETS)), 2: draw(st.sampled_from(OUTLETS))}
    supply = draw(st.none() | st.decimals(0, 70, places=1, allow_nan=False))
    return Site(profiles, outlets, began, supply, draw(st.sampled_from(ZONES))), epoch(now)


@st.composite
def plain_sites(draw: Any) -> tuple[Site, int]:
    """One or two profiles that nothing else hides: every edge of a schedule is seen."""
    now = draw(st.sampled_from(DAYS)) + timedelta(seconds=draw(st.integers(0, 2 * DAY)))
    profiles = []
    for level in range(draw(st.integers(1, 2))):
        kind = draw(st.sampled_from([Kind.RECURRING, Kind.RECURRING, Kind.ABSOLUTE]))
        recurrency = draw(st.sampled_from(list(Recurrency))) if kind is Kind.RECURRING else None
        own = draw(schedules(kind, now, DAY))
        periods = [Period(0, Decimal(7 + level)), *own.periods[1:], Period(DAY + 1, Decimal(9))]
        own = replace(own, unit=Unit.AMPERE, periods=tuple(periods))
        profile = Profile(level, Purpose.TX_DEFAULT, kind, level, (own,), recurrency)
        profiles.append(Installed(1, profile))
    site = Site(tuple(profiles), {1: Outlet()}, zone=draw(st.sampled_from(ZONES)))
    return site, epoch(now)


@MANY
@given(plain_sites(), st.sampled_from([DAY, 2 * DAY, 9 * DAY]))
def test_every_edge_of_a_plain_schedule_is_where_the_oracle_says(
    case: tuple[Site, int], duration: int
) -> None:
    site, start = case

    found = composite(site, 1, Stretch(start, start + duration), Unit.AMPERE)

    assert found == schedule(site, 1, start, duration, Unit.AMPERE)


@MANY
@given(sites(DAY), st.integers(0, 2), st.sampled_from(list(Unit)), WINDOWS)
def test_a_composite_schedule_is_what_the_oracle_says(
    case: tuple[Site, int], evse_id: int, unit: Unit, duration: int
) -> None:
    site, start = case

    found = composite(site, evse_id, Stretch(start, start + duration), unit)

    assert found == schedule(site, evse_id, start, duration, unit)


@settings(MANY, max_examples=max(EXAMPLES // 10, 10))
@given(sites(90), st.integers(0, 2), st.sampled_from(list(Unit)), st.integers(1, 240))
def test_a_composite_schedule_is_right_at_every_second(
    case: tuple[Site, int], evse_id: int, unit: Unit, duration: int
) -> None:
    site, start = case

    found = composite(site, evse_id, Stretch(start, start + duration), unit)

    assert found == each_second(site, evse_id, start, duration, unit)


@pytest.mark.parametrize("unit", list(Unit))
def test_the_oracle_itself_knows_a_simple_case(unit: Unit) -> None:
    now = DAYS[3]
    periods = (Period(0, Decimal(10)), Period(60, Decimal(20)))
    default = Profile(
        1, Purpose.TX_DEFAULT, Kind.ABSOLUTE, 0, (Schedule(Unit.AMPERE, periods, now, 90),)
    )
    site = Site((Installed(1, default),), {1: Outlet(), 2: Outlet()})
    factor = 1 if unit is Unit.AMPERE else 690

    found = schedule(site, 1, epoch(now), 120, unit)

    assert found == [(0, 10 * factor), (60, 20 * factor), (90, 32 * factor)]
    assert found == each_second(site, 1, epoch(now), 120, unit)
