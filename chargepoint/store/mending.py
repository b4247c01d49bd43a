"""Makes a copy of a database whose begin is lost fit for being read (SQLite, "File Format").

The header is the same for all databases of this program. The list of tables says on which page each
of them begins; it fills some pages, of which the first one is that of the header. Whatever is left
of it is found on the others. What is missing is taken from a database that is made afresh, if all
that was found lies where it would there: the steps of the schema give the same pages each time, but
not to a folder that came through them over the years. Nobody knows then where those tables began.
"""

import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

_HEADER: Final = 100
_PAGE: Final = 4096
_LEAF: Final = 13  # of a table
_TREES: Final = frozenset({b"\x02", b"\x05", b"\x0a", b"\x0d"})
_COLUMNS: Final = 5
_INTEGERS: Final = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}
_TEXT: Final = 13  # and all odd numbers above

Entry = tuple[str, str, str, int, str | None]
"""A row of ``sqlite_master``: type, name, name of the table, page, SQL."""


def mend_header(copy: Path) -> None:
    """Give a copy the header of a database that this program makes; its log becomes part of it."""
    header = bytearray(_pattern(copy.with_name("pattern.db")))
    header[24:28] = header[92:96]  # the size in the header counts
    header[28:32] = (copy.stat().st_size // _PAGE).to_bytes(4, "big")
    header[32:40] = bytes(8)  # no list of free pages
    with copy.open("r+b") as file:
        file.write(header)
    with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def mend_tables(copy: Path, fresh: sqlite3.Connection) -> None:
    """Give a copy with a header a list of tables, as far as it is known; ``fresh`` is empty."""
    made: list[Entry] = fresh.execute("SELECT * FROM sqlite_master").fetchall()
    with copy.open("r+b") as file:
        found = {entry[1]: entry for entry in _found(file)}
        known = [entry for entry in made if entry[1] in found]
        if known and all(found[entry[1]][3] == entry[3] for entry in known):
            found = {entry[1]: entry for entry in made if _is_tree(file, entry[3])} | found
        file.seek(_HEADER)
        file.write(struct.pack(">BHHHB", _LEAF, 0, 0, _PAGE, 0).ljust(_PAGE - _HEADER, b"\0"))
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("BEGIN")
        for kind in ("table", "index"):  # an index that is made by a statement is of no use here
            rows = [one for one in found.values() if one[0] == kind]
            needed = [one for one in rows if kind == "table" or one[4] is None]
            db.executemany("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", needed)
        db.execute("COMMIT")


def _pattern(path: Path) -> bytes:
    with closing(sqlite3.connect(path, isolation_level=None)) as pattern:
        pattern.execute("PRAGMA journal_mode=WAL")
        pattern.execute("CREATE TABLE any_table (number)")
        pattern.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return path.read_bytes()[:_HEADER]


def _found(file: BinaryIO) -> Iterator[Entry]:
    """What the leaves of the list of tables say, wherever they are."""
    file.seek(_PAGE)
    while len(page := file.read(_PAGE)) == _PAGE:
        if page[0] != _LEAF:
            continue
        with suppress(IndexError, ValueError, struct.error):
            for values in _rows(page):
                match values:
                    case ("table" | "index", str(), str(), int(root), str() | None) if root > 1:
                        yield values


def _is_tree(file: BinaryIO, number: int) -> bool:
    """Whether a page may be the first one of a table or an index."""
    if number <= 1:
        return False
    file.seek((number - 1) * _PAGE)
    return file.read(1) in _TREES


def _rows(page: bytes) -> Iterator[tuple[Any, ...]]:
    """The rows of a leaf that have as many columns as the list of tables."""
    (count,) = struct.unpack(">H", page[3:5])
    for place in struct.unpack(f">{count}H", page[8 : 8 + 2 * count]):
        size, place = _varint(page, place)  # noqa: PLW2901 - it goes on from there
        _, place = _varint(page, place)  # noqa: PLW2901 - the number of the row
        if place + size <= _PAGE and len(values := _values(page[place : place + size])) == _COLUMNS:
            yield values


def _values(row: bytes) -> tuple[Any, ...]:
    """Integers and texts; None stands for all else."""
    end, place = _varint(row, 0)
    data, values = end, []
    while place < end:
        kind, place = _varint(row, place)
        size = _INTEGERS.get(kind, 0) if kind < _TEXT - 1 else (kind - _TEXT + 1) // 2
        value: int | str | None = None
        if kind in _INTEGERS:
            value = int.from_bytes(row[data : data + size], "big", signed=True)
        elif kind >= _TEXT and kind % 2:
            value = row[data : data + size].decode()
        values.append(value)
        data += size
    return tuple(values)


def _varint(text: bytes, place: int) -> tuple[int, int]:
    """A number of those that matter here, and where it ends."""
    value = 0
    while True:
        value = value << 7 | text[place] & 0x7F
        place += 1
        if text[place - 1] < 0x80:  # noqa: PLR2004 - the last one
            return value, place
