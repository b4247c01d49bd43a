"""Test cases of OCPP 1.6: firmware, diagnostics and logs (TC_044, TC_045, TC_079 to TC_081)."""

import io
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case
from file_servers import Files, http_server
from firmware_rig import IMAGE, FakeInstaller, Maker, at, firmware, make_maker
from loopback import LOOPBACK
from words_16 import ACCEPTED, CARD, Open, told

from chargepoint.core.firmware import InstallResult
from chargepoint.station.upkeep import Upkeep

PLAIN, SIGNED = "FirmwareStatusNotification", "SignedFirmwareStatusNotification"
DIAGNOSTICS, LOG = "DiagnosticsStatusNotification", "LogStatusNotification"
OVER = {
    "Installed",
    "InstallationFailed",
    "DownloadFailed",
    "InvalidSignature",
    "Uploaded",
    "UploadFailed",
    "UploadFailure",
}


@pytest.fixture(scope="module")
def maker() -> Maker:
    return make_maker()


@pytest.fixture
def installer() -> FakeInstaller:
    return FakeInstaller()


@pytest.fixture
def upkeep(tmp_path: Path, maker: Maker, installer: FakeInstaller) -> Upkeep:
    roots = maker.known_to(tmp_path / "roots")
    return Upkeep(installer=installer, roots=roots, station_id="CP1", reach=LOOPBACK, unsigned=True)


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        files.files["/fw.bin"] = IMAGE
        yield files


async def outcome(run: Case, action: str, **retries: int) -> list[str]:
    """What is told of a transfer until it is over; time passes as its retries need it."""

    def statuses() -> list[str]:
        return [one["status"] for one in run.csms.messages(action)]

    for _ in range(retries.get("retries", 0)):
        await run.advance(retries["retryInterval"])
    await run.until(lambda: bool(OVER & set(statuses())))
    await run.advance(60)
    return statuses()


@pytest.mark.spec("1.6", "TC_044_1_CS")
async def test_firmware_is_downloaded_and_installed(
    open_case: Open, upkeep: Upkeep, server: Files, installer: FakeInstaller
) -> None:
    async with open_case(upkeep=upkeep) as run:
        answer = await run.ask(
            "UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(60)
        )
        early = list(server.seen)
        await run.advance(60)
        statuses = await outcome(run, PLAIN)

    assert (answer, early) == ({}, [])
    assert statuses == ["Downloading", "Downloaded", "Installing", "Installed"]
    assert installer.installed == [IMAGE]


