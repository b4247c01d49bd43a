"""Raw answers of HTTP servers: to the client of meters, and to the download of firmware.

The first byte says who asks, the rest is what is said to one request after the other, divided by
the byte 0x1E; the connection is closed behind each.
"""

import asyncio
import atexit
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from loopback import LOOPBACK

from chargepoint.core.transfer import Scheme, parse_location
from chargepoint.station import transfer_http
from chargepoint.station.transfer import Partial, TransferFailed, Trust
from meters.errors import MeterError
from meters.http import HttpConfig, HttpDevice

MODULES = (
    "meters.http",
    "meters.http_answer",
    "chargepoint.station.transfer",
    "chargepoint.station.transfer_http",
    "chargepoint.core.transfer",
)
LONGEST = 2048
FOLDER = Path(tempfile.mkdtemp(prefix="fuzz-http-"))
atexit.register(shutil.rmtree, FOLDER, ignore_errors=True)
MOST = 100_000
BETWEEN = b"\x1e"
WORDS = (
    "HTTP/1.1 200 OK\r\n", "HTTP/1.1 206 Partial Content\r\n", "HTTP/1.1 416 \r\n", "\u001e",
    "HTTP/1.1 302 Found\r\nLocation: ", "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 503 \r\n",
    "Content-Length: ", "Content-Range: bytes 5-9/10\r\n", 'ETag: "a"\r\n', 'ETag: W/"a"\r\n',
    "Last-Modified: ", "Transfer-Encoding: chunked\r\n", "Content-Encoding: gzip\r\n", "\r\n\r\n",
    "Connection: close\r\n", "0\r\n\r\n", "99999999999999999999", "-1", "\u00e4",
)  # fmt: skip


def seeds() -> Iterator[bytes]:
    for who in (b"\x00", b"\x01"):
        yield who + b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
        yield who + b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 9\r\n\r\nhello'
        first = b'HTTP/1.1 200 OK\r\nETag: "a"\r\nContent-Length: 10\r\n\r\nhello'
        rest = (
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\nworld"
        )
        yield who + first + BETWEEN + rest
        yield who + first + BETWEEN + b"HTTP/1.1 416 no\r\n\r\n"
        yield who + b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\n\r\n"
        yield who + b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!"
        yield who + b"HTTP/1.1 500 \r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
        yield who + b"\x16\x03\x01"


class _Server:
    """One server for all inputs, in a loop that goes on; it says ``answers`` in turn."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.answers: list[bytes] = []
        self.port = self.runner.run(self._start())
        atexit.register(self._end)

    async def _start(self) -> int:
        self._server = await asyncio.start_server(self._talk, "127.0.0.1", 0)
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    def _end(self) -> None:
        self.runner.get_loop().call_soon(self._server.close)
        self.runner.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(self.answers.pop(0) if self.answers else b"")
            await writer.drain()
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()


_made: list[_Server] = []


def run(data: bytes) -> str:
    if not data:
        return "no input"
    if not _made:
        _made.append(_Server())
    (server,) = _made
    server.answers = data[1:].split(BETWEEN)
    return server.runner.run(_meter(server.port) if data[0] & 1 else _download(server.port))


async def _meter(port: int) -> str:
    ends = []
    config = HttpConfig(host="127.0.0.1", port=port, timeout_ms=2000)
    async with HttpDevice(config) as device:
        for method in ("GET", "GET", "PUT"):
            try:
                answer = await device.request(method, "/v1/status")
                answer.json()
                ends.append("JSON")
            except MeterError as error:
                assert "\n" not in str(error), "more than a sentence"
                ends.append(type(error).__name__)
    return " ".join(ends)


async def _download(port: int) -> str:
    place = parse_location(f"http://127.0.0.1:{port}/firmware.bin", frozenset(Scheme))
    target, so_far, ends = FOLDER / "file.part", Partial(), []
    target.unlink(missing_ok=True)
    for _ in range(3):
        try:
            await transfer_http.download(place, target, MOST, Trust(reach=LOOPBACK), so_far)
        except TransferFailed as failed:
            ends.append(str(failed.trouble))
        else:
            ends.append("fine")
            break
        assert not target.exists() or target.stat().st_size <= MOST
    return " ".join(ends)
