"""A database that is damaged is set aside as it is, and all that can be read of it goes on."""

import sqlite3
import struct
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import RECORD, ended, reading, started, updated
from station_bench import entries

from chargepoint.core.model import EvseState, Stage, Transaction
from chargepoint.errors import StoreError
from chargepoint.store import damage, opening
from chargepoint.store.archive import KeptRecord, RecordArchive
from chargepoint.store.opening import steps
from chargepoint.store.salvage import SEQUENCE_GAP
from chargepoint.store.sqlite import Store

PAGE = 4096
SESSIONS = 60
RUNNING = EvseState(
    1, Stage.CHARGING, plugged=True, transaction=Transaction("T-run", START, None, None, next_seq=7)
)


def signed(number: int) -> object:
    """A record of its own for each, long enough to fill pages."""
    document = b"OCMF|%d|" % number + b"+" * 900
    return replace(ended(f"T{number}"), end=reading(signed=replace(RECORD, document=document)))


@pytest.fixture
def full(folder: Path) -> Path:
    """A folder with sessions that nobody was told of, and one that runs."""
    with Store(folder, "CP1") as store:
        for number in range(SESSIONS):
            store.record(started(f"T{number}"), signed(number))  # type: ignore[arg-type]
        store.settings.save_setting("TxCtrlr.EVConnectionTimeOut", "77")
        store.commit(RUNNING, (started("T-run"), updated("T-run", seq=6)))
        (folder / "keys").mkdir(exist_ok=True)
        (folder / "keys" / "own.pem").write_text("key")
    return folder


