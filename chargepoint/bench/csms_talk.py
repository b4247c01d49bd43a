"""One connection between the small CSMS and a station: calls and answers in both directions."""

import asyncio
import inspect
import uuid
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import msgspec
from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed

from chargepoint.bench.csms_answers import Answers, Payload
from chargepoint.bench.csms_check import (
    MAX_DESCRIPTION,
    Direction,
    Frame,
    SchemaViolation,
    envelope_faults,
    error_faults,
    parse,
    payload_faults,
)
from chargepoint.bench.csms_faults import Fault, FaultKind, Faults
from chargepoint.bench.csms_ledger import StationView
from chargepoint.bench.csms_likes import Likeness
from chargepoint.csms.rpc import CallError

Outcome: TypeAlias = Payload | CallError
OnCall: TypeAlias = Callable[[str, Payload], Outcome | Awaitable[Outcome]]

_CALL, _RESULT, _ERROR = 2, 3, 4
_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_FORMAT_CODE: Final = {"1.6": "FormationViolation", "2.0.1": "FormatViolation"}
_NOT_TAKEN_IN: Final = {
    FaultKind.DROP,
    FaultKind.TOO_BIG,
    FaultKind.CLOSE_BEFORE,
    FaultKind.CALL_ERROR,
}


@dataclass(slots=True)
class Script:
    """How the CSMS behaves, and where it writes down what happened; shared by all connections."""

    answers: Answers = field(default_factory=Answers)
    faults: Faults = field(default_factory=Faults)
    handlers: dict[str, OnCall] = field(default_factory=dict)
    like: Likeness | None = None  # the system of the field that it is to be like
    record_most: int = 0  # characters of a signed record, if more than the schema says
    think: timedelta = timedelta(0)  # before each answer, as real systems do
    record: Callable[[Frame], None] = lambda _: None
    blame: Callable[[SchemaViolation], None] = lambda _: None


@dataclass(frozen=True, slots=True)
class _Request:
    """A call of the station."""

    message_id: str
    action: str
    payload: Payload
    text: str


@dataclass(frozen=True, slots=True)
class _Open:
    """A call to the station whose answer is awaited."""

    action: str
    answer: asyncio.Future[Payload]


