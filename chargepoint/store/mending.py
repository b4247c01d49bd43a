"""Makes a copy of a database with lost pages fit for being read (SQLite, "File Format").

The header is the same for all databases of this program. The list of tables says on which page each
of them begins; it fills some pages, of which the first one is that of the header. Whatever is left
of it is found on the others. What is missing is taken from a database that is made afresh, if all
that was found lies where it would there: the steps of the schema give the same pages each time, but
not to a folder that came through them over the years. Nobody knows then where those tables began.

The pages with the rows of a large table hang on others that hold none. Where one of those is lost,
the rows below it are there still: pages that belong to nothing and are not free.
"""

import os
import sqlite3
import struct
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO, Final

_HEADER: Final = 100
_PAGE: Final = 4096
_LEAF: Final = 13  # of a table
_FREE_MOST: Final = _PAGE // 4 - 2
_INNER: Final = frozenset({2, 5})
_CELLS: Final = 12  # where the list of them begins on an inner page
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
    take_in_log(copy)


def take_in_log(copy: Path) -> None:
    """Whoever closes a database last writes its log into it."""
    with suppress(sqlite3.Error, UnicodeDecodeError), closing(sqlite3.connect(copy)) as db:
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()


def free_pages(copy: Path) -> set[int] | None:
    """The pages that hold nothing any more; None if not all of the list of them can be read.

    They hold old rows, of which the CSMS knows long since.
    """
    with copy.open("rb") as file:
        start = file.read(_HEADER)
        if not start.startswith(b"SQLite format 3\0"):
            return None
        (place, count), found = struct.unpack(">2I", start[32:40]), set[int]()
        while place and place not in found:
            page = _page(file, place)
            if len(page) < _PAGE or page[:4] == b"\xff" * 4:
                return None
            found.add(place)
            place, leaves = struct.unpack(">2I", page[:8])
            if leaves > _FREE_MOST:
                return None
            found.update(struct.unpack_from(f">{leaves}I", page, 8))
        return found if len(found) == count else None


def mend_leaves(copy: Path, free: set[int]) -> None:
    """Make tables ``lost_TABLE_PAGE`` of the pages with rows that a table has lost."""
    with closing(sqlite3.connect(copy, isolation_level=None)) as db, copy.open("rb") as file:
        trees = db.execute(
            "SELECT name, rootpage, type = 'table' AND upper(sql) NOT LIKE '%WITHOUT ROWID%'"
            " FROM sqlite_master WHERE rootpage UNION SELECT '', 1, 0"
        ).fetchall()
        seen, broken = set(free), []
        for name, root, has_numbers in trees:
            if not _walk(file, root, seen) and has_numbers:
                broken.append(name)
        orphans = list(_orphans(file, seen)) if broken else []
        db.execute("PRAGMA writable_schema = ON")
        db.execute("BEGIN")
        for name in broken:
            columns = [row[1] for row in db.execute(f"PRAGMA table_info({name})")]
            words = ", ".join([f"{columns[0]} INTEGER PRIMARY KEY", *columns[1:]])
            for page in (page for page, count in orphans if count == len(columns)):
                lost = f"lost_{name}_{page}"
                row = ("table", lost, lost, page, f"CREATE TABLE {lost} ({words})")
                db.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", row)
        db.execute("COMMIT")


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
        for values in _rows(page):
            match values:
                case ("table" | "index", str(), str(), int(root), str() | None) if root > 1:
                    yield values


def _is_tree(file: BinaryIO, number: int) -> bool:
    """Whether a page may be the first one of a table or an index."""
    return _page(file, number)[:1] in _TREES


def _page(file: BinaryIO, number: int) -> bytes:
    """A page; empty if there is none of that number."""
    file.seek(max(number - 1, 0) * _PAGE)
    return file.read(_PAGE) if number else b""


def _walk(file: BinaryIO, root: int, seen: set[int]) -> bool:
    """See all pages of a table or an index; whether none of them is lost."""
    waiting, whole = [root], True
    while waiting:
        number = waiting.pop()
        if number in seen:
            continue
        seen.add(number)
        page, start = _page(file, number), _HEADER if number == 1 else 0
        try:
            waiting += _children(page, start)
        except (struct.error, ValueError):
            whole = False
    return whole


def _children(page: bytes, start: int) -> list[int]:
    """The pages below one.

    Raises:
        ValueError, struct.error: it is none of a table or an index.
    """
    kind = page[start : start + 1]
    if kind not in _TREES:
        raise ValueError(kind)
    if kind[0] not in _INNER:
        return []
    (count,) = struct.unpack_from(">H", page, start + 3)
    cells = struct.unpack_from(f">{count}H", page, start + _CELLS)
    return [struct.unpack_from(">I", page, at)[0] for at in (*cells, start + 8)]


def _orphans(file: BinaryIO, seen: set[int]) -> Iterator[tuple[int, int]]:
    """The pages with rows that are not among those seen, and how many columns each has."""
    size = file.seek(0, os.SEEK_END) // _PAGE
    for number in range(2, size + 1):
        if number in seen or (page := _page(file, number))[0] != _LEAF:
            continue
        with suppress(IndexError, struct.error):
            (place,) = struct.unpack_from(">H", page, 8)
            _, place = _varint(page, place)
            _, place = _varint(page, place)
            size_of_header, start = _varint(page, place)
            end, count = place + size_of_header, 0
            while start < end:
                _, start = _varint(page, start)
                count += 1
            yield number, count


def _rows(page: bytes) -> Iterator[tuple[Any, ...]]:
    """The rows of a leaf that have as many columns as the list of tables."""
    (count,) = struct.unpack(">H", page[3:5])
    for cell in range(8, min(8 + 2 * count, _PAGE), 2):
        with suppress(IndexError, ValueError, struct.error):
            (place,) = struct.unpack_from(">H", page, cell)
            size, place = _varint(page, place)
            _, place = _varint(page, place)  # the number of the row
            row = page[place : place + size]
            if len(row) == size and len(values := _values(row)) == _COLUMNS:
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
