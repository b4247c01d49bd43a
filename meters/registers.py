"""Register maps as data: which word holds what, which reads fetch them, what the words mean.

Pure: a driver hands the words in and gets samples back. A map reads like the table of the data
sheet, one ``Register`` per line.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal

from meters.model import Phase, Quantity, Sample
from meters.rtu import MAX_READ, READ_INPUT

ONE: Final = Decimal(1)
TENTH: Final = Decimal("0.1")
THOUSANDTH: Final = Decimal("0.001")
KILO: Final = Decimal(1000)  # kWh, kW, kvar on the wire


class Kind(StrEnum):
    """How a number is written into words: unsigned, signed, IEEE 754; and its bits."""

    U16 = "u16"
    S16 = "s16"
    U32 = "u32"
    S32 = "s32"
    U64 = "u64"
    S64 = "s64"
    F32 = "f32"
    F64 = "f64"

    @property
    def words(self) -> int:
        """How many registers it takes."""
        return int(self[1:]) // 16


@dataclass(frozen=True, slots=True)
class Register:
    """One quantity in the map. The value in SI units is the number on the wire times ``scale``.

    ``order`` tells whether the most ("big") or the least significant word comes first; bytes in a
    word are always big endian. ``missing`` is the raw number that means "not measured".
    """

    address: int
    kind: Kind
    quantity: Quantity
    phase: Phase | None = None
    scale: Decimal = ONE
    order: Literal["big", "little"] = "big"
    function: int = READ_INPUT
    missing: int | None = None

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + self.kind.words


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One read: function code, first address, number of words."""

    function: int
    address: int
    count: int

    def holds(self, register: Register) -> bool:
        """Whether all words of the register are in this block."""
        end = self.address + self.count
        same = register.function == self.function
        return same and self.address <= register.address and register.end <= end


def blocks(
    registers: Iterable[Register], *, max_words: int = MAX_READ, max_gap: int = 0
) -> tuple[Block, ...]:
    """The fewest reads that fetch all registers.

    ``max_gap`` is how many unwanted words a read may span: a request costs about as much as ten
    words, but not every meter lets gaps be read.
    """
    merged: list[Block] = []
    for register in sorted(registers, key=lambda r: (r.function, r.address)):
        last = merged[-1] if merged else None
        if last is not None and last.function == register.function:
            end = max(register.end, last.address + last.count)
            near = register.address - (last.address + last.count) <= max_gap
            if near and end - last.address <= max_words:
                merged[-1] = Block(last.function, last.address, end - last.address)
                continue
        merged.append(Block(register.function, register.address, register.kind.words))
    return tuple(merged)


def decode(
    registers: Iterable[Register], memory: Mapping[Block, Sequence[int]]
) -> tuple[Sample, ...]:
    """The samples of all registers whose words are in ``memory``, in the order of the map.

    A register that was not read, reads as ``missing``, or is not a number gives no sample.
    """
    samples = []
    for register in registers:
        for block, words in memory.items():
            if not block.holds(register):
                continue
            at = register.address - block.address
            raw = number(words[at : at + register.kind.words], register.kind, register.order)
            if raw is not None and raw != register.missing:
                samples.append(Sample(register.quantity, raw * register.scale, register.phase))
            break
    return tuple(samples)


def number(
    words: Sequence[int], kind: Kind, order: Literal["big", "little"] = "big"
) -> Decimal | None:
    """The number in ``words``, exact; None for the "not a number" and infinities of IEEE 754.

    A 32-bit float becomes the shortest decimal that stands for the same float, so 230.1 V on the
    wire is 230.1 and not 230.1000061.
    """
    ordered = words if order == "big" else words[::-1]
    data = struct.pack(f">{len(ordered)}H", *ordered)
    match kind:
        case Kind.F32:
            return _shortest(struct.unpack(">f", data)[0])
        case Kind.F64:
            value = Decimal(repr(struct.unpack(">d", data)[0]))
            return value if value.is_finite() else None
        case _:
            return Decimal(int.from_bytes(data, "big", signed=kind.startswith("s")))


def text(words: Sequence[int]) -> str:
    """Characters up to the first NUL, two per word, without surrounding blanks.

    Bytes that are not UTF-8 show as replacement characters.
    """
    data = struct.pack(f">{len(words)}H", *words)
    return data.split(b"\0", 1)[0].decode(errors="replace").strip()


def _shortest(value: float) -> Decimal | None:
    for digits in range(6, 9):
        short = f"{value:.{digits}g}"
        if struct.pack(">f", float(short)) == struct.pack(">f", value):
            break
    else:
        short = f"{value:.9g}"
    found = Decimal(short)
    return found if found.is_finite() else None
