"""A station whose disk refuses: no session without its record, nothing lost, nothing hidden."""

import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from bad_disk import BadDisk, BadPlace, Ill, bad_disk
from case_rig import Case, case
from disk_sweep import sweep

from chargepoint.core.display import NO_STORE
from chargepoint.core.security import Event
from chargepoint.store import damage, rescue
from chargepoint.store.archive import RecordArchive

pytestmark = pytest.mark.timeout(180)
VERSIONS = pytest.mark.parametrize("version", ["2.0.1", "1.6"])
LONG_S = 60


@pytest.fixture
def disk() -> Iterator[BadDisk]:
    with bad_disk() as disk:
        yield disk


def statuses(run: Case) -> list[str]:
    """What was told of connector 1, in either version."""
    told = run.take("StatusNotification")
    own = [one for one in told if one.get("evseId", one["connectorId"]) == 1]
    return [one.get("connectorStatus", one.get("status")) for one in own]


async def break_down(run: Case, disk: BadDisk) -> None:
    """The disk refuses everything, and the station notices."""
    disk.fail(1, Ill.BROKEN, lasting=True)
    await run.plug()
    await run.advance(5)


async def start_by(run: Case, version: str) -> str:
    """What the CSMS is answered that wants a session."""
    if version == "1.6":
        answer = await run.ask("RemoteStartTransaction", idTag="04A1B2C3D4", connectorId=1)
    else:
        token = {"idToken": "04A1B2C3D4", "type": "ISO14443"}
        answer = await run.ask("RequestStartTransaction", idToken=token, remoteStartId=1, evseId=1)
    return str(answer["status"])


@VERSIONS
async def test_no_session_begins_and_everybody_can_see_why(
    version: str, tmp_path: Path, disk: BadDisk, caplog: pytest.LogCaptureFixture
) -> None:
    async with case(version, tmp_path) as run:
        run.take()
        await break_down(run, disk)
        await run.swipe("04A1B2C3D4", 1)
        answer = await start_by(run, version)
        run.station.security.event(Event.TAMPERED, "while nothing can be stored")
        await run.advance(LONG_S)

        assert run.transaction() is None
        assert not run.outlets[1].closed
        assert run.meters[1].begins == []
        assert answer == "Rejected"
        assert statuses(run)[-1] == "Faulted"
        assert "none begins: journal: disk I/O error" in caplog.text
        assert run.station.displays.texts(1) == (NO_STORE,)
        assert run.station.store.trouble == "journal: disk I/O error"

        disk.repair()
        await run.advance(LONG_S)
        told = run.take()
        await run.swipe("04A1B2C3D4", 1)

        assert run.transaction() is not None
        assert run.station.store.trouble == ""
        last = [one.payload for one in told if one.action == "StatusNotification"][-1]
        assert last.get("connectorStatus", last.get("status")) != "Faulted"
        events = [one.payload for one in told if one.action == "SecurityEventNotification"]
        assert [event["type"] for event in events] == [
            "TamperDetectionActivated",
            "StateStoreFailed",
        ]
        assert run.station.displays.texts(1) != (NO_STORE,)


async def test_a_security_event_that_met_a_single_error_is_told(
    tmp_path: Path, disk: BadDisk
) -> None:
    async with case("2.0.1", tmp_path) as run:
        run.take()
        disk.fail(1, Ill.BROKEN)
        run.station.security.event(Event.TAMPERED, "at a bad moment")
        await run.advance(1)

        (event,) = run.take("SecurityEventNotification")
        assert event["techInfo"] == "at a bad moment"


@VERSIONS
async def test_a_running_session_goes_on_and_its_record_waits_in_the_meter(
    version: str, tmp_path: Path, disk: BadDisk
) -> None:
    async with case(version, tmp_path) as run:
        transaction_id = await run.charge()
        disk.fail(1, Ill.FULL, lasting=True)
        await run.advance(LONG_S)
        assert run.outlets[1].closed

        await run.swipe("04A1B2C3D4", 1)
        await run.advance(1)
        assert not run.outlets[1].closed, "the contactor opens whatever the disk says"
        await run.unplug()
        await run.advance(LONG_S)
        assert run.meters[1].releases == []

        disk.repair()
        await run.advance(LONG_S)

        assert run.meters[1].releases == [transaction_id]
        assert [row.verdict for row in run.station.store.records.of(transaction_id)] == ["valid"]
        ends = run.take("TransactionEvent" if version == "2.0.1" else "StopTransaction")
        assert len([one for one in ends if one.get("eventType", "Ended") == "Ended"]) == 1


