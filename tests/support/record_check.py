"""Whether a signed reading is authentic, by this project's verification and without it."""

import base64
import json
from decimal import Decimal
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_der_public_key

from meters.model import SignedReading
from meters.ocmf import Curve, curve_of, parse, verify_document

_CURVES: dict[Curve, ec.EllipticCurve] = {
    Curve.SECP192R1: ec.SECP192R1(),
    Curve.SECP256K1: ec.SECP256K1(),
    Curve.SECP256R1: ec.SECP256R1(),
    Curve.SECP384R1: ec.SECP384R1(),
    Curve.BRAINPOOL_P256R1: ec.BrainpoolP256R1(),
    Curve.BRAINPOOL_P384R1: ec.BrainpoolP384R1(),
}


def same_key(one: str, other: str) -> bool:
    """Whether two texts are the same point; a bare one does not tell its curve."""
    return bytes.fromhex(one)[-64:] == bytes.fromhex(other)[-64:]


def assert_authentic(
    signed: SignedReading,
    device: Any,
    *,
    begin: Decimal | None = None,
    end: Decimal | None = None,
) -> None:
    """That the device signed it, and that it covers these energies in Wh."""
    assert signed.encoding == "OCMF", "a format of its own needs a check of its own here"
    verdict = verify_document(signed.document, signed.public_key, method=signed.method)
    assert verdict.valid, verdict.reason
    assert same_key(signed.public_key, device.public_key)
    assert_signed_by(signed.document, device.public_key, signed.method)
    record = parse(signed.document)
    for wanted, reading in ((begin, record.begin), (end, record.end)):
        if wanted is not None:
            assert reading is not None
            assert reading.energy_wh is not None
            assert abs(reading.energy_wh - wanted) < 1


def assert_signed_by(document: bytes, public_key: str, method: str) -> None:
    """Verify with nothing but ``cryptography``: the bytes between the first and last bar."""
    head, rest = document.strip().split(b"|", 1)
    payload, _, seal = rest.rpartition(b"|")
    signature = json.loads(seal)
    algorithm = signature.get("SA") or method or "ECDSA-secp256r1-SHA256"
    curve = curve_of(algorithm)
    assert head == b"OCMF"
    assert curve is not None
    blob = signature["SD"]
    plain = base64.b64decode(blob) if signature.get("SE") == "base64" else bytes.fromhex(blob)
    public = _key(public_key, _CURVES[curve])
    digest = hashes.SHA384() if algorithm.endswith("SHA384") else hashes.SHA256()
    public.verify(encode_dss_signature(*_numbers(plain)), payload, ec.ECDSA(digest))


def _numbers(blob: bytes) -> tuple[int, int]:
    """The two numbers, also of meters that leave out the zero in front of a high bit."""
    assert blob[:1] == b"\x30"
    assert blob[1] == len(blob) - 2 < 128
    size = blob[3]
    first, rest = blob[4 : 4 + size], blob[4 + size :]
    assert (blob[2], rest[0], rest[1]) == (2, 2, len(rest) - 2)
    return int.from_bytes(first, "big"), int.from_bytes(rest[2:], "big")


def _key(text: str, curve: ec.EllipticCurve) -> ec.EllipticCurvePublicKey:
    data = bytes.fromhex(text)
    if data[0] in {2, 3, 4}:
        return ec.EllipticCurvePublicKey.from_encoded_point(curve, data)
    public = load_der_public_key(data)
    assert isinstance(public, ec.EllipticCurvePublicKey)
    return public
