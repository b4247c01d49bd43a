import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from chargepoint.core.model import Stage
from chargepoint.core.variables_answers import Answer, Outcome
from chargepoint.csms.adapter import Registration
from chargepoint.csms.identity import Identity
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import CsmsRejected
from chargepoint.v16 import wire

BOOTED = {"currentTime": "2026-03-01T10:00:00Z", "interval": 300}


@pytest.fixture
def _fresh_warnings() -> None:
    wire._warn_once.cache_clear()


@pytest.mark.spec("1.6", "4.2")
async def test_boot_tells_who_the_station_is(bench: Any) -> None:
    await bench.adapter.boot(bench.csms, "PowerUp")

    assert bench.csms.said("BootNotification") == [
        {
            "chargePointVendor": "Example",
            "chargePointModel": "Wallbox 22",
            "chargePointSerialNumber": "0001",
            "firmwareVersion": "1.2.3",
        }
    ]


@pytest.mark.spec("1.6", "4.2")
@pytest.mark.parametrize("status", ["Accepted", "Pending", "Rejected"])
async def test_boot_answer_says_whether_when_and_how_often(bench: Any, status: str) -> None:
    bench.csms.standing["BootNotification"] = {**BOOTED, "status": status}

    answer = await bench.adapter.boot(bench.csms, "PowerUp")

    assert answer.registration is Registration(status)
    assert answer.current_time == datetime(2026, 3, 1, 10, tzinfo=UTC)
    assert answer.interval == timedelta(seconds=300)


@pytest.mark.parametrize("interval", [-1, 2**31, 10**14, 2**63])
async def test_an_interval_that_cannot_be_leaves_the_choice_to_the_station(
    bench: Any, interval: int
) -> None:
    bench.csms.standing["BootNotification"] = {**BOOTED, "status": "Pending", "interval": interval}

    assert not (await bench.adapter.boot(bench.csms, "PowerUp")).interval


@pytest.mark.parametrize("identity", [Identity("V" * 21, "M" * 21, "S" * 26, "F" * 51)])
@pytest.mark.usefixtures("_fresh_warnings")
async def test_what_is_too_long_for_a_boot_is_cut_with_one_warning_each(
    bench: Any, identity: Identity, caplog: pytest.LogCaptureFixture
) -> None:
    await bench.adapter.boot(bench.csms, "PowerUp")
    await bench.adapter.boot(bench.csms, "PowerUp")

    cut = {
        "chargePointVendor": identity.vendor[:20],
        "chargePointModel": identity.model[:20],
        "chargePointSerialNumber": identity.serial_number[:25],
        "firmwareVersion": identity.firmware_version[:50],
    }
    assert bench.csms.said("BootNotification") == [cut, cut]
    warned = [entry.getMessage() for entry in caplog.records if entry.levelno == logging.WARNING]
    assert len(warned) == 4


@pytest.mark.parametrize("identity", [Identity("Example", "Wallbox 22")])
async def test_boot_leaves_out_what_nobody_knows(bench: Any) -> None:
    await bench.adapter.boot(bench.csms, "PowerUp")

    assert bench.csms.said("BootNotification")[0].keys() == {
        "chargePointVendor",
        "chargePointModel",
    }


async def test_a_boot_that_is_refused_says_so(bench: Any) -> None:
    bench.csms.standing["BootNotification"] = CsmsRejected("InternalError")

    with pytest.raises(CsmsRejected):
        await bench.adapter.boot(bench.csms, "PowerUp")


@pytest.mark.spec("1.6", "4.6")
async def test_heartbeat_gives_the_time_of_the_csms(bench: Any) -> None:
    told = await bench.adapter.heartbeat(bench.csms)

    assert told == datetime(2026, 3, 1, 10, 0, 0, 500_000, tzinfo=UTC)


@pytest.mark.spec("1.6", "5.8")
async def test_configuration_tells_known_keys_and_unknown_ones_apart(bench: Any) -> None:
    answer = await bench.ask("GetConfiguration", key=["NumberOfConnectors", "NoSuchKey"])

    assert answer == {
        "configurationKey": [{"key": "NumberOfConnectors", "readonly": True, "value": "2"}],
        "unknownKey": ["NoSuchKey"],
    }


