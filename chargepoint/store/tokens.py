"""The authorization cache: what the CSMS said of tokens, within a bound."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from chargepoint.core.authorization import ACCEPTED, Known
from chargepoint.core.model import IdToken, IdTokenType
from chargepoint.core.variables_authorization import CACHE_BYTES_MOST, CachePolicy
from chargepoint.store import codec
from chargepoint.store.tables import atomic, translated

# A presented token finds its own type; what has no type of its own fits any.
FITS = f"value = ? AND (type IN (?, '{IdTokenType.CENTRAL}') OR ? = '{IdTokenType.CENTRAL}')"

# Which of the accepted tokens is worth most, best first (AuthCacheCtrlr.Policy).
_WORTH = {
    CachePolicy.LRU: "used_at DESC",
    CachePolicy.LFU: "uses DESC, used_at DESC",
    CachePolicy.FIFO: "added_at DESC",
}


@dataclass(frozen=True, slots=True)
class Cached:
    """An entry of the cache and when it was last of use."""

    known: Known
    used_at: datetime


class Tokens:
    """The authorization cache; when full the bad and then the least worthy entries go."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def remember(
        self,
        token: IdToken,
        known: Known,
        at: datetime,
        policy: CachePolicy = CachePolicy.LRU,
    ) -> None:
        """Store what the CSMS said of a token, whatever it said (OCPP 2.0.1 C10.FR.01).

        Raises:
            StoreError: it could not be stored; what was known before still is.
        """
        entry = codec.encode(known)
        value, now = token.value.casefold(), at.isoformat()
        size = len(value.encode()) + len(entry)
        with atomic(self._db, "authorization cache"):
            before = self._db.execute(
                f"SELECT min(added_at), max(uses) FROM token WHERE {FITS}",  # noqa: S608 - constant
                keys(token),
            ).fetchone()
            added, uses = before[0] or now, (before[1] or 0) + 1
            self._db.execute(f"DELETE FROM token WHERE {FITS}", keys(token))  # noqa: S608 - constant
            self._db.execute(
                "INSERT INTO token VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (value, token.type, entry, known.status == ACCEPTED, size, added, now, uses),
            )
            if self._bytes() > CACHE_BYTES_MOST:
                self._make_room(token, policy)

    def cached(self, token: IdToken) -> Cached | None:
        """What the cache holds of a token, or None."""
        with translated("authorization cache"):
            row = self._db.execute(
                f"SELECT entry, used_at FROM token WHERE {FITS}",  # noqa: S608 - constant
                keys(token),
            ).fetchone()
        return Cached(codec.decode(row[0], Known), datetime.fromisoformat(row[1])) if row else None

    def known(self, token: IdToken) -> Known | None:
        """The last word on a token, however old, or None."""
        cached = self.cached(token)
        return cached.known if cached else None

    def used(self, token: IdToken, at: datetime) -> None:
        """The entry was of use: its life begins anew."""
        with translated("authorization cache"):
            self._db.execute(
                f"UPDATE token SET used_at = ?, uses = uses + 1 WHERE {FITS}",  # noqa: S608 - constant
                (at.isoformat(), *keys(token)),
            )

    def bytes(self) -> int:
        """How much of CACHE_BYTES_MOST is taken."""
        with translated("authorization cache"):
            return self._bytes()

    def forget(self, token: IdToken) -> None:
        """Drop what is known of one token."""
        with translated("authorization cache"):
            self._db.execute(f"DELETE FROM token WHERE {FITS}", keys(token))  # noqa: S608 - constant

    def forget_all(self) -> None:
        """Empty the cache."""
        with translated("authorization cache"):
            self._db.execute("DELETE FROM token")

    def _bytes(self) -> int:
        (total,) = self._db.execute("SELECT coalesce(sum(bytes), 0) FROM token").fetchone()
        return int(total)

    def _make_room(self, newest: IdToken, policy: CachePolicy) -> None:
        """Let go what is not accepted, then what the policy says; the newest entry stays."""
        self._db.execute(
            "DELETE FROM token WHERE (value, type) IN (SELECT value, type FROM"  # noqa: S608 - ours
            " (SELECT value, type, sum(bytes) OVER (ORDER BY (value = ? AND type = ?) DESC,"
            f" accepted DESC, {_WORTH[policy]} ROWS UNBOUNDED PRECEDING) AS total FROM token)"
            " WHERE total > ?)",
            (newest.value.casefold(), newest.type, CACHE_BYTES_MOST),
        )


def keys(token: IdToken) -> tuple[str, str, str]:
    """The parameters of FITS."""
    return (token.value.casefold(), token.type, token.type)
