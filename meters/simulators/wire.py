"""Modbus frames of the slave side, decoded and encoded by pymodbus.

The drivers of this project frame by themselves, so a mistake in one of the two shows.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from pymodbus.framer.rtu import FramerRTU
from pymodbus.framer.socket import FramerSocket
from pymodbus.pdu import DecodePDU, ExceptionResponse, ModbusPDU
from pymodbus.pdu.register_message import (
    ReadHoldingRegistersResponse,
    ReadInputRegistersResponse,
    WriteMultipleRegistersRequest,
    WriteMultipleRegistersResponse,
    WriteSingleRegisterResponse,
)

from meters.simulators.refusal import Code

if TYPE_CHECKING:
    from pymodbus.framer.base import FramerBase

READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE = 0x03, 0x04, 0x06, 0x10
READS: Final = frozenset({READ_HOLDING, READ_INPUT})
WRITES: Final = frozenset({WRITE_SINGLE, WRITE_MULTIPLE})
MOST_READ: Final = 125
MOST_WRITE: Final = 123
_SHORTEST_RTU: Final = 4


class Framing(StrEnum):
    """Envelope of a frame: with unit and checksum, or with the header of Modbus TCP."""

    RTU = "rtu"
    TCP = "tcp"


@dataclass(frozen=True, slots=True)
class Request:
    """What a master asks; ``values`` are those of a write.

    ``wrong`` is the exception code for a request that no device can carry out: unknown function,
    impossible number of registers.
    """

    unit: int
    function: int
    address: int = 0
    count: int = 0
    values: tuple[int, ...] = ()
    transaction: int = 0
    wrong: Code | None = None


class Codec:
    """Requests out of bytes, answers into bytes."""

    def __init__(self, framing: Framing) -> None:
        self.framing = framing
        self._decoder = DecodePDU(is_server=True)
        rtu = framing is Framing.RTU
        self._framer: FramerBase = (FramerRTU if rtu else FramerSocket)(self._decoder)

    def requests(self, buffer: bytearray) -> Iterator[Request | None]:
        """Take complete frames off the buffer; None is a frame with a wrong checksum.

        What is incomplete stays. Behind a frame with checksum everything is dropped: the line must
        have been silent there, so it is noise.
        """
        while buffer:
            size, unit, transaction, body = self._framer.decode(bytes(buffer))
            if size == 0:
                return
            del buffer[:size]
            yield self._request(unit, transaction, body) if body else None

    def after_silence(self, buffer: bytearray) -> Request | None:
        """What remained when the line fell silent: a function nobody knows, or damage (None)."""
        data = bytes(buffer)
        buffer.clear()
        if self.framing is Framing.TCP or len(data) < _SHORTEST_RTU:
            return None
        if not FramerRTU.check_CRC(data[:-2], int.from_bytes(data[-2:], "big")):
            return None
        return Request(data[0], data[1] & 0x7F, wrong=Code.ILLEGAL_FUNCTION)

    def reply(self, request: Request, words: Sequence[int]) -> bytes:
        """The good answer; ``words`` are those of a read."""
        return self._framer.buildFrame(_answer(request, words))

    def exception(self, request: Request, code: int) -> bytes:
        """The answer that says no."""
        pdu = ExceptionResponse(request.function, code, request.unit, request.transaction)
        return self._framer.buildFrame(pdu)

    def _request(self, unit: int, transaction: int, body: bytes) -> Request:
        function = body[0]
        if function not in READS | WRITES:
            return Request(unit, function, transaction=transaction, wrong=Code.ILLEGAL_FUNCTION)
        pdu = self._decoder.decode(body)  # None where the number of registers is impossible
        values = tuple(pdu.registers) if pdu is not None and function in WRITES else ()
        if pdu is None or _impossible(pdu, values):
            return Request(unit, function, transaction=transaction, wrong=Code.ILLEGAL_VALUE)
        count = len(values) if function in WRITES else pdu.count
        return Request(unit, function, pdu.address, count, values, transaction)


def _impossible(pdu: ModbusPDU, values: Sequence[int]) -> bool:
    if not isinstance(pdu, WriteMultipleRegistersRequest):
        return False
    return not (0 < len(values) == pdu.count <= MOST_WRITE and pdu.byte_count == 2 * pdu.count)


def _answer(request: Request, words: Sequence[int]) -> ModbusPDU:
    pdu: ModbusPDU
    match request.function:
        case 0x03:
            pdu = ReadHoldingRegistersResponse(registers=words)
        case 0x04:
            pdu = ReadInputRegistersResponse(registers=words)
        case 0x06:
            pdu = WriteSingleRegisterResponse(address=request.address, registers=request.values)
        case _:
            pdu = WriteMultipleRegistersResponse(address=request.address, count=request.count)
    pdu.dev_id, pdu.transaction_id = request.unit, request.transaction
    return pdu
