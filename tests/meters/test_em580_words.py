"""The EM580's numbers, texts and fields, against the worked examples of its reference."""

import itertools
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.drivers.carlo_gavazzi_em580 import Config, layout, record, wording
from meters.drivers.carlo_gavazzi_em580.layout import Signature
from meters.errors import MeterDataError, MeterRefused
from meters.model import (
    BillingTransaction,
    Identification,
    Phase,
    Quantity,
    Reading,
    Sample,
)
from meters.registers import Block, decode, text

UUID = "12345678-1234-5678-1234-567812345678"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LIVE_WORDS = """
    0901 0000 0906 0000 08FA 0000 0F98 0000 0FA1 0000 0F93 0000 3E80 0000 3E4E 0000
    C16C FFFF 9010 0000 8FED 0000 7032 FFFF 9010 0000 8FED 0000 8FD4 0000 04B0 0000
    FEA2 FFFF 0050 0000 0900 0000 0F99 0000 902F 0000 AFD1 0001 03A2 0000 03E8 03E7
    FC19 03E6 0001 01F4
"""
RECORD = (
    'OCMF|{"FV":"1.2","GI":"Carlo Gavazzi Controls-EM580DINAV23XS3DET","GS":"KZ1660104001D",'
    '"GV":"M_1.6.3-C_1.6.3","PG":"T23","MV":"Carlo Gavazzi Controls","MM":"EM580DINAV23XS3DET",'
    '"MS":"KZ1660104001D","MF":"M_1.6.3-C_1.6.3","IS":true,"IL":"NONE","IF":[],"IT":"ISO14443",'
    '"ID":"ABC","TT":"TARIFF<=>' + UUID + '","CT":"EVSEID","CI":"DE*ENBW*BER001*EVSE01",'
    '"LC":{"LN":"CABLE_LOSS","LI": 99,"LR": 0,"LU": "mOhm"},'
    '"RD":[{"TM":"2025-12-17T12:09:16,000+0100 S","TX":"B","RV":1.637,"RI":"1-b:1.8.0","RU":"kWh",'
    '"RT":"AC","RM":"","ST":"G"},{"TM":"2025-12-17T12:30:30,000+0100 S","TX":"E","RV":1.643,'
    '"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","RM":"","ST":"G"}]}|'
    '{"SD":"3064","SA":"ECDSA-brainpoolP384r1-SHA256"}'
)


def words(hexadecimal: str) -> tuple[int, ...]:
    return tuple(int(word, 16) for word in hexadecimal.split())


def test_the_live_block_of_the_reference_is_understood() -> None:
    samples = decode(layout.LIVE, {layout.LIVE_BLOCK: words(LIVE_WORDS)})
    reading = Reading(NOW, samples)

    expected = {
        (Quantity.VOLTAGE, Phase.L1): "230.5",
        (Quantity.VOLTAGE, Phase.L2): "231.0",
        (Quantity.VOLTAGE, Phase.L3): "229.8",
        (Quantity.VOLTAGE, Phase.L3_L1): "398.7",
        (Quantity.CURRENT, Phase.L1): "16",
        (Quantity.CURRENT, Phase.L2): "15.95",
        (Quantity.CURRENT, Phase.L3): "-16.02",
        (Quantity.POWER, Phase.L1): "3688",
        (Quantity.POWER, Phase.L2): "3684.5",
        (Quantity.POWER, Phase.L3): "-3681.4",
        (Quantity.POWER, None): "3691.1",
        (Quantity.REACTIVE_POWER, Phase.L1): "120",
        (Quantity.REACTIVE_POWER, Phase.L2): "-35",
        (Quantity.REACTIVE_POWER, Phase.L3): "8",
        (Quantity.REACTIVE_POWER, None): "93",
        (Quantity.POWER_FACTOR, Phase.L3): "-0.999",
        (Quantity.FREQUENCY, None): "50",
    }
    found = {key: reading.value(*key) for key in expected}
    assert found == {key: Decimal(value) for key, value in expected.items()}
    assert layout.rotation({layout.LIVE_BLOCK: words(LIVE_WORDS)}) == ()


