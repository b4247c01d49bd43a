"""Which records leave the archive at its bounds, and which never do."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from importlib import resources
from pathlib import Path

import pytest
from archive_rig import keep, session, signed, tell
from fake_clock import START
from sample_facts import reading

from chargepoint.core.facts import RecordApart, TransactionEnded
from chargepoint.core.model import Context, Sampled
from chargepoint.store.leaving import Bounds, Total
from chargepoint.store.sqlite import Store

NONE_TOO_OLD = 10**9


def transactions(store: Store, bounds: Bounds, *, days: int = 0, most: int = 100) -> list[str]:
    due = store.leaving.due(bounds, START + timedelta(days=days), most)
    return [one.transaction_id for one in due]


@pytest.fixture
def full(store: Store) -> Iterator[Store]:
    """Six sessions that were told; every second one has two records."""
    for number in range(6):
        keep(store, *session(number, apart=number % 2 == 1))
    tell(store)
    return store


def test_the_total_is_kept_while_records_come_and_go(store: Store) -> None:
    facts = [session(number) for number in range(3)]
    for both in facts:
        keep(store, *both)
    keep(store, facts[0][1])  # the same once more
    tell(store)
    sizes = [len(row.document) + len(row.public_key) for n in range(3) for row in rows(store, n)]
    assert store.leaving.total() == Total(3, sum(sizes))

    store.leaving.remove(store.leaving.due(Bounds(2, NONE_TOO_OLD), START))

    assert store.leaving.total() == Total(2, sum(sizes[1:]))


def rows(store: Store, number: int) -> list[object]:
    return list(store.records.of(f"TX-{number:04d}"))


def test_within_the_bounds_nothing_leaves(full: Store) -> None:
    assert transactions(full, Bounds(9, NONE_TOO_OLD), days=100_000) == []


def test_above_the_count_the_oldest_transactions_leave_whole(full: Store) -> None:
    due = transactions(full, Bounds(7, NONE_TOO_OLD))

    assert due == ["TX-0000", "TX-0001", "TX-0001"]


def test_above_the_size_as_many_leave_as_have_to(full: Store) -> None:
    total = full.leaving.total()

    due = transactions(full, Bounds(NONE_TOO_OLD, total.size - 1))

    assert due == ["TX-0000"]


def test_what_was_delivered_too_long_ago_leaves(full: Store) -> None:
    keep(full, *session(9))
    tell(full, at=START + timedelta(days=5))
    bounds = Bounds(NONE_TOO_OLD, NONE_TOO_OLD, timedelta(days=30))

    due = {days: set(transactions(full, bounds, days=days)) for days in (30, 31, 36)}

    assert [len(names) for names in due.values()] == [0, 6, 7]
    assert "TX-0009" not in due[31]


def test_what_the_csms_does_not_have_stays_whatever_the_bounds(store: Store) -> None:
    for number in range(3):
        keep(store, *session(number))

    assert transactions(store, Bounds(1, 1, timedelta(0)), days=9999) == []


def test_what_the_csms_was_told_in_part_stays(store: Store) -> None:
    for number in range(3):
        keep(store, *session(number))
    tell(store, lacks=["TX-0001"])

    assert transactions(store, Bounds(0, 0), days=9999) == ["TX-0000", "TX-0002"]


def test_what_a_meter_still_holds_stays(store: Store) -> None:
    keep(store, *session(0))
    while (entry := store.next_entry()) is not None:
        store.delivered(entry, START)

    held = transactions(store, Bounds(0, 0))
    store.records.mark_released("TX-0000", START)

    assert (held, transactions(store, Bounds(0, 0))) == ([], ["TX-0000"])


def test_a_transaction_of_which_a_record_was_found_later_stays(full: Store) -> None:
    late = signed(99, ("E", START, "1.000"))
    full.records.add_found("TX-0001", 1, reading(), late, "valid")

    assert transactions(full, Bounds(7, NONE_TOO_OLD)) == [
        "TX-0000",
        "TX-0002",
        "TX-0003",
        "TX-0003",
    ]


def test_a_record_of_what_never_became_a_transaction_leaves_like_the_others(store: Store) -> None:
    keep(store, *session(0))
    found = signed(99, ("E", START, "1.000"))
    store.records.add_found("never-begun", 1, reading(), found, "valid")
    held = transactions(store, Bounds(0, 0))
    store.records.mark_released("never-begun", START)
    bounds = Bounds(NONE_TOO_OLD, NONE_TOO_OLD, timedelta(days=30))

    assert held == []
    assert transactions(store, Bounds(0, 0)) == ["never-begun"]
    assert transactions(store, bounds, days=30) == []
    assert transactions(store, bounds, days=31) == ["never-begun"]


def test_a_record_found_when_its_transaction_was_told_leaves_with_it(full: Store) -> None:
    late = signed(99, ("E", START, "1.000"))
    full.records.add_found("TX-0001", 1, reading(), late, "valid")
    full.records.mark_all_released(1, START)

    assert transactions(full, Bounds(7, NONE_TOO_OLD)) == [
        "TX-0000",
        "TX-0001",
        "TX-0001",
        "TX-0001",
    ]


def test_a_record_that_the_csms_had_no_room_for_stays(store: Store) -> None:
    begin, end = session(0)
    keep(store, begin, end)
    while (entry := store.next_entry()) is not None:
        more = () if isinstance(entry.fact, RecordApart) else (apart_of(end),)
        lack = "no room" if isinstance(entry.fact, RecordApart) else ""
        store.delivered(entry, START, apart=True, more=more if entry.fact == end else (), lack=lack)
    store.records.mark_all_released(1, START)

    assert transactions(store, Bounds(0, 0), days=9999) == []


def apart_of(end: TransactionEnded) -> RecordApart:
    assert end.end is not None
    sampled = Sampled(end.end, Context.END)
    return RecordApart(1, 1, end.transaction_id, end.at, sampled, with_key=False)


def test_a_record_of_a_running_session_stays(store: Store) -> None:
    begin, _ = session(0, apart=True)
    keep(store, begin)
    while (entry := store.next_entry()) is not None:
        store.delivered(entry, START)
    store.records.mark_all_released(1, START)

    assert transactions(store, Bounds(0, 0), days=9999) == []


def test_a_batch_is_bounded_but_ends_with_a_whole_transaction(full: Store) -> None:
    assert transactions(full, Bounds(0, 0), most=2) == ["TX-0000", "TX-0001", "TX-0001"]


def test_transactions_that_have_to_stay_do_not_keep_later_ones_from_leaving(store: Store) -> None:
    for number in range(8):
        keep(store, *session(number, apart=True))
    tell(store)
    store._db.execute(
        "UPDATE record SET delivered_at = NULL, released_at = NULL WHERE number IN"
        " (SELECT max(number) FROM record WHERE transaction_id < 'TX-0006' GROUP BY transaction_id)"
    )

    assert transactions(store, Bounds(0, 0), most=3) == ["TX-0006"] * 2 + ["TX-0007"] * 2


def test_the_oldest_is_the_one_stored_first_whatever_its_clock_said(store: Store) -> None:
    keep(store, *session(0))
    keep(store, *session(1, at=START.replace(year=1970)))
    tell(store)

    assert transactions(store, Bounds(1, NONE_TOO_OLD)) == ["TX-0000"]


def test_an_older_database_is_counted_when_it_is_opened(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        keep(store, *session(0, apart=True), *session(1))
        tell(store)
        total = store.leaving.total()
    with closing(sqlite3.connect(folder / "station.db")) as db:
        db.executescript(
            "DROP TRIGGER record_came; DROP TRIGGER record_left; DROP INDEX record_done;"
            "DROP INDEX record_kept;"
            "DROP TABLE record_total; PRAGMA user_version = 9;"
        )

    with Store(folder, "CP1") as store:
        keep(store, *session(2))
        after = store.leaving.total()
        due = transactions(store, Bounds(0, 0))

    assert len(list(resources.files("chargepoint.store").joinpath("schema").iterdir())) >= 10
    assert (total.count, after.count) == (3, 4)
    assert after.size > total.size > 0
    assert due == ["TX-0000", "TX-0000", "TX-0001"]


def test_the_search_reads_the_index_only(store: Store) -> None:
    plan = store._db.execute(
        "EXPLAIN QUERY PLAN SELECT number, transaction_id FROM record INDEXED BY record_done"
        " WHERE delivered_at IS NOT NULL AND released_at IS NOT NULL ORDER BY number LIMIT 1"
    ).fetchall()

    assert "USING INDEX record_done" in str(plan)
    assert "TEMP B-TREE" not in str(plan)
