"""Reads the signed records of a state folder, also of one in use, and writes nothing into it.

Each page is a read of its own: an export that takes minutes holds nothing up. A row that is damaged
is given as what it is, and the others are read all the same.
"""

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self, TypeAlias

from chargepoint.errors import StoreError
from chargepoint.store.read_only import Reader, read_only
from chargepoint.store.tables import RecordRow

PAGE: Final = 100

_COLUMNS: Final = (
    "o.transaction_id, o.evse_id, o.document, o.encoding, o.method, o.public_key, o.verdict,"
    " o.taken_at, o.released_at, o.delivered_at"
)
_FIRST: Final = (
    "CASE o.transaction_id WHEN '' THEN o.number ELSE (SELECT min(number) FROM record AS f"
    " WHERE f.transaction_id = o.transaction_id) END"
)
_WAITS: Final = (
    "EXISTS (SELECT 1 FROM journal AS j WHERE j.stream = 'transaction ' || o.transaction_id)"
    " OR EXISTS (SELECT 1 FROM transactions AS t WHERE t.transaction_id = o.transaction_id"
    " AND t.ended_at IS NULL)"
)
_WHY: Final = (
    "SELECT u.why FROM untold AS u WHERE u.stream = 'transaction ' || o.transaction_id"
    " AND u.kind IN ('TransactionStarted', 'TransactionEnded') ORDER BY u.number DESC LIMIT 1"
)


class Delivery(StrEnum):
    """What became of a record at the CSMS.

    KEPT: it is here only, because it was found when its transaction was told already.
    """

    DELIVERED = "delivered"
    WAITING = "waiting"
    UNTOLD = "untold"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class KeptRecord:
    """A record in the archive.

    ``first`` is the number of the first record of its transaction; ``untold`` why the CSMS was not
    told of the begin or end of the transaction, or only in part; ``waits`` whether it is still to
    be told; ``damage`` what is wrong with the row, empty if nothing is.
    """

    number: int
    row: RecordRow
    first: int
    untold: str = ""
    waits: bool = False
    damage: str = ""

    @property
    def delivery(self) -> Delivery:
        """What became of it at the CSMS."""
        if self.untold:
            return Delivery.UNTOLD
        if self.row.delivered_at is not None:
            return Delivery.DELIVERED
        return Delivery.WAITING if self.waits else Delivery.KEPT


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A row that cannot be read, and why."""

    number: int
    damage: str


Found: TypeAlias = KeptRecord | Unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which records; what is left open selects all.

    ``since`` and ``until``, which is not part of it, are about when a record was taken. ``whole``
    adds the other records of the transactions selected.
    """

    since: datetime | None = None
    until: datetime | None = None
    transaction_id: str = ""
    verdict: str = ""
    undelivered: bool = False
    whole: bool = False

    def condition(self, *, with_untold: bool) -> tuple[str, tuple[str, ...]]:
        """The same for the database: about a row ``o``, with the values of its marks."""
        told = f"EXISTS ({_WHY})" if with_untold else "0"
        every = (
            ("coalesce(julianday(o.taken_at) >= julianday(?), 1)", _text(self.since)),
            ("coalesce(julianday(o.taken_at) < julianday(?), 1)", _text(self.until)),
            ("o.transaction_id = ?", self.transaction_id),
            ("o.verdict = ?", self.verdict),
        )
        terms = [words for words, value in every if value]
        values = tuple(value for _, value in every if value)
        terms += [f"(o.delivered_at IS NULL OR {told})"] if self.undelivered else []
        if not terms:
            return "1", ()
        words = " AND ".join(terms)
        if not self.whole:
            return words, values
        sibling = words.replace("o.", "s.")
        return (
            f"({words} OR o.transaction_id <> '' AND EXISTS (SELECT 1 FROM record AS s"  # noqa: S608 - ours
            f" WHERE s.transaction_id = o.transaction_id AND {sibling}))"
        ), values * 2

    def takes(self, record: KeptRecord) -> bool:
        """Whether a single record is selected."""
        row = record.row
        taken = datetime.fromisoformat(row.taken_at)
        return (
            (self.since is None or taken >= self.since)
            and (self.until is None or taken < self.until)
            and self.transaction_id in {"", row.transaction_id}
            and self.verdict in {"", row.verdict}
            and not (self.undelivered and record.delivery is Delivery.DELIVERED)
        )


