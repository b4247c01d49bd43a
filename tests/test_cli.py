"""The command line as a user meets it: exit codes, messages, what is imported."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import click
import pytest
from sample_facts import RECORD, ended, reading
from websockets.asyncio.server import ServerConnection, serve
from websockets.typing import Subprotocol

from chargepoint.cli import COMMANDS, LazyGroup, check, check_meters, exit_code, logs, main, meter
from chargepoint.cli.trial import Trial
from chargepoint.config import load_config
from chargepoint.errors import (
    ConfigError,
    CsmsRejected,
    CsmsUnavailable,
    HardwareFault,
    StoreError,
)
from chargepoint.store.sqlite import Store
from meters.diagnosis import Finding
from meters.errors import MeterDataError, MeterUnreachable
from meters.model import MeterInfo, Quantity, Reading, Sample

DEMO = Path(__file__).parents[1] / "configs/demo.yaml"

HEAVY = {"aiohttp", "asyncio", "cryptography", "h11", "msgspec", "pymodbus", "websockets", "yaml"}
HEAVY_FOR_CHECK = HEAVY - {"asyncio", "msgspec", "yaml"}

ERRORS = [
    (ConfigError("site.yaml:3: no"), 2),
    (MeterUnreachable("outlet1: silent"), 3),
    (MeterDataError("outlet1: nonsense"), 3),
    (CsmsUnavailable("gone"), 4),
    (CsmsRejected("InternalError"), 4),
    (StoreError("disk full"), 5),
    (ExceptionGroup("tasks", [ExceptionGroup("more", [StoreError("disk full")])]), 5),
    (ExceptionGroup("tasks", [StoreError("disk full"), MeterUnreachable("silent")]), 3),
]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A subcommand `try` whose body a test gives as ``command.body``."""
    made = SimpleNamespace(body=lambda: None)

    @click.command(name="try")
    @click.option("--number", type=int, default=0)
    def attempt(number: int) -> object:
        made.number = number
        return made.body()

    def found(_: LazyGroup, __: click.Context, name: str) -> click.Command | None:
        return attempt if name == "try" else None

    monkeypatch.setattr(LazyGroup, "get_command", found)
    return made


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=lambda value: str(value)[:40])
def test_expected_errors_are_told_in_plain_text_with_their_exit_code(
    command: SimpleNamespace, capsys: pytest.CaptureFixture[str], error: Exception, code: int
) -> None:
    def fail() -> None:
        raise error

    command.body = fail

    assert main(["try"]) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert "Traceback" not in said.err
    assert str(error) in said.err or isinstance(error, ExceptionGroup)
    assert "ExceptionGroup" not in said.err


@pytest.mark.parametrize("closed", ["2>&-", "0<&- 1>&- 2>&-"])
@pytest.mark.parametrize(
    ("arguments", "code"), [(["check", str(DEMO)], 0), (["ocmf", "show"], 2)], ids=["check", "ocmf"]
)
def test_a_command_works_although_its_streams_are_closed(
    arguments: list[str], code: int, closed: str
) -> None:
    """As a service manager of small systems starts programs."""
    script = f'exec "$0" -m chargepoint "$@" {closed}'

    done = subprocess.run(
        ["sh", "-c", script, sys.executable, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == code
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["schema"], ["--version"], ["--help"], ["check", str(DEMO)], ["records", "list"]],
    ids=" ".join,
)
def test_output_that_a_full_disk_does_not_take_is_said_in_one_line(
    arguments: list[str], tmp_path: Path
) -> None:
    if arguments[0] == "records":
        with Store(tmp_path, "CP1") as store:
            store.record(ended(end=reading(signed=RECORD)))
        arguments = [*arguments, "--state", str(tmp_path)]

    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "chargepoint", *arguments],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )

    assert done.stderr == "Cannot write the output: No space left on device\n"
    assert done.returncode == 2


@pytest.mark.parametrize(
    "error",
    [
        ValueError("defect"),
        ExceptionGroup("tasks", [StoreError("disk full"), ValueError("defect")]),
        HardwareFault("stuck"),
    ],
)
def test_an_error_that_nobody_expects_keeps_its_traceback(
    command: SimpleNamespace, error: Exception
) -> None:
    def fail() -> None:
        raise error

    command.body = fail

    with pytest.raises(type(error)):
        main(["try"])
    assert exit_code(error) is None


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_ctrl_c_gives_130(command: SimpleNamespace, error: BaseException) -> None:
    def fail() -> None:
        raise error

    command.body = fail

    assert main(["try"]) == 130


