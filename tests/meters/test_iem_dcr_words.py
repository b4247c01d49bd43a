"""Words, times, records and options of the IEM-DCR driver, as tables."""

import json
import zoneinfo
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from meters.drivers.isabellenhuette_iem_dcr import Config, http_config
from meters.drivers.isabellenhuette_iem_dcr import record as records
from meters.drivers.isabellenhuette_iem_dcr.times import is_summer, shown, told
from meters.drivers.isabellenhuette_iem_dcr.wire import (
    Values,
    begin_reading,
    error_words,
    reading,
    session_wh,
)
from meters.drivers.isabellenhuette_iem_dcr.wording import check_id, clean, id_in, user
from meters.errors import MeterDataError, MeterRefused
from meters.model import BillingTransaction, Identification, Quantity
from meters.ocmf import verify

NOON = datetime(2025, 6, 6, 7, 0, 0, 400_000, UTC)
UUID = "12345678-1234-5678-1234-567812345678"

# As the vendor's own test has it.
SAMPLE = """
{"MS":"1ISA0200000001","TM":"2024-12-15T22:42:28,000+0200 U","EF":"t","ST":"G","XT":false,
 "RD":[{"RV":"00000446.540","RI":"1-b:1.8.e","RU":"kWh","RT":"DC"},
       {"RV":"00000004.881","RI":"1-b:2.8.e","RU":"kWh","RT":"DC"},
       {"WV":"00000001.040","WI":"transaction_1-b:1.8.e","WU":"kWh","WT":"DC"},
       {"WV":"00000002.503","WI":"transaction_1-b:2.8.e","WU":"kWh","WT":"DC"}],
 "U1":1.089,"U2":60.1,"U3":0,"U4":0,"I":5,"P":300,
 "XS":"0x0000004000000004","XC":"0x0000, 0x00000000, 0x00, 0x00"}
"""
GOLDEN = (
    'OCMF|{"FV":"1.0","GI":"Isabellenhuette IEM-DCR-125-1000-32-00-006-B_000",'
    '"GS":"1ISA0200001132","GV":"DU-02.00.12_SU-02.00.08","MV":"Isabellenhuette",'
    '"MM":"IEM-DCR-125-1000-32-00-006-B_000","MS":"1ISA0200001132","CT":"DC-Test-Charger",'
    '"CI":"CP-DE-4711","IS":true,"IL":"CERTIFIED","IF":["RFID_PSK","OCPP_CERTIFIED",'
    '"ISO15118_NONE","PLMN_NONE"],"IT":"ISO15693","ID":"9109543224","PG":"T4",'
    '"TT":"0,20 EUR/kWh","RD":[{"TM":"2025-06-06T09:26:24,000+0200 I","TX":"B","EF":"",'
    '"ST":"G","RV":"00000446.540","RI":"1-b:1.8.e","RU":"kWh","RT":"DC"},'
    '{"TM":"2025-06-06T09:26:45,000+0200 I","TX":"E","EF":"","ST":"G","RV":"00000446.540",'
    '"RI":"1-b:1.8.e","RU":"kWh","RT":"DC"}]}|{"SA":"ECDSA-secp256r1-SHA256","SD":'
    '"304402203DE5BF9E3A596093547AAEDA8CCEAFD88CAB59AC65FE616BD33158F2002545960220B3ED5B4A32EF8028'
    '577EF0E4F823DACF30DE75CA744C9FF9560FAE0134D19ABF"}'
)
GOLDEN_KEY = (
    "3059301306072a8648ce3d020106082a8648ce3d03010703420004A97A28BE22DEDF619A497288FFF217832B37E44B"
    "8B1F8918C48EB5FBF5CB8B5FBB717D32CD2211534D968CA4425B9FCBF5A93E60F2CE97BCD63F9CAD287F5E08"
)


def values(**changed: Any) -> Values:
    return msgspec.convert({**json.loads(SAMPLE, parse_float=Decimal), **changed}, Values)


