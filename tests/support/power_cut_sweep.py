"""The whole sweep: every case, some at a time, and the table of what came of them."""

import argparse
import asyncio
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cut_points import count
from power_cut import Bench, PowerCut, Stuck
from power_cut_case import LINK, Case
from power_cut_checks import Column, Finding, check

from chargepoint.bench.csms import StationAway

COMMITS: Final = ("commit-before", "commit-after")
ORDERS: Final = ("order-before", "order-after")
OF_STATION: Final = (*COMMITS, *ORDERS, "sent", "received", "command-sent")
OF_METER: Final = (
    "meter-write-before",
    "meter-write-after",
    "meter-save-before",
    "meter-save-after",
)
VERSIONS: Final = ("2.0.1", "1.6")
FIRST_CUTS: Final = ("commit-after:TransactionStarted", "order-after:TakeEnd")
"""After these the next life is cut, too: while it ends what was left open."""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of a case. ``points`` are those that the last lives of station and meter passed."""

    case: Case
    findings: list[Finding]
    seconds: float
    struck: bool
    folder: Path
    points: Counter[str]


async def run(case: Case, folder: Path) -> Result:
    """Play one case in an empty folder. Whatever happens becomes a finding."""
    began = time.monotonic()
    findings: list[Finding] = []
    async with Bench(case, folder) as bench:
        try:
            await bench.play()
            findings += await _checked(bench)
        except Stuck as stuck:
            findings.append(Finding(Column.OTHER, str(stuck)))
        struck = bench.was_struck()
        traces = (bench.station.trace(), bench.meter.trace())
    points = sum((count(trace) for trace in traces), Counter[str]())
    return Result(case, findings, time.monotonic() - began, struck, folder, points)


async def _checked(bench: Bench) -> list[Finding]:
    """Some cuts lie so late that they strike while the bench is looked at."""
    try:
        return await check(bench)
    except (PowerCut, StationAway):
        await bench.come_to_rest()
        return await check(bench)


@dataclass(slots=True)
class Plan:
    """Which cases there are; how many is learned from cases that are run first."""

    version: str
    random_moments: int
    numbers: random.Random

    async def cases(self) -> list[Case]:
        """All of them.

        Raises:
            AssertionError: not even a session without a cut is in order.
        """
        plain, offline = await self._scout("none"), await self._scout("offline/none")
        texts = ["none", "offline/none"]
        texts += _numbered("", (*OF_STATION, *OF_METER), plain.points)
        texts += _numbered("offline/", (*COMMITS, *ORDERS, "command-sent"), offline.points)
        texts += _numbered("slow/", (*ORDERS, "command-sent", *OF_METER[:2]), plain.points)
        for first in FIRST_CUTS:
            after = await self._scout(first)
            texts += _numbered(f"{first}+", (*COMMITS, *ORDERS, "received"), after.points)
        for kind in LINK:
            texts += [f"{kind}:{number + 1}" for number in range(plain.points["sent"])]
        texts += ["drop:all", "lose-answer:all"]
        asked = await self._scout("asked/none")
        texts += ["asked/none"]
        texts += _numbered("asked/", (*COMMITS, *ORDERS, "sent", "received"), asked.points)
        texts += self._moments("asked/random", self.random_moments // 2, asked.seconds)
        texts += ["asked/drop:all", "asked/lose-answer:all"]
        texts += self._moments("random", self.random_moments, plain.seconds)
        texts += self._moments("meter-random", self.random_moments, plain.seconds)
        texts += self._moments("both-random", self.random_moments // 4, plain.seconds)
        texts += self._moments("offline/random", self.random_moments // 4, offline.seconds)
        return [Case.parse(self.version, text) for text in texts]

    def _moments(self, kind: str, many: int, most: float) -> Iterator[str]:
        for _ in range(many):
            yield f"{kind}:{self.numbers.uniform(0, most):.3f}"

    async def _scout(self, text: str) -> Result:
        with tempfile.TemporaryDirectory(prefix="power-cut-") as folder:
            result = await run(Case.parse(self.version, text), Path(folder))
        if result.findings:
            raise AssertionError(f"{text}: {result.findings}")
        return result


def _numbered(before: str, kinds: Iterable[str], points: Counter[str]) -> Iterator[str]:
    for kind in kinds:
        yield from (f"{before}{kind}:{number + 1}" for number in range(points[kind]))


@dataclass(slots=True)
class Table:
    """Counts per kind, and what was wrong."""

    results: dict[str, list[Result]] = field(default_factory=lambda: defaultdict(list))

    def add(self, result: Result) -> None:
        """Count one more."""
        self.results[result.case.row].append(result)

    @property
    def failed(self) -> list[Result]:
        """Those with a finding."""
        return [one for results in self.results.values() for one in results if one.findings]

    def lines(self) -> Iterator[str]:
        """The table; a run counts once per column."""
        heads = ["runs", "struck", *(str(column) for column in Column)]
        width = max(map(len, self.results), default=0)
        yield " " * width + "  " + "  ".join(heads)
        rows = {**self.results, "all": [one for row in self.results.values() for one in row]}
        for name, results in rows.items():
            cells = [len(results), sum(one.struck for one in results)]
            cells += [sum(_has(one, column) for one in results) for column in Column]
            shown = (f"{cell:>{len(head)}}" for cell, head in zip(cells, heads, strict=True))
            yield f"{name:<{width}}  {'  '.join(shown)}"


def _has(result: Result, column: Column) -> bool:
    return any(finding.column is column for finding in result.findings)


async def sweep(cases: list[Case], *, jobs: int) -> Table:
    """Run all cases, some at a time; failures are told as they come and their folders kept."""
    table, waiting = Table(), iter(enumerate(cases, 1))

    async def worker() -> None:
        for number, case in waiting:
            folder = Path(tempfile.mkdtemp(prefix="power-cut-"))
            result = await run(case, folder)
            table.add(result)
            if not result.findings:
                shutil.rmtree(folder)
            _tell(number, len(cases), result)

    async with asyncio.TaskGroup() as workers:
        for _ in range(jobs):
            workers.create_task(worker())
    return table


def _tell(number: int, many: int, result: Result) -> None:
    if result.findings:
        _say(f"FAILED {result.case}, see {result.folder}")
        for finding in result.findings:
            _say(f"    {finding.column}: {finding.sentence}")
        _say(f"    again: {_command(result.case)}")
    sys.stderr.write(f"{number}/{many} {result.case} {result.seconds:.1f} s\n")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _command(case: Case) -> str:
    return f"scripts/power_cut --ocpp {case.version} --one {case}"


def main() -> int:
    """The command line of ``scripts/power_cut``."""
    parser = argparse.ArgumentParser(prog="scripts/power_cut", description=__doc__)
    parser.add_argument("--ocpp", choices=["1.6", "2.0.1"], action="append", help="default: both")
    parser.add_argument("--random", type=int, default=200, help="moments, default 200")
    parser.add_argument("--seed", type=int, default=None, help="of those moments")
    parser.add_argument("--only", action="append", help="kinds (rows of the table) with this word")
    parser.add_argument("--every", type=int, default=1, help="of those, only one in so many")
    parser.add_argument("--one", action="append", help="just this case; may be repeated")
    parser.add_argument("--jobs", type=int, default=2, help="cases at a time, default 2")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # no process may be left behind
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    good = [asyncio.run(_sweep(version, seed, options)) for version in options.ocpp or VERSIONS]
    return 0 if all(good) else 1


async def _sweep(version: str, seed: int, options: argparse.Namespace) -> bool:
    if options.one:
        cases = [Case.parse(version, text) for text in options.one]
    else:
        cases = await Plan(version, options.random, random.Random(seed)).cases()  # noqa: S311
    if options.only:
        cases = [case for case in cases if any(word in case.row for word in options.only)]
    cases = cases[:: options.every]
    began = time.monotonic()
    table = await sweep(cases, jobs=options.jobs)
    _say(f"OCPP {version}, seed {seed}, {time.monotonic() - began:.0f} s")
    for line in table.lines():
        _say(line)
    for result in table.failed:
        _say(f"failed: {_command(result.case)}")
    return not table.failed


if __name__ == "__main__":
    sys.exit(main())