@pytest.mark.parametrize(
    ("em300", "word", "volts", "wrong"),
    [
        (False, 0xFFFF, (2300, 2310, 2290), True),
        (False, 0, (2300, 2310, 2290), False),
        (False, 0xFFFF, (2300, 0, 0), False),
        (False, 0xFFFF, (2300, 2310, 12), False),
        (True, 0, (2300, 2310, 2290), True),
        (True, 0xFFFF, (2300, 2310, 2290), True),
        (True, 1, (2300, 2310, 2290), False),
        (True, 0, (2300, 0, 0), False),
    ],
)
def test_a_wrong_phase_sequence_is_recognised_on_both_series(
    volts: tuple[int, int, int], word: int, *, em300: bool, wrong: bool
) -> None:
    live = [word for tenths in volts for word in (tenths, 0)]
    if em300:
        blocks: tuple[Block, ...] = layout.EM300_LIVE_BLOCKS
        memory = {blocks[0]: [*live, *[0] * 44], blocks[1]: [word, 500]}
    else:
        memory = {layout.LIVE_BLOCK: [*live, *[0] * 44, word, 500]}

    assert bool(layout.rotation(memory)) is wrong


@pytest.mark.parametrize(
    ("energy", "expected"),
    [
        ("066B 0000 0000 0000", "1643"),
        ("0001 0100 0000 0000", "16777217"),
        ("F27B 2A05 0001 0000", "5000000123"),
        ("FFFB FFFF FFFF FFFF", "-5"),
    ],
)
def test_energies_keep_every_watt_hour(energy: str, expected: str) -> None:
    memory = words(energy) + (0,) * 28

    samples = decode(layout.ENERGY, {layout.ENERGY_BLOCK: memory})

    assert samples[0] == Sample(Quantity.ENERGY_IMPORT, Decimal(expected))
    assert samples[1] == Sample(Quantity.ENERGY_EXPORT, Decimal(0))


def test_the_em300_series_counts_kilowatt_hours_and_a_remainder() -> None:
    memory = words("3039 0000 02A6 0000 0000 0000 0000 0000 000C 0000 0005 0000")

    assert layout.em300_energy(memory) == (
        Sample(Quantity.ENERGY_IMPORT, Decimal(12345678)),
        Sample(Quantity.ENERGY_EXPORT, Decimal(12005)),
    )


def test_the_em300_series_has_one_character_per_word() -> None:
    assert layout.em300_serial(words("0032 0037 0034 0031 0032 0033 0053")) == "274123S"
    assert layout.em300_firmware(0, 12) == "A.12"


def test_clock_and_firmware_are_packed_as_in_the_reference() -> None:
    assert layout.clock_words(1765969756) == words("8F5C 6942 0000 0000")
    assert layout.whole(words("8F5C 6942 0000 0000")) == 1765969756
    assert layout.firmware(0x1603) == "1.6.3"


@pytest.mark.parametrize(
    ("bits", "messages"),
    [
        (0, ()),
        (0x2001, ("voltage L1-N above range", "fault of the measuring module")),
        (0x0200, ("frequency out of range",)),
        (0x0C00, ()),
    ],
)
def test_fault_bits_are_told_in_words(bits: int, messages: tuple[str, ...]) -> None:
    assert layout.faults(bits) == messages


def test_keys_are_taken_out_of_their_blocks() -> None:
    point = bytes([4]) + bytes(range(96))
    der = bytes.fromhex("307A") + bytes(122)

    assert layout.binary_key(point + b"\0") == point.hex().upper()
    assert layout.der_key(der) == der.hex().upper()
    assert layout.binary_key(bytes(98)) == ""
    assert layout.der_key(bytes(124)) == ""
    assert layout.der_key(der[:60]) == ""
    assert [layout.binary_key_words(kind) for kind in Signature] == [33, 49]
    assert [layout.der_key_words(kind) for kind in Signature] == [46, 62]


