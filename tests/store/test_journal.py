"""The journal is the outbox: order, ids that last, superseded statuses, its bound."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import (
    ALL,
    RECORD,
    TOKEN,
    ended,
    idle_sample,
    kept,
    reading,
    security,
    started,
    status,
    updated,
)
from station_bench import entries

from chargepoint.core.facts import (
    CertificateRequested,
    ChargingLimitSet,
    Fact,
    MeterSampled,
    Status,
    TransactionUpdated,
)
from chargepoint.core.model import EvseState
from chargepoint.errors import StoreError
from chargepoint.store import codec, sqlite
from chargepoint.store.sqlite import Entry, Store
from chargepoint.store.streams import stream_of
from chargepoint.store.untold import Lack


def _next(store: Store, *held: str) -> Entry:
    entry = store.next_entry(frozenset(held))
    assert entry is not None
    return entry


@pytest.mark.parametrize("fact", ALL, ids=lambda fact: type(fact).__name__)
def test_every_fact_reads_back_as_it_was(folder: Path, fact: Fact) -> None:
    with Store(folder, "CP1") as store:
        store.record(fact)

    with Store(folder, "CP1") as store:
        assert _next(store).fact == fact


def test_the_document_of_a_signed_record_keeps_every_byte(store: Store) -> None:
    store.record(ended())

    fact = _next(store).fact

    assert fact == ended()
    assert fact.end.signed.document == RECORD.document  # type: ignore[union-attr]


def test_the_message_id_of_a_fact_is_the_same_after_a_restart(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.record(started(), updated())
        before = [entry.message_id for entry in entries(store)]
        assert _next(store).message_id == before[0]

    with Store(folder, "CP1") as store:
        assert [entry.message_id for entry in entries(store)] == before
    assert len(set(before)) == 2
    assert all(len(message_id) <= 36 for message_id in before)


def test_attempts_and_the_offline_mark_last(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.record(started(), offline=True)
        store.attempted(_next(store))

    with Store(folder, "CP1") as store:
        entry = _next(store)
        assert (entry.attempts, entry.offline) == (1, True)


def test_the_oldest_fact_comes_first_and_a_held_stream_is_passed_over(store: Store) -> None:
    store.record(started("T1"), started("T2"), updated("T1"), status())

    assert _next(store).fact == started("T1")
    assert _next(store, "transaction T1").fact == started("T2")
    assert _next(store, "transaction T1", "transaction T2").fact == status()
    held = frozenset({"transaction T1", "transaction T2", "status 1.1"})
    assert store.next_entry(held) is None


def test_a_delivered_fact_is_gone_and_counted(store: Store) -> None:
    store.record(started(), updated())

    store.delivered(_next(store), START)

    assert [entry.fact for entry in entries(store)] == [updated()]
    assert store.waiting == 1


def test_the_csms_id_is_bound_in_the_commit_that_forgets_the_start(store: Store) -> None:
    store.record(started())

    store.delivered(_next(store), START, csms_id=4711)

    assert store.csms_transaction("T1") == 4711
    assert store.csms_transaction("T2") is None


def test_the_last_csms_id_wins(store: Store) -> None:
    store.bind_csms_transaction("T1", 1)
    store.bind_csms_transaction("T1", 2)

    assert store.csms_transaction("T1") == 2


def test_a_record_is_marked_delivered_with_its_end(store: Store) -> None:
    store.record(ended())

    store.delivered(_next(store), START)

    (row,) = store.records.of("T1")
    assert row.delivered_at == START.isoformat()


def test_a_fact_given_up_leaves_its_record_in_the_archive_undelivered(store: Store) -> None:
    store.record(ended())

    store.given_up(_next(store), Lack("1.6", "refused", START.isoformat()))

    assert store.waiting == 0
    (row,) = store.records.of("T1")
    assert (row.document, row.delivered_at) == (RECORD.document, None)


def test_a_new_status_supersedes_one_of_the_same_connector_that_nobody_saw(store: Store) -> None:
    store.record(status(), status(evse_id=2), started())

    store.record(status(Status.CHARGING))

    facts = [entry.fact for entry in entries(store)]
    assert facts == [status(evse_id=2), started(), status(Status.CHARGING)]
    assert store.waiting == 3


def test_a_status_superseded_while_it_is_sent_does_not_take_the_new_one_along(
    store: Store,
) -> None:
    store.record(status())
    under_way = _next(store)
    store.record(status(Status.CHARGING))

    store.delivered(under_way, START)

    assert [entry.fact for entry in entries(store)] == [status(Status.CHARGING)]
    assert store.waiting == 1


def test_a_record_found_while_the_end_waits_is_not_delivered_with_it(store: Store) -> None:
    lost = ended(end=None, samples=(), verdict="", missing="unreachable: no answer")
    store.record(started(), lost)
    store.records.add_found("T1", 1, reading(), RECORD, "valid")

    for _ in range(2):
        store.delivered(_next(store), START)

    (row,) = store.records.of("T1")
    assert row.delivered_at is None


def test_more_streams_may_be_held_than_a_statement_has_variables(store: Store) -> None:
    store._db.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 999)  # as older builds of SQLite
    store.record(started("T1"), started('T "2"'), started("T3"))
    held = {f"transaction held {number}" for number in range(2000)}

    assert _next(store, *held, "transaction T1", 'transaction T "2"').fact == started("T3")
    assert (
        store.next_entry(frozenset(held | {f"transaction {t}" for t in ("T1", 'T "2"', "T3")}))
        is None
    )


def test_limits_from_beside_the_csms_are_thinned_but_the_last_of_each(small_store: Store) -> None:
    for _ in range(100):
        small_store.record(ChargingLimitSet(1, START, "EMS"), ChargingLimitSet(2, START, "SO"))
        assert small_store.waiting < 20

    last = [entry.fact for entry in entries(small_store)][-2:]
    assert last == [ChargingLimitSet(1, START, "EMS"), ChargingLimitSet(2, START, "SO")]


def test_all_statuses_can_be_forgotten_and_nothing_else(store: Store) -> None:
    store.record(status(), started(), status(evse_id=2))

    store.forget_statuses()

    assert [entry.fact for entry in entries(store)] == [started()]
    assert store.waiting == 1


def test_a_reading_kept_for_the_final_message_is_not_sent(store: Store) -> None:
    store.commit(EvseState(1), (kept(),))

    assert store.waiting == 0
    assert store.transactions.kept("T1") == (kept().sampled,)


STREAMS = [
    (status(evse_id=2), "status 2.1"),
    (started(), "transaction T1"),
    (updated(), "transaction T1"),
    (ended(), "transaction T1"),
    (kept(), "transaction T1"),
    (idle_sample(), "meter 1"),
    (security(), "security"),
    (CertificateRequested("V2GCertificateChain", START, "csr"), "certificate V2GCertificateChain"),
]


@pytest.mark.parametrize(("fact", "stream"), STREAMS)
def test_facts_of_one_subject_share_a_stream(fact: Fact, stream: str) -> None:
    assert stream_of(fact) == stream


@pytest.fixture
def small_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store that is full with twelve facts."""
    monkeypatch.setattr(sqlite, "JOURNAL_MOST", 12)
    with Store(folder, "CP1") as store:
        yield store


