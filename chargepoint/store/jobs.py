"""Long work under way: what goes on after a power cut."""

import sqlite3
from typing import TypeVar

from chargepoint.store import codec
from chargepoint.store.tables import translated

T = TypeVar("T")


class Jobs:
    """At most one piece of work of each name."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, name: str, job: object | None) -> None:
        """Store how far it is, in the caller's commit; None forgets it."""
        if job is None:
            self._db.execute("DELETE FROM job WHERE name = ?", (name,))
            return
        self._db.execute(
            "INSERT INTO job VALUES (?, ?) ON CONFLICT DO UPDATE SET job = excluded.job",
            (name, codec.encode(job)),
        )

    def get(self, name: str, kind: type[T]) -> T | None:
        """The work of this name, or None."""
        with translated(f"job {name}"):
            row = self._db.execute("SELECT job FROM job WHERE name = ?", (name,)).fetchone()
        return codec.decode(row[0], kind) if row else None