def test_the_signed_map_is_told_as_hex() -> None:
    found = layout.signed_map((0x002A,) * 61 + (0xABCD,) * 48)

    assert found == b'{"signedData":"' + b"002A" * 61 + b'","signature":"' + b"ABCD" * 48 + b'"}'


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("AB", "4142 0000"),
        ("ABC", "4142 4300"),
        ("", "0000"),
        ("DE*TEST*EVSE01", "4445 2A54 4553 542A 4556 5345 3031 0000"),
    ],
)
def test_texts_are_written_with_their_nul(value: str, expected: str) -> None:
    assert wording.text_words(value) == words(expected)


@pytest.mark.parametrize(
    ("value", "limit", "expected"),
    [
        ("HELLO", 1, "H"),
        ("HELLO", 3, "HEL"),
        ("0.30 €/kWh", 6, "0.30 "),
        ("0.30 €/kWh", 8, "0.30 €"),
        ("a|b", 9, "a/b"),
        ("a\x00b\nc\x7f", 9, "a b c "),
        ('say "no"\\', 20, "say 'no'/"),
        ("", 9, ""),
    ],
)
def test_free_text_cannot_break_the_record(value: str, limit: int, expected: str) -> None:
    assert wording.clean(value, limit) == expected


@given(st.text(max_size=300), st.integers(0, 60))
def test_cleaned_text_is_short_and_stays_clean(value: str, limit: int) -> None:
    found = wording.clean(value, limit)

    assert len(found.encode()) <= limit
    assert not set('|"\\\0') & set(found)
    assert wording.clean(found, limit) == found


def test_the_tariff_text_of_the_reference_is_written() -> None:
    found = wording.text_words(wording.tariff_text("TARIFF", UUID))

    assert (len(found), found[-1]) == (23, 0x3800)


@given(st.text(max_size=300), st.from_regex(r"[A-Za-z0-9*._:+-]{1,36}", fullmatch=True))
def test_the_id_survives_any_tariff(tariff: str, transaction_id: str) -> None:
    written = wording.text_words(wording.tariff_text(tariff, transaction_id))

    assert len(written) <= layout.TARIFF_WORDS
    assert wording.id_in(text(written)) == transaction_id


@pytest.mark.parametrize("size", [211, 212, 250])
def test_a_long_tariff_is_cut_and_the_id_is_not(size: int) -> None:
    found = wording.tariff_text("x" * size, UUID)

    assert found == "x" * 211 + "<=>" + UUID


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (f"price-2.30-EUR/kWh<=>{UUID}", UUID),
        ("<=>4711", "4711"),
        ("a<=>b<=>c", "c"),
        ("no marker", ""),
        ("cut<=>", ""),
        ("", ""),
    ],
)
def test_the_id_is_what_stands_behind_the_last_marker(value: str, expected: str) -> None:
    assert wording.id_in(value) == expected


@pytest.mark.parametrize("bad", ["", " x", "x" * 37, "a|b", 'a"b', "a\\b", "ä", "a\nb", "a<=>b"])
def test_an_id_that_would_not_come_back_is_refused(bad: str) -> None:
    with pytest.raises(MeterRefused, match="transaction id"):
        wording.check_id(bad)


@pytest.mark.parametrize("good", [UUID, "4711", "a b", "Zm9vYmFy+/==", "x" * 36])
def test_ids_of_any_other_form_are_carried(good: str) -> None:
    wording.check_id(good)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), "0000 0000 0000 0000"),
        (("OCPP_AUTH_TLS", "RFID_PLAIN"), "0001 0004 0000 0000"),
        (("OCPP_AUTH",), "0000 0002 0000 0000"),
        (("ISO15118_PNC", "PLMN_SMS"), "0000 0000 0001 0002"),
        (("RFID_NONE", "RFID_PSK"), "0003 0000 0000 0000"),
        (("RFID_PSK", "RFID_PLAIN"), "0003 0000 0000 0000"),
        (("NONSENSE",), "0000 0000 0000 0000"),
    ],
)
def test_each_flag_goes_into_the_register_of_its_family(
    flags: tuple[str, ...], expected: str
) -> None:
    assert wording.flag_words(flags) == words(expected)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("ISO14443", 10), ("EMAID", 20), ("KEY_CODE", 90), ("", 0), ("NONE", 0), ("NOVEL", 2)],
)
def test_identification_types_have_their_numbers(kind: str, expected: int) -> None:
    assert wording.type_word(Identification(type=kind)) == expected


