"""The local authorization list: what the CSMS sent to be known without asking."""

import sqlite3
from collections.abc import Sequence

from chargepoint.core.authorization import Known
from chargepoint.core.local_list import LIST_BYTES_MOST, LIST_ENTRIES_MOST, Listed
from chargepoint.core.model import IdToken
from chargepoint.errors import Refused
from chargepoint.store import codec
from chargepoint.store.tables import atomic, translated
from chargepoint.store.tokens import FITS, keys

_VERSION = "local_list_version"


class LocalList:
    """The list and its version; an update is applied as a whole or not at all."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def version(self) -> int:
        """The version of the list, also of an empty one; 0 if none was ever sent."""
        with translated("local list"):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (_VERSION,)).fetchone()
        return int(row[0]) if row else 0

    def apply(self, version: int, entries: Sequence[Listed], *, full: bool) -> None:
        """Replace the list, or change it, and note its version: one commit.

        Raises:
            Refused: the list would become too long; it is as it was.
            StoreError: it could not be stored; it is as it was.
        """
        with atomic(self._db, "local list"):
            if full:
                self._db.execute("DELETE FROM local_list")
            for entry in entries:
                self._put(entry, full=full)
            self._check_size()
            self._db.execute(
                "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
                (_VERSION, str(version)),
            )

    def known(self, token: IdToken) -> Known | None:
        """What the list says of a token, or None."""
        with translated("local list"):
            row = self._db.execute(
                f"SELECT entry FROM local_list WHERE {FITS}",  # noqa: S608 - constant
                keys(token),
            ).fetchone()
        return codec.decode(row[0], Known) if row else None

    def entries(self) -> int:
        """How many tokens are on it."""
        with translated("local list"):
            return self._size()[0]

    def bytes(self) -> int:
        """How much of LIST_BYTES_MOST is taken."""
        with translated("local list"):
            return self._size()[1]

    def _put(self, entry: Listed, *, full: bool) -> None:
        token = entry.token
        if not full:
            self._db.execute(f"DELETE FROM local_list WHERE {FITS}", keys(token))  # noqa: S608 - constant
        if entry.known is None:
            return
        value, text = token.value.casefold(), codec.encode(entry.known)
        self._db.execute(
            "INSERT INTO local_list VALUES (?, ?, ?, ?)",
            (value, token.type, text, len(value.encode()) + len(text)),
        )

    def _size(self) -> tuple[int, int]:
        entries, size = self._db.execute(
            "SELECT count(*), coalesce(sum(bytes), 0) FROM local_list"
        ).fetchone()
        return int(entries), int(size)

    def _check_size(self) -> None:
        entries, size = self._size()
        if entries > LIST_ENTRIES_MOST:
            raise Refused(
                f"{entries} tokens, at most {LIST_ENTRIES_MOST}", reason="TooManyElements"
            )
        if size > LIST_BYTES_MOST:
            raise Refused(f"{size} bytes, at most {LIST_BYTES_MOST}", reason="OutOfStorage")
