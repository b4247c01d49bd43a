"""A connection to the database that tells of every error any statement of it meets.

Damage is met by whoever comes to read it, often far from who can do something about it.
"""

import sqlite3
from collections.abc import Callable
from typing import Any, Self


class Watched(sqlite3.Connection):
    """``met`` is called with each error before whoever asked gets it; it must not raise."""

    met: Callable[[sqlite3.Error], None] = staticmethod(lambda _: None)

    def execute(self, *given: Any) -> "WatchedCursor":  # noqa: ANN401, D102 - as its base
        return self.cursor(WatchedCursor).execute(*given)

    def executemany(self, *given: Any) -> "WatchedCursor":  # noqa: ANN401, D102 - as its base
        return self.cursor(WatchedCursor).executemany(*given)


class WatchedCursor(sqlite3.Cursor):
    """An error comes with the first row, or with any later one."""

    connection: Watched

    def execute(self, *given: Any) -> Self:  # noqa: ANN401, D102 - as its base
        try:
            return super().execute(*given)
        except sqlite3.Error as error:
            self.connection.met(error)
            raise

    def executemany(self, *given: Any) -> Self:  # noqa: ANN401, D102 - as its base
        try:
            return super().executemany(*given)
        except sqlite3.Error as error:
            self.connection.met(error)
            raise

    def fetchone(self) -> Any:  # noqa: ANN401, D102 - as its base
        try:
            return super().fetchone()
        except sqlite3.Error as error:
            self.connection.met(error)
            raise

    def fetchall(self) -> list[Any]:  # noqa: D102
        try:
            return super().fetchall()
        except sqlite3.Error as error:
            self.connection.met(error)
            raise

    def __next__(self) -> Any:  # noqa: ANN401 - as its base
        try:
            return super().__next__()
        except sqlite3.Error as error:
            self.connection.met(error)
            raise
