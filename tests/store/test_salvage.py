"""What becomes of a damaged database if the power or the room ends while it is being salvaged."""

import errno
import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from bad_disk import BadDisk, Ill, bad_disk
from fake_clock import START
from sample_facts import RECORD, ended, reading, started, updated
from small_disk import filled, small_disk
from station_bench import entries

from chargepoint.core.evse import advance
from chargepoint.core.facts import TransactionEnded
from chargepoint.core.inputs import EndTaken, PowerRestored
from chargepoint.core.model import EvseState, Policy, Stage, StopReason, Transaction
from chargepoint.core.orders import TakeEnd
from chargepoint.errors import StoreError
from chargepoint.store import damage, opening, salvage
from chargepoint.store.salvage import SEQUENCE_GAP
from chargepoint.store.sqlite import Store
from chargepoint.store.untold import Lack

PAGE = 4096
SESSIONS = 12
EVERYTHING = {f"T{number}" for number in range(SESSIONS)}


class Cut(BaseException):
    """The power goes."""


def running(evse_id: int) -> EvseState:
    transaction = Transaction(f"T-run{evse_id}", START, None, None, next_seq=7)
    return EvseState(evse_id, Stage.CHARGING, plugged=True, transaction=transaction)


def signed(number: int, size: int) -> TransactionEnded:
    document = b"OCMF|%d|" % number + b"+" * size
    return replace(ended(f"T{number}"), end=reading(signed=replace(RECORD, document=document)))


def filled_folder(folder: Path, size: int = 900) -> Path:
    with Store(folder, "CP1") as store:
        for number in range(SESSIONS):
            store.record(started(f"T{number}"), signed(number, size))
    return folder


def spoil_index(folder: Path) -> bytes:
    path = folder / "station.db"
    with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as db:
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'record_verdict'"
        (root,) = db.execute(sql).fetchone()
    return overwrite(path, (root - 1) * PAGE, b"\xff" * 200)


def spoil_header(folder: Path) -> bytes:
    return overwrite(folder / "station.db", 0, b"garbage!" * 12)


def overwrite(path: Path, offset: int, text: bytes) -> bytes:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(text)
    return path.read_bytes()


def waiting(store: Store) -> set[str]:
    return {entry.fact.transaction_id for entry in entries(store)}  # type: ignore[union-attr]


def cut_off(folder: Path, copy: Path, *states: EvseState) -> Path:
    """A folder as a power cut leaves it: a database, and a log with five commits."""
    with Store(folder, "CP1") as store:
        for state in states:
            store.commit(state, ())
        store._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for number in range(5):
            store.record(started(f"T{number}"))
        copy.mkdir()
        for name in ("station.db", "station.db-wal"):
            shutil.copyfile(folder / name, copy / name)
    return copy


@pytest.mark.parametrize("ill", Ill)
def test_a_disk_that_fails_at_any_moment_of_a_salvage_costs_nothing(
    folder: Path, tmp_path: Path, ill: Ill
) -> None:
    filled_folder(folder)
    spoiled = spoil_index(folder)

    for moment in range(1, 1000, 11):
        again = tmp_path / f"at {moment}"
        shutil.copytree(folder, again)
        with bad_disk() as disk:
            disk.fail(moment, ill, lasting=True)
            failed = _fails_to_open(again, disk)
        with Store(again, "CP1") as store:
            assert (moment, waiting(store)) == (moment, EVERYTHING)
            assert "damaged-" in store.damage
        (aside,) = damage.folders(again)
        assert (aside / "station.db").read_bytes() == spoiled
        shutil.rmtree(again)
        if not failed:
            break
    else:
        pytest.fail("it never came to an end")
    assert moment > 20


def _fails_to_open(folder: Path, disk: BadDisk) -> bool:
    """Whether the disk did what it was told; a station may start all the same."""
    try:
        with Store(folder, "CP1"):
            pass
    except StoreError:
        pass
    return bool(disk.refused)


def test_a_salvage_without_room_is_done_once_there_is_some(tmp_path: Path) -> None:
    with small_disk(tmp_path, 24) as place:
        folder = filled_folder(place / "state", size=50_000)
        spoiled = spoil_header(folder)
        (folder / "reserve").unlink()  # it has been given up
        others = filled(place / "others")
        os.truncate(others, others.stat().st_size - (1 << 20))  # enough for an empty database
        for _ in range(2):
            with pytest.raises(StoreError):
                Store(folder, "CP1").__enter__()
        others.unlink()

        with Store(folder, "CP1") as store:
            assert waiting(store) == EVERYTHING
        (aside,) = damage.folders(folder)
        assert (aside / "station.db").read_bytes() == spoiled


