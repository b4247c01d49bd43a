"""What a profile says, once it is read and checked."""

import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from meters.model import Phase, Quantity, Sample
from meters.registers import Block, Kind, Order, Register, blocks, decode, number, text
from meters.rtu import MAX_READ, READ_INPUT

Key = tuple[Quantity, Phase | None]
_TOTAL_POWER: Final[Key] = (Quantity.POWER, None)


class ProfileError(ValueError):
    """A profile cannot be used. The message has a line for every mistake; nothing is half read."""


class IdentityKind(StrEnum):
    """How serial numbers and versions are written, besides as plain numbers."""

    TEXT = "text"  # two characters per word, up to the first NUL
    LOW_BYTES = "low_bytes"  # one character per word, in its low byte
    HEX = "hex"  # digits as one reads them in hexadecimal: 0x15060001 is 15060001
    PACKED_VERSION = "packed_version"  # one word: four bits major, four minor, eight revision
    LETTER = "letter"  # 0 is A, 1 is B


@dataclass(frozen=True, slots=True)
class IdentityRegister:
    """Something that tells who the meter is: a serial number, a version, a code of the model."""

    address: int
    kind: Kind | IdentityKind
    words: int
    function: int = READ_INPUT
    order: Order = "big"

    def read(self, words: Sequence[int]) -> str:
        """What the words say, as a person writes it; empty if they say nothing."""
        if isinstance(self.kind, Kind):
            value = number(words, self.kind, self.order)
            return "" if value is None else f"{value:f}"
        data = struct.pack(f">{len(words)}H", *words)
        match self.kind:
            case IdentityKind.TEXT:
                return text(words)
            case IdentityKind.LOW_BYTES:
                return data[1::2].split(b"\0", 1)[0].decode(errors="replace").strip()
            case IdentityKind.HEX:
                return data.hex().upper()
            case IdentityKind.PACKED_VERSION:
                return f"{words[0] >> 12}.{words[0] >> 8 & 0xF}.{words[0] & 0xFF}"
            case IdentityKind.LETTER:
                return chr(ord("A") + words[0] % 26)


@dataclass(frozen=True, slots=True)
class Identification:
    """How to recognise the meter: a register, and what it may hold with the model's name.

    ``required``: a meter that shows something else, or has no such register, is not this meter.
    Otherwise it is told and read all the same.
    """

    register: IdentityRegister
    models: Mapping[int, str]
    required: bool = True


@dataclass(frozen=True, slots=True)
class LineDefaults:
    """How the meter's serial line is set when it leaves the factory."""

    baudrate: int = 9600
    parity: Literal["none", "even", "odd"] = "none"
    stopbits: Literal[1, 2] = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """One meter type.

    Attributes:
        name: of the file, without folder and ending.
        source: data sheet, version and table that the registers can be read against.
        registers: in the order of the file; addresses as on the wire, values in SI units.
        serial_number: registers whose texts, one behind the other, are the serial number.
        firmware: registers whose texts, with dots between, are the version.
        max_words: the longest read that the meter answers.
        max_gap: how many words without a meaning such a read may span.
        transformers: which transformer ratios may be set in the config ("current", "voltage"),
            because the meter itself may not know them.
    """

    name: str
    vendor: str
    model: str
    source: str
    registers: tuple[Register, ...]
    serial_number: tuple[IdentityRegister, ...] = ()
    firmware: tuple[IdentityRegister, ...] = ()
    identification: Identification | None = None
    line: LineDefaults = LineDefaults()
    max_words: int = MAX_READ
    max_gap: int = 0
    transformers: frozenset[str] = frozenset()

    @property
    def blocks(self) -> tuple[Block, ...]:
        """The fewest reads that fetch all registers."""
        return blocks(self.registers, max_words=self.max_words, max_gap=self.max_gap)

    def samples(self, memory: Mapping[Block, Sequence[int]]) -> tuple[Sample, ...]:
        """What the words of all reads say, in the order of the file.

        Registers for the same quantity and phase are parts of it and are added; if one of them says
        nothing, there is no sample. A current gets the sign of its phase's power: most meters give
        it without one.
        """
        found: dict[Key, Decimal] = {}
        parts: Counter[Key] = Counter()
        for sample in decode(self.registers, memory):
            key = sample.quantity, sample.phase
            found[key] = found.get(key, Decimal(0)) + sample.value
            parts[key] += 1
        wanted = Counter((register.quantity, register.phase) for register in self.registers)
        whole = {key: value for key, value in found.items() if parts[key] == wanted[key]}
        for (quantity, phase), value in whole.items():
            if quantity is not Quantity.CURRENT or phase is Phase.N:
                continue
            power = whole.get((Quantity.POWER, phase), whole.get(_TOTAL_POWER))
            if power:
                whole[quantity, phase] = abs(value).copy_sign(power)
        return tuple(Sample(quantity, value, phase) for (quantity, phase), value in whole.items())

    @property
    def functions(self) -> frozenset[int]:
        """The Modbus functions that reading everything takes."""
        identity = [*self.serial_number, *self.firmware]
        if self.identification is not None:
            identity.append(self.identification.register)
        measured = {register.function for register in self.registers}
        return frozenset(measured | {register.function for register in identity})
