import base64
import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.errors import MeterDataError
from meters.ocmf import OcmfError, parse
from meters.ocmf.record import MAX_SIZE
from meters.ocmf.registers import obis
from meters.ocmf.syntax import Reader

SEAL = b'|{"SA":"ECDSA-secp256r1-SHA256","SD":"3006020101020101"}'


def record(payload: str | bytes, seal: bytes = SEAL) -> bytes:
    return b"OCMF|" + (payload if isinstance(payload, bytes) else payload.encode()) + seal


def readings(*entries: str) -> bytes:
    return record('{"FV":"1.0","PG":"T1","GS":"1","IS":true,"RD":[' + ",".join(entries) + "]}")


def codes(data: bytes) -> list[str]:
    return [one.code for one in parse(data).deviations]


def test_the_record_keeps_its_bytes_and_finds_the_signed_part(signer: Any) -> None:
    data = signer("secp256r1").record()

    found = parse(data)

    assert found.raw == data
    assert found.signed == data.split(b"|")[1]
    assert found.pagination == "T41"
    assert found.meter_serial == "9000123"
    assert found.algorithm == "ECDSA-secp256r1-SHA256"
    assert found.tariff_text == "0.42 EUR/kWh"
    assert found.identification.assigned
    assert found.identification.flags == ("RFID_PLAIN", "OCPP_RS_TLS")
    assert found.identification.data == "04A1B2C3D4E5F6"
    assert found.deviations == ()


def test_values_are_exact_and_keep_their_places(signer: Any) -> None:
    found = parse(signer("secp256r1").record())

    assert str(found.payload["RD"][1]["RV"]) == "1251.890"
    assert found.begin.time == datetime(2026, 3, 1, 10, 0, 3, tzinfo=UTC)
    assert found.begin.clock == "S"
    assert found.end.value_text == "1251.890"
    assert found.energy_wh == Decimal(17330)


@pytest.mark.parametrize(
    "wrap",
    [
        bytes.decode,
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: b"\r\n " + data + b"\n\n",
        base64.b64encode,
        lambda data: base64.b64encode(data).decode(),
        base64.encodebytes,
        lambda data: data.hex(),
        lambda data: data.hex().upper().encode() + b"\n",
    ],
)
def test_transport_is_undone_and_nothing_else(signer: Any, wrap: Any) -> None:
    data = signer("secp256r1").record()

    assert parse(wrap(data)).raw == data


def test_blanks_line_ends_and_escapes_stay_in_the_signed_part() -> None:
    section = b' {\r\n "PG" : "T1",\t"RD":[ ], "TT":"\\u007c \\u00e4 \\\\"} \n'

    found = parse(record(section))

    assert found.signed == section
    assert found.tariff_text == "| ä \\"


def test_a_separator_inside_a_text_does_not_end_the_payload() -> None:
    section = b'{"PG":"T1","TT":"a|b\\"|{","RD":[]}'

    found = parse(record(section))

    assert found.signed == section
    assert found.tariff_text == 'a|b"|{'
    assert "pipe-in-payload" in [one.code for one in found.deviations]


