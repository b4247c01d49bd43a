"""Opens the database of the store, whatever state it is in: its tables, whose it is, its health.

One that is damaged is set aside as it is and never written again; ``store.salvage`` makes another
one of all that can be read. It is looked through at every start (``PRAGMA quick_check``: for 100 MB
0.1 s of work, and the time to read them), because a bad page may lie where nobody looks for months.
That does not compare tables with their indices. After somebody has met damage all is compared
(``PRAGMA integrity_check``), or the station would start and meet it again for ever.

A place that the disk cannot read is damage, too, once it has refused some times in a row: a memory
whose cell died never gives it back, and the station would not start again. What SQLite says of a
write, a sync, a lock, the shared memory or of no room is none, nor is a disk that is not there for
a while, which refuses everything: a database is exchanged only where a file beside it can be
written, synced and read back from the disk, and so can the new one. If that fails, nothing is
moved, and the start fails with what the disk said.
"""

import errno
import logging
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing, suppress
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import islice
from pathlib import Path
from time import monotonic, sleep
from typing import Final, TypeVar

from chargepoint.errors import StoreError
from chargepoint.store import codec, damage, rescue, salvage
from chargepoint.store.damage import ERRORS, NAME, Log, is_damage, is_unreadable
from chargepoint.store.patience import pauses
from chargepoint.store.tables import atomic
from chargepoint.store.watched import Watched

log = logging.getLogger(__name__)

_PRIMARY: Final = 0xFF
_MORE_ATTEMPTS: Final = 3
_ATTEMPTS_MOST_S: Final = 20.0  # each may take long on a disk that dies

T = TypeVar("T")


def opened(folder: Path, station_id: str) -> Watched:
    """The database of a state folder that this process has locked, fit for use.

    Raises:
        StoreError: a newer version made it, it is another station's, or nothing can be written.
        sqlite3.Error, OSError: the disk refuses.
    """
    _check_access(folder)
    damage.finish(folder)
    try:
        lost = _patiently(lambda: damage.log_before(folder), folder)
        return _patiently(lambda: _fit(folder, station_id, lost), folder)
    except (*ERRORS, OSError) as error:
        bad_places = is_unreadable(error) or (is_damage(error) and damage.has_bad_places(folder))
        if not (is_damage(error) or bad_places):
            raise
        why = str(error)
    if bad_places:
        rescue.check(folder)
    log.error("%s: %s is damaged (%s) and is set aside", folder, NAME, why)
    with closing(damage.draft(folder)) as db:
        _prepare(db)
        migrate(db, folder)
        found = salvage.salvage(folder / NAME, db, in_place=not bad_places)
        check_owner(db, folder, station_id)
        name = damage.next_name(folder)
        damage.note(db, f"{why}; it is kept in {name}; {found}")
        damage.complete(db)
    damage.replace(folder, name)
    return _fit(folder, station_id, None)


def _patiently(read: Callable[[], T], folder: Path) -> T:
    """What is read, tried again where the disk refuses, for that may pass.

    Raises:
        sqlite3.Error, OSError: what the last attempt said.
    """
    began = monotonic()
    for pause in islice(pauses(), _MORE_ATTEMPTS):
        try:
            return read()
        except (*ERRORS, OSError) as error:
            if not (is_damage(error) or is_unreadable(error)):
                raise
            refused = is_unreadable(error) or damage.has_bad_places(folder)
            if not refused or monotonic() - began > _ATTEMPTS_MOST_S:
                break  # where all can be read once more is enough
            log.warning("%s: %s cannot be read, tried again: %s", folder, NAME, error)
            sleep(pause.total_seconds())
    return read()


def is_full(error: BaseException | None) -> bool:
    """Whether an error means that the disk has no room, or none that may be written to."""
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & _PRIMARY in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_READONLY}


def _fit(folder: Path, station_id: str, lost: Log | None) -> Watched:
    db = sqlite3.connect(folder / NAME, isolation_level=None, factory=Watched)
    try:
        _prepare(db)
        _look_through(db, thoroughly=damage.is_suspect(folder))
        aside = lost.set_aside() if lost is not None and lost.missing() else None
        migrate(db, folder)
        check_owner(db, folder, station_id)
        _look_at_rows(db)
        if aside is not None:
            log.error("%s: the log of %s is damaged and is set aside", folder, NAME)
            with atomic(db, NAME):
                salvage.skip_numbers(db)
                damage.note(db, f"the log of the database is damaged; it is kept in {aside.name}")
        damage.trust(folder)
    except BaseException:
        _leave(db, folder)
        raise
    return db


