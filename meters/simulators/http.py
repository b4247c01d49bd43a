"""Simulated meters that speak HTTP: what a device is asked, and the server that carries it.

The device decides at once and knows nothing of the wire; connections, TLS and everything that goes
wrong on the way are the server's. aiohttp is imported when a server opens.
"""

import asyncio
import json
import logging
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Protocol, Self, runtime_checkable

import msgspec

from meters.simulators.faults import INSIDE, ON_HTTP, Fault, FaultKind, Faults, GivenHttp

if TYPE_CHECKING:
    from aiohttp import web

    from meters.simulators.certificate import Certificate

log = logging.getLogger(__name__)

_TICK_S: Final = 1.0
_REMEMBERED: Final = 2000
_MOST_BODY: Final = 4 * 2**20
_CUT_SHORT: Final = 3
_PAGE: Final = b"<!DOCTYPE html>\n<html><body><h1>Sign in</h1></body></html>\n"
_ENCODER: Final = msgspec.json.Encoder(decimal_format="number")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """What a client asks; ``path`` is decoded, names of ``headers`` are in lower case."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def json(self) -> Any:  # noqa: ANN401 - whatever the client says
        """The body as plain values, numbers with a point as ``Decimal``.

        Raises:
            ValueError: it is no JSON.
        """
        return json.loads(self.body, parse_float=Decimal)


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What the device answers, ``delay_s`` after the request."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    delay_s: float = 0.0
    headers: Mapping[str, str] = field(default_factory=dict)


def json_response(value: object, status: int = 200) -> HttpResponse:
    """An answer in JSON; ``Decimal`` becomes a number with exactly its digits."""
    return HttpResponse(status, _ENCODER.encode(value))


class Device(Protocol):
    """What a server asks of a meter."""

    faults: Faults

    def silent(self) -> bool:
        """Whether it is not there now, because it is starting up."""
        ...

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Carry out one request."""
        ...

    def tick(self) -> None:
        """Called every second."""
        ...


@runtime_checkable
class Certified(Protocol):
    """A device that tells over HTTP which certificate it shows; the server sets it (PEM)."""

    certificate_pem: str


@dataclass(slots=True)
class HttpCounters:
    """What happened since the server was made."""

    requests: int = 0
    replies: int = 0
    refusals: int = 0
    faults: int = 0
    cut: int = 0


