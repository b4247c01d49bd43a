"""Reads all that can be read of a damaged database into an empty one.

Table by table, in the order of its keys from both ends, then what lies between by its number. A row
counts if it says what it should: a fact or a state that decodes, a record whose bytes are those
that were signed. What was put by because it cannot be read stays put by. A record that waits for
the CSMS is in its fact, too. A session of which only the state is lost is ended as after a power
cut: the meter has its record. What is not taken over stays in the damaged file.

The new database may know less than the old one did, so that sequence numbers of a transaction
that runs go on far beyond those that were given: a gap is better than a number that two messages
have (OCPP 2.0.1 E04.FR.10, where the CSMS misses what is not there).
"""

import hashlib
import logging
import sqlite3
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from itertools import chain
from pathlib import Path
from typing import Any, Final

from chargepoint.core.authorization import Known
from chargepoint.core.display import DisplayMessage
from chargepoint.core.facts import TransactionEnded, TransactionStarted, TransactionUpdated
from chargepoint.core.model import Cause, EvseState, Stage, StopReason, Transaction
from chargepoint.core.monitoring import Monitor
from chargepoint.core.network import NetworkProfile
from chargepoint.core.reservation import Reservation
from chargepoint.core.tariff import SessionCost
from chargepoint.errors import StoreError
from chargepoint.store import codec, damage, mending, rescue
from chargepoint.store.tables import Records
from meters.model import Quantity, Reading, Sample

log = logging.getLogger(__name__)

SEQUENCE_GAP: Final = 10_000
_PROBED_MOST: Final = 200_000
_SEQUENCE_LOST: Final = 1_000_000  # beyond what a session comes to
_SKIPPED: Final = frozenset({"record_total", "sqlite_sequence"})

READ_AT_START: Final[dict[str, tuple[str, type[Any]]]] = {
    "evse": ("state", EvseState),
    "reservation": ("entry", Reservation),
    "job": ("job", object),
    "network_profile": ("profile", NetworkProfile),
    "monitor": ("monitor", Monitor),
    "display_message": ("message", DisplayMessage),
    "session_cost": ("cost", SessionCost),
    "token": ("entry", Known),
    "local_list": ("entry", Known),
}
"""Tables without which no station starts or takes a token; the column that has to be read."""

Row = tuple[Any, ...]


def salvage(damaged: Path, fresh: sqlite3.Connection, *, in_place: bool = True) -> str:
    """Take over what can be read of ``damaged``, which stays as it is; says how much it was.

    ``in_place`` says that the disk can read all of it, whatever that is; else a copy is made.

    Raises:
        sqlite3.Error, OSError: there is no room; an empty database in the place of the damaged one
            would be worse than none.
    """
    counts: dict[str, int] = {}
    with ExitStack() as stack:
        old, left_out = _readable(damaged, fresh, stack, in_place=in_place)
        lost = f"the disk cannot read {left_out} bytes of it; " if left_out else ""
        if old is None:
            return f"{lost}nothing of it could be read"
        tables = [name for name in _tables(fresh) if name not in _SKIPPED]
        fresh.execute("BEGIN")
        for table in tables:
            counts[table] = _take_over(old, fresh, table)
        _keep_counting(old, fresh)
        counts["records from facts"] = _records_of_facts(fresh)
        counts["sessions without state"] = _sessions(fresh)
        fresh.execute("COMMIT")
    skip_numbers(fresh)
    found = ", ".join(f"{table} {count}" for table, count in counts.items() if count)
    log.warning("read from the damaged database: %s", found or "nothing")
    return f"{lost}read from it: {found or 'nothing'}"


def skip_numbers(db: sqlite3.Connection) -> None:
    """Let the sequence numbers of running transactions go on where none was given yet."""
    for evse_id, text in db.execute("SELECT evse_id, state FROM evse").fetchall():
        state = codec.decode(text, EvseState)
        if state.transaction is not None and state.transaction.told:
            number = state.transaction.next_seq + SEQUENCE_GAP
            state = replace(state, transaction=replace(state.transaction, next_seq=number))
            db.execute(
                "UPDATE evse SET state = ? WHERE evse_id = ?", (codec.encode(state), evse_id)
            )


# --- opening it ---------------------------------------------------------------------------------