def _leave(db: sqlite3.Connection, folder: Path) -> None:
    """Close a database and leave its log as it is.

    The last one who closes it writes the log into it and deletes the log, what could not be read
    of it, too; but not one who may only read.
    """
    address = f"{(folder / NAME).resolve().as_uri()}?mode=ro"
    with suppress(sqlite3.Error), closing(sqlite3.connect(address, uri=True)) as reader:
        with suppress(*ERRORS):
            reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.close()
    db.close()  # there was none to read


def _prepare(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA journal_mode=WAL")
    db.execute("PRAGMA synchronous=FULL")
    db.execute("PRAGMA temp_store=MEMORY")  # what is sorted must not need room on a full disk


def _look_through(db: sqlite3.Connection, *, thoroughly: bool) -> None:
    """Raise what SQLite would raise once it came to a damaged page."""
    check = "integrity_check" if thoroughly else "quick_check"
    (word,) = db.execute(f"PRAGMA {check}(1)").fetchone()
    if word != "ok":
        raise _damaged(word.splitlines()[-1])


def _look_at_rows(db: sqlite3.Connection) -> None:
    """A state that cannot be read is damage, too: no station would ever start with it again.

    So is a text that is none.
    """
    for table in ("meta", "setting"):
        try:
            db.execute(f"SELECT key, value FROM {table}").fetchall()  # noqa: S608 - ours
        except sqlite3.OperationalError as error:
            if getattr(error, "sqlite_errorcode", None) is not None:
                raise
            raise _damaged(f"table {table}: {error}") from error
    for table, (column, kind) in salvage.READ_AT_START.items():
        select = f"SELECT CAST({column} AS BLOB) FROM {table}"  # noqa: S608 - ours
        for (text,) in db.execute(select):
            try:
                codec.decode(text, kind)
            except (StoreError, TypeError) as error:
                raise _damaged(f"table {table}: {error}") from error


def _damaged(why: str) -> sqlite3.DatabaseError:
    error = sqlite3.DatabaseError(why)
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _check_access(folder: Path) -> None:
    """Say what is wrong in words of the disk, before SQLite says it in its own.

    Raises:
        StoreError: this process may not write there, or the disk is full or read-only.
    """
    for path in (folder, *(folder / f"{NAME}{part}" for part in ("", "-wal", "-shm"))):
        if path.exists() and not os.access(path, os.R_OK | os.W_OK):
            read_only = os.statvfs(path).f_flag & os.ST_RDONLY
            why = os.strerror(errno.EROFS if read_only else errno.EACCES)
            owner = path.stat()
            raise StoreError(
                f"{path}: {why} (owner {owner.st_uid}, mode {owner.st_mode & 0o777:o};"
                f" this process is {os.geteuid()})"
            )


def migrate(db: sqlite3.Connection, folder: Path) -> None:
    """Bring the tables up to this version, step by step.

    Raises:
        StoreError: a newer version made them.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    known = steps()
    refuse_newer(version, folder)
    for number, step in enumerate(known[version:], version + 1):
        script = step.read_text(encoding="utf-8")
        db.executescript(f"BEGIN;{script};PRAGMA user_version = {number};COMMIT;")


def steps() -> list[Traversable]:
    """The steps from an empty file to this version, in their order."""
    folder = resources.files("chargepoint.store").joinpath("schema")
    return sorted(folder.iterdir(), key=lambda step: step.name)


def refuse_newer(version: int, folder: Path) -> None:
    """A database of a later version is not touched.

    Raises:
        StoreError: this is one.
    """
    if version > (known := len(steps())):
        raise StoreError(f"{folder}: made by a newer version (schema {version}, known {known})")


def check_owner(db: sqlite3.Connection, folder: Path, station_id: str) -> None:
    """A state folder belongs to the station it was made for.

    Raises:
        StoreError: it is another one's.
    """
    db.execute("INSERT OR IGNORE INTO meta VALUES ('station', ?)", (station_id,))
    (owner,) = db.execute("SELECT value FROM meta WHERE key = 'station'").fetchone()
    if owner != station_id:
        raise StoreError(
            f"{folder} belongs to station {owner!r}, this is {station_id!r}:"
            " choose another station.state, or the id the folder was made with"
        )


def peek(folder: Path) -> int:
    """How many facts wait in a state folder that no station uses at the moment."""
    with closing(sqlite3.connect(folder / NAME)) as db:
        (count,) = db.execute("SELECT count(*) FROM journal").fetchone()
    return int(count)
