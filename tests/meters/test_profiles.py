"""Profiles: against their sources, how many reads they take, and what mistakes look like."""

import struct
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from profile_facts import FACTS

from meters.model import Phase, Quantity, Sample
from meters.profiles import IdentityKind, IdentityRegister, Profile, ProfileError, find, load
from meters.profiles import profile_names as names
from meters.profiles.reading import read_profile
from meters.registers import Block, Kind

GOOD = """
vendor: Acme
model: One
source: data sheet 1.0, table 1
registers:
  - {address: 0x10, kind: f32, quantity: energy_import, scale: 1000}
"""


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    return tmp_path / "acme.yaml"


def complaints(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ProfileError) as caught:
        load(path)
    return [line.removeprefix(f"{path}:") for line in str(caught.value).splitlines()]


def loaded(path: Path, text: str) -> Profile:
    path.write_text(text, encoding="utf-8")
    return load(path)


# Those that come along.


def test_every_profile_has_facts_to_be_checked_against() -> None:
    assert set(names()) == set(FACTS)


@pytest.mark.parametrize("name", names())
def test_the_registers_are_those_of_the_sources(name: str) -> None:
    expected = {tuple(line.split()) for line in FACTS[name].strip().splitlines()}

    found = {
        (
            str(row.quantity),
            str(row.phase or "-"),
            str(row.function),
            f"0x{row.address:04X}",
            str(row.kind),
            str(row.scale),
        )
        for row in load(name).registers
    }

    assert found == expected


@pytest.mark.parametrize("name", names())
def test_a_profile_says_who_it_is_for_and_where_it_is_from(name: str) -> None:
    profile = load(name)

    assert profile.vendor
    assert profile.model
    assert profile.source
    assert profile.name == name


@pytest.mark.parametrize(
    ("name", "order"),
    [(name, "little" if name.startswith("carlo") else "big") for name in names()],
)
def test_the_word_order_is_the_vendors(name: str, order: str) -> None:
    assert {register.order for register in load(name).registers} == {order}


@pytest.mark.parametrize(
    ("name", "reads"),
    [
        ("acrel_djsf1352_rn", [(3, 0, 16)]),
        ("carlo_gavazzi_em24", [(4, 0x00, 10), (4, 0x0A, 10), (4, 0x14, 10), (4, 0x28, 6),
                                (4, 0x37, 9), (4, 0x46, 6), (4, 0x5C, 2)]),
        ("carlo_gavazzi_em340", [(4, 0x00, 36), (4, 0x28, 30), (4, 0x400, 12)]),
        ("carlo_gavazzi_em540", [(4, 0x00, 36), (4, 0x28, 12), (4, 0x500, 32)]),
        ("eastron_sdm230", [(4, 0x00, 76)]),
        ("eastron_sdm630_v2", [(4, 0x00, 76), (4, 0x15A, 12)]),
        ("eastron_sdm72d_m", [(4, 0x34, 24)]),
        ("eastron_sdm72d_m_v2", [(4, 0x00, 36), (4, 0x34, 24)]),
        ("klefr_693x_694x", [(3, 0x5002, 40), (3, 0x600C, 24)]),
    ],
)  # fmt: skip
def test_so_many_reads_fetch_all_registers(name: str, reads: list[tuple[int, int, int]]) -> None:
    profile = load(name)

    print(f"{name}: {len(profile.registers)} registers in {len(profile.blocks)} reads")  # noqa: T201

    assert profile.blocks == tuple(Block(*read) for read in reads)


@pytest.mark.parametrize("name", names())
def test_no_fewer_reads_and_no_fewer_words_are_possible(name: str) -> None:
    profile = load(name)

    reads, words = fewest(profile)

    assert len(profile.blocks) == reads
    assert sum(block.count for block in profile.blocks) == words
    assert all(block.count <= profile.max_words for block in profile.blocks)


