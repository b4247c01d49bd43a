"""Records with a known verdict: the project's own in vectors.json, and a larger set."""

import base64
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meters.ocmf import Outcome, build, extract, parse, sign, verify_document
from meters.ocmf.build import EM580, seal
from meters.ocmf.errors import ContainerError
from meters.ocmf.session import check_session, verify_contained

OWN = Path(__file__).with_name("vectors.json")
SHARED = Path(__file__).parents[4] / "shared" / "vectors" / "ocmf.json"

NOT_VALID = {
    "invalid": {
        Outcome.INVALID,
        Outcome.BAD_KEY,
        Outcome.MALFORMED_SIGNATURE,
        Outcome.UNSUPPORTED,
    },
    "unparsable": {Outcome.UNPARSABLE},
}
# Encrypted in a container whose key never leaves its maker.
OUT_OF_REACH = {"tps-xml/xml/test_ocmf_rsa_01.xml"}


def own_vectors(signer: Any, payload: Any) -> Iterator[tuple[str, bytes, Any, str]]:
    """All of them, made anew; deterministic, so a change of one byte of the signer shows."""
    meter = signer("secp256r1")
    em580 = signer("brainpoolP384r1")
    energy = {"TM": "2025-12-17T12:09:16,000+0100 S", "RI": "1-b:1.8.0", "RU": "kWh", "ST": "G"}
    session = payload | {
        "LC": {"LN": "CABLE_LOSS", "LI": 99, "LR": 0, "LU": "mOhm"},
        "RD": [
            energy | {"TX": "B", "RV": Decimal("1.637"), "RT": "AC", "RM": ""},
            energy | {"TX": "E", "RV": Decimal("1.643"), "RT": "AC", "RM": ""},
        ],
    }
    good = meter.record()
    section, sealed = good.split(b"|")[1:]
    signature = bytes.fromhex(json.loads(sealed)["SD"])
    spelled = "ECDSA-brainpoolP384r1-SHA256"
    piped = section.replace(b"0.42 EUR", b"0.42|EUR")
    yield from (
        (f"{curve}/{form or 'hex'}", signer(curve).record(encoding=form), signer(curve), "valid")
        for curve in (
            "secp192r1",
            "secp256k1",
            "secp256r1",
            "brainpoolP256r1",
            "secp384r1",
            "brainpoolP384r1",
        )
        for form in ("", "base64")
    )
    em580_section = build(session, style=EM580)
    yield "em580-style", sign(em580_section, em580.private, spelled), em580, "valid"
    yield "em580-raw", sign(em580_section, em580.private, spelled, form="raw"), em580, "valid"
    yield "pipe-in-tariff", meter.record(piped), meter, "valid"
    yield "no-readings", meter.record(b'{"PG":"T1"}'), meter, "valid"
    yield (
        "no-SA",
        b"OCMF|" + section + b'|{"SD":"' + signature.hex().encode() + b'"}',
        meter,
        "valid",
    )
    yield "fourth-section", good + b"|3059", meter, "valid"
    yield "base64-transport", base64.b64encode(good), meter, "valid"
    yield "hex-transport", good.hex().encode(), meter, "valid"
    yield "tampered", good.replace(b"1251.890", b"1250.890"), meter, "invalid"
    yield "compacted", em580_record_compacted(em580_section, em580, spelled), em580, "invalid"
    yield "other-key", good, signer("secp256r1", 99), "invalid"
    header = sign(b"OCMF|" + section, meter.private, meter.algorithm).rpartition(b"|")[2]
    yield "header-signed", b"OCMF|" + section + b"|" + header, meter, "invalid"
    yield "other-curve", good, signer("secp256k1"), "bad_key"
    cut = seal(section, signature[:-1], meter.algorithm)
    yield "cut-signature", cut, meter, "malformed_signature"
    yield "md5", good.replace(b"-SHA256", b"-MD5"), meter, "unsupported"
    yield "unsigned", b"OCMF|" + section, meter, "unsigned"
    yield "nothing-of-a-record", b'OCMF|{"PG":"T1"}', meter, "unparsable"
    yield "no-readings-no-numbers", b'OCMF|{"PG":"T1"}|{"SD":"abcd"}', meter, "unparsable"
    yield "five-sections", good + b"|a|b", meter, "unparsable"
    yield "version-2", meter.record(section.replace(b'"1.0"', b'"2.0"', 1)), meter, "unparsable"
    yield "not-a-number", meter.record(b'{"RD":[{"RV":NaN}]}'), meter, "unparsable"


def em580_record_compacted(section: Any, meter: Any, algorithm: Any) -> bytes:
    return sign(section, meter.private, algorithm).replace(b": ", b":")


def test_own_vectors_are_made_again_byte_for_byte(signer: Any, payload: Any) -> None:
    made = [
        {
            "name": name,
            "ocmf": record.decode(),
            "public_key": meter.public.point.hex().upper(),
            "outcome": outcome,
        }
        for name, record, meter, outcome in own_vectors(signer, payload)
    ]

    assert made == json.loads(OWN.read_text())


def load(path: Any, kind: Any) -> list[dict[str, Any]]:
    entries = json.loads(path.read_text()) if path.is_file() else []
    return [one for one in entries if one.get("kind", "record") == kind]


@pytest.mark.parametrize("vector", load(OWN, "record"), ids=lambda one: one["name"])
def test_own_record_gets_its_verdict(vector: Any) -> None:
    verdict = verify_document(vector["ocmf"], vector["public_key"])

    assert verdict.outcome == vector["outcome"], verdict.reason


@pytest.fixture
def shared() -> dict[str, list[dict[str, Any]]]:
    if not SHARED.is_file():
        pytest.skip("the larger set of vectors is not here")
    return {kind: load(SHARED, kind) for kind in ("record", "container")}


def test_the_em580_style_reproduces_a_record_of_the_real_meter(shared: Any) -> None:
    (vector,) = (one for one in shared["record"] if one["name"] == "everest/em580/text.txt")
    record = parse(vector["ocmf"])

    assert build(record.payload, style=EM580) == record.signed


def test_shared_records_get_their_verdicts(shared: Any) -> None:
    wrong = []

    for vector in shared["record"]:
        verdict = verify_document(vector["ocmf"], vector["public_key"])
        allowed = NOT_VALID.get(vector["expected"], {Outcome.VALID})
        if verdict.outcome not in allowed:
            wrong.append((vector["name"], vector["expected"], verdict.outcome, verdict.reason))
        if verdict.record is not None and vector["ocmf"].startswith("OCMF|"):
            assert verdict.record.raw == vector["ocmf"].strip().encode()

    assert wrong == []


def test_shared_containers_get_their_verdicts(shared: Any) -> None:
    wrong = []

    for vector in shared["container"]:
        sound = _sound(vector["xml"])
        if sound != (vector["expected"] == "valid") and vector["name"] not in OUT_OF_REACH:
            wrong.append((vector["name"], vector["expected"], sound))

    assert wrong == []


def _sound(xml: Any) -> bool:
    try:
        found = extract(xml)
    except ContainerError:
        return False
    groups = {}
    for number, one in enumerate(found):
        groups.setdefault(one.transaction or number, []).append(verify_contained(one))
    return bool(groups) and all(check_session(group).sound for group in groups.values())
