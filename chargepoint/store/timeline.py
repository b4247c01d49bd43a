"""What the store knows of the time: since when it is unsure, and how recorded times are put right.

The times of lives that did not know the time follow each other without a gap, and none of them lies
before a moment that was known (``core.timekeeping.first_moment``). So whatever is not before
``unsure_since`` is put right by the same step; but what was read later than the station's clock
stood has the time of a meter that has one of its own.
"""

import json
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Final

from chargepoint.store.tables import atomic, translated

_KNOWN: Final = "time known"
_UNSURE: Final = "time unsure since"
_WRONG: Final = "time wrong"
_BOOT: Final = "boot"
_ENDED: Final = "ended in boot"
_PAGE: Final = 200

# Where times are of which the station's clock is the only source. What a CSMS or a vehicle said,
# or the document of a meter, is never touched.
_IN_JSON: Final[tuple[tuple[str, str, str], ...]] = (
    ("journal", "number", "fact"),
    ("untold", "number", "fact"),
    ("kept", "number", "sampled"),
    ("evse", "evse_id", "state"),
    ("session_cost", "evse_id", "cost"),
)
_IN_COLUMNS: Final[tuple[tuple[str, str, tuple[str, ...]], ...]] = (
    ("transactions", "transaction_id", ("started_at", "ended_at")),
    ("record", "number", ("taken_at", "released_at", "delivered_at")),
    ("untold", "number", ("at",)),
    ("security_log", "number", ("at",)),
)
_READ: Final = "taken_at"
_NAMES: Final = frozenset(
    {"at", _READ, "started_at", "stopped_at", "ended_at", "deadline", "departure"}
)


