"""A station in a real process: ready, watched, and ended within its bound whatever hangs."""

import json
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from station_process import HURRY_MOST_S, STOP_MOST_S, Process, station_process
from websockets.sync.server import serve

from chargepoint import app, ending
from chargepoint.boot import of_machine
from chargepoint.csms import link, session
from chargepoint.store.sqlite import Store


def alive(process: Process, seconds: float) -> int:
    """How often it says in so long that all is well."""
    process.said.clear()
    process.listen(seconds)
    return process.said.count("WATCHDOG=1")


def test_a_station_without_its_csms_is_ready_and_well(tmp_path: Path) -> None:
    with station_process(tmp_path / "s") as process:
        process.listen(20, lambda: "READY=1" in process.said)
        assert alive(process, 2) >= 4, process.log()

        process.running.send_signal(signal.SIGTERM)
        process.listen(1, lambda: "STOPPING=1" in process.said)
        assert "STOPPING=1" in process.said
        assert process.ended_within(STOP_MOST_S) == 0


def test_its_log_is_json_if_that_is_wanted(tmp_path: Path) -> None:
    options = ("--log-format", "json")
    with station_process(tmp_path / "s", options=options) as process:
        process.listen(20, lambda: "READY=1" in process.said)
        assert stop(process, signal.SIGTERM)[0] == 0

        lines = [json.loads(line) for line in process.log().splitlines()]
        assert {"station.security", "csms.link"} <= {line["part"] for line in lines}
        assert all(line["time"].endswith("Z") for line in lines)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("loop", ""),
        ("supervision hangs", "EVSE 1: its supervision does not go round"),
        ("supervision dies", "EVSE 1 fails again and again"),
        ("meter", "EVSE 1: its meter is not asked any more"),
        ("input", "EVSE 1: an input is not carried out"),
        ("store", "nothing can be stored"),
    ],
)
def test_a_part_that_hangs_makes_the_watchdog_bark(tmp_path: Path, fault: str, reason: str) -> None:
    with station_process(tmp_path / "s", fault=fault) as process:
        process.ask_for("charge")
        process.wait_for("charging")
        assert alive(process, 1) >= 2, process.log()

        process.ask_for("break")
        process.wait_for("break heard")
        process.listen(6 if reason else 2, lambda: f"STATUS={reason}" in process.said)

        assert alive(process, 2) == 0, process.log()
        if reason:
            assert f"the station does not get on: {reason}" in process.log()


def test_a_hang_of_threads_that_nobody_waits_for_is_none(tmp_path: Path) -> None:
    with station_process(tmp_path / "s", fault="threads") as process:
        process.wait_for("lives")
        process.ask_for("break")
        process.wait_for("break heard")

        assert alive(process, 2) >= 4


def test_a_reload_is_told_and_says_what_it_could_not_take(tmp_path: Path) -> None:
    with station_process(tmp_path / "s") as process:
        process.listen(20, lambda: "READY=1" in process.said)
        config = process.home / "station.yaml"
        text = config.read_text().replace("model: Wallbox", "model: Other")
        config.write_text(text.replace(":9/ocpp", ":7/ocpp"))
        process.said.clear()
        process.running.send_signal(signal.SIGHUP)
        process.listen(10, lambda: "READY=1" in process.said)

        assert process.said.index("RELOADING=1") < process.said.index("READY=1")
        assert "connecting to the CSMS again for csms.url" in process.log()
        assert "not in force before the next start: station.model" in process.log()


@pytest.mark.skipif(not of_machine().name, reason="the kernel names no boot")
def test_a_killed_program_is_no_power_cut(tmp_path: Path) -> None:
    with station_process(tmp_path / "s") as process:
        process.ask_for("charge")
        process.wait_for("charging")
        process.running.kill()
        process.running.wait()
    for stimulus in ("charge", "lives"):
        (tmp_path / "s" / stimulus).unlink()
    with station_process(tmp_path / "s") as process:
        process.wait_for("lives")
        process.listen(2, lambda: ended_for(process) != [])

        assert ended_for(process) == ["Reboot"]
        assert stop(process, signal.SIGTERM)[0] == 0

    with Store(tmp_path / "s" / "state", "CP1") as store:
        events = [(event.type, event.info) for event in store.security_log.entries()]
    assert events.count(("StartupOfTheDevice", "PowerUp")) == 1
    assert events.count(("ResetOrReboot", "ApplicationReset")) == 1


def ended_for(process: Process) -> list[str]:
    """Why its transactions ended."""
    with closing(sqlite3.connect(process.home / "state" / "station.db")) as db:
        rows = db.execute("SELECT reason FROM transactions WHERE ended_at IS NOT NULL").fetchall()
    return [reason for (reason,) in rows]


# --- the end ----------------------------------------------------------------------------------


