"""A station spoken to by the small CSMS over a real WebSocket; it tells only when a test says so.

The station does not run: nothing happens in it by itself. What it has to tell stays in the
journal until ``tell``, so that a test can look at it there; then the real outbox tells it.
"""

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any, cast

import fake_csms
import wire
from quiet_loop import QuietClock
from scripted_csms import Answer, Payload, ScriptedCsms, Sent
from station_bench import Bench, station_bench
from wire import STATION

from chargepoint.app import _View
from chargepoint.csms.adapter import Adapter, Registration, SessionView
from chargepoint.csms.link import BackOff, Link, LinkConfig
from chargepoint.csms.outbox import Outbox, Retry
from chargepoint.csms.rpc import Endpoint, Reply
from chargepoint.csms.schemas import Schemas
from chargepoint.csms.session import Session
from chargepoint.errors import CsmsUnavailable
from chargepoint.station.station import Station, Wiring
from chargepoint.store.sqlite import Entry, Store

PENDING: Payload = {**fake_csms.BOOTED, "status": "Pending"}
RETRY = Retry(3, timedelta(seconds=60))
BACK_OFF = BackOff(timedelta(seconds=30), timedelta(0), 3)

MakeAdapter = Callable[[Station, SessionView], Adapter]


class Desk:
    """The CSMS as a test sees it: what it was sent, and what it says.

    ``standing`` is what it says where nothing is scripted, or ``{}``.
    """

    def __init__(self, small: ScriptedCsms, version: str, session: Session) -> None:
        self.small = small
        self.sent: list[Sent] = []
        small.told = self.sent.append
        self.standing = small.standing
        self._session = session
        for action in Schemas(version).actions():
            small.standing[action] = {}
            small.script(action)
        small.standing.update(fake_csms.STANDING[version])

    def answers(self, action: str, *answers: Answer) -> None:
        """What the next calls of this action get; CsmsUnavailable: the connection is gone."""
        self.small.script(action, *answers)

    async def call(
        self, action: str, payload: Payload, *, message_id: str | None = None
    ) -> Payload:
        """A call of the station, on the connection that there is."""
        if self._session.csms is None:
            raise CsmsUnavailable("not connected")
        return await self._session.csms.call(action, payload, message_id=message_id)

    def said(self, action: str) -> list[Payload]:
        """The payloads of every call of this action."""
        return [sent.payload for sent in self.sent if sent.action == action]

    @property
    def actions(self) -> list[str]:
        return [sent.action for sent in self.sent]


@dataclass
class Talk:
    """The station under test and its CSMS."""

    bench: Bench
    adapter: Adapter
    csms: Desk
    session: Session
    link: Link
    journal: "HeldJournal"
    spawning: "Spawning"

    @property
    def clock(self) -> QuietClock:
        clock = self.bench.clock
        assert isinstance(clock, QuietClock)
        return clock

    async def ask(self, action: str, payload: Payload, *, lost: bool = False) -> Payload:
        """A call of the CSMS: its answer, once what follows from it has been done.

        ``lost``: the connection is, as soon as the answer is there.
        """
        with self.spawning.held() as work:
            answer = await self._call(action, payload)
        if lost:
            await self.cut()
        for what in work:
            self.spawning(what)
        await self.clock.settle()
        return answer

    async def hear(self, action: str, payload: Payload) -> Payload | Reply:
        """A call of the CSMS: its answer, before anything follows from it."""
        with self.spawning.held() as work:
            answer = await self._call(action, payload)
            await self.clock.settle()
        return Reply(answer, lambda: work[0]) if work else answer

    async def tell(self) -> list[Sent]:
        """Let the outbox deliver what waits in the journal; what was sent for it."""
        before = len(self.csms.sent)
        with self.journal.open():
            await self.clock.settle()
        return self.csms.sent[before:]

    async def events(self) -> list[Payload]:
        """The TransactionEvents among them."""
        return [sent.payload for sent in await self.tell() if sent.action == "TransactionEvent"]

    async def cut(self) -> None:
        """The connection is lost, and none comes about until ``back``."""
        wire.cut(self.csms.small)
        await self.clock.settle()

    async def back(self) -> None:
        """The CSMS can be reached again; takes up to a second."""
        await wire.mend(self.csms.small, self.link, self.clock)

    async def pending(self, answer: Answer = PENDING) -> None:
        """The station has had to boot anew, and the CSMS put it off, or answered something else."""
        self.csms.answers("BootNotification", answer)
        self.session.forget("PowerUp")
        await self.cut()
        await self.back()
        self.csms.sent.clear()

    async def _call(self, action: str, payload: Payload) -> Payload:
        return await self.clock.done(self.csms.small.call(STATION, action, payload))