@pytest.mark.parametrize(
    ("data", "position", "reason"),
    [
        (b"", 0, "begins with"),
        (b"OCMA|{}|{}", 0, "expected 'OCMF|'"),
        (b"OCMF", 0, "begins with"),
        (b"OCMF|", 5, "the end"),
        (b"OCMF|[]|{}", 5, "expected '{'"),
        (b'OCMF|{"a":1|{}', 11, "expected ','"),
        (b'OCMF|{"a":}|{}', 10, "expected a value"),
        (b'OCMF|{"a":NaN}|{}', 10, "expected a value"),
        (b'OCMF|{"a":-Infinity}|{}', 10, "expected a value"),
        (b'OCMF|{"a":1,}|{}', 12, "expected a text"),
        (b'OCMF|{"a" 1}|{}', 10, "expected ':'"),
        (b'OCMF|{"a":"b}|{}', 10, "expected a text"),
        (b"OCMF|{}|x", 8, "expected '{'"),
        (b"OCMF|{}{}", 7, "expected '|'"),
        (b"OCMF|{}|{}{}", 10, "text follows"),
        (b"OCMF|{}|{}|a|b", 12, "fifth section"),
        (record(b'{"FV":"2.0"}'), None, "format version 2.0"),
        (record(b'{"FV":"0.0"}'), None, "format version 0.0"),
        (record(b'{"FV":"' + b"9" * 5000 + b'.1"}'), None, "format version 9999"),
        (record(b'{"FV":"1' + b"0" * 5000 + b'.1"}'), None, "format version 1000"),
        (record(b'{"a":' + b"[" * 80 + b"]" * 80 + b"}"), 74, "nested deeper"),
        (record(b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}"), 74, "nested deeper"),
        (record(b'{"a":"' + b"x" * MAX_SIZE + b'"}'), None, "at most"),
        (b"x" * (4 * MAX_SIZE), None, "at most"),
        (b"4F434D467", None, "transport"),
        (b"T0NNRnw*", None, "transport"),
        ("OCMF|{\ud800}", None, "surrogate"),
    ],
)
def test_what_is_no_record_is_refused_with_reason_and_place(
    data: Any, position: Any, reason: str
) -> None:
    with pytest.raises(OcmfError) as caught:
        parse(data)

    assert isinstance(caught.value, MeterDataError)
    assert caught.value.position == position
    assert reason in str(caught.value)


@pytest.mark.parametrize("seal", [b"", b"|", b"|{}", b"\n"])
def test_a_record_without_signature_can_be_read(seal: Any) -> None:
    found = parse(record(b'{"PG":"T7","RD":[]}', seal))

    assert found.pagination == "T7"
    assert found.seal.SD is None
    assert found.signature == {}


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (record('{"PG":"T1","PG":"T2"}'), "duplicate-key"),
        (record('{"RD":[{"TM":"x","TM":"y"}]}'), "duplicate-key"),
        (record('{"TT":"a\nb"}'), "json-lenient"),
        (record(r'{"TT":"a\qb"}'), "json-lenient"),
        (record(r'{"TT":"\ud800"}'), "json-lenient"),
        (readings('{"RV":007.5,"RI":"1-0:1.8.0","RU":"kWh"}'), "json-lenient"),
        (record(b'{"TT":"\xe4"}'), "not-utf8"),
        (record('{"ZZ":1e999}'), "number-range"),
        (record("{}", SEAL + b'|{"PK":"04"}'), "fourth-section"),
        (b" " + record("{}"), "whitespace-outer"),
        (record('{"PG":"T1"}'), "fv-missing"),
        (record('{"FV":1.0}'), "fv-not-string"),
        (record('{"FV":"1.0.1"}'), "fv-format"),
        (record('{"FV":"1.9"}'), "fv-unknown"),
        (record('{"FV":"0.9"}'), "fv-unknown"),
        (record('{"GS":"","MS":null}'), "serial-missing"),
        (record('{"PG":"T01"}'), "pg-format"),
        (record('{"PG":"TRANSACTION-1"}'), "pg-format"),
        (record('{"PG":"T1"}'), "user-group-missing"),
        (record('{"FV":"1.0","IS":"VERIFIED"}'), "is-not-boolean"),
        (record('{"IL":["NONE"]}'), "il-unknown"),
        (record('{"IF":["OCCP_AUTH"]}'), "if-unknown"),
        (record('{"IF":{}}'), "if-unknown"),
        (
            record('{"IF":["RFID_NONE","RFID_NONE","RFID_NONE","RFID_NONE","RFID_NONE"]}'),
            "if-too-many",
        ),
        (record('{"IT":"RFID"}'), "it-unknown"),
        (record('{"IT":"ISO14443","ID":"my card"}'), "id-type-mismatch"),
        (record('{"TT":"' + "x" * 251 + '"}'), "text-too-long"),
        (record('{"QQ":1}'), "unknown-key"),
        (record('{"RD":{}}'), "readings-missing"),
        (record('{"RD":[]}'), "readings-missing"),
        (readings("7"), "reading-no-object"),
        (readings('{"RV":"00000446.540","RI":"1-b:1.8.0","RU":"kWh"}'), "rv-string"),
        (readings('{"RV":1.606848e7,"RI":"1-b:1.8.0","RU":"Wh"}'), "rv-exponent"),
        (readings('{"RV":1,"RU":"Wh"}'), "ri-without-ru"),
        (readings('{"RI":"1-b:1.8.0","RU":"Wh"}'), "rv-missing"),
        (readings('{"RV":1,"RI":"x","RU":"Wh"}'), "obis-spelling"),
        (readings('{"RV":1,"RI":"1-b:1.8.0","RU":"sec"}'), "unit-unknown"),
        (readings('{"RV":1,"TX":"Q"}'), "tx-unknown"),
        (readings('{"RV":1,"ST":"Q"}'), "st-unknown"),
        (readings('{"RV":1}'), "st-missing"),
        (readings('{"RV":1}'), "tm-missing"),
        (readings('{"RV":1,"TM":"yesterday"}'), "tm-format"),
        (readings('{"RV":1,"TM":"2026-13-01T10:00:03,000+0000 S"}'), "tm-format"),
        (readings('{"RV":1,"TM":"2026-03-01T10:00:03,000+00:00 S"}'), "tm-offset-colon"),
        (readings('{"RV":1,"TM":"2026-03-01T10:00:03,000+0000 Q"}'), "clock-unknown"),
        (readings('{"RV":1,"TX":"B","CL":0.5}'), "cl-value"),
        (record("{}", b'|{"SA":"ECDSA-brainpoolP256r1-SHA256"}'), "brainpool-p-spelling"),
        (record("{}", b'|{"QQ":1,"SD":"00"}'), "unknown-key"),
        (
            readings(
                '{"RV":1,"TX":"B","RI":"01-00:B0.08.00*FF","RU":"kWh"}',
                '{"RV":2,"TX":"E","RI":"01-00:B0.08.00*FF","RU":"kWh"}',
                '{"RV":0,"TX":"B","RI":"01-00:B2.08.00*FF","RU":"kWh"}',
                '{"RV":2,"TX":"E","RI":"01-00:B2.08.00*FF","RU":"kWh"}',
            ),
            "registers-differ",
        ),
    ],
)
def test_a_deviation_is_reported_and_the_record_stays_readable(data: Any, code: str) -> None:
    assert code in codes(data)


