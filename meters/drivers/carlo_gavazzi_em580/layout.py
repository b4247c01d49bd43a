"""Where things are in the meter, and what the numbers mean.

Source: "EM580 Modbus Communication Protocol", public version 1.11, by way of the EVerest driver and
the public device profile; addresses are zero-based as on the wire. Numbers are stored least
significant word first. The serial numbers of the EM300 series hold one character per word.
"""

import struct
from collections.abc import Mapping, Sequence
from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Final

from meters.model import Phase, Quantity, Sample
from meters.registers import ONE, TENTH, THOUSANDTH, Block, Kind, Register, number
from meters.rtu import READ_INPUT

# Only a read of exactly this one word gives the code; in longer ones a voltage stands here.
IDENTIFICATION: Final = 0x000B
FIRMWARE: Final = (0x0302, 0x0303)  # measure module, communication module
TEMPERATURE: Final = 0x0307
SIGNED_MAP: Final = 0x0800
SIGNED_MAP_WORDS: Final = 61  # without the signature
MODEL: Final = 0x0824
MODEL_WORDS: Final = 10
SIGNATURE_TYPE: Final = 0x24FF
KEY_BINARY: Final = 0x2500
KEY_DER: Final = 0x2600
SERIAL: Final = 0x5000
SERIAL_WORDS: Final = 7
DEVICE_STATE: Final = 0x5012

TARIFF: Final = 0x6900
TARIFF_WORDS: Final = 126
STATUS: Final = 0x7000  # identification: status, level, flags of four families, type, data
LEVEL: Final = 0x7001
FLAGS: Final = 0x7002
TYPE: Final = 0x7006
DATA: Final = 0x7007
CHARGE_POINT_TYPE: Final = 0x701B
CHARGE_POINT: Final = 0x701C
TEXT_WORDS: Final = 20  # of identification data and charge point
UTC_OFFSET: Final = 0x7031
CLOCK: Final = 0x7032
MODALITY: Final = 0x7036
COMMAND: Final = 0x7040
CHARGING: Final = 0x7045
CLOCK_STATUS: Final = 0x7060
STATE: Final = 0x7100
RECORD_SIZE: Final = 0x7101
RECORD: Final = 0x7110
MAX_RECORD_WORDS: Final = 2031
SESSION: Final = 0x7A00  # since the begin: imported Wh, exported Wh, seconds
SESSION_WORDS: Final = 12

NO_SUCH_REGISTER: Final = frozenset({0x01, 0x02, 0x03})  # exceptions that will not pass

EM300_CODES: Final = frozenset({331, 332, 335, 336, 340, 341, 345, 346, 355})


class State(IntEnum):
    """OCMF state, 0x7100."""

    NOT_READY = 0
    RUNNING = 1
    READY = 2
    CORRUPTED = 3


class Command(IntEnum):
    """What can be written to 0x7040."""

    BEGIN = ord("B")
    END = ord("E")


class Charging(IntEnum):
    """Charging status, 0x7045."""

    NO = 0
    YES = 1
    ENDED = 2
    FAILED = 3


class Signature(StrEnum):
    """What the meter signs with; the text is what its records say."""

    P256 = "ECDSA-brainpoolP256r1-SHA256"
    P384 = "ECDSA-brainpoolP384r1-SHA256"

    @property
    def half(self) -> int:
        """Bytes of one coordinate of the key, or of one number of a signature."""
        return 32 if self is Signature.P256 else 48


SIGNATURES: Final = {0: Signature.P256, 1: Signature.P384}


def _row(
    address: int,
    quantity: Quantity,
    phase: Phase | None = None,
    scale: Decimal = TENTH,
    kind: Kind = Kind.S32,
) -> Register:
    return Register(address, kind, quantity, phase, scale, order="little")


