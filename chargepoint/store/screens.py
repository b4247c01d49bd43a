"""The tables behind the screens: messages of the CSMS, and what a session costs so far."""

import sqlite3
from collections.abc import Iterable

from chargepoint.core.display import DisplayMessage, Messages
from chargepoint.core.tariff import SessionCost
from chargepoint.store import codec
from chargepoint.store.tables import atomic, translated


class Screens:
    """Each method is a commit of its own, but for ``remove``, which takes part in the caller's.

    Raises:
        StoreError: from every method, if the disk refuses; nothing of that call was stored then.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def messages(self) -> Messages:
        """All messages, in the order in which they came."""
        with translated("display messages"):
            rows = self._db.execute("SELECT message FROM display_message ORDER BY number")
            return tuple(codec.decode(row[0], DisplayMessage) for row in rows)

    def change(self, before: Messages, after: Messages) -> None:
        """Make what is stored ``after``, all or nothing; ``before`` is what is stored now.

        Messages are only taken out, or added behind the others.
        """
        with atomic(self._db, "display messages"):
            self._db.executemany(
                "DELETE FROM display_message WHERE message_id = ?",
                [(old.message_id,) for old in before if old not in after],
            )
            self._db.executemany(
                "INSERT INTO display_message (message_id, message) VALUES (?, ?)",
                [(m.message_id, codec.encode(m)) for m in after if m not in before],
            )

    def remove(self, message_ids: Iterable[int]) -> None:
        """Forget messages, in the caller's commit."""
        self._db.executemany(
            "DELETE FROM display_message WHERE message_id = ?", [(one,) for one in message_ids]
        )

    def costs(self) -> dict[int, SessionCost]:
        """The last word on the cost at each EVSE."""
        with translated("costs"):
            rows = self._db.execute("SELECT evse_id, cost FROM session_cost")
            return {evse_id: codec.decode(cost, SessionCost) for evse_id, cost in rows}

    def save_cost(self, cost: SessionCost) -> None:
        """Keep the last word on a session in place of that on the session before."""
        with translated("cost"):
            self._db.execute(
                "INSERT INTO session_cost VALUES (?, ?)"
                " ON CONFLICT DO UPDATE SET cost = excluded.cost",
                (cost.evse_id, codec.encode(cost)),
            )
