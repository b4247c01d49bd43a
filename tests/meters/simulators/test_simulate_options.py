"""Commands made of the settings of a simulator, and one of them that speaks HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import click
import msgspec
import pytest
from click.testing import CliRunner
from msgspec import Meta

from chargepoint.cli.simulate import numbered, simulate
from chargepoint.cli.simulate_options import options_of, settings_of
from meters.http import HttpConfig, HttpDevice
from meters.simulators.certificate import Certificate


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """One field of each kind that settings may have."""

    serial_number: str = "A1"
    name: Annotated[str, Meta(description="What it is called.")] = "x"
    begin_energy_wh: Annotated[int, Meta(ge=0)] = 5
    slots: Annotated[int, Meta(ge=1, le=3)] | None = None
    signing_delay_s: Annotated[float, Meta(ge=0)] = 0.5
    time_lapse: Decimal = Decimal(1)
    firmware: Literal["v1", "v2"] = "v2"
    colour: Colour = Colour.RED
    resumes: bool = False
    seals: bool = True
    events: tuple[str, ...] = ()
    state_file: Path | None = None


def given(*arguments: str) -> Settings:
    taken: dict[str, Any] = {}
    command = click.Command("x", params=list(options_of(Settings)), callback=taken.update)
    command.main(list(arguments), standalone_mode=False)
    made = settings_of(Settings, taken)
    assert isinstance(made, Settings)
    return made


def test_without_options_the_settings_are_their_defaults() -> None:
    assert given() == Settings()


@pytest.mark.parametrize(
    ("arguments", "field", "value"),
    [
        (["--name", "y"], "name", "y"),
        (["--begin-energy-wh", "7"], "begin_energy_wh", 7),
        (["--begin-energy", "7"], "begin_energy_wh", 7),
        (["--slots", "3"], "slots", 3),
        (["--signing-delay", "0.1"], "signing_delay_s", 0.1),
        (["--time-lapse", "0.1"], "time_lapse", Decimal("0.1")),
        (["--firmware", "v1"], "firmware", "v1"),
        (["--colour", "blue"], "colour", Colour.BLUE),
        (["--resumes"], "resumes", True),
        (["--no-seals"], "seals", False),
        (["--events", "a", "--events", "b"], "events", ("a", "b")),
    ],
)
def test_each_field_is_an_option(arguments: list[str], field: str, value: object) -> None:
    assert getattr(given(*arguments), field) == value


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--begin-energy", "-1"], "x>=0"),
        (["--slots", "4"], "1<=x<=3"),
        (["--colour", "green"], "'red', 'blue'"),
        (["--time-lapse", "fast"], "no number"),
        (["--state-file", "x"], "No such option"),
    ],
)
def test_what_cannot_be_is_refused(arguments: list[str], words: str) -> None:
    with pytest.raises(click.UsageError, match=words):
        given(*arguments)


@pytest.mark.parametrize(
    ("serial", "place", "wanted"),
    [
        ("KZ1660104001D", 0, "KZ1660104001D"),
        ("KZ1660104001D", 246, "KZ1660104247D"),
        ("A9", 1, "A10"),
        ("none", 3, "none"),
    ],
)
def test_meters_on_one_line_count_their_serial_numbers(
    serial: str, place: int, wanted: str
) -> None:
    assert numbered(serial, place) == wanted


def test_every_simulator_has_a_command_that_explains_itself() -> None:
    names = simulate.list_commands(click.Context(simulate))

    assert "em580" in names
    for name in names:
        result = CliRunner().invoke(simulate, [name, "--help"])
        assert result.exit_code == 0
        assert "--control" in result.output


def test_an_unknown_simulator_is_a_usage_error() -> None:
    result = CliRunner().invoke(simulate, ["em581"])

    assert result.exit_code == 2
    assert "em581" in result.output


# A meter that speaks HTTP, from another package.

PROGRAM = f"""
import sys
sys.path.insert(0, {str(Path(__file__).parents[2] / "support")!r})
from meters.simulators import catalog
import mirror_simulator
class Point:
    name = "mirror"
    load = staticmethod(lambda: mirror_simulator)
catalog.entry_points = lambda *, group, name="mirror": [Point] if name == "mirror" else []
from chargepoint.cli.simulate import simulate
simulate()
"""


@contextmanager
def started(ready: Path, *options: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Its first line and its ready file; ends orderly."""
    command = [sys.executable, "-c", PROGRAM, "mirror", "--ready-file", str(ready), *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        sentence = process.stdout.readline()
        while not ready.exists():
            assert process.poll() is None
            time.sleep(0.005)
        yield sentence, json.loads(ready.read_text())
    finally:
        process.terminate()
        process.communicate(timeout=10)
    assert process.returncode == 0


async def test_a_meter_that_speaks_http_can_be_started_with_tls_and_load(tmp_path: Path) -> None:
    ready, pem = tmp_path / "ready.json", tmp_path / "both.pem"
    options = ["--listen", "127.0.0.1:0", "--tls", "--cert", str(pem), "--load", "500"]
    options += ["--serial-number", "M7", "--fault", "status:value=418,path=/tea"]
    with started(ready, *options) as (sentence, told):
        certificate = Certificate.load(pem)
        port = int(told["where"].rpartition(":")[2])
        where = HttpConfig(host="127.0.0.1", port=port, tls=True, certificate=certificate.der)
        async with HttpDevice(where) as device:
            values = (await device.get("/")).json()
            tea = await device.get("/tea", accept=(418,))

    assert sentence.startswith(f"MIRROR on https://127.0.0.1:{port}: serial M7 key none")
    assert told["url"] == f"https://127.0.0.1:{port}"
    assert told["certificate"] == certificate.pem
    assert told["units"] == {"1": {"serial_number": "M7", "public_key": ""}}
    assert values == {"watts": 500, "serial": "M7"}
    assert tea.status == 418
    assert (pem.stat().st_mode & 0o777, ready.exists()) == (0o600, False)


def test_a_certificate_file_is_used_again(tmp_path: Path) -> None:
    options = ["--listen", "127.0.0.1:0", "--tls", "--cert", str(tmp_path / "both.pem")]
    with started(tmp_path / "ready.json", *options) as (_, first):
        pass
    with started(tmp_path / "ready.json", *options) as (_, second):
        pass

    assert first["certificate"] == second["certificate"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--listen", "localhost"], "expected HOST:PORT"),
        ([], "Missing option '--listen'"),
        (["--listen", "127.0.0.1:0", "--cert", "x"], "--cert goes with --tls"),
        (["--listen", "127.0.0.1:0", "--tls", "--cert", __file__], "expected a certificate"),
        (["--listen", "127.0.0.1:0", "--fault", "bad-crc"], "does not happen over HTTP"),
        (["--listen", "127.0.0.1:0", "--pty", "x"], "No such option"),
        (["--listen", "127.0.0.1:0", "--unit", "1"], "No such option"),
    ],
)
def test_bad_input_is_a_sentence(arguments: list[str], words: str) -> None:
    command = [sys.executable, "-c", PROGRAM, "mirror", *arguments]

    result = subprocess.run(command, capture_output=True, text=True, check=False)

    assert result.returncode == 2
    assert words in result.stderr
    assert "Traceback" not in result.stderr
