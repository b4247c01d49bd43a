import json
from decimal import Decimal
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

from meters.ocmf import EM580, Curve, OcmfError, build, parse, sign, verify

EM580_PAYLOAD = (
    b'{"FV":"1.2","GI":"Maker-EM580","GS":"KZ1","GV":"M_1.6.3-C_1.6.3","PG":"T23","MV":"Maker",'
    b'"MM":"EM580","MS":"KZ1","MF":"M_1.6.3-C_1.6.3","IS":true,"IL":"NONE","IF":[],'
    b'"IT":"ISO14443","ID":"A1z \\\\\\"","TT":"0.30<=>1234","CT":"EVSEID","CI":"DE*ABC*E1",'
    b'"LC":{"LN":"CABLE_LOSS","LI": 99,"LR": 0,"LU": "mOhm"},'
    b'"RD":[{"TM":"2025-12-17T12:09:16,000+0100 S","TX":"B","RV":1.637,"RI":"1-b:1.8.0",'
    b'"RU":"kWh","RT":"AC","RM":"","ST":"G"},{"TM":"2025-12-17T12:30:30,000+0100 S","TX":"E",'
    b'"RV":1.640,"RI":"1-b:1.8.0","RU":"kWh","RT":"AC","RM":"","ST":"G"}]}'
)


def test_the_em580_style_is_that_of_the_meter_byte_for_byte() -> None:
    fields = json.loads(EM580_PAYLOAD, parse_float=Decimal)
    shuffled = dict(sorted(fields.items()))
    shuffled["RD"] = [dict(sorted(reading.items())) for reading in fields["RD"]]

    assert build(shuffled, style=EM580) == EM580_PAYLOAD


@pytest.mark.parametrize("curve", [curve for curve in Curve if curve is not Curve.SECP192K1])
def test_plain_library_calls_verify_our_records(signer: Any, curve: Any) -> None:
    meter = signer(curve)
    _, payload, members = meter.record().split(b"|")
    public, sealed = meter.private.public_key(), json.loads(members)

    public.verify(bytes.fromhex(sealed["SD"]), payload, ec.ECDSA(SHA256()))

    assert list(sealed) == ["SD", "SA"]
    assert sealed["SD"] == sealed["SD"].upper()
    assert sealed["SA"] == meter.algorithm
    with pytest.raises(InvalidSignature):
        public.verify(bytes.fromhex(sealed["SD"]), payload + b" ", ec.ECDSA(SHA256()))


def test_the_same_payload_and_key_give_the_same_record(signer: Any) -> None:
    assert signer("secp256r1").record() == signer("secp256r1").record()
    assert signer("secp256r1").record() != signer("secp256r1", 99).record()


def test_the_algorithm_is_spelled_as_the_caller_wishes(signer: Any) -> None:
    meter = signer("brainpoolP384r1")

    record = parse(meter.record(algorithm="ECDSA-brainpoolP384r1-SHA256"))

    assert record.algorithm == "ECDSA-brainpoolP384r1-SHA256"
    assert verify(record, meter.public).valid


def test_what_was_built_is_read_back(payload: Any) -> None:
    found = parse(b"OCMF|" + build(payload))

    assert {**found.payload, "RD": None} == {**payload, "RD": None}
    assert [dict(one) for one in found.payload["RD"]] == payload["RD"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (Decimal("1251.890"), "1251.890"),
        (Decimal("0.00"), "0.00"),
        (Decimal("-0.0"), "0.0"),
        (Decimal("1E+3"), "1000"),
        (Decimal("1E-7"), "0.0000001"),
        (7, "7"),
        (-7, "-7"),
    ],
)
def test_numbers_keep_their_places_and_have_no_exponent(number: Any, text: Any) -> None:
    assert f'"RV":{text}'.encode() in build({"PG": "T1", "RD": [{"RV": number}]})


def test_text_is_ascii() -> None:
    assert b'"TT":"\\u00e4\\n\\"\\\\"' in build({"PG": "T1", "TT": 'ä\n"\\', "RD": [{"RV": 1}]})


def test_unknown_fields_follow_in_their_order() -> None:
    section = build({"ZB": 1, "ZA": 2, "RD": [{"XV": 1, "RV": 1}], "PG": "T1"})

    assert section == b'{"PG":"T1","RD":[{"RV":1,"XV":1}],"ZB":1,"ZA":2}'


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"TT": "a|b"}, "TT: the separator"),
        ({"Z|": 1}, "must not stand in a name"),
        ({"IF": ["RFID|NONE"]}, "IF: the separator"),
        ({"PG": "1"}, "PG"),
        ({"PG": "T01"}, "PG"),
        ({"PG": None}, "PG"),
        ({"TT": "x" * 251}, "TT: more than 250"),
        ({"CF": "x" * 26}, "CF: more than 25"),
        ({"IF": ["RFID_NONE"] * 5}, "IF: 5 flags"),
        ({"LC": {"LN": "x" * 21}}, "LC.LN"),
        ({"RD": []}, "RD: no readings"),
        ({"RD": None}, "RD: no readings"),
        ({"RD": [7]}, "no reading"),
        ({"RD": [{"RI": "1-0:1.8.0"}]}, "go together"),
        ({"RD": [{"TX": "B", "CL": Decimal("0.1")}]}, "loss at the begin"),
        ({"RD": [{"RV": Decimal("1.0")}, {"RV": Decimal("1.00")}]}, "other places"),
        ({"RD": [{"RV": Decimal("NaN")}]}, "no measured number"),
        ({"RD": [{"RV": Decimal("1E+99")}]}, "no measured number"),
        ({"RD": [{"RV": 1.5}]}, "float"),
        ({"MV": None}, "NoneType"),
        ({"MV": b"x"}, "bytes"),
    ],
)
def test_what_must_not_be_signed_is_refused(payload: Any, change: Any, reason: str) -> None:
    with pytest.raises(OcmfError, match=reason.replace("|", r"\|")):
        build(payload | change)


def test_the_form_of_the_identification_is_checked_on_request(payload: Any) -> None:
    fields = payload | {"ID": "my card"}

    assert build(fields)
    with pytest.raises(OcmfError, match="ISO14443"):
        build(fields, strict=True)


@pytest.mark.parametrize(
    ("algorithm", "options"),
    [
        ("ECDSA-secp384r1-SHA256", {}),
        ("ECDSA-secp256r1-MD5", {}),
        ("ECDSA-secp256r1-SHA256", {"encoding": "base58"}),
        ("ECDSA-secp256r1-SHA256", {"form": "pem"}),
    ],
)
def test_signing_refuses_what_nobody_could_verify(
    signer: Any, algorithm: str, options: Any
) -> None:
    with pytest.raises(OcmfError):
        sign(b"{}", signer("secp256r1").private, algorithm, **options)
