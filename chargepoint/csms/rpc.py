"""Calls and answers over one connection: one own call at a time, the CSMS's calls at once.

Why the reader and the worker are two tasks: an answer must reach the call that waits for it even
while a handler is busy, and a handler must never hold up the reader.

Why an own call waits for the answers we owe: there are systems that hold one lock for both
directions. A call that overtakes our answer is parked by them for as long as their time-out lasts.
"""

import asyncio
import logging
import uuid
from collections import deque
from collections.abc import Callable, Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, Protocol

from websockets.exceptions import ConnectionClosed

from chargepoint.csms import frames
from chargepoint.csms.following import Following
from chargepoint.csms.frames import Defect, Malformed
from chargepoint.csms.outage import ended
from chargepoint.csms.replies import After, CallError, Handler, OutgoingInvalid, Payload, Reply
from chargepoint.csms.schemas import Schemas, Violation
from chargepoint.errors import CsmsRejected, CsmsUnavailable

__all__ = ["CallError", "Connection", "Endpoint", "Handler", "OutgoingInvalid", "Payload", "Reply"]

log = logging.getLogger(__name__)
wire = logging.getLogger("chargepoint.wire")

MAX_WAITING_CALLS: Final = 16
"""Calls of the CSMS that may wait for the worker; further ones are refused with GenericError."""

BUSY_MOST: Final = 30
BUSY_PAUSE: Final = timedelta(seconds=1)
"""Between two attempts while the CSMS says that it is busy: CitrineOS is for at most 30 s."""

_REMEMBERED_IDS: Final = 16
_REMEMBERED_CALLS: Final = 100


# CALLERROR codes for frames that are no message. A defect that is not listed is not answered:
# OCPP-J 1.6 ignores what it does not understand, 2.0.1 part 4 section 4 answers it.
_MALFORMED_CODES: Final[Mapping[str, Mapping[Defect, str]]] = {
    "1.6": {Defect.BROKEN_CALL: "FormationViolation"},
    "2.0.1": {
        Defect.BROKEN_CALL: "RpcFrameworkError",
        Defect.UNREADABLE: "RpcFrameworkError",
        Defect.UNKNOWN_TYPE: "MessageTypeNotSupported",
    },
}
_UNREADABLE_ID: Final = "-1"


class Connection(Protocol):
    """What is needed of a WebSocket; those of ``websockets`` have it.

    Both methods raise ``websockets.ConnectionClosed`` once the connection is gone.
    """

    async def send(self, message: str) -> None:
        """Send one text frame; may wait while the other side does not read."""
        ...

    async def recv(self) -> str | bytes:
        """The next frame."""
        ...


@dataclass(frozen=True, slots=True)
class _Waiting:
    """The one own call in flight."""

    message_id: str
    answer: asyncio.Future[frames.Result | frames.Error]
    since: float  # by the loop's time


