"""What can be set in the simulated LEM DCBM, and its clock."""

from typing import Any

import pytest
from lem_world import World, powered

from meters.ocmf import parse


@pytest.fixture
def ready() -> World:
    """A meter whose clock is set."""
    return powered()


def test_settings_are_refused_while_a_transaction_runs(ready: World) -> None:
    ready.start()
    status, answer = ready.ask("PUT", "/v1/settings", {"ocmfId": {"IT": 3}})

    assert (status, answer["result"]) == (200, 0)
    assert ready.ask("GET", "/v1/settings")[1]["ocmfId"] == {"IT": 0}


@pytest.mark.parametrize(
    "wrong",
    [
        {"time": {"utc": "yesterday"}},
        {"time": {"tz": "+15:00"}},
        {"time": {"tz": "+01:10"}},
        {"time": {"dst": {"activated": True}}},
        {"time": {"other": 1}},
        {"ntp": {"servers": [{"ipAddress": "a", "port": 0}]}},
        {"ntp": {"other": 1}},
        {"ocmfId": {"IT": 18}},
        {"http": {"tls_on": "yes"}},
        {"other": {}},
        {},
    ],
)
def test_a_setting_without_meaning_is_refused(ready: World, wrong: dict[str, Any]) -> None:
    before = ready.meter.setup
    status, answer = ready.ask("PUT", "/v1/settings", wrong)

    assert status == 400
    assert answer["error"]
    assert ready.meter.setup == before


def test_setting_the_clock_switches_time_servers_off(ready: World) -> None:
    ntp = {"servers": [{"ipAddress": "a", "port": 123}], "syncPeriod": 120, "ntpActivated": True}
    ready.ask("PUT", "/v1/settings", {"ntp": ntp})
    on = ready.ask("GET", "/v1/settings")[1]["ntp"]["ntpActivated"]
    ready.sync()

    assert on is True
    assert ready.ask("GET", "/v1/settings")[1]["ntp"]["ntpActivated"] is False


@pytest.mark.parametrize("reachable", [True, False])
def test_time_servers_set_the_clock_if_they_answer(*, reachable: bool) -> None:
    world = World().power(ntp_reachable=reachable)
    ntp = {"servers": [{"ipAddress": "a", "port": 123}], "syncPeriod": 120, "ntpActivated": True}
    world.ask("PUT", "/v1/settings", {"ntp": ntp})

    assert world.meter.synchronised() is reachable


def test_records_carry_local_time_with_daylight_saving(ready: World) -> None:
    rule = {
        "activated": True,
        "offset": 60,
        "start": {"order": "last", "day": "sunday", "month": "march", "hour": "T01:00Z"},
        "end": {"order": "last", "day": "sunday", "month": "october", "hour": "T01:00Z"},
    }
    ready.ask("PUT", "/v1/settings", {"time": {"tz": "+01:00", "dst": rule}})
    winter = ready.meter.now().isoformat()
    ready.seconds += 28 * 86_400  # 29 March, 10 o'clock
    summer = ready.meter.now().isoformat()

    assert winter == "2026-03-01T11:00:00+01:00"
    assert summer == "2026-03-29T12:00:00+02:00"


def test_a_synchronisation_holds_two_days_also_without_power(ready: World) -> None:
    ready.seconds += 600
    ready.sync()
    ready.meter.reboot()
    ready.seconds += 48 * 3600 - 1
    held = ready.meter.synchronised()
    ready.seconds += 1

    assert held is True
    assert ready.status() == 1


def test_a_clock_that_runs_out_spoils_the_running_transaction(ready: World) -> None:
    ready.start()
    ready.seconds += 49 * 3600
    _, legal = ready.stop()
    end = parse(ready.record()).end

    assert legal["meterValue"]["transactionStatus"] == 1
    assert end is not None
    assert (end.clock, end.errors) == ("U", "t")


@pytest.mark.parametrize("how", ["lost", "kept"])
def test_settings_of_the_first_minutes_may_be_forgotten(how: str) -> None:
    world = powered(early_settings=how, settings_delay_s=120.0)
    world.ask("PUT", "/v1/settings", {"ocmfId": {"IT": 3}})
    now = world.ask("GET", "/v1/settings")[1]["ocmfId"]["IT"]
    world.meter.reboot()

    assert now == 3
    assert world.ask("GET", "/v1/settings")[1]["ocmfId"]["IT"] == (0 if how == "lost" else 3)


def test_settings_of_later_are_kept() -> None:
    world = powered(settings_delay_s=120.0)
    world.seconds += 121
    world.ask("PUT", "/v1/settings", {"ocmfId": {"IT": 3}})
    world.meter.reboot()

    assert world.ask("GET", "/v1/settings")[1]["ocmfId"]["IT"] == 3
