"""Logs of OCPP 1.6: GetDiagnostics, and GetLog of the security white paper."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from file_servers import Files, ftp_server, http_server
from firmware_rig import at
from station_bench import until

from chargepoint.core.facts import SecurityEvent


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        yield files


async def told(bench: Any, action: str) -> list[dict[str, Any]]:
    await bench.tell()
    return list(bench.csms.said(action))


@pytest.mark.spec("1.6", "TC_045_1")
@pytest.mark.parametrize("serve", [http_server, ftp_server])
async def test_diagnostics_are_sent_under_the_name_of_the_answer(serve: Any, bench: Any) -> None:
    async with serve() as server:
        answer = await bench.ask("GetDiagnostics", location=f"{server.url}/up/")

        assert list(server.files) == [f"/up/{answer['fileName']}"]
        assert await told(bench, "DiagnosticsStatusNotification") == [
            {"status": "Uploading"},
            {"status": "Uploaded"},
        ]


@pytest.mark.spec("1.6", "TC_045_2")
async def test_diagnostics_that_cannot_be_sent(bench: Any, server: Files) -> None:
    server.always = 403

    await bench.ask("GetDiagnostics", location=f"{server.url}/", retries=2, retryInterval=10)

    await bench.clock.advance(10)
    assert len(server.seen) == 2
    await bench.clock.advance(10)
    assert len(server.seen) == 3
    assert await told(bench, "DiagnosticsStatusNotification") == [
        {"status": "Uploading"},
        {"status": "UploadFailed"},
    ]


@pytest.mark.spec("1.6", "5.8")
async def test_no_file_is_named_if_none_will_be_sent(bench: Any) -> None:
    answer = await bench.ask("GetDiagnostics", location="gopher://h/")

    assert answer == {}


@pytest.mark.spec("1.6", "TC_079")
@pytest.mark.parametrize("kind", ["DiagnosticsLog", "SecurityLog"])
async def test_a_log_is_sent_with_the_id_of_the_request(
    kind: str, bench: Any, server: Files
) -> None:
    bench.station.store.record(SecurityEvent("StartupOfTheDevice", bench.clock.now()))
    log = {"remoteLocation": f"{server.url}/", "oldestTimestamp": at(-60)}

    answer = await bench.ask("GetLog", logType=kind, requestId=7, log=log)

    assert answer["status"] == "Accepted"
    assert list(server.files) == [f"/{answer['filename']}"]
    assert await told(bench, "LogStatusNotification") == [
        {"status": "Uploading", "requestId": 7},
        {"status": "Uploaded", "requestId": 7},
    ]


async def test_a_log_of_no_time_is_rejected(bench: Any, server: Files) -> None:
    log = {
        "remoteLocation": f"{server.url}/",
        "oldestTimestamp": at(60),
        "latestTimestamp": at(0),
    }

    answer = await bench.ask("GetLog", logType="DiagnosticsLog", requestId=7, log=log)

    assert answer == {"status": "Rejected"}


@pytest.mark.spec("1.6", "5.17")
async def test_a_trigger_without_an_upload_is_answered_with_idle(bench: Any) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="DiagnosticsStatusNotification")

    assert answer == {"status": "Accepted"}
    assert await told(bench, "DiagnosticsStatusNotification") == [{"status": "Idle"}]


async def test_an_extended_trigger_is_about_get_log(bench: Any) -> None:
    answer = await bench.ask("ExtendedTriggerMessage", requestedMessage="LogStatusNotification")

    assert answer == {"status": "Accepted"}
    assert await told(bench, "LogStatusNotification") == [{"status": "Idle"}]


async def test_a_newer_log_request_cancels_the_one_under_way(bench: Any, server: Files) -> None:
    server.gate.clear()
    log = {"remoteLocation": f"{server.url}/"}
    first = await bench.hear("GetDiagnostics", location=f"{server.url}/first/")
    await first.after()
    await until(lambda: server.waiting == 1)

    second = await bench.hear("GetLog", logType="DiagnosticsLog", requestId=7, log=log)
    server.gate.set()
    await second.after()
    await until(lambda: not bench.station.services.logs.busy)

    assert second.payload["status"] == "AcceptedCanceled"
    assert await told(bench, "DiagnosticsStatusNotification") == [
        {"status": "Uploading"},
        {"status": "UploadFailed"},
    ]
    assert [payload["status"] for payload in bench.csms.said("LogStatusNotification")] == [
        "Uploading",
        "Uploaded",
    ]


async def test_a_log_that_makes_way_for_another_has_failed(bench: Any, server: Files) -> None:
    server.gate.clear()
    log = {"remoteLocation": f"{server.url}/"}
    first = await bench.hear("GetLog", logType="DiagnosticsLog", requestId=6, log=log)
    await first.after()
    await until(lambda: server.waiting == 1)

    second = await bench.hear("GetLog", logType="DiagnosticsLog", requestId=7, log=log)
    server.gate.set()
    await second.after()
    await until(lambda: not bench.station.services.logs.busy)

    told_of = await told(bench, "LogStatusNotification")
    assert [(payload["status"], payload["requestId"]) for payload in told_of] == [
        ("Uploading", 6),
        ("UploadFailure", 6),
        ("Uploading", 7),
        ("Uploaded", 7),
    ]