class Talk:
    """One connection; ``run`` returns when it is closed."""

    def __init__(
        self, connection: ServerConnection, *, station: StationView, script: Script
    ) -> None:
        self.connection = connection
        self._station = station
        self._script = script
        self._version = station.version
        self._turn = asyncio.Lock()  # of the one call to the station
        self._called: dict[str, _Open] = {}  # every call ever made on this connection
        self._raw_ids = {"-1"}  # answers to these are expected, but not checked
        self._unanswered: set[str] = set()  # calls of the station, but for those with a fault
        self._tasks: asyncio.TaskGroup | None = None
        self._answering: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Read, check and answer until the connection is closed."""
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            with suppress(ConnectionClosed):
                while True:
                    text = await self.connection.recv()
                    self._received(text if isinstance(text, str) else text.decode())
            await asyncio.sleep(0)  # a coroutine that never started could not be cancelled cleanly
            for task in self._answering:
                task.cancel()
        for waiting in self._called.values():
            waiting.answer.cancel()

    async def call(self, action: str, payload: Payload, *, within: timedelta) -> Payload:
        """Call the station, one call at a time.

        Raises:
            CallError: the station answered CALLERROR.
            TimeoutError: no answer.
            ConnectionError: the connection was closed meanwhile.
        """
        message_id = str(uuid.uuid4())
        async with self._turn:
            waiting = _Open(action, asyncio.get_running_loop().create_future())
            self._called[message_id] = waiting
            await self._send([_CALL, message_id, action, payload], action)
            done, _ = await asyncio.wait([waiting.answer], timeout=within.total_seconds())
        if not done:
            waiting.answer.cancel()
            raise TimeoutError(f"{self._station.station_id} did not answer {action}")
        if waiting.answer.cancelled():
            raise ConnectionError(f"{self._station.station_id} left during {action}")
        return waiting.answer.result()

    async def send_raw(self, text: str) -> None:
        """Send what is no proper message; it is recorded and not checked."""
        self._record(Direction.FROM_CSMS, text, (0, "", ""), None)
        with suppress(ValueError, LookupError, TypeError):
            self._raw_ids.add(str(parse(text)[1]))
        await self.connection.send(text)

    def _received(self, text: str) -> None:
        try:
            frame = parse(text)
        except ValueError as error:
            self._record(Direction.FROM_STATION, text, (0, "", ""), None)
            self._blame(Direction.FROM_STATION, "", f"not JSON: {error}", text)
            return
        faults = envelope_faults(frame)
        for fault in faults:
            self._blame(Direction.FROM_STATION, "", fault, text)
        if faults:
            self._record(Direction.FROM_STATION, text, (0, "", ""), frame)
            self._give_up_call(frame, faults[0])
        elif frame[0] == _CALL:
            self._record(Direction.FROM_STATION, text, (_CALL, frame[1], frame[2]), frame[3])
            self._called_by_station(text, frame)
        else:
            self._answered(text, frame)

    def _give_up_call(self, frame: Any, fault: str) -> None:
        """A broken frame that was meant to answer a call is all the answer there will be."""
        message_id = frame[1] if isinstance(frame, list) and len(frame) > 1 else None
        waiting = self._called.get(message_id) if isinstance(message_id, str) else None
        if waiting is not None and not waiting.answer.done():
            waiting.answer.set_exception(CallError(_FORMAT_CODE[self._version], fault))

    def _called_by_station(self, text: str, frame: Any) -> None:
        """Take the call in at once, so that it counts even if the connection is cut right now."""
        _, message_id, action, payload = frame
        if self._unanswered:
            words = "a second call before the first was answered"
            self._blame(Direction.FROM_STATION, action, words, text)
        faults = payload_faults(
            self._version,
            action,
            answer=False,
            payload=payload,
            record_most=self._script.record_most,
        )
        for words in faults:
            self._blame(Direction.FROM_STATION, action, words, text)
        self._unanswered.add(message_id)
        request = _Request(message_id, action, payload, text)
        if faults:
            self._spawn(self._reply(request, CallError(_FORMAT_CODE[self._version], faults[0])))
            return
        fault = self._script.faults.take(action, len(text))
        if fault is not None:
            self._unanswered.discard(message_id)
        if fault is not None and fault.kind in _NOT_TAKEN_IN:
            self._spawn(self._refuse(request, fault))
        else:
            self._spawn(self._finish(request, self._decide(request), fault))

    def _answered(self, text: str, frame: Any) -> None:
        """The station's answer to a call of ours."""
        kind, message_id, *rest = frame
        waiting = self._called.get(message_id)
        action = waiting.action if waiting is not None else ""
        self._record(Direction.FROM_STATION, text, (kind, message_id, action), rest[0])
        if waiting is None:
            if message_id not in self._raw_ids:
                words = "an answer to a call that nobody made"
                self._blame(Direction.FROM_STATION, "", words, text)
            return
        if kind == _RESULT:
            faults = payload_faults(self._version, action, answer=True, payload=rest[0])
        else:
            faults = error_faults(self._version, rest)
        for fault in faults:
            self._blame(Direction.FROM_STATION, action, fault, text)
        if waiting.answer.done():
            return
        if kind == _RESULT:
            waiting.answer.set_result(rest[0])
        else:
            waiting.answer.set_exception(CallError(*rest))

    def _decide(self, request: _Request) -> Outcome | Awaitable[Outcome]:
        """The answer; a message that came before under this id gets the one it got then."""
        before = self._station.answers.get(request.message_id)
        if before is not None:
            self._station.duplicates.append((request.message_id, request.action))
            if before[0] != request.text:
                words = "message id used for two things"
                self._blame(Direction.FROM_STATION, request.action, words, request.text)
            return before[1]
        handler = self._script.handlers.get(request.action)
        if handler is None:
            return self._taken_in(request, self._by_script(request))
        try:
            outcome = handler(self._station.station_id, request.payload)
        except CallError as error:
            return error
        if inspect.isawaitable(outcome):
            self._unanswered.discard(request.message_id)  # it may outlast the station's patience
            return self._later(request, outcome)
        return self._taken_in(request, outcome)

    def _by_script(self, request: _Request) -> Outcome:
        like, said = self._script.like, (self._version, request.action, request.payload)
        if like is not None and (refusal := like.refuse(*said)) is not None:
            return refusal
        answer = self._script.answers.answer(*said)
        if answer is not None and like is not None and (late := like.complain(*said)) is not None:
            self._station.note(request.action, request.payload, answer)
            return late
        if answer is not None:
            return answer
        words = "no request of a station"
        self._blame(Direction.FROM_STATION, request.action, words, request.text)
        return CallError("NotSupported", words)

    async def _later(self, request: _Request, outcome: Awaitable[Outcome]) -> Outcome:
        try:
            return self._taken_in(request, await outcome)
        except CallError as error:
            return error

    def _taken_in(self, request: _Request, outcome: Outcome) -> Outcome:
        if not isinstance(outcome, CallError):
            self._station.remember(request.message_id, request.text, outcome)
            self._station.note(request.action, request.payload, outcome)
        return outcome

    async def _finish(
        self,
        request: _Request,
        outcome: Outcome | Awaitable[Outcome],
        fault: Fault | None,
    ) -> None:
        settled = await outcome if inspect.isawaitable(outcome) else outcome
        match None if fault is None else fault.kind:
            case FaultKind.SILENCE:
                return
            case FaultKind.LOSE_ANSWER:
                self.connection.transport.abort()
                return
            case FaultKind.DELAY if fault is not None:
                await asyncio.sleep(fault.delay.total_seconds())
        if self._script.think:
            await asyncio.sleep(self._script.think.total_seconds())
        await self._reply(request, settled)
        if fault is not None and fault.kind is FaultKind.CLOSE_AFTER:
            await self.connection.close(1001, "scripted")

    async def _refuse(self, request: _Request, fault: Fault) -> None:
        match fault.kind:
            case FaultKind.CALL_ERROR:
                await self._reply(request, CallError(fault.code, fault.words))
            case FaultKind.CLOSE_BEFORE:
                await self.connection.close(1001, "scripted")
            case FaultKind.TOO_BIG:
                await self.connection.close(1009, "scripted")
            case _:
                self.connection.transport.abort()

    async def _reply(self, request: _Request, outcome: Outcome) -> None:
        self._unanswered.discard(request.message_id)
        frame: list[Any] = [_RESULT, request.message_id, outcome]
        if isinstance(outcome, CallError):
            words = outcome.description[:MAX_DESCRIPTION]
            frame = [_ERROR, request.message_id, outcome.code, words, outcome.details]
        with suppress(ConnectionClosed):
            await self._send(frame, request.action)

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self._tasks is None:
            raise RuntimeError("the connection is not being served")
        task = self._tasks.create_task(work)
        self._answering.add(task)
        task.add_done_callback(self._answering.discard)

    async def _send(self, frame: list[Any], action: str) -> None:
        """Check what really goes out, numbers as written, then send it."""
        text = _encoder.encode(frame).decode()
        kind, message_id, *rest = parse(text)
        payload = rest[1] if kind == _CALL else rest[0]
        self._record(Direction.FROM_CSMS, text, (kind, message_id, action), payload)
        faults = (
            error_faults(self._version, rest)
            if kind == _ERROR
            else payload_faults(self._version, action, answer=kind == _RESULT, payload=payload)
        )
        for fault in faults:
            self._blame(Direction.FROM_CSMS, action, fault, text)
        await self.connection.send(text)

    def _record(
        self, direction: Direction, text: str, head: tuple[int, str, str], payload: Any
    ) -> None:
        now = datetime.now(UTC)
        self._script.record(Frame(now, self._station.station_id, direction, text, *head, payload))

    def _blame(self, direction: Direction, action: str, message: str, text: str) -> None:
        self._script.blame(
            SchemaViolation(self._station.station_id, direction, action, message, text)
        )
