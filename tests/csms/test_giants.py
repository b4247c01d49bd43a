"""Messages that are too much for a small computer end the connection before they have arrived."""

import asyncio
from collections.abc import Iterable
from contextlib import suppress

import pytest
from fault_frames import frame
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosedError

from chargepoint.csms.link import LinkConfig, open_connection

MEBIBYTE = 2**20
CHUNK = b"x" * 65_536
TOO_BIG = 1009


async def received(parts: Iterable[bytes]) -> int:
    """Send these bytes to a station until it hangs up; the code with which it does."""

    async def send(connection: ServerConnection) -> None:
        with suppress(RuntimeError, OSError):
            for part in parts:
                connection.transport.write(part)
                await asyncio.sleep(0)
        await connection.wait_closed()

    async with serve(send, "127.0.0.1", 0, subprotocols=["ocpp2.0.1"]) as server:  # type: ignore[list-item]
        port = server.sockets[0].getsockname()[1]
        config = LinkConfig(f"ws://127.0.0.1:{port}/ocpp", "CP001", ("ocpp2.0.1",))
        connection = await open_connection(config)
        async with asyncio.timeout(20):
            with pytest.raises(ConnectionClosedError) as closed:
                await connection.recv()
        return closed.value.sent.code if closed.value.sent else 0


async def test_a_frame_that_says_it_has_100_megabytes_is_not_read() -> None:
    assert await received([frame(CHUNK, size=100_000_000)]) == TOO_BIG


async def test_fragments_count_together() -> None:
    parts = [frame(CHUNK, fin=False), *[frame(CHUNK, 0, fin=False)] * (MEBIBYTE // len(CHUNK))]

    assert await received(parts) == TOO_BIG


async def test_endless_empty_fragments_end_the_connection() -> None:
    parts = [frame(b"[", fin=False), *[frame(b"", 0, fin=False) * 1000] * 50]

    assert await received(parts) == TOO_BIG
