"""Where things are in the simulated meter's registers, and how values are packed into words.

Addresses are zero-based as on the wire. Numbers are stored least significant word first, texts
high byte first. Source: "EM580 Modbus Communication Protocol", public version 1.11, by way of the
EVerest driver and the public device profile. Written independently of the driver's tables, so that
a mistake in one of them shows.
"""

import struct
from collections.abc import Mapping, Sequence
from enum import IntEnum, StrEnum
from typing import Final

Words = tuple[int, ...]

LIVE: Final = 0x0000
IDENTIFICATION: Final = 0x000B
FIRMWARE: Final = 0x0302
TEMPERATURE: Final = 0x0307
ENERGY: Final = 0x0500
SIGNED_MAP: Final = 0x0800
SIGNATURE_TYPE: Final = 0x24FF
RAW_KEY: Final = 0x2500
RAW_KEY_WORDS: Final = 130
DER_KEY: Final = 0x2600
SERIAL: Final = 0x5000
YEAR: Final = 0x5007
DEVICE_STATE: Final = 0x5012
TARIFF: Final = 0x6900
TARIFF_WORDS: Final = 126
TARIFF_UPDATE: Final = 0x69CC
ID_METHOD: Final = 0x6F00
EXTERNAL_ID: Final = 0x6F01
STATUS: Final = 0x7000
LEVEL: Final = 0x7001
FLAGS: Final = 0x7002
TYPE: Final = 0x7006
DATA: Final = 0x7007
POINT_TYPE: Final = 0x701B
POINT: Final = 0x701C
TEXT_WORDS: Final = 20
FIELDS_WORDS: Final = 48
UTC_OFFSET: Final = 0x7031
CLOCK: Final = 0x7032
MODALITY: Final = 0x7036
COMMAND: Final = 0x7040
CHARGING: Final = 0x7045
SUMMARY_S: Final = 0x7050
LAST_ID: Final = 0x7059
LAST_ID_WORDS: Final = 7
CLOCK_STATUS: Final = 0x7060
STATE: Final = 0x7100
FILE_SIZE: Final = 0x7101
LAST_NUMBER: Final = 0x7102
FILE: Final = 0x7110
FILE_WORDS: Final = 2031
SESSION: Final = 0x7A00

MARKER: Final = "<=>"
"""Stands in the tariff text between the text and the transaction id."""


class OcmfState(IntEnum):
    """OCMF state, 0x7100."""

    NOT_READY = 0
    RUNNING = 1
    READY = 2
    CORRUPTED = 3


class Charging(IntEnum):
    """Charging status, 0x7045."""

    NO = 0
    YES = 1
    ENDED = 2
    FAILED = 3


class Command(StrEnum):
    """What a master can order; all but the confirmation are written to 0x7040."""

    BEGIN = "B"
    END = "E"
    ABORT = "A"
    CONFIRM = "confirm"


LEVELS: Final = (
    "NONE",
    "HEARSAY",
    "TRUSTED",
    "VERIFIED",
    "CERTIFIED",
    "SECURE",
    "MISMATCH",
    "INVALID",
    "OUTDATED",
    "UNKNOWN",
)
FAMILIES: Final = (
    ("RFID_NONE", "RFID_PLAIN", "RFID_RELATED", "RFID_PSK"),
    (
        "OCPP_NONE",
        "OCPP_RS",
        "OCPP_AUTH",
        "OCPP_RS_TLS",
        "OCPP_AUTH_TLS",
        "OCPP_CACHE",
        "OCPP_WHITELIST",
        "OCPP_CERTIFIED",
    ),
    ("ISO15118_NONE", "ISO15118_PNC"),
    ("PLMN_NONE", "PLMN_RING", "PLMN_SMS"),
)
TYPES: Final = {
    0: "NONE",
    1: "DENIED",
    2: "UNDEFINED",
    10: "ISO14443",
    11: "ISO15693",
    20: "EMAID",
    21: "EVCCID",
    30: "EVCOID",
    40: "ISO7812",
    50: "CARD_TXN_NR",
    60: "CENTRAL",
    61: "CENTRAL_1",
    62: "CENTRAL_2",
    70: "LOCAL",
    71: "LOCAL_1",
    72: "LOCAL_2",
    80: "PHONE_NUMBER",
    90: "KEY_CODE",
}
POINT_TYPES: Final = ("EVSEID", "CBIDC")

ALLOWED: Final[Mapping[int, range | frozenset[int]]] = {
    STATUS: range(2),
    LEVEL: range(len(LEVELS)),
    **{FLAGS + place: range(len(family)) for place, family in enumerate(FAMILIES)},
    TYPE: frozenset(TYPES),
    POINT_TYPE: range(len(POINT_TYPES)),
    MODALITY: range(3),
    ID_METHOD: range(2),
}
"""Registers that hold a word of a table, and the values they take."""


def number(value: int, words: int) -> Words:
    """A signed integer of 1, 2 or 4 words, least significant word first; too large wraps."""
    return tuple((value >> (16 * place)) & 0xFFFF for place in range(words))


def signed(word: int) -> int:
    """The value of an INT16 register."""
    return word - 0x10000 if word & 0x8000 else word


def blob(data: bytes, words: int) -> Words:
    """Bytes in reading order, zeros behind them."""
    return struct.unpack_from(f">{words}H", data.ljust(2 * words, b"\0"))


def text(content: str, words: int) -> Words:
    """A text with zeros behind it."""
    return blob(content.encode(), words)


def text_at(memory: Mapping[int, int], address: int, words: int) -> str:
    """The text in a field: everything before the first NUL, whatever was left behind it."""
    data = raw([memory.get(address + place, 0) for place in range(words)])
    return data.split(b"\0")[0].decode(errors="replace")


def raw(words: Sequence[int]) -> bytes:
    """The bytes of words in reading order."""
    return struct.pack(f">{len(words)}H", *words)