def test_a_salvage_that_is_killed_leaves_no_copies(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled_folder(folder)
    spoil_header(folder)
    for _ in range(2):
        if (child := os.fork()) == 0:
            monkeypatch.setattr(salvage, "_records_of_facts", lambda _: os._exit(9))
            Store(folder, "CP1").__enter__()
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9

    with Store(folder, "CP1") as store:
        assert waiting(store) == EVERYTHING
        names = {path.name for path in folder.iterdir()}
    (aside,) = damage.folders(folder)
    assert names == {"station.db", "station.db-wal", "station.db-shm", "lock", "reserve"} | {
        aside.name
    }


def test_database_and_log_come_into_one_folder_whenever_the_power_goes(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cut_off(filled_folder(folder), tmp_path / "left")
    spoiled = {"station.db": spoil_index(left)}
    spoiled["station.db-wal"] = (left / "station.db-wal").read_bytes()
    real = Path.rename

    def cut(path: Path, target: Path) -> Path:
        moved = real(path, target)
        if path.name == "station.db-wal":
            raise Cut
        return moved

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", cut)
        patched.setattr(damage, "datetime", _Elsewhen)
        with pytest.raises(Cut):
            Store(left, "CP1").__enter__()

    with Store(left, "CP1") as store:
        assert waiting(store) >= EVERYTHING
        (aside,) = damage.folders(left)
        assert aside.name in store.damage
    assert {name: (aside / name).read_bytes() for name in spoiled} == spoiled


class _Elsewhen:
    """Another second than the one after the cut."""

    @staticmethod
    def now(_: object) -> object:
        return START


def test_a_damaged_log_is_not_deleted_because_there_is_no_room_for_its_copy(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cut_off(folder, tmp_path / "left", running(1), running(2))
    overwrite(left / "station.db-wal", 32 + 24 + 100, b"garbage!")
    before = (left / "station.db-wal").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for name in ("copyfile", "copyfileobj"):
        monkeypatch.setattr(shutil, name, full)
    for _ in range(2):
        with pytest.raises(StoreError, match="No space left"):
            Store(left, "CP1").__enter__()
    assert damage.folders(left) == []
    monkeypatch.undo()

    with Store(left, "CP1") as store:
        assert "log of the database is damaged" in store.damage
    (aside,) = damage.folders(left)
    assert (aside / "station.db-wal").read_bytes() == before


def test_a_power_cut_while_a_damaged_log_is_noted_leaves_no_number_to_be_given_twice(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = cut_off(folder, tmp_path / "left", running(1), running(2))
    overwrite(left / "station.db-wal", 32 + 24 + 100, b"garbage!")
    real, seen = salvage.replace, []

    def cut(*given: object, **changes: object) -> object:
        seen.append(given)
        if len(seen) == 3:  # transaction and state of the first EVSE are done
            raise Cut
        return real(*given, **changes)  # type: ignore[type-var]

    with monkeypatch.context() as patched:
        patched.setattr(salvage, "replace", cut)
        with pytest.raises(Cut):
            Store(left, "CP1").__enter__()

    with Store(left, "CP1") as store:
        assert "log of the database is damaged" in store.damage
        for evse_id in (1, 2):
            transaction = store.load(evse_id).transaction
            assert transaction is not None
            assert transaction.next_seq == 7 + SEQUENCE_GAP
    assert len(damage.folders(left)) == 1


def test_the_log_beside_a_damaged_database_is_kept_as_it_is(folder: Path, tmp_path: Path) -> None:
    left = cut_off(filled_folder(folder), tmp_path / "left")
    database = spoil_index(left)
    log = overwrite(left / "station.db-wal", (left / "station.db-wal").stat().st_size - 9, b"!")

    with Store(left, "CP1") as store:
        assert waiting(store) >= EVERYTHING

    (aside,) = damage.folders(left)
    assert (aside / "station.db").read_bytes() == database
    assert (aside / "station.db-wal").read_bytes() == log


def test_what_lies_between_two_bad_places_is_read_in_an_old_database(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(salvage, "_PROBED_MOST", 1000)
    with Store(folder, "CP1") as store:
        store._db.execute("INSERT INTO sqlite_sequence VALUES ('record', 900000)")
    filled_folder(folder)
    with closing(sqlite3.connect(folder / "station.db")) as db:
        db.execute("UPDATE record SET encoding = CAST(X'ff' AS TEXT) WHERE number % 10 IN (1, 9)")
        db.commit()
    with (
        closing(sqlite3.connect(folder / "station.db")) as old,
        closing(sqlite3.connect(":memory:", isolation_level=None)) as fresh,
    ):
        opening.migrate(fresh, folder)

        taken = salvage._take_over(old, fresh, "record")

    assert taken == SESSIONS - 3


def test_a_session_whose_state_cannot_be_read_is_ended_with_its_record(folder: Path) -> None:
    begin = reading(signed=replace(RECORD, document=b"OCMF|begin"))
    with Store(folder, "CP1") as store:
        store.commit(running(1), (started("T-run1", begin=None), updated("T-run1", begin=begin)))
        store.commit(running(2), (started("T-run2", evse_id=2, begin=reading("4000")),))
        store.delivered(entries(store)[2], START)
        store._db.execute("UPDATE evse SET state = CAST('{\"evse_id\":7x' AS BLOB)")
        store._db.execute("DELETE FROM record")

    with Store(folder, "CP1") as store:
        assert "damaged-" in store.damage
        states = [store.load(1), store.load(2)]
        assert [row.document for row in store.records.of("T-run1")] == [b"OCMF|begin"]

    ends = []
    for state in states:
        back = advance(state, PowerRestored(plugged=True, connector_id=1), START, Policy("new"))
        assert TakeEnd(f"T-run{state.evse_id}") in back.orders
        end = EndTaken(f"T-run{state.evse_id}", reading("9000", signed=RECORD), "valid")
        ends += advance(back.state, end, START, Policy("new")).facts
    told = [fact for fact in ends if isinstance(fact, TransactionEnded)]
    assert [fact.transaction_id for fact in told] == ["T-run1", "T-run2"]
    assert [fact.reason for fact in told] == [StopReason.POWER_LOSS] * 2
    assert [fact.begin for fact in told] == [begin, reading("4000")]
    assert all(fact.end is not None and fact.end.signed == RECORD for fact in told)
    assert all(fact.seq > SEQUENCE_GAP for fact in told)


@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("display_message", "message"),
        ("job", "job"),
        ("local_list", "entry"),
        ("monitor", "monitor"),
        ("network_profile", "profile"),
        ("reservation", "entry"),
        ("session_cost", "cost"),
        ("token", "entry"),
    ],
)
def test_a_row_that_cannot_be_read_keeps_no_station_from_starting(
    folder: Path, table: str, column: str
) -> None:
    with Store(filled_folder(folder), "CP1") as store:
        names = [row[1] for row in store._db.execute(f"PRAGMA table_info({table})")]
        values = [b'{"broken' if name == column else 1 for name in names]
        marks = ",".join("?" * len(names))
        store._db.execute(f"INSERT INTO {table} VALUES ({marks})", values)  # noqa: S608

    with Store(folder, "CP1") as store:
        assert table in store.damage
        assert waiting(store) == EVERYTHING
        assert store._db.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,)  # noqa: S608
        assert store.reservations.load() == []
        assert store.monitors.load() == {}
        assert store.network.load() == {}
        assert store.screens.messages() == ()
        assert store.screens.costs() == {}
    (aside,) = damage.folders(folder)
    assert (aside / "station.db").exists()


def test_what_was_put_by_because_it_cannot_be_read_stays_put_by(folder: Path) -> None:
    with Store(filled_folder(folder), "CP1") as store:
        store._db.execute("UPDATE journal SET fact = X'7b' WHERE number = 1")
        store.put_by(1, Lack("2.0.1", "cannot be read", START.isoformat()))
    spoil_index(folder)

    with Store(folder, "CP1") as store:
        (kept,) = store.untold.all()
        assert (kept.kind, kept.fact) == ("TransactionStarted", None)


def test_a_state_of_another_kind_of_value_is_damage(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.commit(running(1), ())
        store._db.execute("UPDATE evse SET state = CAST(X'ff7b' AS TEXT)")

    with Store(folder, "CP1") as store:
        assert "damaged-" in store.damage
        assert store.load(1) == EvseState(1)


@pytest.mark.parametrize("table", ["meta", "setting"])
def test_a_text_that_is_none_keeps_no_station_from_starting(folder: Path, table: str) -> None:
    with Store(filled_folder(folder), "CP1") as store:
        for key in ("A", "B", "z"):
            store.settings.save_setting(key, "1")
        store._db.execute(f"INSERT INTO {table} VALUES ('C', CAST(X'31ff' AS TEXT))")  # noqa: S608

    with Store(folder, "CP1") as store:
        assert table in store.damage
        assert waiting(store) == EVERYTHING
        assert store.settings.load_settings() == {"A": "1", "B": "1", "z": "1"}
