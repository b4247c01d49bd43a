"""Block L over restarts: an update goes on, and its outcome is told once."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from file_servers import Files
from firmware_rig import IMAGE, FakeInstaller, Maker, firmware, settled, statuses, update
from loopback import LOOPBACK
from station_bench import until

from chargepoint.core.firmware import InstallResult
from chargepoint.station.long_job import ANSWERED_WITHIN
from chargepoint.station.upkeep import Upkeep

DONE = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]
REBOOTED = ["InstallRebooting", "Installed"]


@pytest.fixture
def upkeep(tmp_path: Path, maker: Maker, installer: FakeInstaller) -> Upkeep:
    return Upkeep(
        installer=installer,
        roots=maker.known_to(tmp_path / "roots"),
        station_id="CP1",
        reach=LOOPBACK,
    )


@pytest.mark.spec("2.0.1", "TC_L_01_CS")
@pytest.mark.parametrize(
    "found",
    [(None, "Installed"), (True, "Installed"), (False, "InstallationFailed")],
)
async def test_after_the_restart_the_outcome_is_told_once(
    found: tuple[bool | None, str], begin: Any, maker: Maker, server: Files, installer: Any
) -> None:
    installer.confirms, outcome = found
    installer.result = InstallResult.REBOOT
    async with begin() as talk:
        await update(talk, firmware(maker, server.url))
        assert await statuses(talk) == [*DONE[:4], "InstallRebooting"]
        await talk.bench.clock.advance(1)
        assert talk.bench.station.maintenance.reason == "FirmwareUpdate"
        clock = talk.bench.clock

    async with begin(clock=clock) as talk:
        assert talk.bench.station.services.firmware.boot_reason == "FirmwareUpdate"
        await talk.bench.station.services.resume()
        assert await statuses(talk) == [outcome]
        assert talk.bench.state().operative

    async with begin(clock=clock) as talk:
        assert talk.bench.station.services.firmware.boot_reason == ""
        await talk.bench.station.services.resume()
        assert await statuses(talk) == []


@pytest.mark.parametrize("heard", [True, False])
async def test_a_restart_waits_a_little_for_the_csms_to_hear_of_it(
    begin: Any, maker: Maker, server: Files, installer: Any, *, heard: bool
) -> None:
    installer.result = InstallResult.REBOOT
    async with begin() as talk:
        await update(talk, firmware(maker, server.url))
        wanted = talk.bench.station.maintenance.wanted
        assert not wanted.is_set()

        if heard:
            await statuses(talk)
        await talk.bench.clock.advance(1)
        assert wanted.is_set() is heard
        await talk.bench.clock.advance(5)
        assert wanted.is_set()


async def test_a_power_cut_while_waiting_goes_on_where_it_was(
    begin: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    async with begin() as talk:
        await update(talk, firmware(maker, server.url, install_s=600))
        await statuses(talk)
        clock = talk.bench.clock
    server.files.clear()  # what was downloaded is not fetched again

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await clock.advance(600)
        await settled(talk.bench.station, clock)

        assert await statuses(talk) == DONE[3:]
        assert installer.installed == [IMAGE]


async def test_a_power_cut_during_a_download_downloads_again(
    begin: Any, maker: Maker, server: Files
) -> None:
    server.gate.clear()
    async with begin() as talk:
        talk.bench.supervisor.spawn(update(talk, firmware(maker, server.url)))
        await until(lambda: server.waiting == 1)
        assert await statuses(talk) == ["Downloading"]
        clock = talk.bench.clock
    server.gate.set()

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await settled(talk.bench.station, clock)

        assert await statuses(talk) == DONE[1:]


async def test_a_power_cut_in_the_middle_of_an_installation_is_a_failure(
    begin: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    began = asyncio.Event()

    async def install(_file: Path) -> InstallResult:
        began.set()
        await asyncio.Event().wait()
        return InstallResult.DONE

    installer.install = install  # type: ignore[method-assign]
    async with begin() as talk:
        talk.bench.supervisor.spawn(update(talk, firmware(maker, server.url)))
        await began.wait()
        clock = talk.bench.clock

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()

        assert await statuses(talk) == [*DONE[:4], "InstallationFailed"]
        assert talk.bench.state().operative


@pytest.mark.parametrize("cut_after", range(2, 7))  # the first step comes before the answer
async def test_a_power_cut_after_any_step_tells_every_status_once(
    cut_after: int, begin: Any, maker: Maker, server: Files, installer: Any
) -> None:
    installer.result = InstallResult.REBOOT
    async with begin() as talk:
        service = talk.bench.station.services.firmware
        tell, left = service._tell, [cut_after]

        def tell_and_cut(*step: Any) -> None:
            tell(*step)
            left[0] -= 1
            if not left[0]:
                raise asyncio.CancelledError

        service._tell = tell_and_cut
        with suppress(asyncio.CancelledError):
            await update(talk, firmware(maker, server.url))
        told = await statuses(talk)
        clock = talk.bench.clock

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await settled(talk.bench.station, clock)
        told += await statuses(talk)
    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        told += await statuses(talk)

    interrupted = cut_after == 5
    assert told == [*DONE[:4], *(["InstallationFailed"] if interrupted else REBOOTED)]
    assert talk.bench.state().operative


@pytest.mark.parametrize(
    ("install_s", "outcome"), [(600, ["InstallationFailed"]), (None, ["DownloadFailed"])]
)
async def test_an_installer_that_is_gone_ends_the_update(
    install_s: float | None, outcome: list[str], begin: Any, maker: Maker, server: Files
) -> None:
    retrieve_s = 600 if install_s is None else 0
    told = firmware(maker, server.url, retrieve_s=retrieve_s, install_s=install_s)
    async with begin() as talk:
        await update(talk, told)
        await statuses(talk)
        clock = talk.bench.clock

    async with begin(clock=clock, prepare=lambda _wiring: None) as talk:
        await talk.bench.station.services.resume()

        assert await statuses(talk) == outcome


async def test_what_was_accepted_is_done_although_the_power_went_right_after_the_answer(
    begin: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    asked = {"requestId": 7, "firmware": firmware(maker, server.url)}
    async with begin() as talk:
        reply = await talk.hear("UpdateFirmware", asked)
        assert reply.payload == {"status": "Accepted"}
        assert await statuses(talk) == []
        clock = talk.bench.clock

    async with begin(clock=clock) as talk:
        await talk.bench.station.services.resume()
        await settled(talk.bench.station, clock)
        assert await statuses(talk) == DONE
    assert len(installer.installed) == 1


async def test_an_update_whose_answer_cannot_be_given_begins_all_the_same(
    begin: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    asked = {"requestId": 7, "firmware": firmware(maker, server.url)}
    async with begin() as talk:
        await talk.hear("UpdateFirmware", asked)
        await talk.bench.clock.advance(ANSWERED_WITHIN.total_seconds())
        await settled(talk.bench.station, talk.bench.clock)

        assert await statuses(talk) == DONE
    assert len(installer.installed) == 1
