"""What of a version is there: its messages from the code, its test cases from the tests.

For 1.6 also its keys, with the tests of their effect: `spec("1.6", "HeartbeatInterval")`.

Marks are read from the source of the tests, so that nothing has to be collected or imported for
them. A case without test is "missing" unless the data file says why it does not apply.
"""

import argparse
import ast
import functools
import importlib
import signal
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from spec_wire import wired

from chargepoint.core.variables import TABLE
from chargepoint.csms.schemas import Schemas

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {"1.6": "v16", "2.0.1": "v201"}
CASES = {"1.6": "spec_cases_16.tsv", "2.0.1": "spec_cases_201.tsv"}
MISSING = "missing"
NOT_WIRED = "not over the WebSocket"

BOTH = frozenset({"DataTransfer"})
FROM_STATION: Mapping[str, frozenset[str]] = {
    "1.6": frozenset(
        [
            "Authorize",
            "BootNotification",
            "DiagnosticsStatusNotification",
            "FirmwareStatusNotification",
            "Heartbeat",
            "LogStatusNotification",
            "MeterValues",
            "SecurityEventNotification",
            "SignCertificate",
            "SignedFirmwareStatusNotification",
            "StartTransaction",
            "StatusNotification",
            "StopTransaction",
        ]
    ),
    "2.0.1": frozenset(
        [
            "Authorize",
            "BootNotification",
            "ClearedChargingLimit",
            "FirmwareStatusNotification",
            "Get15118EVCertificate",
            "GetCertificateStatus",
            "Heartbeat",
            "LogStatusNotification",
            "MeterValues",
            "NotifyChargingLimit",
            "NotifyCustomerInformation",
            "NotifyDisplayMessages",
            "NotifyEVChargingNeeds",
            "NotifyEVChargingSchedule",
            "NotifyEvent",
            "NotifyMonitoringReport",
            "NotifyReport",
            "PublishFirmwareStatusNotification",
            "ReportChargingProfiles",
            "ReservationStatusUpdate",
            "SecurityEventNotification",
            "SignCertificate",
            "StatusNotification",
            "TransactionEvent",
        ]
    ),
}


APART: Mapping[str, str] = {
    "PublishFirmwareStatusNotification": "only a local controller publishes firmware for others",
}
"""Messages that this station has no use for; what asks for them is answered."""


@dataclass(frozen=True)
class Message:
    """One message: who sends it, and the methods that handle or send it."""

    action: str
    direction: str
    methods: tuple[str, ...]

    @property
    def state(self) -> str:
        """The methods, else why there is none, else that it is missing."""
        if self.methods:
            return ", ".join(self.methods)
        reason = APART.get(self.action)
        return f"does not apply: {reason}" if reason else MISSING


@dataclass(frozen=True)
class Case:
    """One test case of the standard: its tests, or why it does not apply."""

    case_id: str
    profile: str
    condition: str
    about: str
    reason: str
    tests: tuple[str, ...]

    @property
    def wired(self) -> bool:
        """Whether one of its tests runs over a real WebSocket."""
        return any(is_wired(test) for test in self.tests)

    @property
    def state(self) -> str:
        """The tests, else the reason, else that it is missing."""
        if self.tests:
            return ", ".join(self.tests) + ("" if self.wired else f" ({NOT_WIRED})")
        return f"does not apply: {self.reason}" if self.reason else MISSING


def messages(version: str) -> list[Message]:
    """Every message of the version, in alphabetical order."""
    handled, sent = _handled(version), _sent(version)
    return [
        Message(
            action,
            _direction(version, action),
            tuple(handled.get(action, [])) + tuple(sent.get(action, [])),
        )
        for action in sorted(Schemas(version).actions())
    ]


def cases(version: str) -> list[Case]:
    """Every station test case of the version, in the order of the data file."""
    marked = marks(version)
    path = Path(__file__).parent / CASES[version]
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_case(line, marked) for line in lines if line and not line.startswith("#")]


@functools.cache
def marks(version: str) -> Mapping[str, list[str]]:
    """The tests of every clause that a mark of this version names."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for clause, test in _marks_in(path, version):
            found.setdefault(clause, []).append(f"{path.relative_to(ROOT / 'tests')}::{test}")
    return found


def is_wired(test: str) -> bool:
    """Whether a test, as ``marks`` names it, runs over a real WebSocket."""
    path, _, name = test.partition("::")
    return wired(ROOT / "tests" / path, name)


def _case(line: str, marked: Mapping[str, list[str]]) -> Case:
    parts = [*line.split("\t"), "", ""][:5]
    short = parts[0].removesuffix("_CS")
    tests = dict.fromkeys([*marked.get(parts[0], []), *marked.get(short, [])])
    return Case(parts[0], parts[1], parts[2], parts[3], parts[4], tuple(tests))


def _marks_in(path: Path, version: str) -> Iterator[tuple[str, str]]:
    """Marks of a test function, of one of its parameters, or of a table of parameters."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        name = _defined(node)
        for call in ast.walk(node):
            if (
                isinstance(call, ast.Call)
                and isinstance(call.func, ast.Attribute)
                and call.func.attr == "spec"
            ):
                words = [arg.value for arg in call.args if isinstance(arg, ast.Constant)]
                if len(words) == 2 and words[0] == version:
                    yield str(words[1]), name