class RecordArchive:
    """The records of one state folder. Use as a context manager.

    Raises:
        StoreError: from every method, and on entering: there is no database, it cannot be read, or
            a newer version made it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._reader: Reader = stack.enter_context(read_only(self._folder))
            self._open = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def oldest_first(self, selection: Selection = Selection()) -> Iterator[Found]:
        """All that are selected, in the order in which they were stored."""
        return self._walk(selection, 0, step=1)

    def newest_first(self, selection: Selection, *, before: int | None = None) -> Iterator[Found]:
        """The other way round; those with a number below ``before``."""
        last = self._last() + 1
        return self._walk(selection, last if before is None else min(before, last), step=-1)

    def get(self, number: int) -> Found | None:
        """One record; None if there is none with this number, or it has left."""
        try:
            found = self._rows("o.number = ?", (number,), 1)
        except _Damaged:
            return next(self._one(Selection(), number), None)
        return found[0] if found else None

    # --- inside -----------------------------------------------------------------------------

    def _walk(self, selection: Selection, place: int, *, step: int) -> Iterator[Found]:
        last = self._last()
        while 0 <= place <= last + 1:
            try:
                found = self._page(selection, place, step)
            except _Damaged:
                numbers = range(place + step, place + step * (PAGE + 1), step)
                for number in numbers:
                    if 1 <= number <= last:
                        yield from self._one(selection, number)
                place = numbers[-1]
                continue
            yield from found
            if len(found) < PAGE:
                return
            place = found[-1].number

    def _page(self, selection: Selection, place: int, step: int) -> list[Found]:
        condition, values = selection.condition(with_untold=self._reader.has_untold)
        compared, order = (">", "ASC") if step > 0 else ("<", "DESC")
        where = f"o.number {compared} ? AND {condition} ORDER BY o.number {order}"
        return self._rows(where, (place, *values), PAGE)

    def _one(self, selection: Selection, number: int) -> Iterator[Found]:
        """One record of which a neighbour is damaged, or it itself: as much as can be read."""
        condition, values = selection.condition(with_untold=self._reader.has_untold)
        try:
            return iter(self._rows(f"o.number = ? AND {condition}", (number, *values), 1))
        except _Damaged:
            return self._bare(selection, number)

    def _bare(self, selection: Selection, number: int) -> Iterator[Found]:
        """One record without what other tables say about it."""
        try:
            found = self._rows("o.number = ?", (number,), 1, bare=True)
        except _Damaged as damaged:
            yield Unreadable(number, str(damaged))
            return
        for one in found:
            if isinstance(one, Unreadable) or selection.takes(one):
                yield one

    def _rows(
        self, where: str, values: tuple[object, ...], most: int, *, bare: bool = False
    ) -> list[Found]:
        """Rows of the table; ``bare`` asks no other table about them."""
        why = f"({_WHY})" if self._reader.has_untold and not bare else "NULL"
        beside = "o.number, 0" if bare else f"{_FIRST}, {_WAITS}"
        sql = (
            f"SELECT o.number, o.digest, {beside}, {why}, {_COLUMNS} FROM record AS o"  # noqa: S608 - all ours
            f" WHERE {where} LIMIT {most}"
        )
        with self._reader.damage_as(_Damaged), closing(self._reader.connect()) as db:
            return [_checked(row) for row in db.execute(sql, values)]

    def _last(self) -> int:
        """The highest number that was ever given."""
        sql = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'record'"
        with self._reader.damage_as(StoreError), closing(self._reader.connect()) as db:
            return int(db.execute(sql).fetchone()[0])


class _Damaged(Exception):  # noqa: N818 - reads as a state
    """Something on the way to a row is damaged."""


def _checked(values: tuple[Any, ...]) -> Found:
    number, digest, first, waits, why, *columns = values
    row = RecordRow(*columns)
    document: object = row.document
    texts = (row.transaction_id, row.encoding, row.method, row.public_key, row.verdict)
    times = (row.taken_at, row.released_at or row.taken_at, row.delivered_at or row.taken_at)
    if not isinstance(document, bytes) or not all(isinstance(one, str) for one in texts):
        return Unreadable(number, "its columns do not hold what they should")
    try:
        aware = all(datetime.fromisoformat(at).tzinfo is not None for at in times)
    except (TypeError, ValueError):
        aware = False
    if not aware:
        return Unreadable(number, "one of its times is none")
    record = KeptRecord(number, row, first, why or "", waits=bool(waits))
    if hashlib.sha256(row.document).digest() != digest:
        return replace(record, damage="its bytes are not those that were stored (SHA-256)")
    return record


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.astimezone(UTC).isoformat()
