"""The fault table: what was injected, how often, what happened, and what was lost (nothing).

Each row is a station in use, all day, while one kind of fault strikes it again and again; in the
end the books of drivers, meter and CSMS are compared (``fault_books``). Most rows run in virtual
time, in one process, over real sockets; signals need processes and real time.
"""

import argparse
import importlib
import json
import random
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from typing import Any, Final

from fault_books import Books
from fault_rows import VERSIONS, Outcome, Row, run

FAMILIES: Final = (
    "fault_network",
    "fault_answers",
    "fault_frames",
    "fault_tls",
    "fault_station",
    "fault_process",
)
DISK: Final = "disk_sweep"
"""A module with ``run(version, count, seed)``, which gives its numbers by name."""

CUTS: Final = 20
_COLUMNS: Final = (
    "struck",
    "sessions",
    "records",
    "lost",
    "doubled",
    "half signed",
    "other",
    "seconds",
    "CPU s",
)


def rows() -> list[Row]:
    """All of them, in the order of the table."""
    found = [row for name in FAMILIES for row in importlib.import_module(name).ROWS]
    if find_spec(DISK) is not None:
        injected = "no space or an I/O error at one operation of the disk, or from then on"
        found.append(Row("disk", injected, play=partial(_disk, injected)))
    return found


def _disk(injected: str, version: str, count: int, seed: int) -> Outcome:
    numbers: dict[str, Any] = importlib.import_module(DISK).run(version, count, seed)
    books = Books(
        lost=["see scripts/disk_sweep"] * numbers["lost"],
        doubled=["see scripts/disk_sweep"] * numbers["doubled"],
        half_signed=["see scripts/disk_sweep"] * numbers["half_signed"],
        other=["see scripts/disk_sweep"] * numbers["wrong"],
    )
    struck = int(numbers["happened"])
    return Outcome("disk", version, injected, struck, count, books, {}, 0.0, 0.0)


def play(name: str, version: str, count: int, seed: int) -> Outcome:
    """One row in one version."""
    row = next(row for row in rows() if row.name == name)
    return run(row, version, count, seed)


def table(outcomes: Iterable[Outcome]) -> Iterator[str]:
    """The lines of the table, and below it what each fault is."""
    listed = list(outcomes)
    width = max((len(_title(one)) for one in listed), default=5)
    yield f"{'fault':<{width}}  OCPP   {'  '.join(_COLUMNS)}  what happened"
    for one in listed:
        yield _line(one, width)
    yield ""
    for one in {one.row: one for one in listed}.values():
        yield f"{_title(one):<{width}}  {one.injected}"


def _line(one: Outcome, width: int) -> str:
    books = one.books
    cells: tuple[float, ...] = (
        one.count,
        one.sessions,
        books.records,
        len(books.lost),
        len(books.doubled),
        len(books.half_signed),
        len(books.other),
        one.seconds,
        one.cpu_s,
    )
    shown = [f"{cell:>{len(head)}}" for cell, head in zip(cells, _COLUMNS, strict=True)]
    what = ", ".join(f"{many} {word}" for word, many in one.what.items())
    return f"{_title(one):<{width}}  {one.version:<5}  {'  '.join(shown)}  {what}"


def _title(one: Outcome) -> str:
    return one.row.replace("-", " ")


def is_good(one: Outcome) -> bool:
    """Whether the fault struck and nothing is wrong."""
    return one.count > 0 and not one.books.wrong


def main(arguments: list[str] | None = None) -> int:
    """Print the fault table; 1 if anything is wrong in it."""
    parser = argparse.ArgumentParser(prog="scripts/fault_table", description=main.__doc__)
    parser.add_argument("--only", action="append", help="rows with this word in their name")
    parser.add_argument("--ocpp", choices=VERSIONS, action="append", help="default: both")
    parser.add_argument("--cuts", type=int, default=CUTS, help=f"strikes per row, default {CUTS}")
    parser.add_argument("--full", action="store_true", help="1000 strikes per row")
    parser.add_argument("--seed", type=int, default=None, help="of what is by chance")
    parser.add_argument("--jobs", type=int, default=1, help="rows at a time, default 1")
    parser.add_argument("--json", action="store_true", help="one JSON object per line instead")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    cuts = 1000 if options.full else options.cuts
    wanted = [
        (row.name, version, cuts, seed)
        for row in rows()
        if not options.only or any(word in row.name for word in options.only)
        for version in options.ocpp or VERSIONS
    ]
    outcomes = []
    for one in _played(wanted, options.jobs):
        outcomes.append(one)
        if options.json:
            _say(json.dumps({**one.as_json(), "seed": seed}))
        else:
            sys.stderr.write(_line(one, 18) + "\n")
        for sentence in one.books.wrong:
            sys.stderr.write(f"    {sentence}\n")
    if not options.json:
        _say(f"seed {seed}")
        for line in table(outcomes):
            _say(line)
    return 0 if all(map(is_good, outcomes)) else 1


def _played(wanted: list[tuple[str, str, int, int]], jobs: int) -> Iterator[Outcome]:
    if jobs == 1:
        yield from (play(*one) for one in wanted)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(play, *zip(*wanted, strict=True))


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