def test_what_a_command_returns_or_exits_with_is_the_exit_code(command: SimpleNamespace) -> None:
    command.body = lambda: 3
    returned = main(["try"])
    command.body = lambda: click.get_current_context().exit(1)
    exited = main(["try"])
    command.body = lambda: None
    nothing = main(["try"])

    assert (returned, exited, nothing) == (3, 1, 0)


USAGE = [
    (["frobnicate"], "No such command 'frobnicate'"),
    (["try", "--number", "x"], "'x' is not a valid integer"),
    (["--log-level", "loud", "try"], "'loud' is not one of"),
    ([], "Usage: chargepoint"),
]


@pytest.mark.parametrize(("arguments", "expected"), USAGE)
@pytest.mark.usefixtures("command")
def test_wrong_usage_gives_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert main(arguments) == 2
    assert expected in capsys.readouterr().err


def test_help_lists_every_command_without_importing_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n  {name} " in said for name in COMMANDS)


def test_version_is_the_installed_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("chargepoint 0.")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_that_is_listed_can_be_imported(name: str) -> None:
    found = LazyGroup().get_command(click.Context(click.Command("x")), name)

    assert isinstance(found, click.Command)
    assert found.name == name


def imported_by(code: str) -> set[str]:
    script = f"import json, sys\n{code}\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, check=True, text=True, timeout=60
    )
    return set(json.loads(done.stdout))


def test_the_command_line_imports_nothing_heavy() -> None:
    modules = imported_by("import chargepoint.cli")

    assert not modules & HEAVY


def test_loading_a_config_imports_nothing_heavy() -> None:
    modules = imported_by(
        f"from chargepoint.config import load_config; load_config({str(DEMO)!r}, {{}})"
    )

    assert not modules & HEAVY_FOR_CHECK


def test_no_meter_and_no_csms_gives_orders_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    escape = "no\x1b]0;x\x07\x1b[2J"

    check._tell(Trial("CSMS", good=False, words=escape, findings=(Finding("x", escape, escape),)))
    meter._print({"meter": "outlet1", "error": escape, "health": "refusing"}, as_json=False)

    said = click.unstyle(capsys.readouterr().out)
    assert said.count("no\\x1b]0;x\\x07") == 4
    assert said.replace("\n", "").isprintable()


def test_python_dash_m_is_the_command() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "chargepoint", "check", "/nowhere.yaml"],
        capture_output=True,
        check=False,
        text=True,
        timeout=60,
    )

    assert done.returncode == 2
    assert done.stderr == "/nowhere.yaml: cannot be read: No such file or directory\n"


def test_check_says_what_the_station_would_be(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(DEMO)]) == 0

    said = capsys.readouterr().out
    assert "CP001, Example Wallbox 22 0001" in said
    assert "ws://127.0.0.1:9000/ocpp/CP001, OCPP 2.0.1" in said
    assert "carlo_gavazzi_em580 on rs485" in said
    assert "DE*ABC*E123*1, cType2, 32 A, 3 phases, meter outlet1, hardware simulated" in said


def test_check_in_json_is_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", str(DEMO), "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert (said["ok"], said["station_id"], said["evses"]) == (True, "CP001", [1])


