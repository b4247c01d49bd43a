"""The network between a station and its CSMS, byte by byte, and what can be done to it.

Every connection goes through here. What happens is bound to a number of bytes, not to a message, so
that it strikes in the middle of a frame, of a TLS record, of a handshake.
"""

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, Self

_SIZE: Final = 65_536
_RST: Final = struct.pack("ii", 1, 0)  # SO_LINGER: closing throws away what waits, and resets


class Way(Enum):
    """A direction."""

    UP = "to the CSMS"
    DOWN = "to the station"


@dataclass(slots=True)
class Trap:
    """After so many bytes in this direction ``act`` is called; the byte behind waits for it."""

    way: Way
    after: int
    act: Callable[["Wire"], None]
    sprung: asyncio.Event = field(default_factory=asyncio.Event)


Pace = Callable[[Way, bytes], list[tuple[float, bytes]]]


@dataclass(eq=False, slots=True)
class Wire:
    """One connection; ``dark`` directions swallow what is given to them, without a word."""

    station: asyncio.StreamWriter
    csms: asyncio.StreamWriter | None = None
    dark: set[Way] = field(default_factory=set)
    _ended: asyncio.Event = field(default_factory=asyncio.Event)

    def reset(self) -> None:
        """Both ends get a RST; what was on its way is gone."""
        for writer in (self.station, self.csms):
            if writer is not None and not writer.transport.is_closing():
                there: socket.socket = writer.get_extra_info("socket")
                there.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RST)
                writer.transport.abort()
        self._ended.set()

    def hang_up(self) -> None:
        """Both ends are closed in order; what was written to them still arrives."""
        for writer in (self.station, self.csms):
            if writer is not None:
                writer.close()

    def vanish(self) -> None:
        """Nothing comes through any more, and nobody is told."""
        self.dark = set(Way)

    def end(self, way: Way) -> asyncio.StreamWriter | None:
        """Where bytes of this direction go."""
        return self.csms if way is Way.UP else self.station


class Gateway:
    """Listens while it is entered.

    ``port_of`` is where the CSMS listens now. ``down``: nobody is let through, by a RST at once.
    ``lost``: new connections are taken and nothing comes through. ``pace`` says when which bytes
    come out, in seconds each after the one before; None is at once. ``greeting`` is
    what a stranger says to who connects, and hangs up: he has the port of the CSMS. ``passed`` are
    the bytes that came through.
    """

    def __init__(self, port_of: Callable[[], int]) -> None:
        self.down = False
        self.lost = False
        self.pace: Pace | None = None
        self.greeting: bytes | None = None
        self.wires: set[Wire] = set()
        self.connections = 0
        self.passed = dict.fromkeys(Way, 0)
        self.port = 0
        self.port_of = port_of
        self._traps: list[Trap] = []
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=_SIZE)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()
        self.reset()
        while self.wires:  # noqa: ASYNC110 - the loop tells each of them within a round
            await asyncio.sleep(0)

    def reset(self) -> None:
        """Every connection is cut by RST."""
        for wire in tuple(self.wires):
            wire.reset()

    def vanish(self) -> None:
        """Every connection is half open from now on."""
        for wire in self.wires:
            wire.vanish()

    def trap(self, way: Way, after: int, act: Callable[[Wire], None]) -> Trap:
        """Set a trap in front of the byte number ``after`` (from 0) that is still to come."""
        made = Trap(way, after, act)
        self._traps.append(made)
        return made

    def disarm(self, trap: Trap) -> None:
        """Take a trap away; nothing if it has sprung."""
        if trap in self._traps:
            self._traps.remove(trap)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        wire = Wire(writer)
        self.wires.add(wire)
        try:
            await self._serve(wire, reader)
        finally:
            wire.reset()
            self.wires.discard(wire)

    async def _serve(self, wire: Wire, reader: asyncio.StreamReader) -> None:
        if self.down:
            return
        if self.greeting is not None:
            with suppress(OSError):
                await reader.read(1)
                wire.station.write(self.greeting)
                await wire.station.drain()
                wire.station.close()
                await wire.station.wait_closed()
            return
        if self.lost:
            wire.vanish()
        try:
            there, wire.csms = await asyncio.open_connection(
                "127.0.0.1", self.port_of(), limit=_SIZE
            )
        except OSError:
            return
        async with asyncio.TaskGroup() as pumps:
            pump = [
                pumps.create_task(self._pump(wire, Way.UP, reader)),
                pumps.create_task(self._pump(wire, Way.DOWN, there)),
                pumps.create_task(_waited(wire._ended.wait())),
            ]
            await asyncio.wait(pump, return_when=asyncio.FIRST_COMPLETED)
            for one in pump:
                one.cancel()

    async def _pump(self, wire: Wire, way: Way, reader: asyncio.StreamReader) -> None:
        """Until this end is closed; what is half open notices nothing of that."""
        with suppress(OSError):
            while data := await reader.read(_SIZE):
                await self._pass(wire, way, data)
            if not wire.dark:
                wire.hang_up()
        if wire.dark and way is Way.DOWN:
            await wire._ended.wait()  # the CSMS has given up: the station is not told

    async def _pass(self, wire: Wire, way: Way, data: bytes) -> None:
        while data:
            trap = min((t for t in self._traps if t.way is way), key=_place, default=None)
            many = len(data) if trap is None else min(trap.after, len(data))
            part, data = data[:many], data[many:]
            self._count(way, many)
            await self._write(wire, way, part)
            if trap is not None and data and trap.after == 0:
                self.disarm(trap)
                trap.act(wire)
                trap.sprung.set()
                if wire._ended.is_set():
                    return

    async def _write(self, wire: Wire, way: Way, part: bytes) -> None:
        for pause_s, piece in [(0.0, part)] if self.pace is None else self.pace(way, part):
            if pause_s:
                await asyncio.sleep(pause_s)
            writer = wire.end(way)
            if piece and writer is not None and way not in wire.dark:
                writer.write(piece)
                await writer.drain()

    def _count(self, way: Way, many: int) -> None:
        self.passed[way] += many
        for trap in self._traps:
            if trap.way is way:
                trap.after -= many


def _place(trap: Trap) -> int:
    return trap.after


async def _waited(event: Awaitable[object]) -> None:
    await event