def test_a_conforming_record_of_every_kind_of_field_has_no_deviation(signer: Any) -> None:
    assert codes(signer("secp256r1").record()) == []


def test_of_two_fields_with_one_name_the_last_counts_in_every_view() -> None:
    found = parse(record(b'{"PG":"T1","PG":"T2"}', b'|{"SD":"00","SD":"01"}'))

    assert found.pagination == "T2"
    assert found.seal.SD == found.signature["SD"] == "01"


def test_fields_left_out_are_taken_from_the_reading_before() -> None:
    first = (
        '{"TM":"2026-03-01T10:00:03,000+0000 S","TX":"B","RV":1,"RI":"1-b:1.8.0","RU":"kWh",'
        '"EF":"E","ST":"G","CL":0}'
    )
    second = '{"RV":2,"EF":""}'
    third = '{"RV":3,"RU":"Wh","TX":"E"}'

    one, two, three = parse(readings(first, second, third)).readings

    assert (two.time, two.cause, two.register, two.unit, two.state) == (
        (one.time, "B", "1-b:1.8.0", "kWh", "G")
    )
    assert (one.errors, two.errors, three.errors) == ("E", "", "")
    assert (three.register, three.unit) == ("", "Wh")
    assert (one.loss, two.loss) == (0, None)


@pytest.mark.parametrize(
    "text",
    ["1-b:1.8.0", "1-0:1.8.0", "1-0:1.8.0*255", "1-b:1.8.e", "01-00:01.08.00.FF", "0100010800FF"],
)
def test_one_register_in_all_its_spellings(text: Any) -> None:
    assert obis(text) == (1, 0, 1, 8, 0, 255)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("01-00:98.08.00.FF", (1, 0, 0x98, 8, 0, 255)),
        ("1-0:98.8.0.FF", (1, 0, 0x98, 8, 0, 255)),
        ("01-00:B2.08.00*FF", (1, 0, 0xB2, 8, 0, 255)),
        ("1-0:1.8.0*198", (1, 0, 1, 8, 0, 198)),
        ("1-0:1.8.1", (1, 0, 1, 8, 1, 255)),
        ("", None),
        ("1.8.0", None),
        ("1-0:1.8.0*x", None),
        ("1-0:1.8.-1*255", None),
    ],
)
def test_register_codes(text: Any, expected: Any) -> None:
    assert obis(text) == expected


def span(register: str, begin: str, end: str, unit: str = "kWh") -> tuple[str, str]:
    return tuple(
        f'{{"TM":"2026-03-01T10:00:03,000+0000 S","TX":"{cause}","RV":{value},'
        f'"RI":"{register}","RU":"{unit}","ST":"G"}}'
        for cause, value in (("B", begin), ("E", end))
    )