LIVE: Final = (
    _row(0x0000, Quantity.VOLTAGE, Phase.L1),
    _row(0x0002, Quantity.VOLTAGE, Phase.L2),
    _row(0x0004, Quantity.VOLTAGE, Phase.L3),
    _row(0x0006, Quantity.VOLTAGE, Phase.L1_L2),
    _row(0x0008, Quantity.VOLTAGE, Phase.L2_L3),
    _row(0x000A, Quantity.VOLTAGE, Phase.L3_L1),
    _row(0x000C, Quantity.CURRENT, Phase.L1, THOUSANDTH),
    _row(0x000E, Quantity.CURRENT, Phase.L2, THOUSANDTH),
    _row(0x0010, Quantity.CURRENT, Phase.L3, THOUSANDTH),
    _row(0x0012, Quantity.POWER, Phase.L1),
    _row(0x0014, Quantity.POWER, Phase.L2),
    _row(0x0016, Quantity.POWER, Phase.L3),
    _row(0x0018, Quantity.APPARENT_POWER, Phase.L1),
    _row(0x001A, Quantity.APPARENT_POWER, Phase.L2),
    _row(0x001C, Quantity.APPARENT_POWER, Phase.L3),
    _row(0x001E, Quantity.REACTIVE_POWER, Phase.L1),
    _row(0x0020, Quantity.REACTIVE_POWER, Phase.L2),
    _row(0x0022, Quantity.REACTIVE_POWER, Phase.L3),
    _row(0x0028, Quantity.POWER),
    _row(0x002A, Quantity.APPARENT_POWER),
    _row(0x002C, Quantity.REACTIVE_POWER),
    _row(0x002E, Quantity.POWER_FACTOR, Phase.L1, THOUSANDTH, Kind.S16),
    _row(0x002F, Quantity.POWER_FACTOR, Phase.L2, THOUSANDTH, Kind.S16),
    _row(0x0030, Quantity.POWER_FACTOR, Phase.L3, THOUSANDTH, Kind.S16),
    _row(0x0031, Quantity.POWER_FACTOR, None, THOUSANDTH, Kind.S16),
    _row(0x0033, Quantity.FREQUENCY, None, TENTH, Kind.S16),
)
PHASE_SEQUENCE: Final = 0x0032
LIVE_BLOCK: Final = Block(READ_INPUT, 0x0000, 52)

ENERGY: Final = (
    _row(0x0500, Quantity.ENERGY_IMPORT, None, ONE, Kind.S64),
    _row(0x051C, Quantity.ENERGY_EXPORT, None, ONE, Kind.S64),
)
ENERGY_BLOCK: Final = Block(READ_INPUT, 0x0500, 32)
ENERGIES: Final = frozenset(row.quantity for row in ENERGY)

# The EM300 series refuses more than 50 words in one read here (exception 03).
EM300_LIVE_BLOCKS: Final = (Block(READ_INPUT, 0x0000, 50), Block(READ_INPUT, 0x0032, 2))
EM300_ENERGY_BLOCK: Final = Block(READ_INPUT, 0x0400, 12)

_LIVE_PHASE_TENTHS: Final = 500  # below 50 V a phase is not connected
_WRONG: Final = frozenset({0xFFFF})
_WRONG_EM300: Final = frozenset({0, 0xFFFF})

_FAULTS: Final = {
    0: "voltage L1-N above range",
    1: "voltage L2-N above range",
    2: "voltage L3-N above range",
    3: "voltage L1-L2 above range",
    4: "voltage L2-L3 above range",
    5: "voltage L3-L1 above range",
    6: "current L1 above range",
    7: "current L2 above range",
    8: "current L3 above range",
    9: "frequency out of range",
    12: "fault of the charging module",
    13: "fault of the measuring module",
}


def raw(words: Sequence[int]) -> bytes:
    """The bytes of a text, key or record: high byte of the first word first."""
    return struct.pack(f">{len(words)}H", *words)


