"""Modbus frames as pure functions: requests, both envelopes, and what has arrived so far.

A request knows how its answer must begin and how long it will be, so a reader can stop at the last
byte instead of waiting for silence, and an answer to anything else is never taken for it. Nothing
here waits or reads.
"""

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

READ_HOLDING: Final = 0x03
READ_INPUT: Final = 0x04
WRITE_MULTIPLE: Final = 0x10
MAX_READ: Final = 125  # words per request: the byte count is one byte, a frame at most 256
MAX_WRITE: Final = 123

Find = Callable[[bytearray], bytes | None]

BUSY: Final = 0x06
GATEWAY_ADVICE: Final = {
    0x0A: "the gateway has no line for this address, or is overloaded: check its settings",
    0x0B: "the gateway is there, the meter behind it is not: check its address, speed and wiring",
}
"""What a gateway itself says, about a meter that it does not reach."""
EXCEPTIONS: Final = {
    0x01: "illegal function",
    0x02: "illegal data address",
    0x03: "illegal data value",
    0x04: "device failure",
    0x05: "acknowledged, still working",
    BUSY: "device busy",
    0x07: "negative acknowledge",
    0x08: "memory parity error",
    0x09: "out of resources",
    0x0A: "gateway path unavailable",
    0x0B: "gateway target silent",
}


def _table() -> tuple[int, ...]:
    entries = []
    for value in range(256):
        crc = value
        for _ in range(8):
            crc = (crc >> 1) ^ 0xA001 if crc & 1 else crc >> 1
        entries.append(crc)
    return tuple(entries)


_CRC: Final = _table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS; zero over a frame that ends with its own checksum."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


class CrcMismatch(ValueError):  # noqa: N818 - reads as a state
    """An answer began right, is complete, and its checksum is wrong."""


class Trouble(Enum):
    """What stood on the line when the time for an answer was over."""

    SILENCE = "no answer"
    SHORT = "the answer broke off"
    OTHER_UNIT = "another unit answered"
    OTHER_ANSWER = "an answer to something else"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Request:
    """One request and what its answer must look like.

    ``pdu`` is function code and data, without unit and checksum. ``reply_head`` is how the PDU of
    a good answer begins: byte count of a read, address and count of a write; ``reply_size`` is the
    length of that PDU.
    """

    unit: int
    pdu: bytes
    reply_head: bytes
    reply_size: int

    @property
    def function(self) -> int:
        """The function code."""
        return self.pdu[0]

    @property
    def address(self) -> int:
        """The first register, zero-based as on the wire."""
        return int.from_bytes(self.pdu[1:3], "big")

    def __str__(self) -> str:
        """As it reads in an error: what is done, how many registers, where."""
        count = int.from_bytes(self.pdu[3:5], "big")
        verb = "write" if self.function == WRITE_MULTIPLE else "read"
        return f"{verb} of {count} at 0x{self.address:04X}"


def read_request(unit: int, function: int, address: int, count: int) -> Request:
    """A read of 1 to 125 registers with function 0x03 or 0x04."""
    if not 1 <= count <= MAX_READ:
        raise ValueError(f"{count} registers in one read, 1 to {MAX_READ} are allowed")
    size = 2 * count
    pdu = struct.pack(">BHH", function, address, count)
    return Request(unit, pdu, bytes((function, size)), size + 2)


def write_request(unit: int, address: int, words: Sequence[int]) -> Request:
    """A write of 1 to 123 registers with function 0x10."""
    count = len(words)
    if not 1 <= count <= MAX_WRITE:
        raise ValueError(f"{count} registers in one write, 1 to {MAX_WRITE} are allowed")
    head = struct.pack(">BHH", WRITE_MULTIPLE, address, count)
    data = struct.pack(f">B{count}H", 2 * count, *words)
    return Request(unit, head + data, head, len(head))


def words_of(pdu: bytes) -> tuple[int, ...]:
    """The registers in the PDU of an answer to a read."""
    return struct.unpack_from(f">{pdu[1] // 2}H", pdu, 2)


def exception_code(pdu: bytes) -> int | None:
    """The code of an exception answer, None for a good one."""
    return pdu[1] if pdu[0] & 0x80 else None


def rtu_frame(request: Request) -> bytes:
    """The request as it goes onto a serial line."""
    body = bytes((request.unit,)) + request.pdu
    return body + crc16(body).to_bytes(2, "little")


def find_rtu(received: bytes | bytearray, request: Request) -> bytes | None:
    """The PDU of the answer, or None while more bytes are needed.

    Bytes in front of the answer (noise of a line that has just been driven, a late answer of
    somebody else) are skipped, but only if a whole frame behind them has a right checksum.

    Raises:
        CrcMismatch: the first byte on is the answer, complete and damaged.
    """
    unit = bytes((request.unit,))
    good, size = unit + request.reply_head, request.reply_size + 3
    if len(received) < size and received.startswith(good):
        return None  # the usual case while an answer trickles in
    damaged = pending = False
    for head, length in ((good, size), (unit + bytes((request.function | 0x80,)), 5)):
        at = received.find(head)
        while at >= 0:
            frame = bytes(received[at : at + length])
            if len(frame) < length:
                pending = True
            elif crc16(frame) == 0:
                return frame[1:-2]
            elif at == 0:
                damaged = True
            at = received.find(head, at + 1)
    if damaged and not pending and len(received) == size:
        raise CrcMismatch  # with more bytes behind it, the right one may still be in there
    return None


