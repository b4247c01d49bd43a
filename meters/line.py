"""The wire under a Modbus bus: a serial port, or a TCP connection to a gateway.

A line sends one frame, collects what comes back and hands it to a function that says whether the
answer is there. It opens when it is first needed and again after it was lost (adapter unplugged,
gateway restarted), not more often than its back-off allows.

pyserial only opens and configures the port; the bytes go through the event loop, because a blocking
read would need a thread per line and a sleeping one adds milliseconds to each request.
"""

import asyncio
import contextlib
import errno
import logging
import os
import socket
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from meters.errors import MeterUnreachable
from meters.rtu import Find

if TYPE_CHECKING:
    import serial

log = logging.getLogger(__name__)

FIRST_BACKOFF_S: Final = 0.2
LONGEST_BACKOFF_S: Final = 5.0
_FIXED_GAP_S: Final = 0.00175  # Modbus over serial line 1.02, 2.5.1.1: above 19200 baud
_FIXED_GAP_ABOVE: Final = 19_200
_READ_SIZE: Final = 4096


class SerialBusConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An RS-485 adapter or a UART.

    ``timeout_ms`` is how long a meter may take before the first byte of its answer. ``pause_ms`` is
    added to the silence between two frames, for meters that need more than the standard asks.
    ``echo`` says that the adapter gives back every byte sent. ``rs485`` lets the kernel switch the
    direction of a UART through its RTS pin, ``rs485_active_low`` inverts that pin.
    """

    port: Annotated[str, Meta(min_length=1)]
    baudrate: Annotated[int, Meta(ge=300, le=1_000_000)] = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1
    timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 500
    pause_ms: Annotated[int, Meta(ge=0, le=1000)] = 0
    echo: bool = False
    rs485: bool = False
    rs485_active_low: bool = False

    @property
    def character_s(self) -> float:
        """Seconds that one byte takes: start, eight data bits, parity if any, stop."""
        return (9 + (self.parity != "none") + self.stopbits) / self.baudrate

    @property
    def gap_s(self) -> float:
        """Silence between two frames: 3.5 characters, at high speeds a fixed time."""
        fast = self.baudrate > _FIXED_GAP_ABOVE
        gap = _FIXED_GAP_S if fast else 3.5 * self.character_s
        return gap + self.pause_ms / 1000


class TcpBusConfig(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """A gateway: RTU frames over TCP, or Modbus TCP.

    ``timeout_ms`` includes the time that the answer takes on the line behind the gateway.
    """

    host: Annotated[str, Meta(min_length=1)]
    tcp_port: Annotated[int, Meta(ge=1, le=65_535)] = 502
    framing: Literal["rtu", "tcp"] = "tcp"
    timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 1000
    pause_ms: Annotated[int, Meta(ge=0, le=1000)] = 0
    connect_timeout_ms: Annotated[int, Meta(ge=10, le=60_000)] = 3000

    @property
    def character_s(self) -> float:
        """Zero: the time on the line behind the gateway is not known."""
        return 0.0

    @property
    def gap_s(self) -> float:
        """Only the pause that was asked for; the gateway keeps the silence on its line."""
        return self.pause_ms / 1000


BusConfig = SerialBusConfig | TcpBusConfig


def bus_config(fields: dict[str, Any]) -> BusConfig:
    """The config of a bus from its mapping: with ``host`` a gateway, else a serial line.

    Raises:
        msgspec.ValidationError: unknown key, wrong type or value out of range, with its path.
    """
    kind: type[BusConfig] = TcpBusConfig if "host" in fields else SerialBusConfig
    return msgspec.convert(fields, kind)


class Line:
    """What both kinds of line share. Used by one task at a time.

    ``received`` keeps what has arrived since the last frame was sent; ``last_activity`` is the
    loop's time of the last byte in either direction.
    """

    def __init__(self, name: str, config: BusConfig) -> None:
        self.name = name
        self.received = bytearray()
        self.bytes_received = 0
        self.last_activity = 0.0
        self.opened = 0
        self._character_s = config.character_s
        self._timeout_s = config.timeout_ms / 1000
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

    async def exchange(self, frame: bytes, find: Find, *, reply_bytes: int) -> bytes | None:
        """Send ``frame`` and return what ``find`` makes of the bytes that follow.

        None when the time is up: no byte within the time-out, or the answer still incomplete when
        its ``reply_bytes`` should long have been on the line.

        Raises:
            MeterUnreachable: the line was lost.
            CrcMismatch: as raised by ``find``.
        """
        loop = asyncio.get_running_loop()
        self.received.clear()
        self._find, self._answer = find, loop.create_future()
        sent = loop.time() + len(frame) * self._character_s
        first = sent + self._timeout_s
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
            return  # nobody has asked for it
        self.received += data
        try:
            reply = self._find(self.received)
        except ValueError as error:
            self._answer.set_exception(error)
            return
        if reply is not None:
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
        self._backoff_s = min(max(2 * self._backoff_s, FIRST_BACKOFF_S), LONGEST_BACKOFF_S)
        self._not_before = asyncio.get_running_loop().time() + self._backoff_s


def _nothing(_: bytearray) -> bytes | None:
    return None


class SerialLine(Line):
    """A serial port, read by the event loop as bytes arrive."""

    def __init__(self, config: SerialBusConfig) -> None:
        super().__init__(config.port, config)
        self._config = config
        self._port: serial.Serial | None = None

    @property
    def is_open(self) -> bool:  # noqa: D102
        return self._port is not None

    async def _open(self) -> None:
        self._port = _open_port(self._config)
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable)

    def close(self) -> None:  # noqa: D102
        port, self._port = self._port, None
        if port is not None:
            asyncio.get_running_loop().remove_reader(port.fileno())
            port.close()

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
            self._lost(f"cannot be written, {_words(error)}")
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
            self._lost(f"cannot be read, {_words(error)}")
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
            raise MeterUnreachable(f"{self.name}: no connection, {_words(error)}") from error

    def close(self) -> None:  # noqa: D102
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 - what TCP connections have
        self._transport = transport
        # A gateway that lost power leaves the connection half open; nothing else would tell.
        endpoint: socket.socket = transport.get_extra_info("socket")
        endpoint.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self._arrived(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: D102
        if self._transport is not None:
            self._lost(f"connection lost, {exc}" if exc else "connection closed by the gateway")

    def _send(self, frame: bytes) -> None:
        if self._transport is None:
            raise MeterUnreachable(self._reason)
        self._transport.write(frame)


_PARITY: Final = {"none": "N", "even": "E", "odd": "O"}


def _open_port(config: SerialBusConfig) -> "serial.Serial":
    import termios

    import serial
    from serial.rs485 import RS485Settings

    # Pseudo-terminals carry bytes without parity and refuse to be told otherwise.
    pseudo = os.path.realpath(config.port).startswith("/dev/pts/")
    port = serial.Serial()
    port.port, port.baudrate, port.exclusive = config.port, config.baudrate, True
    port.stopbits = config.stopbits
    port.inter_byte_timeout = 0  # VMIN 1: an empty buffer is then told apart from a hang-up
    port.parity = "N" if pseudo else _PARITY[config.parity]
    if config.rs485:
        high = not config.rs485_active_low
        port.rs485_mode = RS485Settings(rts_level_for_tx=high, rts_level_for_rx=not high)
    try:
        port.open()
    except (OSError, ValueError, termios.error) as error:
        raise MeterUnreachable(f"{config.port}: {_why_closed(error)}") from error
    with contextlib.suppress(ValueError, OSError):  # only some adapters know the mode
        port.set_low_latency_mode(True)
    return port


def _why_closed(error: Exception) -> str:
    code = error.args[0] if error.args else None
    match code:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV:
            return "no such port; is the adapter plugged in?"
        case errno.EACCES | errno.EPERM:
            return "no permission; add the user to the group dialout"
        case errno.EBUSY | errno.EAGAIN:
            return "in use by another program"
        case _:
            return f"cannot be opened, {_words(error)}"


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno is not None:
        return os.strerror(error.errno)
    return str(error) or type(error).__name__
