"""The table of network profiles: how to reach a CSMS, and which way worked last."""

import sqlite3
from typing import Final

from chargepoint.core.network import NetworkProfile
from chargepoint.store import codec
from chargepoint.store.tables import atomic, translated

BEFORE: Final = 0
"""The slot of what worked until its own slot was set anew; empty, it is what the file says."""


class NetworkProfiles:
    """Profiles that a CSMS set, by slot; every call is its own commit.

    Raises:
        StoreError: from every method, if the disk refuses.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load(self) -> dict[int, NetworkProfile]:
        """All there are."""
        with translated("network profiles"):
            rows = self._db.execute("SELECT slot, profile FROM network_profile ORDER BY slot")
            return {int(slot): codec.decode(data, NetworkProfile) for slot, data in rows}

    def save(self, slot: int, profile: NetworkProfile) -> None:
        """Store one, whatever the slot held before; if that worked last, it stays in ``BEFORE``."""
        with atomic(self._db, f"network profile {slot}"):
            good, old = self.good(), self.load().get(slot)
            if good is not None and good[0] == slot and old != profile:
                self._keep(old, good[1])
            self._put(slot, profile)

    def forget(self, slot: int) -> None:
        """Empty a slot."""
        with translated(f"network profile {slot}"):
            self._db.execute("DELETE FROM network_profile WHERE slot = ?", (slot,))

    def good(self) -> tuple[int, int] | None:
        """The slot that worked last, and the security profile below which none counts."""
        with translated("network profiles"):
            row = self._db.execute("SELECT slot, security FROM network_good").fetchone()
        return (int(row[0]), int(row[1])) if row else None

    def mark_good(self, slot: int, security: int) -> None:
        """This slot works; ``security`` is what ``good`` is to say of security profiles."""
        with atomic(self._db, "network profiles"):
            self._mark(slot, security)
            if slot != BEFORE:
                self._db.execute("DELETE FROM network_profile WHERE slot = ?", (BEFORE,))

    def keep(self, profile: NetworkProfile | None, security: int) -> None:
        """This works, or with None what the file says, and is in no slot any more."""
        with atomic(self._db, "network profiles"):
            self._keep(profile, security)

    def _keep(self, profile: NetworkProfile | None, security: int) -> None:
        if profile is None:
            self._db.execute("DELETE FROM network_profile WHERE slot = ?", (BEFORE,))
        else:
            self._put(BEFORE, profile)
        self._mark(BEFORE, security)

    def _put(self, slot: int, profile: NetworkProfile) -> None:
        self._db.execute(
            "INSERT INTO network_profile VALUES (?, ?)"
            " ON CONFLICT DO UPDATE SET profile = excluded.profile",
            (slot, codec.encode(profile)),
        )

    def _mark(self, slot: int, security: int) -> None:
        self._db.execute(
            "INSERT INTO network_good VALUES (1, ?, ?) ON CONFLICT DO UPDATE SET"
            " slot = excluded.slot, security = excluded.security",
            (slot, security),
        )
