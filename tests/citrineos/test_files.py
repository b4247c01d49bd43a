"""Firmware and logs, asked for through a real CitrineOS and carried over HTTP on loopback."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from citrine_office import Message, until
from citrine_site import Site
from file_servers import http_server
from firmware_rig import IMAGE, firmware, make_maker

if TYPE_CHECKING:
    from conftest import Open

VERSIONS = ["2.0.1", "1.6"]
NEEDED = {"2.0.1": ("GetLog",), "1.6": ("GetDiagnostics",)}

# The install command copies what it is given to where the test finds it.
INSTALLER = """
firmware:
  install_command: [{python}, -c, "import shutil, sys; shutil.copy(sys.argv[1], '{{folder}}/done')"]
  roots: {{folder}}/roots
  allow_unsigned: {unsigned}
"""


def installer(*, unsigned: bool) -> str:
    return INSTALLER.format(python=sys.executable, unsigned=str(unsigned).lower())


def soon() -> str:
    return (datetime.now(UTC) - timedelta(seconds=1)).isoformat(timespec="seconds")


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_image_is_fetched_checked_and_installed(
    open_site: "Open", version: str, tmp_path: Path
) -> None:
    maker = make_maker()
    maker.known_to(tmp_path / "roots")
    async with (
        http_server() as files,
        open_site(version, config=installer(unsigned=version == "1.6")) as site,
    ):
        files.files["/fw.bin"] = IMAGE
        if version == "1.6":  # CitrineOS knows no signed update there
            told: dict[str, Any] = {"location": f"{files.url}/fw.bin", "retrieveDate": soon()}
        else:
            image = firmware(maker, files.url, retrieveDateTime=soon())
            told = {"requestId": 7, "firmware": image}

        answer = await site.ask("UpdateFirmware", **told)

        assert answer == ({} if version == "1.6" else {"status": "Accepted"})
        await site.office.wait_for(
            site.id, "FirmwareStatusNotification", lambda one: one["status"] == "Installed"
        )
        assert (tmp_path / "done").read_bytes() == IMAGE
        told_of = await progress(site, "FirmwareStatusNotification")
        checked = [] if version == "1.6" else ["SignatureVerified"]
        assert told_of == ["Downloading", "Downloaded", *checked, "Installing", "Installed"]


async def test_an_image_with_a_wrong_signature_is_not_installed(
    open_site: "Open", tmp_path: Path
) -> None:
    maker = make_maker()
    maker.known_to(tmp_path / "roots")
    async with http_server() as files, open_site("2.0.1", config=installer(unsigned=False)) as site:
        files.files["/fw.bin"] = IMAGE + b"!"
        image = firmware(maker, files.url, retrieveDateTime=soon())

        answer = await site.ask("UpdateFirmware", requestId=8, firmware=image)

        assert answer["status"] == "Accepted"
        await site.office.wait_for(
            site.id, "FirmwareStatusNotification", lambda one: one["status"] == "InvalidSignature"
        )
        assert not (tmp_path / "done").exists()
        await site.office.wait_for(
            site.id,
            "SecurityEventNotification",
            lambda one: one["type"] == "InvalidFirmwareSignature",
        )


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_log_is_uploaded_and_told_of(open_site: "Open", version: str) -> None:
    async with http_server() as files, open_site(version, needs=NEEDED[version]) as site:
        if version == "1.6":
            answer = await site.ask("GetDiagnostics", location=f"{files.url}/logs/")
            name, status = answer["fileName"], "DiagnosticsStatusNotification"
        else:
            answer = await site.ask(
                "GetLog",
                logType="DiagnosticsLog",
                requestId=9,
                log={"remoteLocation": f"{files.url}/logs/"},
            )
            assert answer["status"] == "Accepted"
            name, status = answer["filename"], "LogStatusNotification"

        await site.office.wait_for(site.id, status, lambda one: one["status"] == "Uploaded")
        assert await progress(site, status) == ["Uploading", "Uploaded"]
        assert await taken_by(site, status)
        [(path, body)] = files.files.items()
        assert path.endswith(name)
        assert len(body) > 100


async def test_the_security_log_is_uploaded(open_site: "Open") -> None:
    async with http_server() as files, open_site("2.0.1", needs=("GetLog",)) as site:
        answer = await site.ask(
            "GetLog",
            logType="SecurityLog",
            requestId=10,
            log={"remoteLocation": f"{files.url}/logs/"},
        )

        assert answer["status"] == "Accepted"
        await site.office.wait_for(
            site.id, "LogStatusNotification", lambda one: one["status"] == "Uploaded"
        )
        [body] = files.files.values()
        assert body


@pytest.mark.parametrize("version", VERSIONS)
async def test_an_upload_that_nobody_takes_is_told_of(open_site: "Open", version: str) -> None:
    async with http_server() as files, open_site(version, needs=NEEDED[version]) as site:
        files.always = 403
        if version == "1.6":
            await site.ask("GetDiagnostics", location=f"{files.url}/logs/", retries=0)
            status, failed = "DiagnosticsStatusNotification", "UploadFailed"
        else:
            where = {"remoteLocation": f"{files.url}/logs/"}
            await site.ask("GetLog", logType="DiagnosticsLog", requestId=11, log=where, retries=0)
            status, failed = "LogStatusNotification", "PermissionDenied"

        await site.office.wait_for(site.id, status, lambda one: one["status"] == failed)
        assert files.files == {}


async def progress(site: Site, action: str) -> list[str]:
    """What was told of it, each word once."""
    found = await site.office.messages(site.id, action)
    return list(dict.fromkeys(one.payload["status"] for one in found))


async def taken_by(site: Site, action: str) -> bool:
    """Whether CitrineOS took all that it was told of it."""
    calls = {one.message_id for one in await site.office.messages(site.id, action)}

    async def answers() -> list[Message]:
        sent = await site.office.messages(site.id, origin="csms")
        mine = [one for one in sent if one.message_id in calls]
        return mine if len(mine) >= len(calls) else []

    return all(one.frame[0] == 3 for one in await until(answers, "answers"))
