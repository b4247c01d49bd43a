"""Modbus master: one bus per serial line or gateway, shared fairly by the meters on it.

Why not pymodbus as master: a meter's record is read while other meters wait, so the bus must end a
read at its last byte, keep the silence between frames exactly, tell a damaged answer from none, and
never repeat a command whose answer was lost. pymodbus drops damaged frames silently and repeats by
itself; it serves as the independent peer of the simulated meters.

What is never done: taking a late answer for the answer to the next request. RTU answers carry no
number, so after a request that was not answered nothing *else* is asked of the same meter until
the time-out has passed once more in silence; the same request may be repeated at once.
"""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from meters.errors import MeterDataError, MeterError, MeterUnreachable
from meters.line import BusConfig, Line, SerialBusConfig, SerialLine, TcpBusConfig, TcpLine
from meters.line import bus_config as bus_config  # noqa: PLC0414 - part of this module's face
from meters.rtu import (
    BUSY,
    EXCEPTIONS,
    GATEWAY_CODES,
    MAX_READ,
    MAX_WRITE,
    READ_HOLDING,
    READ_INPUT,
    CrcMismatch,
    MbapFraming,
    Request,
    RtuFraming,
    Trouble,
    exception_code,
    read_request,
    words_of,
    write_request,
)
from meters.turns import Turns, pause

wire = logging.getLogger("meters.wire")

_SILENT_REQUESTS_OF_A_DEAD_CONNECTION: Final = 2


class ModbusException(MeterDataError):  # noqa: N818 - the protocol's own word
    """The meter understood and said no; ``code`` is the exception code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class UnexpectedAnswer(MeterDataError):  # noqa: N818 - reads as a state
    """The meter answered with a whole frame that belongs to something else; asked again first."""


@dataclass(slots=True)
class Counters:
    """What happened, since the bus was made, on the bus or with one unit of it.

    ``requests`` counts frames sent, repetitions included. ``unexpected`` counts answers of another
    unit or to another request, ``busy_seconds`` the time the line was taken.
    """

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    unexpected: int = 0
    exceptions: int = 0
    reopened: int = 0
    busy_seconds: float = 0.0


@dataclass(slots=True)
class _Unanswered:
    """A request whose answer may still come, until the loop's time ``until``."""

    request: Request
    until: float


@dataclass(slots=True)
class _Peer:
    """What the bus remembers of one unit."""

    counters: Counters = field(default_factory=Counters)
    unanswered: _Unanswered | None = None


