"""A row of the fault table: a fault that strikes a station in use, and what came of it."""

import asyncio
import resource
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

import virtual_time
from fault_books import Books, Truth, audit
from fault_config import STATION
from fault_rig import BEGIN_WH, Site, Stuck, site

VERSIONS: Final = ("2.0.1", "1.6")
_MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a disk where nobody waits for a sync
FAST: Final = _MEMORY if _MEMORY.is_dir() else None

LEAKED: Final = "words to a stranger"
"""Noted when a station spoke to who had not shown that he is its CSMS."""

Strike = Callable[[Site], Awaitable[None]]
Options = Callable[[Path, Random], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of so many strikes. ``what`` counts what happened, by word."""

    row: str
    version: str
    injected: str
    count: int
    sessions: int
    books: Books
    what: dict[str, int]
    seconds: float
    cpu_s: float

    def as_json(self) -> dict[str, Any]:
        """For a program."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Row:
    """A fault in virtual time: ``strike`` injects it once, and returns when it has struck.

    ``injected`` says what that is. ``calm`` ends what may last; ``options`` are those of the
    site; ``all_counted``: every Wh of the meter must be in a record; ``pause_s`` lies between two
    drivers at most. A row of processes plays itself (``play``).
    """

    name: str
    injected: str
    strike: Strike | None = None
    calm: Callable[[Site], None] = lambda _: None
    options: Options = lambda _folder, _numbers: {}
    all_counted: bool = True
    pause_s: float = 0.0
    play: "Callable[[str, int, int], Outcome] | None" = None


def run(row: Row, version: str, count: int, seed: int) -> Outcome:
    """Let a fault strike so often; whatever goes wrong is in the books."""
    if row.play is not None:
        return row.play(version, count, seed)
    began, cpu = time.monotonic(), cpu_s()
    with tempfile.TemporaryDirectory(prefix="fault-", dir=FAST) as folder:
        numbers = Random(f"{row.name} {version} {seed}")  # noqa: S311 - nothing secret
        course = _Course(row, version, numbers)
        virtual_time.run(course.play(Path(folder), count))
    return Outcome(
        row.name,
        version,
        row.injected,
        course.struck,
        course.sessions,
        course.books,
        course.what,
        round(time.monotonic() - began, 1),
        round(cpu_s() - cpu, 1),
    )


def cpu_s() -> float:
    """What this process has used up, and those it started."""
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in usages)


@dataclass(slots=True)
class _Course:
    """One run of a row."""

    row: Row
    version: str
    numbers: Random
    struck: int = 0
    sessions: int = 0
    books: Books = field(default_factory=Books)
    what: dict[str, int] = field(default_factory=dict)

    async def play(self, folder: Path, count: int) -> None:
        options = self.row.options(folder, self.numbers)
        async with site(self.version, folder, self.numbers, **options) as it:
            it.pause_s = self.row.pause_s
            stuck = ""
            try:
                await self._under_fault(it, count)
                self.row.calm(it)
                await it.come_to_rest()
            except* Stuck as group:
                stuck = str(group.exceptions[0])
            self.sessions = len(it.tried)
            self.books = audit(it.csms.stations[STATION].transactions, truth_of(it, self.row))
            self.books.other += [str(one) for one in it.csms.violations]
            self.books.other += [stuck] if stuck else []
            self.books.other += [LEAKED] if LEAKED in it.notes else []
            self.what = happened(it)

    async def _under_fault(self, it: Site, count: int) -> None:
        assert self.row.strike is not None
        enough = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(it.drive(enough))
            while self.struck < count:
                await self.row.strike(it)
                self.struck += 1
            self.row.calm(it)
            enough.set()


def truth_of(it: Site, row: Row) -> Truth:
    """What is known without the CSMS."""
    assert it.life is not None
    store = it.life.store
    rows = store.transactions.page(1_000_000)
    known = {one.transaction_id: one.ended_at is not None for one in rows}
    stored = {name: [one.document for one in store.records.of(name)] for name in it.records}
    counted = int(it.meter.energy_wh) - BEGIN_WH if row.all_counted else None
    between = (it.clock.wall, it.clock.true())
    return Truth(it.meter.public_key, known, stored, it.records, it.seen, counted, between=between)


def happened(it: Site) -> dict[str, int]:
    """What can be counted from outside, by word."""
    assert it.life is not None
    view = it.csms.stations[STATION]
    found = {"connections": it.gateway.connections, "accepted": view.connections}
    found["sent again"] = len(view.duplicates)
    found |= it.csms.heard | it.notes
    for entry in it.life.store.security_log.entries():
        found[entry.type] = found.get(entry.type, 0) + 1
    return {word: many for word, many in found.items() if many}
