"""A small HTTP/1.1 server for the station's own interface, on asyncio streams and h11.

Why not a framework: aiohttp takes 12 MB of memory in a process that may have 40, and its routing
and middleware are more than a dozen paths with JSON need. h11 does the part that is easy to get
wrong, the protocol itself.

Who may ask: whoever has the token. Browsers of strangers are kept out twice: a foreign ``Origin``
is refused, and so is a ``Host`` that is neither an address nor the name listened on, because a page
can point its own name at 127.0.0.1 (DNS rebinding).
"""

import asyncio
import hmac
import ipaddress
import logging
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import Final, NoReturn, Self, TypeAlias
from urllib.parse import parse_qsl

import h11

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

Attempted: TypeAlias = Callable[[str, bool], None]

_CHUNK: Final = 16 * 1024
_MOST_QUERY_FIELDS: Final = 50
_LINGER_S: Final = 1.0
_ALWAYS: Final = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))


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
        self._gate = _Gate(routes, host=host, token=token, attempted=attempted)
        self._limits = limits
        self._tasks = asyncio.TaskGroup()
        self._open: set[asyncio.Task[None]] = set()
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
        most = self._limits.connections
        # Closing already, or no room even to say that there is none.
        if self._server is None or len(self._open) >= 2 * most:
            writer.transport.abort()
            return
        connection = _Connection(reader, writer, self._gate, self._limits)
        full = len(self._open) >= most
        task = self._tasks.create_task(connection.turn_away() if full else connection.serve())
        self._open.add(task)
        task.add_done_callback(self._open.discard)


class _Gate:
    """Decides who may ask for what, from the request alone."""

    def __init__(
        self, routes: Sequence[Route], *, host: str, token: str, attempted: Attempted
    ) -> None:
        if not token:
            raise ValueError("a token is needed; allowed: any text but none")
        self._routes = routes
        self._names = {"localhost", host.lower()}
        self._token = token.encode()
        self._attempted = attempted

    def admit(self, head: h11.Request, body: bytes, origin: str) -> tuple[Route, Request]:
        """The route of a request that came from the address ``origin``.

        Raises:
            Refusal: 403 for strangers' browsers, 401 without the token, 404, 405, 400.
        """
        headers = {name.decode(): value.decode("latin-1") for name, value in head.headers}
        method = head.method.decode()
        self._check_browser(headers)
        path, _, query = re.sub(r"^https?://[^/?]*", "", head.target.decode()).partition("?")
        matches = [
            (route, found) for route in self._routes if (found := route.match(path)) is not None
        ]
        served = "GET" if method == "HEAD" else method
        for route, params in matches:
            if route.method == served:
                if not route.public:
                    self._check_token(headers, origin)
                fields = _query(query)
                return route, Request(method, path, params, fields, headers, body)
        self._check_token(headers, origin)  # who has no token does not learn which paths there are
        if not matches:
            raise Refusal(HTTPStatus.NOT_FOUND, f"there is nothing at {path}")
        allow = sorted({route.method for route, _ in matches})
        raise Refusal(
            HTTPStatus.METHOD_NOT_ALLOWED,
            f"{method} is not possible at {path}; allowed: {', '.join(allow)}",
            {"Allow": ", ".join([*allow, "HEAD"] if "GET" in allow else allow)},
        )

    def _check_browser(self, headers: Mapping[str, str]) -> None:
        host = headers.get("host", "")
        if host and not self._is_own(host):  # no browser leaves it out
            sentence = f"Host {host!r} is not this station; use its address instead of a name"
            raise Refusal(HTTPStatus.FORBIDDEN, sentence)
        origin = headers.get("origin")
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            raise Refusal(HTTPStatus.FORBIDDEN, f"pages of {origin!r} have no business here")

    def _is_own(self, host: str) -> bool:
        name = re.sub(r":\d*$", "", host).lower()
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True

    def _check_token(self, headers: Mapping[str, str], origin: str) -> None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        given = token.strip().encode("latin-1")
        good = scheme.lower() == "bearer" and hmac.compare_digest(given, self._token)
        if given:
            self._attempted(origin, good)
        if not good:
            raise Refusal(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong; send Authorization: Bearer TOKEN",
                {"WWW-Authenticate": "Bearer"},
            )


def _query(text: str) -> dict[str, str]:
    try:
        return dict(parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_QUERY_FIELDS))
    except ValueError as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"bad query: {error}") from error


class _Gone(Exception):  # noqa: N818 - reads as a state
    """The client left, or makes no room for what it is sent."""


class _Connection:
    """One client's connection: requests and answers in turn."""

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        gate: _Gate,
        limits: Limits,
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._gate = gate
        self._limits = limits
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=limits.header_bytes)
        self._origin = str((writer.get_extra_info("peername") or ["unknown"])[0])
        writer.transport.set_write_buffer_limits(high=0)  # drain() then means sent

    async def serve(self) -> None:
        """Answer until the client leaves, is idle for too long or cannot be understood."""
        try:
            while await self._exchange():
                self._http.start_next_cycle()
            await self._linger()
        except _Gone:
            log.debug("a client left")
        finally:
            self._writer.transport.abort()

    async def turn_away(self) -> None:
        """Say that there are too many connections already."""
        sentence = f"{self._limits.connections} connections are open already; try again later"
        try:
            await self._send(Refusal(HTTPStatus.SERVICE_UNAVAILABLE, sentence).response())
            await self._linger()
        except _Gone:
            log.debug("a client left that was one too many")
        finally:
            self._writer.transport.abort()

    async def _exchange(self) -> bool:
        """One request and its answer; False if another cannot follow."""
        await self._first_byte()
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
            await self._send(answer, body_wanted=head.method != b"HEAD")
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
            Refusal: its body is too large.
            h11.RemoteProtocolError: it is no proper HTTP, or its header is too large.
        """
        head, body = await self._event(), bytearray()
        if not isinstance(head, h11.Request):
            raise _Gone
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
            route, request = self._gate.admit(head, body, self._origin)
            return await route.handler(request)
        except Refusal as refusal:
            return refusal.response()
        except Exception:  # one bad handler must not end the interface
            log.exception("%s %s", head.method.decode(), head.target.decode())
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            return Refusal(status, "this is a defect of the station; its log says more").response()

    async def _send(self, answer: Answer, *, body_wanted: bool = True) -> None:
        if isinstance(answer, EventStream):
            await self._send_head(HTTPStatus.OK, [("Content-Type", "text/event-stream")])
            if body_wanted:
                await self._stream(answer)
            else:
                await answer.events.aclose()
        else:
            body, content_type = answer.payload()
            headers = [("Content-Length", str(len(body))), *answer.headers.items()]
            headers += [("Content-Type", content_type)] if content_type else []
            await self._send_head(answer.status, headers)
            if body and body_wanted:
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
