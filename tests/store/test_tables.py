"""Transactions, kept readings, records, tokens and settings beside the journal."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from fake_clock import START
from sample_facts import RECORD, ended, kept, reading, started, updated

from chargepoint.core.model import EvseState, Stage, Transaction
from chargepoint.store import tables
from chargepoint.store.sqlite import Store


def test_a_transaction_is_noted_at_its_begin_and_at_its_end(store: Store) -> None:
    store.record(started())
    running = store.transactions.get("T1")

    store.record(ended())
    over = store.transactions.get("T1")

    assert running is not None
    assert over is not None
    assert (running.begin_wh, running.ended_at, running.energy_wh) == ("1000", None, None)
    assert (over.end_wh, over.reason, over.missing) == ("9000.125", "Local", None)
    assert over.energy_wh == Decimal("8000.125")


def test_a_transaction_shows_no_token(store: Store) -> None:
    store.record(started())

    row = store.transactions.get("T1")

    assert row is not None
    assert row.token == "***D4"


def test_an_end_without_reading_keeps_the_reason_why(store: Store) -> None:
    store.record(started(), ended(end=None, missing="meter gone"))

    row = store.transactions.get("T1")

    assert row is not None
    assert (row.end_wh, row.missing, row.energy_wh) == (None, "meter gone", None)


def test_a_meter_without_energy_register_leaves_the_energy_open(store: Store) -> None:
    store.record(started(begin=replace(reading(), samples=())), ended())

    row = store.transactions.get("T1")

    assert row is not None
    assert row.energy_wh is None


def test_transactions_are_listed_newest_first_page_by_page(store: Store) -> None:
    for hour in range(5):
        store.record(started(f"T{hour}", at=START + timedelta(hours=hour)))

    first = store.transactions.page(2)
    second = store.transactions.page(2, before=first[-1].started_at)

    assert [row.transaction_id for row in first + second] == ["T4", "T3", "T2", "T1"]
    assert store.transactions.get("T9") is None


def test_the_oldest_finished_transactions_go_at_the_bound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "TRANSACTIONS_MOST", 2)
    store.record(started("running", at=START - timedelta(days=1)))
    for hour in range(4):
        store.record(started(f"T{hour}", at=START + timedelta(hours=hour)), ended(f"T{hour}"))

    rows = store.transactions.page(10)

    assert [row.transaction_id for row in rows] == ["T3", "T2", "running"]
    assert len(store.records.of("T0")) == 1, "a record outlives its row for people"


def test_kept_readings_go_with_their_transaction_only(store: Store) -> None:
    store.commit(EvseState(1), (started(), kept("T1"), kept("T2")))

    store.record(ended("T1"))

    assert store.transactions.kept("T1") == ()
    assert len(store.transactions.kept("T2")) == 1


def test_kept_readings_are_thinned_evenly_at_the_bound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "KEPT_MOST", 8)

    for number in range(30):
        store.record(kept("T1", str(number)))

    energies = [s.reading.samples[0].value for s in store.transactions.kept("T1")]
    assert len(energies) <= 8
    assert energies == sorted(energies)
    assert energies[0] == 0


def test_the_same_record_is_stored_once(store: Store) -> None:
    store.record(ended())
    store.records.add_found("T1", 1, reading(signed=RECORD), RECORD, "valid")

    assert len(store.records.of("T1")) == 1
    assert store.records.count() == {"valid": 1}


def test_two_records_of_one_transaction_are_both_kept_in_order(store: Store) -> None:
    other = replace(RECORD, document=b"OCMF|{}|{}", method="ECDSA", encoding="OCMF")
    store.records.add_found("T1", 1, reading(), RECORD, "valid")
    store.records.add_found("T1", 1, reading(), other, "invalid")

    rows = store.records.of("T1")

    assert [row.document for row in rows] == [RECORD.document, other.document]
    assert [row.verdict for row in rows] == ["valid", "invalid"]
    assert rows[0].public_key == RECORD.public_key
    assert store.records.has("T1")
    assert not store.records.has("T2")


def test_a_mark_is_set_once(store: Store) -> None:
    store.record(ended())

    for hours in (0, 1):
        store.records.mark_released("T1", START + timedelta(hours=hours))
        store.records.mark_delivered("T1", START + timedelta(hours=hours), RECORD.document)

    (row,) = store.records.of("T1")
    assert (row.released_at, row.delivered_at) == (START.isoformat(), START.isoformat())


def test_all_records_of_one_meter_can_be_marked_as_released(store: Store) -> None:
    store.record(ended("T1"), ended("T2"))
    store.records.mark_released("T1", START)
    other = replace(RECORD, document=b"OCMF|other")
    store.records.add_found("T3", 2, reading(), other, "valid")

    store.records.mark_all_released(1, START + timedelta(hours=1))

    times = [store.records.of(name)[0].released_at for name in ("T1", "T2", "T3")]
    later = (START + timedelta(hours=1)).isoformat()
    assert times == [START.isoformat(), later, None]


def test_a_changed_setting_is_kept_and_changed_again(store: Store) -> None:
    store.settings.save_setting("HeartbeatInterval", "60")
    store.settings.save_setting("HeartbeatInterval", "90")

    assert store.settings.load_settings() == {"HeartbeatInterval": "90"}


def test_what_is_remembered_of_a_transaction_goes_once_it_is_no_longer_known(store: Store) -> None:
    running = Transaction("T-run", START, None, None, next_seq=1)
    store.commit(EvseState(1, Stage.CHARGING, transaction=running), ())
    for name in ("T-gone", "T-run", "T-waits", "T-known"):
        store.bind_csms_transaction(name, 7)
        store.record(kept(name))
        store.untold.passed(started(name), "1.6")
    store.record(updated("T-waits"), started("T-known"))

    store.leaving.forget_gone()

    left = [
        [name for (name,) in store._db.execute(f"SELECT DISTINCT transaction_id FROM {table}")]  # noqa: S608
        for table in ("csms_transaction", "begin_told", "kept")
    ]
    assert [sorted(names) for names in left] == [["T-known", "T-run", "T-waits"]] * 3