@pytest.mark.spec("2.0.1", "E04.FR.08")
def test_at_the_bound_only_intermediate_readings_are_thinned(small_store: Store) -> None:
    small_store.record(started(), status(), security())

    for seq in range(1, 40):
        small_store.record(updated(seq=seq), idle_sample(str(seq)))
        assert small_store.waiting <= 13
    small_store.record(ended(seq=40))

    facts = [entry.fact for entry in entries(small_store)]
    assert small_store.waiting == len(facts)
    assert {started(), status(), security(), ended(seq=40)} <= set(facts)
    sequence = [fact.seq for fact in facts if isinstance(fact, TransactionUpdated)]
    assert len(sequence) >= 3, "thinned, not emptied"
    assert sequence[0] == 1
    assert sequence[-1] >= 38, "the newest are not the first to go"


def test_readings_of_one_transaction_are_not_thinned_away_by_another(small_store: Store) -> None:
    small_store.record(updated("T1"), updated("T2"))

    for seq in range(2, 40):
        small_store.record(updated("T2", seq))

    assert entries(small_store)[0].fact == updated("T1")


def test_who_was_authorized_and_what_the_meter_began_with_are_never_thinned(
    small_store: Store,
) -> None:
    authorized = replace(updated(seq=1), token=TOKEN, authorizes=True)
    begun = replace(updated(seq=3), begin=reading("1000"))
    small_store.record(updated(seq=0), authorized, updated(seq=2), begun)

    for seq in range(4, 40):
        small_store.record(updated(seq=seq))

    facts = [entry.fact for entry in entries(small_store)]
    assert {authorized, begun} <= set(facts)


