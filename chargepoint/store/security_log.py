"""The security log and the passwords: what a person looks for after an intrusion, and its target.

At the bound the oldest entries of the log go. Events that wait for the CSMS have a bound of their
own: those that may be lost go first.
"""

import sqlite3
from dataclasses import dataclass

from chargepoint.core.facts import SecurityEvent
from chargepoint.core.security import NOT_CRITICAL
from chargepoint.core.variables import SECURITY_LOG_ENTRIES
from chargepoint.store.tables import translated

LOG_MOST = int(SECURITY_LOG_ENTRIES.default or 0)
WAITING_MOST = 1000
STREAM = "security"


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


class Credentials:
    """The password that worked last and the one to be tried, as the bytes that are sent.

    Beside them the highest security profile that worked.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @property
    def proven(self) -> bytes | None:
        """What the CSMS accepted last; None if it was never changed here."""
        return self._get("proven")

    @property
    def fresh(self) -> bytes | None:
        """What the CSMS asked for and has not accepted yet."""
        return self._get("fresh")

    @property
    def profile(self) -> int:
        """The highest security profile that ever worked by the CSMS's wish; 0 if none."""
        return int(self._get("profile") or b"0")

    def raise_profile(self, profile: int) -> None:
        """A connection with this security profile came about."""
        with translated("security profile"):
            self._put("profile", str(profile).encode())

    def change(self, password: bytes, before: bytes | None) -> None:
        """From the next connection on ``password``; ``before`` is the way back."""
        with translated("password"):
            self._db.execute("BEGIN IMMEDIATE")
            try:
                if before is not None:
                    self._put("proven", before)
                self._put("fresh", password)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def accept(self) -> None:
        """The fresh one works: there is no way back any more."""
        with translated("password"):
            self._db.execute(
                "UPDATE OR REPLACE credential SET name = 'proven' WHERE name = 'fresh'"
            )

    def discard(self) -> None:
        """The fresh one does not work, the proven one does."""
        with translated("password"):
            self._db.execute("DELETE FROM credential WHERE name = 'fresh'")

    def _get(self, name: str) -> bytes | None:
        with translated("password"):
            row = self._db.execute(
                "SELECT value FROM credential WHERE name = ?", (name,)
            ).fetchone()
        return bytes(row[0]) if row else None

    def _put(self, name: str, value: bytes) -> None:
        self._db.execute("INSERT OR REPLACE INTO credential VALUES (?, ?)", (name, value))


def bound_waiting(db: sqlite3.Connection) -> int:
    """Keep the events that wait below their bound, in the caller's commit; how many went.

    Damaged ones go first, then those whose delivery is not guaranteed, then the oldest.
    """
    (waiting,) = db.execute("SELECT count(*) FROM journal WHERE stream = ?", (STREAM,)).fetchone()
    if waiting <= WAITING_MOST:
        return 0
    marks = ",".join("?" * len(NOT_CRITICAL))
    gone = db.execute(
        "DELETE FROM journal WHERE number IN (SELECT number FROM journal WHERE stream = ?"  # noqa: S608 - marks only
        " ORDER BY CASE WHEN json_valid(CAST(fact AS TEXT))"
        f" THEN json_extract(CAST(fact AS TEXT), '$.type') NOT IN ({marks}) END, number LIMIT ?)",
        (STREAM, *sorted(NOT_CRITICAL), waiting - WAITING_MOST),
    )
    return gone.rowcount
