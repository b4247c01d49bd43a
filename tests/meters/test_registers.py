"""Register maps: merging into reads, and every kind of number."""

import struct
from decimal import Decimal
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.model import Phase, Quantity, Sample
from meters.registers import KILO, TENTH, Block, Kind, Register, blocks, decode, number, text


def at(address: int, kind: Kind = Kind.F32, function: int = 4) -> Register:
    return Register(address, kind, Quantity.VOLTAGE, function=function)


@pytest.mark.parametrize(
    ("registers", "settings", "expected"),
    [
        pytest.param([], {}, [], id="nothing"),
        pytest.param([at(0), at(2)], {}, [(4, 0, 4)], id="neighbours"),
        pytest.param([at(2), at(0)], {}, [(4, 0, 4)], id="any order"),
        pytest.param([at(0), at(4)], {}, [(4, 0, 2), (4, 4, 2)], id="a gap"),
        pytest.param([at(0), at(4)], {"max_gap": 2}, [(4, 0, 6)], id="a gap that may be read"),
        pytest.param([at(0), at(5)], {"max_gap": 2}, [(4, 0, 2), (4, 5, 2)], id="a wider gap"),
        pytest.param([at(0, function=3), at(2)], {}, [(3, 0, 2), (4, 2, 2)], id="functions"),
        pytest.param([at(0), at(0)], {}, [(4, 0, 2)], id="the same twice"),
        pytest.param([at(0, Kind.S64), at(1, Kind.U16)], {}, [(4, 0, 4)], id="one in the other"),
        pytest.param([at(0), at(2)], {"max_words": 3}, [(4, 0, 2), (4, 2, 2)], id="too long"),
        pytest.param(
            [at(2 * i) for i in range(63)], {}, [(4, 0, 124), (4, 124, 2)], id="two frames"
        ),
        pytest.param(
            [at(i) for i in (0, 2, 4, 6, 8, 0x34, 0x46, 0x48)],
            {"max_gap": 8},
            [(4, 0, 10), (4, 0x34, 2), (4, 0x46, 4)],
            id="a meter of eight registers",
        ),
    ],
)  # fmt: skip
def test_registers_are_merged_into_few_reads(
    registers: list[Register], settings: dict[str, int], expected: list[tuple[int, int, int]]
) -> None:
    assert blocks(registers, **settings) == tuple(Block(*block) for block in expected)


@given(
    st.lists(st.builds(at, st.integers(0, 400), st.sampled_from(Kind), st.sampled_from([3, 4]))),
    st.integers(0, 40),
)
def test_each_register_is_in_exactly_the_reads_needed(registers: list[Register], gap: int) -> None:
    reads = blocks(registers, max_gap=gap)

    assert all(any(read.holds(register) for read in reads) for register in registers)
    assert all(read.count <= 125 for read in reads)


@pytest.mark.parametrize(
    ("words", "kind", "order", "value"),
    [
        ([0x0901, 0x0000], Kind.S32, "little", "2305"),
        ([0x3E80, 0x0000], Kind.S32, "little", "16000"),
        ([0xAF40, 0x0001], Kind.S32, "little", "110400"),
        ([0xE080, 0xFFFE], Kind.S32, "little", "-73600"),
        ([0xFFFF, 0xFFFF], Kind.S32, "little", "-1"),
        ([0xFFFF, 0xFFFF], Kind.U32, "little", "4294967295"),
        ([0x066B, 0, 0, 0], Kind.S64, "little", "1643"),
        ([0xCD15, 0x075B, 0, 0], Kind.S64, "little", "123456789"),
        ([0xF27B, 0x2A05, 1, 0], Kind.S64, "little", "5000000123"),
        ([0xFFFB, 0xFFFF, 0xFFFF, 0xFFFF], Kind.S64, "little", "-5"),
        ([0xFFFE], Kind.S16, "big", "-2"),
        ([0xFFFE], Kind.U16, "big", "65534"),
        ([0x0001, 0xAF40], Kind.S32, "big", "110400"),
        ([0, 0, 0, 5], Kind.U64, "big", "5"),
        ([0x4366, 0x199A], Kind.F32, "big", "230.1"),
        ([0x199A, 0x4366], Kind.F32, "little", "230.1"),
        ([0x0000, 0x0000], Kind.F32, "big", "0"),
        ([0x4B80, 0x0000], Kind.F32, "big", "16777216"),
        ([0x677C, 0x05BF], Kind.F32, "big", "1.19014235E+24"),
        ([0x3FF1, 0x9999, 0x9999, 0x999A], Kind.F64, "big", "1.1"),
        ([0x7FC0, 0x0000], Kind.F32, "big", None),
        ([0xFF80, 0x0000], Kind.F32, "big", None),
        ([0x7FF8, 0, 0, 0], Kind.F64, "big", None),
    ],
)
def test_numbers_are_exact(
    words: list[int], kind: Kind, order: Literal["big", "little"], value: str | None
) -> None:
    assert number(words, kind, order) == (None if value is None else Decimal(value))


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_a_short_decimal_stands_for_the_same_float(value: float) -> None:
    words = struct.unpack(">2H", struct.pack(">f", value))

    found = number(words, Kind.F32)

    assert found is not None
    assert struct.unpack(">f", struct.pack(">f", float(found)))[0] == value


