"""What the CSMS was not told, or told only in part: kept for whoever has to account for it.

A status is not kept, because a newer one takes its place, nor a security event, because the
security log has it. Begin and end of a transaction, and its records, are never dropped; of all
else the newest stay.
"""

import sqlite3
from dataclasses import dataclass

from chargepoint.core.facts import (
    Fact,
    RecordApart,
    SecurityEvent,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
)
from chargepoint.errors import StoreError
from chargepoint.store import codec
from chargepoint.store.tables import translated

OTHERS_MOST = 5000
_KEPT_ELSEWHERE = (StatusChanged.__name__, SecurityEvent.__name__)
_FOR_EVER = (TransactionStarted.__name__, TransactionEnded.__name__, RecordApart.__name__)


@dataclass(frozen=True, slots=True)
class Lack:
    """What was missing when a fact was told, or to be told, in this OCPP version; ``at`` is now."""

    version: str
    why: str
    at: str


@dataclass(frozen=True, slots=True)
class Untold:
    """A fact of which something is missing at the CSMS; None if it cannot be read."""

    message_id: str
    stream: str
    kind: str
    fact: Fact | None
    lack: Lack


class UntoldFacts:
    """The facts that are kept; also in which version the begin of a transaction was told."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def keep(self, number: int, lack: Lack) -> None:
        """Keep a fact that is in the journal still, in the caller's commit that forgets it."""
        self._db.execute(
            "INSERT OR IGNORE INTO untold (message_id, stream, kind, fact, version, why, at)"
            " SELECT message_id, stream, kind, fact, ?, ?, ? FROM journal"
            " WHERE number = ? AND kind NOT IN (?, ?)",
            (lack.version, lack.why, lack.at, number, *_KEPT_ELSEWHERE),
        )
        self._db.execute(
            "DELETE FROM untold WHERE number IN (SELECT number FROM untold"
            " WHERE kind NOT IN (?, ?, ?) ORDER BY number DESC LIMIT -1 OFFSET ?)",
            (*_FOR_EVER, OTHERS_MOST),
        )

    def all(self) -> list[Untold]:
        """Everything that is kept, oldest first."""
        with translated("untold facts"):
            rows = self._db.execute(
                "SELECT message_id, stream, kind, fact, version, why, at FROM untold"
                " ORDER BY number"
            ).fetchall()
        return [
            Untold(message_id, stream, kind, _read(kind, fact), Lack(version, why, at))
            for message_id, stream, kind, fact, version, why, at in rows
        ]

    def count(self) -> int:
        """How many are kept."""
        with translated("untold facts"):
            (count,) = self._db.execute("SELECT count(*) FROM untold").fetchone()
        return int(count)

    def begun(self, transaction_id: str) -> str:
        """The version in which the begin of a transaction was told; empty if it was not."""
        with translated("untold facts"):
            row = self._db.execute(
                "SELECT version FROM begin_told WHERE transaction_id = ?", (transaction_id,)
            ).fetchone()
        return str(row[0]) if row else ""

    def passed(self, fact: Fact, version: str) -> None:
        """Note a begin that was told; forget it with the end. In the caller's commit."""
        if isinstance(fact, TransactionStarted) and version:
            self._db.execute(
                "INSERT OR IGNORE INTO begin_told VALUES (?, ?)", (fact.transaction_id, version)
            )
        elif isinstance(fact, TransactionEnded):
            self._db.execute(
                "DELETE FROM begin_told WHERE transaction_id = ?", (fact.transaction_id,)
            )


def _read(kind: str, fact: bytes) -> Fact | None:
    try:
        return codec.decode_fact(kind, fact)
    except StoreError:
        return None
