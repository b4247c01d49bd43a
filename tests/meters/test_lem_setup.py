"""Clock, time zone, time servers and identification type of a LEM DCBM; what a config may say."""

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from lem_rig import Rig, rig, transaction

from meters.drivers.lem_dcbm import Config, http_config, setup
from meters.errors import MeterRefused
from meters.simulators.certificate import self_signed

SERVERS: dict[str, Any] = {"ntp_server_1_ip_addr": "10.0.0.1", "ntp_server_2_ip_addr": "pool"}


def writes(found: Rig) -> list[Any]:
    """What was written to the settings."""
    return [json.loads(request.body) for request in found.asked("PUT", "/v1/settings")]


async def poll(meter: Any) -> None:
    """A poll that also looks around."""
    meter._next_look = 0.0
    await meter.read()


@pytest.fixture
def later() -> Callable[[Any, float], None]:
    """Lets a driver believe that time has gone by since it looked at the settings."""

    def go(meter: Any, seconds: float) -> None:
        keeper = meter._setup
        keeper._next -= seconds
        keeper._connected_at -= seconds
        keeper._done_at = None if keeper._done_at is None else keeper._done_at - seconds

    return go


async def test_the_clock_is_set_at_the_first_poll_and_only_what_differs_is_written() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        synchronised = found.device.synchronised()

    assert synchronised
    (written,) = writes(found)
    assert written.keys() == {"time"}
    assert written["time"]["utc"].endswith("Z")


async def test_soon_after_connecting_it_is_set_again_then_daily(
    later: Callable[[Any, float], None],
) -> None:
    async with rig() as found:
        meter = found.driver()
        counts = []
        for hours in (0.0, 0.02, 0.02, 23.0, 1.1):
            later(meter, hours * 3600)
            await poll(meter)
            counts.append(len(writes(found)))

    assert counts == [1, 1, 2, 2, 3]


async def test_time_zone_and_daylight_saving_are_written_once() -> None:
    rule = json.loads(Config(ip_address="x").meter_dst) | {"activated": True}
    async with rig() as found:
        meter = found.driver(meter_timezone="+01:00", meter_dst=json.dumps(rule))
        await meter.read()
        other = found.driver(meter_timezone="+01:00", meter_dst=json.dumps(rule))
        await other.read()

    assert found.device.setup.tz == "+01:00"
    assert found.device.setup.dst["activated"] is True
    zones = [one for one in writes(found) if "utc" not in one.get("time", {})]
    assert [list(one["time"]) for one in zones] == [["tz"], ["dst"]]


async def test_what_the_meter_does_not_tell_is_written_once_per_connection(
    later: Callable[[Any, float], None],
) -> None:
    async with rig(settings_get="bare") as found:
        meter = found.driver()
        await poll(meter)
        first = len(writes(found))
        later(meter, 3600)  # a look after the first minutes, in which it may have forgotten
        await poll(meter)
        second = len(writes(found))

    assert (first, second) == (3, 6)


async def test_with_time_servers_the_clock_is_left_to_them() -> None:
    async with rig() as found:
        await found.driver(**SERVERS).begin(transaction())
        again = found.driver(**SERVERS)
        await again.read()

    (written,) = writes(found)
    assert written == {
        "ntp": {
            "servers": [
                {"ipAddress": "10.0.0.1", "port": 123},
                {"ipAddress": "pool", "port": 123},
            ],
            "syncPeriod": 120,
            "ntpActivated": True,
        }
    }


async def test_time_servers_that_do_not_answer_keep_a_transaction_from_beginning() -> None:
    async with rig(ntp_reachable=False) as found:
        with pytest.raises(MeterRefused, match="not synchronised with its NTP servers"):
            await found.driver(**SERVERS).begin(transaction())

    assert found.done() == (0, 0)


