"""One question to a meter, and what came back, whoever sent it.

The question is the one that the meter's own driver asks first, so that a meter that keeps silent
about registers it does not have is still found. An exception answer is as good as any other here:
it comes from a meter that hears us.
"""

import asyncio
import contextlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from meters.catalog import Driver
from meters.diagnosis.read_only import READS
from meters.errors import MeterError
from meters.line import BusConfig, Line, SerialBusConfig, SerialLine, TcpBusConfig, TcpLine
from meters.modbus import ModbusBus
from meters.rtu import READ_HOLDING, Request, crc16, mbap_frame, read_request, rtu_frame

if TYPE_CHECKING:
    from collections.abc import Callable

_RECORDING_S: Final = 5.0
_SHORTEST: Final = 5
_LONGEST: Final = 256
_EXCEPTION: Final = 0x80
_GATEWAY_SAYS: Final = frozenset({0x0A, 0x0B})
_MBAP_HEAD: Final = 8


@dataclass(frozen=True, slots=True)
class Suspect:
    """A meter that did not answer: its name in the config, and the question to try it with."""

    name: str
    request: Request


@dataclass(frozen=True, slots=True)
class Heard:
    """What came back on one question.

    ``units`` sent a whole frame with a right checksum; ``gateway`` says that a gateway answered
    for a meter that it cannot reach. ``echo`` says that our own bytes came back first; ``noise``
    counts bytes that belong to no frame.
    """

    units: frozenset[int] = frozenset()
    echo: bool = False
    noise: int = 0
    gateway: bool = False

    @property
    def silent(self) -> bool:
        """Whether nothing came but perhaps our own bytes."""
        return not self.units and not self.noise


class _Recorded(MeterError):  # noqa: N818 - ends a driver's call
    """The question is known; nothing was sent."""


class _Recorder(ModbusBus):
    """Keeps the first question instead of sending it."""

    first: Request | None = None

    async def exchange(self, request: Request, **_how: Any) -> bytes:  # noqa: ANN401
        self.first = self.first or request
        raise _Recorded


async def first_request(driver: Driver, options: Any, bus: BusConfig) -> Request:  # noqa: ANN401
    """What the driver asks its meter first; some harmless read if that would be a write."""
    recorder = _Recorder(bus)
    meter = driver.create(options, recorder, now=lambda: datetime.now(UTC))
    for ask in (meter.identify, meter.read):
        with contextlib.suppress(MeterError, TimeoutError):
            async with asyncio.timeout(_RECORDING_S):
                await ask()
        if recorder.first is not None and recorder.first.function in READS:
            return recorder.first
    unit = recorder.first.unit if recorder.first else 1
    return read_request(unit, READ_HOLDING, 0, 1)


def line_of(config: BusConfig) -> Line:
    """The bare wire, closed."""
    return TcpLine(config) if isinstance(config, TcpBusConfig) else SerialLine(config)


async def ask(line: Line, request: Request, *, timeout_ms: int, framing: str = "rtu") -> Heard:
    """Send a question once and listen until an answer to it is there or the time is over.

    Raises:
        MeterUnreachable: the line was lost.
    """
    if framing == "tcp":
        frame = mbap_frame(request, 1)
        understand: Callable[[bytes, bytes], Heard] = heard_tcp
    else:
        frame = rtu_frame(request)
        understand = heard_rtu

    def answered(received: bytearray) -> bytes | None:
        return bytes(received) if request.unit in understand(bytes(received), frame).units else None

    line.discard()
    reply_bytes = request.reply_size + 7
    await line.exchange(frame, answered, reply_bytes=reply_bytes, timeout_s=timeout_ms / 1000)
    return understand(bytes(line.received), frame)


def to_unit(request: Request, unit: int) -> Request:
    """The same question to another meter."""
    return replace(request, unit=unit)


async def listen(config: SerialBusConfig, seconds: float) -> bytes:
    """What is on the line while we say nothing.

    Raises:
        MeterUnreachable: the port cannot be opened, or was lost.
    """
    line = SerialLine(config)
    await line.open()
    try:
        await line.exchange(b"", lambda _: None, reply_bytes=0, timeout_s=seconds)
        return bytes(line.received)
    finally:
        line.close()


def frames_in(data: bytes) -> tuple[list[bytes], int]:
    """Whole RTU frames with a right checksum, wherever they begin, and how many bytes are left."""
    found, left, at = [], 0, 0
    while at < len(data):
        end = _frame_end(data, at)
        if end:
            found.append(data[at:end])
            at = end
        else:
            left += 1
            at += 1
    return found, left


def heard_rtu(received: bytes, sent: bytes) -> Heard:
    """What the bytes after a question in RTU framing say."""
    echo = bool(sent) and received.startswith(sent)
    rest = received[len(sent) :] if echo else received
    frames, noise = frames_in(rest)
    # A question of somebody else looks like an answer too: whoever it is for need not be there.
    return Heard(
        units=frozenset(frame[0] for frame in frames),
        echo=echo,
        noise=noise,
        gateway=any(_from_gateway(frame[1:-2]) for frame in frames),
    )


def heard_tcp(received: bytes, _: bytes) -> Heard:
    """What the bytes after a question in Modbus TCP framing say."""
    units, at, gateway = set(), 0, False
    while len(received) >= at + _MBAP_HEAD:
        length = int.from_bytes(received[at + 4 : at + 6], "big")
        end = at + 6 + length
        if received[at + 2 : at + 4] != b"\0\0" or len(received) < end or length < 2:  # noqa: PLR2004
            break
        units.add(received[at + 6])
        gateway = gateway or _from_gateway(received[at + 7 : end])
        at = end
    return Heard(frozenset(units), noise=len(received) - at, gateway=gateway)


def _from_gateway(pdu: bytes) -> bool:
    """Whether this is an exception that only a gateway gives."""
    return len(pdu) == 2 and bool(pdu[0] & _EXCEPTION) and pdu[1] in _GATEWAY_SAYS  # noqa: PLR2004


def _frame_end(data: bytes, at: int) -> int:
    """Where the frame that begins here ends; 0 if none does."""
    for size in _sizes(data, at):
        frame = data[at : at + size]
        if len(frame) == size and 1 <= frame[0] <= 247 and crc16(frame) == 0:  # noqa: PLR2004
            return at + size
    return 0


def _sizes(data: bytes, at: int) -> tuple[int, ...]:
    """How long a frame that begins here could be: answer, question, exception."""
    head = data[at : at + 7]
    if len(head) < 3:  # noqa: PLR2004 - unit, function, one more
        return ()
    if head[1] & _EXCEPTION:
        return (_SHORTEST,)
    sizes = [8]
    if head[1] <= 0x04:  # noqa: PLR2004 - the reads
        sizes.append(min(_SHORTEST + head[2], _LONGEST))
    if len(head) == 7:  # noqa: PLR2004 - a write of several tells its bytes there
        sizes.append(min(9 + head[6], _LONGEST))
    return tuple(sizes)
