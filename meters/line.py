"""The wire under a Modbus bus: a serial port, or a TCP connection to a gateway.

A line sends one frame, collects what comes back and hands it to a function that says whether the
answer is there. It opens when it is first needed and again after it was lost (adapter unplugged,
gateway restarted), not more often than its back-off allows.

pyserial only opens and configures the port; the bytes go through the event loop, because a blocking
read would need a thread per line and a sleeping one adds milliseconds to each request.
"""

import asyncio
import logging
import os
import socket
from typing import TYPE_CHECKING, Final

from meters.bus_config import BusConfig, SerialBusConfig, TcpBusConfig, bus_config
from meters.errors import MeterUnreachable
from meters.rtu import Find
from meters.serial_port import leads_elsewhere, open_port, words

if TYPE_CHECKING:
    import serial

__all__ = ["BusConfig", "Line", "SerialBusConfig", "SerialLine", "TcpBusConfig", "TcpLine"]
__all__ += ["bus_config"]

log = logging.getLogger(__name__)

FIRST_BACKOFF_S: Final = 0.2
LONGEST_BACKOFF_S: Final = 5.0
LONGEST_SERIAL_BACKOFF_S: Final = 1.0  # to look for a port costs nothing
_READ_SIZE: Final = 4096
_MOST_RECEIVED: Final = 2048  # noise, late answers and the answer itself, at most 260 bytes each
_SILENT_REQUESTS_OF_A_DEAD_CONNECTION: Final = 2


class Line:
    """What both kinds of line share. Used by one task at a time.

    ``received`` keeps what has arrived since the last frame was sent; ``last_activity`` is the
    loop's time of the last byte in either direction. ``bytes_unasked`` counts those that arrived
    while nobody waited: noise, late answers, a second master.
    """

    longest_backoff_s = LONGEST_BACKOFF_S

    def __init__(self, name: str, config: BusConfig) -> None:
        self.name = name
        self.received = bytearray()
        self.bytes_received = 0
        self.bytes_unasked = 0
        self.last_activity = 0.0
        self.opened = 0
        self._character_s = config.character_s
        self._answer: asyncio.Future[bytes | None] | None = None
        self._find: Find = _nothing
        self._backoff_s = 0.0
        self._not_before = 0.0
        self._reason = ""

    @property
    def is_open(self) -> bool:
        """Whether frames can be sent now."""
        raise NotImplementedError

    async def open(self) -> None:
        """Open if it is not open.

        Raises:
            MeterUnreachable: it cannot be opened, or failed to a moment ago.
        """
        if self.is_open:
            return
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            raise MeterUnreachable(self._reason)
        try:
            await self._open()
        except MeterUnreachable as error:
            self._failed(str(error))
            raise
        if self._reason:
            log.debug("%s is back", self.name)
        self._reason, self._backoff_s = "", 0.0
        self.opened += 1
        self.last_activity = loop.time()

    def close(self) -> None:
        """Let go of the port or connection; may be called when there is none."""
        raise NotImplementedError

    def discard(self) -> None:
        """Forget everything that has arrived and was not asked for."""
        self.received.clear()

    def doubt(self, units: int, *, known: int) -> None:
        """Let go of a line on which nothing can come back, though it seems to be open.

        Called when nobody answered: so many ``units`` in a row, of so many ``known``.
        """
        raise NotImplementedError

    async def exchange(
        self, frame: bytes, find: Find, *, reply_bytes: int, timeout_s: float
    ) -> bytes | None:
        """Send ``frame`` and return what ``find`` makes of the bytes that follow.

        None when the time is up: no byte within the time-out, or the answer still incomplete when
        its ``reply_bytes`` should long have been on the line. None too when so much has come that
        the answer is not in it: to look for it in ever more would hold up everything else.

        Raises:
            MeterUnreachable: the line was lost.
            CrcMismatch: as raised by ``find``.
        """
        loop = asyncio.get_running_loop()
        self.received.clear()
        self._find, self._answer = find, loop.create_future()
        sent = loop.time() + len(frame) * self._character_s
        first = sent + timeout_s
        whole = first + reply_bytes * self._character_s
        timers = (loop.call_at(first, self._end_if_silent), loop.call_at(whole, self._end))
        try:
            self._send(frame)
            self.last_activity = max(self.last_activity, sent)
            return await self._answer
        finally:
            self._answer = None
            for timer in timers:
                timer.cancel()

    async def _open(self) -> None:
        raise NotImplementedError

    def _send(self, frame: bytes) -> None:
        raise NotImplementedError

    def _arrived(self, data: bytes) -> None:
        self.last_activity = asyncio.get_running_loop().time()
        self.bytes_received += len(data)
        if self._answer is None or self._answer.done():
            self.bytes_unasked += len(data)
            return
        self.received += data[: _MOST_RECEIVED - len(self.received)]
        try:
            reply = self._find(self.received)
        except ValueError as error:
            self._answer.set_exception(error)
            return
        if reply is not None or len(self.received) == _MOST_RECEIVED:
            self._answer.set_result(reply)

    def _end_if_silent(self) -> None:
        if not self.received:
            self._end()

    def _end(self) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(None)

    def _lost(self, reason: str) -> None:
        """The other end is gone: close, and tell the request under way."""
        self.close()
        self._failed(f"{self.name}: {reason}")
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(MeterUnreachable(self._reason))

    def _failed(self, sentence: str) -> None:
        if not self._reason:
            log.debug("%s", sentence)
        self._reason = sentence
        self._backoff_s = min(max(2 * self._backoff_s, FIRST_BACKOFF_S), self.longest_backoff_s)
        self._not_before = asyncio.get_running_loop().time() + self._backoff_s