class Endpoint:
    """One connection's calls in both directions.

    Args:
        connection: an open WebSocket; whoever opened it closes it.
        schemas: of the version that was negotiated.
        handlers: for the calls of the CSMS, by action.
        timeout: how long an own call waits for its answer; may be set at any time.
        spacing: quiet time before an own call, since the last answer in either direction.
        spawn: takes over the work after a reply; must outlive the connection.
        on_frame: is told ``"sent"`` or ``"received"`` and the text of every frame, unmasked.
        on_invalid: is told of illegal messages of the CSMS, once per kind and connection.
        on_replay: is told, once per connection, of a call that came before, its id included.
        busy: the description of a CALLERROR by which the CSMS only says that it is busy; the same
            message goes out again after a pause, up to ``BUSY_MOST`` times.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        schemas: Schemas,
        handlers: Mapping[str, Handler],
        timeout: timedelta,
        spawn: Callable[[Coroutine[Any, Any, None]], None],
        spacing: timedelta = timedelta(0),
        on_frame: Callable[[str, str], None] | None = None,
        on_invalid: Callable[[str], None] | None = None,
        on_replay: Callable[[str], None] | None = None,
        busy: str = "",
    ) -> None:
        self.timeout = timeout
        self.silences = 0  # own calls in a row that were not answered in time
        self._connection = connection
        self._schemas = schemas
        self._handlers = handlers
        self._following = Following(spawn)
        self._spacing = spacing.total_seconds()
        self._answered_at = float("-inf")  # by the loop's time, in either direction
        self._on_frame = on_frame
        self._on_invalid = on_invalid
        self._on_replay = on_replay
        self._busy = busy
        self._taken: deque[tuple[str, int]] = deque(maxlen=_REMEMBERED_CALLS)  # id, hash of frame
        self._turn = asyncio.Lock()  # of the one own call in flight
        self._waiting: _Waiting | None = None
        self._given_up: deque[str] = deque(maxlen=_REMEMBERED_IDS)
        self._calls: asyncio.Queue[frames.Call] = asyncio.Queue(MAX_WAITING_CALLS)
        self._owed = 0  # calls of the CSMS that were taken and not yet answered
        self._nothing_owed = asyncio.Event()
        self._nothing_owed.set()
        self._worker: asyncio.Task[None] | None = None
        self._lost = False
        self._complaints: set[str] = set()

    @property
    def closed(self) -> bool:
        """Whether the connection is gone; true from the first sign of it."""
        return self._lost

    async def run(self) -> None:
        """Read and answer until the connection is closed, cleanly or not, then return.

        A call that waits at that moment raises CsmsUnavailable. A handler that is at work is
        cancelled: work that must be finished belongs to the station, not to the connection.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                self._worker = tasks.create_task(self._work(), name="csms worker")
                with suppress(CsmsUnavailable):
                    await self._read()
                self._worker.cancel()
        finally:
            self._release()

    async def call(
        self, action: str, payload: Payload, *, message_id: str | None = None
    ) -> Payload:
        """Send a request and return the answer; callers queue up in the order they came.

        ``message_id`` is given when a message may be sent again; by default it is new.

        Raises:
            OutgoingInvalid: the request breaks its schema; nothing was sent.
            CsmsUnavailable: the connection is closed, or there was no answer in time.
            CsmsRejected: CALLERROR, or an answer that breaks its schema (code FormatViolation).
        """
        if asyncio.current_task() is self._worker:
            raise RuntimeError("a handler must not call the CSMS; return Reply(payload, after)")
        message_id = message_id or str(uuid.uuid4())
        text = self._request(message_id, action, payload)
        async with self._turn:
            answer = await self._insist(message_id, action, text)
        if isinstance(answer, frames.Error):
            raise CsmsRejected(answer.code, answer.description, answer.details)
        return self._answer_to(action, answer)

    def _request(self, message_id: str, action: str, payload: Payload) -> str:
        try:
            self._schemas.request(action, payload)
            return frames.call(message_id, action, payload)
        except (Violation, ValueError, KeyError) as error:
            log.error("a %s of ours is not legal and was not sent: %s", action, error)  # noqa: TRY400 - the message says where
            raise OutgoingInvalid(f"{action}: {error}") from error

    async def _insist(
        self, message_id: str, action: str, text: str
    ) -> frames.Result | frames.Error:
        """The answer, once the CSMS is not busy any more; nobody else gets in between."""
        for _ in range(BUSY_MOST):
            await self._answers_first()
            while (left := self._left_of_spacing()) > 0:
                await asyncio.sleep(left)
                await self._answers_first()
            answer = await self._exchange(message_id, action, text)
            if not (isinstance(answer, frames.Error) and self._busy):
                break
            if answer.description != self._busy:
                break
            log.info("the CSMS is busy, %s again in %g s", action, BUSY_PAUSE.total_seconds())
            await asyncio.sleep(BUSY_PAUSE.total_seconds())
        return answer

    async def _answers_first(self) -> None:
        """Wait, but not longer than for an answer, until the CSMS has all answers we owe it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.timeout.total_seconds()):
                await self._nothing_owed.wait()

    def _left_of_spacing(self) -> float:
        """Seconds until an own call may go out."""
        if not self._spacing:
            return 0.0
        return self._answered_at + self._spacing - asyncio.get_running_loop().time()

    async def _exchange(
        self, message_id: str, action: str, text: str
    ) -> frames.Result | frames.Error:
        if self._lost:
            raise CsmsUnavailable("not connected")
        loop = asyncio.get_running_loop()
        waiting = _Waiting(message_id, loop.create_future(), loop.time())
        self._waiting = waiting
        try:
            async with asyncio.timeout(self.timeout.total_seconds()):
                await self._send(text)
                answer = await waiting.answer
        except TimeoutError:
            self.silences += 1
            raise CsmsUnavailable(
                f"no answer to {action} within {self.timeout.total_seconds():g} s"
            ) from None
        else:
            self.silences = 0
            return answer
        finally:
            self._waiting = None
            self._answered_at = asyncio.get_running_loop().time()
            if not waiting.answer.done() or waiting.answer.cancelled():
                self._given_up.append(message_id)

    def _answer_to(self, action: str, answer: frames.Result) -> Payload:
        try:
            self._schemas.response(action, answer.payload)
        except Violation as violation:
            log.warning("the CSMS's answer to %s is not legal: %s", action, violation)
            raise CsmsRejected("FormatViolation", str(violation)) from violation
        payload: Payload = answer.payload
        return payload

    async def _read(self) -> None:
        while True:
            try:
                frame = await self._connection.recv()
            except ConnectionClosed as closed:
                self._release(closed)
                return
            text = frame if isinstance(frame, str) else frame.decode(errors="replace")
            self._record("received", text)
            try:
                message = frames.parse(text)
            except Malformed as malformed:
                await self._refuse_frame(malformed)
                continue
            if isinstance(message, frames.Call):
                self._look_for_replay(message, text)
                await self._take(message)
            else:
                self._hand_over(message)

    async def _refuse_frame(self, malformed: Malformed) -> None:
        self._invalid(malformed.defect, "the CSMS sent a frame that is no message: %s", malformed)
        code = _MALFORMED_CODES[self._schemas.version].get(malformed.defect)
        if code is not None:
            message_id = malformed.message_id or _UNREADABLE_ID
            await self._send(frames.error(message_id, code, str(malformed), {}))

    def _look_for_replay(self, call: frames.Call, text: str) -> None:
        """Say if the very same call came before on this connection, where ids are never reused.

        It is answered nevertheless: a CSMS that numbers its calls badly is no attacker.
        """
        seen = (call.message_id, hash(text))
        if seen in self._taken and "replay" not in self._complaints:
            self._complain("replay", "the CSMS sent the same %s twice", call.action)
            if self._on_replay is not None:
                self._on_replay(f"{call.action} {call.message_id} came twice")
        self._taken.append(seen)

    async def _take(self, call: frames.Call) -> None:
        try:
            self._calls.put_nowait(call)
        except asyncio.QueueFull:
            self._complain("flood", "more than %s calls of the CSMS wait", MAX_WAITING_CALLS)
            text = frames.error(call.message_id, "GenericError", "too many calls are waiting", {})
            await self._send(text)
        else:
            self._owed += 1
            self._nothing_owed.clear()

    def _hand_over(self, answer: frames.Result | frames.Error) -> None:
        waiting = self._waiting
        if waiting is not None and waiting.message_id == answer.message_id:
            if not waiting.answer.done():
                waiting.answer.set_result(answer)
        elif answer.message_id in self._given_up:
            log.info("an answer came after its time-out and was dropped")
        else:
            self._complain("answer", "the CSMS answered a call that nobody waits for")

    async def _work(self) -> None:
        """Answer the CSMS's calls one by one, in order."""
        with suppress(CsmsUnavailable):  # the reader notices it, too, and ends everything
            while True:
                text, after = await self._answer(await self._calls.get())
                await self._send(text)
                self._answered_at = asyncio.get_running_loop().time()
                self._owed -= 1
                if not self._owed:
                    self._nothing_owed.set()
                if after is not None:
                    self._following.begin(after())

    async def _answer(self, call: frames.Call) -> tuple[str, After | None]:
        try:
            reply = await self._handle(call)
            self._schemas.response(call.action, reply.payload)
            return frames.result(call.message_id, reply.payload), reply.after
        except CallError as error:
            return (
                frames.error(call.message_id, error.code, error.description, error.details),
                None,
            )
        except Exception:
            # The one broad except beside the supervisor: a defect in one handler must not cut off
            # the station. The CSMS gets InternalError, the log gets the trace.
            log.exception("the handler of %s failed", call.action)
            return frames.error(call.message_id, "InternalError", "the station failed", {}), None

    async def _handle(self, call: frames.Call) -> Reply:
        log.debug("the CSMS calls %s", call.action)
        handler = self._handlers.get(call.action)
        if handler is None:
            raise self._no_handler(call.action)
        try:
            self._schemas.request(call.action, call.payload)
        except Violation as violation:
            self._invalid(call.action, "the CSMS's %s is not legal: %s", call.action, violation)
            raise CallError(violation.code, str(violation)) from violation
        self._following.check()
        reply = await handler(call.payload)
        return reply if isinstance(reply, Reply) else Reply(reply)

    def _no_handler(self, action: str) -> CallError:
        """NotImplemented means that the version has no such action, NotSupported that we lack it.

        An action that only a station may send is of the second kind.
        """
        if action in self._schemas.actions():
            return CallError("NotSupported", f"{action} is not supported by this station")
        return CallError("NotImplemented", f"no such action in OCPP {self._schemas.version}")

    async def _send(self, text: str) -> None:
        self._record("sent", text)
        try:
            await self._connection.send(text)
        except ConnectionClosed as closed:
            self._lost = True
            raise ended(closed, None) from closed

    def _record(self, direction: str, text: str) -> None:
        if wire.isEnabledFor(logging.DEBUG):
            wire.debug("%s %s", direction, frames.masked(text))
        if self._on_frame is not None:
            self._on_frame(direction, text)

    def _complain(self, subject: str, message: str, *args: object) -> None:
        """Warn once per subject and connection; the rest is for debugging."""
        known = subject in self._complaints
        self._complaints.add(subject)
        log.log(logging.DEBUG if known else logging.WARNING, message, *args)

    def _invalid(self, subject: str, message: str, *args: object) -> None:
        """Complain, and let the security log know (InvalidMessages)."""
        if subject not in self._complaints and self._on_invalid is not None:
            self._on_invalid(message % args)
        self._complain(subject, message, *args)

    def _release(self, closed: ConnectionClosed | None = None) -> None:
        """Nobody reads any more: release the call that waits."""
        self._lost = True
        self._nothing_owed.set()
        if self._waiting is not None and not self._waiting.answer.done():
            out = asyncio.get_running_loop().time() - self._waiting.since
            self._waiting.answer.set_exception(ended(closed, timedelta(seconds=out)))
            self._waiting.answer.exception()  # who waits may be cancelled before it looks