def test_readings_of_transactions_are_dropped_last(small_store: Store) -> None:
    for seq in range(8):
        small_store.record(updated(seq=seq))

    for wh in range(5):
        small_store.record(idle_sample(str(wh)))

    facts = [entry.fact for entry in entries(small_store)]
    assert sum(isinstance(fact, TransactionUpdated) for fact in facts) == 8
    assert [fact for fact in facts if isinstance(fact, MeterSampled)] == [
        idle_sample(str(wh)) for wh in (0, 2, 4)
    ]


def test_every_status_waits_if_everything_is_queued(store: Store) -> None:
    store.queue_all = True
    words = (Status.PREPARING, Status.CHARGING, Status.FINISHING)

    store.record(*(status(word) for word in words))
    store.forget_statuses()

    assert [entry.fact for entry in entries(store)] == [status(word) for word in words]


def test_queued_statuses_are_bounded_and_the_last_one_stays(small_store: Store) -> None:
    small_store.queue_all = True

    for number in range(41):
        small_store.record(status(Status.CHARGING if number % 2 else Status.PREPARING))

    facts = [entry.fact for entry in entries(small_store)]
    assert len(facts) == small_store.waiting <= 13
    assert facts[-1] == status(Status.PREPARING)


def test_what_must_not_be_dropped_goes_beyond_the_bound(
    small_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        small_store.record(started(f"T{number}"), ended(f"T{number}"))

    assert small_store.waiting == 40
    assert len(caplog.records) < 28, "it does not look again at every fact"


def test_a_kind_from_another_version_is_a_store_error(store: Store) -> None:
    store.record(started())
    store._db.execute("UPDATE journal SET kind = 'Reserved'")

    with pytest.raises(StoreError, match=r"holds a 'Reserved', known are .*MeterSampled"):
        store.next_entry()


def test_the_oldest_fact_can_be_looked_at_as_it_is_stored(store: Store) -> None:
    assert store.journal.oldest() is None

    store.record(started())

    assert store.journal.oldest() == codec.encode(started())


def test_an_exact_number_stays_exact(store: Store) -> None:
    store.record(updated(samples=(), at=START), ended(end=reading("0.10")))

    assert b'"0.10"' in codec.encode(entries(store)[1].fact)


def test_what_came_since_is_found_unless_it_waits_for_an_older_fact(store: Store) -> None:
    assert store.journal.newest() == 0
    store.record(started(), security("PowerUp"))
    newest = store.journal.newest()
    store.record(updated(), idle_sample(), idle_sample())

    found = store.journal.first_since(newest)

    assert [entry.fact for entry in found] == [idle_sample(), idle_sample()]
    assert [entry.number for entry in found] == [newest + 2, newest + 3]
