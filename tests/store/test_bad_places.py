"""Places of the disk that can never be read cost what lies on them, and not the station."""

import itertools
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bad_disk import CORRUPT_FS, READ, BadDisk, BadPlace, Ill, bad_disk
from fake_clock import START
from sample_facts import RECORD, ended, reading, started
from station_bench import entries

from chargepoint.core.facts import TransactionEnded
from chargepoint.core.model import EvseState, Stage, Transaction
from chargepoint.errors import StoreError
from chargepoint.store import damage, rescue
from chargepoint.store.salvage import SEQUENCE_GAP
from chargepoint.store.sqlite import Store

PAGE = 4096
SESSIONS = 20
RUNNING = EvseState(
    1, Stage.CHARGING, plugged=True, transaction=Transaction("T-run", START, None, None, next_seq=7)
)
CODES = pytest.mark.parametrize("code", [READ, CORRUPT_FS], ids=["READ", "CORRUPTFS"])


@pytest.fixture
def disk() -> Iterator[BadDisk]:
    with bad_disk() as disk:
        yield disk


def signed(number: int) -> TransactionEnded:
    document = b"OCMF|%d|" % number + b"+" * 900
    return replace(ended(f"T{number}"), end=reading(signed=replace(RECORD, document=document)))


def filled(folder: Path) -> Path:
    """Sessions of which the first half is told, one that runs, and a setting."""
    with Store(folder, "CP1") as store:
        for number in range(SESSIONS):
            store.record(started(f"T{number}"), signed(number))
        for entry in itertools.islice(entries(store), SESSIONS):
            store.delivered(entry, START)
        store.settings.save_setting("TxCtrlr.EVConnectionTimeOut", "77")
        store.commit(RUNNING, (started("T-run"),))
    return folder


