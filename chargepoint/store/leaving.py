"""Which signed records may leave the archive, and their leaving: whole transactions, oldest first.

A record may leave once the CSMS has it and its meter has forgotten it, and if nothing of the begin
or end of its transaction is missing at the CSMS. So may one that no message will ever carry: it was
found when its transaction was told, or its session never became a transaction. Its age counts from
when it was taken. All others stay, whatever the bounds say.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from chargepoint.store.tables import atomic, translated

_DONE: Final = "delivered_at IS NOT NULL AND released_at IS NOT NULL"
_MISSING: Final = (
    "EXISTS (SELECT 1 FROM untold WHERE untold.stream = 'transaction ' || record.transaction_id"
    " AND untold.kind IN ('TransactionStarted', 'TransactionEnded'))"
)
_KEPT: Final = (
    "delivered_at IS NULL AND released_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM journal"
    " WHERE journal.stream = 'transaction ' || record.transaction_id)"
    " AND NOT EXISTS (SELECT 1 FROM transactions"
    " WHERE transactions.transaction_id = record.transaction_id AND ended_at IS NULL)"
    " AND NOT EXISTS (SELECT 1 FROM untold WHERE kind = 'RecordApart'"
    " AND untold.stream = 'transaction ' || record.transaction_id)"
)


_ABOUT_TRANSACTIONS: Final = ("csms_transaction", "begin_told", "kept")


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many records are kept, how many bytes of them, and how long after their delivery.

    ``keep`` None means without end.
    """

    count: int
    size: int
    keep: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Total:
    """What the archive holds; ``size`` counts records and their keys, in bytes."""

    count: int
    size: int

    def above(self, bounds: Bounds) -> bool:
        """Whether it is more than is to be kept."""
        return self.count > bounds.count or self.size > bounds.size

    def without(self, records: Sequence["Leaving"]) -> "Total":
        """What is left once some have gone."""
        return Total(self.count - len(records), self.size - sum(one.size for one in records))


@dataclass(frozen=True, slots=True)
class Leaving:
    """A record that is to leave; ``digest`` is the SHA-256 of its text.

    ``delivered_at`` is None for one that no message carries.
    """

    number: int
    transaction_id: str
    digest: str
    taken_at: str
    delivered_at: str | None
    size: int


class LeavingRecords:
    """Finds the records that are to leave, and lets them."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def total(self) -> Total:
        """What the archive holds."""
        with translated("records"):
            return Total(*self._db.execute("SELECT count, bytes FROM record_total").fetchone())

    def due(self, bounds: Bounds, now: datetime, most: int = 100) -> list[Leaving]:
        """The next ones that are to leave: ``most`` of them, and the rest of the last transaction.

        The order is that in which they were stored, so that no clock that was wrong counts.
        """
        due: list[Leaving] = []
        total = self.total()
        with translated("records"):
            for transaction in self._oldest(most):
                if not (total.above(bounds) or _too_old(transaction, bounds, now)):
                    break
                due += transaction
                total = total.without(transaction)
                if len(due) >= most:
                    break
        return due

    def remove(self, leaving: Sequence[Leaving]) -> None:
        """Let them go, all or none.

        Raises:
            StoreError: the disk refuses; all of them are still there.
        """
        with atomic(self._db, "records"):
            self._db.executemany(
                "DELETE FROM record WHERE number = ?", [(one.number,) for one in leaving]
            )

    def forget_gone(self) -> None:
        """Forget what other tables hold of transactions that are no longer known; its own commit.

        Those that run or wait for the CSMS are known, whatever the table of transactions says.
        """
        with atomic(self._db, "transactions"):
            for table in _ABOUT_TRANSACTIONS:
                self._db.execute(
                    f"DELETE FROM {table} WHERE transaction_id NOT IN"  # noqa: S608 - ours
                    " (SELECT transaction_id FROM transactions) AND NOT EXISTS (SELECT 1 FROM"
                    f" journal WHERE stream = 'transaction ' || {table}.transaction_id)"
                    " AND NOT EXISTS (SELECT 1 FROM evse"
                    f" WHERE instr(CAST(state AS TEXT), {table}.transaction_id))"
                )

    def _oldest(self, most: int) -> Iterator[list[Leaving]]:
        """The records of each transaction that is done with, oldest first.

        Any number of those that have to stay may lie before them.
        """
        seen: set[int] = set()
        last = 0
        while rows := self._candidates(last, most):
            for number, transaction_id in rows:
                if number in seen:
                    continue
                transaction = self._transaction(number, transaction_id)
                seen.update(one.number for one in transaction)
                if transaction:
                    yield transaction
            last = rows[-1][0]

    def _candidates(self, after: int, most: int) -> list[tuple[int, str]]:
        """Records that may leave if all others of their transactions may."""
        return sorted(
            row
            for index, condition in (("record_done", _DONE), ("record_kept", _KEPT))
            for row in self._db.execute(
                f"SELECT number, transaction_id FROM record INDEXED BY {index}"  # noqa: S608 - ours
                f" WHERE {condition} AND number > ? AND NOT {_MISSING} ORDER BY number LIMIT ?",
                (after, most),
            )
        )[:most]

    def _transaction(self, number: int, transaction_id: str) -> list[Leaving]:
        """All records of a transaction; none if one of them has to stay.

        Records of which nobody knows the transaction belong to nothing.
        """
        column, value = ("transaction_id", transaction_id) if transaction_id else ("number", number)
        rows = self._db.execute(
            f"SELECT {_DONE} OR {_KEPT}, number, transaction_id, hex(digest), taken_at,"  # noqa: S608 - ours
            f" delivered_at, length(document) + length(public_key) FROM record WHERE {column} = ?"
            " ORDER BY number",
            (value,),
        ).fetchall()
        return [Leaving(*row[1:]) for row in rows] if all(row[0] for row in rows) else []


def _too_old(transaction: Sequence[Leaving], bounds: Bounds, now: datetime) -> bool:
    if bounds.keep is None:
        return False
    since = (one.delivered_at or one.taken_at for one in transaction)
    return all(datetime.fromisoformat(at) + bounds.keep < now for at in since)
