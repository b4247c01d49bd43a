"""Block L and the triggers of block F, case by case: an update and a log of a whole station."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, Sent
from file_servers import Files
from firmware_rig import IMAGE, FakeInstaller, Maker, firmware
from loopback import LOOPBACK

from chargepoint.core.firmware import InstallResult, WhileCharging
from chargepoint.station.upkeep import Upkeep

Open = Callable[..., AbstractAsyncContextManager[Case]]

FETCHED = ["Downloading", "Downloaded", "SignatureVerified"]
REBOOTED = [*FETCHED, "Installing", "InstallRebooting"]
HOURS_AGO = -2 * 3600.0
THREE_OUTLETS = (("cType2",), ("cType2",), ("cType2",))


@pytest.fixture
def upkeep(tmp_path: Path, maker: Maker, installer: FakeInstaller) -> Upkeep:
    return Upkeep(
        installer=installer,
        roots=maker.known_to(tmp_path / "roots"),
        station_id="CP1",
        reach=LOOPBACK,
    )


async def update(run: Case, maker: Maker, server: Files) -> dict[str, Any]:
    """Ask for an update that may be fetched and installed since two hours."""
    told = firmware(maker, server.url, retrieve_s=HOURS_AGO, install_s=HOURS_AGO)
    return await run.ask("UpdateFirmware", requestId=7, firmware=told)


async def trigger(run: Case, message: str) -> list[dict[str, Any]]:
    """What comes when the CSMS asks for this message."""
    run.take()
    answer = await run.ask("TriggerMessage", requestedMessage=message)
    assert answer == {"status": "Accepted"}
    return run.take(message)


def statuses(sent: list[Sent]) -> list[str]:
    told = [one.payload for one in sent if one.action == "FirmwareStatusNotification"]
    assert {payload["requestId"] for payload in told} <= {7}
    return [payload["status"] for payload in told]


def connectors(sent: list[Sent]) -> dict[int, str]:
    """The last status told of each EVSE."""
    told = [one.payload for one in sent if one.action == "StatusNotification"]
    return {payload["evseId"]: payload["connectorStatus"] for payload in told}


async def over(run: Case, installer: FakeInstaller) -> list[Sent]:
    """The update goes on to its end, over a restart if there is one; what was sent on the way."""
    await run.until(lambda: bool(installer.installed))
    await run.advance(10)
    assert installer.installed == [IMAGE]
    return run.take()


def check_restart(sent: list[Sent]) -> None:
    """The station came back as the cases want it: boot, event, connectors, Installed."""
    boot = next(i for i, one in enumerate(sent) if one.action == "BootNotification")
    assert sent[boot].payload["reason"] == "FirmwareUpdate"
    after = sent[boot:]
    assert statuses(sent[:boot]) == REBOOTED
    assert statuses(after) == ["Installed"]
    last = next(i for i, one in enumerate(after) if one.action == "FirmwareStatusNotification")
    assert set(connectors(after[:last]).values()) == {"Available"}
    events = [o.payload["type"] for o in after[:last] if o.action == "SecurityEventNotification"]
    assert events.count("FirmwareUpdated") == 1


@pytest.mark.spec("2.0.1", "TC_L_12_CS")
async def test_sessions_may_begin_while_a_download_waits_for_others(
    open_case: Open, upkeep: Upkeep, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    installer.result = InstallResult.REBOOT
    upkeep = replace(upkeep, while_charging=WhileCharging.NOTHING)
    allow = {"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "true"}
    async with open_case(upkeep=upkeep, settings=allow, connectors=THREE_OUTLETS[:2]) as run:
        await run.charge(evse=1)
        run.take()

        assert await update(run, maker, server) == {"status": "Accepted"}
        assert statuses(run.take()) == ["DownloadScheduled"]
        await run.charge("04BB", evse=2)
        await run.unplug(1)
        await run.advance(5)
        assert statuses(run.take()) == []
        assert server.seen == []
        await run.unplug(2)
        await run.advance(1)

        check_restart(await over(run, installer))


@pytest.mark.spec("2.0.1", "TC_L_13_CS")
async def test_free_connectors_are_out_of_use_while_a_download_waits(
    open_case: Open, upkeep: Upkeep, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    installer.result = InstallResult.REBOOT
    upkeep = replace(upkeep, while_charging=WhileCharging.NOTHING)
    forbid = {"ChargingStation.AllowNewSessionsPendingFirmwareUpdate": "false"}
    async with open_case(upkeep=upkeep, settings=forbid, connectors=THREE_OUTLETS) as run:
        await run.charge(evse=1)
        run.take()

        assert await update(run, maker, server) == {"status": "Accepted"}
        told = run.take()
        assert statuses(told) == ["DownloadScheduled"]
        assert connectors(told) == {2: "Unavailable", 3: "Unavailable"}
        assert run.transaction(1) is not None
        await run.unplug(1)
        await run.advance(1)

        check_restart(await over(run, installer))


@pytest.mark.spec("2.0.1", "TC_L_16_CS")
async def test_a_station_that_can_installs_while_it_charges(
    open_case: Open, upkeep: Upkeep, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    upkeep = replace(upkeep, while_charging=WhileCharging.INSTALL)
    async with open_case(upkeep=upkeep, connectors=THREE_OUTLETS[:2]) as run:
        transaction = await run.charge(evse=1)
        run.take()

        assert await update(run, maker, server) == {"status": "Accepted"}
        sent = await over(run, installer)

        assert statuses(sent) == [*FETCHED, "Installing", "Installed"]
        assert connectors(sent) == {}
        running = run.transaction(1)
        assert running is not None
        assert running.transaction_id == transaction
        assert run.outlets[1].closed


@pytest.mark.spec("2.0.1", "TC_F_18_CS")
async def test_no_update_under_way_is_told_as_idle(open_case: Open, upkeep: Upkeep) -> None:
    async with open_case(upkeep=upkeep) as run:
        assert await trigger(run, "FirmwareStatusNotification") == [{"status": "Idle"}]


@pytest.mark.spec("2.0.1", "TC_F_19_CS")
async def test_a_download_under_way_is_told_when_asked(
    open_case: Open, upkeep: Upkeep, maker: Maker, server: Files
) -> None:
    server.gate.clear()
    async with open_case(upkeep=upkeep) as run:
        told = firmware(maker, server.url, retrieve_s=HOURS_AGO)
        answer = await run.ask("UpdateFirmware", requestId=7, firmware=told)
        await run.until(lambda: server.waiting == 1)
        first = run.take("FirmwareStatusNotification")

        asked = await trigger(run, "FirmwareStatusNotification")

        assert answer == {"status": "Accepted"}
        assert first == asked == [{"status": "Downloading", "requestId": 7}]


@pytest.mark.spec("2.0.1", "TC_F_15_CS")
async def test_no_upload_under_way_is_told_as_idle(open_case: Open) -> None:
    async with open_case() as run:
        assert await trigger(run, "LogStatusNotification") == [{"status": "Idle"}]


@pytest.mark.spec("2.0.1", "TC_F_16_CS")
async def test_an_upload_under_way_is_told_when_asked(open_case: Open, server: Files) -> None:
    server.gate.clear()
    async with open_case() as run:
        place = {"remoteLocation": f"{server.url}/log/"}
        answer = await run.ask("GetLog", requestId=8, logType="DiagnosticsLog", log=place)
        await run.until(lambda: server.waiting == 1)
        first = run.take("LogStatusNotification")

        asked = await trigger(run, "LogStatusNotification")

        assert answer["status"] == "Accepted"
        assert first == asked == [{"status": "Uploading", "requestId": 8}]
