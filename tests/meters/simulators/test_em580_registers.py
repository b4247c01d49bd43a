"""The register map: what stands where, in which shape it may be read and written."""

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.simulators.em580 import Behaviour, Em580, KeyCurve
from meters.simulators.em580.layout import number, text
from meters.simulators.refusal import NoReply, Refusal

Make = Callable[..., Em580]

EM340 = {"identification_code": 340, "serial_number": "274123S"}


def raw(words: tuple[int, ...]) -> bytes:
    return b"".join(word.to_bytes(2, "big") for word in words)


def integer(words: tuple[int, ...]) -> int:
    little = b"".join(word.to_bytes(2, "little") for word in words)
    return int.from_bytes(little, "little", signed=True)


def code(call: Callable[..., object], *arguments: object) -> int:
    with pytest.raises(Refusal) as refused:
        call(*arguments)
    return refused.value.code


@pytest.mark.parametrize(
    ("value", "words", "expected"),
    [
        (2305, 2, "0901 0000"),
        (16000, 2, "3E80 0000"),
        (110400, 2, "AF40 0001"),
        (-73600, 2, "E080 FFFE"),
        (-1, 2, "FFFF FFFF"),
        (1643, 4, "066B 0000 0000 0000"),
        (5000000123, 4, "F27B 2A05 0001 0000"),
        (-5, 4, "FFFB FFFF FFFF FFFF"),
        (1765969756, 4, "8F5C 6942 0000 0000"),
        (-300, 1, "FED4"),
    ],
)
def test_numbers_are_stored_least_significant_word_first(
    value: int, words: int, expected: str
) -> None:
    assert " ".join(f"{word:04X}" for word in number(value, words)) == expected


def test_text_fills_its_field_with_zeros() -> None:
    assert raw(text("KZ1660104001D", 7)).hex(" ", 2) == "4b5a 3136 3630 3130 3430 3031 4400"


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        (0x000B, 1, "0758"),
        (0x0032, 2, "0001 01f4"),
        (0x0302, 2, "1603 1603"),
        (0x0307, 1, "00fa"),
        (0x24FF, 1, "0001"),
        (0x5000, 8, "4b5a 3136 3630 3130 3430 3031 4400 07e9"),
        (0x5012, 1, "0000"),
        (0x7000, 8, "0000 0000 0000 0000 0000 0000 0000 0000"),
        (0x7060, 1, "0000"),
        (0x7100, 4, "0000 0000 0000 0000"),
        (0x78FE, 1, "0000"),
    ],
)
def test_a_new_meter_shows(meter: Make, address: int, count: int, expected: str) -> None:
    assert raw(meter().read(address, count)).hex(" ", 2) == expected


@pytest.mark.parametrize(
    ("address", "count"),
    [
        (0x0058, 1),  # behind the live values
        (0x0057, 2),  # running out of them
        (0x0304, 1),
        (0x0520, 1),
        (0x086D, 1),
        (0x2582, 1),
        (0x5008, 1),
        (0x697E, 1),
        (0x7030, 1),
        (0x7037, 1),
        (0x78FF, 1),
        (0xFFFF, 1),
    ],
)
def test_there_is_nothing_at(meter: Make, address: int, count: int) -> None:
    assert code(meter().read, address, count) == 2


def test_the_identification_code_hides_in_longer_reads(meter: Make) -> None:
    device = meter(identification_code=1234)

    assert device.read(0x000B, 1) == (1234,)
    assert device.read(0x000A, 2) == (3984, 0)
    assert device.read(0x000B, 2)[0] == 0


def test_live_values_agree_with_the_load(meter: Make) -> None:
    device = meter()
    device.set_load(Decimal("11000.1"), 3)

    words = device.read(0, 52)

    assert [integer(words[at : at + 2]) for at in (0x12, 0x14, 0x16)] == [36667, 36667, 36667]
    assert integer(words[0x28:0x2A]) == 110001
    assert [integer(words[at : at + 2]) for at in (0x0C, 0x0E, 0x10)] == [15942] * 3
    assert [integer(words[at : at + 2]) for at in (0, 2, 4, 6)] == [2300, 2300, 2300, 3984]


@pytest.mark.parametrize(
    ("watts", "phases", "expected"),
    [
        (Decimal(1), 3, [4, 3, 3]),
        (Decimal(-1), 3, [-4, -3, -3]),
        (Decimal(3680), 1, [36800, 0, 0]),
        (Decimal(7360), 2, [36800, 36800, 0]),
    ],
)
def test_phases_add_up_to_the_total(
    meter: Make, watts: Decimal, phases: int, expected: list[int]
) -> None:
    device = meter()
    device.set_load(watts, phases)

    words = device.read(0x12, 24)

    assert [integer(words[at : at + 2]) for at in (0, 2, 4)] == expected
    assert integer(words[0x16:0x18]) == sum(expected) == watts * 10


