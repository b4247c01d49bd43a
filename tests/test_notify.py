"""What the service manager hears, over a real socket."""

import os
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from chargepoint.notify import Manager


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(0)
        yield listener


def lines(heard: socket.socket) -> list[str]:
    found: list[str] = []
    while True:
        try:
            found += heard.recv(4096).decode().splitlines()
        except BlockingIOError:
            return found


def test_every_word_is_a_datagram_of_the_protocol(heard: socket.socket) -> None:
    manager = Manager(str(heard.getsockname()))
    manager.ready()
    manager.well()
    manager.status("online,\n0 of 1 charging")
    manager.status("online,\n0 of 1 charging")
    manager.reloading()
    manager.stopping()

    said = lines(heard)
    assert said[:3] == ["READY=1", "WATCHDOG=1", "STATUS=online, 0 of 1 charging"]
    assert said[3] == "RELOADING=1"
    assert said[4].startswith("MONOTONIC_USEC=")
    assert said[5:] == ["STOPPING=1"]


def test_an_abstract_address_begins_with_an_at() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0chargepoint-test-{os.getpid()}")
        listener.settimeout(1)
        Manager(f"@chargepoint-test-{os.getpid()}").ready()

        assert listener.recv(100) == b"READY=1"


def test_a_manager_that_does_not_listen_harms_nobody(tmp_path: Path) -> None:
    Manager(str(tmp_path / "nowhere")).ready()
    Manager().ready()


def test_a_manager_that_does_not_read_makes_nobody_wait(heard: socket.socket) -> None:
    manager = Manager(str(heard.getsockname()))
    for _ in range(5000):
        manager.well()

    assert 0 < len(lines(heard)) < 5000


@pytest.mark.parametrize(
    ("environ", "watchdog"),
    [
        ({"WATCHDOG_USEC": "60000000"}, timedelta(seconds=60)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": str(os.getpid())}, timedelta(seconds=60)),
        ({"WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "soon"}, None),
        ({}, None),
    ],
)
def test_the_environment_says_how_often(
    environ: dict[str, str], watchdog: timedelta | None
) -> None:
    assert Manager.from_environment(environ).watchdog == watchdog
    assert environ == {}, "programs that we start must not answer for us"
