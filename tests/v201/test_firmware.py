"""Block L over the adapter: every status in order, against a real server on loopback."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from file_servers import Files, issue
from firmware_rig import IMAGE, FakeInstaller, Maker, at, firmware, settled, statuses, update
from loopback import LOOPBACK

from chargepoint.core.firmware import InstallResult, WhileCharging
from chargepoint.core.variables import ALLOW_NEW_SESSIONS_PENDING_FIRMWARE_UPDATE
from chargepoint.errors import StoreError
from chargepoint.station.upkeep import Upkeep

DONE = ["Downloading", "Downloaded", "SignatureVerified", "Installing", "Installed"]


@pytest.fixture
def upkeep(tmp_path: Path, maker: Maker, installer: FakeInstaller) -> Upkeep:
    return Upkeep(
        installer=installer,
        roots=maker.known_to(tmp_path / "roots"),
        station_id="CP1",
        reach=LOOPBACK,
    )


def events(talk: Any) -> list[str]:
    return [payload["type"] for payload in talk.csms.said("SecurityEventNotification")]


@pytest.mark.spec("2.0.1", "TC_L_01_CS")
async def test_an_update_is_fetched_checked_and_installed(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    answer = await update(talk, firmware(maker, server.url))

    assert answer == {"status": "Accepted"}
    assert await statuses(talk) == DONE
    assert events(talk) == ["FirmwareUpdated"]
    assert installer.installed == [IMAGE]


@pytest.mark.parametrize("step", DONE)
async def test_a_disk_that_refuses_a_step_only_holds_an_update_up(
    step: str, talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    station = talk.bench.station

    with pytest.MonkeyPatch.context() as patch:
        refuse_once(station, step, patch)
        await update(talk, firmware(maker, server.url))
        for _ in range(10):
            await talk.bench.clock.advance(1)
            await settled(station, talk.bench.clock)

    assert await statuses(talk) == DONE
    assert installer.installed == [IMAGE]
    assert not station.services.firmware.busy
    assert station.evses[1].runner.state.operative


def refuse_once(station: Any, step: str, patch: pytest.MonkeyPatch) -> None:
    """The first commit of this step fails."""
    commit, left = station.store.commit_job, [step]

    def refuse(name: str, job: Any, *given: Any, **more: Any) -> None:
        if job is not None and job.status in left:
            left.remove(job.status)
            raise StoreError("disk full")
        commit(name, job, *given, **more)

    patch.setattr(station.store, "commit_job", refuse)


@pytest.mark.spec("2.0.1", "TC_L_02_CS")
async def test_an_installation_waits_for_its_moment(talk: Any, maker: Maker, server: Files) -> None:
    await update(talk, firmware(maker, server.url, install_s=600))
    before = await statuses(talk)
    assert talk.bench.station.maintenance.idle  # it goes on after a reset
    await talk.bench.clock.advance(600)
    await settled(talk.bench.station, talk.bench.clock)

    assert before == [*DONE[:3], "InstallScheduled"]
    assert await statuses(talk) == DONE[3:]


@pytest.mark.spec("2.0.1", "TC_L_03_CS")
async def test_a_download_waits_for_its_moment(talk: Any, maker: Maker, server: Files) -> None:
    await update(talk, firmware(maker, server.url, retrieve_s=600))
    assert await statuses(talk) == ["DownloadScheduled"]
    assert server.seen == []

    await talk.bench.clock.advance(600)
    await settled(talk.bench.station, talk.bench.clock)

    assert await statuses(talk) == DONE


@pytest.mark.spec("2.0.1", "TC_L_05_CS")
@pytest.mark.parametrize("what", ["text", "stranger", "old", "not for signing"])
async def test_a_certificate_of_nobody_known_is_refused(
    what: str, talk: Any, maker: Maker, server: Files
) -> None:
    pem = {
        "text": "no certificate",
        "stranger": issue("Stranger", issue("Other maker")).pem,
        "old": issue("Old", maker.root, valid_for=timedelta(days=1)).pem,
        "not for signing": issue("Other use", maker.root, signs=False).pem,
    }[what]

    answer = await update(talk, firmware(maker, server.url, signingCertificate=pem))

    assert answer["status"] == "InvalidCertificate"
    assert await statuses(talk) == []
    assert events(talk) == ["InvalidFirmwareSigningCertificate"]
    assert server.seen == []


@pytest.mark.spec("2.0.1", "TC_L_06_CS")
async def test_a_signature_of_another_file_is_invalid(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    server.files["/fw.bin"] = IMAGE + b"!"

    await update(talk, firmware(maker, server.url))

    assert await statuses(talk) == ["Downloading", "Downloaded", "InvalidSignature"]
    assert events(talk) == ["InvalidFirmwareSignature"]
    assert installer.installed == []


@pytest.mark.spec("2.0.1", "TC_L_07_CS")
async def test_a_file_that_is_not_there_fails_after_the_retries(
    talk: Any, maker: Maker, server: Files
) -> None:
    server.files.clear()

    await update(talk, firmware(maker, server.url), retries=1, retryInterval=10)
    await talk.bench.clock.advance(10)
    await settled(talk.bench.station, talk.bench.clock)

    assert await statuses(talk) == ["Downloading", "DownloadFailed"]
    assert server.seen == ["GET /fw.bin"] * 2


@pytest.mark.spec("2.0.1", "L01.FR.10")
async def test_a_download_that_breaks_off_is_paused_and_goes_on(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    server.breaks.append(1000)

    await update(talk, firmware(maker, server.url), retries=1, retryInterval=10)
    before = await statuses(talk)
    await talk.bench.clock.advance(10)
    await settled(talk.bench.station, talk.bench.clock)

    assert before == ["Downloading", "DownloadPaused"]
    assert await statuses(talk) == DONE
    assert server.ranges == ["", "bytes=1000-"]
    assert installer.installed == [IMAGE]


@pytest.mark.spec("2.0.1", "TC_L_08_CS")
@pytest.mark.parametrize(
    "broken",
    [
        (InstallResult.UNFIT, "InstallVerificationFailed"),
        (InstallResult.FAILED, "InstallationFailed"),
    ],
)
async def test_a_broken_image_leaves_a_station_that_works(
    broken: tuple[InstallResult, str], talk: Any, maker: Maker, server: Files, installer: Any
) -> None:
    installer.result, status = broken

    await update(talk, firmware(maker, server.url))

    assert await statuses(talk) == [*DONE[:4], status]
    assert events(talk) == []
    assert talk.bench.state().operative


@pytest.mark.spec("2.0.1", "TC_L_10_CS")
async def test_a_newer_request_takes_the_place_of_one_under_way(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    await update(talk, firmware(maker, server.url, retrieve_s=600), 6)
    await talk.tell()

    answer = await update(talk, firmware(maker, server.url))

    assert answer == {"status": "AcceptedCanceled"}
    assert await statuses(talk) == DONE
    assert len(installer.installed) == 1


@pytest.mark.spec("2.0.1", "TC_L_11_CS")
async def test_an_installation_cannot_be_cancelled(
    talk: Any, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    installer.result = InstallResult.REBOOT
    await update(talk, firmware(maker, server.url))

    answer = await update(talk, firmware(maker, server.url), 8)

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "FwUpdateInProgress"
    assert await statuses(talk) == [*DONE[:4], "InstallRebooting"]


@pytest.mark.spec("2.0.1", "TC_L_14_CS")
async def test_an_installation_waits_for_sessions_while_others_may_begin(
    talk: Any, maker: Maker, server: Files
) -> None:
    talk.bench.station.model.assign(ALLOW_NEW_SESSIONS_PENDING_FIRMWARE_UPDATE, value=True)
    await talk.bench.charge(evse_id=1)

    await update(talk, firmware(maker, server.url))
    assert await statuses(talk) == [*DONE[:3], "InstallScheduled"]
    await talk.bench.charge(evse_id=2)
    await talk.bench.finish(1)
    await talk.bench.clock.advance(5)
    assert await statuses(talk) == []

    await talk.bench.finish(2)
    await talk.bench.clock.advance(1)
    await settled(talk.bench.station, talk.bench.clock)

    assert await statuses(talk) == DONE[3:]


@pytest.mark.spec("2.0.1", "TC_L_15_CS")
@pytest.mark.spec("2.0.1", "L01.FR.06")
async def test_free_connectors_are_out_of_use_while_an_installation_waits(
    talk: Any, maker: Maker, server: Files
) -> None:
    await talk.bench.charge(evse_id=1)
    await talk.tell()

    await update(talk, firmware(maker, server.url))

    told = await talk.tell()
    out_of_use = [
        (sent.payload["evseId"], sent.payload["connectorId"])
        for sent in told
        if sent.payload.get("connectorStatus") == "Unavailable"
    ]
    assert (2, 1) in out_of_use
    assert not talk.bench.state(2).operative
    assert talk.bench.evse(1).runner.state.busy
    await talk.bench.finish(1)
    await talk.bench.clock.advance(1)
    await settled(talk.bench.station, talk.bench.clock)
    assert await statuses(talk) == DONE[3:]
    assert talk.bench.state(1).operative
    assert talk.bench.state(2).operative


async def test_free_connectors_are_in_use_between_download_and_installation(
    begin: Any, upkeep: Upkeep, maker: Maker, server: Files
) -> None:
    def prepare(wiring: Any) -> None:
        wiring.upkeep = replace(upkeep, while_charging=WhileCharging.NOTHING)

    async with begin(prepare=prepare) as talk:
        await update(talk, firmware(maker, server.url, install_s=600))

        assert await statuses(talk) == [*DONE[:3], "InstallScheduled"]
        assert talk.bench.state().operative


async def test_a_restart_after_an_installation_waits_for_sessions(
    begin: Any, upkeep: Upkeep, maker: Maker, server: Files, installer: FakeInstaller
) -> None:
    def prepare(wiring: Any) -> None:
        wiring.upkeep = replace(upkeep, while_charging=WhileCharging.INSTALL)

    installer.result = InstallResult.REBOOT
    async with begin(prepare=prepare) as talk:
        await talk.bench.charge(evse_id=1)
        await update(talk, firmware(maker, server.url))
        before = await statuses(talk)
        await talk.bench.clock.advance(5)

        assert before == DONE[:4]
        assert talk.bench.evse(1).runner.state.busy
        await talk.bench.finish(1)
        await talk.bench.clock.advance(1)
        await settled(talk.bench.station, talk.bench.clock)
        assert await statuses(talk) == ["InstallRebooting"]


@pytest.mark.spec("2.0.1", "TC_L_18_CS")
@pytest.mark.parametrize("missing", ["signature", "signingCertificate", "both"])
async def test_an_update_without_certificate_or_signature_is_rejected(
    missing: str, talk: Any, maker: Maker, server: Files
) -> None:
    told = firmware(maker, server.url)
    for name in ("signature", "signingCertificate"):
        if missing in {name, "both"}:
            del told[name]

    answer = await update(talk, told)

    assert answer["status"] == "Rejected"
    assert server.seen == []


@pytest.mark.spec("2.0.1", "L02.FR.01")
async def test_an_unsigned_update_is_taken_where_the_maker_allows_it(
    begin: Any, upkeep: Upkeep, server: Files
) -> None:
    def prepare(wiring: Any) -> None:
        wiring.upkeep = replace(upkeep, unsigned=True)

    async with begin(prepare=prepare) as talk:
        told = {"location": f"{server.url}/fw.bin", "retrieveDateTime": at(0)}

        answer = await update(talk, told)

        assert answer == {"status": "Accepted"}
        assert await statuses(talk) == [s for s in DONE if s != "SignatureVerified"]


@pytest.mark.parametrize("location", ["gopher://host/fw.bin", "fw.bin", "http://", "http://h/%0a"])
async def test_an_address_the_station_cannot_use_is_rejected(
    location: str, talk: Any, maker: Maker
) -> None:
    answer = await update(talk, firmware(maker, "", location=location))

    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "InvalidURL"


@pytest.mark.spec("2.0.1", "L01.FR.25")
@pytest.mark.spec("2.0.1", "L01.FR.26")
async def test_a_trigger_is_answered_with_the_last_status_or_idle(
    talk: Any, maker: Maker, server: Files
) -> None:
    async def asked() -> list[Any]:
        answer = await talk.ask(
            "TriggerMessage", {"requestedMessage": "FirmwareStatusNotification"}
        )
        assert answer == {"status": "Accepted"}
        return [sent.payload for sent in await talk.tell()]

    assert await asked() == [{"status": "Idle"}]
    await update(talk, firmware(maker, server.url, retrieve_s=60))
    await talk.tell()
    assert await asked() == [{"status": "DownloadScheduled", "requestId": 7}]
    await talk.bench.clock.advance(60)
    await settled(talk.bench.station, talk.bench.clock)
    await talk.tell()
    assert await asked() == [{"status": "Idle"}]


@pytest.mark.spec("2.0.1", "L03.FR.01")
async def test_the_station_is_no_local_controller(talk: Any) -> None:
    publish = {"location": "http://h/fw", "checksum": "0" * 32, "requestId": 1}

    published = await talk.ask("PublishFirmware", publish)
    taken_back = await talk.ask("UnpublishFirmware", {"checksum": "0" * 32})

    assert published["status"] == "Rejected"
    assert taken_back == {"status": "NoFirmware"}
