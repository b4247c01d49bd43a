"""A small HTTP/1.1 server for the station's own interface, on asyncio streams and h11.

Why not a framework: aiohttp takes 12 MB of memory in a process that may have 40, and its routing
and middleware are more than a dozen paths with JSON need. h11 does the part that is easy to get
wrong, the protocol itself.

Who may ask is decided in ``local.gate``. What all clients together may cost is bounded here:
connections, streams, bytes, time, and requests in a second, beyond which they wait.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Sequence
from contextlib import aclosing, suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, NoReturn, Self

import h11

from chargepoint.local.gate import Attempted, Gate, household
from chargepoint.local.guard import guarded
from chargepoint.local.http_messages import (
    Answer,
    Event,
    EventStream,
    Handler,
    Limits,
    Refusal,
    Request,
    Response,
    Route,
)

__all__ = [
    "Answer",
    "Event",
    "EventStream",
    "Handler",
    "HttpServer",
    "Limits",
    "Refusal",
    "Request",
    "Response",
    "Route",
]

log = logging.getLogger(__name__)

_CHUNK: Final = 16 * 1024
_LINGER_S: Final = 1.0
_LENGTHS: Final = {b"content-length", b"transfer-encoding"}
_ALWAYS: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)


class HttpServer:
    """Serves ``routes`` while its ``async with`` is open; leaving it closes every connection.

    Args:
        routes: what can be asked for.
        host: address or name to listen on.
        port: 0 for any free one; the attribute ``port`` then says which.
        token: what clients send as ``Authorization: Bearer``.
        limits: how much one client may ask for.
        attempted: is told from which address a token came, and whether it was the right one.

    Raises:
        ValueError: the token is empty.
        OSError: on entering, if the address cannot be listened on.
    """

    def __init__(
        self,
        routes: Sequence[Route],
        *,
        host: str,
        port: int,
        token: str,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        attempted: Attempted = lambda *_: None,
    ) -> None:
        self.host = host
        self.port = port
        self._gate = Gate(routes, host=host, token=token, limits=limits, attempted=attempted)
        self._limits = limits
        self._load = _Load(limits)
        self._tasks = asyncio.TaskGroup()
        self._open: dict[asyncio.Task[None], _Connection] = {}
        self._server: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where it listens, for people and scripts."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        self._server = await asyncio.start_server(self._accept, self.host, self.port, limit=_CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.close()
        for task in self._open:
            task.cancel()
        # The group is told of no error, so that what happened in the block leaves it unwrapped.
        await self._tasks.__aexit__(None, None, None)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Closing already, or no room even to say that there is none.
        if self._server is None or len(self._open) >= 2 * self._limits.connections:
            writer.transport.abort()
            return
        connection = _Connection(reader, writer, self._gate, self._load)
        full = self._crowd(connection.whose)
        serve = connection.turn_away(full) if full else connection.serve()
        task = self._tasks.create_task(guarded(serve))
        self._open[task] = connection
        task.add_done_callback(partial(self._leave, serve))

    def _leave(self, serve: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        """Of a task that was cancelled before its first step nobody else takes care."""
        serve.close()
        self._open.pop(task).drop()

    def _crowd(self, newcomer: str) -> int:
        """How many connections are too many already for another one from there; 0 if none are.

        Who shows no token and asks nothing makes room, the one that did so for longest first. To
        send a request byte by byte, or to leave its answer unread, is no asking.
        """
        patience_s = self._limits.patience.total_seconds()
        for most, whose in ((self._limits.each, {newcomer}), (self._limits.connections, None)):
            crowd = [one for one in self._open.values() if not one.gone]
            crowd = [one for one in crowd if whose is None or one.whose in whose]
            if len(crowd) < most:
                continue
            idle = [one for one in crowd if not one.known and one.idle_s > patience_s]
            if not idle:
                return most
            max(idle, key=lambda one: one.idle_s).drop()
        return 0


class _Load:
    """What all clients together ask for: streams that are open, requests in a second."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.streams = 0
        self._free_at = 0.0

    async def turn(self) -> None:
        """Wait until one more request does not make too many in a second; a few may come at once.

        Waiting, not refusing: an answer would cost as much as the request asked for.
        """
        now, pause_s = time.monotonic(), 1 / self.limits.requests_per_s
        burst_s = self.limits.requests_at_once * pause_s
        self._free_at = max(self._free_at, now - burst_s) + pause_s
        if self._free_at > now:
            await asyncio.sleep(self._free_at - now)


