"""The durable store: one SQLite file, one commit per step; the journal of facts is the outbox.

Write-ahead log with ``synchronous=FULL``: a commit that returned survives a power cut. Calls are
synchronous, because a commit is one flush (0.2 ms on a disk with cache, some milliseconds on
flash) and because nothing of a step may happen before it is stored.

A full disk must not lose the end of a transaction. What is given up, in this order: a reserve file,
which leaves room for two thousand facts, and with it new sessions, as long as ``low`` is true;
then every second of the readings that wait, those outside of transactions first. The begin and end
of a transaction, and signed records, never are. The same order holds above ``JOURNAL_MOST`` facts,
which is what weeks without a CSMS come to.

What did not commit did not happen: whoever cannot store something refuses it, or tries again, if it
has happened outside of this process. ``trouble`` says why the last commit failed. Then no session
begins until another one, of nothing, has succeeded.
"""

import json
import logging
import os
import sqlite3
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Self

from chargepoint.core.facts import Fact, SecurityEvent, StatusChanged
from chargepoint.core.model import EvseState
from chargepoint.core.profiles_model import Installed
from chargepoint.errors import StoreError
from chargepoint.store import codec, damage, security_log, tables
from chargepoint.store.aside import UNSENT, put_aside
from chargepoint.store.jobs import Jobs
from chargepoint.store.journal import COLUMNS, Entry, Journal, entry_of
from chargepoint.store.keystore import KeyStore
from chargepoint.store.leaving import LeavingRecords
from chargepoint.store.local_list import LocalList
from chargepoint.store.lock import lock
from chargepoint.store.monitors import StoredMonitors
from chargepoint.store.network import NetworkProfiles
from chargepoint.store.opening import is_full, opened
from chargepoint.store.profiles import ChargingProfiles
from chargepoint.store.reservations import Reservations
from chargepoint.store.reserve import Reserve
from chargepoint.store.screens import Screens
from chargepoint.store.streams import stream_of, supersedes, thin
from chargepoint.store.tables import Records, Settings, Transactions, translated
from chargepoint.store.timeline import Timeline
from chargepoint.store.tokens import Tokens
from chargepoint.store.untold import Lack, UntoldFacts
from chargepoint.store.watched import Watched

__all__ = ["Entry", "Store"]

log = logging.getLogger(__name__)

JOURNAL_MOST = 200_000
THINNED_MOST = 500  # facts at a time on a full disk


