"""The table of monitors that a CSMS set or changed."""

import sqlite3

from chargepoint.core.monitoring import Monitor
from chargepoint.store import codec
from chargepoint.store.tables import atomic, translated


class StoredMonitors:
    """Monitors by their id; every call is its own commit.

    Raises:
        StoreError: from every method, if the disk refuses.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load(self) -> dict[int, Monitor]:
        """All there are."""
        with translated("monitors"):
            rows = self._db.execute("SELECT monitor FROM monitor ORDER BY id")
            found = [codec.decode(data, Monitor) for (data,) in rows]
        return {monitor.id: monitor for monitor in found}

    def save(self, monitor: Monitor) -> None:
        """Store one, instead of what had its id before."""
        with translated(f"monitor {monitor.id}"):
            self._db.execute(
                "INSERT INTO monitor VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET monitor = excluded.monitor",
                (monitor.id, codec.encode(monitor)),
            )

    def forget(self, monitor_id: int) -> None:
        """Drop one."""
        with translated(f"monitor {monitor_id}"):
            self._db.execute("DELETE FROM monitor WHERE id = ?", (monitor_id,))

    def forget_all(self, setting: str, value: str) -> None:
        """Back to what the station came with, and store a setting, both or neither."""
        with atomic(self._db, "monitors"):
            self._db.execute("DELETE FROM monitor")
            self._db.execute(
                "INSERT INTO setting VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET value = excluded.value",
                (setting, value),
            )