def fewest(profile: Profile) -> tuple[int, int]:
    """Number of reads and of words of the best cut, by trying every cut from the left."""
    rows = sorted(profile.registers, key=lambda row: (row.function, row.start))
    best: list[tuple[int, int]] = [(0, 0)]
    for end in range(1, len(rows) + 1):
        options = []
        for start in range(end):
            group = rows[start:end]
            last = max(row.end for row in group)
            wide = last - group[0].start
            gaps = [
                later.start - max(row.end for row in group[: place + 1])
                for place, later in enumerate(group[1:])
            ]
            one = len({row.function for row in group}) == 1
            if one and wide <= profile.max_words and all(gap <= profile.max_gap for gap in gaps):
                options.append((best[start][0] + 1, best[start][1] + wide))
        best.append(min(options))
    return best[-1]


def test_the_profiles_go_into_the_wheel() -> None:
    root = Path(__file__).parents[2]
    ignored = (root / ".gitignore").read_text(encoding="utf-8")
    project = (root / "pyproject.toml").read_text(encoding="utf-8")

    assert 'packages = ["chargepoint", "meters"]' in project
    assert "yaml" not in ignored
    assert all(find(name).is_relative_to(root / "meters") for name in names())


# Finding.


def test_a_name_means_one_that_comes_along_whatever_folder_a_config_put_before(
    tmp_path: Path,
) -> None:
    assert find(tmp_path / "eastron_sdm230") == find("eastron_sdm230")


@pytest.mark.parametrize("name", ["eastron", "", "eastron_sdm230.yaml", "../secret", "no/such.yml"])
def test_what_is_not_there_is_refused(name: str) -> None:
    with pytest.raises(ProfileError, match=r"known are .*eastron_sdm230|no such file"):
        find(name)


def test_a_changed_file_is_read_anew(profile: Path) -> None:
    first = loaded(profile, GOOD)
    profile.touch()

    assert loaded(profile, GOOD.replace("Acme", "Other")).vendor == "Other"
    assert first.vendor == "Acme"


# The format.


def test_addresses_can_be_written_as_the_data_sheet_counts(profile: Path) -> None:
    zero = loaded(profile, GOOD)
    profile = profile.with_name("one.yaml")
    one = loaded(profile, "addresses: one-based" + GOOD.replace("0x10", "17"))
    profile = profile.with_name("modicon.yaml")
    modicon = loaded(profile, "addresses: modicon" + GOOD.replace("0x10", "30017"))
    profile = profile.with_name("long.yaml")
    holding = loaded(profile, "addresses: modicon" + GOOD.replace("0x10", "400017"))

    assert zero.registers == one.registers == modicon.registers
    assert holding.registers[0].function == 3
    assert holding.registers[0].address == 16


def test_what_holds_for_all_registers_can_be_said_once(profile: Path) -> None:
    text = "order: little\nfunction: 3\nmissing: {s16: -1}\noverflow: {s16: 0x7FFF}" + GOOD

    register = loaded(
        profile, text + "  - {address: 1, kind: s16, quantity: power, order: big, missing: 7}\n"
    ).registers

    assert [row.order for row in register] == ["little", "big"]
    assert [row.function for row in register] == [3, 3]
    assert [row.missing for row in register] == [None, 7]
    assert [row.overflow for row in register] == [None, 0x7FFF]


def test_a_scale_is_exact(profile: Path) -> None:
    assert loaded(profile, GOOD.replace("1000", "0.1")).registers[0].scale == Decimal("0.1")


def test_a_quantity_in_parts_is_the_sum_and_nothing_without_one_of_them(profile: Path) -> None:
    rows = """
  - {address: 0, kind: s32, quantity: energy_export, scale: 1000, part: true}
  - {address: 2, kind: s32, quantity: energy_export, part: true, missing: 0}
"""
    meter = loaded(profile, GOOD + rows)

    both = meter.samples({Block(4, 0, 4): (0, 12, 0, 345)})
    half = meter.samples({Block(4, 0, 4): (0, 12, 0, 0)})

    assert both == (Sample(Quantity.ENERGY_EXPORT, Decimal(12345)),)
    assert half == ()