def _readable(
    damaged: Path, fresh: sqlite3.Connection, stack: ExitStack, *, in_place: bool
) -> tuple[sqlite3.Connection | None, int]:
    """A connection that can read its list of tables, and how much of it the disk cannot read.

    The connection is None if nothing helps.
    """
    if in_place:
        with suppress(*damage.ERRORS):
            return _connected(damaged, stack), 0
    draft = damaged.parent / damage.DRAFT  # whatever a power cut leaves there goes with it
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=draft)))
    copy, left_out = folder / damaged.name, 0
    for part in ("", "-wal"):
        source = damaged.with_name(f"{damaged.name}{part}")
        if source.exists():
            left_out += rescue.copy(source, copy.with_name(f"{copy.name}{part}"))
    mending.take_in_log(copy)
    free = mending.free_pages(copy)
    for attempt in range(3):
        try:
            if attempt == 1:
                mending.mend_header(copy)
            elif attempt:
                mending.mend_tables(copy, fresh)
            if free is not None:
                with suppress(*damage.ERRORS):  # it may do without
                    mending.mend_leaves(copy, free)
            return _connected(copy, stack), left_out
        except damage.ERRORS as error:
            if not damage.is_damage(error):
                raise
    return None, left_out


def _connected(path: Path, stack: ExitStack) -> sqlite3.Connection:
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    try:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except damage.ERRORS:
        db.close()
        raise
    stack.callback(db.close)
    return db


# --- reading it ---------------------------------------------------------------------------------


def _tables(db: sqlite3.Connection) -> list[str]:
    rows = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")
    return [str(name) for (name,) in rows]


def _columns(db: sqlite3.Connection, table: str) -> list[tuple[str, int]]:
    """Names of the columns, and the place of each in the key, 0 if it is not of the key."""
    return [(row[1], row[5]) for row in db.execute(f"PRAGMA table_info({table})")]


def _take_over(old: sqlite3.Connection, fresh: sqlite3.Connection, table: str) -> int:
    there = set[str]()
    with suppress(*damage.ERRORS):
        there = {name for name, _ in _columns(old, table)}
    columns = [(name, place) for name, place in _columns(fresh, table) if name in there]
    names = [name for name, _ in columns]
    keys = [name for name, place in sorted(columns, key=lambda one: one[1]) if place]
    if not keys:
        return 0
    marks = ",".join("?" * len(names))
    insert = f"INSERT OR IGNORE INTO {table} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - ours
    taken = 0
    found = (_rows(old, source, names, keys) for source in (table, *_lost_of(old, table)))
    for row in chain.from_iterable(found):
        if _is_sound(table, dict(zip(names, row, strict=True))):
            with suppress(sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.DataError):
                taken += fresh.execute(insert, row).rowcount
    return taken


def _lost_of(db: sqlite3.Connection, table: str) -> list[str]:
    """What was made of the pages that a table has lost (``mending.mend_leaves``)."""
    rows = db.execute(
        "SELECT name FROM sqlite_master WHERE name GLOB 'lost_' || ? || '_[0-9]*'", (table,)
    )
    return [str(name) for (name,) in rows]


def _rows(
    db: sqlite3.Connection, table: str, names: Sequence[str], keys: Sequence[str]
) -> Iterator[Row]:
    """All rows that can be read, each once or more often."""
    first = yield from _from_one_end(db, table, names, keys, "ASC")
    if first is None:
        return
    last = yield from _from_one_end(db, table, names, keys, "DESC")
    number = next((place for place, name in enumerate(names) if name == keys[0]), None)
    if number is None or len(keys) > 1:
        return
    low, high = (row[number] if row else None for row in (first, last))
    if not isinstance(low, int | None) or not isinstance(high, int | None):
        return
    high = _highest(db, table) if high is None else high
    low = max(low or 0, high - _PROBED_MOST)  # what came last is least likely to be told
    select = f"SELECT {', '.join(names)} FROM {table} WHERE {keys[0]} = ?"  # noqa: S608 - ours
    for one in range(low + 1, high):
        with suppress(*damage.ERRORS):
            yield from db.execute(select, (one,)).fetchall()


def _from_one_end(
    db: sqlite3.Connection, table: str, names: Sequence[str], keys: Sequence[str], order: str
) -> Generator[Row, None, Row | None]:
    """Rows until one cannot be read: returns the last before that, () without any; None: all."""
    sorting = ", ".join(f"{key} {order}" for key in keys)
    last: Row = ()
    try:
        for row in db.execute(
            f"SELECT {', '.join(names)} FROM {table} ORDER BY {sorting}"  # noqa: S608 - ours
        ):
            last = row
            yield row
    except damage.ERRORS:
        return last
    return None


