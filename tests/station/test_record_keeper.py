"""The archive is looked at when the station starts and every hour, and tells what leaves it."""

import asyncio
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from archive_rig import keep, session, tell
from commit_cuts import keep_cuts
from fake_clock import FakeClock

from chargepoint.station import record_keeper
from chargepoint.station.record_keeper import EVERY, RecordKeeper
from chargepoint.store.leaving import Bounds
from chargepoint.store.sqlite import Store

SIZE = 10**9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state", "CP1") as store:
        yield store


def fill(store: Store, numbers: range) -> None:
    for number in numbers:
        keep(store, *session(number, apart=number % 2 == 1))
    tell(store)


async def test_what_leaves_is_named_in_the_log_before_it_goes(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    fill(store, range(4))

    await RecordKeeper(store, FakeClock(), Bounds(3, SIZE)).tidy()

    said = [record.getMessage() for record in caplog.records if "leaves the archive" in record.msg]
    assert [line.split(":")[0] for line in said] == [
        "record 1 of transaction TX-0000 leaves the archive",
        "record 2 of transaction TX-0001 leaves the archive",
        "record 3 of transaction TX-0001 leaves the archive",
    ]
    assert "SHA-256" in said[0]
    assert [store.records.has(f"TX-000{number}") for number in range(4)] == [
        False,
        False,
        True,
        True,
    ]


async def test_what_is_remembered_of_transactions_that_are_gone_goes_too(store: Store) -> None:
    store.bind_csms_transaction("TX-gone", 7)

    await RecordKeeper(store, FakeClock(), Bounds(3, SIZE)).tidy()

    assert store.csms_transaction("TX-gone") is None


async def test_it_looks_at_the_start_and_then_every_hour(store: Store) -> None:
    clock = FakeClock()
    fill(store, range(3))
    keeper = asyncio.create_task(RecordKeeper(store, clock, Bounds(1, SIZE)).run())
    await clock.advance(0)
    first = store.leaving.total().count

    fill(store, range(10, 13))
    await clock.advance(EVERY.total_seconds() - 1)
    before = store.leaving.total().count
    await clock.advance(2)
    after = store.leaving.total().count
    keeper.cancel()

    assert (first, before, after) == (1, 5, 1)


async def test_a_clock_that_jumped_empties_no_archive_at_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_keeper, "BATCHES_MOST", 1)
    fill(store, range(120))
    count = store.leaving.total().count

    await RecordKeeper(store, FakeClock(), Bounds(0, SIZE)).tidy()

    assert count - store.leaving.total().count in {100, 101}


async def test_an_archive_that_has_to_be_larger_says_so_once(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(3):
        keep(store, *session(number))
    keeper = RecordKeeper(store, FakeClock(), Bounds(1, SIZE))

    for _ in range(3):
        await keeper.tidy()

    warned = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warned) == 1
    assert "holds 3 records" in warned[0].getMessage()
    assert store.leaving.total().count == 3


async def test_a_disk_that_refuses_costs_no_record_and_no_station(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    fill(store, range(3))
    store._db.execute(
        "CREATE TEMP TRIGGER full BEFORE DELETE ON record BEGIN SELECT RAISE(ABORT, 'full'); END"
    )
    keeper = asyncio.create_task(RecordKeeper(store, clock, Bounds(1, SIZE)).run())
    await clock.advance(0)
    refused = store.leaving.total().count
    store._db.execute("DROP TRIGGER full")

    await clock.advance(EVERY.total_seconds() + 1)
    keeper.cancel()

    assert (refused, store.leaving.total().count) == (4, 1)
    assert "stays as it is" in caplog.text


async def test_a_power_cut_between_any_two_commits_leaves_whole_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store(tmp_path / "state", "CP1") as store:
        fill(store, range(230))
        keep(store, *session(500))  # nobody was told of it
    with monkeypatch.context() as patched:
        cuts = keep_cuts(tmp_path, patched)
        with Store(tmp_path / "state", "CP1") as store:
            await RecordKeeper(store, FakeClock(), Bounds(5, SIZE)).tidy()

    left = []
    for cut in cuts:
        with Store(cut / "state", "CP1") as store:
            held = {n: len(store.records.of(f"TX-{n:04d}")) for n in (*range(230), 500)}
            assert all(held[n] in {0, 1 + n % 2} for n in held)
            assert held[500] == 1
            assert store.leaving.total().count == sum(held.values())
            left.append(sum(held.values()))
            await RecordKeeper(store, FakeClock(), Bounds(5, SIZE)).tidy()
            assert store.leaving.total().count in {4, 5}
    assert len(set(left)) > 3, "the cuts fell between batches"