class _Gone(Exception):  # noqa: N818 - reads as a state
    """The client left, or makes no room for what it is sent."""


class _Connection:
    """One client's connection: requests and answers in turn."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: Gate,
        load: _Load,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._gate = gate
        self._load = load
        self._limits = limits = load.limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        self._head_only = False  # the request asks for no body, whatever the answer is
        self._asked_at = time.monotonic()
        self.origin = str((writer.get_extra_info("peername") or ["unknown"])[0])
        self.whose = household(self.origin)
        self.known = False  # has shown the token
        self.gone = False
        writer.transport.set_write_buffer_limits(high=0)  # drain() then means sent

    @property
    def idle_s(self) -> float:
        """For how long no request was whole and answered: half of one asks nothing yet."""
        return time.monotonic() - self._asked_at

    def drop(self) -> None:
        """Make room for another one."""
        self.gone = True
        self._writer.transport.abort()

    async def serve(self) -> None:
        """Answer until the client leaves, is idle for too long or cannot be understood."""
        try:
            while await self._exchange():
                self._http.start_next_cycle()
            await self._linger()
        except _Gone:
            log.debug("a client left")
        except h11.LocalProtocolError:  # one bad answer must not end the interface
            log.exception("an answer to %s was not HTTP", self.origin)
        finally:
            self._writer.transport.abort()

    async def turn_away(self, full: int) -> None:
        """Say that there are too many connections already."""
        self.gone = True
        sentence = f"{full} connections are open already; try again later"
        try:
            await self._send(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence).response())
            await self._linger()
        except _Gone:
            log.debug("a client left that was one too many")
        finally:
            self._writer.transport.abort()

    async def _exchange(self) -> bool:
        """One request and its answer; False if another cannot follow."""
        self._head_only = False
        self._asked_at = time.monotonic()
        await self._first_byte()
        await self._load.turn()
        try:
            async with asyncio.timeout(self._limits.request.total_seconds()):
                head, body = await self._receive()
        except TimeoutError:
            within = f"within {self._limits.request.total_seconds():g} s"
            refusal = Refusal(HTTPStatus.REQUEST_TIMEOUT, f"the request was not complete {within}")
        except h11.RemoteProtocolError as error:
            refusal = Refusal(HTTPStatus(error.error_status_hint), f"not HTTP/1.1: {error}")
        except Refusal as error:
            refusal = error
        else:
            answer = await self._answer(head, body)
            await self._send(answer)
            return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        await self._send(refusal.response())
        return False

    async def _first_byte(self) -> None:
        """Wait for the next request to begin."""
        if self._http.trailing_data[0]:
            return
        try:
            async with asyncio.timeout(self._limits.idle.total_seconds()):
                data = await self._read()
        except TimeoutError as error:
            raise _Gone from error
        if not data:
            raise _Gone
        self._http.receive_data(data)

    async def _receive(self) -> tuple[h11.Request, bytes]:
        """A whole request.

        Raises:
            Refusal: its body is too large, or of two lengths.
            h11.RemoteProtocolError: it is no proper HTTP, or its header is too large.
        """
        head, body = await self._event(), bytearray()
        if not isinstance(head, h11.Request):
            raise _Gone
        self._head_only = head.method == b"HEAD"
        if {name for name, _ in head.headers} >= _LENGTHS:  # a proxy may go by the other one
            raise Refusal(HTTPStatus.BAD_REQUEST, "both Content-Length and Transfer-Encoding")
        while isinstance(event := await self._event(), h11.Data):
            body += event.data
            if len(body) > self._limits.body_bytes:
                raise Refusal(
                    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                    f"the body is too large; allowed: {self._limits.body_bytes} bytes",
                )
        return head, bytes(body)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                go_on = h11.InformationalResponse(status_code=100, headers=[])
                await self._write(self._http.send(go_on))
            self._http.receive_data(await self._read())
        return event

    async def _answer(self, head: h11.Request, body: bytes) -> Answer:
        try:
            route, request = self._gate.admit(head, body, self.origin)
            self.known = self.known or not route.public
            return await self._bounded(await route.handler(request))
        except Refusal as refusal:
            return refusal.response()
        except Exception:  # one bad handler must not end the interface
            log.exception("%s %s", head.method.decode(), head.target.decode())
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return Refusal(status, "this is a defect of the station; its log says more").response()

    async def _bounded(self, answer: Answer) -> Answer:
        """The answer, unless it is a stream too many."""
        if not isinstance(answer, EventStream) or self._load.streams < self._limits.streams:
            return answer
        await answer.events.aclose()
        sentence = f"{self._limits.streams} event streams are open already"
        raise Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence)

    async def _send(self, answer: Answer) -> None:
        if isinstance(answer, EventStream):
            await self._send_head(HTTPStatus.OK, [("Content-Type", "text/event-stream")])
            if self._head_only:
                await answer.events.aclose()
            else:
                await self._stream(answer)
        else:
            body, content_type = answer.payload()
            headers = [("Content-Length", str(len(body))), *answer.headers.items()]
            headers += [("Content-Type", content_type)] if content_type else []
            await self._send_head(answer.status, headers)
            if body and not self._head_only:
                await self._write(self._http.send(h11.Data(data=body)))
        await self._write(self._http.send(h11.EndOfMessage()))

    async def _send_head(self, status: HTTPStatus, headers: list[tuple[str, str]]) -> None:
        if self._http.their_state is not h11.DONE:
            headers = [*headers, ("Connection", "close")]
        head = h11.Response(
            status_code=status, reason=status.phrase.encode(), headers=[*headers, *_ALWAYS]
        )
        await self._write(self._http.send(head))

    async def _stream(self, stream: EventStream) -> None:
        complete = False
        self._load.streams += 1
        try:
            async with asyncio.TaskGroup() as tasks, aclosing(stream.events) as events:
                others = [tasks.create_task(part) for part in (self._beat(), self._until_gone())]
                async for event in events:
                    await self._write(self._http.send(h11.Data(data=event.encode())))
                for other in others:
                    other.cancel()
                complete = True
        except* _Gone:
            log.debug("a client left its event stream")
        except* Exception as group:  # one bad handler must not end the interface
            log.error("an event stream broke off", exc_info=group.exceptions[0])  # noqa: TRY400
        finally:
            self._load.streams -= 1
        if not complete:
            raise _Gone

    async def _beat(self) -> NoReturn:
        """Show the client that the stream is alive, and learn that the client is not."""
        while True:
            await asyncio.sleep(self._limits.beat.total_seconds())
            await self._write(self._http.send(h11.Data(data=b":\n\n")))

    async def _until_gone(self) -> NoReturn:
        while await self._read():
            pass  # a client has nothing to say while it listens
        raise _Gone

    async def _linger(self) -> None:
        """Let the client read the last answer: closing over unread input would destroy it."""
        with suppress(TimeoutError, OSError):
            self._writer.write_eof()
            async with asyncio.timeout(_LINGER_S):
                while await self._read():
                    pass

    async def _read(self) -> bytes:
        try:
            return await self._reader.read(_CHUNK)
        except OSError as error:
            raise _Gone from error

    async def _write(self, data: bytes | None) -> None:
        if not data:
            return
        try:
            self._writer.write(data)
            async with asyncio.timeout(self._limits.write.total_seconds()):
                await self._writer.drain()
        except (OSError, TimeoutError) as error:
            raise _Gone from error