def _highest(db: sqlite3.Connection, table: str) -> int:
    with suppress(*damage.ERRORS):
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) + 1 if row else 0
    return 0


def _is_sound(table: str, row: dict[str, Any]) -> bool:
    """Whether a row says what it should."""
    try:
        match table:
            case "meta":
                return bool(row["key"] != damage.KEY)
            case _ if table in READ_AT_START:
                column, kind = READ_AT_START[table]
                codec.decode(row[column], kind)
            case "journal":
                codec.decode_fact(row["kind"], row["fact"])
            case "record":
                return _is_intact(row["document"], row["digest"])
    except (StoreError, TypeError):
        return False
    return True


def _records_of_facts(fresh: sqlite3.Connection) -> int:
    """Records whose rows cannot be read, but the facts that wait with them; how many."""
    records = Records(fresh)
    facts = fresh.execute(
        "SELECT kind, fact FROM journal WHERE kind IN"
        " ('TransactionStarted', 'TransactionUpdated', 'TransactionEnded')"
    ).fetchall()
    known = set(fresh.execute("SELECT transaction_id, digest FROM record"))
    added = 0
    for kind, text in facts:
        fact = codec.decode_fact(kind, text)
        if not isinstance(fact, TransactionStarted | TransactionUpdated | TransactionEnded):
            continue
        reading = fact.end if isinstance(fact, TransactionEnded) else fact.begin
        if reading is None or reading.signed is None:
            continue
        digest = hashlib.sha256(reading.signed.document).digest()
        if (fact.transaction_id, digest) not in known:
            place = (fact.transaction_id, fact.evse_id)
            records.add(*place, reading, reading.signed, fact.verdict)
            added += 1
    return added


def _sessions(fresh: sqlite3.Connection) -> int:
    """Let the station end what runs by the table of transactions and has no state; how many."""
    rows = fresh.execute(
        "SELECT evse_id, connector_id, transaction_id, started_at, begin_wh FROM transactions AS t"
        " WHERE ended_at IS NULL AND NOT EXISTS"
        " (SELECT 1 FROM evse WHERE evse.evse_id = t.evse_id) ORDER BY started_at"
    ).fetchall()
    found: dict[int, EvseState] = {}
    for evse_id, connector_id, transaction_id, started_at, begin_wh in rows:
        with suppress(ValueError, TypeError, ArithmeticError):
            since = datetime.fromisoformat(started_at)
            transaction = Transaction(
                transaction_id,
                since,
                None,
                _begin(fresh, transaction_id, since, begin_wh),
                next_seq=_SEQUENCE_LOST,
                stop_reason=StopReason.POWER_LOSS,
                stop_cause=Cause.ABNORMAL_CONDITION,
            )
            found[evse_id] = EvseState(
                evse_id, Stage.CLOSING, connector_id, plugged=True, transaction=transaction
            )
    for state in found.values():
        fresh.execute("INSERT INTO evse VALUES (?, ?)", (state.evse_id, codec.encode(state)))
    return len(found)


def _begin(
    fresh: sqlite3.Connection, transaction_id: str, since: datetime, begin_wh: str | None
) -> Reading | None:
    """What the meter began with, from its fact if that waits."""
    waiting = fresh.execute(
        "SELECT kind, fact FROM journal WHERE stream = ?", (f"transaction {transaction_id}",)
    )
    for kind, text in waiting:
        fact = codec.decode_fact(kind, text)
        if isinstance(fact, TransactionStarted | TransactionUpdated) and fact.begin is not None:
            return fact.begin
    if begin_wh is None:
        return None
    return Reading(since, (Sample(Quantity.ENERGY_IMPORT, Decimal(begin_wh)),))


def _is_intact(document: bytes, digest: bytes) -> bool:
    return hashlib.sha256(document).digest() == digest


def _keep_counting(old: sqlite3.Connection, fresh: sqlite3.Connection) -> None:
    """Give no number a second time."""
    with suppress(*damage.ERRORS):
        for name, number in old.execute("SELECT name, seq FROM sqlite_sequence").fetchall():
            known = fresh.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (name,))
            if known.fetchone() is None:
                fresh.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (name, number))
            fresh.execute(
                "UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = ?", (number, name)
            )