class Timeline:
    """Takes part in the store's database.

    Raises:
        StoreError: from every method, if the disk refuses.
    """

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    @property
    def known(self) -> datetime | None:
        """The last moment at which the time was known."""
        return self._moment(_KNOWN)

    @property
    def unsure_since(self) -> datetime | None:
        """From which recorded moment on times may be wrong; None if there is none."""
        return self._moment(_UNSURE)

    @property
    def wrong(self) -> bool:
        """Whether the clock cannot have been right in the last life that did not know the time."""
        return self._get(_WRONG) is not None

    @property
    def last_boot(self) -> tuple[str, bool]:
        """The name of the boot in which the station ran last; whether it was told to end there."""
        return self._get(_BOOT) or "", self._get(_ENDED) is not None

    def note_boot(self, name: str, *, ended: bool) -> None:
        """The station runs in this boot of the machine, or is told to end."""
        with atomic(self._db, "boot of the machine"):
            self._put(_BOOT, name)
            if ended:
                self._put(_ENDED, "yes")
            else:
                self._remove(_ENDED)

    def newest(self) -> datetime | None:
        """The last moment of which anything is recorded."""
        with translated("recorded times"):
            fact = self._db.execute(
                "SELECT json_extract(CAST(fact AS TEXT), '$.at') FROM journal"
                " WHERE CASE WHEN json_valid(CAST(fact AS TEXT))"
                " THEN json_extract(CAST(fact AS TEXT), '$.at') END IS NOT NULL"
                " ORDER BY number DESC LIMIT 1"
            ).fetchone()
            ends = self._db.execute("SELECT started_at, ended_at FROM transactions").fetchall()
            logged = self._db.execute(
                "SELECT at FROM security_log ORDER BY number DESC LIMIT 1"
            ).fetchone()
        found = chain(fact or (), *ends, logged or ())
        return max(filter(None, map(_moment_of, found)), default=None)

    def begin(self, now: datetime, *, wrong: bool) -> None:
        """A life begins that does not know the time."""
        with atomic(self._db, "time of this start"):
            if self._get(_UNSURE) is None:
                self._put(_UNSURE, _written(now))
            if wrong:
                self._put(_WRONG, "yes")
            else:
                self._remove(_WRONG)

    def confirm(self, now: datetime) -> None:
        """The time is known."""
        with atomic(self._db, "time that is known"):
            self._put(_KNOWN, _written(now))
            self._remove(_UNSURE, _WRONG)

    def put_right(self, by: timedelta, until: datetime, *, now: datetime | None = None) -> int:
        """Move every recorded time that is unsure, in one commit; how many rows that were.

        ``until`` is where the clock stood at last that was wrong. ``now``: the time is known with
        it, this being the moment; otherwise it stays unsure.
        """
        since = self.unsure_since
        if since is None:
            return 0
        with atomic(self._db, "recorded times"):
            moved = _Moved(since, until, by)
            rows = sum(self._move_json(*place, moved) for place in _IN_JSON)
            rows += sum(self._move_columns(*place, moved) for place in _IN_COLUMNS)
            if now is None:
                self._put(_UNSURE, _written(since + by))
            else:
                self._put(_KNOWN, _written(now))
                self._remove(_UNSURE, _WRONG)
        return rows

    # --- inside -----------------------------------------------------------------------------

    def _move_json(self, table: str, key: str, column: str, moved: "_Moved") -> int:
        count = 0
        for place, data in self._rows(table, key, column):
            try:
                whole = json.loads(data)
            except ValueError:  # damaged: whoever needs it finds out, and the others move
                continue
            right = _walk(whole, moved)
            if right != whole:
                text = json.dumps(right, ensure_ascii=False, separators=(",", ":")).encode()
                self._db.execute(
                    f"UPDATE {table} SET {column} = ? WHERE {key} = ?",  # noqa: S608 - ours
                    (text, place),
                )
                count += 1
        return count

    def _rows(self, table: str, key: str, column: str) -> Iterator[tuple[int, bytes]]:
        """All rows of a table, a few at a time: after weeks without a CSMS they fill the memory."""
        place = -1
        select = f"SELECT {key}, {column} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {_PAGE}"  # noqa: S608 - ours
        while rows := self._db.execute(select, (place,)).fetchall():
            yield from rows
            place = rows[-1][0]

    def _move_columns(self, table: str, key: str, columns: tuple[str, ...], moved: "_Moved") -> int:
        count = 0
        for column in columns:
            rows = self._db.execute(
                f"SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - ours
            ).fetchall()
            rights = ((moved(text, column), text, place) for place, text in rows)
            changed = [(right, place) for right, text, place in rights if right != text]
            self._db.executemany(
                f"UPDATE {table} SET {column} = ? WHERE {key} = ?",  # noqa: S608 - ours
                changed,
            )
            count += len(changed)
        return count

    def _moment(self, key: str) -> datetime | None:
        return _moment_of(self._get(key))

    def _get(self, key: str) -> str | None:
        with translated("recorded times"):
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    def _put(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
            (key, value),
        )

    def _remove(self, *keys: str) -> None:
        self._db.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])


class _Moved:
    """The right text of a time: moved if it is unsure, else as it was."""

    def __init__(self, since: datetime, until: datetime, by: timedelta) -> None:
        self._since, self._until, self._by = since, until, by

    def __call__(self, text: str, name: str) -> str:
        moment = _moment_of(text)
        if moment is None or moment < self._since or (name == _READ and moment > self._until):
            return text
        right = moment + self._by
        return _written(right) if text.endswith("Z") else right.isoformat()


def _walk(value: Any, moved: Callable[[str, str], str], name: str = "") -> Any:  # noqa: ANN401 - plain JSON
    if isinstance(value, dict):
        return {key: _walk(part, moved, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_walk(part, moved) for part in value]
    return moved(value, name) if isinstance(value, str) and name in _NAMES else value


def _moment_of(text: object) -> datetime | None:
    """None if it is none, because there is none or it is damaged."""
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _written(moment: datetime) -> str:
    """As ``store.codec`` writes one."""
    return moment.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
