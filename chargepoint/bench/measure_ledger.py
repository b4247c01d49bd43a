"""What went over a serial line and over the socket, and when: taken from the station's own logs.

The station says every Modbus frame on the logger ``meters.wire`` and every OCPP frame on
``chargepoint.wire``, the latter just before it is handed to the socket.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from meters.line import SerialBusConfig

_MODBUS = logging.getLogger("meters.wire")
_OCPP = logging.getLogger("chargepoint.wire")

_READS = (0x03, 0x04)
_RECORD = range(0x7110, 0x7900)
_POLLED = (range(0x0800), range(0x5012, 0x5013))
"""Live values, energies, temperature, fault bits: what is read whether a session runs or not."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as bytes on the wire; times are monotonic seconds."""

    started: float
    ended: float
    sent: bytes
    received: bytes

    @property
    def address(self) -> int:
        """The first register."""
        return int.from_bytes(self.sent[2:4], "big")

    @property
    def of_record(self) -> bool:
        """Whether it fetched a part of the signed record."""
        return self.sent[1] in _READS and self.address in _RECORD

    @property
    def of_poll(self) -> bool:
        """Whether it belongs to the reading of live values."""
        return self.sent[1] in _READS and any(self.address in part for part in _POLLED)

    @property
    def name(self) -> str:
        """For example ``04@7110``: function and address."""
        return f"{self.sent[1]:02X}@{self.address:04X}"


@dataclass(frozen=True, slots=True)
class Wire:
    """Times of one line in seconds: one character, and the silence between two frames (t3.5)."""

    character_s: float
    gap_s: float

    @classmethod
    def at(cls, baudrate: int) -> "Wire":
        """The line at this speed, 8N1."""
        config = SerialBusConfig(port="none", baudrate=baudrate)
        return cls(config.character_s, config.gap_s)

    def characters(self, exchanges: Sequence[Exchange]) -> float:
        """How long the bytes alone take."""
        return sum(len(e.sent) + len(e.received) for e in exchanges) * self.character_s

    def limit(self, exchanges: Sequence[Exchange]) -> float:
        """The least that a correct RTU master needs: the bytes, and two silences per request."""
        return self.characters(exchanges) + 2 * self.gap_s * len(exchanges)

    def reaction(self, exchanges: Sequence[Exchange]) -> float:
        """What the meter took beyond that: from the silence after a request to its answer."""
        own = self.characters(exchanges) + self.gap_s * len(exchanges)
        return max(0.0, sum(e.ended - e.started for e in exchanges) - own)


@dataclass(slots=True)
class Ledger:
    """All exchanges, and all OCPP frames that were sent, with their monotonic times."""

    exchanges: list[Exchange] = field(default_factory=list)
    frames: list[tuple[float, str]] = field(default_factory=list)

    def between(self, start: float, end: float) -> list[Exchange]:
        """What began on the line in this time."""
        return [one for one in self.exchanges if start <= one.started < end]

    def sent(self, words: str, after: float) -> float | None:
        """When the first OCPP frame with these words was sent after a moment, None if none was."""
        return next((at for at, text in self.frames if at >= after and words in text), None)


class _ModbusLog(logging.Handler):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger
        self._sent = (0.0, b"")

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if not isinstance(record.args, tuple):
            return
        _, direction, text = record.args
        frame = bytes.fromhex(str(text))
        if direction == ">":
            self._sent = (now, frame)
        else:
            self._ledger.exchanges.append(Exchange(self._sent[0], now, self._sent[1], frame))


class _OcppLog(logging.Handler):
    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self._ledger = ledger

    def emit(self, record: logging.LogRecord) -> None:
        now = time.monotonic()
        if isinstance(record.args, tuple) and record.args[0] == "sent":
            self._ledger.frames.append((now, str(record.args[1])))


@contextlib.contextmanager
def listening() -> Iterator[Ledger]:
    """Keep books while the context is open; nothing is printed."""
    ledger = Ledger()
    pairs: tuple[tuple[logging.Logger, logging.Handler], ...] = (
        (_MODBUS, _ModbusLog(ledger)),
        (_OCPP, _OcppLog(ledger)),
    )
    before = [(log.level, log.propagate) for log, _ in pairs]
    for log, handler in pairs:
        log.setLevel(logging.DEBUG)
        log.propagate = False
        log.addHandler(handler)
    try:
        yield ledger
    finally:
        for (log, handler), (level, propagate) in zip(pairs, before, strict=True):
            log.removeHandler(handler)
            log.setLevel(level)
            log.propagate = propagate
