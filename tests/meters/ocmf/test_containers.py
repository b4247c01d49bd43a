import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meters.ocmf import (
    Contained,
    ContainerError,
    OcmfError,
    containers,
    extract,
    from_ocpp,
    from_xml,
)

NAMESPACE = "http://transparenz.software/schema/2018/07"
RECORD = b'OCMF|{"PG":"T1","TT":"<&>"}|{"SD":"00"}'
OTHER = b'OCMF|{"PG":"T2"}|{"SD":"00"}'
BASE64 = base64.b64encode(RECORD).decode()


def signed(record: bytes = RECORD, key: str = "KEY", method: str = "") -> dict[str, str]:
    return {
        "signedMeterData": base64.b64encode(record).decode(),
        "signingMethod": method,
        "encodingMethod": "OCMF",
        "publicKey": key,
    }


def stop_transaction(*records: bytes) -> list[object]:
    samples = [
        {
            "value": json.dumps(signed(record)),
            "context": context,
            "format": "SignedData",
            "measurand": "Energy.Active.Import.Register",
        }
        for record, context in zip(records, ("Transaction.Begin", "Transaction.End"), strict=False)
    ]
    raw = {"value": "1251890", "context": "Transaction.End", "format": "Raw"}
    values = [{"timestamp": "2026-03-01T11:30:05Z", "sampledValue": [*samples, raw]}]
    return [2, "a3", "StopTransaction", {"transactionId": 77, "transactionData": values}]


def transaction_event(record: bytes) -> list[object]:
    sample = {"value": 1.5, "context": "Transaction.End", "signedMeterValue": signed(record)}
    body = {
        "eventType": "Ended",
        "transactionInfo": {"transactionId": "uuid"},
        "meterValue": [{"sampledValue": [sample]}],
    }
    return [2, "c4", "TransactionEvent", body]


@pytest.mark.parametrize(
    "source",
    [
        signed(),
        json.dumps(signed()),
        json.dumps(signed()).encode(),
        b"\xef\xbb\xbf" + json.dumps(signed()).encode(),
        {"format": "SignedData", "value": json.dumps(signed())},
        {"format": "signedData", "value": RECORD.decode()},
        {"format": "SignedData", "value": BASE64},
        {"value": json.dumps(signed())},
        {"value": RECORD.decode()},
        signed() | {"signedMeterData": RECORD.decode()},
        signed() | {"signedMeterData": BASE64[:20] + "\n" + BASE64[20:]},
        {"signedMeterValue": BASE64, "encodingMethod": "OCMF", "publicKey": "KEY"},
        {"record": RECORD.decode(), "public_key": "KEY"},
        [{"deep": [[{"signedMeterValue": signed()}]]}],
        RECORD,
        RECORD.decode(),
        BASE64,
    ],
)
def test_a_signed_value_is_found_in_every_form_in_use(source: Any) -> None:
    (found,) = from_ocpp(source)

    assert found.record == RECORD
    assert found.key in {"KEY", ""}


def test_hex_of_a_record_is_left_for_the_parser() -> None:
    (found,) = from_ocpp({"format": "SignedData", "value": RECORD.hex()})

    assert found.record == RECORD.hex().encode()


def test_frames_of_both_versions_tell_context_transaction_and_key() -> None:
    frame = stop_transaction(RECORD, OTHER)

    assert from_ocpp(frame) == [
        Contained(RECORD, key="KEY", context="Transaction.Begin", transaction="77"),
        Contained(OTHER, key="KEY", context="Transaction.End", transaction="77"),
    ]
    assert from_ocpp(json.dumps(transaction_event(RECORD))) == [
        Contained(RECORD, key="KEY", context="Transaction.End", transaction="uuid")
    ]


def test_a_trace_of_frames_is_read_line_by_line() -> None:
    lines = [
        json.dumps(stop_transaction(RECORD)),
        '[3,"a3",{}]',
        json.dumps(transaction_event(OTHER)),
    ]

    assert [one.record for one in extract("\n".join(lines))] == [RECORD, OTHER]