class Store:
    """Everything that survives. Use as a context manager; one process at a time.

    ``trouble`` is why the last commit failed, empty if it did not; ``no_room``: that was a disk
    that is full or read-only; ``damaged``: what is stored cannot be read. ``on_trouble`` is called
    whenever it is not well. ``damage`` is what was set aside at a start and is not told yet, see
    ``store.damage``.

    Raises:
        StoreError: from every method, if the disk refuses; nothing of that call was stored then.
    """

    def __init__(self, folder: Path, station_id: str) -> None:
        self._folder = folder
        self._station_id = station_id
        self._reserve = Reserve(folder)
        self.low = False
        self.trouble = ""
        self.damaged = self.no_room = False
        self.on_trouble: Callable[[], None] = lambda: None
        self.commits = 0  # so far
        self._errors = damage.Errors()
        self.queue_all = False  # also a status that is history before anybody saw it
        self._thin_above = JOURNAL_MOST
        self._unbound: dict[str, int] = {}  # ids of the CSMS that the disk has not taken yet

    def __enter__(self) -> Self:
        with ExitStack() as stack, translated(f"state folder {self._folder}"):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            stack.callback(os.close, lock(self._folder))
            self._db = self._opened()
            stack.callback(self._db.close)
            self._db.met = self._met
            self.damage = damage.noted(self._db)
            self._waiting = int(self._db.execute("SELECT count(*) FROM journal").fetchone()[0])
            self._open = stack.pop_all()  # from here on everything stays open until the exit
        self.transactions = Transactions(self._db)
        self.records = Records(self._db)
        self.leaving = LeavingRecords(self._db)
        self.tokens = Tokens(self._db)
        self.local_list = LocalList(self._db)
        self.settings = Settings(self._db)
        self.network = NetworkProfiles(self._db)
        self.monitors = StoredMonitors(self._db)
        self.reservations = Reservations(self._db)
        self.profiles = ChargingProfiles(self._db)
        self.screens = Screens(self._db)
        self.jobs = Jobs(self._db)
        self.untold = UntoldFacts(self._db)
        self.journal = Journal(self._db)
        self.timeline = Timeline(self._db)
        self.security_log = security_log.SecurityLog(self._db)
        self.credentials = security_log.Credentials(self._db)
        self.keys = KeyStore(self._folder / "keys")
        self._make_reserve()
        return self

    def _opened(self) -> Watched:
        """The database; opening it may need the reserve, too."""
        try:
            return opened(self._folder, self._station_id)
        except (sqlite3.OperationalError, OSError):
            self._reserve.give_up()
        return opened(self._folder, self._station_id)

    def __exit__(self, *_: object) -> None:
        self._open.close()

    @property
    def folder(self) -> Path:
        """The state folder; whatever the store has not made there is for others to use."""
        return self._folder

    def takes_sessions(self) -> bool:
        """Whether a new session could be recorded; tries it if it could not be before."""
        return not self.refuses()

    def refuses(self) -> str:
        """Why no new session could be recorded, empty if one could; tries to make the reserve."""
        if self.trouble:
            with suppress(StoreError):
                self.probe()
        if self.trouble:
            return self.trouble
        if self.low:
            self._make_reserve()
        return "the disk is full" if self.low else ""

    def set_aside(self) -> list[Path]:
        """The folders of what was ever set aside, oldest first."""
        return damage.folders(self._folder)

    def damage_told(self) -> None:
        """Forget ``damage``: it is in the journal, or somebody knows."""
        with self._write():
            damage.forget(self._db)
        self.damage = ""

    def probe(self) -> None:
        """A commit that changes nothing but a number that nobody reads."""
        with self._write():
            self._db.execute(
                "INSERT INTO meta VALUES ('probe', '0') ON CONFLICT DO UPDATE SET value = value + 1"
            )

    # --- one step ---------------------------------------------------------------------------

    def commit(self, state: EvseState, facts: Iterable[Fact], *, offline: bool = False) -> None:
        """Store the new state of an EVSE and its facts, all or nothing."""
        with self._write():
            self._db.execute(
                "INSERT INTO evse VALUES (?, ?) ON CONFLICT DO UPDATE SET state = excluded.state",
                (state.evse_id, codec.encode(state)),
            )
            self._append(facts, offline=offline)

    def record(
        self, *facts: Fact, offline: bool = False, also: Callable[[], None] = lambda: None
    ) -> None:
        """Store facts that change no EVSE, and what ``also`` changes, all or nothing."""
        with self._write():
            also()
            self._append(facts, offline=offline)

    def change_profiles(
        self, gone: Iterable[int], new: Installed | None, *facts: Fact, offline: bool = False
    ) -> None:
        """Forget some charging profiles, keep another one, and say so, all or nothing."""
        with self._write():
            self.profiles.change(gone, new)
            self._append(facts, offline=offline)

    def commit_job(
        self, name: str, job: object | None, facts: Iterable[Fact] = (), *, offline: bool = False
    ) -> None:
        """Store how far a long piece of work is, together with what is told of it; None ends it."""
        with self._write():
            self.jobs.put(name, job)
            self._append(facts, offline=offline)

    def load(self, evse_id: int) -> EvseState:
        """The stored state of an EVSE; a fresh one if there is none."""
        with translated("state"):
            row = self._db.execute(
                "SELECT state FROM evse WHERE evse_id = ?", (evse_id,)
            ).fetchone()
        return codec.decode(row[0], EvseState) if row else EvseState(evse_id)

    # --- the journal ------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many facts the CSMS does not know yet."""
        return self._waiting

    def next_entry(self, held: frozenset[str] = frozenset()) -> Entry | None:
        """The oldest fact whose stream is not held back, or None.

        Raises:
            Unreadable: there is one that cannot be read; to be given up by ``put_by``.
        """
        where = "WHERE stream NOT IN (SELECT value FROM json_each(?))" if held else ""
        with translated("journal"):
            row = self._db.execute(
                f"SELECT {COLUMNS} FROM journal {where} ORDER BY number LIMIT 1",  # noqa: S608 - ours
                (json.dumps(list(held)),) if held else (),
            ).fetchone()
        return None if row is None else entry_of(row)

    def delivered(
        self,
        entry: Entry,
        at: datetime,
        *,
        csms_id: int | None = None,
        version: str = "",
        lack: str = "",
        apart: bool = False,
        more: Iterable[Fact] = (),
    ) -> None:
        """The CSMS knows: forget the fact, remember its id for the transaction, in one commit.

        ``lack`` says what this version of OCPP had no words for: then the fact is kept. ``apart``:
        the CSMS has not got the signed records of it. ``more`` is to be told instead.
        """
        with self._write():
            if lack:
                self.untold.keep(entry.number, Lack(version, lack, at.isoformat()))
            if csms_id is not None:
                tables.bind(self._db, tables.begun(entry.fact), csms_id)
            self._append(more, offline=False)
            if not apart:
                tables.told_records(self.records, entry.fact, at)
            self.untold.passed(entry.fact, version)
            self._forget(entry)
        self._unbound.pop(tables.begun(entry.fact), None)

    def given_up(self, entry: Entry, lack: Lack) -> None:
        """The CSMS will not be told: the fact leaves the journal and is kept, with the reason."""
        with self._write():
            self.untold.keep(entry.number, lack)
            self.untold.passed(entry.fact, "")
            self._forget(entry)

    def put_by(self, number: int, lack: Lack) -> None:
        """A fact that cannot be read leaves the journal and is kept as it is, with the reason."""
        with self._write():
            self.untold.keep(number, lack)
            gone = self._db.execute("DELETE FROM journal WHERE number = ?", (number,))
            self._waiting -= gone.rowcount

    def forget_statuses(self) -> None:
        """Every status is about to be told afresh: what waits is history."""
        if self.queue_all:
            return
        with self._write():
            gone = self._db.execute("DELETE FROM journal WHERE kind = ?", (StatusChanged.__name__,))
            self._waiting -= gone.rowcount

    def attempted(self, entry: Entry) -> None:
        """One more attempt failed."""
        with self._write():
            self._db.execute(
                "UPDATE journal SET attempts = attempts + 1 WHERE number = ?", (entry.number,)
            )

    def csms_transaction(self, transaction_id: str) -> int | None:
        """The CSMS's id for our transaction, if it gave one."""
        if transaction_id in self._unbound:
            return self._unbound[transaction_id]
        with translated("id of a transaction"):
            return tables.csms_id(self._db, transaction_id)

    def bind_csms_transaction(self, transaction_id: str, csms_id: int) -> None:
        """Remember the CSMS's id; the last one wins. Known at once, whatever the disk says.

        Raises:
            StoreError: it is not stored; ``delivered`` with the id does it later.
        """
        self._unbound[transaction_id] = csms_id
        with self._write():
            tables.bind(self._db, transaction_id, csms_id)
        del self._unbound[transaction_id]

    # --- inside -----------------------------------------------------------------------------

    def _append(self, facts: Iterable[Fact], *, offline: bool) -> None:
        for fact in facts:
            put_aside(self._db, self, fact)
            if isinstance(fact, UNSENT):
                continue
            if supersedes(fact, queue_all=self.queue_all):
                self._supersede(fact)
            stream, kind = stream_of(fact), type(fact).__name__
            self._db.execute(
                "INSERT INTO journal (message_id, stream, kind, fact, offline)"
                " VALUES (?, ?, ?, ?, ?)",
                (str(uuid.uuid4()), stream, kind, codec.encode(fact), offline),
            )
            self._waiting += 1
            if isinstance(fact, SecurityEvent):
                self._waiting -= security_log.bound_waiting(self._db)
        if self._waiting > self._thin_above:
            self._thin()

    def _supersede(self, fact: Fact) -> None:
        """An older status that nobody saw is history (OCPP 1.6 section 4.9).

        So is a request for the certificate of a key that has been replaced.
        """
        gone = self._db.execute("DELETE FROM journal WHERE stream = ?", (stream_of(fact),))
        self._waiting -= gone.rowcount

    def _forget(self, entry: Entry) -> None:
        gone = self._db.execute("DELETE FROM journal WHERE number = ?", (entry.number,))
        self._waiting -= gone.rowcount

    def _thin(self) -> None:
        """Drop every second intermediate fact of each stream; all else stays (E04.FR.08).

        So it is at the bound, and on a full disk, where the next facts get that room. What stays
        may be above the bound by itself: the next look comes a tenth later, as it reads it all.
        """
        full = not self._thin_above
        gone = thin(self._db, max(1, self._waiting - JOURNAL_MOST), THINNED_MOST if full else -1)
        self._waiting -= gone
        self._thin_above = max(JOURNAL_MOST, self._waiting + JOURNAL_MOST // 10)
        log.warning("journal is full: %d intermediate readings dropped", gone)

    @contextmanager
    def _write(self) -> Iterator[None]:
        before = self._waiting
        try:
            with translated("journal"):
                self._db.execute("BEGIN IMMEDIATE")
                try:
                    yield
                    self._db.execute("COMMIT")
                    self.commits += 1
                except BaseException:
                    self._waiting = before
                    if self._db.in_transaction:
                        self._db.execute("ROLLBACK")
                    raise
        except StoreError as error:
            self._give_up_reserve()
            self._fails(error)
            raise
        self.trouble, self.no_room = "", False
        if self.low:
            self._make_reserve()

    def _fails(self, error: StoreError) -> None:
        self.trouble = str(error)
        self.no_room = is_full(error.__cause__)
        if self.no_room:
            self._thin_above = 0  # the next commit makes room
        self.on_trouble()

    def _met(self, error: sqlite3.Error) -> None:
        """Whoever reads may meet damage."""
        if self._errors.prove_damage(error, self.commits):
            self.damaged, self.trouble = True, str(error)
            damage.suspect(self._folder)
            self.on_trouble()

    def _make_reserve(self) -> None:
        self.low = not self._reserve.make(self._db)

    def _give_up_reserve(self) -> None:
        self.low = True
        self._reserve.give_up(self._db)
