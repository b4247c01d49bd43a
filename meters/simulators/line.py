"""Lines that simulated meters sit on: a pseudo-terminal, or TCP as behind a gateway."""

import asyncio
import contextlib
import logging
import os
import termios
import tty
from collections.abc import Mapping
from pathlib import Path

from meters.simulators.bus import Device, Line, Port
from meters.simulators.wire import Framing

log = logging.getLogger(__name__)

_READ_SIZE = 4096
_INPUT_SPEED, _OUTPUT_SPEED = 4, 5  # places in what termios gives


class PtyLine(Line):
    """A pseudo-terminal that a master opens like a serial port.

    It outlives masters: one may close it and another open it. Bytes that nobody reads are lost, as
    on a real line. With a baud rate it hears nothing of a master that has set another one.
    """

    def __init__(
        self,
        devices: Mapping[int, Device],
        link: Path | None = None,
        *,
        baudrate: int | None = None,
        bits_per_character: int = 10,
        reaction_s: float | None = None,
    ) -> None:
        """``link`` becomes a symbolic link to the terminal; see ``Line`` for the rest."""
        super().__init__(
            devices,
            baudrate=baudrate,
            bits_per_character=bits_per_character,
            reaction_s=reaction_s,
        )
        self.link = link
        # None where there is no pace, or one that termios has no name for: any speed will do then.
        self._speed: int | None = getattr(termios, f"B{baudrate}", None) if baudrate else None
        self._terminal = ""
        self._ends: tuple[int, int] | None = None
        self._end: Port | None = None

    @property
    def port(self) -> str:
        """What a master opens: the link if there is one."""
        return str(self.link or self._terminal)

    @property
    def where(self) -> str:  # noqa: D102
        return self.port

    def plug_in(self) -> None:
        """Make the terminal, if it is not there.

        Raises:
            OSError: no terminal to be had, or the link cannot be made there.
        """
        if self._ends is not None:
            return
        ours, theirs = os.openpty()
        tty.setraw(theirs)
        self._set_speed(theirs)
        os.set_blocking(ours, False)
        self._ends, self._terminal = (ours, theirs), os.ttyname(theirs)
        self._end = self.new_port(self._write)
        asyncio.get_running_loop().add_reader(ours, self._readable)
        if self.link is not None:
            try:
                _point(self.link, self._terminal)
            except OSError:
                self.unplug()
                raise

    def unplug(self) -> None:
        """Take the terminal away, as a USB adapter that is pulled: masters see a hang-up."""
        if self._ends is None or self._end is None:
            return
        ours, theirs = self._ends
        asyncio.get_running_loop().remove_reader(ours)
        self.let_go(self._end)
        self._ends = self._end = None
        os.close(ours)
        os.close(theirs)
        if self.link is not None:
            with contextlib.suppress(OSError):
                if self.link.readlink() == Path(self._terminal):
                    self.link.unlink()

    async def _open(self) -> None:
        self.plug_in()

    async def _close(self) -> None:
        self.unplug()

    def _readable(self) -> None:
        if self._ends is None or self._end is None:
            return
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._ends[0], _READ_SIZE)
            if self.hears(self._ends[0]):
                self.received(self._end, data)

    def hears(self, terminal: int) -> bool:
        """Whether the master of this terminal talks at the speed of the line.

        Seen from here a pseudo-terminal has the settings that the master gave it. Parity is none
        of them: pseudo-terminals have none.
        """
        return self._speed is None or termios.tcgetattr(terminal)[_OUTPUT_SPEED] == self._speed

    def _set_speed(self, terminal: int) -> None:
        """The speed that a master finds who sets none."""
        if self._speed is not None:
            settings = termios.tcgetattr(terminal)
            settings[_INPUT_SPEED] = settings[_OUTPUT_SPEED] = self._speed
            termios.tcsetattr(terminal, termios.TCSANOW, settings)

    def _write(self, data: bytes) -> None:
        """Called by the loop or by the writer's thread, which ends before the terminal does."""
        if self._ends is None:
            return
        with contextlib.suppress(BlockingIOError):  # nobody reads: lost, as on a real line
            os.write(self._ends[0], data)


def _point(link: Path, target: str) -> None:
    """Make ``link`` point to ``target`` in one step; an older link is replaced, a file is not."""
    if link.exists() and not link.is_symlink():
        raise FileExistsError(f"{link} exists and is no link")
    draft = link.with_name(f".{link.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    draft.symlink_to(target)
    draft.replace(link)


class TcpLine(Line):
    """The line behind a gateway: RTU frames over TCP, or Modbus TCP.

    Any number of masters may connect; the gateway does not keep their requests apart any better
    than a real one.
    """

    def __init__(
        self,
        devices: Mapping[int, Device],
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        framing: Framing | str = Framing.RTU,
        baudrate: int | None = None,
        bits_per_character: int = 10,
        reaction_s: float | None = None,
    ) -> None:
        """Port 0 takes any free one; see ``Line`` for the rest."""
        super().__init__(
            devices,
            framing=Framing(framing),
            baudrate=baudrate,
            bits_per_character=bits_per_character,
            reaction_s=reaction_s,
        )
        self.host, self.port = host, port
        self._server: asyncio.Server | None = None
        self.connections: set[_Connection] = set()

    @property
    def where(self) -> str:  # noqa: D102
        return f"{self.host}:{self.port}"

    def plug_in(self) -> None:
        """Nothing: a gateway takes new connections all the time."""

    def unplug(self) -> None:
        """Cut all connections."""
        self.hang_up()

    def hang_up(self) -> None:
        """Cut all connections, as a gateway that restarts."""
        for connection in tuple(self.connections):
            connection.abort()

    async def _open(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.hang_up()
        while self.connections:  # noqa: ASYNC110 - the loop tells each of them within a round
            await asyncio.sleep(0)


class _Connection(asyncio.Protocol):
    """One master."""

    def __init__(self, line: TcpLine) -> None:
        self._line = line
        self._end: Port | None = None
        self._transport: asyncio.Transport | None = None

    def abort(self) -> None:
        """Cut it."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP connections have
        self._transport, self._loop = transport, asyncio.get_running_loop()
        if self._line.paced:
            self._end = self._line.new_port(self._write_from_thread)
        else:
            self._end = self._line.new_port(transport.write)
        self._line.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._end is not None:
            self._line.received(self._end, data)

    def connection_lost(self, _: Exception | None) -> None:
        if self._end is not None:
            self._line.let_go(self._end)
        self._line.connections.discard(self)

    def _write_from_thread(self, data: bytes) -> None:
        if self._transport is not None:
            self._loop.call_soon_threadsafe(self._transport.write, data)
