"""Block L: what is installed is what was verified, and nothing comes between."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest
from file_servers import Files, revocations
from firmware_rig import IMAGE, FakeInstaller, Maker, firmware, settled, statuses, update
from loopback import LOOPBACK
from station_bench import until

from chargepoint.core.firmware import FirmwareJob, InstallResult
from chargepoint.station import firmware as module
from chargepoint.station.upkeep import Upkeep

WAITING = ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled"]


@pytest.fixture
def roots(tmp_path: Path, maker: Maker) -> Path:
    return maker.known_to(tmp_path / "roots")


@pytest.fixture
def upkeep(roots: Path, installer: FakeInstaller) -> Upkeep:
    return Upkeep(installer=installer, roots=roots, station_id="CP1", reach=LOOPBACK)


def events(talk: Any) -> list[str]:
    return [payload["type"] for payload in talk.csms.said("SecurityEventNotification")]


async def waits_for_its_hour(talk: Any, maker: Maker, server: Files) -> Path:
    """An update was verified and waits for its hour; gives the file."""
    await update(talk, firmware(maker, server.url, install_s=600))
    assert await statuses(talk) == WAITING
    return Path(talk.bench.store.folder, "transfer", "firmware", "fw.bin")


async def its_hour_comes(talk: Any) -> None:
    await talk.bench.clock.advance(600)
    await settled(talk.bench.station, talk.bench.clock)


def replaced(file: Path) -> None:
    file.write_bytes(IMAGE + b"!")


def linked(file: Path) -> None:
    other = file.with_name("other")
    file.rename(other)
    file.symlink_to(other)


def linked_hard(file: Path) -> None:
    file.with_name("other").hardlink_to(file)


@pytest.mark.parametrize("change", [replaced, linked, linked_hard, Path.unlink])
async def test_a_file_that_changed_since_it_was_verified_is_not_installed(
    change: Any, talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    file = await waits_for_its_hour(talk, maker, server)

    change(file)
    await its_hour_comes(talk)

    assert await statuses(talk) == ["InvalidSignature"]
    assert events(talk) == ["InvalidFirmwareSignature"]
    assert installer.installed == []
    assert not list(file.parent.iterdir())


async def test_a_certificate_that_was_revoked_meanwhile_installs_nothing(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller, roots: Path
) -> None:
    await waits_for_its_hour(talk, maker, server)

    (roots / "maker.crl").write_bytes(revocations(maker.root, maker.signer))
    await its_hour_comes(talk)

    assert await statuses(talk) == ["InvalidSignature"]
    assert events(talk) == ["InvalidFirmwareSigningCertificate"]
    assert installer.installed == []


async def test_a_file_that_is_still_the_same_is_installed(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    file = await waits_for_its_hour(talk, maker, server)
    assert file.stat().st_mode & 0o777 == 0o600

    await its_hour_comes(talk)

    assert await statuses(talk) == ["Installing", "Installed"]
    assert installer.installed == [IMAGE]


@pytest.mark.parametrize("status", ["Installed", "DownloadFailed"])
async def test_an_update_that_is_over_leaves_no_password_behind(
    status: str, talk: Any, maker: Maker, server: Files
) -> None:
    server.login = ("me", "hush" if status == "Installed" else "other")
    address = server.url.replace("//", "//me:hush@")

    await update(talk, firmware(maker, address), retries=0)
    kept = talk.bench.store.jobs.get("firmware", FirmwareJob)

    assert (kept.status, kept.request_id, kept.location) == (status, 7, "")
    assert (await statuses(talk))[-1] == status


class SlowInstaller(FakeInstaller):
    """Says when it is at work, and is so until it is told to be done."""

    def __init__(self) -> None:
        super().__init__(InstallResult.REBOOT)
        self.begun, self.done = threading.Event(), asyncio.Event()

    async def install(self, file: Path) -> InstallResult:
        self.begun.set()
        await self.done.wait()
        return await super().install(file)


class TestWhileARequestIsJudged:
    """The installation of the update before begins meanwhile."""

    @pytest.fixture
    def installer(self) -> SlowInstaller:
        return SlowInstaller()

    @pytest.mark.spec("2.0.1", "L01.FR.24")
    @pytest.mark.parametrize("restarts", [False, True])
    async def test_the_request_is_rejected_at_once(
        self,
        *,
        restarts: bool,
        talk: Any,
        maker: Maker,
        server: Files,
        installer: SlowInstaller,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        told, loop = firmware(maker, server.url), asyncio.get_running_loop()
        service = talk.bench.station.services.firmware
        server.gate.clear()
        await talk._call("UpdateFirmware", {"requestId": 7, "firmware": told})
        await until(lambda: server.waiting == 1)

        def slowly(*_: Any) -> None:
            loop.call_soon_threadsafe(server.gate.set)
            assert installer.begun.wait(10)
            if restarts:
                loop.call_soon_threadsafe(installer.done.set)
                while service._job.status != "InstallRebooting":
                    pass

        monkeypatch.setattr(module, "check_certificate", slowly)
        answer = await talk._call("UpdateFirmware", {"requestId": 8, "firmware": told})
        installer.done.set()
        await settled(talk.bench.station, talk.bench.clock)

        assert answer["status"] == "Rejected"
        assert answer["statusInfo"]["reasonCode"] == "FwUpdateInProgress"
        assert (await statuses(talk))[-2:] == ["Installing", "InstallRebooting"]
        assert service.boot_reason == "FirmwareUpdate"
