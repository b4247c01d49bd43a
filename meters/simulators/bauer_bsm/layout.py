"""Where things are in the simulated meter, and how values are packed into words.

Source: register list and model files that the vendor's partner published with its tools, SunSpec
models 1, 10, 17 and 203. Offsets are from the base address. Written independently of the driver's
tables, so that a mistake in one of them shows.
"""

import struct
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Final

from meters.simulators.energy import NOMINAL_VOLTAGE, Load, rounded

Words = tuple[int, ...]

UNSET_16: Final = 0xFFFF
UNSET_S16: Final = 0x8000
UNSET_32: Final = 0xFFFF_FFFF

COMMON, COMMON_LENGTH = 2, 66
HEADER, HEADER_LENGTH = 70, 4
SERIAL_LINE, SERIAL_LINE_LENGTH = 76, 12
METER, METER_LENGTH = 90, 105
SIGNER, SIGNER_LENGTH = 197, 300
HASH, HASH_LENGTH = 499, 20
SNAPSHOTS, SNAPSHOT_LENGTH = 521, 252
RECORDS, RECORD_LENGTH = 1791, 498
END_OF_MAP = 4291

EPOCH, ZONE = 260, 262
META: Final = ((279, 70), (349, 50), (399, 50))
STATUS_AT: Final = 3
TEXT_AT: Final = 4
KEY_WORDS: Final = 48
SIGNATURE_WORDS: Final = 48

_SQRT3: Final = Decimal(3).sqrt()


class Type(IntEnum):
    """The snapshots, in the order in which they stand in the map."""

    CURRENT = 0
    TURN_ON = 1
    TURN_OFF = 2
    START = 3
    END = 4

    @property
    def snapshot(self) -> int:
        """Offset of model 64901."""
        return SNAPSHOTS + self * (SNAPSHOT_LENGTH + 2)

    @property
    def record(self) -> int:
        """Offset of model 64903."""
        return RECORDS + self * (RECORD_LENGTH + 2)


class Status(IntEnum):
    """State of a snapshot."""

    VALID = 0
    INVALID = 1
    UPDATING = 2
    FAILED = 3
    NOT_ENABLED = 4
    WRONG_FEEDBACK = 5


def number(value: int, words: int) -> Words:
    """An integer, high word first; too large wraps."""
    return tuple((value >> (16 * place)) & 0xFFFF for place in reversed(range(words)))


def blob(data: bytes, words: int) -> Words:
    """Bytes in reading order, zeros behind them."""
    return struct.unpack_from(f">{words}H", data.ljust(2 * words, b"\0"))


def text(content: str, words: int) -> Words:
    """A text over its whole area."""
    return blob(content.encode(), words)


def text_of(words: Sequence[int]) -> bytes:
    """The text in an area: what stands before the first NUL."""
    return struct.pack(f">{len(words)}H", *words).split(b"\0")[0]


def signed(word: int) -> int:
    """The value of a word with sign."""
    return word - 0x10000 if word & 0x8000 else word


def meter(load: Load, counts: tuple[int, int], scale: int, events: int) -> Words:
    """The payload of model 203; counters are in steps of ten to the ``scale`` Wh."""
    watts = [Decimal(tenth) / 10 for tenth in load.tenths()]
    amps = [abs(power) / NOMINAL_VOLTAGE for power in watts]
    total = sum(watts, Decimal(0))
    imported, exported = counts
    chained = NOMINAL_VOLTAGE * _SQRT3
    words: list[int] = [
        *_scaled([sum(amps, Decimal(0)), *amps], -2),
        *_scaled([NOMINAL_VOLTAGE] * 4 + [chained] * 4, -1),
        *_scaled([Decimal(50)], -2),
        *_scaled([total, *watts], 0),
        *_scaled([abs(total), *(abs(power) for power in watts)], 0),
        *_scaled([Decimal(0)] * 4, 0),
        *[UNSET_S16] * 5,
        *number(exported, 2), *[0] * 6,
        *number(imported, 2), *[0] * 6,
        scale & 0xFFFF,
    ]  # fmt: skip
    words += [0] * (METER_LENGTH - 2 - len(words))
    return (*words, *number(events, 2))


def _scaled(values: Sequence[Decimal], exponent: int) -> Words:
    most = 0x7FFF
    numbers = [rounded(value.scaleb(-exponent)) for value in values]
    return (*(max(-most, min(most, one)) & 0xFFFF for one in numbers), exponent & 0xFFFF)
