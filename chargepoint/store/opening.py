"""Making a database that was just opened fit for use: its tables, and whose it is."""

import sqlite3
from contextlib import closing
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from chargepoint.errors import StoreError


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
    with closing(sqlite3.connect(folder / "station.db")) as db:
        (count,) = db.execute("SELECT count(*) FROM journal").fetchone()
    return int(count)
