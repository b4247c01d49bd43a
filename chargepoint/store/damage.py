"""Sets a damaged database, or its damaged log, aside; nothing is deleted.

What is set aside lies in a folder ``damaged-TIME`` in the state folder, under its own name, so that
``chargepoint records --state`` reads it. The power may go at any moment: another database is made
as a draft, which counts once its folder has its final name; from then on the next start finishes
what was begun. The name of what is set aside is chosen before that, so that the parts of a database
never come into two folders.

All are kept, however many: of what cannot be read nobody can say that it holds no record that is
nowhere else. Their bound is the disk. Without room nothing is exchanged, the station does not start
and says so, and a person decides what may go; status and metrics count the folders.
"""

import errno
import filecmp
import os
import shutil
import sqlite3
import struct
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import BinaryIO, Final

from chargepoint.store import rescue
from chargepoint.store.lock import sync_folder

NAME: Final = "station.db"
PARTS: Final = ("", "-wal", "-shm")
DRAFT: Final = "salvage"
_DONE: Final = "salvaged"
_SUSPECT: Final = "suspect"
KEY: Final = "damage"
"""Of the table ``meta``."""
ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""What ``sqlite3`` raises where it meets damage."""
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_IO: Final = sqlite3.SQLITE_IOERR
_UNREADABLE: Final = frozenset({_IO | 1 << 8, _IO | 2 << 8, _IO | 32 << 8, _IO | 33 << 8})
"""``READ``, ``SHORT_READ``, ``DATA`` (a check sum), ``CORRUPTFS`` (EIO, in a newer SQLite)."""
_BAD_PLACE: Final = frozenset(
    {errno.EIO, errno.ENXIO, errno.EBADMSG, errno.EUCLEAN, errno.ENODATA, errno.EREMOTEIO}
)
_PRIMARY: Final = 0xFF
_REFUSED_MOST: Final = 3
_WHILE: Final = 1000  # commits

_MAGIC: Final = (0x377F0682, 0x377F0683)
_LOG_HEADER: Final = struct.Struct(">8I")
_FRAME_HEADER: Final = struct.Struct(">6I")
_FRAMES_KNOWN: Final = 16  # where the shared memory has their number, in the machine's order
_SMALLEST: Final = 512
_LARGEST: Final = 65536
_TORN_MOST: Final = 1
"""Commits behind a bad frame that are no damage: the last one was not written yet as a whole."""


def is_damage(error: BaseException | None) -> bool:
    """Whether an error means that what is on the disk is not what was written.

    What SQLite says of it may name what it found, which need not be a text.
    """
    if isinstance(error, UnicodeDecodeError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in _DAMAGED


def is_unreadable(error: BaseException | None) -> bool:
    """Whether an error means that the disk cannot read some place, now or ever.

    Within a statement SQLite calls it damage instead (``CORRUPTFS`` becomes ``CORRUPT``).
    """
    if isinstance(error, OSError):
        return error.errno in _BAD_PLACE
    return getattr(error, "sqlite_errorcode", None) in _UNREADABLE


def has_bad_places(folder: Path) -> bool:
    """Whether the disk cannot read some place of the database or of its log."""
    return any(rescue.is_refused(folder / f"{NAME}{part}") for part in ("", "-wal"))


class Errors:
    """What the statements of a store that is in use have met, and whether that is damage.

    That something cannot be read may pass, and may mean that the disk is gone, where starting again
    would only end the sessions. It is damage once it has come up some times, with commits in
    between, all within a while.
    """

    def __init__(self) -> None:
        self._refused = 0
        self._at = -1

    def prove_damage(self, error: sqlite3.Error, commits: int) -> bool:
        """Whether this error, after so many commits, says that the database is damaged."""
        if is_unreadable(error) and self._at != commits:
            self._refused = self._refused + 1 if commits - self._at < _WHILE else 1
            self._at = commits
        return is_damage(error) or self._refused >= _REFUSED_MOST


def suspect(folder: Path) -> None:
    """Have the database looked through thoroughly at the next start."""
    with suppress(OSError):
        (folder / _SUSPECT).touch(mode=0o600)


def is_suspect(folder: Path) -> bool:
    """Whether somebody has met damage in the database."""
    return (folder / _SUSPECT).exists()


def trust(folder: Path) -> None:
    """The database has been looked through, or is another one."""
    (folder / _SUSPECT).unlink(missing_ok=True)


def folders(folder: Path) -> list[Path]:
    """What was ever set aside in a state folder, oldest first; empty if the disk does not say."""
    try:
        return sorted(one for one in folder.glob("damaged-*") if one.is_dir())
    except OSError:
        return []


# --- another database in its place -------------------------------------------------------------


def draft(folder: Path) -> sqlite3.Connection:
    """An empty database beside the damaged one; what an earlier attempt made is made afresh."""
    return sqlite3.connect(_draft(folder) / NAME, isolation_level=None)


def complete(db: sqlite3.Connection) -> None:
    """Have all of a draft in its database: its log does not come with it.

    Raises:
        sqlite3.Error: the disk refuses.
    """
    (busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    if busy:
        raise sqlite3.OperationalError("the log of the new database is in use")


def next_name(folder: Path) -> str:
    """How the folder of what is set aside next is called; two within a second differ."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (f"damaged-{now}" if number == 1 else f"damaged-{now}-{number}" for number in count(1))
    return next(name for name in names if not (folder / name).exists())


def replace(folder: Path, name: str) -> None:
    """Put the draft, which nobody has open, in the place of the damaged one, which gets a name."""
    (folder / DRAFT).rename(folder / f"{_DONE}-{name}")
    sync_folder(folder)
    finish(folder)