def test_samples_come_in_the_order_of_the_map_scaled_to_si() -> None:
    table = (
        Register(10, Kind.F32, Quantity.ENERGY_IMPORT, scale=KILO),
        Register(0, Kind.S32, Quantity.VOLTAGE, Phase.L1, TENTH, "little"),
        Register(2, Kind.U16, Quantity.FREQUENCY, missing=0xFFFF),
        Register(3, Kind.U16, Quantity.TEMPERATURE, missing=0xFFFF),
        Register(40, Kind.U16, Quantity.CURRENT),
        Register(4, Kind.U16, Quantity.CURRENT, function=3),
    )
    memory = {Block(4, 0, 5): (2305, 0, 50, 0xFFFF, 7), Block(4, 10, 2): (0x4366, 0x199A)}

    assert decode(table, memory) == (
        Sample(Quantity.ENERGY_IMPORT, Decimal(230100)),
        Sample(Quantity.VOLTAGE, Decimal("230.5"), Phase.L1),
        Sample(Quantity.FREQUENCY, Decimal(50)),
    )


def test_a_value_that_is_not_a_number_gives_no_sample() -> None:
    table = (Register(0, Kind.F32, Quantity.POWER),)

    assert decode(table, {Block(4, 0, 2): (0x7FC0, 0)}) == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([0x4B5A, 0x3136, 0x3630, 0x3130, 0x3430, 0x3031, 0x4400], "KZ1660104001D"),
        ([0x4142, 0x0043, 0x4444], "AB"),
        ([0x2041, 0x2000], "A"),
        ([0], ""),
        ([0xFF41], "\ufffdA"),
    ],
)
def test_a_text_ends_at_its_first_nul(words: list[int], expected: str) -> None:
    assert text(words) == expected


def test_a_register_is_read_together_with_its_exponent() -> None:
    register = Register(4, Kind.U16, Quantity.VOLTAGE, exponent=2, exponent_offset=-3)

    assert (register.start, register.end) == (2, 5)
    assert blocks([register]) == (Block(4, 2, 3),)
    assert not Block(4, 4, 1).holds(register)
    assert register.value([3, 0, 230]) == 230
    assert register.value([2, 0, 2305]) == Decimal("230.5")
    assert register.value([0xFFFF, 0, 2305]) == Decimal("0.2305")
    assert register.value([0x8000, 0, 2305]) is None


def test_a_number_from_which_on_nothing_more_can_be_shown_gives_no_sample() -> None:
    register = Register(0, Kind.S32, Quantity.CURRENT, order="little", overflow=0x7FFF0000)

    assert register.value([0x0000, 0x7FFF]) is None
    assert register.value([0xFFFF, 0x7FFE]) == 0x7FFEFFFF
    assert register.value([0xFFFF, 0xFFFF]) == -1


@given(
    st.lists(st.builds(at, st.integers(0, 60), st.sampled_from(Kind)), min_size=1, max_size=9),
    st.integers(0, 12),
    st.integers(4, 30),
)
def test_no_cut_takes_fewer_reads_or_as_many_with_fewer_words(
    registers: list[Register], gap: int, most: int
) -> None:
    found = blocks(registers, max_gap=gap, max_words=most)

    reads, words = min(cuts(sorted(registers, key=lambda row: row.start), gap, most))

    assert (len(found), sum(block.count for block in found)) == (reads, words)


def cuts(rows: list[Register], gap: int, most: int) -> list[tuple[int, int]]:
    """Reads and words of every way to cut the rows where they may be cut."""
    if not rows:
        return [(0, 0)]
    ways, end = [], rows[0].end
    for count, row in enumerate(rows, start=1):
        if row.start - end > gap:
            break
        end = max(end, row.end)
        if count > 1 and end - rows[0].start > most:
            break
        width = end - rows[0].start
        ways += [(reads + 1, words + width) for reads, words in cuts(rows[count:], gap, most)]
    return ways