def _defined(node: ast.stmt) -> str:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            return name
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            return name
    return "table"


def _direction(version: str, action: str) -> str:
    if action in BOTH:
        return "both"
    return "station > CSMS" if action in FROM_STATION[version] else "CSMS > station"


def _handled(version: str) -> dict[str, list[str]]:
    """By the marks of the blocks."""
    package = importlib.import_module(f"chargepoint.{PACKAGES[version]}")
    found: dict[str, list[str]] = {}
    for block in package.BLOCKS:
        for name in dir(block):
            if action := getattr(getattr(block, name), "handles", None):
                module = block.__module__.removeprefix("chargepoint.")
                found.setdefault(action, []).append(f"{module}.{block.__name__}.{name}")
    return found


def _sent(version: str) -> dict[str, list[str]]:
    """By the calls in the code whose first argument is the name of a message."""
    actions = Schemas(version).actions()
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "chargepoint" / PACKAGES[version]).glob("*.py")):
        for where, action in _calls_in(ast.parse(path.read_text(encoding="utf-8"))):
            name = f"{PACKAGES[version]}.{path.stem}.{where}"
            if action in actions and name not in found.setdefault(action, []):
                found[action].append(name)
    return found


def _calls_in(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for where, body in _functions(tree.body, ""):
        for statement in body:
            for node in ast.walk(statement):
                if isinstance(node, ast.Call) and node.args:
                    first = node.args[0]
                    if isinstance(first, ast.Constant) and isinstance(first.value, str):
                        yield where, first.value


def _functions(nodes: Iterable[ast.stmt], prefix: str) -> Iterator[tuple[str, list[ast.stmt]]]:
    """Every function and method with its body; decorators are no part of it."""
    for node in nodes:
        if isinstance(node, ast.ClassDef):
            yield from _functions(node.body, f"{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node.body


def _print_keys(*, only_missing: bool) -> None:
    """The keys of 1.6 with the tests whose mark names them."""
    marked = {clause.casefold(): tests for clause, tests in marks("1.6").items()}
    keys = sorted({row.key for row in TABLE if row.key})
    rows = [(key, marked.get(key.split("{")[0].casefold(), [])) for key in keys]
    _say(f"OCPP 1.6: {sum(bool(tests) for _, tests in rows)} of {len(rows)} keys with a test")
    for key, tests in rows:
        if not (only_missing and tests):
            _say(f"  {key:42} {', '.join(tests) or MISSING}")
    _say("")


def _print_messages(version: str, *, only_missing: bool) -> None:
    rows = messages(version)
    there = sum(bool(row.methods) for row in rows)
    apart = sum(row.action in APART for row in rows)
    _say(f"OCPP {version}: {there} of {len(rows)} messages, {apart} do not apply")
    for row in rows:
        if not (only_missing and row.state != MISSING):
            _say(f"  {row.action:35} {row.direction:15} {row.state}")


def _print_cases(version: str, *, only_missing: bool) -> None:
    rows = cases(version)
    tested = sum(bool(row.tests) for row in rows)
    missing = sum(row.state == MISSING for row in rows)
    apart = len(rows) - tested - missing
    _say(
        f"OCPP {version}: {len(rows)} test cases of a station, {tested} with a test"
        f" ({sum(row.wired for row in rows)} over the WebSocket),"
        f" {apart} do not apply, {missing} missing"
    )
    for row in rows:
        if not only_missing:
            _say(f"  {row.case_id:12} {row.profile:16} {row.state}\n{'':15}{row.about}")
        elif row.state == MISSING:
            _say(f"  {row.case_id:12} {row.profile:16} {row.condition:12} {row.about}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main(arguments: list[str]) -> None:
    """Print both tables of one version, or of each."""
    parser = argparse.ArgumentParser(prog="spec_table", description=__doc__)
    parser.add_argument("version", nargs="*", help="1.6 or 2.0.1; both if none is given")
    parser.add_argument("--missing", action="store_true", help="only what is missing")
    given = parser.parse_args(arguments)
    if strange := set(given.version) - set(PACKAGES):
        parser.error(f"no version {', '.join(sorted(strange))}: 1.6 or 2.0.1")
    for version in given.version or PACKAGES:
        _print_messages(version, only_missing=given.missing)
        _say("")
        _print_cases(version, only_missing=given.missing)
        _say("")
        if version == "1.6":
            _print_keys(only_missing=given.missing)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # a reader that has seen enough
    main(sys.argv[1:])