def overwrite(path: Path, offset: int, text: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(text)


def header(path: Path) -> None:
    overwrite(path, 0, b"garbage!" * 12)


def shorter(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size * 2 // 3 // PAGE * PAGE + 100)


def root_of(path: Path, name: str) -> int:
    with closing(sqlite3.connect(path)) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        return int(db.execute(sql, (name,)).fetchone()[0])


def index(path: Path) -> None:
    overwrite(path, (root_of(path, "journal_stream") - 1) * PAGE, b"\xff" * 200)


def words(path: Path) -> None:
    """The name of an index, which SQLite quotes in what it says of a statement that is none."""
    text = path.read_bytes()
    overwrite(path, text.index(b"indexjournal_stream") + 7, b"\xea" * 8)
    overwrite(path, text.index(b"CREATE INDEX journal_stream"), b"CREATE CREATE")


def leaf(path: Path, table: str) -> int:
    """A page in the middle of a table: the second child of its root."""
    root = (root_of(path, table) - 1) * PAGE
    data = path.read_bytes()[root : root + PAGE]
    assert data[0] == 5, "the root is no interior page"
    (cell,) = struct.unpack(">H", data[14:16])
    return int(struct.unpack(">I", data[cell : cell + 4])[0])


def page(path: Path) -> None:
    overwrite(path, (leaf(path, "record") - 1) * PAGE, b"\xa5" * PAGE)


def nothing_but_garbage(path: Path) -> None:
    path.write_bytes(b"\x5a" * path.stat().st_size)


def waiting(store: Store) -> set[str]:
    return {entry.fact.transaction_id for entry in entries(store)}  # type: ignore[union-attr]


EVERYTHING = {f"T{number}" for number in range(SESSIONS)} | {"T-run"}
WHOLE = {"header": header, "index": index, "words": words}
DAMAGES: dict[str, Callable[[Path], None]] = {
    **WHOLE,
    "page": page,
    "shorter": shorter,
    "garbage": nothing_but_garbage,
}


@pytest.mark.parametrize("spoil", DAMAGES.values(), ids=DAMAGES)
def test_station_goes_on_and_nothing_is_deleted(full: Path, spoil: Callable[[Path], None]) -> None:
    spoil(full / "station.db")
    before = (full / "station.db").read_bytes()

    with Store(full, "CP1") as store:
        store.record(started("new"), ended("new"))
        assert "damaged-" in store.damage
        assert store.takes_sessions()

    (aside,) = damage.folders(full)
    assert (aside / "station.db").read_bytes() == before
    assert (full / "keys" / "own.pem").read_text() == "key"
    assert not list(full.glob("salvage*"))


@pytest.mark.parametrize("spoil", WHOLE.values(), ids=WHOLE)
def test_everything_is_read_where_only_header_or_index_is_damaged(
    full: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(full / "station.db")

    with Store(full, "CP1") as store:
        assert waiting(store) == EVERYTHING
        assert store.waiting == 2 * SESSIONS + 2
        assert all(store.records.of(f"T{number}") for number in range(SESSIONS))
        assert store.leaving.total().count == SESSIONS
        assert store.settings.load_settings() == {"TxCtrlr.EVConnectionTimeOut": "77"}
        assert store.load(1).stage is Stage.CHARGING


def test_a_damaged_page_costs_only_what_lay_on_it_and_nowhere_else(full: Path) -> None:
    with Store(full, "CP1") as store:
        while entries(store)[0].fact.transaction_id != "T30":  # type: ignore[union-attr]
            store.delivered(entries(store)[0], START)
    page(full / "station.db")

    with Store(full, "CP1") as store:
        assert waiting(store) == {f"T{number}" for number in range(30, SESSIONS)} | {"T-run"}
        found = [number for number in range(SESSIONS) if store.records.of(f"T{number}")]

    assert set(range(30, SESSIONS)) <= set(found), "these are in their facts, too"
    assert SESSIONS - 5 <= len(found) < SESSIONS


def test_records_of_what_was_set_aside_can_be_read_by_the_archive(full: Path) -> None:
    page(full / "station.db")
    with Store(full, "CP1"):
        pass

    (aside,) = damage.folders(full)
    with RecordArchive(aside) as archive:
        found = [one for one in archive.oldest_first() if isinstance(one, KeptRecord)]

    assert SESSIONS - 5 <= len(found) < SESSIONS


def test_sequence_numbers_go_on_where_none_was_given(full: Path) -> None:
    index(full / "station.db")

    with Store(full, "CP1") as store:
        transaction = store.load(1).transaction

    assert transaction is not None
    assert transaction.next_seq == 7 + SEQUENCE_GAP


def test_numbers_of_records_are_not_given_a_second_time(full: Path) -> None:
    with closing(sqlite3.connect(full / "station.db")) as db:
        db.execute("DELETE FROM record WHERE number > 50")
        db.commit()
    index(full / "station.db")

    with Store(full, "CP1") as store:
        store.record(signed(99))  # type: ignore[arg-type]

    with RecordArchive(full) as archive:
        numbers = [one.number for one in archive.oldest_first()]
    assert numbers == [*range(1, 51), *range(SESSIONS + 1, SESSIONS + 12)]


@pytest.mark.parametrize("place", ["draft", "named", "moved"])
def test_an_exchange_that_the_power_cut_off_is_finished(
    full: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Exception):  # noqa: N818 - reads as a state
        pass

    index(full / "station.db")
    spoiled = (full / "station.db").read_bytes()
    calls = {"draft": "replace", "named": "finish", "moved": "sync_folder"}
    real = getattr(damage, calls[place])
    seen = []

    def cut(*given: object) -> object:
        seen.append(given)
        if place == "moved" and len(seen) < 3:
            return real(*given)
        if place == "named" and len(seen) < 2:
            return real(*given)
        raise Cut

    with monkeypatch.context() as patched:
        patched.setattr(damage, calls[place], cut)
        with pytest.raises(Cut):
            Store(full, "CP1").__enter__()

    with Store(full, "CP1") as store:
        assert waiting(store) == EVERYTHING
    (aside,) = damage.folders(full)
    assert (aside / "station.db").read_bytes() == spoiled


def left_running(folder: Path, sessions: int) -> Store:
    """A store that nobody closes: its log stays."""
    store = Store(folder, "CP1").__enter__()
    store.record(started("first"))
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(sessions):
        store.record(started(f"T{number}"))
    return store


@pytest.fixture
def cut_off(folder: Path, tmp_path: Path) -> Path:
    """A folder as a power cut leaves it: a database and a log with five commits."""
    store = left_running(folder, 5)
    store.commit(RUNNING, ())
    store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for number in range(5, 10):
        store.record(started(f"T{number}"))
    copy = tmp_path / "copy"
    copy.mkdir()
    for name in ("station.db", "station.db-wal"):
        (copy / name).write_bytes((folder / name).read_bytes())
    store.__exit__()
    return copy


def test_a_whole_log_is_no_damage(cut_off: Path) -> None:
    with Store(cut_off, "CP1") as store:
        assert store.damage == ""
        assert "T9" in waiting(store)

    assert damage.folders(cut_off) == []


def test_a_last_commit_that_was_being_written_is_no_damage(cut_off: Path) -> None:
    path = cut_off / "station.db-wal"
    overwrite(path, path.stat().st_size - 10, b"\x00" * 10)

    with Store(cut_off, "CP1") as store:
        assert store.damage == ""
        assert "T8" in waiting(store)


@pytest.mark.parametrize("offset", [0, 32 + 24 + 100], ids=["header", "first frame"])
def test_a_log_with_garbage_is_set_aside_and_told(cut_off: Path, offset: int) -> None:
    path = cut_off / "station.db-wal"
    overwrite(path, offset, b"garbage!")
    before = path.read_bytes()

    with Store(cut_off, "CP1") as store:
        assert "log of the database is damaged" in store.damage
        assert "T4" in waiting(store)
        running = store.load(1).transaction

    (aside,) = damage.folders(cut_off)
    assert (aside / "station.db-wal").read_bytes() == before
    assert running is not None
    assert running.next_seq == 7 + SEQUENCE_GAP


def test_damage_is_remembered_until_it_is_told(full: Path) -> None:
    index(full / "station.db")
    with Store(full, "CP1"):
        pass

    with Store(full, "CP1") as store:
        assert "damaged-" in store.damage
        store.damage_told()

    with Store(full, "CP1") as store:
        assert store.damage == ""


def test_a_database_of_a_newer_version_is_not_touched(full: Path) -> None:
    with closing(sqlite3.connect(full / "station.db")) as db:
        db.execute(f"PRAGMA user_version = {len(steps()) + 1}")

    with pytest.raises(StoreError, match="newer version"):
        Store(full, "CP1").__enter__()

    assert damage.folders(full) == []


def test_a_damaged_database_of_another_station_stays_its_own(full: Path) -> None:
    index(full / "station.db")

    with pytest.raises(StoreError, match="belongs to station"):
        Store(full, "CP2").__enter__()

    assert damage.folders(full) == []


def test_an_index_that_is_older_than_its_table_is_met_once(folder: Path) -> None:
    path = folder / "station.db"
    with Store(folder, "CP1") as store:
        store.record(started("T1"))
    place = (root_of(path, "journal_stream") - 1) * PAGE
    before = path.read_bytes()[place : place + PAGE]
    with Store(folder, "CP1") as store:
        store.record(started("T2"))
    overwrite(path, place, before)  # the disk has lost this write

    with Store(folder, "CP1") as store:
        assert store.damage == ""
        with pytest.raises(StoreError, match="malformed"):
            store.delivered(entries(store)[1], START)
        assert store.damaged

    for _ in range(2):
        with Store(folder, "CP1") as store:
            assert "damaged-" in store.damage
            assert waiting(store) >= {"T2"}
            assert not (folder / "suspect").exists()
            store.delivered(entries(store)[-1], START)
            store.record(started("T2"))
    assert len(damage.folders(folder)) == 1


def test_garbage_that_can_be_read_is_looked_at_once_more_without_a_pause(
    full: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large database on a slow disk takes a while, and a start has its time."""
    index(full / "station.db")
    looks, look = [], opening._look_through
    monkeypatch.setattr(opening, "sleep", lambda _: pytest.fail("nothing to wait for"))
    monkeypatch.setattr(
        opening, "_look_through", lambda db, **how: (looks.append(how), look(db, **how))
    )

    with Store(full, "CP1") as store:
        assert "damaged-" in store.damage

    assert len(looks) == 2 + 1, "and at the new one"
