"""A day of sessions at a real CitrineOS, with everything that goes wrong in one.

``CITRINEOS_DAY_SESSIONS`` is how many; a full day has 500. ``CITRINEOS_RESTART`` is a command that
restarts CitrineOS and returns once it is back; it gets KILL or TERM as its argument. Without it no
restart is tried, and the table says so. ``CITRINEOS_DAY_SEED`` gives another day.
"""

import os
from pathlib import Path

import pytest
from citrine_office import Office
from day import Day, Plan
from day_citrine import CitrineDesk

SESSIONS = int(os.environ.get("CITRINEOS_DAY_SESSIONS", "12"))
SEED = int(os.environ.get("CITRINEOS_DAY_SEED", "1"))
RESTART = os.environ.get("CITRINEOS_RESTART", "")
LARGE = 100
"""So many sessions are worth four stations instead of one, and more time for them."""


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_a_day_ends_with_one_verified_record_for_each_session(
    citrineos: Office, tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    large = SESSIONS >= LARGE
    plan = Plan(
        version=version,
        sessions=SESSIONS,
        seed=SEED,
        stations=4 if large else 1,
        restarts=100 if large else 6,
        cuts=20 if large else 3,
        kills=50 if large else 5,
        calls=4 if large else 1,
        over_s=600 if large else 200,
    )
    day = Day(plan, CitrineDesk(citrineos, citrineos.doors[version, 0], RESTART))

    books = await day.spend(tmp_path)

    with capsys.disabled():
        print(f"\n{day.table(books)}\n{books.example}")  # noqa: T201 - the table is what it is for
    assert books.wrong == []
    assert books.sessions >= SESSIONS
    assert (books.verified, books.missing, books.twice) == (books.sessions, 0, 0)
    assert books.records_wh == books.meters_wh
