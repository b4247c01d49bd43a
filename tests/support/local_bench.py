"""The local HTTP server with one route of each kind, and clients for it, proper and raw ones."""

import asyncio
import http.client
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from http import HTTPStatus

import msgspec

from chargepoint.local.http import (
    Event,
    EventStream,
    HttpServer,
    Limits,
    Refusal,
    Request,
    Response,
    Route,
)

TOKEN = "correct-horse"
AUTH = {"Authorization": f"Bearer {TOKEN}"}
QUICK = timedelta(milliseconds=150)
LONG = timedelta(seconds=30)


class Plug(msgspec.Struct, forbid_unknown_fields=True):
    evse: int


class Bench:
    """A server with one route of each kind, and what its handlers saw."""

    def __init__(self) -> None:
        self.closed_streams = 0
        self.more = asyncio.Event()
        self.closed = asyncio.Event()
        self.routes = [
            Route("GET", "/healthz", self.healthy, public=True),
            Route("GET", "/v1/things/{id}", self.thing),
            Route("POST", "/v1/echo", self.echo),
            Route("POST", "/v1/plug", self.plug),
            Route("GET", "/v1/crash", self.crash),
            Route("GET", "/v1/busy", self.busy),
            Route("GET", "/v1/events", self.events),
            Route("GET", "/v1/flood", self.flood),
            Route("GET", "/v1/broken", self.broken),
        ]

    async def healthy(self, _: Request) -> Response:
        return Response("alive\n")

    async def thing(self, request: Request) -> Response:
        return Response({"id": request.params["id"], "query": request.query})

    async def echo(self, request: Request) -> Response:
        return Response(request.json(), HTTPStatus.ACCEPTED)

    async def plug(self, request: Request) -> Response:
        return Response({"evse": request.read(Plug).evse})

    async def crash(self, _: Request) -> Response:
        raise RuntimeError("the innermost secret")

    async def busy(self, _: Request) -> Response:
        raise Refusal(HTTPStatus.CONFLICT, "real hardware is not driven from here")

    async def events(self, _: Request) -> EventStream:
        async def told() -> AsyncGenerator[Event, None]:
            try:
                yield Event("status", {"n": 1})
                await self.more.wait()
                yield Event("status", {"text": "a\nb"}, id="7")
            finally:
                self.closed_streams += 1
                self.closed.set()

        return EventStream(told())

    async def flood(self, _: Request) -> EventStream:
        async def told() -> AsyncGenerator[Event, None]:
            try:
                while True:
                    yield Event("frame", "x" * 100_000)
            finally:
                self.closed_streams += 1
                self.closed.set()

        return EventStream(told())

    async def broken(self, _: Request) -> EventStream:
        async def told() -> AsyncGenerator[Event, None]:
            yield Event("status", 1)
            raise RuntimeError("half way")

        return EventStream(told())


@asynccontextmanager
async def serving(
    limits: Limits | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[tuple[HttpServer, Bench]]:
    bench = Bench()
    limits = limits or Limits(request=LONG)
    async with HttpServer(bench.routes, host=host, port=0, token=TOKEN, limits=limits) as server:
        yield server, bench


def _ask(
    port: int, method: str, path: str, body: bytes | None, headers: dict[str, str]
) -> tuple[int, dict[str, str], bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return response.status, found, response.read()
    finally:
        connection.close()


async def ask(
    server: HttpServer,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    given = AUTH if headers is None else headers
    return await asyncio.to_thread(_ask, server.port, method, path, body, given)


async def talk(server: HttpServer, *pieces: bytes, pause: float = 0.0) -> bytes:
    """Everything that a raw client gets back until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


EVENTS = (
    b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer correct-horse\r\n\r\n"
)


async def listen(
    server: HttpServer, path: bytes = b"/v1/events"
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(EVENTS.replace(b"/v1/events", path))
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 ")
    assert b"text/event-stream" in head
    return reader, writer
