"""Bytes on a Modbus line while an answer is awaited: both envelopes, with and without echo.

The first five bytes say what was asked, the rest arrives, in pieces of the size of the sixth.
"""

from collections.abc import Iterator

from meters.rtu import (
    READ_HOLDING,
    READ_INPUT,
    CrcMismatch,
    MbapFraming,
    Request,
    RtuFraming,
    Trouble,
    crc16,
    exception_code,
    read_request,
    words_of,
    write_request,
)

MODULES = ("meters.rtu",)


def _sealed(body: bytes) -> bytes:
    return body + crc16(body).to_bytes(2, "little")


def seeds() -> Iterator[bytes]:
    words = bytes(range(8))
    for kind in range(6):
        head = bytes((kind, 1, 0x10, 0x00, 4, 0))
        yield head
        yield head + _sealed(b"\x01\x04\x08" + words)
        yield head + _sealed(b"\x01\x03\x08" + words)
        yield head + _sealed(b"\x01\x10\x10\x00\x00\x04")
        yield head + _sealed(b"\x01\x84\x02") + _sealed(b"\x02\x04\x08" + words)
        yield head + b"\x00\xff" + _sealed(b"\x01\x04\x08" + words)[:-1]
        yield head + b"\x00\x01\x00\x00\x00\x0b\x01\x04\x08" + words
        yield head + b"\x00\x01\x00\x00\x00\x03\x01\x84\x0b"
        yield head + _sealed(b"\x01\x04\x10\x00\x00\x04") + _sealed(b"\x01\x04\x08" + words)


def run(data: bytes) -> str:
    if len(data) < 6:
        return "no input"
    kind, unit, high, low, count, size = data[:6]
    request = _request(kind, unit, 256 * high + low, count)
    framing: RtuFraming | MbapFraming
    framing = MbapFraming() if kind & 1 else RtuFraming(echo=bool(kind & 8))
    frame, find = framing.prepare(request)
    assert frame
    received, rest = bytearray(), data[6:]
    step = size or len(rest) or 1
    for at in range(0, len(rest), step):
        received += rest[at : at + step]
        before = bytes(received)
        try:
            pdu = find(received)
        except CrcMismatch:
            return "CrcMismatch"
        assert received == before
        if pdu is not None:
            return _check(pdu, request)
    trouble = framing.trouble(received, request)
    if trouble is Trouble.OTHER_UNIT:
        assert framing.unit_in(received) in range(256)
    return trouble.name


def _request(kind: int, unit: int, address: int, count: int) -> Request:
    if kind & 6 == 4:
        return write_request(unit, address, [7] * (1 + count % 123))
    return read_request(unit, READ_HOLDING if kind & 2 else READ_INPUT, address, 1 + count % 125)


def _check(pdu: bytes, request: Request) -> str:
    """An answer is one to this question, complete."""
    code = exception_code(pdu)
    if code is not None:
        assert pdu[0] & 0x7F == request.function
        return "exception"
    assert pdu[0] == request.function
    assert len(pdu) == request.reply_size
    if request.function in {READ_HOLDING, READ_INPUT}:
        assert len(words_of(pdu)) == int.from_bytes(request.pdu[3:5], "big")
    return "answer"
