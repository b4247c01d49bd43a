"""A fact that waits for the CSMS, and what is newest of those that wait."""

import sqlite3
from dataclasses import dataclass

from chargepoint.core.facts import Fact
from chargepoint.errors import StoreError
from chargepoint.store import codec
from chargepoint.store.tables import translated

COLUMNS = "number, message_id, stream, kind, fact, offline, attempts"


@dataclass(frozen=True, slots=True)
class Entry:
    """A fact that waits for the CSMS."""

    number: int
    message_id: str
    stream: str
    fact: Fact
    offline: bool
    attempts: int


class Unreadable(StoreError):  # noqa: N818 - reads as a state
    """A fact that this version cannot read: of a newer one, or damaged. ``number`` is its entry."""

    def __init__(self, number: int, why: str) -> None:
        super().__init__(why)
        self.number = number


def entry_of(row: tuple[int, str, str, str, bytes, int, int]) -> Entry:
    """What a row of ``COLUMNS`` holds.

    Raises:
        Unreadable: nothing that this version knows.
    """
    number, message_id, stream, kind, fact, offline, attempts = row
    try:
        known = codec.decode_fact(kind, fact)
    except StoreError as error:
        raise Unreadable(number, str(error)) from error
    return Entry(number, message_id, stream, known, bool(offline), attempts)


class Journal:
    """Looks at what waits beyond the oldest fact.

    Raises:
        StoreError: from every method, if the disk refuses.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def newest(self) -> int:
        """The number of the fact that was stored last; 0 if none waits."""
        with translated("journal"):
            (number,) = self._db.execute("SELECT max(number) FROM journal").fetchone()
        return int(number or 0)

    def waits_for(self, transaction_id: str | None = None) -> bool:
        """Whether a fact about this transaction waits for the CSMS; None is about any at all."""
        stream = "transaction *" if transaction_id is None else f"transaction {transaction_id}"
        comparison = "GLOB" if transaction_id is None else "="
        with translated("journal"):
            row = self._db.execute(
                f"SELECT 1 FROM journal WHERE stream {comparison} ? LIMIT 1",  # noqa: S608 - ours
                (stream,),
            ).fetchone()
        return row is not None

    def oldest(self) -> bytes | None:
        """The oldest waiting fact as stored, for diagnosis."""
        with translated("journal"):
            row = self._db.execute("SELECT fact FROM journal ORDER BY number LIMIT 1").fetchone()
        return row[0] if row else None

    def first_since(self, number: int) -> list[Entry]:
        """Facts stored after ``number``, oldest first, that wait for no older one of a stream."""
        with translated("journal"):
            rows = self._db.execute(
                f"SELECT {COLUMNS} FROM journal AS new WHERE number > ? AND NOT EXISTS"  # noqa: S608
                " (SELECT 1 FROM journal WHERE stream = new.stream AND number <= ?)"
                " ORDER BY number",
                (number, number),
            ).fetchall()
        return [entry_of(row) for row in rows]

    def waiting_of(self, kind: type[Fact]) -> int:
        """How many facts of one kind the CSMS does not know yet."""
        with translated("journal"):
            (count,) = self._db.execute(
                "SELECT count(*) FROM journal WHERE kind = ?", (kind.__name__,)
            ).fetchone()
        return int(count)