@pytest.mark.parametrize(
    ("power", "current", "expected"),
    [("-5", "3", "-3"), ("5", "3", "3"), ("-5", "-3", "-3"), ("5", "-3", "3"), ("0", "-3", "-3")],
)
def test_a_current_without_a_sign_gets_that_of_its_power(
    profile: Path, power: str, current: str, expected: str
) -> None:
    rows = """
  - {address: 0, kind: f32, quantity: power, phase: L1}
  - {address: 2, kind: f32, quantity: current, phase: L1}
  - {address: 4, kind: f32, quantity: current, phase: N}
"""
    words = struct.unpack(">6H", struct.pack(">3f", float(power), float(current), 1.0))

    samples = loaded(profile, GOOD + rows).samples({Block(4, 0, 6): words})

    assert samples[1:] == (
        Sample(Quantity.CURRENT, Decimal(expected), Phase.L1),
        Sample(Quantity.CURRENT, Decimal(1), Phase.N),
    )


@pytest.mark.parametrize(
    ("kind", "words", "shown"),
    [
        (IdentityKind.TEXT, [0x4B5A, 0x3136, 0x0000], "KZ16"),
        (IdentityKind.LOW_BYTES, [0x004B, 0xFF5A, 0], "KZ"),
        (IdentityKind.HEX, [0x1506, 0x0001], "15060001"),
        (IdentityKind.PACKED_VERSION, [0x1603], "1.6.3"),
        (IdentityKind.LETTER, [2], "C"),
        (Kind.U32, [0x0001, 0x0000], "65536"),
        (Kind.F32, [0x3F97, 0x0A3D], "1.18"),
        (Kind.F32, [0x7FC0, 0], ""),
    ],
)
def test_who_the_meter_is_can_be_written_in_many_ways(
    kind: Kind | IdentityKind, words: list[int], shown: str
) -> None:
    assert IdentityRegister(0, kind, len(words)).read(words) == shown


def test_numbers_recorded_with_a_dc_meter_are_read_as_it_shows_them() -> None:
    """1000 V and 250 A inputs at rest: 33.3 degrees inside, 21.018 kWh counted."""
    frame = "0000 0003 0000 0002 0000 014D 0000 0000 0000 0005 0000 0000 0000 521A 0000 0000"
    words = tuple(int(word, 16) for word in frame.split())

    samples = load("acrel_djsf1352_rn").samples({Block(3, 0, 16): words})

    assert {sample.quantity: sample.value for sample in samples} == {
        Quantity.VOLTAGE: 0,
        Quantity.CURRENT: 0,
        Quantity.TEMPERATURE: Decimal("33.3"),
        Quantity.POWER: 0,
        Quantity.ENERGY_IMPORT: 21018,
        Quantity.ENERGY_EXPORT: 0,
    }


# Mistakes.

SPOILERS = ("", " ", "\n", ":", "- ", "{", "}", "[", "]", "? [1]: ", "&a ", "*a", "!x ", "0x", "-",
            "9" * 30, "\t", "'", '"', "|", "%", "1e9", "null", "\x00", "<<: ", "é")  # fmt: skip


def test_all_mistakes_are_told_at_once_with_line_found_and_allowed(profile: Path) -> None:
    text = """vendor: Acme
modell: One
source:
max_words: 200
registers:
  - {address: 0x10, kind: f33, quantity: energy_import}
  - {address: 65535, kind: f32, quantity: power, scale: 0}
  - {kind: f32, quantity: tension}
"""
    found = complaints(profile, text)

    assert found == [
        "1: model: missing",
        (
            "2: modell: found an unknown key; allowed: addresses, order, function, max_words, "
            "missing, overflow, vendor, model, source, line, max_gap, transformers, serial_number, "
            "firmware, identification, registers; did you mean `model`?"
        ),
        "3: source: found nothing; allowed: text",
        '4: max_words: found "200"; allowed: a whole number from 1 to 125, or 0x...',
        (
            '6: registers[0].kind: found "f33"; allowed: u16, s16, u32, s32, u64, s64, f32, f64; '
            "did you mean `f32`?"
        ),
        '7: registers[1].scale: found "0"; allowed: a number other than 0',
        "8: registers[2].address: missing",
        (
            '8: registers[2].quantity: found "tension"; allowed: energy_import, energy_export, '
            "power, reactive_power, apparent_power, power_factor, voltage, current, frequency, "
            "temperature"
        ),
    ]


