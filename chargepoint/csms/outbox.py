"""The journal on its way to the CSMS: in order within a stream, each fact until it was told.

A CALLERROR or an answer that does not come counts as an attempt: the stream waits the interval
times the number of attempts, others go on, and after the last attempt the fact is given up (OCPP
1.6 section 3.7.2, 2.0.1 E13), unless it is a critical security event (A04.FR.02); one that the CSMS
calls malformed is given up, too, or no other event would ever get past it. A status or a reading of
an idle outlet is given up at the first CALLERROR. A connection that breaks is no attempt, nor is
one on which nobody answers even a heartbeat: a CSMS that leaves single messages unanswered must not
be left, and one that is gone must not use the attempts up. One that closes the connection upon the
shortest form of a message, because it is too big (1009) or again and again, is none either: the
stream waits, so that the others are told.

What became of a fact is remembered until the disk has taken it, over connections, too: a disk that
refuses must not have a transaction told twice. Nothing else is told meanwhile, because that could
not be noted either.

A station may change its OCPP version while facts wait. What the version in use cannot say, or only
in part, is logged and kept in the store, like a fact that is given up: nobody has to guess what a
CSMS was not told, and no stream waits for ever.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Protocol

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import (
    CertificateRequested,
    Fact,
    FirmwareProgress,
    LogProgress,
    MeterSampled,
    RecordApart,
    SecurityEvent,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.model import Cause, Context
from chargepoint.core.security import is_critical
from chargepoint.csms.adapter import Adapter, Csms, Delivery, NotYet
from chargepoint.csms.rpc import OutgoingInvalid
from chargepoint.csms.security_events import MALFORMED
from chargepoint.csms.size_guard import CLOSES_MOST, TOO_BIG, is_upon
from chargepoint.errors import CsmsClosed, CsmsRejected, CsmsUnavailable, StoreError
from chargepoint.store.journal import Unreadable
from chargepoint.store.patience import LONGEST, pauses
from chargepoint.store.sqlite import Entry, Store
from chargepoint.store.untold import Lack

log = logging.getLogger(__name__)

SILENCES_MOST = 3
DEFECT_PAUSE = timedelta(hours=1)

# Facts that are told again although the CSMS refused them (2.0.1 E13, A04.FR.02).
_INSISTED = (
    TransactionStarted,
    TransactionUpdated,
    TransactionEnded,
    SecurityEvent,
    CertificateRequested,
    RecordApart,
)

# Facts of messages that a CSMS of OCPP 1.6 need not know: then they are told to nobody.
_OPTIONAL = (SecurityEvent, CertificateRequested)
_UNKNOWN_MESSAGE = {"NotImplemented", "NotSupported"}

_TRANSACTION = (TransactionStarted, TransactionUpdated, TransactionEnded)
_NUMBERING = {"1.6"}  # versions in which the CSMS gives a transaction its number


@dataclass(frozen=True, slots=True)
class Retry:
    """How often and how long apart a transaction message is tried."""

    attempts: int
    interval: timedelta


class Connected(Csms, Protocol):
    """An open connection that can say whether it still is."""

    silences: int

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        ...


def is_dead(csms: Connected) -> bool:
    """Whether a connection is of no use any more: closed, or nobody has answered for long."""
    return csms.closed or csms.silences >= SILENCES_MOST


class Outbox:
    """Sends what waits in the journal over whatever connection there is."""

    def __init__(self, store: Store, clock: Clock, retry: Callable[[], Retry]) -> None:
        self._store = store
        self._clock = clock
        self._retry = retry
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()  # nothing new is left that can be told now
        self._tried: set[int] = set()  # entries sent whose answer is not known
        self._version = ""  # in which the present connection speaks
        self._held: dict[str, float] = {}  # stream -> monotonic time at which it may go on
        self._owed: deque[Callable[[], None]] = deque()  # what the disk has not taken yet
        self._upon = (0, 0)  # entry upon which connections were closed, and how many
        self._complained = False

    def wake(self) -> None:
        """Something new is in the journal."""
        self._idle.clear()
        self._wake.set()

    async def idle(self) -> None:
        """Return once everything was told that can be told now, if somebody listens."""
        await self._idle.wait()

    async def drain(self, adapter: Adapter, csms: Connected) -> None:
        """Tell everything, and wait for more, until the connection is gone.

        Raises:
            CsmsUnavailable: the connection is gone or dead; nothing was lost.
        """
        self._speak(adapter.version)
        while True:
            await self._settle()
            self._wake.clear()
            entry = await self._next()
            if entry is None:
                self._idle.set()
                await self._wait()
                continue
            await self._tell(entry, adapter, csms)

    def note(self, write: Callable[[], None]) -> None:
        """Have the store do this, before anything else is told; again until the disk takes it."""
        self._owed.append(write)

    async def tell_asked(self, since: int, adapter: Adapter, csms: Connected) -> None:
        """Tell what the CSMS asked for and was stored after the entry ``since``, before its turn.

        A fact that belongs behind one that waits keeps its place.

        Raises:
            CsmsUnavailable: the connection is gone or dead; nothing was lost.
        """
        self._speak(adapter.version)
        await self._settle()
        told: set[int] = set()
        while (entry := self._asked(since, told)) is not None:
            told.add(entry.number)
            self._hold(entry, DEFECT_PAUSE)  # ``drain`` may begin meanwhile
            await self._tell(entry, adapter, csms)
        self.wake()

    def _asked(self, since: int, told: set[int]) -> Entry | None:
        waiting = self._store.journal.first_since(since)
        asked = (entry for entry in waiting if _is_asked(entry.fact))
        return next((entry for entry in asked if entry.number not in told), None)

    async def _next(self) -> Entry | None:
        """What is to be told now; waits for a disk that cannot be read."""
        for pause in pauses():
            try:
                return self._store.next_entry(self._holding())
            except Unreadable as broken:
                self._put_by(broken)
                await self._settle()
            except StoreError as error:
                self._complain("nothing can be told", error)
                await self._clock.sleep(pause)
        return None

    async def _settle(self) -> None:
        """Return once the store knows what became of all that was told."""
        for pause in pauses():
            try:
                while self._owed:
                    self._owed[0]()
                    self._owed.popleft()
            except StoreError as error:
                self._complain("nothing is told until it can be noted", error)
                await self._clock.sleep(pause)
            else:
                self._complained = False
                return

    def _complain(self, what: str, error: StoreError) -> None:
        """Once per outage of the disk."""
        if not self._complained:
            log.error("%s: %s", what, error)
        self._complained = True

    async def _tell(self, entry: Entry, adapter: Adapter, csms: Connected) -> None:
        delivery = Delivery(entry, csms, repeated=entry.number in self._tried)
        try:
            before, begun = self._numbered(entry.fact), self._begun(entry.fact)
            self._tried.add(entry.number)
            await adapter.deliver(delivery)
        except NotYet as early:
            self._tried.discard(entry.number)
            self._hold(entry, early.wait)
        except OutgoingInvalid as error:
            self._defective(entry, error)
        except CsmsRejected as error:
            insist = _insists(entry.fact, error, adapter)
            for_ever = _is_guaranteed(entry.fact) and error.code not in MALFORMED
            self._refused(entry, str(error), insist=insist, for_ever=for_ever)
        except CsmsClosed as closed:
            self._held.pop(entry.stream, None)
            self._closed_upon(entry, closed)
            raise
        except CsmsUnavailable as error:
            if is_dead(csms) and not await answers(adapter, csms):
                self._held.pop(entry.stream, None)
                raise
            for_ever = _is_guaranteed(entry.fact)
            self._refused(entry, str(error), insist=True, for_ever=for_ever)
        except StoreError as error:
            log.error("%s not told: %s", type(entry.fact).__name__, error)  # noqa: TRY400 - the disk
            self._hold(entry, LONGEST)
        except Exception as error:  # a defect about one fact must not silence all the others
            log.exception("defect in telling a %s", type(entry.fact).__name__)
            self._defective(entry, error)
        else:
            self._done(delivery, before, begun)
        await self._settle()

    def _speak(self, version: str) -> None:
        """What could not be said in another version may be sayable now."""
        if version != self._version:
            self._held.clear()
        self._version = version

    def _done(self, delivery: Delivery, before: int | None, begun: str) -> None:
        """Forget a fact that was told; keep it if something was missing."""
        entry = delivery.entry
        lack = delivery.lack or self._elsewhere(entry.fact, before, begun)
        if lack:
            level = logging.WARNING if isinstance(entry.fact, _TRANSACTION) else logging.INFO
            name = type(entry.fact).__name__
            log.log(level, "%s not told in full in OCPP %s: %s", name, self._version, lack)
        self._held.pop(entry.stream, None)
        self._tried.discard(entry.number)
        told = partial(
            self._store.delivered,
            entry,
            self._clock.now(),
            csms_id=delivery.csms_id,
            version=self._version,
            lack=lack,
            apart=delivery.apart,
            more=delivery.more,
        )
        self.note(told)

    def _numbered(self, fact: Fact) -> int | None:
        """The number that a CSMS gave to the transaction of a fact."""
        if not isinstance(fact, TransactionStarted | TransactionEnded):
            return None
        return self._store.csms_transaction(fact.transaction_id)

    def _begun(self, fact: Fact) -> str:
        """The version in which the begin of the transaction that ends was told."""
        if not isinstance(fact, TransactionEnded):
            return ""
        return self._store.untold.begun(fact.transaction_id)

    def _elsewhere(self, fact: Fact, before: int | None, begun: str) -> str:
        """What of a transaction was told in another version; ``before`` is its number until now.

        A begin is not told again: a session that two systems hold to be theirs is billed twice.
        """
        if isinstance(fact, TransactionStarted):
            twice = before is not None and self._version not in _NUMBERING
            return f"{_named(fact, before)} was begun with this number, too" if twice else ""
        if not isinstance(fact, TransactionEnded) or begun in {"", self._version}:
            return ""
        return f"{_named(fact, before)} was begun in OCPP {begun}"

    def _defective(self, entry: Entry, error: Exception) -> None:
        """Our own wording is wrong: the fact stays for a while, perhaps for another version."""
        name = type(entry.fact).__name__
        log.error("%s cannot be told: %s", name, error)
        if entry.attempts + 1 >= self._retry().attempts:
            self._give_up(entry, f"cannot be told: {error}")
            return
        self.note(partial(self._store.attempted, entry))
        self._hold(entry, DEFECT_PAUSE)

    def _refused(self, entry: Entry, reason: str, *, insist: bool, for_ever: bool) -> None:
        retry = self._retry()
        made = entry.attempts + 1
        name = type(entry.fact).__name__
        if not insist or (made >= retry.attempts and not for_ever):
            known_here = not insist and isinstance(entry.fact, SecurityEvent)  # in its log
            level = logging.INFO if known_here else logging.ERROR
            log.log(level, "%s given up after %d attempts: %s", name, made, reason)
            self._give_up(entry, reason)
            return
        wait = retry.interval * min(made, retry.attempts)
        log.warning("%s refused (%s), again in %s", name, reason, wait)
        self.note(partial(self._store.attempted, entry))
        self._hold(entry, wait)

    def _closed_upon(self, entry: Entry, closed: CsmsClosed) -> None:
        """Let others go first over the next connection, for ever longer.

        It is no attempt: it may be the line, or an answer of ours that went out meanwhile.
        """
        if not is_upon(closed.code, closed.after):
            return
        number, count = self._upon
        count = count + 1 if number == entry.number else 1
        self._upon = (entry.number, count)
        often, left = (count, 0) if closed.code == TOO_BIG else divmod(count, CLOSES_MOST)
        if not left:
            self._hold(entry, min(self._retry().interval * often, DEFECT_PAUSE))

    def _put_by(self, broken: Unreadable) -> None:
        """One fact that nobody can read must not silence all the others."""
        log.error("a fact cannot be told and is put by: %s", broken)
        why, now = f"cannot be read: {broken}", self._clock.now().isoformat()
        self.note(partial(self._store.put_by, broken.number, Lack(self._version, why, now)))

    def _give_up(self, entry: Entry, why: str) -> None:
        now = self._clock.now().isoformat()
        self.note(partial(self._store.given_up, entry, Lack(self._version, why, now)))
        self._held.pop(entry.stream, None)
        self._tried.discard(entry.number)

    def _hold(self, entry: Entry, wait: timedelta) -> None:
        self._held[entry.stream] = self._clock.monotonic() + wait.total_seconds()

    def _holding(self) -> frozenset[str]:
        now = self._clock.monotonic()
        self._held = {stream: until for stream, until in self._held.items() if until > now}
        return frozenset(self._held)

    async def _wait(self) -> None:
        if not self._held:
            await self._wake.wait()
            return
        left = min(self._held.values()) - self._clock.monotonic()
        await sleep_unless(self._clock, timedelta(seconds=left), self._wake)


async def answers(adapter: Adapter, csms: Connected) -> bool:
    """Whether somebody is there, who may refuse to hear a single message only."""
    if csms.closed:
        return False
    try:
        await adapter.heartbeat(csms)
    except CsmsRejected:
        return True
    except CsmsUnavailable:
        return False
    return True


def _insists(fact: Fact, error: CsmsRejected, adapter: Adapter) -> bool:
    if isinstance(fact, _OPTIONAL) and error.code in _UNKNOWN_MESSAGE | adapter.unknown:
        return False
    return isinstance(fact, _INSISTED)


def _is_asked(fact: Fact) -> bool:
    """Whether a fact is one that TriggerMessage asks for."""
    match fact:
        case MeterSampled(sampled=sampled):
            return sampled.context is Context.TRIGGER
        case TransactionUpdated(cause=cause):
            return cause is Cause.TRIGGER
    return isinstance(fact, FirmwareProgress | LogProgress | CertificateRequested)


def _is_guaranteed(fact: Fact) -> bool:
    return isinstance(fact, SecurityEvent) and is_critical(fact.type)


def _named(fact: TransactionStarted | TransactionEnded, number: int | None) -> str:
    return fact.transaction_id if number is None else f"{fact.transaction_id} ({number})"
