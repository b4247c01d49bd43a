"""The tables beside the journal: transactions, kept readings, records, settings.

Functions and classes here take part in the commit of the caller; only ``Settings`` and the marks of
``Records`` commit by themselves when nothing else is under way.
"""

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from chargepoint.core.facts import (
    Fact,
    RecordApart,
    SampleKept,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.model import Missing, Sampled
from chargepoint.core.sampling import KEPT_MOST
from chargepoint.errors import StoreError
from chargepoint.store import codec
from meters.model import Quantity, Reading, SignedReading

TRANSACTIONS_MOST = 5000


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Raise StoreError for whatever the database or the disk says against ``what``."""
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"{what}: {error}") from error
    except OSError as error:
        raise StoreError(f"{what}: {error.strerror or error}") from error


@contextmanager
def atomic(db: sqlite3.Connection, what: str) -> Iterator[None]:
    """One commit of its own, all or nothing; StoreError like ``translated``."""
    with translated(what):
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
            db.execute("COMMIT")
        except BaseException:
            if db.in_transaction:
                db.execute("ROLLBACK")
            raise


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A transaction as people see it; ``token`` is masked. Energies are register values in Wh."""

    transaction_id: str
    evse_id: int
    connector_id: int
    token: str
    started_at: str
    begin_wh: str | None
    ended_at: str | None
    end_wh: str | None
    reason: str | None
    missing: str | None

    @property
    def energy_wh(self) -> Decimal | None:
        """What was delivered, once both ends are known."""
        if self.begin_wh is None or self.end_wh is None:
            return None
        return Decimal(self.end_wh) - Decimal(self.begin_wh)


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A signed record and what became of it."""

    transaction_id: str
    evse_id: int
    document: bytes
    encoding: str
    method: str
    public_key: str
    verdict: str
    taken_at: str
    released_at: str | None
    delivered_at: str | None


class Transactions:
    """Transactions for people to look at; the oldest finished ones go at the bound."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def started(self, fact: TransactionStarted) -> None:
        """Note the begin, in the caller's commit."""
        self._db.execute(
            "INSERT OR IGNORE INTO transactions VALUES (?, ?, ?, ?, ?, ?, NULL, NULL, NULL, NULL)",
            (
                fact.transaction_id,
                fact.evse_id,
                fact.connector_id,
                fact.token.masked if fact.token else "",
                fact.at.isoformat(),
                _energy(fact.begin) if fact.begin else None,
            ),
        )

    def updated(self, fact: TransactionUpdated) -> None:
        """Note who was authorized and the begin, if they came later; in the caller's commit."""
        if fact.token is not None and fact.authorizes:
            self._db.execute(
                "UPDATE transactions SET token = ? WHERE transaction_id = ?",
                (fact.token.masked, fact.transaction_id),
            )
        if fact.begin is not None:
            self._db.execute(
                "UPDATE transactions SET begin_wh = ? WHERE transaction_id = ?",
                (_energy(fact.begin), fact.transaction_id),
            )

    def ended(self, fact: TransactionEnded) -> None:
        """Note the end, in the caller's commit; readings kept for the final message go."""
        self._db.execute(
            "UPDATE transactions SET ended_at = ?, end_wh = ?, reason = ?, missing = ?"
            " WHERE transaction_id = ?",
            (
                fact.at.isoformat(),
                _energy(fact.end) if fact.end else None,
                fact.reason,
                fact.missing or None,
                fact.transaction_id,
            ),
        )
        self._db.execute("DELETE FROM kept WHERE transaction_id = ?", (fact.transaction_id,))
        self._db.execute(
            "DELETE FROM transactions WHERE ended_at IS NOT NULL AND started_at <"
            " (SELECT started_at FROM transactions ORDER BY started_at DESC LIMIT 1 OFFSET ?)",
            (TRANSACTIONS_MOST - 1,),
        )

    def recovered(self, transaction_id: str) -> None:
        """A record that was missing at the end is stored now; its own commit. Idempotent."""
        with translated("transaction"):
            self._db.execute(
                "UPDATE transactions SET missing = ? || ': ' || missing WHERE transaction_id = ?"
                " AND missing IS NOT NULL AND missing NOT LIKE ? || ':%'",
                (Missing.RECOVERED, transaction_id, Missing.RECOVERED),
            )

    def without_record(self) -> dict[str, int]:
        """How many of the transactions kept here ended without their record, by ``Missing``."""
        with translated("transactions"):
            rows = self._db.execute(
                "SELECT substr(missing, 1, instr(missing, ':') - 1) AS kind, count(*)"
                " FROM transactions WHERE missing IS NOT NULL GROUP BY kind"
            ).fetchall()
        return {str(kind): int(count) for kind, count in rows}

    def page(self, limit: int, before: str = "") -> list[TransactionRow]:
        """Newest first; ``before`` is the ``started_at`` of the last one of the previous page."""
        with translated("transactions"):
            rows = self._db.execute(
                "SELECT * FROM transactions WHERE ? = '' OR started_at < ?"
                " ORDER BY started_at DESC LIMIT ?",
                (before, before, limit),
            )
            return [TransactionRow(*row) for row in rows]

    def get(self, transaction_id: str) -> TransactionRow | None:
        """One transaction."""
        with translated("transactions"):
            row = self._db.execute(
                "SELECT * FROM transactions WHERE transaction_id = ?", (transaction_id,)
            ).fetchone()
        return TransactionRow(*row) if row else None

    def kept(self, transaction_id: str) -> tuple[Sampled, ...]:
        """The readings kept for the final message, in order of time."""
        with translated("kept readings"):
            rows = self._db.execute(
                "SELECT sampled FROM kept WHERE transaction_id = ? ORDER BY number",
                (transaction_id,),
            ).fetchall()
        return tuple(codec.decode(row[0], Sampled) for row in rows)


class Records:
    """The signed records. Adding the same record of a transaction again changes nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(
        self,
        transaction_id: str,
        evse_id: int,
        reading: Reading,
        signed: SignedReading,
        verdict: str,
    ) -> None:
        """Store a record; one statement, so it is its own commit if no other is under way."""
        self._db.execute(
            "INSERT OR IGNORE INTO record (transaction_id, evse_id, document, digest, encoding,"
            " method, public_key, verdict, taken_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                transaction_id,
                evse_id,
                signed.document,
                hashlib.sha256(signed.document).digest(),
                signed.encoding,
                signed.method,
                signed.public_key,
                verdict,
                reading.taken_at.isoformat(),
            ),
        )

    def released(self, transaction_id: str, document: bytes) -> bool:
        """Whether exactly this record is stored and its meter was told to forget it."""
        with translated("record"):
            row = self._db.execute(
                "SELECT 1 FROM record WHERE transaction_id = ? AND digest = ?"
                " AND released_at IS NOT NULL",
                (transaction_id, hashlib.sha256(document).digest()),
            ).fetchone()
        return row is not None

    def owner(self, evse_id: int, document: bytes) -> str:
        """Under which transaction exactly this was stored lately; empty if it was not."""
        sql = (
            "SELECT transaction_id FROM (SELECT transaction_id, digest FROM record"
            " WHERE evse_id = ? ORDER BY number DESC LIMIT 100) WHERE digest = ? LIMIT 1"
        )
        with translated("record"):
            row = self._db.execute(sql, (evse_id, hashlib.sha256(document).digest())).fetchone()
        return "" if row is None else str(row[0])

    def add_found(
        self,
        transaction_id: str,
        evse_id: int,
        reading: Reading,
        signed: SignedReading,
        verdict: str,
    ) -> None:
        """Store a record that the meter still held although nobody waits for it.

        Raises:
            StoreError: it could not be stored; the meter must keep it.
        """
        with translated(f"record of {transaction_id or 'an unknown transaction'}"):
            self.add(transaction_id, evse_id, reading, signed, verdict)

    def has(self, transaction_id: str) -> bool:
        """Whether a record of this transaction is stored."""
        with translated("records"):
            row = self._db.execute(
                "SELECT 1 FROM record WHERE transaction_id = ?", (transaction_id,)
            ).fetchone()
        return row is not None

    def of(self, transaction_id: str) -> list[RecordRow]:
        """All records of a transaction, in the order they were taken."""
        with translated("records"):
            rows = self._db.execute(
                "SELECT transaction_id, evse_id, document, encoding, method, public_key, verdict,"
                " taken_at, released_at, delivered_at FROM record WHERE transaction_id = ?"
                " ORDER BY number",
                (transaction_id,),
            )
            return [RecordRow(*row) for row in rows]

    def count(self) -> dict[str, int]:
        """Stored records by verdict."""
        with translated("records"):
            return dict(self._db.execute("SELECT verdict, count(*) FROM record GROUP BY verdict"))

    def mark_released(self, transaction_id: str, at: datetime) -> None:
        """The meter has forgotten the record."""
        with translated("mark of a record"):
            self._db.execute(
                "UPDATE record SET released_at = ? WHERE transaction_id = ?"
                " AND released_at IS NULL",
                (at.isoformat(), transaction_id),
            )

    def mark_all_released(self, evse_id: int, at: datetime) -> None:
        """The meter of this EVSE holds no record."""
        with translated("mark of a record"):
            self._db.execute(
                "UPDATE record SET released_at = ? WHERE evse_id = ? AND released_at IS NULL",
                (at.isoformat(), evse_id),
            )

    def mark_delivered(self, transaction_id: str, at: datetime, document: bytes) -> None:
        """The CSMS has this record of a transaction."""
        with translated("mark of a record"):
            self._db.execute(
                "UPDATE record SET delivered_at = ? WHERE transaction_id = ? AND digest = ?"
                " AND delivered_at IS NULL",
                (at.isoformat(), transaction_id, hashlib.sha256(document).digest()),
            )


def told_records(records: Records, fact: Fact, at: datetime) -> None:
    """Note which records the CSMS has, now that it was told a fact.

    With the end it has those of that session. One that was found in the meter while the end waited
    is in no message.
    """
    match fact:
        case TransactionEnded(begin=begin, end=end, samples=samples):
            told = [begin, end, *(sampled.reading for sampled in samples)]
        case RecordApart(sampled=sampled):
            told = [sampled.reading]
        case _:
            return
    for reading in told:
        if reading is not None and reading.signed is not None:
            records.mark_delivered(fact.transaction_id, at, reading.signed.document)


class Settings:
    """Settings that the CSMS changed, by the name the device model gives them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load_settings(self) -> dict[str, str]:
        """Everything that was ever changed."""
        with translated("settings"):
            return dict(self._db.execute("SELECT key, value FROM setting"))

    def save_setting(self, key: str, value: str) -> None:
        """Store one changed value.

        Raises:
            StoreError: it could not be stored; the old value stays.
        """
        with translated(f"setting {key}"):
            self._db.execute(
                "INSERT INTO setting VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (key, value),
            )


def bind(db: sqlite3.Connection, transaction_id: str, csms_id: int) -> None:
    """Remember the CSMS's id of a transaction, in the caller's commit."""
    db.execute(
        "INSERT INTO csms_transaction VALUES (?, ?)"
        " ON CONFLICT DO UPDATE SET csms_id = excluded.csms_id",
        (transaction_id, csms_id),
    )


def begun(fact: Fact) -> str:
    """The transaction of a fact that may tell of its begin, empty if it is none."""
    return fact.transaction_id if isinstance(fact, TransactionStarted | TransactionUpdated) else ""


def csms_id(db: sqlite3.Connection, transaction_id: str) -> int | None:
    """The CSMS's id of a transaction, if it gave one."""
    row = db.execute(
        "SELECT csms_id FROM csms_transaction WHERE transaction_id = ?", (transaction_id,)
    ).fetchone()
    return row[0] if row else None


def keep(db: sqlite3.Connection, fact: SampleKept) -> None:
    """Keep a reading for the final message; at the bound every second one goes."""
    db.execute(
        "INSERT INTO kept (transaction_id, sampled) VALUES (?, ?)",
        (fact.transaction_id, codec.encode(fact.sampled)),
    )
    (count,) = db.execute(
        "SELECT count(*) FROM kept WHERE transaction_id = ?", (fact.transaction_id,)
    ).fetchone()
    if count > KEPT_MOST:
        db.execute(
            "DELETE FROM kept WHERE number IN (SELECT number FROM (SELECT number, row_number()"
            " OVER (ORDER BY number) AS place FROM kept WHERE transaction_id = ?)"
            " WHERE place % 2 = 0)",
            (fact.transaction_id,),
        )


def _energy(reading: Reading) -> str | None:
    value = reading.value(Quantity.ENERGY_IMPORT)
    return None if value is None else format(value, "f")