ROW = "  - {address: 0, kind: u16, quantity: power%s}\n"


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("  - {address: 65535, kind: u32, quantity: power}\n",
         "7: registers[1].address: the last word would be 65536; allowed: up to 65535"),
        ("  - {address: 0x11, kind: u16, quantity: power}\n",
         "7: registers[1].address: found words of the register in line 6; allowed: others"),
        ("  - {address: 0, kind: u16, quantity: energy_import}\n",
         ("7: registers[1].quantity: found energy_import total again, as in line 6; "
         "allowed: once, or `part: true` in each line")),
        (ROW % ", phase: L1-L2", ("7: registers[1].phase: found a pair with power; "
                                 "allowed: with voltage")),
        (ROW % ", missing: -1",
         '7: registers[1].missing: found "-1"; allowed: a whole number from 0 to 65535, or 0x...'),
        (ROW % ", exponent_offset: 1",
         "7: registers[1].exponent_offset: found without an exponent; allowed: beside `exponent`"),
        (ROW % ", exponent: 400",
         "7: registers[1].exponent: spans 401 words; allowed: max_words, which is 125"),
        ("  - {address: 0, kind: u16, quantity: energy_export, scale: -1}\n",
         '7: registers[1].scale: found "-1"; allowed: energy counts upwards'),
        (ROW % ", scale: 1, scale: 2", "7: registers[1].scale: found twice; allowed: once"),
        (ROW % ", unit: W", None),
        ("  - 5\n", '7: registers[1]: found "5"; allowed: a mapping'),
        ("identification: {address: 1, kind: f32, models: {1: A}}\n",
         ("7: identification.kind: found no whole number; "
         "allowed: u16, s16, u32, s32, u64, s64")),
        ("identification: {address: 1, kind: u16}\n",
         "7: identification.models: missing, or empty; allowed: codes with the models' names"),
        ("identification: {address: 1, kind: u16, models: {x: A}}\n",
         ('7: identification.models.x: found "x"; '
         "allowed: a whole number from 0 to 18446744073709551615, or 0x...")),
        ("serial_number: {address: 1, kind: text}\n", "7: serial_number.words: missing"),
        ("line: {parity: mark}\n", '7: line.parity: found "mark"; allowed: none, even, odd'),
        ("transformers: [power]\n", '7: transformers: found "power"; allowed: current, voltage'),
        ("missing: {u17: 1}\n", None),
        ("addresses: modicon\n", ('6: registers[0].address: found "0x10"; allowed: '
                                 "a number from 30001 or 40001 on, with five or six digits")),
    ],
)  # fmt: skip
def test_each_kind_of_mistake_has_a_sentence(
    profile: Path, more: str, complaint: str | None
) -> None:
    found = complaints(profile, GOOD + more)

    if complaint is None:
        assert "found an unknown key; allowed: " in found[0]
    else:
        assert complaint in found
        assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "1: found nothing"),
        ("vendor: [", "1: no YAML"),
        ("a: 1\n\tb: 2", "2: no YAML"),
        ("- 1", "found a list; allowed: a mapping"),
        ("vendor: a\nmodel: b\nsource: c", "registers: missing, or empty"),
    ],
)
def test_what_is_no_profile_is_told(profile: Path, text: str, sentence: str) -> None:
    assert sentence in "\n".join(complaints(profile, text))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_spoiled_profile_is_read_or_told_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    text = find(data.draw(st.sampled_from(names()))).read_text(encoding="utf-8")
    place = data.draw(st.integers(0, len(text)))
    length = data.draw(st.integers(0, 20))
    junk = data.draw(st.sampled_from(SPOILERS))
    path = tmp_path_factory.getbasetemp() / "spoiled.yaml"
    path.write_text(text[:place] + junk + text[place + length :], encoding="utf-8")

    told = ""
    try:
        registers = read_profile(path).registers
    except ProfileError as error:
        registers, told = (), str(error)

    assert registers or told.startswith(f"{path}:")


def test_a_file_that_is_not_text_is_told(profile: Path) -> None:
    profile.write_bytes(b"vendor: \xff\n")

    with pytest.raises(ProfileError, match=r"acme.yaml:1: not UTF-8"):
        load(profile)
