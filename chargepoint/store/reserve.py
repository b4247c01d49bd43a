"""Room on the disk that nobody else gets: a file that is given up once the disk is full.

Most of it would go to the write-ahead log, which grows to 4 MB before its pages come into the
database; so the log is emptied, and kept short, until the reserve is there again.
"""

import os
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

BYTES: Final = 4 * 1024 * 1024
"""Enough for two thousand facts."""
_PAGES_OF_LOG: Final = 1000  # the default of SQLite
_PAGES_WHEN_FULL: Final = 32


class Reserve:
    """The reserve in a state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"

    def make(self, db: sqlite3.Connection) -> bool:
        """Whether it is there now; half of one is never left.

        One that was given up is made again once there is twice the room: else it would take what
        it has just given.
        """
        try:
            if not self._path.exists() or self._path.stat().st_size < BYTES:
                room = os.statvfs(self._path.parent)
                if room.f_bavail * room.f_frsize < 2 * BYTES:
                    self.give_up(db)
                    return False
                with self._path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, BYTES)
        except OSError:
            self.give_up(db)
            return False
        with suppress(sqlite3.Error):
            db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_OF_LOG}")
        return True

    def give_up(self, db: sqlite3.Connection | None = None) -> None:
        """Let the database have the room; a disk that became read-only keeps it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
        if db is not None and not db.in_transaction:
            with suppress(sqlite3.Error):
                db.execute(f"PRAGMA wal_autocheckpoint = {_PAGES_WHEN_FULL}")
                db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