async def test_a_begin_sets_a_clock_that_was_set_long_ago(
    later: Callable[[Any, float], None],
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        await meter.begin(transaction())
        soon = len(writes(found))
        await meter.end(transaction().transaction_id)
        await meter.release(transaction().transaction_id)
        later(meter, 13 * 3600)
        await meter.begin(transaction("other"))

    assert soon == 1
    assert len(writes(found)) == 2


async def test_nothing_is_set_while_a_transaction_runs_and_it_is_made_up_for_later(
    later: Callable[[Any, float], None],
) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        before = len(writes(found))
        later(meter, 25 * 3600)
        await poll(meter)
        during = len(writes(found))
        await meter.end(transaction().transaction_id)
        await poll(meter)

    assert during == before
    assert len(writes(found)) == before + 1


async def test_a_refused_setting_stops_no_reading_and_is_tried_again(
    caplog: pytest.LogCaptureFixture, later: Callable[[Any, float], None]
) -> None:
    caplog.set_level(logging.INFO)
    async with rig() as found:
        other = found.driver()
        await other.begin(transaction())
        meter = found.driver()
        found.device.status_value = lambda: 17  # type: ignore[method-assign]
        await meter.read()
        assert "does not take its clock now: found result 0" in caplog.text
        del found.device.status_value  # type: ignore[method-assign]
        await other.end(transaction().transaction_id)
        await poll(meter)
        refused = len(writes(found))
        later(meter, 61)
        await poll(meter)

    assert len(writes(found)) == refused + 1


async def test_the_identification_type_is_set_once_and_before_a_transaction() -> None:
    async with rig() as found:
        await found.driver(IT=5).begin(transaction())
        await found.driver(IT=5).read()
        running = found.device.memory.open

    assert running is not None
    assert running.identification == 5
    assert [one for one in writes(found) if "ocmfId" in one] == [{"ocmfId": {"IT": 5}}]


async def test_a_type_that_cannot_be_set_keeps_a_transaction_from_beginning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with rig() as found:
        genuine = found.device.handle

        def stubborn(request: Any) -> Any:
            if b"ocmfId" in request.body:
                return type(genuine(request))(200, b'{"meterId":"x","result":0}')
            return genuine(request)

        monkeypatch.setattr(found.device, "handle", stubborn)
        await found.driver().read()
        with pytest.raises(MeterRefused, match="identification type now"):
            await found.driver(IT=5).begin(transaction())

    assert found.done() == (0, 0)


async def test_a_good_clock_is_enough_if_it_cannot_be_set_now(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with rig() as found:
        await found.driver().read()
        genuine = found.device.handle

        def stubborn(request: Any) -> Any:
            if request.method == "PUT" and request.path == "/v1/settings":
                return type(genuine(request))(403, b"{}")
            return genuine(request)

        monkeypatch.setattr(found.device, "handle", stubborn)
        await found.driver().begin(transaction())

    assert found.done() == (1, 0)
    assert "begins on older settings" in caplog.text


async def test_settings_lost_with_the_power_are_written_again() -> None:
    async with rig(settings_delay_s=120.0, early_settings="lost") as found:
        meter = found.driver(IT=5)
        await meter.read()
        found.device.reboot()
        await meter.begin(transaction())

    assert found.device.setup.identification == 5
    assert found.done() == (1, 0)


def test_the_clock_is_written_in_utc_with_milliseconds() -> None:
    at = datetime(2026, 3, 1, 1, 2, 3, 456789, timezone(timedelta(hours=2)))

    assert setup._utc(at) == "2026-02-28T23:02:03.456Z"


# The config.

PEM = self_signed("meter").pem


def read(**options: Any) -> Config:
    return msgspec.convert({"ip_address": "192.168.1.2", **options}, Config)


def test_the_defaults_are_those_that_users_know() -> None:
    config = read()

    assert (config.port, config.IT, config.command_timeout_ms) == (80, -1, 5000)
    assert config.resilience_initial_connection_retries == 25
    assert config.resilience_initial_connection_retry_delay == 10_000
    assert config.resilience_transaction_request_retries == 3
    assert config.resilience_transaction_request_retry_delay == 250
    assert (config.temperature_warning_level_C, config.temperature_hysteresis_K) == (5000, 3)
    where = http_config(config)
    assert (where.host, where.tls, where.certificate) == ("192.168.1.2", False, None)


@pytest.mark.parametrize(
    "pem",
    [
        PEM,
        PEM.replace("-----\n", "-----", 1).replace("\n-----END", "-----END"),
        PEM.replace("\n", ""),
        PEM.replace("\n", "\\n"),
        PEM.replace("\n", "\r\n"),
        PEM.replace("\n", " "),
    ],
)
def test_a_certificate_is_understood_however_its_lines_are_broken(pem: str) -> None:
    where = http_config(read(meter_tls_certificate=pem))

    assert where.tls is True
    assert where.certificate is not None
    assert where.certificate[:1] == b"\x30"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"ip_address": ""}, "ip_address"),
        ({"port": 0}, "port"),
        ({"command_timeout_ms": 999}, "command_timeout_ms"),
        ({"command_timeout_ms": 20_001}, "command_timeout_ms"),
        ({"cable_id": 8}, "cable_id"),
        ({"tariff_id": 5}, "tariff_id"),
        ({"IT": 18}, "IT"),
        ({"IT": -2}, "IT"),
        ({"temperature_hysteresis_K": -1}, "temperature_hysteresis_K"),
        ({"meter_timezone": "+14:15"}, "meter_timezone"),
        ({"meter_timezone": "-11:30"}, "meter_timezone"),
        ({"meter_timezone": "+01:10"}, "meter_timezone"),
        ({"meter_timezone": "UTC"}, "meter_timezone"),
        ({"meter_dst": "{"}, "meter_dst"),
        ({"meter_dst": "[]"}, "meter_dst"),
        ({"ntp_server_2_ip_addr": "b"}, "ntp_server_1_ip_addr"),
        ({"interface": "eth0"}, "interface"),
        ({"meter_tls_certificate": "MII"}, "BEGIN CERTIFICATE"),
        (
            {
                "meter_tls_certificate": (
                    "-----BEGIN CERTIFICATE-----\n?\n-----END CERTIFICATE-----"
                )
            },
            "broken base64",
        ),
        ({"no_such_key": 1}, "no_such_key"),
    ],
)
def test_a_config_that_cannot_be_is_refused(options: dict[str, Any], told: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=told):
        read(**options)


@pytest.mark.parametrize("zone", ["+14:00", "-11:00", "+05:45", "-03:30", "+00:00"])
def test_time_zones_of_the_world_are_taken(zone: str) -> None:
    assert read(meter_timezone=zone).meter_timezone == zone
