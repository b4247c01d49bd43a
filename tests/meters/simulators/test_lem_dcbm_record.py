"""The OCMF record of a LEM DCBM, compared byte for byte with one of a real meter."""

import json
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.ocmf import Curve, parse
from meters.simulators.keys import SigningKey, new_secret
from meters.simulators.lem_dcbm import Settings, api, record
from meters.simulators.lem_dcbm.memory import Asked, Taken, Transaction

SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "ocmf.json"
PAYLOAD = (
    '{"FV":"1.0","GI":"LEM DCBM","GS":"12024072805","GV":"v1","PG":"T144","MV":"LEM",'
    '"MS":"12024072805","MF":"MU-0.1.4.0_SU-0.0.8.0","IS":true,"IL":"HEARSAY",'
    '"IF":["RFID_RELATED","OCPP_AUTH_TLS","ISO15118_NONE","PLMN_NONE"],"IT":"ISO14443",'
    '"ID":"04A1B2C3","CT":"EVSEID","CI":"DE*ABC*E1","RD":['
    '{"TM":"2021-10-06T13:13:56,000+0200 R","TX":"B","RV":57.584,"RI":"1-0:1.8.0","RU":"kWh",'
    '"RT":"DC","EF":"","ST":"G","UC":{"UN":"4mR_Comp","UI":2,"UR":4}},'
    '{"RV":4.405,"RI":"1-0:2.8.0","RU":"kWh","ST":"G"},'
    '{"TM":"2021-10-06T13:15:13,000+0200 R","TX":"E","RV":58.685,"RI":"1-0:1.8.0","RU":"kWh",'
    '"ST":"G"},{"RV":4.405,"RI":"1-0:2.8.0","RU":"kWh","ST":"G"}]}'
)


def taken(at: str, imported: str) -> Taken:
    return Taken(datetime.fromisoformat(at), Decimal(imported), Decimal("4.405"), True)


END = taken("2021-10-06T13:15:13+02:00", "58.685")


@pytest.fixture
def key() -> SigningKey:
    return SigningKey.of(Curve.SECP256R1, new_secret(Curve.SECP256R1, "t", model="t"))


def transaction(end: Taken | None, *, identification: int = 3, **who: str) -> Transaction:
    asked = Asked(
        **{"evse_id": "DE*ABC*E1", "transaction_id": "x", "client_id": "04A1B2C3", **who},
        tariff_id=0,
        cable_id=2,
        user_data="",
    )
    return Transaction(
        asked=asked,
        index=0,
        page=144,
        begin=taken("2021-10-06T13:13:56+02:00", "57.584"),
        status=17,
        identification=identification,
        end=end,
    )


def test_the_record_is_laid_out_as_the_meter_does(key: SigningKey) -> None:
    made = record.ocmf_record(Settings(), transaction(END), key)
    header, payload, seal = made.split("|")

    assert (header, payload) == ("OCMF", PAYLOAD)
    assert seal.startswith('{"SA":"ECDSA-secp256r1-SHA256","SD":"30')


def test_the_payload_is_that_of_a_real_meter(
    key: SigningKey, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not SHARED.exists():
        pytest.skip("the larger set of vectors is not here")
    entries: list[Any] = json.loads(SHARED.read_text())
    real = next(one["ocmf"] for one in entries if "LEM DCBM" in one.get("ocmf", ""))
    cables = ({"cableSpName": "No_Comp", "cableSpId": 2, "cableSpRes": 0},)
    monkeypatch.setattr(record, "CABLES", cables)

    who = {"evse_id": "458877", "client_id": "5EEFE0C7F64B050E9FB95C"}
    made = record.ocmf_record(Settings(serial_number="1211751603"), transaction(END, **who), key)

    assert made.split("|")[1] == real.split("|")[1]


def test_the_record_verifies_with_plain_cryptography(key: SigningKey) -> None:
    text = record.ocmf_record(Settings(), transaction(END), key)
    _, payload, seal = text.split("|")
    public = load_der_public_key(key.spki)

    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(bytes.fromhex(json.loads(seal)["SD"]), payload.encode(), ec.ECDSA(SHA256()))
    assert parse(text).energy_wh == 1101


def test_without_a_type_the_record_names_the_transaction(key: SigningKey) -> None:
    text = record.ocmf_record(Settings(), transaction(END, identification=0), key)

    found = parse(text).identification
    assert (found.type, found.data) == ("NONE", "x")


def test_the_certificate_lacks_two_line_breaks() -> None:
    pem = "-----BEGIN CERTIFICATE-----\nAAAA\nBBBB\n-----END CERTIFICATE-----\n"

    odd = "-----BEGIN CERTIFICATE-----AAAA\nBBBB-----END CERTIFICATE-----"
    assert api.without_breaks(pem) == odd
