"""Who uses the token of the local interface is told to the security log; real sockets."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from fake_clock import FakeClock
from served_station import TOKEN, Served, serve

from chargepoint.core.security import Event
from chargepoint.local.logins import Logins

ORIGIN = {"user": "token", "origin": "127.0.0.1"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as it:
        yield it


def logged(served: Served) -> list[tuple[str, dict[str, str]]]:
    entries = served.station.store.security_log.entries()
    return [(e.type, json.loads(e.info)) for e in entries if e.type.startswith("Maintenance")]


@pytest.mark.spec("2.0.1", "A04.FR.01")
async def test_a_wrong_token_is_a_failed_login(served: Served) -> None:
    answer = await served.ask("GET", "/v1/status", token="wrong")

    assert answer.status == 401
    assert logged(served) == [("MaintenanceLoginFailed", ORIGIN)]


async def test_a_request_without_a_token_is_no_login(served: Served) -> None:
    await served.ask("GET", "/v1/status", token=None)
    await served.ask("GET", "/healthz", token=None)

    assert logged(served) == []


async def test_who_shows_the_token_logs_in_once(served: Served) -> None:
    for path in ("/v1/status", "/metrics", "/v1/status"):
        await served.ask("GET", path)

    assert logged(served) == [("MaintenanceLoginAccepted", ORIGIN)]
    assert TOKEN not in str(served.station.store.security_log.entries())


def test_a_login_lasts_while_it_is_used_and_ends_after_an_hour_of_silence() -> None:
    told: list[Event] = []
    clock = FakeClock()
    logins = Logins(lambda event, _: told.append(event), clock)

    for pause in (0, 3000, 3000, 3599, 3600):
        clock.elapsed += pause
        logins.attempted("127.0.0.1", good=True)

    assert told == [Event.LOGIN_ACCEPTED] * 2


def test_who_guesses_is_told_of_once_a_minute() -> None:
    told: list[Event] = []
    clock = FakeClock()
    logins = Logins(lambda event, _: told.append(event), clock)

    for _ in range(130):
        logins.attempted("192.0.2.7", good=False)
        clock.elapsed += 1

    assert told == [Event.LOGIN_FAILED] * 3


def test_addresses_without_end_cost_no_memory_without_end() -> None:
    clock = FakeClock()
    logins = Logins(lambda *_: None, clock)

    for number in range(300):
        logins.attempted(f"10.0.{number // 256}.{number % 256}", good=number % 2 == 0)
        clock.elapsed += 3

    assert len(logins._seen) == 100


def test_who_guesses_from_many_addresses_fills_no_log_either() -> None:
    told: list[Event] = []
    clock = FakeClock()
    logins = Logins(lambda event, _: told.append(event), clock)

    for number in range(300):
        logins.attempted(f"2001:db8::{number:x}", good=False)
    assert told == [Event.LOGIN_FAILED]

    logins.attempted("192.0.2.1", good=True)
    for number in range(3000):
        logins.attempted(f"10.0.{number // 256}.{number % 256}", good=False)
        clock.elapsed += 0.02
        logins.attempted("192.0.2.1", good=True)
    assert told.count(Event.LOGIN_ACCEPTED) == 1
    assert told.count(Event.LOGIN_FAILED) == 20

    clock.elapsed += 60
    logins.attempted("10.1.0.1", good=False)
    assert told[-1] is Event.LOGIN_FAILED
    assert len(told) == 22
