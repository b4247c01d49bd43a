"""Offsets of time zones and their changes."""

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest

from chargepoint.core.local_time import next_transition, offset

WINTER = datetime(2026, 3, 1, 10, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("zone", "written"),
    [
        (UTC, "+00:00"),
        (BERLIN, "+01:00"),
        (ZoneInfo("America/St_Johns"), "-03:30"),
        (timezone(timedelta(hours=5, minutes=45)), "+05:45"),
    ],
)
def test_an_offset_is_written_with_its_sign(zone: tzinfo, written: str) -> None:
    assert offset(zone, WINTER) == written


def test_the_next_change_is_found_to_the_second() -> None:
    summer = next_transition(BERLIN, WINTER)
    assert summer == datetime(2026, 3, 29, 1, tzinfo=UTC)
    assert offset(BERLIN, summer) == "+02:00"

    winter = next_transition(BERLIN, summer)
    assert winter == datetime(2026, 10, 25, 1, tzinfo=UTC)


def test_a_change_a_moment_ahead_is_found() -> None:
    change = datetime(2026, 3, 29, 1, tzinfo=UTC)

    assert next_transition(BERLIN, change - timedelta(microseconds=1)) == change
    assert next_transition(BERLIN, change) == datetime(2026, 10, 25, 1, tzinfo=UTC)


@pytest.mark.parametrize("zone", [UTC, ZoneInfo("Asia/Tokyo")])
def test_a_zone_without_summer_time_never_changes(zone: tzinfo) -> None:
    assert next_transition(zone, WINTER) is None
