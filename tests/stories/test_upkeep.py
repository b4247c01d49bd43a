"""A firmware update and a log over a real WebSocket, from the config to the maker's command."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter
from file_servers import Files, ftp_server, http_server
from firmware_rig import IMAGE, Maker, firmware, make_maker

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.config import StationConfig, load_config
from chargepoint.core.variables import FILE_TRANSFER_PROTOCOLS
from meters.api import Meter

STATION = "CP1"
STEPS = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting"]
UPDATE = {"1.6": "SignedUpdateFirmware", "2.0.1": "UpdateFirmware"}
TOLD = {"1.6": "SignedFirmwareStatusNotification", "2.0.1": "FirmwareStatusNotification"}


@dataclass
class Site:
    """A CSMS, file servers, and the config of a station between them."""

    csms: SmallCsms
    config: StationConfig
    files: Files
    ftp: Files
    maker: Maker
    version: str
    mark: Path

    def statuses(self) -> list[str]:
        return [told["status"] for told in self.csms.messages(TOLD[self.version])]


@pytest.fixture(params=["1.6", "2.0.1"])
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter()}

    monkeypatch.setattr(app, "open_meters", meters)
    version, maker, mark = request.param, make_maker(), tmp_path / "installed"
    roots = maker.known_to(tmp_path / "state" / "keys" / "ManufacturerRootCertificate")
    assert roots.is_dir()
    copy = f"import shutil, sys; shutil.copy(sys.argv[1], {str(mark)!r}); sys.exit(10)"
    async with (
        SmallCsms(versions=[version]) as csms,
        http_server() as files,
        ftp_server() as ftp,
    ):
        files.files["/fw.bin"] = IMAGE
        path = tmp_path / "station.yaml"
        path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox 22, state: {tmp_path}/state}}
csms: {{url: "{csms.url}", ocpp: "{version}"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
firmware: {{install_command: ["{sys.executable}", "-c", "{copy}"]}}
""")
        yield Site(csms, load_config(path), files, ftp, maker, version, mark)
        assert csms.violations == []


@asynccontextmanager
async def running(site: Site) -> AsyncIterator[list[Life]]:
    """The station, through as many lives as it takes."""
    stop, lives = asyncio.Event(), list[Life]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(site.config, stop=stop, born=lives.append))
        await until(lambda: bool(lives) and lives[0].session.online)
        yield lives
        stop.set()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


@pytest.mark.spec("2.0.1", "TC_L_01_CS")
@pytest.mark.spec("1.6", "TC_080")
async def test_an_update_restarts_the_station_and_is_told_as_installed(site: Site) -> None:
    async with running(site) as lives:
        asked = {"requestId": 7, "firmware": firmware(site.maker, site.files.url)}

        answer = await site.csms.call(STATION, UPDATE[site.version], asked)
        await until(lambda: "Installed" in site.statuses())
        await until(lambda: len(lives) == 2 and not lives[1].store.waiting)

    assert answer == {"status": "Accepted"}
    assert site.statuses() == [*STEPS, "Installed"]
    assert {told["requestId"] for told in site.csms.messages(TOLD[site.version])} == {7}
    assert site.mark.read_bytes() == IMAGE
    if site.version == "2.0.1":
        assert [boot["reason"] for boot in site.csms.messages("BootNotification")] == [
            "PowerUp",
            "FirmwareUpdate",
        ]
        events = [event["type"] for event in site.csms.messages("SecurityEventNotification")]
        assert events.count("FirmwareUpdated") == 1


@pytest.mark.spec("2.0.1", "TC_N_25_CS")
@pytest.mark.spec("1.6", "TC_079")
async def test_a_log_is_sent_over_ftp(site: Site) -> None:
    async with running(site) as lives:
        asked: dict[str, Any] = {"logType": "DiagnosticsLog", "requestId": 9}
        asked["log"] = {"remoteLocation": f"{site.ftp.url}/"}

        answer = await site.csms.call(STATION, "GetLog", asked)
        await site.csms.wait_for("LogStatusNotification", lambda t: t["status"] == "Uploaded")
        protocols = lives[0].station.model[FILE_TRANSFER_PROTOCOLS]

    assert answer["status"] == "Accepted"
    assert list(site.ftp.files) == [f"/{answer['filename']}"]
    assert [told["status"] for told in site.csms.messages("LogStatusNotification")] == [
        "Uploading",
        "Uploaded",
    ]
    assert protocols[:4] == ("FTP", "FTPS", "HTTP", "HTTPS")
