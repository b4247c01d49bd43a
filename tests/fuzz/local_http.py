"""The station's own interface: bytes of a client, in pieces, up to the bodies of all requests.

The first byte is the size of the pieces, 0 for all at once.
"""

import asyncio
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

from fuzz_meters import run as in_still_time

from chargepoint.local import bodies
from chargepoint.local.gate import Gate
from chargepoint.local.http import Limits, Request, Response, Route, _Connection, _Load
from chargepoint.local.records import _number, _selection
from chargepoint.local.server import _page

MODULES = (
    "chargepoint.local.gate",
    "chargepoint.local.http",
    "chargepoint.local.http_messages",
    "chargepoint.local.bodies",
    "chargepoint.local.records",
)
TOKEN = "correct-horse"
WORDS = (
    "GET ", "POST ", "HEAD ", " HTTP/1.1\r\n", " HTTP/1.0\r\n", "Host: 127.0.0.1\r\n", "\r\n\r\n",
    "Content-Length: ", "Transfer-Encoding: chunked\r\n", "Expect: 100-continue\r\n",
    "Connection: close\r\n", "Connection: upgrade\r\n", "Authorization: Bearer correct-horse\r\n",
    "Origin: http://127.0.0.1\r\n", "http://127.0.0.1", "/v1/ev/plug-in", "/v1/token",
    "/v1/contract", "/v1/fault/raise", "/v1/records?", "limit=", "before=", "since=", "until=",
    "undelivered=true", "/v1/things/", "%2f", "%ff", "evse", "connector", "power_w",
    "phases", "fault", "id_token", "type", "ISO14443", "evses", "additional", "chain", "error_code",
    "OtherError", "vendor_error_code", "info", "\ufeff",
)  # fmt: skip
KINDS = {
    "/v1/ev/plug-in": bodies.PlugBody,
    "/v1/ev/plug-out": bodies.OutletBody,
    "/v1/token": bodies.TokenBody,
    "/v1/contract": bodies.ContractBody,
    "/v1/fault/raise": bodies.FaultBody,
    "/v1/network/connect": bodies.Nothing,
}


def seeds() -> Iterator[bytes]:
    head = b"Host: 127.0.0.1\r\nAuthorization: Bearer correct-horse\r\n"
    bodies_of = {
        "ev/plug-in": b'{"evse":1,"ev":{"ready_after_s":1,"power_w":11000,"phases":3,"fault":"x"}}',
        "ev/plug-out": b'{"evse":1,"connector":1}',
        "token": b'{"id_token":"04A1","evses":[1],"additional":[{"id_token":"a","type":"b"}]}',
        "contract": b'{"evse":1,"chain":"-----BEGIN"}',
        "fault/raise": b'{"evse":1,"error_code":"OtherError","info":"x"}',
        "network/connect": b"",
    }
    for size in (b"\x00", b"\x07"):
        for path, body in bodies_of.items():
            lengths = b"Content-Length: %d\r\n\r\n" % len(body)
            yield size + b"POST /v1/%s HTTP/1.1\r\n" % path.encode() + head + lengths + body
        yield (
            size
            + b"GET /v1/records?limit=5&since=2026-01-31T12:00:00Z HTTP/1.1\r\n"
            + head
            + b"\r\n"
        )
        yield size + b"GET /v1/things/a%20b?limit=7&before=2026-01-31T12:00:00Z HTTP/1.1\r\n" + head
        yield size + (b"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") * 3
    chunked = b"Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    yield b"\x00POST /v1/network/connect HTTP/1.1\r\n" + head + chunked
    yield b"\x00GET / HTTP/1.1\r\nHost: evil.example\r\nOrigin: http://evil.example\r\n\r\n"
    yield b"\x00\x16\x03\x01"


class _Transport:
    """Takes what is written; ``lost`` once the server has had enough."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.lost = False

    def set_write_buffer_limits(self, high: int) -> None:
        pass

    def abort(self) -> None:
        self.lost = True


class _Writer:
    def __init__(self) -> None:
        self.transport = _Transport()

    def get_extra_info(self, _: str) -> tuple[str, int]:
        return "127.0.0.1", 1

    def write(self, data: bytes) -> None:
        self.transport.written += data

    def write_eof(self) -> None:
        pass

    async def drain(self) -> None:
        await asyncio.sleep(0)


def run(data: bytes) -> str:
    if not data:
        return "no input"
    return in_still_time(_talk(data[0], data[1:]))


async def _talk(size: int, data: bytes) -> str:
    reader, writer = asyncio.StreamReader(limit=16 * 1024), _Writer()
    limits = Limits(header_bytes=2048, body_bytes=1024)
    gate = Gate(_routes(), host="127.0.0.1", token=TOKEN, limits=limits, attempted=lambda *_: None)
    connection = _Connection(reader, writer, gate, _Load(limits))  # type: ignore[arg-type]
    serving = asyncio.ensure_future(connection.serve())
    step = size or len(data) or 1
    for at in range(0, len(data), step):
        reader.feed_data(data[at : at + step])
        await asyncio.sleep(0)
    reader.feed_eof()
    await serving
    assert writer.transport.lost
    answer = bytes(writer.transport.written)
    assert b"defect of the station" not in answer
    return answer[9:12].decode("ascii") if answer else "silence"


def _routes() -> list[Route]:
    async def healthy(_: Request) -> Response:
        return Response("ok")

    async def thing(request: Request) -> Response:
        limit, before = _page(request)
        return Response({"id": request.params["id"], "limit": limit, "before": str(before)})

    async def records(request: Request) -> Response:
        selection = _selection(request.query)
        number = _number(request.query.get("limit", "1"), "limit", 100)
        return Response({"selection": str(selection), "limit": number})

    routes = [
        Route("GET", "/healthz", healthy, public=True),
        Route("GET", "/v1/things/{id}", thing),
        Route("GET", "/v1/records", records),
    ]
    return routes + [Route("POST", path, _reading(kind)) for path, kind in KINDS.items()]


def _reading(kind: Any) -> Any:
    async def handler(request: Request) -> Response:
        try:
            bodies.read(request, kind)
        except bodies.Unfit as unfit:
            assert unfit.allowed
            raise
        return Response({}, HTTPStatus.ACCEPTED)

    return handler
