"""Sets a damaged database, or its damaged log, aside; nothing is deleted.

What is set aside lies in a folder ``damaged-TIME`` in the state folder, under its own name, so that
``chargepoint records --state`` reads it. The power may go at any moment: another database is made
as a draft, which counts once its folder has its final name; from then on the next start finishes
what was begun.
"""

import logging
import shutil
import sqlite3
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from chargepoint.store.lock import sync_folder

log = logging.getLogger(__name__)

NAME: Final = "station.db"
PARTS: Final = ("", "-wal", "-shm")
_DRAFT: Final = "salvage"
_DONE: Final = "salvaged"
KEY: Final = "damage"
"""Of the table ``meta``."""

_MAGIC: Final = (0x377F0682, 0x377F0683)
_LOG_HEADER: Final = struct.Struct(">8I")
_FRAME_HEADER: Final = struct.Struct(">6I")
_SMALLEST: Final = 512
_LARGEST: Final = 65536
_TORN_MOST: Final = 1
"""Commits behind a bad frame that are no damage: the last one was not written yet as a whole."""


def folders(folder: Path) -> list[Path]:
    """What was ever set aside in a state folder, oldest first; empty if the disk does not say."""
    try:
        return sorted(one for one in folder.glob("damaged-*") if one.is_dir())
    except OSError:
        return []


# --- another database in its place -------------------------------------------------------------


def draft(folder: Path) -> sqlite3.Connection:
    """An empty database beside the damaged one; what an earlier attempt made is made afresh."""
    shutil.rmtree(folder / _DRAFT, ignore_errors=True)
    (folder / _DRAFT).mkdir(mode=0o700)
    return sqlite3.connect(folder / _DRAFT / NAME, isolation_level=None)


def replace(folder: Path) -> Path:
    """Put the draft, which nobody has open, in the place of the damaged one; where that is now."""
    (folder / _DRAFT).rename(folder / _DONE)
    sync_folder(folder)
    aside = finish(folder)
    if aside is None:
        raise FileNotFoundError(folder / _DONE)
    return aside


def finish(folder: Path) -> Path | None:
    """Finish an exchange that the power cut off, if there is one; where the damaged one is now."""
    made = folder / _DONE
    if not made.is_dir():
        return None
    aside = None
    if (made / NAME).exists():
        if any((folder / f"{NAME}{part}").exists() for part in PARTS):
            aside = _aside(folder)
            for part in reversed(PARTS):  # the database last: it says that this is not done
                if (folder / f"{NAME}{part}").exists():
                    (folder / f"{NAME}{part}").rename(aside / f"{NAME}{part}")
            sync_folder(aside)
            sync_folder(folder)
        (made / NAME).rename(folder / NAME)
        sync_folder(folder)
    shutil.rmtree(made, ignore_errors=True)
    return aside or next(reversed(folders(folder)), None)


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


def _aside(folder: Path) -> Path:
    """A folder of its own; two within a second have different names."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for number in range(1, 1000):
        path = folder / (f"damaged-{now}" if number == 1 else f"damaged-{now}-{number}")
        try:
            path.mkdir(mode=0o700)
        except FileExistsError:
            continue
        return path
    raise FileExistsError(folder / f"damaged-{now}")


# --- the log ------------------------------------------------------------------------------------


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

    def missing(self, db: sqlite3.Connection) -> bool:
        """Whether commits of it are not known to the database that was opened with it."""
        if self.headless:
            return True
        try:
            _, frames, _ = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        except sqlite3.OperationalError as error:  # a full disk must not stop the station
            log.warning("whether the log of the database is whole cannot be said: %s", error)
            return False
        return sum(place > int(frames) for place in self.commits) > _TORN_MOST

    def set_aside(self) -> Path:
        """Keep a copy, before anything is written to it, under a name with the time."""
        aside = _aside(self.folder)
        shutil.copyfile(self.folder / f"{NAME}-wal", aside / f"{NAME}-wal")
        sync_folder(aside)
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
