"""The disk as it is after each commit of a story: where a power cut could have left it."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from chargepoint.store import opening
from chargepoint.store.watched import Watched, WatchedCursor

WRITES = ("COMMIT", "INSERT", "UPDATE", "DELETE")


class Cuts:
    """What is on the disk after each commit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.count = 0

    def keep(self, connection: sqlite3.Connection) -> None:
        self.count += 1
        state = self._folder / f"cut{self.count}" / "state"
        state.mkdir(parents=True)
        with closing(sqlite3.Connection(state / "station.db")) as copy:
            connection.backup(copy)

    def __iter__(self) -> Iterator[Path]:
        return (self._folder / f"cut{number}" for number in range(1, self.count + 1))


def keep_cuts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cuts:
    """Keep every state of every store that is opened until the patch is undone."""
    kept = Cuts(tmp_path)

    class Connection(Watched):
        def execute(self, sql: str, *rest: Any) -> WatchedCursor:
            cursor = super().execute(sql, *rest)
            if sql.startswith(WRITES) and not self.in_transaction:
                kept.keep(self)
            return cursor

    monkeypatch.setattr(opening, "Watched", Connection)
    return kept