@pytest.mark.spec("1.6", "TC_019")
@pytest.mark.spec("1.6", "5.8")
@pytest.mark.parametrize("payload", [{}, {"key": []}])
async def test_configuration_without_keys_tells_all(bench: Any, payload: dict[str, Any]) -> None:
    answer = await bench.ask("GetConfiguration", **payload)

    assert "unknownKey" not in answer
    told = [key["key"] for key in answer["configurationKey"]]
    assert told == list(bench.station.model.keys())
    assert {"HeartbeatInterval", "MeterValueSampleInterval", "MeterPublicKey2"} <= set(told)


async def test_configuration_never_tells_the_authorization_key(bench: Any) -> None:
    bench.set("AuthorizationKey", "0123456789abcdef0123")

    answer = await bench.ask("GetConfiguration", key=["AuthorizationKey"])

    assert answer == {"configurationKey": [{"key": "AuthorizationKey", "readonly": False}]}


@pytest.mark.spec("1.6", "5.8")
async def test_more_keys_than_announced_are_refused(bench: Any) -> None:
    most = int(bench.station.model.get_key("GetConfigurationMaxKeys").value)

    with pytest.raises(CallError) as refused:
        await bench.ask("GetConfiguration", key=["HeartbeatInterval"] * (most + 1))

    assert refused.value.code == "OccurenceConstraintViolation"


@pytest.mark.spec("1.6", "TC_021")
@pytest.mark.spec("1.6", "5.3")
async def test_a_changed_key_is_in_force(bench: Any) -> None:
    answer = await bench.ask("ChangeConfiguration", key="MeterValueSampleInterval", value="17")

    assert answer == {"status": "Accepted"}
    assert bench.station.settings.schedule().periodic == timedelta(seconds=17)


@pytest.mark.spec("1.6", "TC_040_1")
@pytest.mark.spec("1.6", "TC_040_2")
@pytest.mark.spec("1.6", "5.3")
@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        ("NoSuchKey", "1", "NotSupported"),
        ("HeartbeatInterval", "often", "Rejected"),
        ("HeartbeatInterval", "-5", "Rejected"),
        ("NumberOfConnectors", "3", "Rejected"),
        ("MeterValuesSampledData", "Voltage,Colour", "Rejected"),
    ],
)
async def test_what_cannot_be_changed_stays_as_it_is(
    bench: Any, key: str, value: str, status: str
) -> None:
    before = bench.station.model.get_key(key)

    assert await bench.ask("ChangeConfiguration", key=key, value=value) == {"status": status}
    assert bench.station.model.get_key(key) == before


async def test_a_change_that_needs_a_restart_says_so(
    bench: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    outcome = Outcome(Answer.REBOOT_REQUIRED)
    monkeypatch.setattr(bench.station.model, "set_key", lambda _key, _value: outcome)

    answer = await bench.ask("ChangeConfiguration", key="Any", value="1")

    assert answer == {"status": "RebootRequired"}


@pytest.mark.spec("1.6", "5.14")
@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
async def test_reset_ends_the_transaction_and_asks_for_a_restart(
    bench: Any, kind: str, reason: str
) -> None:
    await bench.charge()

    answer = await bench.ask("Reset", type=kind)
    await bench.tell()

    assert answer == {"status": "Accepted"}
    assert [stop["reason"] for stop in bench.csms.said("StopTransaction")] == [reason]
    assert bench.station.maintenance.wanted.is_set()
    assert bench.station.maintenance.reason == "RemoteReset"


@pytest.mark.spec("1.6", "5.14")
async def test_reset_does_nothing_before_its_answer_has_left(bench: Any) -> None:
    await bench.charge()

    reply = await bench.hear("Reset", type="Hard")

    assert isinstance(reply, Reply)
    assert bench.state().stage is Stage.CHARGING
    assert not bench.station.maintenance.wanted.is_set()
