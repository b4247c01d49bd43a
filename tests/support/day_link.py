"""The network between a station and its CSMS: a relay that can lose everything.

A connection is cut with a reset, or goes half open: it stays, and nothing comes through any more.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit


@dataclass(slots=True)
class Relay:
    """Listens while it is entered, and hands on to the CSMS at ``target``; ``url`` is its own."""

    target: str
    _server: asyncio.Server | None = None
    _open: "set[asyncio.StreamWriter]" = field(default_factory=set)
    _dumb: "set[asyncio.StreamWriter]" = field(default_factory=set)
    _pumps: "set[asyncio.Task[None]]" = field(default_factory=set)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await asyncio.gather(*self._pumps, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        """Where the station is to connect to."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"ws://127.0.0.1:{port}{urlsplit(self.target).path}"

    def cut(self) -> None:
        """Every connection is gone at once, for both sides, the half open ones too."""
        for writer in tuple(self._open):
            writer.transport.abort()

    def half_open(self) -> None:
        """From now on nothing comes through the connections there are; new ones work."""
        self._dumb |= self._open

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        where = urlsplit(self.target)
        try:
            there = await asyncio.open_connection(where.hostname, where.port)
        except OSError:
            writer.transport.abort()  # nobody listens, and the station is to see that
            return
        ends = {writer, there[1]}
        self._open |= ends
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, there[1]))
                tasks.create_task(self._pump(there[0], writer))
        finally:
            self._open -= ends
            self._dumb -= ends

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                if writer not in self._dumb:
                    writer.write(data)
                    await writer.drain()
        writer.close()
