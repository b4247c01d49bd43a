"""``chargepoint meter read``: blocks, JSON, and the live table on a terminal."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from chargepoint.cli import main, meter
from chargepoint.cli.meter_watch import STALE_S, Row, table
from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.model import MeterInfo, Phase, Quantity, Reading, Sample

SAMPLES = (
    Sample(Quantity.VOLTAGE, Decimal("230.1"), Phase.L1),
    Sample(Quantity.POWER, Decimal("7000.0")),
    Sample(Quantity.ENERGY_IMPORT, Decimal(1234)),
)


class FakeMeter:
    """Answers, fails, or never comes back."""

    def __init__(self, error: MeterError | None = None, *, stuck: bool = False) -> None:
        self._error = error
        self._stuck = stuck
        self.reads = 0

    async def identify(self) -> MeterInfo:
        if self._stuck:
            await asyncio.Event().wait()
        if self._error is not None:
            raise self._error
        return MeterInfo("Maker", "M1", "S\x1b[31m7", signing_method="ECDSA-secp256r1-SHA256")

    async def read(self) -> Reading:
        self.reads += 1
        return Reading(datetime(2026, 1, 1, tzinfo=UTC), SAMPLES)


async def test_a_meter_that_hangs_delays_no_other() -> None:
    good, seen, enough = FakeMeter(), [], asyncio.Event()

    def told(answer: meter.Answer) -> None:
        seen.append(answer["meter"])
        if good.reads == 3:
            enough.set()

    task = asyncio.create_task(
        meter.follow({"a": FakeMeter(stuck=True), "b": good}, told, period_s=0.001)
    )
    await asyncio.wait_for(enough.wait(), 5)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert set(seen) == {"b"}


@pytest.mark.parametrize(
    ("error", "health", "words"),
    [
        (MeterUnreachable("no answer"), "unreachable", "no answer"),
        (MeterDataError("register 7"), "refusing", "the meter answers, but: register 7"),
    ],
)
async def test_a_failure_has_a_health_word_and_a_sentence(
    error: MeterError, health: str, words: str
) -> None:
    answer = await meter.ask("a", FakeMeter(error))

    assert answer == {"meter": "a", "error": words, "health": health}


async def row(*, signs: bool = False) -> Row:
    made = Row("outlet1", signs)
    made.take(await meter.ask("outlet1", FakeMeter()), now=100.0)
    return made


async def test_health_and_age_follow_the_clock() -> None:
    one = await row(signs=True)

    assert Row("x").health(100.0) == "waiting"
    assert (one.health(100.5), one.age(100.5)) == ("ok", "0.5 s old")
    assert one.health(100.1 + STALE_S) == "stale"
    assert one.age(400.0) == "5 min old"

    one.take({"meter": "outlet1", "error": "gone", "health": "unreachable"}, now=101.0)
    assert (one.health(101.0), one.age(102.0)) == ("unreachable", "2.0 s old")

    one.take(await meter.ask("outlet1", FakeMeter()), now=103.0)
    assert (one.health(103.0), one.error) == ("ok", "")


async def test_a_meter_that_should_sign_and_does_not_is_called_unsigned() -> None:
    one = await row(signs=True)
    assert one.good is not None
    one.good["signing_method"] = ""

    assert one.health(100.0) == "unsigned"


async def test_the_table_has_units_and_no_control_characters_of_strangers() -> None:
    text = "\n".join(table([await row()], 100.0, 80, colour=False))

    assert "outlet1: ok, 0.0 s old" in text
    assert re.search(r"voltage L1 +230\.1 V +power +7000\.0 W", text) or "voltage L1" in text
    assert "energy import" in text
    assert "1234 Wh" in text
    assert "\\x1b[31m" in text
    assert "\x1b" not in text


async def test_colour_is_used_only_where_wanted() -> None:
    rows = [await row(), Row("outlet2", error="gone", trouble="unreachable")]

    coloured = "\n".join(table(rows, 100.0, 80, colour=True))

    assert "\x1b[32moutlet1: ok" in coloured
    assert "\x1b[31moutlet2: unreachable" in coloured


@pytest.mark.parametrize("width", [20, 30, 45, 80, 200])
async def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    rows = [await row(), Row("outlet2", error="no answer within " * 9, trouble="unreachable")]

    lines = table(rows, 100.0, width, colour=False)

    assert max(map(len, lines)) <= width
    assert any("1234" in line for line in lines)


async def test_on_a_low_screen_every_meter_keeps_its_health() -> None:
    rows = [await row(), Row("outlet2", error="gone", trouble="unreachable")]

    lines = table(rows, 100.0, 36, colour=False, height=9)

    assert len(lines) <= 9
    assert any("outlet2: unreachable" in line for line in lines)
    assert any("more lines" in line for line in lines)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Two meters that are not there, on two buses."""
    path = tmp_path / "site.yaml"
    path.write_text(
        f"""
station: {{id: CP001, vendor: Example, model: W22, state: {tmp_path}/state}}
csms: {{url: "ws://127.0.0.1:1/ocpp", ocpp: "2.0.1"}}
buses:
  one: {{host: 127.0.0.1, tcp_port: 1, framing: rtu}}
  two: {{port: {tmp_path}/tty}}
meters:
  outlet1: {{driver: carlo_gavazzi_em580, bus: one}}
  outlet2: {{driver: carlo_gavazzi_em580, bus: two}}
evses:
  - {{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}
  - {{id: 2, meter: outlet2, hardware: {{driver: simulated}}}}
"""
    )
    return path


def test_all_meters_are_told_and_a_dead_one_gives_3(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["meter", "read", str(config), "--json"]) == 3

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["meter"] for line in lines] == ["outlet1", "outlet2"]
    assert "Connection refused" in lines[0]["error"]
    assert "no such port" in lines[1]["error"]


def started(*arguments: str, stdout: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "chargepoint", "meter", "read", *arguments],
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=os.environ | {"TERM": "xterm", "NO_COLOR": ""},
    )


def test_json_that_is_watched_is_one_object_per_line_and_ends_with_its_reader(
    config: Path,
) -> None:
    process = started(str(config), "--watch", "--json", stdout=subprocess.PIPE)
    assert process.stdout is not None
    lines = [json.loads(process.stdout.readline()) for _ in range(3)]
    process.stdout.close()
    _, errors = process.communicate(timeout=20)

    assert {line["meter"] for line in lines} == {"outlet1", "outlet2"}
    assert (process.returncode, errors) == (0, b"")


@pytest.fixture
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 60))
    yield ours, theirs
    os.close(ours)
    os.close(theirs)


def read_until(handle: int, mark: bytes) -> bytes:
    seen, end = b"", time.monotonic() + 20
    while mark not in seen and time.monotonic() < end:
        seen += os.read(handle, 4096)
    return seen


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_the_live_table_leaves_the_terminal_clean(
    config: Path, terminal: tuple[int, int], number: signal.Signals, code: int
) -> None:
    ours, theirs = terminal
    process = started(str(config), "--watch", stdout=theirs)
    shown = read_until(ours, b"outlet2: unreachable")
    process.send_signal(number)
    after = read_until(ours, b"outlet2: unreachable")
    _, errors = process.communicate(timeout=20)

    assert shown.startswith(b"\x1b[?1049h\x1b[?25l")
    assert b"outlet1: unreachable" in shown
    assert b"\x1b[?25h\x1b[?1049l" in after
    assert b"outlet1" in after.partition(b"\x1b[?1049l")[2]
    assert (process.returncode, errors.strip()) == (code, b"")
