"""A station process that charges all the time while everything around it fails, and is watched.

Sessions follow one another without a pause; every few seconds another fault strikes the network,
the CSMS or the meter. Memory, tasks, threads, open files and the database are measured all the
time, and in the end every session must have been told and signed, as in the fault table.
"""

import argparse
import asyncio
import random
import re
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any, Final

import fault_answers
import fault_frames
import fault_network
import fault_station
from fault_books import Books, audit
from fault_config import STATION
from fault_plant import Gone, Plant, plant
from fault_rig import Stuck
from fault_rows import FAST, VERSIONS
from soak_child import TRANSACTIONS
from soak_figures import Sample, Verdict, plot, table, verdicts, write_csv

MINUTES: Final = 60.0
CALM_S: Final = 4.0  # between two faults, at most
WARM: Final = 0.08  # of the time, in which what takes the most memory comes at once
FAULT_S: Final = 60.0  # one that has not struck by then is given up
STRIKES: Final[tuple[Callable[[Any], Awaitable[None]], ...]] = (
    fault_network.cut,
    fault_network.cut,
    fault_network.half_open,
    fault_network.flap,
    fault_network.lose_segments,
    fault_network.dribble,
    fault_network.slow,
    fault_network.late,
    fault_answers.wrong_id,
    fault_answers.twice,
    fault_answers.illegal,
    fault_answers.replay,
    fault_frames.bad_utf8,
    fault_frames.giant,
    fault_frames.deep,
    fault_frames.numbers,
    fault_frames.flood,
    fault_station.meter,
)
_LARGE: Final = (fault_frames.giant, fault_frames.deep)
"""What takes the most memory. The heap keeps what its largest moment took, so that comes first."""

_SERIES: Final = {
    "tasks": "chargepoint_tasks",
    "threads": "chargepoint_threads",
    "blocks": "chargepoint_python_blocks",
    "descriptors": "chargepoint_descriptors",
    "database": 'chargepoint_database_bytes{file="database"}',
    "wal": 'chargepoint_database_bytes{file="journal"}',
    "journal": "chargepoint_journal_facts",
}
_SERIES_LINE: Final = re.compile(r"^(chargepoint_\S+) (\S+)$", re.MULTILINE)
_MEMORY_LINE: Final = re.compile(r"^(Pss|Rss|Anonymous): +(\d+) kB$", re.MULTILINE)
_IN_KIB: Final = {"database", "wal"}
_SETTINGS: Final = {
    "SampledDataCtrlr.TxUpdatedInterval": "1",
    "AuthCacheCtrlr.Enabled": "true",
}


@dataclass
class Soak:
    """What it came to."""

    samples: list[Sample] = field(default_factory=list)
    struck: dict[str, int] = field(default_factory=dict)
    books: Books = field(default_factory=Books)
    events: dict[str, int] = field(default_factory=dict)

    @property
    def verdicts(self) -> list[Verdict]:
        return verdicts(self.samples)

    @property
    def flat(self) -> bool:
        """Nothing grew beyond its bound."""
        return all(one.flat for one in self.verdicts)


async def soak(version: str, seconds: float, every_s: float, seed: int) -> Soak:
    """Charge for so long under faults, sampling at this interval."""
    numbers = Random(f"soak {version} {seed}")  # noqa: S311 - nothing secret
    records = {"max_count": TRANSACTIONS}
    program = (sys.executable, str(Path(__file__).with_name("soak_child.py")))
    result = Soak()
    with tempfile.TemporaryDirectory(prefix="soak-", dir=FAST) as folder:
        async with plant(
            version,
            Path(folder),
            numbers,
            program=program,
            settings=_SETTINGS,
            station={"records": records},
        ) as it:
            await it.start()
            try:
                await _under_faults(it, result, seconds, every_s)
                await it.come_to_rest()
            except* Stuck as group:
                result.books.other += [str(error) for error in group.exceptions]
            code = await it.kill(signal.SIGTERM)
            _close(it, result, code)
    return result


async def _under_faults(it: Plant, result: Soak, seconds: float, every_s: float) -> None:
    done = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(_drive(it, done))
        striking = tasks.create_task(_strike(it, result, WARM * seconds))
        sampling = tasks.create_task(_sample(it, result, every_s))
        await asyncio.wait([driving], timeout=seconds)
        striking.cancel()
        await asyncio.wait([striking])
        _calm(it)
        done.set()
        await asyncio.wait([driving])
        sampling.cancel()


async def _drive(it: Plant, done: asyncio.Event) -> None:
    """One driver after the other; the process must not die."""
    while not done.is_set():
        try:
            await it.session()
        except Gone as gone:
            if it.code is not None:
                words = it.log.read_text(errors="replace")[-2000:]
                raise Stuck(f"the process ended with {it.code}: {words}") from gone


