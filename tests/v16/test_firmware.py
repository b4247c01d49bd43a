"""Firmware updates of OCPP 1.6, plain and signed, against a real server on loopback."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from file_servers import Files, http_server, issue
from firmware_rig import IMAGE, FakeInstaller, Maker, at, firmware, make_maker
from loopback import LOOPBACK
from station_bench import until

from chargepoint.core.firmware import InstallResult
from chargepoint.csms.rpc import CallError
from chargepoint.station.upkeep import Upkeep

PLAIN = ["Downloading", "Downloaded", "Installing", "Installed"]
SIGNED = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]


@pytest.fixture(scope="module")
def maker() -> Maker:
    return make_maker()


@pytest.fixture
def installer() -> FakeInstaller:
    return FakeInstaller()


@pytest.fixture
def unsigned() -> bool:
    """Whether the maker allows updates without signature."""
    return True


@pytest.fixture
def upkeep(tmp_path: Path, maker: Maker, installer: FakeInstaller, *, unsigned: bool) -> Upkeep:
    roots = maker.known_to(tmp_path / "roots")
    return Upkeep(
        installer=installer, roots=roots, station_id="CP1", reach=LOOPBACK, unsigned=unsigned
    )


@pytest.fixture
async def server() -> AsyncIterator[Files]:
    async with http_server() as files:
        files.files["/fw.bin"] = IMAGE
        yield files


async def plain(bench: Any) -> list[str]:
    await bench.tell()
    return [payload["status"] for payload in bench.csms.said("FirmwareStatusNotification")]


async def signed(bench: Any) -> list[str]:
    await bench.tell()
    told = bench.csms.said("SignedFirmwareStatusNotification")
    assert {payload["requestId"] for payload in told} <= {7}
    return [payload["status"] for payload in told]


@pytest.mark.spec("1.6", "TC_044_1")
async def test_a_plain_update_is_fetched_and_installed(
    bench: Any, server: Files, installer: FakeInstaller
) -> None:
    answer = await bench.ask("UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(0))

    assert answer == {}
    assert await plain(bench) == PLAIN
    assert installer.installed == [IMAGE]


@pytest.mark.spec("1.6", "TC_044_2")
async def test_a_file_that_is_not_there(bench: Any, server: Files) -> None:
    await bench.ask("UpdateFirmware", location=f"{server.url}/other", retrieveDate=at(0), retries=1)
    await bench.clock.advance(600)

    assert await plain(bench) == ["Downloading", "DownloadFailed"]
    assert server.seen == ["GET /other"] * 2


@pytest.mark.spec("1.6", "TC_044_3")
@pytest.mark.parametrize("result", [InstallResult.UNFIT, InstallResult.FAILED])
async def test_an_image_that_cannot_be_installed(
    result: InstallResult, bench: Any, server: Files, installer: FakeInstaller
) -> None:
    installer.result = result

    await bench.ask("UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(0))

    assert await plain(bench) == [*PLAIN[:3], "InstallationFailed"]


@pytest.mark.parametrize("unsigned", [False])
async def test_a_station_that_checks_signatures_supports_no_plain_update(
    bench: Any, server: Files
) -> None:
    with pytest.raises(CallError) as error:
        await bench.hear("UpdateFirmware", location=f"{server.url}/fw", retrieveDate=at(0))

    assert error.value.code == "NotSupported"


@pytest.mark.spec("1.6", "6.19")
async def test_an_address_the_station_cannot_use_is_an_error(bench: Any) -> None:
    with pytest.raises(CallError) as error:
        await bench.hear("UpdateFirmware", location="gopher://h/fw", retrieveDate=at(0))

    assert error.value.code == "PropertyConstraintViolation"


@pytest.mark.spec("1.6", "TC_080")
async def test_a_signed_update_is_fetched_checked_and_installed(
    bench: Any, server: Files, maker: Maker
) -> None:
    answer = await bench.ask(
        "SignedUpdateFirmware", requestId=7, firmware=firmware(maker, server.url)
    )

    assert answer == {"status": "Accepted"}
    assert await signed(bench) == SIGNED
    assert bench.csms.said("FirmwareStatusNotification") == []


async def test_scheduled_steps_of_a_signed_update_are_told(
    bench: Any, server: Files, maker: Maker
) -> None:
    told = firmware(maker, server.url, retrieve_s=60, install_s=120)

    await bench.ask("SignedUpdateFirmware", requestId=7, firmware=told)
    await bench.clock.advance(120)

    assert await signed(bench) == [
        "DownloadScheduled",
        *SIGNED[:3],
        "InstallScheduled",
        *SIGNED[3:],
    ]


@pytest.mark.spec("1.6", "TC_081")
async def test_a_signed_update_with_an_invalid_signature(
    bench: Any, server: Files, maker: Maker, installer: FakeInstaller
) -> None:
    server.files["/fw.bin"] = IMAGE + b"!"

    await bench.ask("SignedUpdateFirmware", requestId=7, firmware=firmware(maker, server.url))

    assert await signed(bench) == ["Downloading", "Downloaded", "InvalidSignature"]
    assert installer.installed == []


async def test_a_certificate_of_nobody_known(bench: Any, server: Files, maker: Maker) -> None:
    told = firmware(maker, server.url, signingCertificate=issue("Stranger").pem)

    answer = await bench.ask("SignedUpdateFirmware", requestId=7, firmware=told)

    assert answer == {"status": "InvalidCertificate"}
    assert await signed(bench) == []


@pytest.mark.spec("1.6", "5.17")
async def test_a_trigger_without_an_update_is_answered_with_idle(bench: Any) -> None:
    answer = await bench.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification")

    assert answer == {"status": "Accepted"}
    assert await plain(bench) == ["Idle"]


async def test_an_extended_trigger_is_about_signed_updates(bench: Any) -> None:
    asked = {"requestedMessage": "FirmwareStatusNotification"}
    answer = await bench.ask("ExtendedTriggerMessage", **asked)

    assert answer == {"status": "Accepted"}
    assert await plain(bench) == []
    assert bench.csms.said("SignedFirmwareStatusNotification") == [{"status": "Idle"}]


@pytest.mark.spec("1.6", "5.17")
async def test_a_trigger_after_a_failure_repeats_it(bench: Any, server: Files) -> None:
    await bench.ask("UpdateFirmware", location=f"{server.url}/other", retrieveDate=at(0), retries=0)
    await plain(bench)

    await bench.ask("TriggerMessage", requestedMessage="FirmwareStatusNotification")

    assert (await plain(bench))[-2:] == ["DownloadFailed", "DownloadFailed"]


async def test_a_newer_signed_update_takes_the_place_of_one_under_way(
    bench: Any, server: Files, maker: Maker, installer: FakeInstaller
) -> None:
    server.gate.clear()
    told = firmware(maker, server.url)
    first = await bench.hear("SignedUpdateFirmware", requestId=6, firmware=told)
    await first.after()
    await until(lambda: server.waiting == 1)

    second = await bench.hear("SignedUpdateFirmware", requestId=7, firmware=told)
    server.gate.set()
    await second.after()
    await until(lambda: not bench.station.services.firmware.busy)

    assert second.payload == {"status": "AcceptedCanceled"}
    await bench.tell()
    told_of = [
        (payload["requestId"], payload["status"])
        for payload in bench.csms.said("SignedFirmwareStatusNotification")
    ]
    assert told_of == [(6, "Downloading"), *((7, status) for status in SIGNED)]
    assert installer.installed == [IMAGE]


async def test_while_an_update_restarts_the_station_no_other_is_taken(
    bench: Any, server: Files, maker: Maker, installer: FakeInstaller
) -> None:
    installer.result = InstallResult.REBOOT
    told = firmware(maker, server.url)
    await bench.ask("SignedUpdateFirmware", requestId=7, firmware=told)

    answer = await bench.ask("SignedUpdateFirmware", requestId=8, firmware=told)
    with pytest.raises(CallError, match="an update is being installed") as error:
        await bench.hear("UpdateFirmware", location=f"{server.url}/fw.bin", retrieveDate=at(0))

    assert answer == {"status": "Rejected"}
    assert error.value.code == "GenericError"
    assert await signed(bench) == [*SIGNED[:4], "InstallRebooting"]
    assert len(installer.installed) == 1
