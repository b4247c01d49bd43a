"""Register maps as data: which word holds what, which reads fetch them, what the words mean.

Pure: a driver hands the words in and gets samples back. A map reads like the table of the data
sheet, one ``Register`` per line.
"""

import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from itertools import groupby
from typing import Final, Literal

from meters.model import Phase, Quantity, Sample
from meters.rtu import MAX_READ, READ_INPUT

ONE: Final = Decimal(1)
TENTH: Final = Decimal("0.1")
THOUSANDTH: Final = Decimal("0.001")
KILO: Final = Decimal(1000)  # kWh, kW, kvar on the wire
_LARGEST_EXPONENT: Final = 15  # what lies beyond stands for "not there" (SunSpec: 0x8000)

Order = Literal["big", "little"]


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
    word are always big endian. ``missing`` is the raw number that means "not measured",
    ``overflow`` the lowest that means "more than can be shown". ``exponent`` is the address of a
    signed word that holds a power of ten, to which ``exponent_offset`` is added.
    """

    address: int
    kind: Kind
    quantity: Quantity
    phase: Phase | None = None
    scale: Decimal = ONE
    order: Order = "big"
    function: int = READ_INPUT
    missing: int | None = None
    overflow: int | None = None
    exponent: int | None = None
    exponent_offset: int = 0

    @property
    def signed(self) -> bool:
        """Whether the number on the wire is a signed integer."""
        return self.kind.startswith("s")

    @property
    def start(self) -> int:
        """The first address of what must be read together: the number and its exponent."""
        return self.address if self.exponent is None else min(self.address, self.exponent)

    @property
    def end(self) -> int:
        """The first address behind what must be read together."""
        end = self.address + self.kind.words
        return end if self.exponent is None else max(end, self.exponent + 1)

    def value(self, words: Sequence[int]) -> Decimal | None:
        """What the words from ``start`` to ``end`` say, in SI units; None if not measured."""
        at = self.address - self.start
        raw = number(words[at : at + self.kind.words], self.kind, self.order)
        if raw is None or raw == self.missing:
            return None
        if self.overflow is not None and raw >= self.overflow:
            return None
        value = raw * self.scale
        if self.exponent is None:
            return value
        word = words[self.exponent - self.start]
        power = int.from_bytes(word.to_bytes(2, "big"), "big", signed=True) + self.exponent_offset
        return value.scaleb(power) if abs(power) <= _LARGEST_EXPONENT else None


@dataclass(frozen=True, slots=True, order=True)
class Block:
    """One read: function code, first address, number of words."""

    function: int
    address: int
    count: int

    def holds(self, register: Register) -> bool:
        """Whether all words of the register, its exponent included, are in this block."""
        end = self.address + self.count
        same = register.function == self.function
        return same and self.address <= register.start and register.end <= end


def blocks(
    registers: Iterable[Register], *, max_words: int = MAX_READ, max_gap: int = 0
) -> tuple[Block, ...]:
    """The fewest reads that fetch all registers, and of those the one with the fewest words.

    ``max_gap`` is how many unwanted words a read may span: a request costs about as much as ten
    words, but not every meter lets gaps be read. A register longer than ``max_words`` is read by
    itself.
    """
    ordered = sorted(registers, key=lambda register: (register.function, register.start))
    found: list[Block] = []
    for function, group in groupby(ordered, key=lambda register: register.function):
        found += _fewest(function, tuple(group), max_words, max_gap)
    return tuple(found)


def _fewest(
    function: int, registers: Sequence[Register], max_words: int, max_gap: int
) -> list[Block]:
    """The best cut of ``registers``, which are sorted and of one function.

    Worked out from the last register backwards: ``best[i]`` is number of reads, number of words
    and end of the first read of the best cut from register ``i`` on.
    """
    count = len(registers)
    best = [(0, 0, count)] * (count + 1)
    ends = [0] * count  # the address behind the first read
    for first in range(count - 1, -1, -1):
        start, end = registers[first].start, registers[first].end
        choices = []
        for after in range(first + 1, count + 1):
            reads, words, _ = best[after]
            choices.append((reads + 1, words + end - start, -after, end))
            if after == count or registers[after].start - end > max_gap:
                break
            end = max(end, registers[after].end)
            if end - start > max_words:
                break
        reads, words, after, ends[first] = min(choices)
        best[first] = (reads, words, -after)
    found, first = [], 0
    while first < count:
        start = registers[first].start
        found.append(Block(function, start, ends[first] - start))
        first = best[first][2]
    return found


def decode(
    registers: Iterable[Register], memory: Mapping[Block, Sequence[int]]
) -> tuple[Sample, ...]:
    """The samples of all registers whose words are in ``memory``, in the order of the map.

    A register that was not read, reads as ``missing``, or is not a number gives no sample.
    """
    samples = []
    for register in registers:
        for block, words in memory.items():
            if block.holds(register):
                at = register.start - block.address
                value = register.value(words[at : at + register.end - register.start])
                if value is not None:
                    samples.append(Sample(register.quantity, value, register.phase))
                break
    return tuple(samples)


def number(words: Sequence[int], kind: Kind, order: Order = "big") -> Decimal | None:
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