def test_check_tells_mistakes_on_stderr_and_gives_2(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    path.write_text(DEMO.read_text().replace("vendor:", "vender:"))

    assert main(["check", str(path), "--json"]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert f"{path}:11: station.vender: found an unknown key" in said.err


def test_check_connect_says_in_words_which_meter_and_csms_do_not_answer(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    text = DEMO.read_text().replace("/tmp/chargepoint-em580", str(tmp_path / "tty"))  # noqa: S108
    path.write_text(text.replace("127.0.0.1:9000", "127.0.0.1:1"))

    assert main(["check", str(path), "--connect"]) == 3

    said = capsys.readouterr().out
    assert f"meter outlet1: FAILED: {tmp_path}/tty: no such port" in said
    assert "CSMS: FAILED: CSMS ws://127.0.0.1:1/ocpp refused the connection" in said


def test_check_connect_says_why_and_what_to_do_next(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "site.yaml"
    text = DEMO.read_text().replace("/tmp/chargepoint-em580", str(tmp_path / "tty"))  # noqa: S108
    path.write_text(text.replace("127.0.0.1:9000", "127.0.0.1:1"))

    main(["check", str(path), "--connect"])
    told = capsys.readouterr().out
    main(["check", str(path), "--connect", "--json"])
    trial = json.loads(capsys.readouterr().out)["trials"][0]

    assert f"  found: There is no port {tmp_path}/tty." in told
    assert "  next:  " in told
    assert [finding["code"] for finding in trial["findings"]] == ["no-port"]
    assert trial["findings"][0]["next"]


class FakeMeter:
    """Answers, or raises what it was given."""

    def __init__(self, error: Exception | None = None) -> None:
        self._error = error

    async def identify(self) -> MeterInfo:
        if self._error is not None:
            raise self._error
        return MeterInfo("Maker", "M1", "S7", signing_method="ECDSA-brainpoolP384r1-SHA256")

    async def read(self) -> Reading:
        sample = Sample(Quantity.ENERGY_IMPORT, Decimal(1_234_500))
        return Reading(datetime(2026, 1, 1, tzinfo=UTC), (sample,))


async def test_a_meter_that_answers_is_described() -> None:
    trial = await check_meters.try_meter("outlet1", FakeMeter())

    words = "Maker M1, serial S7, signs with ECDSA-brainpoolP384r1-SHA256, 1234.500 kWh"
    assert trial == Trial("meter outlet1", good=True, words=words)


async def test_a_meter_that_answers_nonsense_fails_the_check_with_its_sentence() -> None:
    trial = await check_meters.try_meter("outlet1", FakeMeter(MeterDataError("register 7: 1 word")))

    assert trial == Trial("meter outlet1", good=False, words="register 7: 1 word", code=3)


@pytest.mark.parametrize(
    ("subprotocol", "code", "words"),
    [
        ("ocpp2.0.1", 0, "lets the station in, speaks ocpp2.0.1"),
        ("ocpp1.6", 4, "without OCPP subprotocol"),
    ],
)
async def test_the_csms_is_tried_with_a_real_connection(
    subprotocol: str, code: int, words: str
) -> None:
    async def idle(connection: ServerConnection) -> None:
        await connection.wait_closed()

    def choose(_: ServerConnection, __: Sequence[Subprotocol]) -> Subprotocol | None:
        return Subprotocol(subprotocol) if subprotocol == "ocpp2.0.1" else None

    async with serve(
        idle, "127.0.0.1", 0, subprotocols=[Subprotocol(subprotocol)], select_subprotocol=choose
    ) as server:
        port = server.sockets[0].getsockname()[1]
        url = f"ws://127.0.0.1:{port}/ocpp"
        trial = await check.try_csms(load_config(DEMO, {"CHARGEPOINT__CSMS__URL": url}))

    assert (trial.good, trial.code) == (code == 0, code)
    assert words in trial.words


def test_schema_prints_json_schema(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema"]) == 0

    assert json.loads(capsys.readouterr().out)["title"] == "chargepoint config"


@pytest.mark.parametrize(
    ("arguments", "level"),
    [
        (["check", str(DEMO)], logging.ERROR),
        (["schema"], logging.WARNING),
        (["--log-level", "debug", "schema"], logging.DEBUG),
    ],
)
def test_the_log_level_follows_the_command_or_the_option(arguments: list[str], level: int) -> None:
    main(arguments)

    assert logging.getLogger().level == level


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def logged(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, *, as_json: bool) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    logs.set_up("info", as_json=as_json)
    logging.getLogger("chargepoint.x").error("%s failed: é", "it", exc_info=KeyError("inner"))
    logging.getLogger("chargepoint.x").debug("not shown")
    return stream.getvalue()


def test_json_logs_are_one_object_per_line(monkeypatch: pytest.MonkeyPatch) -> None:
    text = logged(monkeypatch, io.StringIO(), as_json=True)

    line = json.loads(text)
    assert text.count("\n") == 1
    assert line["level"] == "error"
    assert line["part"] == "x"
    assert line["message"] == "it failed: é"
    assert line["fields"] == {}
    assert line["error"]["kind"] == "KeyError"
    assert "KeyError: 'inner'" in line["error"]["trace"]
    assert datetime.fromisoformat(line["time"]).tzinfo is UTC
    assert line["time"].endswith("Z")


def test_json_logs_have_what_a_sentence_is_about_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", stream := io.StringIO())
    logs.set_up("info", as_json=True)
    log = logging.getLogger("chargepoint.station.evse")
    log.warning("EVSE %d: %s", 2, "restart", extra={"fields": {"part": "board"}})
    log.info("nothing special")

    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["fields"] for line in lines] == [{"evse": 2, "part": "board"}, {}]
    assert {line["part"] for line in lines} == {"station.evse"}


def test_plain_logs_are_coloured_only_on_a_terminal_and_not_with_no_color(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    to_file = logged(monkeypatch, io.StringIO(), as_json=False)
    to_terminal = logged(monkeypatch, Terminal(), as_json=False)
    monkeypatch.setenv("NO_COLOR", "1")
    without_colour = logged(monkeypatch, Terminal(), as_json=False)

    assert "Z ERROR   chargepoint.x: it failed: é\n" in to_file
    assert "\033[" not in to_file
    assert to_terminal.startswith("\033[31m")
    assert "\033[" not in without_colour
