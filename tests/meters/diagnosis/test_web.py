"""Meters that speak HTTP, seen from outside: plain or TLS, whose certificate."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from meters.diagnosis import look_at_web, read_only
from meters.diagnosis.read_only import ReadOnlyBus, ReadOnlyDevice, WouldWrite, would_write
from meters.errors import MeterRefused
from meters.http import HttpConfig
from meters.line import TcpBusConfig
from meters.rtu import write_request
from meters.simulators.certificate import Certificate, self_signed

OK = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass
class Server:
    port: int
    asked: list[bytes]


@asynccontextmanager
async def serving(
    answer: bytes = OK, *, tls: ssl.SSLContext | None = None
) -> AsyncIterator[Server]:
    """A device that gives one answer to everything."""
    asked: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()
    closed = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if question := await reader.read(400):
            asked.append(question)
        writer.write(answer)
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if closed.is_set():  # a handshake that was over later than the test
            writer.transport.abort()
        else:
            tasks.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield Server(server.sockets[0].getsockname()[1], asked)
    closed.set()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return self_signed("localhost", "127.0.0.1")


async def codes(port: int, **config: object) -> list[str]:
    found = await look_at_web(HttpConfig(host="127.0.0.1", port=port, **config), "outlet1")
    assert all(one.meters == ("outlet1",) for one in found)
    return [one.code for one in found]


async def test_a_device_that_speaks_http_as_expected_gives_nothing_to_tell() -> None:
    async with serving() as server:
        assert await codes(server.port) == []

    assert [one.split(b" ")[0] for one in server.asked] == [b"GET"]


async def test_tls_where_plain_http_is_expected_is_told(certificate: Certificate) -> None:
    async with serving(tls=certificate.server_context()) as server:
        assert await codes(server.port) == ["tls-not-plain"]


async def test_a_server_that_explains_it_wants_https_is_understood(
    certificate: Certificate,
) -> None:
    words = b"HTTP/1.1 400 Bad Request\r\n\r\nThe plain HTTP request was sent to HTTPS port"
    async with serving(words) as server:
        assert await codes(server.port) == []  # it offers no TLS, whatever it says
    async with serving(words, tls=certificate.server_context()) as server:
        assert await codes(server.port) == ["tls-not-plain"]


async def test_plain_http_where_tls_is_expected_is_told(certificate: Certificate) -> None:
    async with serving() as server:
        assert await codes(server.port, tls=True) == ["plain-not-tls"]
        assert await codes(server.port, tls=True, certificate=certificate.der) == ["plain-not-tls"]


async def test_another_certificate_than_the_pinned_one_is_told(certificate: Certificate) -> None:
    other = self_signed("localhost")
    async with serving(tls=certificate.server_context()) as server:
        right = await codes(server.port, tls=True, certificate=certificate.der)
        wrong = await codes(server.port, tls=True, certificate=other.der)

    assert (right, wrong) == ([], ["other-certificate"])
    assert server.asked == []  # nothing was said to a stranger


async def test_a_certificate_that_nobody_vouches_for_is_told(
    certificate: Certificate, tmp_path: Path
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text(certificate.pem)
    async with serving(tls=certificate.server_context()) as server:
        assert await codes(server.port, tls=True) == ["certificate-not-trusted"]
        assert await codes(server.port, tls=True, ca_file=path) == []


async def test_another_service_on_the_port_is_told() -> None:
    async with serving(b"SSH-2.0-dropbear\r\n") as server:
        assert await codes(server.port) == ["no-http"]
        assert await codes(server.port, tls=True) == ["no-tls"]


async def test_a_device_that_says_nothing_may_still_be_starting() -> None:
    async with serving(b"") as server:
        assert await codes(server.port) == ["no-answer"]


async def test_a_port_on_which_nobody_listens_is_refused() -> None:
    assert await codes(1) == ["refused"]


async def test_a_bus_for_looking_refuses_to_write() -> None:
    async with ReadOnlyBus(TcpBusConfig(host="127.0.0.1", tcp_port=1)) as bus:
        with pytest.raises(WouldWrite, match="never writes"):
            await bus.exchange(write_request(1, 0, [1]))


async def test_a_device_for_looking_refuses_all_but_get() -> None:
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(serving())
        config = HttpConfig(host="127.0.0.1", port=server.port)
        device = await stack.enter_async_context(ReadOnlyDevice(config))
        with pytest.raises(WouldWrite):
            await device.put("/settings", json={})
        with pytest.raises(WouldWrite):
            await device.post("/begin")
        await device.get("/livemeasure", accept=(404,))

    assert len(server.asked) == 1


def test_a_refusal_to_write_is_recognised_behind_the_drivers_words() -> None:
    error = MeterRefused("the meter does not take its data")
    error.__cause__ = read_only.WouldWrite("no")

    assert would_write(error)
    assert not would_write(MeterRefused("final"))