def rows(folder: Path) -> dict[str, set[tuple[object, ...]]]:
    """All rows of all tables that are not about the database itself."""
    with closing(sqlite3.connect(f"{(folder / 'station.db').as_uri()}?mode=ro", uri=True)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {name: set(db.execute(f"SELECT * FROM {name}")) for (name,) in names}  # noqa: S608
    del found["sqlite_sequence"]
    found["meta"] = {row for row in found["meta"] if row[0] == "station"}
    found["evse"] = {row[:1] for row in found["evse"]}  # its numbers go on elsewhere
    return found


def trees(folder: Path) -> dict[str, set[int]]:
    """The pages of each table and index; those that belong to none are of the list of tables."""
    path = folder / "station.db"
    with closing(sqlite3.connect(path)) as db:
        roots = db.execute("SELECT name, rootpage FROM sqlite_master WHERE rootpage").fetchall()
    data = path.read_bytes()
    return {name: set(_below(data, root)) for name, root in roots}


def _below(data: bytes, number: int) -> Iterator[int]:
    yield number
    page = data[(number - 1) * PAGE : number * PAGE]
    if page[0] not in {2, 5}:
        return
    count = int.from_bytes(page[3:5], "big")
    cells = [int.from_bytes(page[12 + 2 * one : 14 + 2 * one], "big") for one in range(count)]
    for place in (*cells, 8):
        yield from _below(data, int.from_bytes(page[place : place + 4], "big"))


def free_pages(data: bytes) -> set[int]:
    """The pages that a list says are free; nobody reads them."""
    found, place = set[int](), int.from_bytes(data[32:36], "big")
    while place:
        page = data[(place - 1) * PAGE : place * PAGE]
        count = int.from_bytes(page[4:8], "big")
        found |= {int.from_bytes(page[8 + 4 * n : 12 + 4 * n], "big") for n in range(count)}
        place = int.from_bytes(page[:4], "big")
    return found


def test_each_page_costs_only_the_rows_that_lie_on_it(
    folder: Path, tmp_path: Path, disk: BadDisk
) -> None:
    """One after the other, so also the header, the list of tables, and all indices."""
    before = rows(filled(folder))
    content = (folder / "station.db").read_bytes()
    inner, of, free = {2, 5}, trees(folder), free_pages(content)

    for page in range(1, len(content) // PAGE + 1):
        again = tmp_path / f"page {page}"
        shutil.copytree(folder, again)
        disk.cannot_read(again / "station.db", BadPlace((page - 1) * PAGE, page * PAGE))
        with Store(again, "CP1") as store:
            if store.damage == "":
                assert page in free
                continue
            waiting = [entry.fact for entry in entries(store)]
        after = rows(again)
        mine = {name for name, pages in of.items() if page in pages}
        for table in before.keys() - {"record_total"}:
            lost = before[table] - after[table]
            if table not in mine:
                assert (page, table, lost) == (page, table, set())
            elif content[(page - 1) * PAGE] in inner:
                assert (page, table, after[table]) == (page, table, before[table])
            elif len(of[table]) > 1:
                assert len(lost) < len(before[table]) / 2
        if "journal" not in mine:
            assert len(waiting) == SESSIONS + 1
        (aside,) = damage.folders(again)
        disk.repair()
        assert (aside / "station.db").read_bytes() == content
        shutil.rmtree(again)


def cut_off(folder: Path) -> Path:
    """A folder as a power cut leaves it: a database, and a log with ten commits."""
    copy = folder.with_name("left")
    with Store(folder, "CP1") as store:
        store.commit(RUNNING, ())
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(10):
            store.record(started(f"T{number}"))
        copy.mkdir()
        for name in ("station.db", "station.db-wal"):
            shutil.copyfile(folder / name, copy / name)
    return copy


@CODES
@pytest.mark.parametrize(("part", "known"), [(0, 0), (0.5, 3), (0.95, 8)])
def test_a_log_is_read_up_to_the_place_that_cannot_be(
    folder: Path, disk: BadDisk, code: int, part: float, known: int
) -> None:
    left = cut_off(folder)
    before = {name: (left / name).read_bytes() for name in ("station.db", "station.db-wal")}
    at = int(part * len(before["station.db-wal"]))
    disk.cannot_read(left / "station.db-wal", BadPlace(at, at + 512, code=code))

    with Store(left, "CP1") as store:
        assert "the disk cannot read" in store.damage
        found = [entry.fact.transaction_id for entry in entries(store)]  # type: ignore[union-attr]
        assert found == [f"T{number}" for number in range(len(found))]
        assert len(found) >= known
        running = store.load(1).transaction

    assert running is not None
    assert running.next_seq == 7 + SEQUENCE_GAP
    (aside,) = damage.folders(left)
    disk.repair()
    assert {name: (aside / name).read_bytes() for name in before} == before


@CODES
@pytest.mark.parametrize("part", ["station.db", "station.db-wal"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_what_can_be_read_in_the_end_is_not_set_aside(
    folder: Path, disk: BadDisk, times: int, part: str, code: int
) -> None:
    left = cut_off(filled(folder))
    size = (left / part).stat().st_size
    disk.cannot_read(left / part, BadPlace(0, size, times=times, code=code))

    with Store(left, "CP1") as store:
        assert store.damage == ""
        assert len(entries(store)) == SESSIONS + 11

    assert disk.reads_refused == times
    assert damage.folders(left) == []


def all_of_it(disk: BadDisk, folder: Path) -> None:
    disk.cannot_read(folder / "station.db", BadPlace(0, 1 << 30))


def test_a_database_of_which_nothing_can_be_read_does_not_end_the_station(
    folder: Path, disk: BadDisk
) -> None:
    all_of_it(disk, filled(folder))

    with Store(folder, "CP1") as store:
        assert "read from it: nothing" in store.damage
        store.record(started("new"))

    assert disk.reads_refused < 200
    assert len(damage.folders(folder)) == 1


def nowhere(disk: BadDisk, patch: pytest.MonkeyPatch) -> None:
    """Nothing can be read anywhere on this disk."""
    real = rescue.os.pread

    def refused(*given: int) -> bytes:
        disk.cannot_read(Path("/proc/self/fd") / str(given[0]), BadPlace(0, 1 << 30))
        return real(*given)

    patch.setattr(rescue.os, "pread", refused)


def without_room(disk: BadDisk, _: pytest.MonkeyPatch) -> None:
    disk.fail(1, Ill.FULL, lasting=True)


def without_writing(disk: BadDisk, _: pytest.MonkeyPatch) -> None:
    disk.fail(1, Ill.BROKEN, lasting=True)


ABSENT: dict[str, Callable[[BadDisk, pytest.MonkeyPatch], None]] = {
    "nothing can be read": nowhere,
    "nothing can be written": without_writing,
    "no room": without_room,
}


@pytest.mark.parametrize("absent", ABSENT.values(), ids=ABSENT)
def test_a_database_is_not_exchanged_on_a_disk_that_is_not_there(
    folder: Path,
    disk: BadDisk,
    monkeypatch: pytest.MonkeyPatch,
    absent: Callable[[BadDisk, pytest.MonkeyPatch], None],
) -> None:
    before = rows(filled(folder))
    content = (folder / "station.db").read_bytes()
    all_of_it(disk, folder)
    with monkeypatch.context() as patched:
        absent(disk, patched)
        with pytest.raises(StoreError):
            Store(folder, "CP1").__enter__()

    disk.repair()
    assert damage.folders(folder) == []
    assert (folder / "station.db").read_bytes() == content
    with Store(folder, "CP1") as store:
        assert store.damage == ""
    assert rows(folder) == before


def test_a_place_that_is_met_while_the_station_runs_is_damage_once_it_lasts(
    folder: Path, disk: BadDisk
) -> None:
    filled(folder)
    root = min(trees(folder)["transactions"])
    with Store(folder, "CP1") as store:
        place = BadPlace((root - 1) * PAGE, root * PAGE, code=READ)
        disk.cannot_read(folder / "station.db", place)
        store._db.execute("PRAGMA shrink_memory")  # it has read all of it at the start
        for _ in range(5):
            with pytest.raises(StoreError, match="I/O"):
                store.transactions.page(10)
        assert not store.damaged, "the disk may be gone"
        for _ in range(2):
            assert not store.damaged
            store.probe()
            with pytest.raises(StoreError, match="I/O"):
                store.transactions.page(10)
        assert store.damaged

    with Store(folder, "CP1") as store:
        assert "damaged-" in store.damage
        assert store.transactions.page(10) == []
        assert len(entries(store)) == SESSIONS + 1


def test_a_large_hole_costs_few_reads_and_nothing_beside_it(tmp_path: Path, disk: BadDisk) -> None:
    path, copy = tmp_path / "file", tmp_path / "copy"
    content = bytes(range(1, 251)) * 80_000
    path.write_bytes(content)
    begin, end = 3_000 * PAGE, 4_500 * PAGE
    disk.cannot_read(path, BadPlace(begin, end))
    disk.cannot_read(path, BadPlace(len(content) - 10, len(content)))

    left_out = rescue.copy(path, copy)

    assert disk.reads_refused < 30
    assert left_out == end - begin + len(content) % PAGE
    found = copy.read_bytes()
    assert found[:begin] == content[:begin]
    assert set(found[begin:end]) == {0xFF}
    assert found[end:-left_out] == content[end:-left_out]
    assert len(found) == len(content)


def test_a_disk_that_refuses_everywhere_is_given_up(tmp_path: Path, disk: BadDisk) -> None:
    path = tmp_path / "file"
    with path.open("wb") as file:
        file.truncate(PAGE * 5000)
    for page in range(0, 5000, 2):
        disk.cannot_read(path, BadPlace(page * PAGE, (page + 1) * PAGE))

    left_out = rescue.copy(path, tmp_path / "copy")

    assert disk.reads_refused < 500
    assert 2500 * PAGE < left_out < 5000 * PAGE