@pytest.mark.spec("1.6", "TC_044_1_CS")
async def test_firmware_is_installed_once_no_transaction_runs(
    open_case: Open, upkeep: Upkeep, server: Files, installer: FakeInstaller
) -> None:
    async with open_case(upkeep=upkeep) as run:
        await run.charge(CARD)
        await run.ask("UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(0))
        await run.until(lambda: "Downloaded" in [s["status"] for s in run.csms.messages(PLAIN)])
        await run.advance(30)
        during = list(installer.installed)
        await run.swipe(CARD)
        await run.unplug()
        await run.advance(60)
        statuses = await outcome(run, PLAIN)

    assert during == []
    assert statuses == ["Downloading", "Downloaded", "Installing", "Installed"]


@pytest.mark.spec("1.6", "TC_044_2_CS")
async def test_a_download_that_fails(open_case: Open, upkeep: Upkeep, server: Files) -> None:
    retries = {"retries": 2, "retryInterval": 10}
    async with open_case(upkeep=upkeep) as run:
        await run.ask(
            "UpdateFirmware", location=f"{server.url}/other", retrieveDate=at(0), **retries
        )
        statuses = await outcome(run, PLAIN, **retries)

    assert statuses == ["Downloading", "DownloadFailed"]
    assert server.seen == ["GET /other"] * 3


@pytest.mark.spec("1.6", "TC_044_3_CS")
@pytest.mark.parametrize("result", [InstallResult.UNFIT, InstallResult.FAILED])
async def test_an_installation_that_fails(
    open_case: Open,
    upkeep: Upkeep,
    server: Files,
    installer: FakeInstaller,
    result: InstallResult,
) -> None:
    installer.result = result
    async with open_case(upkeep=upkeep) as run:
        await run.ask("UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(0))
        statuses = await outcome(run, PLAIN)
        run.take()
        await run.charge(CARD)

        assert statuses == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
        assert "1 Charging" in told(run), "it goes on with what it had"


@pytest.mark.spec("1.6", "TC_045_1_CS")
async def test_diagnostics_are_uploaded(open_case: Open, upkeep: Upkeep, server: Files) -> None:
    async with open_case(upkeep=upkeep) as run:
        answer = await run.ask("GetDiagnostics", location=f"{server.url}/up/")
        statuses = await outcome(run, DIAGNOSTICS)

    assert statuses == ["Uploading", "Uploaded"]
    archive = server.files[f"/up/{answer['fileName']}"]
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        assert opened.getnames()


@pytest.mark.spec("1.6", "TC_045_2_CS")
async def test_an_upload_that_fails(open_case: Open, upkeep: Upkeep, server: Files) -> None:
    server.always = 403
    retries = {"retries": 2, "retryInterval": 10}
    async with open_case(upkeep=upkeep) as run:
        await run.ask("GetDiagnostics", location=f"{server.url}/", **retries)
        statuses = await outcome(run, DIAGNOSTICS, **retries)

    assert statuses == ["Uploading", "UploadFailed"]
    assert len(server.seen) == 3


@pytest.mark.spec("1.6", "TC_079_CS")
async def test_the_security_log_is_uploaded(open_case: Open, upkeep: Upkeep, server: Files) -> None:
    async with open_case(upkeep=upkeep) as run:
        answer = await run.ask(
            "GetLog", logType="SecurityLog", requestId=7, log={"remoteLocation": f"{server.url}/"}
        )
        statuses = await outcome(run, LOG)

        assert answer["status"] == "Accepted"
        assert statuses == ["Uploading", "Uploaded"]
        assert {one["requestId"] for one in run.csms.messages(LOG)} == {7}
        assert "StartupOfTheDevice" in _text(server.files[f"/{answer['filename']}"])


@pytest.mark.spec("1.6", "TC_080_CS")
async def test_signed_firmware_is_downloaded_verified_and_installed(
    open_case: Open, upkeep: Upkeep, server: Files, maker: Maker, installer: FakeInstaller
) -> None:
    async with open_case(upkeep=upkeep) as run:
        answer = await _update(run, firmware(maker, server.url))
        statuses = await outcome(run, SIGNED)

        assert answer == ACCEPTED
        assert statuses == [
            "Downloading",
            "Downloaded",
            "SignatureVerified",
            "Installing",
            "Installed",
        ]
        assert {one["requestId"] for one in run.csms.messages(SIGNED)} == {7}
        assert run.csms.messages(PLAIN) == []
    assert installer.installed == [IMAGE]


@pytest.mark.spec("1.6", "TC_081_CS")
async def test_firmware_with_a_wrong_signature(
    open_case: Open, upkeep: Upkeep, server: Files, maker: Maker, installer: FakeInstaller
) -> None:
    server.files["/fw.bin"] = IMAGE + b"!"
    async with open_case(upkeep=upkeep) as run:
        answer = await _update(run, firmware(maker, server.url))
        statuses = await outcome(run, SIGNED)
        events = [one["type"] for one in run.csms.messages("SecurityEventNotification")]

    assert answer == ACCEPTED
    assert statuses == ["Downloading", "Downloaded", "InvalidSignature"]
    assert events.count("InvalidFirmwareSignature") == 1
    assert installer.installed == []


async def _update(run: Case, wanted: dict[str, Any]) -> dict[str, Any]:
    return await run.ask("SignedUpdateFirmware", requestId=7, firmware=wanted)


def _text(archive: bytes) -> str:
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        files = (opened.extractfile(member) for member in opened.getmembers())
        return "".join(file.read().decode(errors="replace") for file in files if file)