class Spawning:
    """What follows from answers: done at once, or kept for a test to do."""

    def __init__(self, spawn: Callable[[Coroutine[Any, Any, None]], Any]) -> None:
        self._spawn = spawn
        self._holds = False
        self._kept: list[Coroutine[Any, Any, None]] = []

    def __call__(self, work: Coroutine[Any, Any, None]) -> None:
        if self._holds:
            self._kept.append(work)
        else:
            self._spawn(work)

    @contextmanager
    def held(self) -> Iterator[list[Coroutine[Any, Any, None]]]:
        """Keep what follows until the context is left; it is the test's from then on."""
        before, self._holds = len(self._kept), True
        work: list[Coroutine[Any, Any, None]] = []
        try:
            yield work
        finally:
            self._holds = False
            work += self._kept[before:]

    def close(self) -> None:
        """What no test did is not to be done."""
        for work in self._kept:
            work.close()


class HeldJournal:
    """A store whose journal seems empty to the outbox while it is not open."""

    def __init__(self, store: Store, wake: Callable[[], None] = lambda: None) -> None:
        self._store = store
        self._open = False
        self.wake = wake

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def next_entry(self, held: frozenset[str] = frozenset()) -> Entry | None:
        return self._store.next_entry(held) if self._open else None

    @contextmanager
    def open(self) -> Iterator[None]:
        """Let the outbox tell until the context is left."""
        self._open = True
        self.wake()
        try:
            yield
        finally:
            self._open = False


class QuietSession(Session):
    """A session that was accepted before, without heartbeats of its own."""

    def __init__(self, **parts: Any) -> None:
        super().__init__(**parts)
        self.registration = Registration.ACCEPTED

    async def _beat(self, endpoint: Endpoint, adapter: Adapter) -> None:
        del endpoint, adapter


class View(_View):
    """The station as the session sees it."""

    def works(self) -> None:
        """Nothing is learnt from a connection that works."""

    def link_changed(self, link: Link) -> None:
        """Nobody looks at the link."""


@asynccontextmanager
async def talk_rig(
    folder: Path,
    version: str,
    make: MakeAdapter,
    *,
    prepare: Callable[[Wiring], None] = lambda _wiring: None,
    clock: QuietClock | None = None,
    **more: Any,
) -> AsyncIterator[Talk]:
    """A station that is connected and was accepted before; ``more`` is for its bench.

    With the folder, the clock and the meters of an earlier one it is a restart.
    """
    clock = clock or QuietClock()
    made: list[tuple[Session, HeldJournal, Spawning]] = []

    def connected(wiring: Wiring) -> None:
        journal, spawning = HeldJournal(wiring.store), Spawning(wiring.spawn)
        outbox = Outbox(cast("Store", journal), clock, lambda: RETRY)
        journal.wake = outbox.wake
        session = QuietSession(store=wiring.store, outbox=outbox, clock=clock, spawn=spawning)
        wiring.csms, wiring.recorded = session, outbox.wake
        made.append((session, journal, spawning))
        prepare(wiring)

    async with AsyncExitStack() as stack:
        stack.enter_context(clock.driving())
        small = await stack.enter_async_context(ScriptedCsms(clock, [version]))
        bench = await stack.enter_async_context(
            station_bench(folder, prepare=connected, clock=clock, **more)
        )
        ((session, journal, spawning),) = made
        stack.callback(spawning.close)
        adapter = make(bench.station, session)
        view = View()
        view.station = bench.station
        session.attach(view, {adapter.subprotocol: adapter})
        bench.session = session
        link = Link(
            LinkConfig(url=small.url, station_id=STATION, subprotocols=(adapter.subprotocol,)),
            clock=clock,
            random=Random(1),  # noqa: S311 - of the back-off
            back_off=lambda: BACK_OFF,
        )
        clock.busy = lambda: wire.under_way([small], link, session, clock)
        talk = Talk(bench, adapter, Desk(small, version, session), session, link, journal, spawning)
        bench.supervisor.keep("link", lambda: link.run(session.serve))
        await clock.settle()
        yield talk
        await clock.settle()
        assert small.violations == []