def whole(words: Sequence[int]) -> int:
    """A signed integer of any width, least significant word first."""
    return int.from_bytes(raw(words[::-1]), "big", signed=True)


def clock_words(seconds: int) -> tuple[int, ...]:
    """Unix seconds as the clock registers want them."""
    return tuple((seconds >> shift) & 0xFFFF for shift in (0, 16, 32, 48))


def firmware(word: int) -> str:
    """Major, minor, revision."""
    return f"{word >> 12}.{word >> 8 & 0xF}.{word & 0xFF}"


def em300_firmware(version: int, revision: int) -> str:
    """A letter and a number."""
    return f"{chr(ord('A') + version % 26)}.{revision}"


def em300_serial(words: Sequence[int]) -> str:
    """The low byte of each word is a character."""
    return bytes(word & 0xFF for word in words).split(b"\0")[0].decode(errors="replace").strip()


def em300_energy(words: Sequence[int]) -> tuple[Sample, ...]:
    """Whole kWh and a remainder in Wh, for import and export."""

    def energy(at: int) -> Decimal:
        kilo, rest = (number(words[i : i + 2], Kind.S32, "little") for i in (at, at + 2))
        return (kilo or Decimal(0)) * 1000 + (rest or Decimal(0))

    return (
        Sample(Quantity.ENERGY_IMPORT, energy(0)),
        Sample(Quantity.ENERGY_EXPORT, energy(8)),
    )


def rotation(memory: Mapping[Block, Sequence[int]]) -> tuple[str, ...]:
    """The complaint about a wrong phase sequence, if any: -1, on the EM300 series also 0.

    Only where all three phases have voltage: one or two of them have no sequence.
    """
    first = LIVE_BLOCK if LIVE_BLOCK in memory else EM300_LIVE_BLOCKS[0]
    volts = (number(memory[first][at : at + 2], Kind.S32, "little") for at in (0, 2, 4))
    if not all(tenths is not None and tenths >= _LIVE_PHASE_TENTHS for tenths in volts):
        return ()
    if first is LIVE_BLOCK:
        wrong = memory[first][PHASE_SEQUENCE] in _WRONG
    else:
        wrong = memory[EM300_LIVE_BLOCKS[1]][0] in _WRONG_EM300
    return ("phase sequence L1-L3-L2",) if wrong else ()


def temperature(words: Sequence[int]) -> tuple[Sample, ...]:
    """The internal temperature."""
    celsius = number(words, Kind.S16)
    return () if celsius is None else (Sample(Quantity.TEMPERATURE, celsius * TENTH),)


def signed_map(words: Sequence[int]) -> bytes:
    """The signed registers and their signature, in the text form that EVerest made known."""
    signed, signature = (
        raw(part).hex().upper() for part in (words[:SIGNED_MAP_WORDS], words[SIGNED_MAP_WORDS:])
    )
    return f'{{"signedData":"{signed}","signature":"{signature}"}}'.encode()


def faults(bits: int) -> tuple[str, ...]:
    """The fault bits of the device state in words, lowest bit first."""
    return tuple(words for bit, words in _FAULTS.items() if bits >> bit & 1)


def binary_key_words(signature: Signature) -> int:
    """Size of the bare key: prefix, two coordinates and a byte of padding."""
    return signature.half + 1


def der_key_words(signature: Signature) -> int:
    """Size of the key as SubjectPublicKeyInfo; it can only be read as a whole."""
    return 46 if signature is Signature.P256 else 62


def binary_key(data: bytes) -> str:
    """Upper-case hex of the curve point; empty if it is none."""
    return data[:-1].hex().upper() if data[:1] == b"\x04" else ""


def der_key(data: bytes) -> str:
    """Upper-case hex of the SubjectPublicKeyInfo; empty if it is none."""
    if data[:1] != b"\x30" or len(data) < data[1] + 2:
        return ""
    return data[: data[1] + 2].hex().upper()
