"""Long work and the security log: stored with what is told of them, all or nothing."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START

from chargepoint.core.facts import FirmwareProgress, LogProgress, SecurityEvent
from chargepoint.core.firmware import FirmwareJob, FirmwareStatus
from chargepoint.core.logs import Interval, LogJob, LogKind, LogStatus
from chargepoint.core.transfer import Attempts
from chargepoint.errors import StoreError
from chargepoint.store import security_log
from chargepoint.store.sqlite import Store

UPDATE = FirmwareJob(
    7,
    "ftp://h/fw",
    START,
    START + timedelta(hours=1),
    "PEM",
    "AAAA",
    Attempts(3, timedelta(seconds=90)),
    FirmwareStatus.DOWNLOADING,
)
UPLOAD = LogJob(None, LogKind.SECURITY, "ftp://h/", "x.tar.gz", Interval(START), diagnostics=True)


def test_work_survives_a_restart_and_can_be_ended(tmp_path: Path) -> None:
    with Store(tmp_path, "CP1") as store:
        store.commit_job("firmware", replace(UPDATE, status=None))
        store.commit_job("firmware", UPDATE)
        store.commit_job("log", UPLOAD)

    with Store(tmp_path, "CP1") as store:
        assert store.jobs.get("firmware", FirmwareJob) == UPDATE
        assert store.jobs.get("log", LogJob) == UPLOAD
        store.commit_job("firmware", None)
        assert store.jobs.get("firmware", FirmwareJob) is None


def test_work_and_what_is_told_of_it_are_one_step(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = FirmwareProgress(7, FirmwareStatus.DOWNLOADING, START)

    def refuse(*_: object, **__: object) -> None:
        raise StoreError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(store, "_append", refuse)
        with pytest.raises(StoreError):
            store.commit_job("firmware", UPDATE, (told,))
    assert store.jobs.get("firmware", FirmwareJob) is None

    store.commit_job("firmware", UPDATE, (told,))

    entry = store.next_entry()
    assert entry is not None
    assert (entry.fact, entry.stream) == (told, "firmware")


def test_updates_and_uploads_do_not_hold_up_each_other(store: Store) -> None:
    store.record(FirmwareProgress(7, FirmwareStatus.IDLE, START))
    store.record(LogProgress(None, LogStatus.IDLE, START))

    entry = store.next_entry(frozenset({"firmware"}))

    assert entry is not None
    assert entry.stream == "log"


def test_the_security_log_keeps_what_was_told(store: Store) -> None:
    store.record(SecurityEvent("StartupOfTheDevice", START, "PowerUp"))
    entry = store.next_entry()
    assert entry is not None
    store.delivered(entry, START)

    (line,) = store.security_log.entries(since=START.isoformat(), until=START.isoformat())

    assert (line.type, line.at, line.info) == (
        "StartupOfTheDevice",
        START.isoformat(),
        "PowerUp",
    )
    assert store.security_log.entries(until="2026-01-01") == []


def test_the_oldest_security_events_go_at_the_bound(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security_log, "LOG_MOST", 3)

    store.record(*(SecurityEvent(f"T{number}", START) for number in range(5)))

    assert [line.type for line in store.security_log.entries()] == ["T2", "T3", "T4"]