def _nothing(_: bytearray) -> bytes | None:
    return None


class SerialLine(Line):
    """A serial port, read by the event loop as bytes arrive.

    It is always opened by the path in the config: a link by-id leads to the adapter, whatever the
    system calls it since it was plugged in again.
    """

    longest_backoff_s = LONGEST_SERIAL_BACKOFF_S

    def __init__(self, config: SerialBusConfig) -> None:
        super().__init__(config.port, config)
        self._config = config
        self._port: serial.Serial | None = None

    @property
    def is_open(self) -> bool:  # noqa: D102
        return self._port is not None

    async def _open(self) -> None:
        self._port = open_port(self._config)
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable)

    def close(self) -> None:  # noqa: D102
        port, self._port = self._port, None
        if port is not None:
            asyncio.get_running_loop().remove_reader(port.fileno())
            port.close()

    def doubt(self, units: int, *, known: int) -> None:  # noqa: ARG002, D102
        if self._port is not None and leads_elsewhere(self.name, self._port):
            self._lost("is another port now")

    def discard(self) -> None:  # noqa: D102
        if self._port is not None:
            self._readable()
        super().discard()

    def _send(self, frame: bytes) -> None:
        if self._port is None:
            raise MeterUnreachable(self._reason)
        try:
            written = os.write(self._port.fileno(), frame)
        except BlockingIOError:
            written = 0
        except OSError as error:
            self._lost(f"cannot be written, {words(error)}")
            return  # the request under way has been told
        if written != len(frame):
            self._lost(f"took {written} of {len(frame)} bytes, its output is blocked")

    def _readable(self) -> None:
        if self._port is None:
            return
        try:
            data = os.read(self._port.fileno(), _READ_SIZE)
        except BlockingIOError:
            return
        except OSError as error:
            self._lost(f"cannot be read, {words(error)}")
            return
        if data:
            self._arrived(data)
        else:
            self._lost("hung up")


class TcpLine(Line, asyncio.Protocol):
    """A TCP connection to a gateway."""

    def __init__(self, config: TcpBusConfig) -> None:
        super().__init__(f"{config.host}:{config.tcp_port}", config)
        self._config = config
        self._transport: asyncio.Transport | None = None
        self._silent = 0

    @property
    def is_open(self) -> bool:  # noqa: D102
        return self._transport is not None

    async def _open(self) -> None:
        config, loop = self._config, asyncio.get_running_loop()
        try:
            async with asyncio.timeout(config.connect_timeout_ms / 1000):
                await loop.create_connection(lambda: self, config.host, config.tcp_port)
        except TimeoutError as error:
            raise MeterUnreachable(f"{self.name}: no connection in time") from error
        except OSError as error:
            raise MeterUnreachable(f"{self.name}: no connection, {words(error)}") from error
        except ValueError as error:  # a..b, for instance, cannot even be asked for
            raise MeterUnreachable(f"{self.name}: no connection, {error}") from error

    def close(self) -> None:  # noqa: D102
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def doubt(self, units: int, *, known: int) -> None:
        """A gateway that was switched off leaves a connection on which nothing ever comes back."""
        self._silent += 1
        if self._silent >= _SILENT_REQUESTS_OF_A_DEAD_CONNECTION and units >= min(known, 2):
            self.close()
            self._silent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP connections have
        self._transport = transport
        # A gateway that lost power leaves the connection half open; nothing else would tell.
        endpoint: socket.socket = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._silent = 0
        self._arrived(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        if self._transport is not None:
            self._lost(f"connection lost, {exc}" if exc else "connection closed by the gateway")

    def _send(self, frame: bytes) -> None:
        if self._transport is None:
            raise MeterUnreachable(self._reason)
        self._transport.write(frame)
