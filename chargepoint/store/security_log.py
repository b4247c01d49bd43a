"""The security log: what happened, whether or not the CSMS was told; the oldest entries go."""

import sqlite3
from dataclasses import dataclass

from chargepoint.core.facts import SecurityEvent
from chargepoint.core.variables import SECURITY_LOG_ENTRIES
from chargepoint.store.tables import translated

LOG_MOST = int(SECURITY_LOG_ENTRIES.default or 0)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the security log."""

    number: int
    type: str
    at: str
    info: str


class SecurityLog:
    """Security events in the order in which they were stored."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, fact: SecurityEvent) -> None:
        """Note an event, in the caller's commit."""
        self._db.execute(
            "INSERT INTO security_log (type, at, info) VALUES (?, ?, ?)",
            (fact.type, fact.at.isoformat(), fact.info),
        )
        self._db.execute(
            "DELETE FROM security_log WHERE number <= (SELECT max(number) FROM security_log) - ?",
            (LOG_MOST,),
        )

    def entries(self, *, since: str = "", until: str = "9999") -> list[LogEntry]:
        """The log between two times as ISO texts in UTC, oldest first."""
        with translated("security log"):
            rows = self._db.execute(
                "SELECT number, type, at, info FROM security_log WHERE at >= ? AND at <= ?"
                " ORDER BY number",
                (since, until),
            )
            return [LogEntry(*row) for row in rows]
