"""What the CSMS was not told is kept with the reason, within a bound."""

from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import ended, idle_sample, security, started, status, variable_event

from chargepoint.core.facts import Fact
from chargepoint.store import untold
from chargepoint.store.sqlite import Store
from chargepoint.store.untold import Lack

LACK = Lack("1.6", "no word", START.isoformat())


def give_up(store: Store, *facts: Fact) -> None:
    for fact in facts:
        store.record(fact)
        entry = store.next_entry()
        assert entry is not None
        store.given_up(entry, LACK)


def test_what_is_given_up_is_kept_as_it_was_over_a_restart(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.record(ended())
        entry = store.next_entry()
        assert entry is not None
        store.given_up(entry, LACK)

    with Store(folder, "CP1") as store:
        (kept,) = store.untold.all()
        assert store.untold.count() == 1
    assert (kept.message_id, kept.stream) == (entry.message_id, entry.stream)
    assert (kept.fact, kept.lack) == (ended(), LACK)


def test_what_was_told_with_a_lack_is_kept_and_what_was_told_whole_is_not(store: Store) -> None:
    for fact, lack in ((ended("T1"), "begun elsewhere"), (ended("T2"), "")):
        store.record(fact)
        entry = store.next_entry()
        assert entry is not None
        store.delivered(entry, START, version="2.0.1", lack=lack)

    (kept,) = store.untold.all()
    assert (kept.fact, kept.lack) == (
        ended("T1"),
        Lack("2.0.1", "begun elsewhere", START.isoformat()),
    )
    assert store.waiting == 0


def test_what_is_history_or_in_the_security_log_is_not_kept(store: Store) -> None:
    give_up(store, status(), security())

    assert store.untold.all() == []


def test_the_oldest_go_at_the_bound_but_never_begin_and_end_of_a_transaction(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(untold, "OTHERS_MOST", 2)

    give_up(store, started(), ended(), variable_event(), idle_sample("1"), idle_sample("2"))

    assert [kept.fact for kept in store.untold.all()] == [
        started(),
        ended(),
        idle_sample("1"),
        idle_sample("2"),
    ]


def test_the_version_of_a_begin_is_known_until_the_end_is_told(store: Store) -> None:
    store.record(started(), ended())
    begin = store.next_entry()
    assert begin is not None
    store.delivered(begin, START, version="1.6")

    assert store.untold.begun("T1") == "1.6"
    assert store.untold.begun("T2") == ""

    end = store.next_entry()
    assert end is not None
    store.delivered(end, START, version="2.0.1")

    assert store.untold.begun("T1") == ""
