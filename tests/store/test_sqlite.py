"""What was committed survives, what was not leaves nothing; one folder belongs to one station."""

import sqlite3
import stat
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import RECORD, TOKEN, ended, kept, reading, started, status
from station_bench import entries

from chargepoint.core.model import (
    Authorization,
    ChargingState,
    Context,
    EvseState,
    Fault,
    Final,
    Sampled,
    Scope,
    Source,
    Stage,
    Transaction,
)
from chargepoint.errors import StoreError
from chargepoint.store.opening import peek
from chargepoint.store.sqlite import Store

BUSY = EvseState(
    1,
    Stage.CHARGING,
    connector_id=2,
    plugged=True,
    ev_ready=True,
    authorization=Authorization(TOKEN, Source.REMOTE, TOKEN, 7, 8),
    transaction=Transaction(
        "T1",
        START,
        Authorization(TOKEN, Source.CSMS),
        reading("1234.5670", signed=RECORD),
        next_seq=3,
        final=Final(reading("1300"), "valid", "", (Sampled(reading("1250"), Context.CLOCK),)),
        charging_state=ChargingState.SUSPENDED_EV,
        phases=3,
    ),
    limit_a=Decimal("10.50"),
    deadline=START + timedelta(microseconds=1),
    faults=(Fault("OtherError", "info", "vendor", blocks=False, connector_id=2),),
    inoperative=frozenset({Scope.STATION, Scope.EVSE}),
    closed=frozenset({2}),
    reserved_for=(7, 8),
    bay=True,
    locked=True,
    held=Authorization(TOKEN, Source.CACHE),
)


class Unstorable:
    """A fact that nobody knows how to write."""


def test_an_unknown_evse_starts_afresh(store: Store) -> None:
    assert store.load(7) == EvseState(7)


def test_a_state_reads_back_after_a_restart_as_it_was(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.commit(BUSY, ())

    with Store(folder, "CP1") as store:
        back = store.load(1)

    assert back == BUSY
    assert back.transaction is not None
    assert str(back.transaction.begin.samples[0].value) == "1234.5670"


def test_state_and_facts_are_stored_together_in_order(folder: Path) -> None:
    facts = (started(), status(), ended())
    with Store(folder, "CP1") as store:
        store.commit(BUSY, facts, offline=True)

    with Store(folder, "CP1") as store:
        assert [entry.fact for entry in entries(store)] == list(facts)
        assert all(entry.offline for entry in entries(store))
        assert store.waiting == 3


def test_a_step_that_cannot_be_written_leaves_nothing_at_all(store: Store) -> None:
    store.commit(EvseState(1), (started(),))
    broken = (kept(), ended(), status(), Unstorable())

    with pytest.raises(TypeError):
        store.commit(BUSY, broken)  # type: ignore[arg-type]

    assert store.load(1) == EvseState(1)
    assert [entry.fact for entry in entries(store)] == [started()]
    assert store.waiting == 1
    assert store.records.of("T1") == []
    assert store.transactions.kept("T1") == ()
    row = store.transactions.get("T1")
    assert row is not None
    assert row.ended_at is None


def test_a_process_that_is_killed_inside_a_commit_leaves_nothing(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.commit(EvseState(1), (started(),))
        store._db.execute("BEGIN IMMEDIATE")
        store._append((ended(),), offline=False)
        killed = sqlite3.connect(f"file:{folder}/station.db?mode=ro", uri=True)
        seen = killed.execute("SELECT count(*) FROM journal").fetchone()
        killed.close()
        store._db.execute("ROLLBACK")

    assert seen == (1,)


def test_after_a_failed_commit_the_next_one_works(store: Store) -> None:
    with pytest.raises(TypeError):
        store.commit(BUSY, (Unstorable(),))  # type: ignore[arg-type]

    store.commit(BUSY, (started(),))

    assert store.load(1) == BUSY
    assert store.waiting == 1


def test_the_folder_of_another_station_is_refused(folder: Path) -> None:
    with Store(folder, "CP1"):
        pass

    with (
        pytest.raises(StoreError, match="belongs to station 'CP1', this is 'CP2'"),
        Store(folder, "CP2"),
    ):
        pass

    with Store(folder, "CP1"):
        pass  # a refusal leaves neither lock nor file open


def test_a_folder_in_use_is_refused_until_it_is_left(folder: Path) -> None:
    with (
        Store(folder, "CP1"),
        pytest.raises(StoreError, match="in use by another running station"),
        Store(folder, "CP1"),
    ):
        pass

    with Store(folder, "CP1"):
        pass


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreError, match="state folder"), Store(tmp_path / "file/state", "CP1"):
        pass


def test_a_file_that_is_no_database_is_set_aside(folder: Path) -> None:
    folder.mkdir()
    garbage = b"this is not a database, but long enough to look at" * 99
    (folder / "station.db").write_bytes(garbage)

    with Store(folder, "CP1") as store:
        assert "not a database" in store.damage
        (aside,) = store.set_aside()

    assert (aside / "station.db").read_bytes() == garbage


def test_only_the_owner_may_look_into_the_folder(store: Store, folder: Path) -> None:
    assert store.waiting == 0
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_database_of_schema_0_gets_every_migration(folder: Path) -> None:
    folder.mkdir()
    sqlite3.connect(folder / "station.db").close()

    with Store(folder, "CP1") as store:
        store.commit(BUSY, (started(),))
        (version,) = store._db.execute("PRAGMA user_version").fetchone()

    assert version >= 1
    with Store(folder, "CP1") as store:
        assert store.load(1) == BUSY


def test_a_database_of_a_newer_version_is_refused_and_left_alone(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store._db.execute("PRAGMA user_version = 99")

    with pytest.raises(StoreError, match=r"newer version \(schema 99"), Store(folder, "CP1"):
        pass

    database = sqlite3.connect(folder / "station.db")
    (version,) = database.execute("PRAGMA user_version").fetchone()
    database.close()
    assert version == 99


def test_a_state_that_is_no_longer_understood_is_a_store_error(store: Store) -> None:
    store.commit(BUSY, ())
    store._db.execute('UPDATE evse SET state = \'{"evse_id": "one"}\'')

    with pytest.raises(StoreError, match="stored EvseState cannot be read"):
        store.load(1)


def test_a_commit_survives_a_power_cut_as_far_as_sqlite_can_say(store: Store) -> None:
    (mode,) = store._db.execute("PRAGMA journal_mode").fetchone()
    (synchronous,) = store._db.execute("PRAGMA synchronous").fetchone()

    assert (mode, synchronous) == ("wal", 2)


def test_peek_counts_what_waits_in_a_folder_nobody_uses(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.record(started(), status())

    assert peek(folder) == 2


def test_every_field_of_a_state_is_compared_by_these_tests() -> None:
    plain = EvseState(1)

    untouched = {
        name for name in plain.__slots__ if getattr(plain, name) == getattr(BUSY, name)
    } - {"evse_id", "opening", "denied", "denied_from_wh"}

    assert untouched == set()
    assert replace(BUSY, opening="T2", denied=True) != BUSY
