"""The archive is read from running, stopped, copied and damaged state folders, and left alone."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from archive_rig import keep, session, signed, tell
from fake_clock import START
from sample_facts import reading

from chargepoint.errors import StoreError
from chargepoint.store import archive
from chargepoint.store.archive import (
    Delivery,
    Found,
    KeptRecord,
    RecordArchive,
    Selection,
    Unreadable,
)
from chargepoint.store.sqlite import Store


def read(folder: Path, **wanted: Any) -> list[Found]:
    with RecordArchive(folder) as opened:
        return list(opened.oldest_first(Selection(**wanted)))


def numbers(folder: Path, **wanted: Any) -> list[int]:
    return [one.number for one in read(folder, **wanted)]


def ids(found: list[Found]) -> list[str]:
    return [one.row.transaction_id for one in found if isinstance(one, KeptRecord)]


def picture(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Every file of a folder, with its time and content."""
    return {
        path.name: (path.stat().st_mtime_ns, path.stat().st_size, path.read_bytes())
        for path in folder.iterdir()
    }


@pytest.fixture
def stopped(folder: Path) -> Path:
    """A station that was ended in order; TX-0001 and TX-0003 have two records each."""
    with Store(folder, "CP1") as store:
        for number in range(4):
            keep(store, *session(number, at=START + timedelta(hours=number), apart=number % 2 == 1))
        tell(store)
        keep(store, *session(4, at=START + timedelta(hours=4)))
    return folder


def test_all_records_are_read_in_the_order_in_which_they_were_kept(stopped: Path) -> None:
    found = read(stopped)

    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert [one.first for one in found if isinstance(one, KeptRecord)] == [1, 2, 2, 4, 5, 5, 7]
    facts = session(1, at=START + timedelta(hours=1), apart=True)
    assert isinstance(found[1], KeptRecord)
    assert facts[0].begin is not None
    assert facts[0].begin.signed is not None
    assert found[1].row.document == facts[0].begin.signed.document


def test_many_records_are_read_page_by_page(stopped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PAGE", 2)

    with RecordArchive(stopped) as opened:
        newest = [one.number for one in opened.newest_first(Selection())]
        below = [one.number for one in opened.newest_first(Selection(), before=4)]

    assert numbers(stopped) == [1, 2, 3, 4, 5, 6, 7]
    assert newest == [7, 6, 5, 4, 3, 2, 1]
    assert below == [3, 2, 1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"since": START + timedelta(hours=1, minutes=30)}, [3, 4, 5, 6, 7]),
        ({"until": START + timedelta(hours=1, minutes=30)}, [1, 2]),
        ({"transaction_id": "TX-0003"}, [5, 6]),
        ({"transaction_id": "TX-9999"}, []),
        ({"verdict": "invalid"}, []),
        ({"verdict": "valid", "transaction_id": "TX-0001"}, [2, 3]),
        ({"undelivered": True}, [7]),
        ({"undelivered": True, "transaction_id": "TX-0001"}, []),
        ({"since": START + timedelta(hours=1, minutes=30), "whole": True}, [2, 3, 4, 5, 6, 7]),
    ],
)
def test_records_are_selected(stopped: Path, wanted: dict[str, Any], expected: list[int]) -> None:
    assert numbers(stopped, **wanted) == expected