def trouble_rtu(received: bytes | bytearray, request: Request) -> Trouble:
    """Why the bytes that have arrived are not the answer."""
    if not received:
        return Trouble.SILENCE
    frame = bytes(received[: _rtu_length(received)])
    if len(frame) >= 5 and crc16(frame) == 0:  # noqa: PLR2004 - the shortest frame
        return Trouble.OTHER_ANSWER if frame[0] == request.unit else Trouble.OTHER_UNIT
    expected = bytes((request.unit,)) + request.reply_head
    if expected.startswith(frame[: len(expected)]):
        return Trouble.SHORT
    return Trouble.NOISE


def _rtu_length(received: bytes | bytearray) -> int:
    """How long the frame says it is, as an answer."""
    if len(received) < 3:  # noqa: PLR2004 - unit, function, byte count
        return len(received)
    if received[1] & 0x80:
        return 5
    if received[1] in {READ_HOLDING, READ_INPUT}:
        return 5 + received[2]
    return 8


def mbap_frame(request: Request, transaction: int) -> bytes:
    """The request with the header of Modbus TCP."""
    header = struct.pack(">HHHB", transaction, 0, len(request.pdu) + 1, request.unit)
    return header + request.pdu


def find_mbap(received: bytes | bytearray, request: Request, transaction: int) -> bytes | None:
    """The PDU of the answer to this transaction, or None while more bytes are needed.

    Answers to other transactions are passed over, also the rest of one that began before this
    request was sent.
    """
    head = struct.pack(">HH", transaction, 0)
    at = received.find(head)
    while at >= 0:
        length, unit = int.from_bytes(received[at + 4 : at + 6], "big"), received[at + 6 : at + 7]
        pdu = bytes(received[at + 7 : at + 6 + length])
        whole = len(pdu) == length - 1 > 0
        if whole and unit[0] == request.unit and _answers(pdu, request):
            return pdu
        at = received.find(head, at + 1)
    return None


def trouble_mbap(received: bytes | bytearray, request: Request) -> Trouble:
    """Why the bytes that have arrived over Modbus TCP are not the answer."""
    if not received:
        return Trouble.SILENCE
    length = int.from_bytes(received[4:6], "big")
    if any(received[2:4]) or length > MAX_READ * 2 + 4:
        return Trouble.NOISE
    if len(received) < 8 or len(received) < 6 + length:  # noqa: PLR2004 - header and function
        return Trouble.SHORT
    return Trouble.OTHER_ANSWER if received[6] == request.unit else Trouble.OTHER_UNIT


def _answers(pdu: bytes, request: Request) -> bool:
    if pdu[0] == request.function | 0x80:
        return len(pdu) == 2  # noqa: PLR2004 - function and code
    return len(pdu) == request.reply_size and pdu.startswith(request.reply_head)


class RtuFraming:
    """Frames with a checksum; answers carry no number."""

    numbered = False

    def __init__(self, *, echo: bool = False) -> None:
        self._echo = echo
        self._frame = b""

    @property
    def advice(self) -> str:
        """What to look at when only noise arrives."""
        return "check baud rate, parity, wiring" + (" and `echo`" if self._echo else "")

    def prepare(self, request: Request) -> tuple[bytes, Find]:
        """The frame to send, and how to find its answer."""
        self._frame = rtu_frame(request)
        return self._frame, lambda received: find_rtu(self._behind_echo(received), request)

    def trouble(self, received: bytearray, request: Request) -> Trouble:
        """Why there is no answer in what has arrived."""
        return trouble_rtu(self._behind_echo(received), request)

    def unit_in(self, received: bytearray) -> int:
        """Who answered."""
        return self._behind_echo(received)[0]

    def _behind_echo(self, received: bytearray) -> bytearray:
        if self._echo and received.startswith(self._frame[: len(received)]):
            return received[len(self._frame) :]
        return received


class MbapFraming:
    """Frames of Modbus TCP; each answer names its question."""

    numbered = True
    advice = "this is no Modbus TCP, perhaps it is RTU over TCP: try `framing: rtu`"

    def __init__(self) -> None:
        self._number = 0

    def prepare(self, request: Request) -> tuple[bytes, Find]:
        """The frame to send, and how to find its answer."""
        self._number = number = (self._number + 1) & 0xFFFF
        return mbap_frame(request, number), lambda received: find_mbap(received, request, number)

    def trouble(self, received: bytearray, request: Request) -> Trouble:
        """Why there is no answer in what has arrived."""
        return trouble_mbap(received, request)

    def unit_in(self, received: bytearray) -> int:
        """Who answered."""
        return received[6]
