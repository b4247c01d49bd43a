"""The table of reservations; how many there can be is a rule of ``core.reservation``."""

import sqlite3

from chargepoint.core.reservation import Reservation
from chargepoint.store import codec
from chargepoint.store.tables import translated


class Reservations:
    """What was reserved, in the order it was.

    ``put`` and ``cancel`` commit by themselves, ``ended`` takes part in the caller's commit.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def put(self, reservation: Reservation) -> None:
        """Store a reservation; one of the same id is replaced and keeps its place.

        Raises:
            StoreError: it could not be stored; what was reserved before still is.
        """
        with translated("reservation"):
            self._db.execute(
                "INSERT INTO reservation (reservation_id, entry) VALUES (?, ?)"
                " ON CONFLICT (reservation_id) DO UPDATE SET entry = excluded.entry",
                (reservation.reservation_id, codec.encode(reservation)),
            )

    def cancel(self, reservation_id: int) -> None:
        """Forget a reservation. Idempotent.

        Raises:
            StoreError: it could not be stored; it stays reserved.
        """
        with translated("reservation"):
            self.ended(reservation_id)

    def ended(self, reservation_id: int) -> None:
        """The same in the caller's commit."""
        self._db.execute("DELETE FROM reservation WHERE reservation_id = ?", (reservation_id,))

    def load(self) -> list[Reservation]:
        """All of them, oldest first."""
        with translated("reservations"):
            rows = self._db.execute("SELECT entry FROM reservation ORDER BY number").fetchall()
        return [codec.decode(row[0], Reservation) for row in rows]