def test_export_is_negative_power_and_a_counter_of_its_own(meter: Make, clock: Any) -> None:
    device = meter(begin_energy_wh=100)
    device.set_load(Decimal(-7360), 1)
    clock.pass_by(1800)

    block = device.read(0x0500, 32)

    assert integer(device.read(0x12, 2)) == -73600
    assert integer(device.read(0x0C, 2)) == -32000
    assert device.read(0x2E, 1) == (0xFC18,)
    assert (integer(block[:4]), integer(block[28:])) == (100, 3680)


def test_energy_is_exact_however_often_it_is_read(meter: Make, clock: Any) -> None:
    device = meter(time_lapse=Decimal(60))
    device.set_load(Decimal(11000))
    for _ in range(3600):
        clock.pass_by(1)
        device.read(0x0500, 4)

    assert device.energy_wh == 660_000


@pytest.mark.parametrize("energy", [16_777_217, 2**32 + 1, 123_456_789])
def test_energy_has_no_limit_of_precision(meter: Make, energy: int) -> None:
    assert integer(meter(begin_energy_wh=energy).read(0x0500, 4)) == energy


def test_one_request_shows_one_moment(meter: Make, clock: Any) -> None:
    """Time goes on with every look at the clock; the words of a request must not notice."""
    device = meter(begin_energy_wh=65_000)
    device.set_load(Decimal(3_600_000))
    device._monotonic = device._energy._monotonic = _Hurried(clock)
    seen = [integer(device.read(0x0500, 4)) for _ in range(300)]

    assert seen == sorted(seen)
    assert max(after - before for before, after in pairwise(seen)) < 100
    assert seen[0] < 65_536 < seen[-1]


class _Hurried:
    def __init__(self, clock: Any) -> None:
        self._clock = clock

    def __call__(self) -> float:
        self._clock.pass_by(0.001)
        return float(self._clock())


@pytest.mark.parametrize(
    ("curve", "size", "kind", "raw_words", "der_words", "map_words"),
    [
        (KeyCurve.P384, 48, 1, 49, 62, 109),
        (KeyCurve.P256, 32, 0, 33, 46, 93),
    ],
)
def test_the_signed_map_is_signed_by_the_key_shown(
    meter: Make,
    *,
    curve: KeyCurve,
    size: int,
    kind: int,
    raw_words: int,
    der_words: int,
    map_words: int,
) -> None:
    device = meter(curve=curve, begin_energy_wh=1643, begin_export_wh=7)
    device.set_load(Decimal("-230.5"), 1)

    content = raw(device.read(0x0800, map_words))
    der = raw(device.read(0x2600, der_words))
    point = raw(device.read(0x2500, raw_words))

    assert device.read(0x24FF, 1) == (kind,)
    assert point == bytes.fromhex(device.public_key) + b"\0"
    assert der.endswith(point[:-1])
    assert content[:8].hex() == "0100010800ff0000"
    assert content[12:20] == bytes.fromhex("066B000000000000")
    assert content[32:40] == bytes.fromhex("0007000000000000")
    assert content[52:56] == bytes.fromhex("F6FFFFFF")
    assert content[72:92] == b"EM580DINAV23XS3DET\0\0"
    assert content[92:106] == b"KZ1660104001D\0"
    signature = utils.encode_dss_signature(
        int.from_bytes(content[122 : 122 + size], "big"),
        int.from_bytes(content[122 + size :], "big"),
    )
    public = load_der_public_key(der)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(signature, content[:122], ec.ECDSA(SHA256()))


def test_the_same_seed_makes_the_same_key(meter: Make) -> None:
    assert meter(key_seed="a").public_key == meter(key_seed="a").public_key
    assert meter(key_seed="a").public_key != meter(key_seed="b").public_key
    assert meter(key_seed=None).public_key != meter(key_seed=None).public_key


@pytest.mark.parametrize(("address", "count"), [(0x2600, 61), (0x2601, 61), (0x2610, 1)])
def test_the_der_key_is_read_whole_or_not_at_all(meter: Make, address: int, count: int) -> None:
    lenient = meter(behaviour=Behaviour(partial_der_key=None))

    assert code(meter().read, address, count) == 2
    assert len(lenient.read(address, count)) == count


def test_a_meter_without_key_still_measures(meter: Make) -> None:
    device = meter(curve=KeyCurve.NONE)

    assert device.read(0x24FF, 1) == (2,)
    assert device.public_key == ""
    assert len(device.read(0, 52)) == 52
    assert code(device.read, 0x0800, 109) == 2
    assert code(device.write, 0x7040, [ord("B")]) == 4