def finish(folder: Path) -> None:
    """Finish an exchange that the power cut off, if there is one."""
    for made in folder.glob(f"{_DONE}*"):
        if (made / NAME).exists():
            _exchange(folder, made, made.name.removeprefix(f"{_DONE}-"))
        shutil.rmtree(made, ignore_errors=True)


def _exchange(folder: Path, made: Path, name: str) -> None:
    if any((folder / f"{NAME}{part}").exists() for part in PARTS):
        aside = folder / (next_name(folder) if name == _DONE else name)  # of an older version
        aside.mkdir(mode=0o700, exist_ok=True)
        for part in reversed(PARTS):  # the database last: it says that this is not done
            if (folder / f"{NAME}{part}").exists():
                (folder / f"{NAME}{part}").rename(aside / f"{NAME}{part}")
        sync_folder(aside)
        sync_folder(folder)
    (made / NAME).rename(folder / NAME)
    sync_folder(folder)


def note(db: sqlite3.Connection, words: str) -> None:
    """Remember that something was set aside until somebody has told it."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE"
        " SET value = value || ' | ' || excluded.value",
        (KEY, f"{now}: {words}"),
    )


def noted(db: sqlite3.Connection) -> str:
    """What was set aside and is not told yet, empty if nothing was."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (KEY,)).fetchone()
    return str(row[0]) if row else ""


def forget(db: sqlite3.Connection) -> None:
    """It is told."""
    db.execute("DELETE FROM meta WHERE key = ?", (KEY,))


def _draft(folder: Path) -> Path:
    shutil.rmtree(folder / DRAFT, ignore_errors=True)
    (folder / DRAFT).mkdir(mode=0o700)
    return folder / DRAFT


# --- the log ------------------------------------------------------------------------------------


def _peeked(shared: Path, place: int) -> bytes:
    """Four bytes of the shared memory, through the descriptor with which SQLite holds it.

    To open the file and close it again would take away all locks that this process has on it
    (fcntl(2), "Record locking"). The next program that looks into the database would then believe
    to be alone, and cut the memory off under the station, which dies of that.
    """
    name = str(shared.resolve())
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # it was that of this look
            if str(descriptor.readlink()) == name:
                return os.pread(int(descriptor.name), 4, place)
    raise FileNotFoundError(f"{shared} is not open")


@dataclass(frozen=True, slots=True)
class Log:
    """A write-ahead log as it was before anybody opened its database.

    SQLite takes as much of a log as its check sums allow and says nothing of what follows. What
    follows is often an older log, which has other salts (SQLite, "WAL file format"); with the
    salts of this one it is damage, but for a last commit that was being written. ``commits`` are
    the places of the frames that end one; ``headless``: its header is none.
    """

    folder: Path
    commits: tuple[int, ...]
    headless: bool

    def missing(self) -> bool:
        """Whether commits of it are not known to the database that was opened with it.

        The shared memory says how far it was read (SQLite, "WAL-Index Header"); to ask by a
        checkpoint would write, for which a full disk has no room.
        """
        if self.headless:
            return True
        try:
            said = _peeked(self.folder / f"{NAME}-shm", _FRAMES_KNOWN)
        except OSError:  # nobody can be asked here, and what is kept for nothing takes room
            return False
        frames = int.from_bytes(said, sys.byteorder)
        return sum(place > frames for place in self.commits) > _TORN_MOST

    def set_aside(self) -> Path:
        """Keep a copy, before anything is written to it, under a name with the time; once.

        Raises:
            OSError: there is no room for it; nothing is left of it.
        """
        damaged, draft = self.folder / f"{NAME}-wal", _draft(self.folder)
        for known in folders(self.folder):
            copy = known / damaged.name
            with suppress(OSError):  # it may be there because nobody can read it
                if copy.exists() and filecmp.cmp(damaged, copy, shallow=False):
                    return known
        try:
            with damaged.open("rb") as source, (draft / damaged.name).open("wb") as copied:
                shutil.copyfileobj(source, copied)
                copied.flush()
                os.fsync(copied.fileno())
            sync_folder(draft)
            aside = draft.rename(self.folder / next_name(self.folder))
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        sync_folder(self.folder)
        return aside


def log_before(folder: Path) -> Log | None:
    """The log that a database was left with; None if there is nothing in it."""
    path = folder / f"{NAME}-wal"
    if not (folder / NAME).exists() or not path.exists():
        return None
    with path.open("rb") as file:
        header = file.read(_LOG_HEADER.size)
        if len(header) < _LOG_HEADER.size or not file.read(1):
            return None
        magic, _, page, _, salt_1, salt_2, _, _ = _LOG_HEADER.unpack(header)
        if magic not in _MAGIC or not _SMALLEST <= page <= _LARGEST:
            return Log(folder, (), headless=True)
        return Log(folder, tuple(_commits(file, page, (salt_1, salt_2))), headless=False)


def _commits(file: BinaryIO, page: int, salts: tuple[int, int]) -> Iterator[int]:
    """The places, from 1, of the frames with these salts that end a commit."""
    place = 0
    while True:
        file.seek(_LOG_HEADER.size + place * (_FRAME_HEADER.size + page))
        header = file.read(_FRAME_HEADER.size)
        if len(header) < _FRAME_HEADER.size:
            return
        place += 1
        _, size_after, *found, _, _ = _FRAME_HEADER.unpack(header)
        if size_after and (found[0], found[1]) == salts:
            yield place