@contextmanager
def silent_server() -> Iterator[int]:
    """One that accepts and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        kept: list[socket.socket] = []

        def accept() -> None:
            while True:
                try:
                    kept.append(listener.accept()[0])
                except OSError:
                    return

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for one in kept:
                one.close()


@contextmanager
def silent_csms() -> Iterator[int]:
    """One that takes the connection and answers no call."""

    def listen(connection: Any) -> None:
        for _ in connection:
            pass

    with serve(listen, "127.0.0.1", 0, subprotocols=["ocpp2.0.1"]) as server:  # type: ignore[list-item]
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.socket.getsockname()[1]
        finally:
            server.shutdown()
            thread.join()


def stop(process: Process, *signals: int) -> tuple[int, float]:
    """The exit code, and how long it took."""
    began = time.monotonic()
    for number in signals:
        process.running.send_signal(number)
        if len(signals) > 1:
            process.listen(0.5)
    code = process.ended_within(STOP_MOST_S)
    return code, time.monotonic() - began


@pytest.mark.parametrize(
    ("charges", "fault", "code"),
    [
        (False, "none", 0),
        (True, "none", 0),
        (True, "meter", 0),
        (True, "threads", 0),
        (True, "store", None),  # whether a wait for the disk is cut off by itself or from outside
        (True, "supervision hangs", 0),
        (True, "supervision dies", 0),
        (True, "loop", 1),
    ],
)
def test_it_ends_within_its_bound_whatever_hangs(
    tmp_path: Path, *, charges: bool, fault: str, code: int | None
) -> None:
    with station_process(tmp_path / "s", fault=fault) as process:
        process.wait_for("lives")
        if charges:
            process.ask_for("charge")
            process.wait_for("charging")
        process.ask_for("break")
        process.wait_for("break heard")
        process.listen(0.3)

        ended, _ = stop(process, signal.SIGTERM)

        assert ended in ({0, 1} if code is None else {code}), process.log()
        if charges:
            assert_session_is_kept(process)


def assert_session_is_kept(process: Process) -> None:
    """It has ended with its record, or the next start will end it."""
    with closing(sqlite3.connect(process.home / "state" / "station.db")) as db:
        ((ended_at,),) = db.execute("SELECT ended_at FROM transactions").fetchall()
        ((state,),) = db.execute("SELECT state FROM evse").fetchall()
        records = db.execute("SELECT count(*) FROM record").fetchone()[0]
    waits = b'"charging"' in bytes(state) or b'"closing"' in bytes(state)
    assert (records == 1) if ended_at else waits


def test_it_ends_by_itself_if_it_cannot_go_on_although_threads_hang(tmp_path: Path) -> None:
    """Else nobody would start it again."""
    with station_process(tmp_path / "s", fault="no next life") as process:
        process.wait_for("lives")
        process.ask_for("break")
        process.wait_for("break heard")

        assert process.ended_within(2 * STOP_MOST_S) == 1


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_it_ends_while_it_connects(tmp_path: Path, scheme: str) -> None:
    with silent_server() as port:
        url = f"{scheme}://127.0.0.1:{port}/ocpp"
        with station_process(tmp_path / "s", url=url) as process:
            process.wait_for("lives")
            process.listen(0.5)

            code, took = stop(process, signal.SIGTERM)

            assert (code, took < STOP_MOST_S - 1) == (0, True), process.log()


@pytest.mark.parametrize(
    ("fault", "scheme"), [("upload", "http"), ("upload", "ftp"), ("download", "http")]
)
def test_it_ends_while_a_file_is_on_its_way(tmp_path: Path, fault: str, scheme: str) -> None:
    more = "firmware: {install_command: [/bin/true], allow_unsigned: true}"
    with (
        silent_server() as port,
        station_process(tmp_path / "s", fault=fault, more=more) as process,
    ):
        (process.home / "place").write_text(f"{scheme}://127.0.0.1:{port}")
        process.wait_for("lives")
        process.ask_for("break")
        process.wait_for("break heard")
        process.listen(1)
        assert "Traceback" not in process.log(), process.log()

        code, took = stop(process, signal.SIGTERM)

        assert (code, took < STOP_MOST_S - 1) == (0, True), process.log()
        with closing(sqlite3.connect(process.home / "state" / "station.db")) as db:
            jobs = {name for (name,) in db.execute("SELECT name FROM job")}
        assert {"upload": "log", "download": "firmware"}[fault] in jobs, "the next life goes on"


def test_it_ends_while_its_csms_says_nothing(tmp_path: Path) -> None:
    with (
        silent_csms() as port,
        station_process(tmp_path / "s", url=f"ws://127.0.0.1:{port}/ocpp") as process,
    ):
        process.ask_for("charge")
        process.wait_for("charging")

        code, _ = stop(process, signal.SIGTERM)

        assert code == 0, process.log()
        assert_session_is_kept(process)


@pytest.mark.parametrize(
    ("signals", "code"),
    [
        ((signal.SIGTERM, signal.SIGTERM), 0),
        ((signal.SIGINT, signal.SIGINT), 130),
        ((signal.SIGINT,), 130),
    ],
)
def test_a_second_signal_makes_it_faster(
    tmp_path: Path, signals: tuple[int, ...], code: int
) -> None:
    with station_process(tmp_path / "s", fault="meter") as process:
        process.ask_for("charge")
        process.wait_for("charging")
        process.ask_for("break")
        process.wait_for("break heard")

        ended, took = stop(process, *signals)

        assert ended == code, process.log()
        if len(signals) > 1:
            assert took < 0.5 * 2 + HURRY_MOST_S
        assert_session_is_kept(process)


def test_a_second_signal_ends_a_loop_that_is_blocked(tmp_path: Path) -> None:
    with station_process(tmp_path / "s", fault="loop") as process:
        process.wait_for("lives")
        process.ask_for("break")
        process.wait_for("break heard")

        code, took = stop(process, signal.SIGTERM, signal.SIGTERM)

        assert code == 1
        assert took < 0.5 * 2 + HURRY_MOST_S
        assert "not ended in time, going now; what is stored is kept: " in process.log()
        assert "station_process.py" in process.log(), "where it hangs"


def test_what_may_take_long_in_order_fits_into_the_bound() -> None:
    close = link.LinkConfig.__dataclass_fields__["close_timeout"].default.total_seconds()
    hardware = 5.0
    in_order = app.STOP_TIMEOUT_S + session.FAREWELL_S + close + hardware

    assert in_order < ending.STOP_MOST.total_seconds()
    assert ending.HURRY_MOST < ending.STOP_MOST