def test_a_key_sent_once_serves_the_whole_transaction() -> None:
    first, second = signed(RECORD, key="K1"), signed(OTHER, key="")
    inside = [{"transactionId": 1, "x": [second, first]}, {"transactionId": 2, "x": [second]}]

    found = extract(json.dumps(inside))

    assert [one.key for one in found] == ["K1", "K1", ""]


def test_the_algorithm_beside_the_record_is_told() -> None:
    (found,) = from_ocpp(signed(method="ECDSA-secp256k1-SHA256"))

    assert found.method == "ECDSA-secp256k1-SHA256"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (RECORD, [RECORD]),
        (RECORD + b"\r\n" + OTHER + b"\n", [RECORD, OTHER]),
        (b"\n\n  " + RECORD + b"\n\nPublic key:\n3059\n", [RECORD]),
        (b'OCMF|{"PG":\n"T1"\n}|\n{}\n' + OTHER, [b'OCMF|{"PG":\n"T1"\n}|\n{}', OTHER]),
        (b'OCMF|{"a":1}|{}|key\n', [b'OCMF|{"a":1}|{}|key']),
        (b"OCMF|broken\n" + OTHER, [b"OCMF|broken", OTHER]),
        (base64.encodebytes(RECORD) + OTHER, [base64.encodebytes(RECORD).strip(), OTHER]),
        (RECORD.hex().encode() + b"\n", [RECORD.hex().encode()]),
        (b"", []),
        (b"nothing here\n", []),
    ],
)
def test_records_in_text_are_found_line_by_line(text: Any, expected: Any) -> None:
    assert [one.record for one in extract(text)] == expected


ESCAPED = RECORD.decode().replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


@pytest.mark.parametrize(
    "template",
    [
        (
            "<values>"
            "<value transactionId='5' context='Transaction.Begin'>"
            "<signedData>{}</signedData><publicKey> K </publicKey></value></values>"
        ),
        (
            "<?xml version='1.0' encoding='ISO-8859-1'?>\n<values>"
            "<value context='Transaction.Begin' transactionId='5'>\n"
            "<signedData format='OCMF' encoding='plain' transactionId='9'>\n {} \n</signedData>"
            "<publicKey encoding='hex'>\nK\n</publicKey></value></values >"
        ),
        (
            f"\ufeff<values xmlns='{NAMESPACE}'>"
            "<value transactionId='5' context='Transaction.Begin'>"
            "<publicKey>K</publicKey><signedData>{}</signedData></value></values>"
        ),
        (
            f"<v:values xmlns:v='{NAMESPACE}'>"
            "<v:value transactionId='5' context='Transaction.Begin'>"
            "<v:signedData>{}</v:signedData><v:publicKey>K</v:publicKey></v:value></v:values>"
        ),
    ],
)
def test_a_value_is_found_in_every_shape_of_xml(template: Any) -> None:
    assert extract(template.format(ESCAPED)) == [
        Contained(RECORD, key="K", context="Transaction.Begin", transaction="5")
    ]


def test_cdata_base64_base32_and_hex_are_the_same_record() -> None:
    forms = {
        "plain": f"<![CDATA[{RECORD.decode()}]]>",
        "base32": base64.b32encode(RECORD).decode(),
    }

    for encoding, text in forms.items():
        xml = (
            f"<values><value><signedData encoding='{encoding}'>{text}</signedData></value></values>"
        )
        assert [one.record for one in from_xml(xml)] == [RECORD]


def test_one_value_that_is_not_base32_does_not_cost_the_others() -> None:
    broken = "<value><signedData encoding='base32'>\u0661</signedData></value>"
    good = "<value><signedData>OCMF|1</signedData></value>"

    found = from_xml(f"<values>{broken}{good}</values>")

    assert [one.record for one in found] == ["\u0661".encode(), b"OCMF|1"]


