"""A fact that is damaged where it lies does not keep the station from storing all the others."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import ended, idle_sample, started, updated
from station_bench import entries

from chargepoint.core.facts import SecurityEvent
from chargepoint.store import codec, sqlite
from chargepoint.store.journal import Unreadable
from chargepoint.store.sqlite import Store
from chargepoint.store.untold import Lack


@pytest.fixture
def small_store(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """A store whose journal is full after a dozen facts."""
    monkeypatch.setattr(sqlite, "JOURNAL_MOST", 12)
    with Store(folder, "CP1") as store:
        yield store


def damage(store: Store, kind: str) -> None:
    """One byte of the oldest fact of a kind is another one."""
    store._db.execute(
        "UPDATE journal SET fact = CAST(replace(CAST(fact AS TEXT), '{\"', '{x') AS BLOB) WHERE"
        " number = (SELECT min(number) FROM journal WHERE kind = ?)",
        (kind,),
    )


@pytest.mark.parametrize("kind", ["TransactionUpdated", "MeterSampled"])
def test_a_full_journal_is_thinned_around_it(small_store: Store, kind: str) -> None:
    small_store.record(started(), idle_sample(), updated(seq=1))
    damage(small_store, kind)

    for seq in range(2, 40):
        small_store.record(updated(seq=seq), idle_sample())
    small_store.record(ended(seq=40))

    assert small_store.waiting < 20


def test_security_events_are_kept_within_their_bound_around_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargepoint.store.security_log.WAITING_MOST", 3)
    store.record(SecurityEvent("First", START))
    damage(store, "SecurityEvent")

    for number in range(3):
        store.record(SecurityEvent(f"Next{number}", START))

    assert store.waiting == 3
    entry = store.next_entry()
    assert entry is not None
    assert entry.fact == SecurityEvent("Next0", START)


@pytest.mark.parametrize("text", ["2026-1x-28T10:00:00Z", "", "42"])
def test_the_newest_time_is_found_beside_one_that_is_none(store: Store, text: str) -> None:
    store.record(started("T1"), ended("T1"), started("T2", at=START + timedelta(hours=1)))
    store._db.execute("UPDATE journal SET fact = json_set(CAST(fact AS TEXT), '$.at', ?)", (text,))
    for column in ("started_at", "ended_at"):
        store._db.execute(
            f"UPDATE transactions SET {column} = ? WHERE transaction_id = 'T1'",  # noqa: S608
            (text,),
        )
    for key in ("time known", "time unsure since"):
        store._db.execute("INSERT INTO meta VALUES (?, ?)", (key, text))

    assert store.timeline.newest() == START + timedelta(hours=1)
    assert store.timeline.known is None
    assert store.timeline.unsure_since is None


@pytest.mark.parametrize(
    "spoilt",
    [
        b"\xff" * 40,
        codec.encode(started()).replace(b'"1000"', b'"\xff000"'),
        b'{"x":' + b"[" * 100_000,
        b"",
        b"\0" * 40,
    ],
    ids=["no text", "no text in a number", "deep", "empty", "zeros"],
)
def test_bytes_that_are_no_fact_are_unreadable_and_nothing_else(
    folder: Path, spoilt: bytes
) -> None:
    with Store(folder, "CP1") as store:
        store.record(started(), ended())
        store._db.execute("UPDATE journal SET fact = ? WHERE number = 1", (spoilt,))
        with pytest.raises(Unreadable):
            store.next_entry()
        store.put_by(1, Lack("2.0.1", "cannot be read", START.isoformat()))

        assert [one.fact for one in store.untold.all()] == [None]
        assert entries(store)[0].fact == ended()