class HttpServer:
    """One device on one address; ``async with`` opens and closes it.

    Attributes:
        device: what answers.
        faults: what goes wrong on the way; the device has its own besides.
        counters: what happened so far.
        requests: the last requests, oldest first.
    """

    def __init__(
        self,
        device: Device,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: "Certificate | None" = None,
    ) -> None:
        """Port 0 takes any free one; ``tls`` makes it HTTPS."""
        self.device = device
        self.host, self.port, self.tls = host, port, tls
        self.faults = Faults()
        self.counters = HttpCounters()
        self.requests: deque[HttpRequest] = deque(maxlen=_REMEMBERED)
        self._server: asyncio.Server | None = None
        self._web: web.Server | None = None
        self._plugged = True
        self._closing = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        if tls is not None and isinstance(device, Certified):
            device.certificate_pem = tls.pem

    async def __aenter__(self) -> Self:
        from aiohttp import web

        loop = asyncio.get_running_loop()
        self._web = web.Server(self._serve, access_log=None, auto_decompress=False)
        context = None if self.tls is None else self.tls.server_context()
        self._server = await loop.create_server(self._protocol, self.host, self.port, ssl=context)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tick()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._closing.set()
        if self._server is not None:
            self._server.close()
        if self._web is not None:
            await self._web.shutdown(timeout=0)
        self.hang_up()
        await asyncio.sleep(0)  # the loop closes what was cut in its next round

    @property
    def where(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        """Where a client finds it, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'http' if self.tls is None else 'https'}://{host}:{self.port}"

    def add_fault(self, added: Fault, unit: int | None = None) -> None:
        """Let something go wrong on the way to the device, or in it if it is that kind.

        Raises:
            LookupError: a unit other than 1.
            ValueError: such a thing does not happen over HTTP.
        """
        if unit not in {None, 1}:
            raise LookupError(f"unit {unit}: there is one device, 1")
        if added.kind not in ON_HTTP:
            raise ValueError(f"{added.kind} does not happen over HTTP")
        (self.device.faults if added.kind in INSIDE or unit else self.faults).add(added)

    def status(self) -> dict[str, object]:
        """What happened, ready for JSON."""
        faults = [str(fault) for fault in self.faults.active()]
        return {"where": self.where, "counters": asdict(self.counters), "faults": faults}

    def plug_in(self) -> None:
        """Put the device back on the network."""
        self._plugged = True

    def unplug(self) -> None:
        """Take the device off the network: connections are cut, new ones too."""
        self._plugged = False
        self.hang_up()

    def hang_up(self) -> None:
        """Cut all connections."""
        for connection in () if self._web is None else self._web.connections:
            if connection.transport is not None:
                connection.transport.abort()

    # Inside.

    def _protocol(self) -> asyncio.Protocol:
        assert self._web is not None  # noqa: S101 - made before the server listens
        if not self._plugged or self.device.silent():
            return _Cut()
        return self._web()

    async def _serve(self, request: "web.BaseRequest") -> "web.StreamResponse":
        from aiohttp import web

        transport = request.transport
        if transport is None:
            raise ConnectionResetError
        try:
            return await self._answer(request, transport)
        except ConnectionResetError:  # cut on purpose; what is returned goes nowhere
            return web.Response()

    async def _answer(
        self, request: "web.BaseRequest", transport: asyncio.Transport
    ) -> "web.StreamResponse":
        asked = await _asked(request)
        self.requests.append(asked)
        self.counters.requests += 1
        given = GivenHttp(asked.method, asked.path)
        hits = self.faults.on_the_wire(given) | self.device.faults.on_the_wire(given)
        self.counters.faults += len(hits)
        if FaultKind.SILENCE in hits:
            await self._closing.wait()
        if self._gone() or FaultKind.SILENCE in hits or FaultKind.RESET in hits:
            self._cut(transport)
        if refused := hits.get(FaultKind.STATUS):
            response = HttpResponse(refused.amount, b"fault on request", "text/plain")
        else:
            response = self.device.handle(asked)
        if FaultKind.LOST_REPLY in hits:
            self._cut(transport)
        response = distorted(response, hits)
        await self._pause(response.delay_s)
        if self._gone():  # rebooted or unplugged meanwhile
            self._cut(transport)
        return await self._send(request, transport, response, hits)

    def _gone(self) -> bool:
        return not self._plugged or self.device.silent() or self._closing.is_set()

    def _cut(self, transport: asyncio.Transport) -> None:
        """Cut the connection, and the handler of its request with it."""
        self.counters.cut += 1
        transport.abort()
        raise ConnectionResetError

    async def _pause(self, seconds: float) -> None:
        if seconds > 0:
            try:
                async with asyncio.timeout(seconds):
                    await self._closing.wait()
            except TimeoutError:
                return

    async def _send(
        self,
        request: "web.BaseRequest",
        transport: asyncio.Transport,
        response: HttpResponse,
        hits: Mapping[FaultKind, Fault],
    ) -> "web.StreamResponse":
        from aiohttp import web

        self.counters.replies += 1
        self.counters.refusals += response.status >= 400  # noqa: PLR2004 - HTTP
        headers = {**response.headers, "Content-Type": response.content_type}
        cut = hits.get(FaultKind.TRUNCATED)
        if cut is None:
            return web.Response(status=response.status, body=response.body, headers=headers)
        stream = web.StreamResponse(status=response.status, headers=headers)
        stream.content_length = len(response.body)
        await stream.prepare(request)
        missing = cut.amount or _CUT_SHORT
        await stream.write(response.body[: max(len(response.body) - missing, 0)])
        transport.close()  # what is written still goes out, the rest never comes
        return stream

    def _tick(self) -> None:
        self.device.tick()
        self._timer = asyncio.get_running_loop().call_later(_TICK_S, self._tick)


class _Cut(asyncio.Protocol):
    """A connection to a device that is not there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP connections have
        transport.abort()


def distorted(response: HttpResponse, hits: Mapping[FaultKind, Fault]) -> HttpResponse:
    """What becomes of a good answer on its way, the connection apart."""
    if missing := hits.get(FaultKind.MISSING_KEY):
        response = replace(response, body=_without_key(response.body, missing.amount))
    if FaultKind.MALFORMED in hits:
        response = replace(response, body=response.body[: len(response.body) // 2])
    if wrong := hits.get(FaultKind.CONTENT_TYPE):
        body = _PAGE if wrong.amount else response.body
        response = replace(response, content_type="text/html", body=body)
    if late := hits.get(FaultKind.DELAY):
        response = replace(response, delay_s=response.delay_s + late.value_s)
    return response


def _without_key(body: bytes, place: int) -> bytes:
    """A JSON object, or the first one of a list, without its key number ``place``."""
    try:
        value = json.loads(body, parse_float=Decimal)
    except ValueError:
        return body
    shown = value[0] if isinstance(value, list) and value else value
    if not isinstance(shown, dict) or not shown:
        return body
    names: list[str] = list(shown)
    del shown[names[min(place, len(names) - 1)]]
    return _ENCODER.encode(value)


async def _asked(request: "web.BaseRequest") -> HttpRequest:
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > _MOST_BODY:
            raise ConnectionResetError
    return HttpRequest(
        request.method,
        request.path,
        dict(request.query),
        {name.lower(): value for name, value in request.headers.items()},
        bytes(body),
    )