def test_the_sample_of_the_vendor_is_read_exactly() -> None:
    found = reading(values(), NOON)

    assert found.value(Quantity.ENERGY_IMPORT) == 446_540
    assert found.value(Quantity.ENERGY_EXPORT) == 4881
    assert found.value(Quantity.POWER) == 300
    assert found.value(Quantity.VOLTAGE) == Decimal("60.1")
    assert found.value(Quantity.CURRENT) == 5
    assert session_wh(values()) == 1040
    assert begin_reading(values(), NOON).value(Quantity.ENERGY_IMPORT) == 445_500
    assert values().clock_letter == "U"
    assert values().billable


@pytest.mark.parametrize(
    ("text", "wh"),
    [
        ("10000000.001", 10_000_000_001),
        ("446.540", 446_540),
        ("00000000.000", 0),
        (Decimal("446.54"), 446_540),
        (446, 446_000),
    ],
)
def test_registers_of_every_spelling_lose_no_digit(text: object, wh: int) -> None:
    found = reading(values(RD=[{"RV": text, "RI": "1-b:1.8.e"}]), NOON)

    assert found.value(Quantity.ENERGY_IMPORT) == wh
    assert found.value(Quantity.ENERGY_EXPORT) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"RD": []},
        {"U2": Decimal("NaN")},
        {"P": Decimal("1E+999999999")},
        {"I": Decimal("1E-999999999")},
        {"RD": [{"RV": "1E+999999999", "RI": "1-b:1.8.e"}]},
        {"RD": [{"RV": "0." + "0" * 31 + "1", "RI": "1-b:1.8.e"}]},
        {"RD": [{"RV": "-00000000.005", "RI": "1-b:1.8.e"}]},
    ],
)
def test_values_that_are_none_are_told(changed: dict[str, Any]) -> None:
    with pytest.raises(MeterDataError):
        reading(values(**changed), NOON)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("0x0000, 0x00000000, 0x00, 0x00", (0, 0, 0, 0)),
        ("0x0001,0x00000100,0xff,0x00", (1, 256, 255, 0)),
    ],
)
def test_error_codes_are_read_as_numbers(text: str, words: tuple[int, ...]) -> None:
    assert error_words(text) == words


@pytest.mark.parametrize("text", ["", "0x00", "0x0, 0x0, 0x0, zero", "-0x1, 0x0, 0x0, 0x0"])
def test_an_error_code_of_another_form_is_told(text: str) -> None:
    with pytest.raises(MeterDataError, match="expected four hexadecimal numbers"):
        error_words(text)


@pytest.mark.parametrize(
    ("how", "text"),
    [
        ({"normal": "+0100", "summer_rule": True}, "2025-06-06T09:00:00,000+0200"),
        ({"normal": "+0100", "summer_rule": False}, "2025-06-06T08:00:00,000+0100"),
        (
            {"normal": "+0100", "summer_rule": True, "normal_all_year": True},
            "2025-06-06T09:00:00,000+0100",
        ),
        ({"normal": "-0330", "summer_rule": False}, "2025-06-06T03:30:00,000-0330"),
    ],
)
def test_times_are_told_in_the_form_of_the_meter(how: dict[str, Any], text: str) -> None:
    assert told(NOON, **how) == text


def test_a_named_zone_wins() -> None:
    try:
        zoneinfo.ZoneInfo("America/New_York")
    except zoneinfo.ZoneInfoNotFoundError:
        pytest.skip("this machine has no time zones")

    text = told(NOON, normal="+0100", summer_rule=True, zone="America/New_York")

    assert text == "2025-06-06T03:00:00,000-0400"


def test_a_time_is_told_to_the_nearest_second() -> None:
    late = NOON + timedelta(milliseconds=200)

    assert told(late, normal="+0100", summer_rule=False) == "2025-06-06T08:00:01,000+0100"


