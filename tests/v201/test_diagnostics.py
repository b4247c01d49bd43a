"""Block N, logs: what is asked for arrives as an archive, and every status is told."""

import errno
import io
import json
import os
import shutil
import tarfile
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fake_clock import START
from file_servers import Files, http_server
from firmware_rig import at
from loopback import LOOPBACK
from station_bench import until

from chargepoint.core.facts import SecurityEvent
from chargepoint.errors import StoreError
from chargepoint.station.transfer import SPARE_BYTES
from chargepoint.station.upkeep import Upkeep


@pytest.fixture
def upkeep() -> Upkeep:
    config = {"csms": {"url": "wss://me:hush@host/x", "password": "hush", "ca_file": None}}
    return Upkeep(station_id="CP1", reach=LOOPBACK, config=lambda: config)


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        yield files


async def ask(talk: Any, kind: str, location: str, request_id: int = 7, **more: Any) -> Any:
    """Ask for a log; the answer, once the upload waits or is over."""
    log = {"remoteLocation": location} | more.pop("log", {})
    asked = {"logType": kind, "requestId": request_id, "log": log}
    return await talk.ask("GetLog", asked | more)


async def over(talk: Any) -> None:
    """Wait until no upload is under way, or time must pass."""
    logs, clock = talk.bench.station.services.logs, talk.bench.clock
    await until(lambda: not logs.busy or clock.sleeping > 0)


async def statuses(talk: Any) -> list[tuple[str, int | None]]:
    told = [s.payload for s in await talk.tell() if s.action == "LogStatusNotification"]
    return [(payload["status"], payload.get("requestId")) for payload in told]


