"""Where things are in the simulated meter, and how values are packed into words.

Source: "User's Manual WM3M4 & WM3M4C" 1.07, chapters 5 and 6.5. Written independently of the
driver's tables, so that a mistake in one of them shows.
"""

import struct
from collections.abc import Sequence
from decimal import Decimal
from enum import IntEnum
from typing import Final

from meters.simulators.energy import NOMINAL_VOLTAGE, Load, rounded

Words = tuple[int, ...]

MOST_WORDS: Final = 120
HOLDING_FIRST: Final = 7000
STATE: Final = 7000
COMMAND: Final = 7051
STATUS: Final = 7052
OFFSET: Final = 7053
TIME_HIGH: Final = 7054
TIME_LOW: Final = 7055
INPUT_LENGTH: Final = 7056
OUTPUT_LENGTH: Final = 7057
SIGNATURE_LENGTH: Final = 7058
SIGNATURE_FORMAT: Final = 7059
ALGORITHM: Final = 7060
LCD: Final = 7062
LCD_WORDS: Final = 7
CLOCK_STATUS: Final = 7071
INPUT: Final = 7100
AREA_WORDS: Final = 512
OUTPUT: Final = 7612
KEY: Final = 8124
KEY_WORDS: Final = 64
SIGNATURE: Final = 8188
SIGNATURE_WORDS: Final = 128
MEASURED: Final = range(1, 460)
"""What a meter that lets gaps be read has of input registers."""


class State(IntEnum):
    """Charging state."""

    IDLE = 0
    ACTIVE = 1
    AFTER_POWER_FAILURE = 2
    AFTER_RESET = 3


class Status(IntEnum):
    """What became of the last signature."""

    NOT_INITIALISED = 0
    IDLE = 1
    SIGNING = 2
    OK = 15
    INVALID_TIME = 128
    INVALID_COMMAND = 130
    INVALID_STATE = 131
    TEST_MODE = 133
    INVALID_FORMAT = 252
    INVALID_SIZE = 253
    SIGNATURE_ERROR = 254


def blob(data: bytes, words: int) -> Words:
    """Bytes in reading order, zeros behind them."""
    return struct.unpack_from(f">{words}H", data.ljust(2 * words, b"\0"))


def raw(words: Sequence[int]) -> bytes:
    """The bytes of words in reading order."""
    return struct.pack(f">{len(words)}H", *words)


def signed(word: int) -> int:
    """The value of a 16-bit register with sign."""
    return word - 0x10000 if word & 0x8000 else word


def scaled(value: Decimal, exponent: int) -> Words:
    """A measured value: exponent in the top byte, 24 bits of mantissa below it."""
    mantissa = rounded(value.scaleb(-exponent)) & 0xFFFFFF
    return (exponent & 0xFF) << 8 | mantissa >> 16, mantissa & 0xFFFF


def counter(wh: Decimal, exponent: int) -> Words:
    """A counter of 32 bits in steps of ten to the exponent; parts of a step do not show."""
    number = int(wh.scaleb(-exponent)) & 0xFFFFFFFF
    return number >> 16, number & 0xFFFF


def input_image(
    model: str, serial: str, load: Load, energies: tuple[Decimal, Decimal], exponent: int
) -> dict[int, int]:
    """The input registers that there are."""
    watts = [Decimal(tenth) / 10 for tenth in load.tenths()]
    rows: dict[int, Words] = {
        1: blob(model.encode().ljust(16), 8),
        9: blob(serial.encode().ljust(8), 4),
        105: scaled(Decimal(50), -3),
        140: scaled(sum(watts, Decimal(0)), -1),
        148: scaled(Decimal(0), -1),
        414: (exponent & 0xFFFF, exponent & 0xFFFF),
    }
    for place, power in enumerate(watts):
        rows[107 + 2 * place] = scaled(NOMINAL_VOLTAGE, -2)
        rows[126 + 2 * place] = scaled(power / NOMINAL_VOLTAGE, -3)
        rows[142 + 2 * place] = scaled(power, -1)
        rows[150 + 2 * place] = scaled(Decimal(0), -1)
    for place, energy in enumerate(energies):
        rows[418 + 2 * place] = counter(energy, exponent)
    return {
        first + place: word for first, words in rows.items() for place, word in enumerate(words)
    }