@pytest.mark.parametrize(
    ("level", "expected"), [("NONE", 0), ("UNKNOWN", 9), ("CERTIFIED", 4), ("", 0)]
)
def test_identification_levels_have_their_numbers(level: str, expected: int) -> None:
    assert wording.level_word(Identification(level=level)) == expected


def test_what_is_written_before_the_begin() -> None:
    who = Identification(
        assigned=True, level="SECURE", flags=("RFID_PLAIN",), type="ISO14443", data="ABC"
    )
    transaction = BillingTransaction("4711", "DE*TEST*EVSE01", who, "TARIFF")

    found = [(address, written) for _, address, written in wording.fields(transaction)]

    assert found == [
        (0x7000, (1,)),
        (0x7001, (5,)),
        (0x7002, (1, 0, 0, 0)),
        (0x7006, (10,)),
        (0x7007, words("4142 4300")),
        (0x701B, (0,)),
        (0x701C, words("4445 2A54 4553 542A 4556 5345 3031 0000")),
        (0x6900, wording.text_words("TARIFF<=>4711")),
        (0x7036, (0,)),
    ]


def test_what_is_cut_from_legal_content_is_told_without_its_value() -> None:
    transaction = BillingTransaction("4711", "E", Identification(data="S" * 41))

    fields = {name: written for name, _, written in wording.fields(transaction)}

    assert fields["identification data"] == wording.text_words("S" * 39)
    assert wording.losses(transaction) == (
        "identification data: 41 bytes, 39 fit; the last 2 are cut",
    )


@pytest.mark.parametrize(
    ("tariff", "told"),
    [
        ("x" * 211, ()),
        ("x" * 208 + "€", ()),
        ("x" * 209 + "€", ("tariff text: 212 bytes, 211 fit; the last 3 are cut, lost is '€'",)),
        (
            "x" * 211 + "cut" * 15,
            (f"tariff text: 256 bytes, 211 fit; the last 45 are cut, lost is '{'cut' * 13}c'...",),
        ),
        ("a|b\n", ("tariff text: 2 characters that could break the record are replaced",)),
        ("\ud800", ("tariff text: 1 characters that could break the record are replaced",)),
    ],
)
def test_what_a_tariff_text_loses_is_told(tariff: str, told: tuple[str, ...]) -> None:
    transaction = BillingTransaction(UUID, "E", tariff_text=tariff)

    assert wording.losses(transaction) == told


@given(st.text(max_size=300))
def test_a_tariff_is_either_carried_whole_or_its_loss_is_told(tariff: str) -> None:
    transaction = BillingTransaction(UUID, "E", tariff_text=tariff)

    carried = wording.tariff_text(tariff, UUID).removesuffix(f"<=>{UUID}")

    assert (carried == tariff) == (not wording.losses(transaction))


def test_words_that_the_meter_does_not_have_are_told() -> None:
    who = Identification(
        level="BOGUS", type="NOVEL", flags=("RFID_PLAIN", "RFID_PSK", "OCPP_NONE", "OTHER")
    )

    told = wording.losses(BillingTransaction(UUID, "E", who))

    assert told == (
        "identification level 'BOGUS' is none of OCMF; NONE is written",
        "identification type 'NOVEL' is none of OCMF; UNDEFINED is written",
        "identification flag 'RFID_PSK' is not written: unknown, or second of its kind",
        "identification flag 'OTHER' is not written: unknown, or second of its kind",
    )


def test_every_way_to_be_authorised_has_its_place_in_the_record() -> None:
    flags = [flag for family in wording.FLAGS for flag in family]
    for level, kind, flag in itertools.product(wording.LEVELS, wording.TYPES, flags):
        who = Identification(assigned=True, level=level, type=kind, flags=(flag,))
        assert wording.losses(BillingTransaction(UUID, "E", who)) == ()


