"""``scripts/bench``: measures the station and says goal and result side by side.

Everything is measured now and on this machine; what was measured elsewhere is only quoted, in a
line of its own. Comparisons are made in the same run, in turn.
"""

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from chargepoint.bench.measure_figures import Extent, Figure, noise

Measure = Callable[[Extent], Coroutine[Any, Any, list[Figure]]]

MEASUREMENTS: Final = {
    "wire": "From stop to the signed end message",
    "bus": "Eight meters on one line",
    "memory": "The idle station",
    "start": "Start of the process",
    "store": "The outbox on this disk",
    "offline": "Weeks without a CSMS",
    "codec": "One message",
    "swipe": "From the card to the CSMS",
    "ocmf": "Signed records",
    "profiles": "Charging profiles",
}
"""Names for ``--only``; each is a module ``measure_<name>`` with a function ``measure``."""

_WIDTH: Final = 78
_VERDICTS: Final = {True: "met", False: "MISSED", None: ""}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print. Missed goals are told, not tested: the exit code is 0 all the same."""
    given = _parser().parse_args(arguments)
    names = given.only or list(MEASUREMENTS)
    with _folder(given.folder) as folder, _byte_code(folder / "pycache"):
        report = _run(names, Extent(folder=folder, quick=given.quick), quiet=given.json)
    if given.json:
        print(json.dumps(report, indent=2))
    return 0


def measurement(name: str) -> Measure:
    """The function behind a name."""
    found: Measure = import_module(f"chargepoint.bench.measure_{name}").measure
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="less of everything, within a minute")
    parser.add_argument("--only", action="append", choices=MEASUREMENTS, help="repeatable")
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--folder", type=Path, help="where state folders are made; its disk counts")
    return parser


def _run(names: Sequence[str], extent: Extent, *, quiet: bool) -> dict[str, object]:
    machine = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "disk": _file_system(extent.folder),
        "noise": noise(),
    }
    if not quiet:
        for name, text in machine.items():
            print(f"{name:8} {text}")
    began, results = time.monotonic(), {}
    for name in names:
        figures = asyncio.run(measurement(name)(extent))
        results[name] = [figure.as_json() for figure in figures]
        if not quiet:
            _print(MEASUREMENTS[name], figures)
    took = time.monotonic() - began
    if not quiet:
        print(f"\n{took:.0f} s, at the end {noise()}")
    return {**machine, "noise_after": noise(), "seconds": round(took, 1), "figures": results}


def _print(title: str, figures: Sequence[Figure]) -> None:
    print(f"\n{title}\n{'-' * len(title)}")
    for figure in figures:
        goal = "" if figure.goal is None else f"{figure.bound} {figure.goal:g}"
        verdict = _VERDICTS[figure.met]
        value = f"{figure.value:.4g} {figure.unit}"
        print(f"{figure.what:{_WIDTH}} {value:>18}  {goal:>8} {verdict}".rstrip())
        if figure.beside:
            print(f"      {figure.beside}")
        if figure.elsewhere:
            print(f"      elsewhere: {figure.elsewhere}")
    sys.stdout.flush()


@contextmanager
def _folder(parent: Path | None) -> Iterator[Path]:
    with TemporaryDirectory(prefix="chargepoint-bench-", dir=parent) as folder:
        yield Path(folder)


@contextmanager
def _byte_code(folder: Path) -> Iterator[None]:
    """Let every process keep compiled byte code, as an installed package has it.

    Where it is switched off in the environment, a start would compile the whole station anew.
    """
    names = ("PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
    before = {name: os.environ.pop(name, None) for name in names}
    os.environ["PYTHONPYCACHEPREFIX"] = str(folder)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _file_system(folder: Path) -> str:
    """Kind and device of the file system that holds a folder."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    inside = [mount for mount in mounts if folder.resolve().is_relative_to(mount[1])]
    device, _, kind, *_ = max(inside, key=lambda mount: len(mount[1]), default=["?", "", "?"])
    return f"{kind} on {device}"


if __name__ == "__main__":
    sys.exit(main())
