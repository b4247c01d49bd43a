"""Opens the database of a state folder for reading only: no lock, no file, no byte is left there.

Three cases (SQLite, "Write-Ahead Logging", section Read-Only Databases): the station runs or was
cut off, so its shared memory is there and is used as it is; it was ended in order, so the database
is whole by itself; the log was copied without the shared memory, so the copy is copied once more.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chargepoint.errors import StoreError
from chargepoint.store.opening import refuse_newer

NAME: Final = "station.db"
_UNTOLD_SINCE: Final = 9
_CORRUPT: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_PRIMARY: Final = 0xFF
_WAIT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class Reader:
    """A database that can be read; ``has_untold``: its version knows what the CSMS was not told."""

    folder: Path
    database: Path
    has_untold: bool = False

    def connect(self) -> sqlite3.Connection:
        """A connection that cannot write; whoever asks closes it."""
        if not self.database.with_name(f"{NAME}-wal").exists():
            return self._connect("&immutable=1")
        db = self._connect("&readonly_shm=1")
        try:
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError as error:
            db.close()
            if error.sqlite_errorcode & _PRIMARY != sqlite3.SQLITE_READONLY:
                raise
            return self._connect("")  # nobody has made the shared memory fit for reading yet
        return db

    def _connect(self, how: str) -> sqlite3.Connection:
        address = f"{self.database.resolve().as_uri()}?mode=ro{how}"
        return sqlite3.connect(address, uri=True, isolation_level=None, timeout=_WAIT_S)

    @contextmanager
    def damage_as(self, kind: type[Exception]) -> Iterator[None]:
        """Raise ``kind`` where what is on the disk is damaged, else StoreError."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", None)  # none: text that is no UTF-8
            damaged = code is None or code & _PRIMARY in _CORRUPT
            raise (kind if damaged else StoreError)(f"{self.folder}: {error}") from error


@contextmanager
def read_only(folder: Path) -> Iterator[Reader]:
    """The database of a state folder, for as long as the context is open.

    Raises:
        StoreError: there is none, it cannot be read, or a newer version made it.
    """
    database = folder / NAME
    if not database.is_file():
        raise StoreError(f"{folder}: no state folder, there is no {NAME} in it")
    with ExitStack() as stack:
        try:
            reader = Reader(folder, _reachable(database, stack))
        except OSError as error:
            raise StoreError(f"{folder}: {error.strerror or error}") from error
        with reader.damage_as(StoreError), closing(reader.connect()) as db:
            (version,) = db.execute("PRAGMA user_version").fetchone()
            (there,) = db.execute(
                "SELECT count(*) FROM sqlite_master WHERE name = 'record'"
            ).fetchone()
        if not there:
            raise StoreError(f"{folder}: {NAME} is not the database of a station")
        refuse_newer(version, folder)
        yield Reader(folder, reader.database, has_untold=version >= _UNTOLD_SINCE)


def _reachable(database: Path, stack: ExitStack) -> Path:
    """The database itself, or a copy of one whose log came without its shared memory."""
    log, shared = (database.with_name(f"{NAME}-{part}") for part in ("wal", "shm"))
    if shared.exists() or not log.exists():
        return database
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chargepoint-records-")))
    for file in (database, log):
        shutil.copyfile(file, folder / file.name)
    with closing(sqlite3.connect(folder / NAME)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return folder / NAME
