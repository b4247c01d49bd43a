"""A disk that is full, or refuses: nothing of the call is stored, the reserve gives room."""

import errno
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_clock import START
from sample_facts import RECORD, ended, reading, started

from chargepoint.core.authorization import Known
from chargepoint.core.model import EvseState, IdToken, Source, Stage
from chargepoint.errors import StoreError
from chargepoint.store import reserve
from chargepoint.store.sqlite import Store

BUSY = EvseState(1, Stage.PLUGGED, plugged=True)


def _fill(store: Store) -> None:
    """Leave the database no page to grow."""
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")


def _empty(store: Store) -> None:
    store._db.execute("PRAGMA max_page_count = 1000000")


def _big(number: int) -> Any:
    record = sqlite3.Binary(b"x" * 20_000)
    return ended(f"T{number}", end=reading(signed=type(RECORD)(bytes(record))))


def test_on_a_full_disk_nothing_of_a_step_is_stored(store: Store) -> None:
    _fill(store)

    with pytest.raises(StoreError, match="full"):
        store.commit(BUSY, (_big(1),))

    assert store.load(1) == EvseState(1)
    assert store.waiting == 0
    assert store.next_entry() is None
    assert store.records.of("T1") == []


def test_a_number_of_the_csms_is_known_although_the_disk_did_not_take_it(store: Store) -> None:
    store.record(started())
    entry = store.next_entry()
    assert entry is not None
    store._db.execute("PRAGMA query_only = 1")
    with pytest.raises(StoreError):
        store.bind_csms_transaction("T1", 4711)
    assert store.csms_transaction("T1") == 4711
    store._db.execute("PRAGMA query_only = 0")

    store.delivered(entry, START, csms_id=store.csms_transaction("T1"))

    assert store.csms_transaction("T1") == 4711
    assert store._db.execute("SELECT csms_id FROM csms_transaction").fetchall() == [(4711,)]


def test_the_reserve_is_given_up_and_no_session_is_taken_until_it_is_back(
    store: Store, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.takes_sessions()
    assert (folder / "reserve").stat().st_size == reserve.BYTES
    _fill(store)

    with pytest.raises(StoreError):
        store.record(_big(1))

    assert store.low
    assert not (folder / "reserve").exists()
    with monkeypatch.context() as patched:
        patched.setattr(os, "posix_fallocate", _no_space)
        assert not store.takes_sessions()
        assert not (folder / "reserve").exists(), "no half a reserve is left"
    assert store.takes_sessions()
    assert not store.low


def _no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_the_first_commit_after_there_is_room_makes_the_reserve_again(
    store: Store, folder: Path
) -> None:
    _fill(store)
    with pytest.raises(StoreError):
        store.record(_big(1))
    _empty(store)

    store.record(_big(1))

    assert not store.low
    assert (folder / "reserve").exists()


def test_a_station_that_starts_on_a_full_disk_takes_no_sessions(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "posix_fallocate", _no_space)

    with Store(folder, "CP1") as store:
        assert store.low
        store.record(started())
        assert store.waiting == 1


def test_a_disk_that_became_read_only_is_a_store_error(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(Path, "unlink", refuse)
    store._db.execute("PRAGMA query_only = 1")

    with pytest.raises(StoreError, match="readonly"):
        store.commit(BUSY, (started(),))

    assert store.low


Call = Callable[[Store], object]
CALLS: dict[str, Call] = {
    "commit": lambda store: store.commit(BUSY, ()),
    "record": lambda store: store.record(started()),
    "load": lambda store: store.load(1),
    "next_entry": lambda store: store.next_entry(),
    "forget_statuses": lambda store: store.forget_statuses(),
    "csms_transaction": lambda store: store.csms_transaction("T1"),
    "bind_csms_transaction": lambda store: store.bind_csms_transaction("T1", 1),
    "transactions.page": lambda store: store.transactions.page(1),
    "transactions.get": lambda store: store.transactions.get("T1"),
    "transactions.kept": lambda store: store.transactions.kept("T1"),
    "records.add_found": lambda store: store.records.add_found("T1", 1, reading(), RECORD, "valid"),
    "records.has": lambda store: store.records.has("T1"),
    "records.of": lambda store: store.records.of("T1"),
    "records.count": lambda store: store.records.count(),
    "records.mark_released": lambda store: store.records.mark_released("T1", START),
    "records.mark_all_released": lambda store: store.records.mark_all_released(1, START),
    "records.mark_delivered": lambda store: store.records.mark_delivered("T1", START, b""),
    "tokens.remember": lambda store: store.tokens.remember(
        IdToken("AB"), Known("Accepted", Source.CACHE), START
    ),
    "tokens.known": lambda store: store.tokens.known(IdToken("AB")),
    "tokens.forget_all": lambda store: store.tokens.forget_all(),
    "settings.load_settings": lambda store: store.settings.load_settings(),
    "settings.save_setting": lambda store: store.settings.save_setting("a", "b"),
}


class BrokenDisk:
    """A connection to a file whose disk is gone."""

    in_transaction = False

    def execute(self, *_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_whatever_is_asked_of_a_broken_disk_is_a_store_error(
    store: Store, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    for part in (store, store.transactions, store.records, store.tokens, store.settings):
        monkeypatch.setattr(part, "_db", BrokenDisk())

    with pytest.raises(StoreError, match="disk I/O error"):
        call(store)