class ModbusBus:
    """One serial line or gateway. ``async with`` owns it; it opens when it is first used.

    One request at a time is on the line. Those who wait are served in order of arrival, urgent ones
    first; long reads queue again for each part, so others come in between.
    """

    def __init__(self, config: BusConfig) -> None:
        self.name = config.port if isinstance(config, SerialBusConfig) else config.host
        self.counters = Counters()
        self._config = config
        self._line: Line | None = None
        self._framing: RtuFraming | MbapFraming = _framing(config)
        self._turns = Turns()
        self._peers: dict[int, _Peer] = {}
        self._silent = 0

    async def __aenter__(self) -> Self:
        config = self._config
        self._line = TcpLine(config) if isinstance(config, TcpBusConfig) else SerialLine(config)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()
            await asyncio.sleep(0)  # a TCP connection is closed by the loop's next round

    def unit(
        self, device_id: int, *, attempts: int = 3, retry_delay_s: float = 0.5
    ) -> "ModbusUnit":
        """The meter with this address; ``attempts`` and the delay between them are its defaults."""
        return ModbusUnit(self, device_id, attempts=attempts, retry_delay_s=retry_delay_s)

    def counters_of(self, device_id: int) -> Counters:
        """What happened with one unit."""
        return self._peer(device_id).counters

    async def exchange(self, request: Request, *, urgent: bool = False) -> bytes:
        """Send a request once and return the PDU of its good answer.

        Raises:
            MeterUnreachable: the line is down, or there was no answer, or noise.
            UnexpectedAnswer: somebody answered something else.
            ModbusException: the meter said no.
        """
        peer = self._peer(request.unit)
        reply = None
        while reply is None:
            if (wait := _unsettled_s(peer, request)) > 0:
                await asyncio.sleep(wait)
            async with self._turns.turn(urgent=urgent):
                if not _unsettled_s(peer, request):
                    reply = await self._ask(await self._silent_line(), peer, request)
        code = exception_code(reply)
        if code is None:
            return reply
        self._count(peer, exceptions=1)
        sentence = f"{self._where(request)}: {_exception(code)}"
        if code in GATEWAY_CODES:
            raise MeterUnreachable(sentence)
        raise ModbusException(sentence, code)

    def _peer(self, device_id: int) -> _Peer:
        return self._peers.setdefault(device_id, _Peer())

    async def _silent_line(self) -> Line:
        """The line, open, with the gap after the last byte kept."""
        if self._line is None:
            raise MeterUnreachable(f"{self.name}: the bus is closed")
        line, opened = self._line, self._line.opened
        await line.open()
        if line.opened > max(opened, 1):
            self.counters.reopened += 1
        await self._keep_gap(line)
        return line

    async def _keep_gap(self, line: Line) -> None:
        """Wait out the gap; what arrives meanwhile is of no use, and starts it anew."""
        loop = asyncio.get_running_loop()
        limit = loop.time() + 2 * self._config.timeout_ms / 1000
        line.discard()
        while (left := line.last_activity + self._config.gap_s - loop.time()) > 0:
            if loop.time() > limit:
                raise MeterUnreachable(f"{self.name}: the line is never silent")
            await pause(left)
            line.discard()

    async def _ask(self, line: Line, peer: _Peer, request: Request) -> bytes:
        loop = asyncio.get_running_loop()
        frame, find = self._framing.prepare(request)
        received, started, answered = line.bytes_received, loop.time(), False
        self._trace(">", frame)
        try:
            reply = await line.exchange(frame, find, reply_bytes=request.reply_size + 7)
            answered = reply is not None
        except CrcMismatch as error:
            answered = True  # by a damaged one; no other will come
            self._count(peer, crc_errors=1)
            echo = line.received.startswith(frame[:8])
            cause = "set `echo: true`, the adapter sends back" if echo else "the checksum is wrong"
            raise MeterUnreachable(f"{self._where(request)}: damaged answer, {cause}") from error
        finally:
            self._trace("<", line.received)
            self._count(
                peer,
                requests=1,
                bytes_sent=len(frame),
                bytes_received=line.bytes_received - received,
                busy_seconds=loop.time() - started,
            )
            self._remember(peer, request, started, answered=answered)
        if reply is None:
            raise self._trouble(line, peer, request)
        return reply

    def _remember(self, peer: _Peer, request: Request, sent: float, *, answered: bool) -> None:
        """Note whether another answer to this request may still come.

        A good answer to a repeated request may be the late one to its first sending.
        """
        if not self._framing.numbered and (not answered or peer.unanswered is not None):
            peer.unanswered = _Unanswered(request, sent + 2 * self._config.timeout_ms / 1000)
        if answered:
            self._silent = 0

    def _trouble(self, line: Line, peer: _Peer, request: Request) -> MeterError:
        where, timeout = self._where(request), self._config.timeout_ms
        match self._framing.trouble(line.received, request):
            case Trouble.SILENCE:
                self._count(peer, timeouts=1)
                self._give_up_dead_connection(line)
                return MeterUnreachable(f"{where}: no answer within {timeout} ms")
            case Trouble.SHORT:
                self._count(peer, timeouts=1)
                count = len(line.received)
                return MeterUnreachable(f"{where}: the answer broke off after {count} bytes")
            case Trouble.OTHER_UNIT:
                self._count(peer, unexpected=1)
                other = self._framing.unit_in(line.received)
                return MeterUnreachable(f"{where}: unit {other} answered instead")
            case Trouble.OTHER_ANSWER:
                self._count(peer, unexpected=1)
                return UnexpectedAnswer(f"{where}: the answer does not fit the question")
            case Trouble.NOISE:
                self._count(peer, crc_errors=1)
                return MeterUnreachable(f"{where}: only noise; {self._framing.advice}")

    def _give_up_dead_connection(self, line: Line) -> None:
        """A gateway that was switched off leaves a connection on which nothing ever comes back."""
        self._silent += 1
        if self._silent >= _SILENT_REQUESTS_OF_A_DEAD_CONNECTION and isinstance(line, TcpLine):
            line.close()
            self._silent = 0

    def _count(self, peer: _Peer, **counts: float) -> None:
        for counters in (self.counters, peer.counters):
            for name, value in counts.items():
                setattr(counters, name, getattr(counters, name) + value)

    def _trace(self, direction: str, frame: bytes | bytearray) -> None:
        if wire.isEnabledFor(logging.DEBUG):
            wire.debug("%s %s %s", self.name, direction, frame.hex(" "))

    def _where(self, request: Request) -> str:
        return f"{self.name} unit {request.unit}, {request}"


