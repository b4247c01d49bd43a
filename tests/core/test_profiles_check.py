"""Which profiles are taken, and which give way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core.profiles_check import check, displaced
from chargepoint.core.profiles_model import (
    Bounds,
    Criteria,
    Installed,
    Kind,
    Outlet,
    Period,
    Profile,
    Purpose,
    Schedule,
    Session,
    Unit,
)
from chargepoint.errors import Refused

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
WEST = timezone(timedelta(hours=-5))


def one(number: int = 1, evse_id: int = 1, **more: Any) -> Installed:
    limits = more.pop("periods", (Period(0, Decimal(10)),))
    unit, start, source = more.pop("unit", Unit.AMPERE), more.pop("start", NOW), "CSO"
    duration, schedule_id = more.pop("duration", None), more.pop("schedule_id", 1)
    source = more.pop("source", source)
    purpose = more.pop("purpose", Purpose.TX_DEFAULT)
    kind, level = more.pop("kind", Kind.ABSOLUTE), more.pop("level", 0)
    schedule = Schedule(unit, limits, start, duration, None, schedule_id)
    return Installed(evse_id, Profile(number, purpose, kind, level, (schedule,), **more), source)


def refusal(new: Installed, bounds: Bounds | None = None, **more: Any) -> str:
    """The reason why a profile is refused, empty if it is taken."""
    outlets = more.pop("outlets", {1: Outlet(), 2: Outlet(phases=1)})
    sessions = {1: Session("T1", NOW)}
    try:
        check(new, outlets, sessions, bounds or Bounds(), **more)
    except Refused as refused:
        return refused.reason or "without reason"
    return ""


TX = {"purpose": Purpose.TX, "transaction_id": "T1"}
ONE_PHASE = (Period(0, Decimal(10), 1),)


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (one(), ""),
        (one(evse_id=0), ""),
        (one(evse_id=3), "UnknownEvse"),
        (one(**TX), ""),
        (one(evse_id=2, **TX), "TxNotFound"),
        (one(evse_id=0, **TX), "InvalidProfile"),
        (one(purpose=Purpose.TX, transaction_id="T2"), "TxNotFound"),
        (one(purpose=Purpose.TX), "TxNotFound"),
        (one(level=99), ""),
        (one(level=100), "InvalidStackLevel"),
        (one(level=-1), "InvalidStackLevel"),
        (one(number=2**31), "InvalidProfile"),
        (one(valid_from=LATER, valid_to=NOW), "InvalidProfile"),
        (one(valid_to=datetime.max.replace(tzinfo=WEST)), "InvalidProfile"),
        (one(valid_to=datetime.max.replace(tzinfo=UTC)), ""),
        (one(kind=Kind.RELATIVE), "InvalidSchedule"),
        (one(kind=Kind.RELATIVE, start=None), ""),
        (one(start=None), "InvalidSchedule"),
        (one(start=datetime.min.replace(tzinfo=UTC)), "InvalidSchedule"),
        (one(duration=2**31), "InvalidSchedule"),
        (one(schedule_id=2**63), "InvalidSchedule"),
        (one(periods=(Period(0, Decimal(10)), Period(2**31, Decimal(6)))), "InvalidSchedule"),
        (one(periods=ONE_PHASE), "InvalidSchedule"),
        (one(evse_id=2, periods=ONE_PHASE), ""),
        (one(evse_id=0, periods=ONE_PHASE), "InvalidSchedule"),
    ],
)
def test_a_profile_is_taken_if_it_can_be_in_force(new: Installed, reason: str) -> None:
    assert refusal(new) == reason


@pytest.mark.spec("2.0.1", "K01.FR.44")
def test_phases_have_no_meaning_at_direct_current() -> None:
    assert refusal(one(periods=ONE_PHASE), outlets={1: Outlet(Decimal(400), 0)}) == ""


def test_the_older_version_passes_over_phases_that_are_not_there() -> None:
    assert refusal(one(periods=ONE_PHASE), Bounds(lenient=True)) == ""


@pytest.mark.spec("2.0.1", "K01.FR.26")
def test_a_unit_that_is_not_announced_is_refused() -> None:
    only_amperes = Bounds(units=frozenset({Unit.AMPERE}))

    assert refusal(one(unit=Unit.WATT), only_amperes) == "UnsupportedRateUnit"


@pytest.mark.parametrize(
    ("new", "reason"),
    [
        (one(purpose=Purpose.TX), ""),
        (one(**TX), "InvalidProfile"),
        (one(), "InvalidProfile"),
    ],
)
def test_a_remote_start_brings_a_tx_profile_of_no_transaction(new: Installed, reason: str) -> None:
    assert refusal(new, awaited=True) == reason


EARLY, LATE = {"valid_to": NOW}, {"valid_from": NOW}


@pytest.mark.parametrize(
    ("new", "known", "gone", "gone_leniently"),
    [
        (one(1), one(1, 2, level=5), {1}, {1}),
        (one(1), one(2), {2}, {2}),
        (one(1), one(2, level=1), set(), set()),
        (one(1), one(2, 2), set(), set()),
        (one(1, **EARLY), one(2, **LATE), set(), {2}),
        (one(1, valid_to=LATER), one(2, **LATE), {2}, {2}),
        (one(1), one(2, **TX), set(), set()),
        (one(1), one(2, 0), "DuplicateProfile", set()),
        (one(1, 0), one(2, 2), "DuplicateProfile", set()),
        (one(1, 0, **EARLY), one(2, 2, **LATE), set(), set()),
        (one(1, **TX), one(2, **TX), "DuplicateProfile", {2}),
        (one(1, **TX), one(2, purpose=Purpose.TX), "DuplicateProfile", {2}),
        (one(1, **TX), one(2, purpose=Purpose.TX, transaction_id="T0"), set(), set()),
        (one(-1), one(-1, purpose=Purpose.EXTERNAL, source="EMS"), "InvalidProfile", None),
        (one(1), one(-1, purpose=Purpose.EXTERNAL, source="EMS"), set(), set()),
    ],
)
def test_what_gives_way(new: Installed, known: Installed, gone: Any, gone_leniently: Any) -> None:
    if isinstance(gone, str):
        with pytest.raises(Refused) as raised:
            displaced(new, [known])
        assert raised.value.reason == gone
    else:
        assert displaced(new, [known]) == gone
    if gone_leniently is not None:
        assert displaced(new, [known], lenient=True) == gone_leniently


@pytest.mark.parametrize(
    ("criteria", "met"),
    [
        (Criteria(), True),
        (Criteria(ids={1, 2}), True),
        (Criteria(ids={2}), False),
        (Criteria(evse_id=1), True),
        (Criteria(evse_id=0), False),
        (Criteria(purpose=Purpose.TX_DEFAULT, stack_level=0), True),
        (Criteria(purpose=Purpose.TX_DEFAULT, stack_level=1), False),
        (Criteria(purpose=Purpose.TX), False),
        (Criteria(sources=["CSO"]), True),
        (Criteria(sources=["EMS"]), False),
    ],
)
def test_all_that_is_asked_for_must_be_so(criteria: Criteria, *, met: bool) -> None:
    assert criteria.meets(one()) is met


def test_only_the_first_schedule_counts_but_each_is_checked() -> None:
    given = one()
    second = Schedule(Unit.AMPERE, (Period(5, Decimal(10)),), NOW)
    several = replace(given.profile, schedules=(given.profile.schedule, second))

    assert refusal(replace(given, profile=several)) == "InvalidSchedule"
