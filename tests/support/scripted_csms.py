"""The small CSMS on a test's time, answering in turn with what a test scripts."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NoReturn

from fake_clock import FakeClock
from websockets.asyncio.server import ServerConnection
from websockets.http11 import Request, Response

from chargepoint.bench.csms import CallError, Direction, Frame, SmallCsms
from chargepoint.bench.csms_talk import Talk
from chargepoint.errors import CsmsRejected, CsmsUnavailable

SILENCE = "SILENCE"
"""An answer that never comes."""
GONE = "GONE"
"""The connection is gone instead of an answer."""

Payload = dict[str, Any]
Answer = Payload | CallError | CsmsRejected | CsmsUnavailable | str | Callable[[Payload], Any]

_PATIENCE = timedelta(seconds=10)
_CALL, _RESULT, _ERROR = 2, 3, 4
_TIMED = ("BootNotification", "Heartbeat")  # their answers tell the time


@dataclass(frozen=True)
class Sent:
    """A call of the station."""

    action: str
    payload: Payload
    message_id: str = field(default="", compare=False)


class ScriptedCsms(SmallCsms):
    """Answers an action with what is scripted for it, in turn, then with its standing answer.

    What ``script`` was called for, with or without answers, is answered from ``standing`` before
    the small CSMS's own words are. ``told`` hears of every call of a station; ``attempts`` are the
    times at which a station asked for a connection, whether it got it or not.
    """

    def __init__(self, clock: FakeClock, versions: Sequence[str], **more: Any) -> None:
        super().__init__(versions=versions, on_frame=self._heard, **more)
        self.clock = clock
        self.told: Callable[[Sent], None] = lambda _: None
        self.attempts: list[float] = []
        self.standing: dict[str, Answer] = {}
        self._scripted: dict[str, deque[Answer]] = {}
        self.answers.count_transactions = True
        for action in _TIMED:
            self.script(action)

    def script(self, action: str, *answers: Answer) -> None:
        """What the next calls of this action get."""
        self._scripted.setdefault(action, deque()).extend(answers)
        self.on(action, lambda station, payload: self._answer(station, action, payload))

    async def call(
        self, station: str, action: str, payload: Payload, *, within: timedelta = _PATIENCE
    ) -> Payload:
        """Call a station and return its answer, with plain numbers; raises as ever."""
        answer = await super().call(station, action, payload, within=within)
        plain: Payload = json.loads(json.dumps(answer, default=float))
        return plain

    def sent(self, since: int = 0) -> list[Sent]:
        """The calls of stations from a point in ``frames`` on."""
        return [one for frame in self.frames[since:] if (one := _sent(frame))]

    def talk(self, station: str) -> Talk | None:
        """The open connection of a station."""
        return self._talks.get(station)

    def owes(self, station: str, message_id: str) -> bool:
        """Whether an answer to this call of a station is still to come without being asked for."""
        talk = self.talk(station)
        if talk is None:
            return False
        last = next((f for f in reversed(self.frames) if f.message_id == message_id), None)
        if last is None or last.kind in {_RESULT, _ERROR}:
            return True  # the call, or its answer, is on the wire
        return message_id in talk._unanswered

    def asks(self, station: str) -> str:
        """The call of ours that the station has not answered yet, else ""."""
        talk = self.talk(station)
        waiting = [] if talk is None else [c for c in talk._called.values() if not c.answer.done()]
        return waiting[0].action if waiting else ""

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        self.attempts.append(self.clock.elapsed)
        return super()._admit(connection, request)

    def _heard(self, frame: Frame) -> None:
        if (sent := _sent(frame)) is not None:
            self.told(sent)

    def _answer(self, station: str, action: str, payload: Payload) -> Any:
        scripted = self._scripted[action]
        answer = scripted.popleft() if scripted else self.standing.get(action)
        if callable(answer):
            answer = answer(payload)
        if answer is None:
            answer = self.answers.answer(self.stations[station].version, action, payload)
            if answer is not None and action in _TIMED:
                now = self.clock.now().isoformat(timespec="milliseconds")
                answer["currentTime"] = now.replace("+00:00", "Z")
        if isinstance(answer, CsmsRejected):
            return CallError(answer.code, answer.description, answer.details)
        if answer == GONE or isinstance(answer, CsmsUnavailable):
            self.drop(station)
            return _never()
        return _never() if answer == SILENCE else answer


def _sent(frame: Frame) -> Sent | None:
    if frame.direction is not Direction.FROM_STATION or frame.kind != _CALL:
        return None
    return Sent(frame.action, json.loads(frame.text)[3], frame.message_id)


async def _never() -> NoReturn:
    await asyncio.Event().wait()
    raise AssertionError