async def _strike(it: Plant, result: Soak, warm_s: float) -> None:
    world: Any = it
    began = time.monotonic()
    while True:
        warm = time.monotonic() - began >= warm_s
        strike = it.numbers.choice(STRIKES if warm else _LARGE)
        with suppress(TimeoutError, Stuck):
            async with asyncio.timeout(FAULT_S):
                await strike(world)
            name = strike.__name__
            result.struck[name] = result.struck.get(name, 0) + 1
        _calm(it)
        await asyncio.sleep(it.numbers.uniform(0, CALM_S) if warm else 0)


def _calm(it: Plant) -> None:
    it.gateway.down = it.gateway.lost = False
    it.gateway.pace = it.csms.tongue = None
    it.meter.faults.clear()


async def _sample(it: Plant, result: Soak, every_s: float) -> None:
    began = time.monotonic()
    while True:
        with suppress(Gone):
            result.samples.append(await _measured(it, result, time.monotonic() - began))
        await asyncio.sleep(every_s)


async def _measured(it: Plant, result: Soak, seconds: float) -> Sample:
    found = dict(_SERIES_LINE.findall(await it.text("/metrics")))
    sample: Sample = {"seconds": round(seconds, 1), "sessions": it.tried}
    sample["faults"] = sum(result.struck.values())
    for name, series in _SERIES.items():
        value = float(found[series])
        sample[name] = value / 1024 if name in _IN_KIB else value
    return {**sample, **_memory(it), "used": _used(it.folder)}


def _memory(it: Plant) -> Sample:
    """As the kernel counts it; PSS is the share of this process in what others use, too."""
    assert it.process is not None
    rollup = Path(f"/proc/{it.process.pid}/smaps_rollup").read_text(encoding="ascii")
    found = dict(_MEMORY_LINE.findall(rollup))
    names = {"pss": "Pss", "rss": "Rss", "heap": "Anonymous"}
    return {name: float(found[word]) for name, word in names.items()}


def _used(folder: Path) -> float:
    """KiB of the database that hold something."""
    (path,) = (folder / "state").rglob("station.db")
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as db:
        pages, free, size = (
            int(db.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size / 1024


def _close(it: Plant, result: Soak, code: int) -> None:
    """Audit: the station itself remembers only what its small bounds allow."""
    truth = it.truth()
    known = {**dict.fromkeys(it.records, True), **truth.known}
    truth = replace(truth, known=known, counted_wh=None, keeps_all=False)
    before = result.books.other
    result.books = audit(it.csms.stations[STATION].transactions, truth)
    result.books.other += [*before, *(str(one) for one in it.csms.violations)]
    result.books.other += [f"it ended with {code}"] if code else []
    result.events = it.events()


def main(arguments: list[str] | None = None) -> int:
    """Soak a station, print table and verdict, write CSV and plot; 1 if it grows or loses."""
    parser = argparse.ArgumentParser(prog="scripts/soak", description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"default {MINUTES:g}")
    parser.add_argument("--every", type=float, default=5.0, help="seconds between samples")
    parser.add_argument("--ocpp", choices=VERSIONS, default=VERSIONS[0])
    parser.add_argument("--seed", type=int, default=None, help="of what is by chance")
    parser.add_argument("--out", type=Path, default=Path("soak"), help="of soak.csv and soak.svg")
    options = parser.parse_args(arguments)
    seed = random.SystemRandom().randrange(10**6) if options.seed is None else options.seed
    result = asyncio.run(soak(options.ocpp, options.minutes * 60, options.every, seed))
    title = f"OCPP {options.ocpp}, {options.minutes:g} minutes under faults, seed {seed}"
    write_csv(options.out.with_suffix(".csv"), result.samples)
    options.out.with_suffix(".svg").write_text(plot(result.samples, title), encoding="utf-8")
    for line in (title, *table(result.samples), "", *_words(result), ""):
        sys.stdout.write(line + "\n")
    for verdict in result.verdicts:
        sys.stdout.write(f"{verdict}\n")
    good = result.flat and not result.books.wrong
    sys.stdout.write("flat\n" if result.flat else "NOT FLAT\n")
    return 0 if good else 1


def _words(result: Soak) -> list[str]:
    books = result.books
    wrong = {
        "lost": books.lost,
        "doubled": books.doubled,
        "half signed": books.half_signed,
        "other": books.other,
    }
    counts = ", ".join(f"{len(sentences)} {word}" for word, sentences in wrong.items())
    return [
        f"{books.transactions} transactions, {books.records} signed records: {counts}",
        *books.wrong,
        "struck: " + ", ".join(f"{many} {name}" for name, many in sorted(result.struck.items())),
        "events: " + ", ".join(f"{many} {name}" for name, many in sorted(result.events.items())),
    ]


if __name__ == "__main__":
    sys.exit(main())