@VERSIONS
async def test_a_station_boots_and_tells_its_fault_while_the_disk_refuses(
    version: str, tmp_path: Path, disk: BadDisk
) -> None:
    async with case(version, tmp_path) as run:
        await run.cut()
        await break_down(run, disk)
        run.life.session.forget("Unknown")
        run.take()
        await run.back()
        await run.advance(LONG_S)
        told = run.take()

        assert run.life.session.online
        assert [one.action for one in told].count("BootNotification") == 1
        words = [one.payload for one in told if one.action == "StatusNotification"]
        assert words[-1].get("connectorStatus", words[-1].get("status")) == "Faulted"

        disk.repair()
        await run.advance(LONG_S)
        await run.swipe("04A1B2C3D4", 1)
        assert run.transaction() is not None


def spoil(path: Path) -> None:
    """Put garbage into an index, and let whoever has it in memory look at the disk again."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        sql = "SELECT rootpage FROM sqlite_master WHERE name = 'journal_stream'"
        (root,) = db.execute(sql).fetchone()
        with path.open("r+b") as file:
            file.seek((root - 1) * 4096)
            file.write(b"\xff" * 4096)
        db.execute("INSERT INTO meta VALUES ('another', 'change')")


@VERSIONS
async def test_a_database_damaged_while_a_session_runs_is_set_aside_and_the_session_is_told(
    version: str, tmp_path: Path
) -> None:
    async with case(version, tmp_path) as run:
        transaction_id = await run.charge()
        await run.advance(LONG_S)
        spoil(run.station.store.folder / "station.db")
        await run.advance(180)

        assert not run.outlets[1].closed
        assert len(run.lives) == 2
        assert run.meters[1].releases == [transaction_id]
        (aside,) = damage.folders(run.station.store.folder)
        told = run.take()
        with RecordArchive(aside) as archive:
            assert list(archive.oldest_first()) == []

    ends = [one.payload for one in told if one.action in {"TransactionEvent", "StopTransaction"}]
    ended = [one for one in ends if one.get("eventType", "Ended") == "Ended"]
    assert len(ended) == 1
    events = [one.payload["type"] for one in told if one.action == "SecurityEventNotification"]
    assert "StateStoreDamaged" in events


@VERSIONS
async def test_a_session_goes_on_while_a_damaged_database_cannot_be_set_aside(
    version: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    async with case(version, tmp_path) as run:
        transaction_id = await run.charge()
        await run.advance(LONG_S)
        with monkeypatch.context() as patched:
            patched.setattr(rescue, "check", gone)
            spoil(run.station.store.folder / "station.db")
            await run.advance(180)
            assert run.station.store.damaged
            assert len(run.lives) == 1, "the next one could not start"
            assert run.outlets[1].closed

        await run.advance(180)

        assert len(run.lives) == 2
        assert run.meters[1].releases == [transaction_id]


@VERSIONS
async def test_a_place_that_cannot_be_read_any_more_keeps_no_station_from_starting(
    version: str, tmp_path: Path, disk: BadDisk
) -> None:
    """The begin of the database: its header and its list of tables. A session runs meanwhile."""
    async with case(version, tmp_path) as run:
        transaction_id = await run.charge()
        await run.cut()
        await run.advance(LONG_S)
        run.take()
        path = run.station.store.folder / "station.db"
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        disk.cannot_read(path, BadPlace(0, 4096))
        await run.restart()
        await run.back()
        await run.advance(180)
        told = run.take()
        (aside,) = damage.folders(run.station.store.folder)

        assert run.meters[1].releases == [transaction_id]
        assert [row.verdict for row in run.station.store.records.of(transaction_id)] == ["valid"]

    ends = [one.payload for one in told if one.action in {"TransactionEvent", "StopTransaction"}]
    ended = [one for one in ends if one.get("eventType", "Ended") == "Ended"]
    assert len(ended) == 1
    events = [one.payload for one in told if one.action == "SecurityEventNotification"]
    (event,) = [one for one in events if one["type"] == "StateStoreDamaged"]
    assert aside.name in event["techInfo"]


@VERSIONS
async def test_sessions_on_a_disk_that_fails_lose_and_double_nothing(version: str) -> None:
    outcome = await sweep(version, 20, seed=7)

    assert outcome.findings == []
    assert outcome.happened == outcome.injected == 20
