"""A short day at the small CSMS as CitrineOS; ``tests/citrineos`` has the long one."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from day import Day, Plan
from day_books import keep_books
from day_desk import End, SmallDesk

from chargepoint.bench.csms import Direction
from meters.ocmf import extract

SESSIONS = 20


@pytest.mark.timeout(300)
@pytest.mark.parametrize("version", ["2.0.1", "1.6"])
async def test_a_day_ends_with_one_verified_record_for_each_session(
    tmp_path: Path, version: str
) -> None:
    plan = Plan(
        version=version,
        sessions=SESSIONS,
        lapse=200,
        charging_s=0.6,
        cuts=6,
        restarts=10,
        kills=8,
        calls=1,
        faults=3,
        over_s=120,
    )
    desk = await SmallDesk.open(version)
    day = Day(plan, desk)
    try:
        books = await day.spend(tmp_path)
    finally:
        await desk.close()

    assert books.wrong == [], day.table(books)
    assert (books.verified, books.missing, books.twice) == (books.sessions, 0, 0)
    assert books.sessions >= SESSIONS
    assert books.records_wh == books.meters_wh > 0
    assert min(day.counts[what] for what in ("restarts", "kills", "calls", "faults")) > 0
    assert [one for one in desk.violations if one.direction is Direction.FROM_STATION] == []
    assert_books_tell_what_is_wrong(day)


def assert_books_tell_what_is_wrong(day: Day) -> None:
    """The same day with one thing changed in what was found."""
    found, kept = day.found, day.kept
    ends, [site, *_] = kept.ends, found
    twice = replace(ends[0], message_id="another")
    foreign = replace(ends[0], payload=ends[1].payload)
    meters = {**site.meters, 1: {**site.meters[1], "import_wh": "9999999"}}

    for wrong in (
        keep_books(found, replace(kept, ends=ends[1:])),
        keep_books(found, replace(kept, ends=[*ends, twice])),
        keep_books(found, replace(kept, ends=[foreign, *ends[1:]])),
        keep_books(found, replace(kept, ends=[forged(ends[0]), *ends[1:]])),
        keep_books([replace(site, rows=site.rows[1:])], kept),
        keep_books([replace(site, meters=meters)], kept),
    ):
        assert wrong.wrong
    assert keep_books(found, replace(kept, ends=[*ends, ends[0]])).again == 1


def forged(end: End) -> End:
    """The record with another reason to end."""
    contained = extract(json.dumps(end.payload, default=str))[-1].record
    changed = contained.replace(b'"TX":"E"', b'"TX":"T"')
    assert changed != contained
    old, new = (base64.b64encode(one).decode() for one in (contained, changed))
    return replace(end, payload=json.loads(json.dumps(end.payload, default=str).replace(old, new)))
