"""One meter on a Modbus bus: reads and writes of any length, asked again where that helps."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from meters.errors import MeterDataError, MeterUnreachable
from meters.rtu import (
    BUSY,
    MAX_READ,
    MAX_WRITE,
    READ_HOLDING,
    READ_INPUT,
    Request,
    read_request,
    words_of,
    write_request,
)
from meters.turns import Rank


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
    unit or to another request, ``bytes_unasked`` what arrived while nobody waited (of a bus only),
    ``busy_seconds`` the time the line was taken.
    """

    requests: int = 0
    bytes_sent: int = 0
    bytes_received: int = 0
    bytes_unasked: int = 0
    timeouts: int = 0
    crc_errors: int = 0
    unexpected: int = 0
    exceptions: int = 0
    reopened: int = 0
    busy_seconds: float = 0.0


class Bus(Protocol):
    """What a unit needs of ``meters.modbus.ModbusBus``."""

    def counters_of(self, device_id: int) -> Counters:
        """What happened with one unit."""
        ...

    async def exchange(self, request: Request, *, rank: Rank, timeout_s: float | None) -> bytes:
        """Send a request once and return the PDU of its good answer."""
        ...


class ModbusUnit:
    """One meter on a bus.

    Silence, damaged answers and "busy" are asked again up to ``attempts`` times in all; any other
    exception answer is final, because it will not change. Longer reads and writes than one frame
    carries are cut into several requests. What is ``urgent`` goes before polls of all meters: give
    it for what begins, ends or fetches a transaction.
    """

    def __init__(
        self, bus: Bus, device_id: int, *, attempts: int, retry_delay_s: float, timeout_s: float
    ) -> None:
        self.device_id = device_id
        self._bus = bus
        self._attempts = attempts
        self._retry_delay_s = retry_delay_s
        self._timeout_s = timeout_s

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
            await self._ask(request, attempts, Rank.COMMAND if urgent else Rank.POLL)

    async def _read(
        self, function: int, address: int, count: int, *, attempts: int | None, urgent: bool
    ) -> tuple[int, ...]:
        words: list[int] = []
        rank = Rank.POLL if not urgent else Rank.LONG if count > MAX_READ else Rank.COMMAND
        for at in range(0, count, MAX_READ):
            part = min(MAX_READ, count - at)
            request = read_request(self.device_id, function, address + at, part)
            words += words_of(await self._ask(request, attempts, rank))
        return tuple(words)

    async def _ask(self, request: Request, attempts: int | None, rank: Rank) -> bytes:
        left = self._attempts if attempts is None else attempts
        while True:
            left -= 1
            try:
                return await self._bus.exchange(request, rank=rank, timeout_s=self._timeout_s)
            except (MeterUnreachable, UnexpectedAnswer):
                if left <= 0:
                    raise
            except ModbusException as error:
                if left <= 0 or error.code != BUSY:
                    raise
            await asyncio.sleep(self._retry_delay_s)
