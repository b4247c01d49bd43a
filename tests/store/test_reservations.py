"""The table of reservations."""

import json
import sqlite3
from datetime import timedelta
from importlib import resources
from pathlib import Path

from fake_clock import START
from sample_facts import TOKEN

from chargepoint.core.facts import ReservationEnded, ReservationEnding, ReservationUsed
from chargepoint.core.model import EvseState, Scope
from chargepoint.core.reservation import Reservation
from chargepoint.store.sqlite import Store

FULL = Reservation(7, START + timedelta(hours=1), TOKEN, TOKEN, 1, 2, "cType2")
OPEN = Reservation(8, START, TOKEN)


def test_reservations_read_back_after_a_restart_in_the_order_they_were_made(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.reservations.put(FULL)
        store.reservations.put(OPEN)

    with Store(folder, "CP1") as store:
        assert store.reservations.load() == [FULL, OPEN]


def test_one_of_the_same_id_is_replaced_where_it_stands(store: Store) -> None:
    store.reservations.put(FULL)
    store.reservations.put(OPEN)
    other = Reservation(7, START, TOKEN)

    store.reservations.put(other)

    assert store.reservations.load() == [other, OPEN]


def test_a_cancelled_one_is_gone_and_may_be_cancelled_again(store: Store) -> None:
    store.reservations.put(FULL)

    store.reservations.cancel(7)
    store.reservations.cancel(7)

    assert store.reservations.load() == []


def test_one_that_is_used_goes_with_the_state_that_uses_it_and_is_not_told(store: Store) -> None:
    store.reservations.put(FULL)

    store.commit(EvseState(1), (ReservationUsed(7),))

    assert store.reservations.load() == []
    assert store.waiting == 0


def test_one_that_ended_goes_with_the_fact_that_tells_it(store: Store) -> None:
    store.reservations.put(FULL)
    fact = ReservationEnded(7, START, ReservationEnding.EXPIRED)

    store.record(fact)

    assert store.reservations.load() == []
    entry = store.next_entry()
    assert entry is not None
    assert entry.fact == fact


def test_a_connector_out_of_order_before_the_migration_still_is(folder: Path) -> None:
    folder.mkdir()
    old = {"evse_id": 1, "connector_id": 2, "inoperative": ["station", "connector"]}
    first = resources.files("chargepoint.store").joinpath("schema", "0001.sql")
    with sqlite3.connect(folder / "station.db") as db:
        db.executescript(first.read_text(encoding="utf-8"))
        db.execute("INSERT INTO evse VALUES (1, ?)", (json.dumps(old).encode(),))
        db.execute("INSERT INTO evse VALUES (2, ?)", (b'{"evse_id": 2, "inoperative": ["evse"]}',))
        db.execute("PRAGMA user_version = 1")
    db.close()

    with Store(folder, "CP1") as store:
        assert store.load(1).closed == {2}
        assert store.load(1).inoperative == {Scope.STATION}
        assert store.load(2).closed == frozenset()
        assert store.load(2).inoperative == {Scope.EVSE}