@pytest.mark.timeout(30)  # minutes, if the text so far is joined at the end of every element
def test_elements_within_a_record_cost_no_more_than_text() -> None:
    text = "<b/>a" * 300_000

    (found,) = from_xml(f"<values><value><signedData>{text}</signedData></value></values>")

    assert found.record == b"a" * 300_000


def test_values_keep_their_order_and_one_may_lack_a_key() -> None:
    value = "<value transactionId='1'><signedData>{}</signedData>{}</value>"
    xml = value.format("OCMF|2", "") + value.format("OCMF|1", "<publicKey>K</publicKey>")

    found = extract(f"<values>{xml}</values>")

    assert [(one.record, one.key) for one in found] == [(b"OCMF|2", "K"), (b"OCMF|1", "K")]


def test_other_formats_come_along_under_their_name() -> None:
    xml = (
        "<values><value><signedData format='ALFEN'>AP;1</signedData></value>"
        "<value><encodedData format='OCMF'>30</encodedData></value></values>"
    )

    assert [one.encoding for one in from_xml(xml)] == ["ALFEN", "SAFEseal"]


def test_a_carriage_return_survives_as_a_reference() -> None:
    xml = "<values><value><signedData>OCMF|{&#13;&#10;}|{}</signedData></value></values>"

    assert from_xml(xml)[0].record == b"OCMF|{\r\n}|{}"


BOMB = "<!DOCTYPE x [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><values>&b;</values>"
OUTSIDE = "<!DOCTYPE values SYSTEM 'file:///etc/passwd'><values/>"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "document type"),
        (OUTSIDE, "document type"),
        ("<values>", "cannot read the XML"),
        ("<values/><values/>", "cannot read the XML"),
        ("<?xml version='1.0' encoding='nonsense'?><values/>", "cannot read the XML"),
        ("<values>&unknown;</values>", "cannot read the XML"),
        ("{", "cannot read the JSON"),
        ("[1,2", "cannot read the JSON"),
        ("[" * 100_000, "cannot read the JSON"),
        ("[" * 200 + "]" * 200, "nested deeper"),
        (b"x" * (containers.MAX_SIZE + 1), "more than"),
    ],
)
def test_containers_that_cannot_be_trusted_are_refused(text: Any, reason: str) -> None:
    with pytest.raises(ContainerError, match=reason):
        extract(text)


def test_the_number_of_records_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_RECORDS", 3)
    value = "<value><signedData>OCMF|</signedData></value>"

    for text in (json.dumps([signed()] * 4), f"<values>{value * 4}</values>", "OCMF|{}\n" * 4):
        with pytest.raises(ContainerError, match="more than 3 records"):
            extract(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}" * 4,
        "[{},[],{}]",
        '{"a":{"b":{"c":[]}}}',
        json.dumps({"value": '{}{}{"signedMeterData":""}'}),
        "<a><b/><b/><b/></a>",
        "x [SignedData] [2\n" * 2,
        "x SignedData [1]{}",
    ],
)
def test_the_number_of_values_and_elements_is_bounded(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(containers, "MAX_PARTS", 4)
    extract(text)

    monkeypatch.setattr(containers, "MAX_PARTS", 3)
    with pytest.raises(ContainerError, match="more than 3 JSON values or XML elements"):
        extract(text)


def test_numbers_and_texts_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "MAX_PARTS", 1)

    assert extract(json.dumps([1, "a", None] * 9)) == []


@given(st.text() | st.binary() | st.text('<>{}[]",:&;!/ OCMFvalue|', max_size=60))
def test_any_text_is_searched_or_refused(text: Any) -> None:
    for source in (text, b"<" + text if isinstance(text, bytes) else "<" + text):
        try:
            found = extract(source)
        except OcmfError as error:
            assert error.reason  # noqa: PT017 - either outcome is right
        else:
            assert all(isinstance(one.record, bytes) for one in found)