@pytest.mark.parametrize(
    ("entries", "register", "energy_wh"),
    [
        (span("1-b:1.8.0", "1.637", "1.643"), "1-b:1.8.0", "6"),
        (span("1-b:1.8.e", "2851485", "2851753", "Wh"), "1-b:1.8.e", "268"),
        (span("1-b:1.8.0", '"00000001.000"', '"   2.5"'), "1-b:1.8.0", "1500"),
        (span("1-b:1.8.0", "0", "1e7", "Wh"), "1-b:1.8.0", "10000000"),
        (
            span("1-b:1.8.0", "1", "1.0000000000000000000000000001"),
            "1-b:1.8.0",
            "0.0000000000000000000000001",
        ),
        (
            (*span("01-00:B0.08.00*FF", "10", "39.5"), *span("01-00:B1.08.00*FF", "10", "39")),
            "01-00:B1.08.00*FF",
            "29000",
        ),
        (
            (*span("01-00:B1.08.00*FF", "10", "39"), *span("01-00:B3.08.00*FF", "0", "29")),
            "01-00:B3.08.00*FF",
            "29000",
        ),
        ((*span("1-b:2.8.0", "5", "7"), *span("1-b:1.8.0", "1", "2")), "1-b:1.8.0", "1000"),
        (span("1-b:2.8.0", "5", "7"), "1-b:2.8.0", "2000"),
        ((*span("1-0:1.8.1", "1", "2"), *span("1-0:1.8.0", "1", "9")), "1-0:1.8.0", "8000"),
        ((*span("1-b:1.8.0", "1", "2"), '{"RV":0,"RI":"1-b:1.9.0"}'), "1-b:1.8.0", "1000"),
    ],
)
def test_the_register_to_bill_and_its_energy(entries: Any, register: Any, energy_wh: Any) -> None:
    found = parse(readings(*entries))

    assert found.begin.register == found.end.register == register
    assert found.energy_wh == Decimal(energy_wh)


@pytest.mark.parametrize(
    "entries",
    [
        (),
        span("1-b:1.8.0", "1", "2")[:1],
        span("1-b:1.8.0", "1", "2")[1:],
        span("1-0:16.7.0", "1", "2"),
        span("1-b:1.8.0", "1", "2", "Ohm"),
        span("1-b:1.8.0", '"1,5"', '"NaN"'),
        span("1-b:1.8.0", '"1e-99"', '"1e99"'),
    ],
)
def test_without_begin_and_end_of_an_energy_register_there_is_no_energy(entries: Any) -> None:
    assert parse(readings(*entries)).energy_wh is None


@given(st.binary(max_size=300))
def test_random_bytes_are_a_record_or_an_ocmf_error(data: Any) -> None:
    _look_at(data)
    _look_at(b"OCMF|" + data)


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.text()
        | st.decimals(allow_nan=False, allow_infinity=False),
        lambda inner: (
            st.lists(inner, max_size=5)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "FV",
                        "PG",
                        "IS",
                        "IL",
                        "IF",
                        "IT",
                        "ID",
                        "TT",
                        "RD",
                        "TM",
                        "TX",
                        "RV",
                        "RI",
                        "RU",
                        "CL",
                        "EF",
                        "ST",
                        "LC",
                        "GS",
                        "QQ",
                    ]
                )
                | st.text(),
                inner,
                max_size=6,
            )
        ),
        max_leaves=30,
    ),
    st.booleans(),
)
def test_any_json_in_any_field_can_be_looked_at(value: Any, escaped: Any) -> None:
    fields = (
        value
        if isinstance(value, dict)
        else {"RD": [value, {"RV": value, "TM": value, "RI": value}]}
    )
    text = json.dumps(fields, default=str, ensure_ascii=escaped)

    _look_at(b"OCMF|" + text.encode(errors="surrogatepass") + b"|" + b'{"SD":"00"}')


@given(
    st.dictionaries(
        st.text(),
        st.recursive(
            st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.text(),
            lambda inner: (
                st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
            ),
            max_leaves=12,
        ),
    )
)
def test_the_reader_agrees_with_the_standard_library_on_plain_json(value: Any) -> None:
    for escaped in (True, False):
        text = json.dumps(value, ensure_ascii=escaped).encode()

        reader = Reader(text)

        assert reader.object() == value
        assert reader.position == len(text)
        assert reader.deviations == []


def _look_at(data: bytes) -> None:
    try:
        found = parse(data)
    except OcmfError:
        return
    assert found.signed in found.raw
    assert found.payload is not None
    assert found.deviations is not None
    assert found.identification is not None
    assert found.meter_serial is not None
    assert found.energy_wh is None or found.energy_wh.is_finite()
