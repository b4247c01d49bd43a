"""The outbox on this disk: durable commits per second, beside the same bytes in bare SQLite."""

import sqlite3
import statistics
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench.measure_figures import Extent, Figure, spread
from chargepoint.bench.measure_start import reading_fact
from chargepoint.store import codec
from chargepoint.store.sqlite import Store

_ELSEWHERE: Final = "SQLite WAL FULL, 0.6 kB: 169 us per insert, 164 us per delete"
_UNITS: Final = "commits/s"


async def measure(extent: Extent) -> list[Figure]:
    """Rounds in turn: record a fact, insert its bytes bare, tell it, delete it bare."""
    batch = 100 if extent.quick else 400
    with TemporaryDirectory(prefix="store-", dir=extent.folder) as own:
        folder = Path(own)
        rates: dict[str, list[float]] = {"record": [], "insert": [], "deliver": [], "delete": []}
        size = len(codec.encode(reading_fact(0)))
        with Store(folder / "state", "BENCH01") as store, closing(_bare(folder)) as bare:
            for number in range(extent.rounds):
                first = number * batch
                rates["record"].append(_rate(batch, _recording(store, first)))
                rates["insert"].append(_rate(batch, _inserting(bare, first)))
                rates["deliver"].append(_rate(batch, _delivering(store)))
                rates["delete"].append(_rate(batch, _deleting(bare)))
    return [
        _figure(
            f"outbox: facts of {size} bytes recorded, one durable commit each", rates, "record"
        ),
        _figure("  bare SQLite (WAL, FULL) inserting the same bytes", rates, "insert"),
        _ratio("  of bare SQLite, recording", rates["record"], rates["insert"]),
        _figure("outbox: facts taken out and marked as told, one commit each", rates, "deliver"),
        _ratio("  of bare SQLite, deleting the oldest row", rates["deliver"], rates["delete"]),
    ]


def _figure(what: str, rates: dict[str, list[float]], name: str) -> Figure:
    return Figure(
        what=what,
        value=statistics.median(rates[name]),
        unit=_UNITS,
        beside=f"least / median / most {spread(rates[name])}",
        elsewhere=_ELSEWHERE,
    )


def _ratio(what: str, ours: list[float], bare: list[float]) -> Figure:
    """Of neighbouring rounds, so that a disk that gets slower counts for both."""
    shares = [100 * own / other for own, other in zip(ours, bare, strict=True)]
    return Figure(
        what=what, value=statistics.median(shares), unit="%", beside=f"rounds {spread(shares)}"
    )


def _rate(count: int, work: Callable[[int], None]) -> float:
    started = time.perf_counter()
    for number in range(count):
        work(number)
    return count / (time.perf_counter() - started)


def _recording(store: Store, first: int) -> Callable[[int], None]:
    def work(number: int) -> None:
        store.record(reading_fact(first + number))

    return work


def _delivering(store: Store) -> Callable[[int], None]:
    now = datetime.now(UTC)

    def work(_: int) -> None:
        entry = store.next_entry()
        if entry is not None:
            store.delivered(entry, now)

    return work


def _bare(folder: Path) -> sqlite3.Connection:
    db = sqlite3.connect(folder / "bare.db", isolation_level=None)
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("CREATE TABLE fact (number INTEGER PRIMARY KEY AUTOINCREMENT, fact BLOB)")
    return db


def _inserting(db: sqlite3.Connection, first: int) -> Callable[[int], None]:
    def work(number: int) -> None:
        fact = codec.encode(reading_fact(first + number))
        db.execute("INSERT INTO fact (fact) VALUES (?)", (fact,))

    return work


def _deleting(db: sqlite3.Connection) -> Callable[[int], None]:
    def work(_: int) -> None:
        db.execute("DELETE FROM fact WHERE number = (SELECT min(number) FROM fact)")

    return work
