"""A station, its session, and connections whose other end is a scripted CSMS in memory."""

import asyncio
import itertools
import json
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from fake_csms import ACCEPTED, BOOTED, NOW, Payload, check
from station_bench import Bench, station_bench
from websockets.exceptions import ConnectionClosedError

from chargepoint import v201
from chargepoint.app import _View
from chargepoint.csms.identity import Identity
from chargepoint.csms.outbox import Outbox, Retry
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.session import Session, Timing

SILENCE = None
Scripted = Payload | tuple[str, str] | None  # an answer, a CALLERROR with its words, or silence
CALL, RESULT, ERROR = 2, 3, 4


@dataclass(frozen=True)
class Heard:
    """A call of the station."""

    message_id: str
    action: str
    payload: Payload


@dataclass
class Office:
    """What the CSMS says, on whatever connection; it refuses what is not legal OCPP 2.0.1."""

    heard: list[Heard] = field(default_factory=list)
    script: dict[str, deque[Scripted]] = field(default_factory=dict)
    standing: dict[str, Scripted] = field(
        default_factory=lambda: {
            "Authorize": ACCEPTED,
            "BootNotification": BOOTED,
            "Heartbeat": {"currentTime": NOW},
        }
    )

    def answers(self, action: str, *answers: Scripted) -> None:
        """What the next calls of this action get."""
        self.script.setdefault(action, deque()).extend(answers)

    def says(self, action: str) -> Scripted:
        scripted = self.script.get(action)
        return scripted.popleft() if scripted else self.standing.get(action, {})

    def said(self, action: str) -> list[Payload]:
        """The payloads of every call of this action that came."""
        return [heard.payload for heard in self.heard if heard.action == action]

    @property
    def actions(self) -> list[str]:
        return [heard.action for heard in self.heard]

    def boots(self, *statuses: str, interval: int = 300) -> None:
        """How the next BootNotifications are answered."""
        self.answers(
            "BootNotification",
            *({**BOOTED, "status": status, "interval": interval} for status in statuses),
        )


class FakeConnection:
    """A WebSocket to the office.

    ``drop_at`` names an action whose arrival breaks it, after ``spared`` of them.
    """

    def __init__(self, office: Office) -> None:
        self.office = office
        self.drop_at = ""
        self.spared = 0
        self._frames: asyncio.Queue[str | None] = asyncio.Queue()
        self._numbers = itertools.count(1)
        self._asked: dict[str, asyncio.Future[Any]] = {}
        self._gone = False

    async def send(self, message: str) -> None:
        if self._gone:
            raise ConnectionClosedError(None, None)
        frame = json.loads(message)
        if frame[0] != CALL:
            self._asked.pop(frame[1]).set_result(frame)
            return
        _, message_id, action, payload = frame
        check("2.0.1", action, payload, answer=False)
        self.office.heard.append(Heard(message_id, action, payload))
        if action == self.drop_at:
            self.spared -= 1
            if self.spared < 0:
                self.drop()
                return
        self._answer(message_id, self.office.says(action))

    async def recv(self) -> str:
        frame = await self._frames.get()
        if frame is None:
            raise ConnectionClosedError(None, None)
        return frame

    async def ask(self, action: str, payload: Payload) -> Any:
        """A call of the CSMS; the station's whole answer frame."""
        check("2.0.1", action, payload, answer=False)
        message_id = f"office-{next(self._numbers)}"
        self._asked[message_id] = asyncio.get_running_loop().create_future()
        self._frames.put_nowait(json.dumps([CALL, message_id, action, payload]))
        async with asyncio.timeout(5):
            frame = await self._asked[message_id]
        if frame[0] == RESULT:
            check("2.0.1", action, frame[2], answer=True)
        return frame

    def drop(self) -> None:
        """The network is gone."""
        self._gone = True
        self._frames.put_nowait(None)

    def _answer(self, message_id: str, answer: Scripted) -> None:
        if isinstance(answer, tuple):
            self._frames.put_nowait(json.dumps([ERROR, message_id, *answer, {}]))
        elif answer is not SILENCE:
            self._frames.put_nowait(json.dumps([RESULT, message_id, answer]))


class View(_View):
    """The station as the session sees it, with times a test can bear."""

    call_timeout = timedelta(seconds=30)

    def timing(self) -> Timing:
        usual = super().timing()
        return Timing(self.call_timeout, usual.offline_threshold, usual.heartbeat)


@dataclass
class SessionBench:
    """A station that can be connected."""

    bench: Bench
    session: Session
    outbox: Outbox
    office: Office
    view: View
    _served: list[asyncio.Task[None]] = field(default_factory=list)

    async def connect(self, **more: Any) -> FakeConnection:
        """A new connection, served until it breaks; what needs no time has been done."""
        connection = FakeConnection(self.office)
        for name, value in more.items():
            setattr(connection, name, value)
        serving = asyncio.create_task(self.session.serve(connection, "ocpp2.0.1"))
        self._served.append(serving)
        await self.bench.clock.settle()
        return connection

    async def lose(self, connection: FakeConnection) -> None:
        """The connection breaks; its session is over when this returns."""
        connection.drop()
        await self.ended()

    async def ended(self) -> None:
        """Wait until no connection is served any more."""
        async with asyncio.timeout(5):
            await asyncio.gather(*self._served)


@asynccontextmanager
async def session_bench(folder: Path, **more: Any) -> AsyncIterator[SessionBench]:
    """A station that speaks OCPP 2.0.1 and is not connected yet; ``more`` is for its bench."""
    made: list[tuple[Session, Outbox]] = []

    def prepare(wiring: Any) -> None:
        outbox = Outbox(wiring.store, wiring.clock, lambda: Retry(3, timedelta(seconds=60)))
        session = Session(store=wiring.store, outbox=outbox, clock=wiring.clock, spawn=wiring.spawn)
        wiring.csms, wiring.recorded = session, outbox.wake
        made.append((session, outbox))

    async with station_bench(folder, prepare=prepare, **more) as bench:
        session, outbox = made[0]
        view = View()
        view.station = bench.station
        adapter = v201.adapter(
            bench.station,
            profile=CsmsProfile(),
            identity=Identity("Example", "Wallbox 22", "0001", "1.2.3"),
            session=session,
        )
        session.attach(view, {adapter.subprotocol: adapter})
        it = SessionBench(bench, session, outbox, Office(), view)
        try:
            yield it
        finally:
            for serving in it._served:
                serving.cancel()
            if it._served:
                await asyncio.wait(it._served)
