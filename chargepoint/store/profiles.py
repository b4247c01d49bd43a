"""The charging profiles that are installed: they stay until somebody clears or replaces them."""

import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import replace

from chargepoint.core.profiles_model import Installed, Purpose
from chargepoint.errors import StoreError
from chargepoint.store import codec

log = logging.getLogger(__name__)


class ChargingProfiles:
    """Every method but ``load`` takes part in the commit of the caller."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def load(self) -> tuple[Installed, ...]:
        """Everything that is installed; a profile that cannot be read is told and passed over.

        Raises:
            StoreError: the disk does not give them.
        """
        try:
            rows = self._db.execute(
                "SELECT profile_id, installed FROM charging_profile ORDER BY profile_id"
            ).fetchall()
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"charging profiles: {error}") from error
        found: list[Installed] = []
        for profile_id, data in rows:
            try:
                found.append(codec.decode(data, Installed))
            except StoreError as error:
                log.error("charging profile %d is passed over: %s", profile_id, error)  # noqa: TRY400 - the file, not a defect
        return tuple(found)

    def change(self, gone: Iterable[int], new: Installed | None) -> None:
        """Forget some profiles and keep another one."""
        self._db.executemany(
            "DELETE FROM charging_profile WHERE profile_id = ?", [(number,) for number in gone]
        )
        if new is not None:
            self._put(new)

    def started(self, evse_id: int, transaction_id: str) -> None:
        """The transaction that a TxProfile of a remote start waits for has begun."""
        rows = self._db.execute(
            "SELECT installed FROM charging_profile WHERE evse_id = ? AND transaction_id = ''",
            (evse_id,),
        ).fetchall()
        for (data,) in rows:
            try:
                waiting = codec.decode(data, Installed)
            except StoreError as error:  # a session must begin all the same
                log.error("a charging profile is passed over: %s", error)  # noqa: TRY400 - the file
                continue
            self._put(
                replace(waiting, profile=replace(waiting.profile, transaction_id=transaction_id))
            )

    def ended(self, transaction_id: str) -> None:
        """Its profiles go with a transaction (OCPP 2.0.1 K02.FR.08, 1.6 section 3.13.1)."""
        self._db.execute("DELETE FROM charging_profile WHERE transaction_id = ?", (transaction_id,))

    def _put(self, installed: Installed) -> None:
        profile = installed.profile
        transaction_id = profile.transaction_id or "" if profile.purpose is Purpose.TX else None
        self._db.execute(
            "INSERT OR REPLACE INTO charging_profile VALUES (?, ?, ?, ?)",
            (profile.id, installed.evse_id, transaction_id, codec.encode(installed)),
        )
