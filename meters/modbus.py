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
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from meters.bus_config import BusConfig, SerialBusConfig, TcpBusConfig, bus_config
from meters.errors import MeterError, MeterUnreachable
from meters.line import Line, SerialLine, TcpLine
from meters.modbus_unit import Counters, ModbusException, ModbusUnit, UnexpectedAnswer
from meters.rtu import (
    EXCEPTIONS,
    GATEWAY_ADVICE,
    CrcMismatch,
    MbapFraming,
    Request,
    RtuFraming,
    Trouble,
    exception_code,
)
from meters.turns import Rank, Turns, pause

__all__ = ["Counters", "ModbusBus", "ModbusException", "ModbusUnit", "UnexpectedAnswer"]
__all__ += ["bus_config", "open_bus"]

wire = logging.getLogger("meters.wire")


def open_bus(config: BusConfig) -> "ModbusBus | None":
    """The bus that was made of this very config and is open; for whoever reads its counters."""
    return next((bus for bus in _OPEN if bus.config is config), None)


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


_OPEN: Final[list["ModbusBus"]] = []


class ModbusBus:
    """One serial line or gateway. ``async with`` owns it; it opens when it is first used.

    One request at a time is on the line; ``meters.turns`` says whose is next, and why.
    """

    def __init__(self, config: BusConfig) -> None:
        self.name = config.port if isinstance(config, SerialBusConfig) else config.host
        self.counters = Counters()
        self.config = config
        self._line: Line | None = None
        self._framing: RtuFraming | MbapFraming = _framing(config)
        self._turns = Turns(config.poll_patience_ms / 1000)
        self._peers: dict[int, _Peer] = {}
        self._silent: set[int] = set()  # units that did not answer since one did

    async def __aenter__(self) -> Self:
        config = self.config
        _OPEN.append(self)
        self._line = TcpLine(config) if isinstance(config, TcpBusConfig) else SerialLine(config)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        line, self._line = self._line, None
        _OPEN.remove(self)
        if line is not None:
            line.close()
            await asyncio.sleep(0)  # a TCP connection is closed by the loop's next round

    @property
    def units(self) -> dict[int, Counters]:
        """What happened with each unit that was asked something."""
        return {device_id: peer.counters for device_id, peer in self._peers.items()}

    @property
    def longest_poll_wait_s(self) -> float:
        """The longest that a poll has waited for the line since the bus was made."""
        return self._turns.longest_wait_s

    def unit(
        self,
        device_id: int,
        *,
        attempts: int | None = None,
        retry_delay_s: float | None = None,
        timeout_s: float | None = None,
    ) -> ModbusUnit:
        """The meter with this address. What is None is as the config of the bus says."""
        config = self.config
        return ModbusUnit(
            self,
            device_id,
            attempts=config.attempts if attempts is None else attempts,
            retry_delay_s=config.retry_delay_ms / 1000 if retry_delay_s is None else retry_delay_s,
            timeout_s=config.timeout_ms / 1000 if timeout_s is None else timeout_s,
        )

    def counters_of(self, device_id: int) -> Counters:
        """What happened with one unit."""
        return self._peer(device_id).counters

    async def exchange(
        self, request: Request, *, rank: Rank = Rank.POLL, timeout_s: float | None = None
    ) -> bytes:
        """Send a request once and return the PDU of its good answer.

        Raises:
            MeterUnreachable: the line is down, or there was no answer, or noise.
            UnexpectedAnswer: somebody answered something else.
            ModbusException: the meter said no.
        """
        timeout_s = self.config.timeout_ms / 1000 if timeout_s is None else timeout_s
        peer = self._peer(request.unit)
        reply = None
        while reply is None:
            if (wait := _unsettled_s(peer, request)) > 0:
                await asyncio.sleep(wait)
            async with self._turns.turn(request.unit, rank=rank, asked=request.pdu) as turn:
                line = await self._silent_line()
                while not await turn.still_first():
                    line = await self._silent_line()
                if not _unsettled_s(peer, request):
                    reply = await self._ask(line, peer, request, timeout_s)
        code = exception_code(reply)
        if code is None:
            return reply
        self._count(peer, exceptions=1)
        sentence = f"{self._where(request)}: {_exception(code)}"
        if code in GATEWAY_ADVICE:
            raise MeterUnreachable(f"{sentence}; {GATEWAY_ADVICE[code]}")
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
        limit = loop.time() + 2 * self.config.timeout_ms / 1000
        line.discard()
        self.counters.bytes_unasked = line.bytes_unasked
        while (left := line.last_activity + self.config.gap_s - loop.time()) > 0:
            if loop.time() > limit:
                raise MeterUnreachable(f"{self.name}: the line is never silent")
            await pause(left)
            line.discard()

    async def _ask(self, line: Line, peer: _Peer, request: Request, timeout_s: float) -> bytes:
        loop = asyncio.get_running_loop()
        frame, find = self._framing.prepare(request)
        received, started, answered = line.bytes_received, loop.time(), False
        self._trace(">", frame)
        try:
            reply = await line.exchange(
                frame, find, reply_bytes=request.reply_size + 7, timeout_s=timeout_s
            )
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
            self._remember(peer, request, started + 2 * timeout_s, answered=answered)
        if reply is None:
            raise self._trouble(line, peer, request, timeout_s)
        return reply

    def _remember(self, peer: _Peer, request: Request, until: float, *, answered: bool) -> None:
        """Note whether another answer to this request may still come.

        A good answer to a repeated request may be the late one to its first sending.
        """
        if not self._framing.numbered and (not answered or peer.unanswered is not None):
            peer.unanswered = _Unanswered(request, until)
        if answered:
            self._silent.clear()

    def _trouble(self, line: Line, peer: _Peer, request: Request, timeout_s: float) -> MeterError:
        where = self._where(request)
        match self._framing.trouble(line.received, request):
            case Trouble.SILENCE:
                self._count(peer, timeouts=1)
                self._silent.add(request.unit)
                line.doubt(len(self._silent), known=len(self._peers))
                return MeterUnreachable(f"{where}: no answer within {1000 * timeout_s:.0f} ms")
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

    def _count(self, peer: _Peer, **counts: float) -> None:
        for counters in (self.counters, peer.counters):
            for name, value in counts.items():
                setattr(counters, name, getattr(counters, name) + value)

    def _trace(self, direction: str, frame: bytes | bytearray) -> None:
        if wire.isEnabledFor(logging.DEBUG):
            wire.debug("%s %s %s", self.name, direction, frame.hex(" "))

    def _where(self, request: Request) -> str:
        return f"{self.name} unit {request.unit}, {request}"


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
