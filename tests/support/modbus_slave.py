"""Slaves on real pseudo-terminals and sockets that do what a script says, also wrong things."""

import asyncio
import os
import pty
import tty
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from meters.line import SerialBusConfig, TcpBusConfig
from meters.modbus import ModbusBus
from meters.rtu import crc16

Script = Callable[[bytes], Sequence[bytes | float]]


def sealed(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def registers(request: bytes, first: int | None = None) -> bytes:
    """The answer of a healthy slave whose registers hold their own addresses."""
    address, count = int.from_bytes(request[2:4], "big"), int.from_bytes(request[4:6], "big")
    if request[1] == 0x10:
        return sealed(request[:6])
    start = address if first is None else first
    data = b"".join((start + i & 0xFFFF).to_bytes(2, "big") for i in range(count))
    return sealed(bytes((request[0], request[1], len(data))) + data)


def healthy(request: bytes) -> Sequence[bytes | float]:
    return [registers(request)]


class Slave:
    """A pseudo-terminal with somebody at its end who does what the script says.

    The script gets each request and gives bytes to send and seconds to wait.
    """

    def __init__(self, script: Script = healthy) -> None:
        self.script = script
        self.requests: list[bytes] = []
        self.times: list[float] = []
        self._master, self._held_open = pty.openpty()
        tty.setraw(self._master)
        self.port = os.ttyname(self._held_open)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._master, self._heard)

    def _heard(self) -> None:
        data = os.read(self._master, 512)
        self.requests.append(data)
        self.times.append(self._loop.time())
        at = self._loop.time()
        for part in self.script(data):
            if isinstance(part, bytes):
                self._loop.call_at(at, self._say, part)
            else:
                at += part

    def _say(self, data: bytes) -> None:
        if self._master >= 0:
            os.write(self._master, data)

    def say(self, data: bytes) -> None:
        self._say(data)

    def close(self) -> None:
        if self._master >= 0:
            self._loop.remove_reader(self._master)
            os.close(self._master)
            os.close(self._held_open)
            self._master = -1


@asynccontextmanager
async def line(script: Script = healthy, **config: Any) -> AsyncIterator[tuple[Slave, ModbusBus]]:
    slave = Slave(script)
    settings: dict[str, Any] = {"baudrate": 115200, "timeout_ms": 60, **config}
    try:
        async with ModbusBus(SerialBusConfig(port=slave.port, **settings)) as bus:
            yield slave, bus
    finally:
        slave.close()


def once(*, bad: Sequence[bytes | float], then: Script = healthy) -> Script:
    """Answer the first request badly, all others well."""
    seen: list[bytes] = []

    def script(request: bytes) -> Sequence[bytes | float]:
        seen.append(request)
        return bad if len(seen) == 1 else then(request)

    return script


@asynccontextmanager
async def gateway(answer: Callable[[bytes], bytes | None]) -> AsyncIterator[TcpBusConfig]:
    """A TCP server that answers each request with what ``answer`` says; None hangs up."""

    serving: set[asyncio.Task[None] | None] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        while data := await reader.read(512):
            reply = answer(data)
            if reply is None:
                break
            writer.write(reply)
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        yield TcpBusConfig(host="127.0.0.1", tcp_port=port, framing="rtu", timeout_ms=60)
    await asyncio.gather(*(task for task in serving if task), return_exceptions=True)