class ModbusUnit:
    """One meter on a bus.

    Silence, damaged answers and "busy" are asked again up to ``attempts`` times in all; any other
    exception answer is final, because it will not change. Longer reads and writes than one frame
    carries are cut into several requests.
    """

    def __init__(
        self, bus: ModbusBus, device_id: int, *, attempts: int, retry_delay_s: float
    ) -> None:
        self.device_id = device_id
        self._bus = bus
        self._attempts = attempts
        self._retry_delay_s = retry_delay_s

    @property
    def counters(self) -> Counters:
        """What happened with this unit."""
        return self._bus.counters_of(self.device_id)

    async def read_input(
        self, address: int, count: int, *, attempts: int | None = None, urgent: bool = False
    ) -> tuple[int, ...]:
        """Read input registers (function 0x04), as many as wanted.

        Raises:
            MeterUnreachable: no usable answer after all attempts.
            ModbusException: the meter said no, or was busy each time.
        """
        return await self._read(READ_INPUT, address, count, attempts=attempts, urgent=urgent)

    async def read_holding(
        self, address: int, count: int, *, attempts: int | None = None, urgent: bool = False
    ) -> tuple[int, ...]:
        """Read holding registers (function 0x03); otherwise like ``read_input``."""
        return await self._read(READ_HOLDING, address, count, attempts=attempts, urgent=urgent)

    async def write(
        self,
        address: int,
        words: Sequence[int],
        *,
        attempts: int | None = None,
        urgent: bool = False,
    ) -> None:
        """Write registers (function 0x10).

        A write is repeated when its answer was lost; give ``attempts=1`` where that would do harm.

        Raises:
            MeterUnreachable: no usable answer; the words may have been written.
            ModbusException: the meter said no.
        """
        for at in range(0, len(words), MAX_WRITE):
            part = words[at : at + MAX_WRITE]
            request = write_request(self.device_id, address + at, part)
            await self._ask(request, attempts, urgent=urgent)

    async def _read(
        self, function: int, address: int, count: int, *, attempts: int | None, urgent: bool
    ) -> tuple[int, ...]:
        words: list[int] = []
        for at in range(0, count, MAX_READ):
            part = min(MAX_READ, count - at)
            request = read_request(self.device_id, function, address + at, part)
            words += words_of(await self._ask(request, attempts, urgent=urgent))
        return tuple(words)

    async def _ask(self, request: Request, attempts: int | None, *, urgent: bool) -> bytes:
        left = self._attempts if attempts is None else attempts
        while True:
            left -= 1
            try:
                return await self._bus.exchange(request, urgent=urgent)
            except (MeterUnreachable, UnexpectedAnswer):
                if left <= 0:
                    raise
            except ModbusException as error:
                if left <= 0 or error.code != BUSY:
                    raise
            await asyncio.sleep(self._retry_delay_s)


def _framing(config: BusConfig) -> RtuFraming | MbapFraming:
    if isinstance(config, SerialBusConfig):
        return RtuFraming(echo=config.echo)
    return MbapFraming() if config.framing == "tcp" else RtuFraming()


def _unsettled_s(peer: _Peer, request: Request) -> float:
    """Seconds in which an answer to an earlier, other request of this unit may still come."""
    doubt = peer.unanswered
    if doubt is None:
        return 0.0
    left = doubt.until - asyncio.get_running_loop().time()
    if left <= 0:
        peer.unanswered = None
    return 0.0 if doubt.request == request else max(left, 0.0)


def _exception(code: int) -> str:
    return f"exception {code:02X} ({EXCEPTIONS.get(code, 'unknown')})"