def unpacked(content: bytes) -> dict[str, str]:
    """The files of an archive by their names, without the folder."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        found = {}
        for member in archive.getmembers():
            file = archive.extractfile(member)
            assert file is not None
            found[member.name.partition("/")[2]] = file.read().decode()
    return found


def keep_lines(folder: Path, *lines: str) -> None:
    log = folder / "state" / "log"
    log.mkdir(exist_ok=True)
    (log / "station.log").write_text("".join(f"{line}\n" for line in lines))


@pytest.mark.spec("2.0.1", "TC_N_25_CS")
async def test_the_diagnostics_log_is_sent_under_the_name_of_the_answer(
    talk: Any, server: Files, tmp_path: Path
) -> None:
    keep_lines(tmp_path, "2026-03-01T09:00:00.000Z INFO    chargepoint.x: hello")

    answer = await ask(talk, "DiagnosticsLog", f"{server.url}/logs/")
    await over(talk)

    assert answer == {
        "status": "Accepted",
        "filename": "CP1_diagnostics_20260301T100000Z.tar.gz",
    }
    assert await statuses(talk) == [("Uploading", 7), ("Uploaded", 7)]
    files = unpacked(server.files[f"/logs/{answer['filename']}"])
    assert "hello" in files["station.log"]
    assert set(files) == {
        "station.log",
        "status.json",
        "settings.json",
        "config.json",
        "versions.json",
    }
    assert json.loads(files["status.json"])["evses"]["1"]["stage"] == "available"


@pytest.mark.parametrize("number", [2, 3])
async def test_a_disk_that_refuses_a_step_only_holds_an_upload_up(
    number: int, talk: Any, server: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    station = talk.bench.station
    commit, numbers = station.store.commit_job, count(1)

    def refuse(name: str, *given: Any, **more: Any) -> None:
        if name == "log" and next(numbers) == number:
            raise StoreError("disk full")
        commit(name, *given, **more)

    monkeypatch.setattr(station.store, "commit_job", refuse)

    await ask(talk, "DiagnosticsLog", f"{server.url}/logs/")
    await over(talk)
    await talk.bench.clock.advance(1)
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), ("Uploaded", 7)]
    assert station.maintenance.idle


async def test_no_secret_is_in_the_archive(talk: Any, server: Files) -> None:
    talk.bench.set("AuthorizationKey", "hush-hush-hush-hush")

    answer = await ask(talk, "DiagnosticsLog", f"{server.url}/")
    await over(talk)

    files = unpacked(server.files[f"/{answer['filename']}"])
    assert not [name for name, text in files.items() if "hush" in text]
    assert json.loads(files["config.json"])["csms"]["url"] == "wss://*****@host/x"


async def test_only_the_lines_of_the_interval_are_sent(
    talk: Any, server: Files, tmp_path: Path
) -> None:
    keep_lines(
        tmp_path,
        "2026-03-01T08:00:00.000Z INFO    chargepoint.x: early",
        "2026-03-01T09:00:00.000Z ERROR   chargepoint.x: wanted",
        "Traceback of it",
        "2026-03-01T09:59:00.000Z INFO    chargepoint.x: late",
    )
    log = {"oldestTimestamp": at(-7000), "latestTimestamp": at(-1000)}

    answer = await ask(talk, "DiagnosticsLog", f"{server.url}/", log=log)
    await over(talk)

    sent = unpacked(server.files[f"/{answer['filename']}"])["station.log"]
    assert sent.splitlines() == [
        "2026-03-01T09:00:00.000Z ERROR   chargepoint.x: wanted",
        "Traceback of it",
    ]


@pytest.mark.spec("2.0.1", "TC_N_26_CS")
async def test_an_upload_that_fails_is_tried_again_as_told(talk: Any, server: Files) -> None:
    server.always = 500

    await ask(talk, "DiagnosticsLog", f"{server.url}/", retries=2, retryInterval=30)
    for _ in range(2):
        await over(talk)
        await talk.bench.clock.advance(30)
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), ("UploadFailure", 7)]
    assert len(server.seen) == 3


@pytest.mark.spec("2.0.1", "TC_N_26_CS")
@pytest.mark.parametrize(
    ("code", "status"),
    [(403, "PermissionDenied"), (400, "BadMessage"), (501, "NotSupportedOperation")],
)
async def test_a_failure_says_of_what_kind_it_is(
    code: int, status: str, talk: Any, server: Files
) -> None:
    server.always = code

    await ask(talk, "DiagnosticsLog", f"{server.url}/", retries=0)
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), (status, 7)]


async def test_on_a_full_disk_no_archive_is_made(
    talk: Any, server: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _folder: SimpleNamespace(free=SPARE_BYTES))

    await ask(talk, "DiagnosticsLog", f"{server.url}/", retries=0)
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), ("UploadFailure", 7)]
    assert not server.seen


async def test_a_local_address_is_rejected_unless_the_config_allows_it(talk: Any) -> None:
    answer = await ask(talk, "DiagnosticsLog", "http://169.254.169.254/latest/meta-data/")

    assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("Rejected", "InvalidURL")


@pytest.mark.spec("2.0.1", "TC_N_35_CS")
async def test_the_security_log_holds_what_was_told_already(talk: Any, server: Files) -> None:
    talk.bench.store.record(SecurityEvent("StartupOfTheDevice", START, "PowerUp"))
    await talk.tell()

    answer = await ask(talk, "SecurityLog", f"{server.url}/")
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), ("Uploaded", 7)]
    files = unpacked(server.files[f"/{answer['filename']}"])
    assert json.loads(files["security.log"]) == {
        "type": "StartupOfTheDevice",
        "at": "2026-03-01T10:00:00+00:00",
        "info": "PowerUp",
    }


@pytest.mark.spec("2.0.1", "TC_N_34_CS")
async def test_an_empty_security_log_is_rejected(talk: Any, server: Files) -> None:
    answer = await ask(talk, "SecurityLog", f"{server.url}/")

    assert answer["status"] == "Rejected"
    assert "filename" not in answer
    assert await statuses(talk) == []


@pytest.mark.parametrize(
    ("location", "reason"), [("gopher://h/", "InvalidURL"), ("http://127.0.0.1:1/", "InvalidValue")]
)
async def test_a_request_that_makes_no_sense_is_rejected(
    location: str, reason: str, talk: Any
) -> None:
    log = {"oldestTimestamp": at(10), "latestTimestamp": at(0)}

    answer = await ask(talk, "DiagnosticsLog", location, log=log)

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == reason


@pytest.mark.spec("2.0.1", "TC_N_36_CS")
async def test_a_second_request_cancels_the_first(talk: Any, server: Files) -> None:
    server.gate.clear()
    await ask(talk, "DiagnosticsLog", f"{server.url}/first/", 6)
    await until(lambda: server.waiting == 1)
    assert await statuses(talk) == [("Uploading", 6)]

    answer = await ask(talk, "DiagnosticsLog", f"{server.url}/second/")
    server.gate.set()
    await over(talk)

    assert answer["status"] == "AcceptedCanceled"
    assert await statuses(talk) == [
        ("AcceptedCanceled", 6),
        ("Uploading", 7),
        ("Uploaded", 7),
    ]
    assert [name for name in server.files if name.startswith("/second/")]


@pytest.mark.spec("2.0.1", "F06")
async def test_a_trigger_is_answered_with_uploading_or_idle(talk: Any, server: Files) -> None:
    trigger = {"requestedMessage": "LogStatusNotification"}
    await talk.ask("TriggerMessage", trigger)
    assert await statuses(talk) == [("Idle", None)]
    server.gate.clear()
    await ask(talk, "DiagnosticsLog", f"{server.url}/")
    await until(lambda: server.waiting == 1)
    await talk.tell()

    await talk.ask("TriggerMessage", trigger)

    assert await statuses(talk) == [("Uploading", 7)]
    server.gate.set()
    await over(talk)


async def test_a_reset_on_idle_waits_for_an_upload(talk: Any, server: Files) -> None:
    server.gate.clear()
    maintenance = talk.bench.station.maintenance
    await ask(talk, "DiagnosticsLog", f"{server.url}/a/")
    assert not maintenance.idle

    server.gate.set()
    await over(talk)

    assert maintenance.idle


async def test_an_upload_cut_off_by_a_restart_is_made_again(
    begin: Any, server: Files, tmp_path: Path
) -> None:
    server.gate.clear()
    async with begin() as talk:
        answer = await ask(talk, "DiagnosticsLog", f"{server.url}/")
        await until(lambda: server.waiting == 1)
        assert await statuses(talk) == [("Uploading", 7)]
        clock = talk.bench.clock
    server.gate.set()

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await over(talk)

        assert await statuses(talk) == [("Uploaded", 7)]
        assert f"/{answer['filename']}" in server.files
    assert not list((tmp_path / "state" / "transfer" / "log").iterdir())


async def test_an_accepted_upload_is_made_although_the_power_went_right_after_the_answer(
    begin: Any, server: Files
) -> None:
    log = {"remoteLocation": f"{server.url}/"}
    asked = {"logType": "DiagnosticsLog", "requestId": 7, "log": log}
    async with begin() as talk:
        reply = await talk.hear("GetLog", asked)
        clock = talk.bench.clock

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await over(talk)
        assert await statuses(talk) == [("Uploading", 7), ("Uploaded", 7)]
    assert list(server.files) == [f"/{reply.payload['filename']}"]


async def test_an_archive_that_the_disk_does_not_let_go_keeps_nothing_waiting(
    talk: Any, server: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk became read-only while the archive was on its way."""
    real = Path.unlink

    def refuse(path: Path, **given: Any) -> None:
        if path.name.endswith(".tar.gz"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        real(path, **given)

    monkeypatch.setattr(Path, "unlink", refuse)

    await ask(talk, "DiagnosticsLog", f"{server.url}/logs/")
    await over(talk)

    assert await statuses(talk) == [("Uploading", 7), ("Uploaded", 7)]
    assert not talk.bench.station.services.logs.busy