@pytest.mark.parametrize(
    ("utc", "summer"),
    [
        ("2025-03-30T00:59:59", False),
        ("2025-03-30T01:00:00", True),
        ("2025-10-26T00:59:59", True),
        ("2025-10-26T01:00:00", False),
        ("2026-03-29T01:00:00", True),
        ("2026-10-25T01:00:00", False),
    ],
)
def test_summer_time_changes_when_europe_does(utc: str, *, summer: bool) -> None:
    assert is_summer(datetime.fromisoformat(utc).replace(tzinfo=UTC)) is summer


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("2024-12-15T22:42:28,000+0200 U", "U"),
        ("2025-06-06T09:26:24,000+0200 I", "I"),
        ("2025-06-06T09:26:24,000+0200", ""),
    ],
)
def test_times_of_the_meter_are_read(text: str, letter: str) -> None:
    at, found = shown(text)

    assert at is not None
    assert f"{at:%Y-%m-%dT%H:%M:%S},000{at:%z}" == text[:28]
    assert found == letter


@pytest.mark.parametrize("text", ["", "now", "2024-13-15T22:42:28,000+0200 U", "2024-12-15"])
def test_what_is_no_time_is_none(text: str) -> None:
    assert shown(text) == (None, "")


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("0,42 €/kWh", "0,42 €/kWh"),
        ('a|b\\c"d', "a/b/c'd"),
        ("a\nb\x00c", "a b c"),
        ("x" * 300, "x" * 250),
    ],
)
def test_free_text_cannot_break_a_record(text: str, cleaned: str) -> None:
    assert clean(text, 250) == cleaned


@pytest.mark.parametrize("bad", ["", " x", "x ", "a|b", 'a"b', "a\\b", "ä", "x" * 37, "a<=>b"])
def test_ids_that_would_not_come_back_are_refused(bad: str) -> None:
    with pytest.raises(MeterRefused, match="transaction id"):
        check_id(bad)


def test_the_id_behind_the_last_marker_counts() -> None:
    assert id_in("a<=>b<=>c ") == "c"
    assert id_in("no marker") == ""


def test_what_a_tariff_text_loses_is_told_before_the_start(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = user(BillingTransaction(UUID, "E", tariff_text="x" * 300), in_tariff=True, show=False)

    assert body["TT"] == "x" * 211 + "<=>" + UUID
    assert len(body["TT"]) == 250
    assert "tariff text has 300 characters, 89 are cut" in caplog.text


def test_an_identification_that_is_cut_is_not_shown(caplog: pytest.LogCaptureFixture) -> None:
    who = Identification(data="SECRET" * 10)

    body = user(BillingTransaction(UUID, "E", who), in_tariff=True, show=False)

    assert len(body["ID"]) == 40
    assert "identification data has 60 characters, 20 are cut" in caplog.text
    assert "SECRET" not in caplog.text


def test_without_a_tariff_there_is_no_tariff_text() -> None:
    assert "TT" not in user(BillingTransaction(UUID, "E"), in_tariff=False, show=False)


def test_the_record_of_a_real_device_is_read_and_authentic() -> None:
    record = records.found_in(GOLDEN.encode())
    found = records.end_reading(record, public_key=GOLDEN_KEY, method="m", received=NOON)

    assert verify(record, GOLDEN_KEY).valid
    assert found.value(Quantity.ENERGY_IMPORT) == 446_540
    assert found.taken_at == datetime(2025, 6, 6, 7, 26, 45, tzinfo=UTC)
    assert found.signed is not None
    assert (found.signed.document, found.signed.method) == (GOLDEN.encode(), "")
    assert records.owner(record, in_tariff=True) == ""
    assert records.owner(record, in_tariff=False) == "9109543224"
    assert records.is_finished(record)


@pytest.mark.parametrize(
    ("old", "new", "odd"),
    [
        ("", "", None),
        ('"MS":"1ISA0200001132"', '"MS":"1ISA"', "it is of meter 1ISA, not of 1ISA0200001132"),
        ("CP-DE-4711", "CP-1", "it is of charge point CP-1, not of CP-DE-4711"),
        ('"TX":"B"', '"TX":"C"', "it lacks the begin or the end"),
        ('"ST":"G"', '"ST":"E"', "reading 0 is not billable: state E"),
        ('"EF":""', '"EF":"Et"', "reading 0 is not billable: state G, errors Et"),
    ],
)
def test_what_is_odd_about_a_record_is_told(old: str, new: str, odd: str | None) -> None:
    record = records.found_in(GOLDEN.replace(old, new, 1).encode())

    found = records.oddities(record, serial_number="1ISA0200001132", charge_point="CP-DE-4711")

    assert (found == []) if odd is None else found[0].startswith(odd)


def test_a_record_whose_clock_was_never_set_has_the_time_of_receipt() -> None:
    record = records.found_in(GOLDEN.replace("+0200 I", "+0200 U").encode())

    assert records.end_reading(record, public_key="", method="", received=NOON).taken_at == NOON


def test_the_algorithm_is_named_if_the_record_does_not() -> None:
    record = records.found_in(GOLDEN.replace('"SA":"ECDSA-secp256r1-SHA256",', "").encode())
    found = records.end_reading(record, public_key="", method="named", received=NOON)

    assert found.signed is not None
    assert found.signed.method == "named"


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"OCMF|{", b'{"OCMF":1}', b"\xff\xfe", b'"OCMF|\\ud800"', b"[" * 100_000],
)
def test_what_holds_no_record_is_told(body: bytes) -> None:
    with pytest.raises(MeterDataError, match="hold no OCMF record"):
        records.found_in(body)


