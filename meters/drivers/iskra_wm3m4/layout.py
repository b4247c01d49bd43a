"""Where things are in a WM3M4, and what the numbers mean.

Source: "User's Manual WM3M4 & WM3M4C" 1.07, chapters 5 and 6.5. The manual's numbers 3xxxx and
4xxxx are the addresses on the wire plus 30000 and 40000: input and holding registers. One request
may carry at most 120 words.
"""

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Final

from meters.errors import MeterDataError
from meters.model import Phase, Quantity, Sample
from meters.registers import Block
from meters.rtu import READ_INPUT

MOST_WORDS: Final = 120

IDENTITY: Final = 1  # model, 8 words, and serial number behind it
MODEL_WORDS: Final = 8
SERIAL: Final = 9
SERIAL_WORDS: Final = 4

CHARGING: Final = 7000
COMMAND: Final = 7051
SIGNATURE_STATUS: Final = 7052
UTC_OFFSET: Final = 7053
CLOCK: Final = 7054  # Unix seconds, high word first
DATA_SET_LENGTH: Final = 7056  # bytes
OUTPUT_LENGTHS: Final = 7057  # bytes of the text, and behind it of the signature
SIGNATURE_FORMAT: Final = 7059  # 0 ASN.1, 1 base64
ALGORITHM: Final = 7060
LCD_MODE: Final = 7062
LCD_CUSTOM_TEXT: Final = 1 << 3
LCD_MAIN_WORDS: Final = 4  # at once behind the mode
LCD_LABEL_WORDS: Final = 2  # at once behind the main text
CLOCK_STATUS: Final = 7071
CLOCK_LOST: Final = 0
CLOCK_SYNCHRONISED: Final = 2
DATA_SET: Final = 7100
DATA_SET_WORDS: Final = 512
# The area holds 1024 bytes. So does that of the signed text, in which the meter's name and two
# readings must find room besides.
MOST_DATA_SET_BYTES: Final = 640
OUTPUT: Final = 7612
MOST_OUTPUT_BYTES: Final = 1024
KEY: Final = 8124
KEY_WORDS: Final = 32
SIGNATURE: Final = 8188
MOST_SIGNATURE_BYTES: Final = 256

ECDSA_P256: Final = 4
METHOD: Final = "ECDSA-secp256r1-SHA256"


class Charging(IntEnum):
    """Register 7000; everything but IDLE is a running transaction."""

    IDLE = 0
    ACTIVE = 1
    AFTER_POWER_FAILURE = 2
    AFTER_RESET = 3


class Command(IntEnum):
    """What can be written to 7051: a letter in the high byte."""

    BEGIN = ord("B") << 8
    END_WITH_BEGIN = ord("r") << 8  # the record then holds both readings


SIGNING: Final = 2
SIGNED: Final = 15
TROUBLES: Final = {
    128: "date and time are not valid",
    129: "checksum error",
    130: "invalid command",
    131: "the command does not fit the state",
    132: "the measurement is not valid",
    133: "the meter is in test mode",
    243: "wrong state for verification",
    244: "wrong state for a signature",
    245: "the key pair could not be made",
    246: "the hash failed",
    247: "the signing chip could not be started",
    248: "its data are not locked",
    249: "its configuration is not locked",
    250: "the signature does not verify in the meter",
    251: "public key error",
    252: "the data set has a wrong format",
    253: "the data set has a wrong size",
    254: "the signature failed",
    255: "undefined error",
}

_Row = tuple[int, Quantity, Phase | None]
# A positive exponent of ten and 24 bits, without sign for frequency and voltages.
UNSIGNED: Final[tuple[_Row, ...]] = (
    (105, Quantity.FREQUENCY, None),
    (107, Quantity.VOLTAGE, Phase.L1),
    (109, Quantity.VOLTAGE, Phase.L2),
    (111, Quantity.VOLTAGE, Phase.L3),
)
SIGNED_ROWS: Final[tuple[_Row, ...]] = (
    (126, Quantity.CURRENT, Phase.L1),
    (128, Quantity.CURRENT, Phase.L2),
    (130, Quantity.CURRENT, Phase.L3),
    (140, Quantity.POWER, None),
    (142, Quantity.POWER, Phase.L1),
    (144, Quantity.POWER, Phase.L2),
    (146, Quantity.POWER, Phase.L3),
    (148, Quantity.REACTIVE_POWER, None),
    (150, Quantity.REACTIVE_POWER, Phase.L1),
    (152, Quantity.REACTIVE_POWER, Phase.L2),
    (154, Quantity.REACTIVE_POWER, Phase.L3),
)
# Exponent, counter, quantity.
COUNTERS: Final = (
    (414, 418, Quantity.ENERGY_IMPORT),
    (415, 420, Quantity.ENERGY_EXPORT),
)
QUANTITIES: Final = frozenset(
    [(quantity, phase) for _, quantity, phase in (*UNSIGNED, *SIGNED_ROWS)]
    + [(quantity, None) for _, _, quantity in COUNTERS]
)
BLOCKS: Final = (Block(READ_INPUT, 105, 51), Block(READ_INPUT, 414, 8))
# For a meter that does not let the gaps between the registers be read.
BLOCKS_WITHOUT_GAPS: Final = (
    Block(READ_INPUT, 105, 8),
    Block(READ_INPUT, 126, 6),
    Block(READ_INPUT, 140, 16),
    Block(READ_INPUT, 414, 2),
    Block(READ_INPUT, 418, 4),
)


_LARGEST_POWER: Final = 15  # of ten; no exponent of a meter lies beyond


def samples(memory: Mapping[Block, Sequence[int]]) -> tuple[Sample, ...]:
    """Everything that was read, in the order of the tables.

    Raises:
        MeterDataError: a number that cannot be.
    """
    words = {
        block.address + place: word
        for block, found in memory.items()
        for place, word in enumerate(found)
    }
    return (
        *(Sample(what, _scaled(words, at, signed=False), phase) for at, what, phase in UNSIGNED),
        *(Sample(what, _scaled(words, at, signed=True), phase) for at, what, phase in SIGNED_ROWS),
        *(
            Sample(what, _shifted(_number(words, at), _signed(words[exponent], 16)))
            for exponent, at, what in COUNTERS
        ),
    )


def raw(words: Sequence[int]) -> bytes:
    """The bytes of words, high byte first."""
    return struct.pack(f">{len(words)}H", *words)


def padded_words(data: bytes, filler: bytes = b"\0") -> tuple[int, ...]:
    """Bytes as whole words."""
    data += filler * (len(data) % 2)
    return struct.unpack(f">{len(data) // 2}H", data)


def text_words(text: str, count: int) -> tuple[int, ...]:
    """A text padded with blanks, as the display wants it."""
    return padded_words(text.encode("ascii").ljust(2 * count)[: 2 * count])


def _scaled(words: Mapping[int, int], at: int, *, signed: bool) -> Decimal:
    mantissa = (words[at] & 0xFF) << 16 | words[at + 1]
    if signed:
        mantissa = _signed(mantissa, 24)
    return _shifted(mantissa, _signed(words[at] >> 8, 8))


def _shifted(mantissa: int, power: int) -> Decimal:
    if abs(power) > _LARGEST_POWER:
        raise MeterDataError(f"measured value {mantissa}E{power}")
    return Decimal(mantissa).scaleb(power)


def _number(words: Mapping[int, int], at: int) -> int:
    return _signed(words[at] << 16 | words[at + 1], 32)


def _signed(value: int, bits: int) -> int:
    return value - (1 << bits) if value >> (bits - 1) else value