def test_it_is_told_what_became_of_each_record_at_the_csms(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        for number in range(3):
            keep(store, *session(number))
        tell(store, lacks=["TX-0001"])
        store.records.add_found("TX-0002", 1, reading(), signed(99, ("E", START, "1.0")), "valid")
        store.records.add_found("", 1, reading(), signed(98, ("E", START, "1.0")), "valid")
        keep(store, *session(3))
        keep(store, session(4, apart=True)[0])
        while (entry := store.next_entry(frozenset({"transaction TX-0003"}))) is not None:
            store.delivered(entry, START)

    found = read(folder)

    assert [(one.number, one.delivery) for one in found if isinstance(one, KeptRecord)] == [
        (1, Delivery.DELIVERED),
        (2, Delivery.UNTOLD),
        (3, Delivery.DELIVERED),
        (4, Delivery.KEPT),
        (5, Delivery.KEPT),
        (6, Delivery.WAITING),
        (7, Delivery.WAITING),
    ]
    assert isinstance(found[1], KeptRecord)
    assert found[1].untold == "no words for it"
    assert numbers(folder, undelivered=True) == [2, 4, 5, 6, 7]


def test_a_running_station_is_read_without_being_held_up(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        keep(store, *session(0))
        with RecordArchive(folder) as opened:
            first = next(opened.oldest_first())
            keep(store, *session(1))
            busy = store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            keep(store, *session(2))
            rest = numbers(folder)

    assert (first.number, busy, rest) == (1, 0, [1, 2, 3])


def test_another_process_reads_a_running_station_and_changes_no_byte(folder: Path) -> None:
    seen, changed = [], []
    with Store(folder, "CP1") as store:
        for stage in ("fresh", "written", "checkpointed", "written again"):
            if stage.startswith("written"):
                keep(store, *session(len(seen)))
            if stage == "checkpointed":
                store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            before = picture(folder)
            seen.append(elsewhere(folder))
            changed += [stage] if picture(folder) != before else []
            keep(store, *session(100 + len(seen)))

    assert (seen, changed) == ([0, 2, 3, 5], [])


def elsewhere(folder: Path) -> int:
    """How many records another process sees."""
    command = [sys.executable, "-m", "chargepoint", "records", "list", "--json"]
    done = subprocess.run([*command, "--state", str(folder)], capture_output=True, check=True)
    return len(json.loads(done.stdout)["records"])


def test_a_stopped_station_is_read_without_leaving_anything_there(stopped: Path) -> None:
    before = picture(stopped)

    found = numbers(stopped)

    assert len(found) == 7
    assert picture(stopped) == before


@pytest.mark.parametrize("with_shared_memory", [True, False])
def test_the_copy_of_a_running_station_is_read_with_what_its_log_holds(
    folder: Path, tmp_path: Path, *, with_shared_memory: bool
) -> None:
    copy = tmp_path / "copy"
    with Store(folder, "CP1") as store:
        for number in range(5):
            keep(store, *session(number))
        shutil.copytree(folder, copy)
    if not with_shared_memory:
        (copy / "station.db-shm").unlink()
    assert (copy / "station.db-wal").stat().st_size > 0
    before = picture(copy)

    found = read(copy)

    assert ids(found) == [f"TX-000{number}" for number in range(5)]
    assert picture(copy) == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_read(stopped: Path) -> None:
    stopped.chmod(0o500)
    try:
        assert len(numbers(stopped)) == 7
    finally:
        stopped.chmod(0o700)


def test_an_older_database_is_read_as_it_is(stopped: Path) -> None:
    with closing(sqlite3.connect(stopped / "station.db")) as db:
        db.executescript("DROP TABLE untold; PRAGMA user_version = 8;")

    assert numbers(stopped, undelivered=True) == [7]


def test_a_newer_database_is_refused(stopped: Path) -> None:
    with closing(sqlite3.connect(stopped / "station.db")) as db:
        db.execute("PRAGMA user_version = 9999")

    with pytest.raises(StoreError, match="newer version"):
        read(stopped)


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "no state folder"), (b"x" * 4096, "not a database"), (b"", "not the database of")],
)
def test_what_is_no_state_folder_is_refused(folder: Path, content: bytes | None, said: str) -> None:
    folder.mkdir()
    if content is not None:
        (folder / "station.db").write_bytes(content)

    with pytest.raises(StoreError, match=said):
        read(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("document = CAST('OCMF|x|y' AS BLOB)", "SHA-256"),
        ("document = 'text'", "columns"),
        ("verdict = x'00'", "columns"),
        ("taken_at = 'yesterday'", "times"),
        ("delivered_at = 5", "times"),
        ("verdict = CAST(x'FF' AS TEXT)", "UTF-8"),
    ],
)
def test_a_row_that_was_tampered_with_is_told_and_the_others_are_read(
    stopped: Path, change: str, said: str
) -> None:
    with closing(sqlite3.connect(stopped / "station.db")) as db:
        db.execute(f"UPDATE record SET {change} WHERE number = 3")  # noqa: S608 - ours
        db.commit()

    found = read(stopped, since=START - timedelta(days=1), whole=True)

    assert [one.number for one in found] == [1, 2, 3, 4, 5, 6, 7]
    assert said in found[2].damage
    assert not any(one.damage for one in found if one.number != 3)
    with RecordArchive(stopped) as opened:
        alone, none = opened.get(3), opened.get(99)
    assert alone == found[2]
    assert none is None


@pytest.mark.parametrize("newest", [True, False])
def test_a_page_of_the_disk_that_is_gone_costs_only_the_records_on_it(
    folder: Path, *, newest: bool
) -> None:
    with Store(folder, "CP1") as store:
        for number in range(300):
            keep(store, *session(number))
    spoil(folder / "station.db", 150)

    with RecordArchive(folder) as opened:
        wanted = Selection(since=START - timedelta(days=1))
        found = list(opened.newest_first(wanted) if newest else opened.oldest_first(wanted))

    lost = [one.number for one in found if isinstance(one, Unreadable)]
    assert sorted(one.number for one in found) == list(range(1, 301))
    assert 151 in lost
    assert len(lost) <= 6
    assert "malformed" in next(one.damage for one in found if one.damage)


def spoil(database: Path, number: int) -> None:
    """Overwrite the page of the table that holds the record of a session."""
    content = bytearray(database.read_bytes())
    size = int.from_bytes(content[16:18], "big")
    mark = f"TX-{number:04d}OCMF|".encode()  # its EVSE, 1, takes no byte of a row
    pages = [
        start for start in range(size, len(content), size) if mark in content[start : start + size]
    ]
    content[pages[0] : pages[0] + size] = b"\xaa" * size
    database.write_bytes(content)