# Name, default, least, most: as users of EVerest know them.
KNOWN = [
    ("ip_address", "192.168.60.12", None, None),
    ("port_http", 80, 0, 65_535),
    ("timezone", "+0100", None, None),
    ("timezone_handle_DST", True, None, None),
    ("datetime_resync_interval", 2, 1, 24),
    ("resilience_initial_connection_retry_delay", 10_000, 1000, 65_535),
    ("resilience_transaction_request_retries", 3, 0, 5),
    ("resilience_transaction_request_retry_delay", 250, 200, 1000),
    ("CT", "EVSEID", None, None),
    ("CI", "1234", None, None),
    ("TT_initial", "", None, None),
    ("US", False, None, None),
]


@pytest.mark.parametrize(("name", "default", "least", "most"), KNOWN)
def test_the_known_parameters_have_their_defaults_and_limits(
    name: str, default: object, least: int | None, most: int | None
) -> None:
    assert getattr(Config(), name) == default
    for limit in (one for one in (least, most) if one is not None):
        assert getattr(msgspec.convert({name: limit}, Config), name) == limit
    for beyond in (least - 1 if least is not None else None, most + 1 if most else None):
        if beyond is not None:
            with pytest.raises(msgspec.ValidationError, match=name):
                msgspec.convert({name: beyond}, Config)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"timezone": "0100"}, "timezone"),
        ({"timezone": "+01:00"}, "timezone"),
        ({"timezone": "+2000"}, "timezone"),
        ({"CI": ""}, "CI"),
        ({"CT": ""}, "CT"),
        ({"CI": "a|b"}, "CI"),
        ({"ip_address": ""}, "ip_address"),
        ({"TT_initial": "x" * 251}, "TT_initial"),
        ({"timezone_name": "Europe/Atlantis"}, "no zone 'Europe/Atlantis'"),
        ({"timezone_name": "../etc/passwd"}, "no zone"),
        ({"ignored_errors": "all"}, "ignored_errors: error code 'all'"),
        ({"timezon": "+0100"}, "timezon"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=sentence):
        msgspec.convert(options, Config)


def test_every_option_is_described() -> None:
    described = Config.__doc__ or ""

    for field in msgspec.structs.fields(Config):
        assert field.name in described, field.name


@pytest.mark.parametrize(
    ("options", "host"),
    [({}, "192.168.60.12"), ({"ip_address": "10.0.0.7"}, "10.0.0.7"), ({"host": "meter"}, "meter")],
)
def test_where_the_meter_is(options: dict[str, Any], host: str) -> None:
    found = http_config(msgspec.convert(options, Config))

    assert (found.host, found.port, found.tls) == (host, 80, False)


def test_no_word_of_the_driver_is_taken_from_the_simulator() -> None:
    import meters.drivers.isabellenhuette_iem_dcr as driver

    for path in Path(driver.__path__[0]).glob("*.py"):
        assert "simulators" not in path.read_text(), path
