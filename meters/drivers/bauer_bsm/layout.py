"""Where things are in a BSM-WS36A, and what the numbers mean.

Source: register list and model files that the vendor's partner published with its tools, SunSpec
models 1 and 203. Offsets are from the base address, zero-based as on the wire; numbers have the
high word first.
"""

import struct
from collections.abc import Sequence
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Final

from meters.model import Phase, Quantity, Sample

BEGINNING: Final = b"SunS"
COMMON_WORDS: Final = 69  # the beginning and model 1
VENDOR: Final = (4, 16)  # offset, words
MODEL: Final = (20, 16)
VERSION: Final = (44, 8)
SERIAL: Final = (52, 16)

LIVE: Final = 92
LIVE_WORDS: Final = 53
EVENTS: Final = 195

SIGNING_MODEL: Final = 197
SIGNING_MODEL_ID: Final = 64900
RESPONSE_COUNT: Final = 256
CLOCK: Final = 260  # epoch, two words, and time zone
NO_TIME: Final = 0xFFFF_FFFF
META_1: Final = 279
META_1_WORDS: Final = 70
META_2_WORDS: Final = 50  # at once behind it
META_3: Final = 399
META_3_WORDS: Final = 50
NOTE_WORDS: Final = 26  # the part of it that we use
KEY_SIZE: Final = 450  # bytes
KEY: Final = 451
KEY_WORDS: Final = 48

STATUS_AT: Final = 3  # in a snapshot, and in its record
COUNT_AT: Final = 19
META_3_AT: Final = 152
TEXT_AT: Final = 4
TEXT_WORDS: Final = 496
TAKE: Final = 2  # written to the status it makes the meter take a snapshot

METHOD: Final = "ECDSA-secp256r1-SHA256"


class Slot(Enum):
    """The two snapshots that make a transaction: offset, and offset of its record."""

    START = (1283, 3291)
    END = (1537, 3791)

    @property
    def snapshot(self) -> int:
        """Model 64901."""
        return self.value[0]

    @property
    def record(self) -> int:
        """Model 64903."""
        return self.value[1]


class Status(IntEnum):
    """State of a snapshot."""

    VALID = 0
    INVALID = 1  # none was taken since power-up
    UPDATING = 2
    FAILED = 3
    NOT_ENABLED = 4
    WRONG_FEEDBACK = 5


FAILURES: Final = {
    Status.FAILED: "failed inside the meter",
    Status.NOT_ENABLED: "the enable input is missing",
    Status.WRONG_FEEDBACK: "the contactor answers wrong",
}

_EVENTS: Final = {
    2: "power failure",
    3: "voltage too low",
    4: "power factor too low",
    5: "current too high",
    6: "voltage too high",
    7: "sensor missing",
    16: "fatal error of the meter",
    17: "the communication module did not start",
    18: "the communication module has other firmware than certified",
    19: "the communication module is in development mode",
}
_NOT_AUTHENTIC: Final = range(16, 20)

_Row = tuple[int, Quantity, Phase | None]
_PHASES: Final = (Phase.L1, Phase.L2, Phase.L3)
_PAIRS: Final = (Phase.L1_L2, Phase.L2_L3, Phase.L3_L1)


def _rows(first: int, quantity: Quantity, phases: Sequence[Phase | None]) -> tuple[_Row, ...]:
    return tuple((first + place, quantity, phase) for place, phase in enumerate(phases))


_TOTAL_AND_PHASES: Final = (None, *_PHASES)
# Offset of the scale factor, and the values of one word that it is for.
_SCALED: Final = (
    (96, _rows(93, Quantity.CURRENT, _PHASES)),
    (105, _rows(98, Quantity.VOLTAGE, _PHASES) + _rows(102, Quantity.VOLTAGE, _PAIRS)),
    (107, _rows(106, Quantity.FREQUENCY, (None,))),
    (112, _rows(108, Quantity.POWER, _TOTAL_AND_PHASES)),
    (117, _rows(113, Quantity.APPARENT_POWER, _TOTAL_AND_PHASES)),
    (122, _rows(118, Quantity.REACTIVE_POWER, _TOTAL_AND_PHASES)),
)
_ENERGY_SCALE: Final = 144
_ENERGIES: Final = ((136, Quantity.ENERGY_IMPORT), (128, Quantity.ENERGY_EXPORT))
ENERGIES: Final = frozenset(quantity for _, quantity in _ENERGIES)
QUANTITIES: Final = frozenset(
    [(quantity, phase) for _, rows in _SCALED for _, quantity, phase in rows]
    + [(quantity, None) for _, quantity in _ENERGIES]
)
_UNSET: Final = 0x8000
_LARGEST_POWER: Final = 15  # of ten; what lies beyond, as 0x8000 does, says that nothing is there


def samples(words: Sequence[int]) -> tuple[Sample, ...]:
    """Everything in the live registers that the meter measures."""
    found = []
    for scale, rows in _SCALED:
        for at, quantity, phase in rows:
            power = signed(words[scale - LIVE])
            if words[at - LIVE] != _UNSET and abs(power) <= _LARGEST_POWER:
                value = Decimal(signed(words[at - LIVE])).scaleb(power)
                found.append(Sample(quantity, value, phase))
    power = signed(words[_ENERGY_SCALE - LIVE])
    for at, quantity in _ENERGIES:
        if abs(power) <= _LARGEST_POWER:
            count = number(words[at - LIVE : at - LIVE + 2])
            found.append(Sample(quantity, Decimal(count).scaleb(power)))
    return tuple(found)


def events(bits: int) -> tuple[str, ...]:
    """The event bits in words, lowest first."""
    return tuple(words for bit, words in _EVENTS.items() if bits >> bit & 1)


def not_authentic(bits: int) -> tuple[str, ...]:
    """Those after which nothing counts that the meter signs."""
    return events(sum(1 << bit for bit in _NOT_AUTHENTIC if bits >> bit & 1))


def raw(words: Sequence[int]) -> bytes:
    """The bytes of words, high byte first."""
    return struct.pack(f">{len(words)}H", *words)


def text_words(data: bytes, count: int) -> tuple[int, ...]:
    """A text over its whole register area, as the meter wants it written."""
    return struct.unpack(f">{count}H", data[: 2 * count].ljust(2 * count, b"\0"))


def number(words: Sequence[int]) -> int:
    """An unsigned number of any width."""
    return int.from_bytes(raw(words), "big")


def signed(word: int) -> int:
    """The value of a word with sign."""
    return word - 0x10000 if word & 0x8000 else word
