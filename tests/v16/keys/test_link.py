"""The link to the CSMS and what goes over it (1.6 sections 9.1 and 9.5, OCPP-J 1.6)."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from case_rig import SILENCE, STATION, CallError, Case
from file_servers import http_server
from key_talk import change, choose, value

from chargepoint import app
from chargepoint.core.variables import FEATURE_PROFILES
from chargepoint.errors import StoreError

Open = Callable[..., AbstractAsyncContextManager[Case]]

FAILED = CallError("InternalError", "not now")
WIRE = "chargepoint.bench.websocket"  # where the CSMS's library tells of every frame
PLAIN = {"MeterValueSampleInterval": "0", "StartTxnSampledData": ""}

# A harmless message of every feature profile.
OF_PROFILE: dict[str, tuple[str, dict[str, Any]]] = {
    "Core": ("ClearCache", {}),
    "FirmwareManagement": ("GetDiagnostics", {"location": "gopher://127.0.0.1/"}),
    "LocalAuthListManagement": ("GetLocalListVersion", {}),
    "Reservation": ("CancelReservation", {"reservationId": 1}),
    "SmartCharging": ("ClearChargingProfile", {}),
    "RemoteTrigger": ("TriggerMessage", {"requestedMessage": "Heartbeat"}),
}


@pytest.mark.spec("1.6", "HeartbeatInterval")
async def test_a_heartbeat_comes_after_so_much_silence(open_case: Open) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, HeartbeatInterval="50")
        run.take()

        await run.advance(99)
        assert len(run.take("Heartbeat")) == 1
        await run.plug()  # a status is told, which is no silence
        await run.advance(49)
        assert run.take("Heartbeat") == []
        await run.advance(1)
        assert len(run.take("Heartbeat")) == 1

        await choose(run, HeartbeatInterval="20")
        await run.unplug()
        await run.advance(60)
        assert len(run.take("Heartbeat")) == 3
        assert await change(run, "HeartbeatInterval", "0") == "Rejected"


@pytest.mark.spec("1.6", "HeartbeatInterval")
async def test_the_answer_to_the_boot_sets_the_interval_and_it_is_kept(open_case: Open) -> None:
    async with open_case(settings=PLAIN, start=False) as run:
        booted = {"status": "Accepted", "interval": 77, "currentTime": "2026-03-01T10:00:00Z"}
        run.answers("BootNotification", booted)
        await run.start()

        assert await value(run, "HeartbeatInterval") == "77"
        run.take()
        await run.advance(77)
        assert len(run.take("Heartbeat")) == 1


@pytest.mark.spec("1.6", "WebSocketPingInterval")
async def test_the_station_pings_at_the_interval_and_not_at_all_with_zero(
    open_case: Open, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, WIRE)

    def pings() -> int:
        heard = [entry.getMessage() for entry in caplog.records if entry.name == WIRE]
        caplog.clear()
        return sum(text.startswith("< PING") for text in heard)

    async with open_case(settings=PLAIN) as run:
        await choose(run, WebSocketPingInterval="20")
        pings()
        await run.advance(65)
        assert pings() == 3

        await choose(run, WebSocketPingInterval="0")
        await run.advance(600)
        assert pings() == 0

        await choose(run, WebSocketPingInterval="5")
        await run.advance(20)
        assert pings() == 4
        assert await change(run, "WebSocketPingInterval", "-1") == "Rejected"
        assert await value(run, "WebSocketPingInterval") == "5"


@pytest.mark.spec("1.6", "MessageTimeout")
async def test_an_answer_is_awaited_for_so_long_from_the_next_message_on(
    open_case: Open,
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, MessageTimeout="7", TransactionMessageRetryInterval="0")
        run.answers("StartTransaction", SILENCE, SILENCE)
        await run.charge()
        assert len(run.take("StartTransaction")) == 1

        await run.advance(6)
        assert run.take("StartTransaction") == []
        await run.advance(1)
        assert len(run.take("StartTransaction")) == 1
        await run.advance(7)
        assert len(run.take("StartTransaction")) == 1


@pytest.mark.spec("1.6", "TransactionMessageAttempts")
async def test_a_message_that_fails_is_sent_so_often_and_then_the_next_one(
    open_case: Open,
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, TransactionMessageAttempts="3", TransactionMessageRetryInterval="10")
        run.answers("StartTransaction", *[FAILED] * 9)
        await run.charge()
        await run.unplug()

        await run.advance(300)

        sent = [one.action for one in run.take() if "Transaction" in one.action]
        assert sent == ["StartTransaction"] * 3 + ["StopTransaction"]


@pytest.mark.spec("1.6", "TransactionMessageRetryInterval")
async def test_the_wait_before_each_further_attempt_grows_by_the_interval(
    open_case: Open,
) -> None:
    async with open_case(settings=PLAIN) as run:
        await choose(run, TransactionMessageAttempts="4", TransactionMessageRetryInterval="20")
        run.answers("StartTransaction", FAILED, FAILED, FAILED)
        await run.charge()
        run.take()

        for wait in (20, 40, 60):
            await run.advance(wait - 1)
            assert run.take("StartTransaction") == []
            await run.advance(1)
            assert len(run.take("StartTransaction")) == 1


@pytest.mark.spec("1.6", "GetConfigurationMaxKeys")
async def test_so_many_keys_can_be_asked_for_at_once(open_case: Open) -> None:
    async with open_case() as run:
        most = int(await value(run, "GetConfigurationMaxKeys"))

        answer = await run.ask("GetConfiguration", key=[f"Key{n}" for n in range(most)])
        assert len(answer["unknownKey"]) == most
        with pytest.raises(CallError, match="OccurenceConstraintViolation"):
            await run.ask("GetConfiguration", key=[f"Key{n}" for n in range(most + 1)])

        assert most >= len((await run.ask("GetConfiguration"))["configurationKey"])
        assert await change(run, "GetConfigurationMaxKeys", "1") == "Rejected"


@pytest.mark.spec("1.6", "SupportedFeatureProfiles")
@pytest.mark.spec("1.6", "SupportedFeatureProfilesMaxLength")
async def test_the_messages_of_every_profile_that_is_told_are_answered(open_case: Open) -> None:
    async with open_case() as run:
        profiles = (await value(run, "SupportedFeatureProfiles")).split(",")
        most = await value(run, "SupportedFeatureProfilesMaxLength")

        for profile in profiles:
            action, payload = OF_PROFILE[profile]
            assert await run.ask(action, **payload) is not None

        assert set(profiles) == set(OF_PROFILE) == set(FEATURE_PROFILES)
        assert len(profiles) == int(most)
        assert await change(run, "SupportedFeatureProfiles", "Core") == "Rejected"


@pytest.mark.spec("1.6", "SupportedFileTransferProtocols")
async def test_files_go_by_every_protocol_that_is_told_and_by_no_other(open_case: Open) -> None:
    async with open_case(settings={"TransferRetries": "0"}) as run:
        told = (await value(run, "SupportedFileTransferProtocols")).split(",")
        assert {"FTP", "FTPS", "HTTP", "HTTPS"} <= set(told)

        for protocol in told:
            location = f"{protocol.lower()}://127.0.0.1:9/logs/"
            assert "fileName" in await run.ask("GetDiagnostics", location=location), protocol
            await run.until(lambda: not run.station.services.logs.busy)
            statuses = [one["status"] for one in run.take("DiagnosticsStatusNotification")]
            assert statuses == ["Uploading", "UploadFailed"], protocol

        assert "fileName" not in await run.ask("GetDiagnostics", location="tftp://127.0.0.1:9/")
        assert await change(run, "SupportedFileTransferProtocols", "FTP") == "Rejected"


@pytest.mark.spec("1.6", "TransferRetries")
@pytest.mark.spec("1.6", "TransferRetryInterval")
async def test_an_upload_that_fails_is_tried_again_in_its_time(open_case: Open) -> None:
    async with http_server() as server, open_case() as run:
        server.always = 403
        await choose(run, TransferRetries="2", TransferRetryInterval="45")
        await run.ask("GetDiagnostics", location=f"{server.url}/")
        await run.until(lambda: len(server.seen) == 1)

        for attempts in (2, 3):
            await run.advance(44)
            assert len(server.seen) == attempts - 1
            await run.advance(1)
            await run.until(lambda made=attempts: len(server.seen) == made)
        await run.advance(600)

        assert len(server.seen) == 3
        assert run.take("DiagnosticsStatusNotification")[-1] == {"status": "UploadFailed"}


@pytest.mark.spec("1.6", "AuthorizationKey")
async def test_the_next_connection_shows_the_bytes_that_the_key_spells(open_case: Open) -> None:
    key = "4F8A" * 10
    async with open_case(settings=PLAIN) as run:
        run.csms.passwords[STATION] = bytes.fromhex(key)
        await choose(run, AuthorizationKey=key)

        await run.advance(5)

        assert run.csms.stations[STATION].connections == 2
        assert run.csms.stations[STATION].connected
        (told,) = (await run.ask("GetConfiguration", key=["AuthorizationKey"]))["configurationKey"]
        assert told == {"key": "AuthorizationKey", "readonly": False}


@pytest.mark.spec("1.6", "AuthorizationKey")
async def test_a_key_that_the_csms_does_not_know_is_given_up_for_the_old_one(
    open_case: Open,
) -> None:
    old = b"the-old-password-0"
    async with open_case(
        settings=PLAIN, csms={"password": old.decode(), "security_profile": 1}
    ) as run:
        run.csms.passwords[STATION] = old
        await choose(run, AuthorizationKey="00" * 16)

        await run.advance(60)

        assert run.csms.stations[STATION].connected
        assert run.csms.stations[STATION].connections == 2


def _break(run: Case, patch: pytest.MonkeyPatch, failures: int) -> None:
    """So many of the next lives cannot begin."""
    usual, left = app.open_meters, [failures]

    @asynccontextmanager
    async def open_meters(*what: Any) -> AsyncIterator[Any]:
        if left[0]:
            left[0] -= 1
            run.clock.busy = lambda: ""  # between two lives nothing is on its way
            raise StoreError("the disk is gone")
        run.clock.busy = run._busy
        async with usual(*what) as meters:
            yield meters

    patch.setattr(app, "open_meters", open_meters)


@pytest.mark.spec("1.6", "ResetRetries")
async def test_a_reset_that_fails_is_tried_again(
    open_case: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_case() as run:
        await choose(run, ResetRetries="2")
        run.take()

        _break(run, monkeypatch, 2)
        assert await run.ask("Reset", type="Hard") == {"status": "Accepted"}
        assert len(run.lives) == 1
        await run.advance(30)

        assert len(run.lives) == 2
        assert len(run.take("BootNotification")) == 1
        assert await value(run, "ResetRetries") == "2"


@pytest.mark.spec("1.6", "ResetRetries")
@pytest.mark.parametrize("retries", [0, 1])
async def test_a_reset_that_fails_more_often_ends_the_program(
    open_case: Open, monkeypatch: pytest.MonkeyPatch, retries: int
) -> None:
    async def ended(lives: list[list[app.Life]]) -> None:
        async with open_case() as run:
            lives.append(run.lives)
            await choose(run, ResetRetries=str(retries))
            _break(run, monkeypatch, retries + 1)
            await run.ask("Reset", type="Hard")
            await run.advance(30)

    lives: list[list[app.Life]] = []
    with pytest.raises(StoreError, match="the disk is gone"):
        await ended(lives)

    assert len(lives[0]) == 1
