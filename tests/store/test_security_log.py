"""The security log, and what waits of it for the CSMS."""

from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import security, started

from chargepoint.core.facts import SecurityEvent
from chargepoint.core.security import Event
from chargepoint.store.sqlite import Store


@pytest.mark.spec("2.0.1", "A04.FR.03")
def test_every_event_is_in_the_log_whoever_was_told(store: Store) -> None:
    store.record(SecurityEvent(Event.STARTUP, START, "PowerUp"))
    store.record(SecurityEvent(Event.INVALID_MESSAGES, START + timedelta(hours=1)))
    entry = store.next_entry()
    assert entry is not None
    store.delivered(entry, START)

    log = store.security_log.entries()

    assert [(line.type, line.info) for line in log] == [
        ("StartupOfTheDevice", "PowerUp"),
        ("InvalidMessages", ""),
    ]


def test_the_log_can_be_cut_to_a_time(store: Store) -> None:
    for hour in range(3):
        store.record(SecurityEvent(str(hour), START + timedelta(hours=hour)))

    since, until = ((START + timedelta(hours=1, minutes=m)).isoformat() for m in (-30, 30))

    assert [line.type for line in store.security_log.entries(since=since, until=until)] == ["1"]


def test_a_full_log_forgets_the_oldest(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chargepoint.store.security_log.LOG_MOST", 2)
    for name in ("a", "b", "c"):
        store.record(SecurityEvent(name, START))

    assert [line.type for line in store.security_log.entries()] == ["b", "c"]


def test_of_too_many_waiting_events_those_that_may_be_lost_go_first(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chargepoint.store.security_log.WAITING_MOST", 2)
    store.record(started())
    for name in ("Critical1", Event.INVALID_MESSAGES, "Critical2", "Critical3"):
        store.record(SecurityEvent(str(name), START))

    entries = [store.next_entry(), store.next_entry(frozenset({"transaction T1"}))]

    assert store.waiting == 3
    assert [type(entry.fact).__name__ for entry in entries if entry] == [
        "TransactionStarted",
        "SecurityEvent",
    ]
    assert entries[1] is not None
    assert entries[1].fact == SecurityEvent("Critical2", START)


def test_events_do_not_wait_for_other_subjects(store: Store) -> None:
    store.record(started(), security())

    entry = store.next_entry(frozenset({"transaction T1"}))

    assert entry is not None
    assert entry.stream == "security"


def test_credentials_survive_a_restart(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.credentials.change(b"new", before=b"old")
        store.credentials.raise_profile(2)
    with Store(folder, "CP1") as store:
        first = (store.credentials.proven, store.credentials.fresh, store.credentials.profile)
        store.credentials.accept()

        assert first == (b"old", b"new", 2)
        assert (store.credentials.proven, store.credentials.fresh) == (b"new", None)
