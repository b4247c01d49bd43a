"""Whether the station gets on: what should have moved within its bound and has not.

A CSMS or a meter that does not answer is none of it: the station is well, and says what they are.
Neither is a disk that is full or read-only: a new start would find it so, and cut off the sessions
that run (``station.store_keeper``). What is meant is a defect that only a new start helps: an input
that is never carried out, a loop that does not go round, a database that takes nothing.
"""

import os
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chargepoint.errors import StoreError

if TYPE_CHECKING:
    from chargepoint.station.station import Evse, Station

ROUND_MOST: Final = timedelta(minutes=1)
"""For the supervision of an EVSE, which goes round every 10 s."""

INPUT_MOST: Final = timedelta(minutes=15)
"""For one input, with a begin or an end for which a meter is waited for, several times."""

METER_MOST: Final = timedelta(minutes=10)
"""For one poll of a meter, with left-overs that it is asked for; beside its own interval."""

FAILING_MOST: Final = timedelta(minutes=5)
"""For a vital part that fails again whenever it is started."""

STORE_MOST: Final = timedelta(minutes=10)
"""Without one commit, though it was tried."""

_TRIED_EVERY = timedelta(minutes=5)  # a commit costs the flash something


class Progress:
    """Looks at one station; what it finds is in words that everybody may read."""

    def __init__(self, station: "Station") -> None:
        self._station = station
        self._clock = station.clock
        self._since = station.clock.monotonic()
        self._commits = station.store.commits
        self._committed_at = self._since
        self._tried_at = self._since

    def stalled(self) -> list[str]:
        """What does not get on; empty while all is well."""
        found = [*self._parts(), *self._store()]
        for evse in self._station.evses.values():
            found += self._evse(evse)
        return found

    def _parts(self) -> Iterator[str]:
        for books in self._station.parts.values():
            if books.vital and self._late(books.failing_since, FAILING_MOST):
                yield f"{books.name} fails again and again"

    def _evse(self, evse: "Evse") -> Iterator[str]:
        runner, number = evse.runner, evse.description.evse_id
        if runner.busy_since is not None:
            if self._late(runner.busy_since, INPUT_MOST):
                yield f"EVSE {number}: an input is not carried out"
            return  # the others wait for it
        if runner.waits_for_disk or self._fails("board") or self._fails(f"EVSE {number}"):
            return
        if self._late(runner.turned_at or self._since, ROUND_MOST):
            yield f"EVSE {number}: its supervision does not go round"
        every: timedelta = evse.meter.period
        if self._late(evse.meter.turned_at or self._since, METER_MOST + every):
            yield f"EVSE {number}: its meter is not asked any more"

    def _fails(self, part: str) -> bool:
        books = self._station.parts.get(part)
        return books is not None and books.failing_since is not None

    def _store(self) -> Iterator[str]:
        store, now = self._station.store, self._clock.monotonic()
        if store.commits == self._commits and self._late(self._tried_at, _TRIED_EVERY):
            self._try_to_commit()
        if store.commits != self._commits:
            self._commits, self._committed_at, self._tried_at = store.commits, now, now
        if self._late(self._committed_at, STORE_MOST) and not (store.no_room or self._read_only()):
            yield "nothing can be stored"

    def _read_only(self) -> bool:
        """Whether the system has made the disk read-only: SQLite calls that an error of the disk.

        That is what becomes of a worn card; without it no station would start again.
        """
        try:
            return bool(os.statvfs(self._station.store.folder).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def _try_to_commit(self) -> None:
        try:
            self._station.store.probe()
        except StoreError:
            return

    def _late(self, since: float | None, most: timedelta) -> bool:
        return since is not None and self._clock.monotonic() - since > most.total_seconds()