def test_the_end_reading_is_what_the_record_says() -> None:
    found = record.read_record(RECORD.encode())

    reading = record.end_reading(found, record.Source("04AB", "X", NOW))

    assert reading.taken_at == datetime.fromisoformat("2025-12-17T12:30:30+01:00")
    assert reading.samples == (Sample(Quantity.ENERGY_IMPORT, Decimal(1643)),)
    assert reading.signed is not None
    assert reading.signed.document == RECORD.encode()
    assert (reading.signed.encoding, reading.signed.method) == ("OCMF", "")
    assert reading.signed.public_key == "04AB"
    assert record.owner(found) == UUID


def test_a_record_on_an_unset_clock_is_dated_by_ours() -> None:
    found = record.read_record(RECORD.replace("0100 S", "0100 U").encode())

    assert record.end_reading(found, record.Source("", "", NOW)).taken_at == NOW


def test_a_record_without_algorithm_gets_the_method_of_the_meter() -> None:
    bare = RECORD.replace(',"SA":"ECDSA-brainpoolP384r1-SHA256"', "")

    found = record.read_record(bare.encode())
    reading = record.end_reading(found, record.Source("", "M", NOW))

    assert reading.signed is not None
    assert reading.signed.method == "M"


@pytest.mark.parametrize(
    ("tariff", "expected"), [("foo<=>not-a-uuid", "not-a-uuid"), ("nothing", "")]
)
def test_the_owner_of_a_record_stands_in_its_tariff_text(tariff: str, expected: str) -> None:
    found = record.read_record(RECORD.replace(f"TARIFF<=>{UUID}", tariff).encode())

    assert record.owner(found) == expected


def test_a_text_like_a_tariff_in_another_field_does_not_mislead() -> None:
    misleading = RECORD.replace('"ID":"ABC"', '"ID":"\\"TT\\":\\"<=>other"')

    assert record.owner(record.read_record(misleading.encode())) == UUID


@pytest.mark.parametrize("damaged", [b"", b"\xff\xff", b"OCMF|", RECORD.encode()[:-40]])
def test_what_is_no_record_is_a_data_error(damaged: bytes) -> None:
    with pytest.raises(MeterDataError, match="no OCMF record"):
        record.owner(record.read_record(damaged))


def test_config_defaults_are_those_that_users_know() -> None:
    assert msgspec.to_builtins(Config()) == {
        "powermeter_device_id": 1,
        "communication_retry_count": 3,
        "communication_retry_delay_ms": 500,
        "communication_error_pause_delay_s": 10,
        "initial_connection_retry_count": 10,
        "initial_connection_retry_delay_ms": 2000,
        "timezone_offset_minutes": 0,
        "live_measurement_interval_ms": 1000,
        "device_state_read_interval_ms": 10000,
        "public_key_format": "binary",
        "monitor_transaction_state": False,
        "transactions": True,
        "ready_timeout_s": 40,
        "clock_sync_interval_h": 4,
        "temperature_read_interval_s": 60,
        "signed_live_map": False,
    }


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("powermeter_device_id", 0, 255),
        ("communication_retry_count", 1, 100),
        ("communication_retry_delay_ms", 10, 10_000),
        ("communication_error_pause_delay_s", 1, 600),
        ("initial_connection_retry_count", 0, 100),
        ("initial_connection_retry_delay_ms", 100, 60_000),
        ("timezone_offset_minutes", -1440, 1440),
        ("live_measurement_interval_ms", 500, 60_000),
        ("device_state_read_interval_ms", 500, 60_000),
        ("ready_timeout_s", 1, 600),
        ("clock_sync_interval_h", 1, 24),
        ("temperature_read_interval_s", 0, 86_400),
    ],
)
def test_config_limits_are_those_that_users_know(name: str, least: int, most: int) -> None:
    for value in (least, most):
        assert getattr(msgspec.convert({name: value}, Config), name) == value
    for value in (least - 1, most + 1):
        with pytest.raises(msgspec.ValidationError, match=name):
            msgspec.convert({name: value}, Config)


@pytest.mark.parametrize(
    "wrong",
    [
        {"public_key_format": "pem"},
        {"monitor_transaction_state": "yes"},
        {"communication_retry_count": 1.5},
        {"device_id": 1},
    ],
)
def test_a_wrong_config_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, Config)