@pytest.mark.parametrize(
    ("address", "words", "expected"),
    [
        (0x7001, [10], 3),  # no such level
        (0x7002, [4], 3),  # RFID has four words
        (0x7004, [2], 3),
        (0x7006, [3], 3),  # a hole in the table of types
        (0x701B, [2], 3),
        (0x7031, [1441], 3),
        (0x7031, [0xFA5F], 3),  # -1441
        (0x7032, [1, 2], 3),  # half a clock
        (0x7033, [1], 3),
        (0x7032, [0, 0, 0, 0x8000], 3),  # before 1970
        (0x7040, [0x44], 3),
        (0x7100, [1], 3),
        (0x0500, [1], 2),
        (0x7101, [1], 2),
        (0x7102, [1], 2),
        (0x7030, [1], 2),
        (0x702F, [0, 0], 2),  # runs out of the field
        (0x6FFF, [0, 0], 2),
    ],
)
def test_a_write_is_refused(meter: Make, address: int, words: list[int], expected: int) -> None:
    device = meter()
    before = device.memory.words

    assert code(device.write, address, words) == expected
    assert device.memory.words == before


def test_what_a_write_to_a_read_only_register_answers_is_a_setting(meter: Make) -> None:
    device = meter(behaviour=Behaviour(read_only=4))

    assert code(device.write, 0x7101, [1]) == 4
    assert code(device.write, 0x7030, [1]) == 2


def test_a_write_over_several_fields_is_all_or_nothing(meter: Make) -> None:
    device = meter()

    assert code(device.write, 0x7000, [1, 3, 9]) == 3
    assert device.read(0x7000, 3) == (0, 0, 0)

    device.write(0x7000, [1, 3, 1, 0, 0, 0, 10])
    assert device.read(0x7000, 7) == (1, 3, 1, 0, 0, 0, 10)


def test_bytes_behind_the_end_of_a_text_stay(meter: Make) -> None:
    device = meter()
    device.write(0x7007, [0x4142, 0x4344, 0x4500])
    device.write(0x7007, [0x5800])

    assert device.read(0x7007, 3) == (0x5800, 0x4344, 0x4500)


def test_an_override_shows_something_else_until_it_is_cleared(meter: Make) -> None:
    device = meter()
    device.override(0x5012, [0x2001])

    assert device.read(0x5012, 1) == (0x2001,)
    device.clear_overrides()
    assert device.read(0x5012, 1) == (0,)


@pytest.mark.parametrize(
    ("address", "count", "expected"),
    [
        (0x000B, 1, "0154"),
        (0x5000, 7, "0032 0037 0034 0031 0032 0033 0053"),
        (0x5010, 1, "07e9"),
        (0x0400, 12, "3039 0000 02a6 0000 0000 0000 0000 0000 000c 0000 0005 0000"),
        (0x0032, 2, "0001 01f4"),
    ],
)
def test_an_em300_shows(meter: Make, address: int, count: int, expected: str) -> None:
    device = meter(**EM340, begin_energy_wh=12_345_678, begin_export_wh=12_005)

    assert raw(device.read(address, count)).hex(" ", 2) == expected


def test_an_em300_refuses_long_reads_and_has_no_transactions(meter: Make) -> None:
    device = meter(**EM340, production_year=None)

    assert code(device.read, 0x0000, 51) == 3
    assert len(device.read(0x0000, 50)) == 50
    assert code(device.read, 0x5010, 1) == 2
    assert code(device.read, 0x7100, 1) == 2
    assert code(device.write, 0x7040, [ord("B")]) == 2
    assert 0x10 not in device.functions
    with pytest.raises(NoReply):
        device.write(0x7032, [0])


@pytest.mark.parametrize(
    "wrong",
    [
        {"serial_number": "12345678901234"},
        {"model": "Zähler"},
        {"record_size": 4063},
        {"time_lapse": Decimal(0)},
        {"identification_code": 65_536},
    ],
)
def test_settings_that_do_not_fit_the_registers_are_refused(
    meter: Make, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValueError, match=r"fit|above 0"):
        meter(**wrong)


@pytest.mark.parametrize(
    ("watts", "phases"), [(Decimal(1), 4), (Decimal("NaN"), 3), (Decimal(10**9), 3)]
)
def test_a_load_that_cannot_be_is_refused(meter: Make, watts: Decimal, phases: int) -> None:
    with pytest.raises(ValueError, match=r"phases|fit"):
        meter().set_load(watts, phases)
