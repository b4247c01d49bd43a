import base64
import json
import pickle
import subprocess
import sys
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_der_public_key
from hypothesis import given
from hypothesis import strategies as st

from meters.ocmf import Curve, OcmfError, PublicKey, PublicKeyError, algorithm_of, load_public_key
from meters.ocmf.curves import DOMAIN, contains, curve_of, signature_holds

SECP192K1 = PublicKey(
    Curve.SECP192K1, DOMAIN[Curve.SECP192K1].gx, DOMAIN[Curve.SECP192K1].gy
)  # its generator: a point nobody has to look up

SHAPES = {
    "SPKI bytes": lambda key: key.spki,
    "point bytes": lambda key: key.point,
    "X and Y bytes": lambda key: key.point[1:],
    "SPKI upper hex": lambda key: key.spki.hex().upper(),
    "SPKI lower hex": lambda key: key.spki.hex(),
    "SPKI hex as bytes": lambda key: key.spki.hex().encode(),
    "SPKI hex with blanks": lambda key: key.spki.hex(" "),
    "SPKI hex in fours and lines": lambda key: (
        "\r\n  " + key.spki.hex(" ", 2).replace("48", "48\n")
    ),
    "SPKI hex with colons": lambda key: key.spki.hex(":"),
    "SPKI hex with 0x": lambda key: "0x" + key.spki.hex(),
    "SPKI base64": lambda key: base64.b64encode(key.spki).decode(),
    "SPKI base64 lines": lambda key: base64.encodebytes(key.spki).decode(),
    "SPKI base64 without padding": lambda key: base64.b64encode(key.spki).decode().rstrip("="),
    "SPKI base64 for URLs": lambda key: base64.urlsafe_b64encode(key.spki).decode(),
    "point hex": lambda key: key.point.hex().upper(),
    "X and Y hex": lambda key: key.point[1:].hex().upper(),
    "point base64": lambda key: base64.b64encode(key.point).decode(),
    "base64 of hex": lambda key: base64.b64encode(key.spki.hex().encode()).decode(),
    "base64 of PEM body": lambda key: base64.b64encode(base64.b64encode(key.spki)).decode(),
    "oca base16": lambda key: f"oca:base16:asn1:{key.spki.hex()}",
    "oca base16 with noise": lambda key: f"OCA:BASE16:ASN1:0x{key.spki.hex('-')}",
    "oca base32": lambda key: f"oca:base32:asn1:{base64.b32encode(key.spki).decode()}",
    "oca base64": lambda key: f"oca:base64:asn1:{base64.b64encode(key.spki).decode()}",
    "base64 of oca": lambda key: key.oca(),
    "base64 of JSON": lambda key: base64.b64encode(
        json.dumps({"UK": key.spki.hex(), "SN": "1"}).encode()
    ).decode(),
    "PEM": lambda key: (
        "-----BEGIN PUBLIC KEY-----\n"
        + base64.encodebytes(key.spki).decode()
        + "-----END PUBLIC KEY-----\n"
    ),
    "PEM as bytes with mark": lambda key: b"\xef\xbb\xbf" + SHAPES["PEM"](key).encode(),
}


@pytest.fixture(params=list(Curve))
def key(request: Any, signer: Any) -> Any:
    return SECP192K1 if request.param is Curve.SECP192K1 else signer(request.param).public


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_met_in_the_field_gives_the_same_key(key: Any, shape: str) -> None:
    found = load_public_key(SHAPES[shape](key))

    assert found == key
    assert hash(found) == hash(key)
    assert found.shape


def test_a_compressed_point_needs_the_algorithm(key: Any) -> None:
    size = DOMAIN[key.curve].size
    text = (bytes([2 + (key.y & 1)]) + key.x.to_bytes(size, "big")).hex()

    assert load_public_key(text, algorithm=algorithm_of(key.curve)) == key
    with pytest.raises(PublicKeyError, match="needs the signature algorithm"):
        load_public_key(text)


def test_a_compressed_point_may_stand_in_an_spki(signer: Any) -> None:
    public = signer("secp256r1").private.public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    spki = bytes.fromhex("3039301306072A8648CE3D020106082A8648CE3D030107032200") + point

    assert load_public_key(spki) == signer("secp256r1").public


def test_spki_and_point_are_those_of_the_library(signer: Any, library: Any) -> None:
    for curve in library:
        public = signer(curve).private.public_key()

        ours = signer(curve).public

        assert ours.spki == public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        assert ours.point == public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        assert load_der_public_key(ours.spki).public_numbers().x == ours.x


def test_the_oca_text_is_base64_of_prefix_and_upper_case_hex(signer: Any) -> None:
    key = signer("secp256r1").public

    text = base64.b64decode(key.oca()).decode()

    assert text == "oca:base16:asn1:" + key.spki.hex().upper()
    assert len(key.oca()) == 264


SPKI = "3059301306072A8648CE3D020106082A8648CE3D030107034200"


@pytest.mark.parametrize(
    ("text", "algorithm", "reason"),
    [
        ("", "", "empty"),
        ("   ", "", "empty"),
        (b"", "", "empty"),
        ("not a key!", "", "no known form"),
        ("${jndi:ldap://example.com/a}" + SPKI, "", "no known form"),
        ("12", "", "no public key|begins"),
        ("A" * 9000, "", "too many"),
        (SPKI + "04" + "11" * 64, "", "does not lie"),
        ("04" + "F1" * 64, "", "lies on no curve"),
        (SPKI + "04" + "11" * 63, "", "no public key"),
        ("300d06092a864886f70d010101" + "00" * 8, "", "no public key"),
        ("3012300d06092a864886f70d0101010500030100", "", "RSA"),
        ("oca:base16:asn1", "", "oca:<encoding>"),
        ("oca:base16:pem:00", "", "oca:<encoding>"),
        ("oca:base99:asn1:00", "", "base16"),
        ("oca:base16:asn1:123", "", "odd number"),
        ("oca:base64:asn1:1", "", "base64"),
        ("oca:base32:asn1:1", "", "base32"),
        ("oca:base64:asn1:\u00c4\u00c4\u00c4\u00c4", "", "base64"),
        ("oca:base32:asn1:\u0661\u0661", "", "base32"),
        ("{bad", "", "JSON"),
        ('{"UK":1}', "", "JSON without"),
        ("-----BEGIN PUBLIC KEY-----\n=\n-----END PUBLIC KEY-----", "", "base64"),
        ("00", "ECDSA-secp256r1-MD5", "unknown algorithm"),
        ("02" + "00" * 31 + "05", "ECDSA-secp256k1-SHA256", "none of curve"),
    ],
)
def test_what_is_no_key_is_refused_with_a_reason(text: Any, algorithm: str, reason: str) -> None:
    with pytest.raises(PublicKeyError, match=reason):
        load_public_key(text, algorithm=algorithm)


def test_a_key_of_another_curve_than_the_algorithm_is_refused(signer: Any) -> None:
    for text in (signer("secp256k1").public.spki.hex(), signer("secp256k1").public.point.hex()):
        with pytest.raises(PublicKeyError, match=r"secp256k1.*secp256r1"):
            load_public_key(text, algorithm="ECDSA-secp256r1-SHA256")


@pytest.mark.parametrize(
    ("name", "curve"),
    [
        ("ECDSA-secp192k1-SHA256", Curve.SECP192K1),
        ("ecdsa-SECP256R1-sha256", Curve.SECP256R1),
        ("ECDSA-brainpool256r1-SHA256", Curve.BRAINPOOL_P256R1),
        ("ECDSA-brainpoolP256r1-SHA256", Curve.BRAINPOOL_P256R1),
        ("ECDSA-brainpoolP384r1-SHA256", Curve.BRAINPOOL_P384R1),
        (" ECDSA-secp384r1-SHA256 ", Curve.SECP384R1),
        ("ECDSA-secp256r1-MD5", None),
        ("ECDSA-secp521r1-SHA256", None),
        ("RSA", None),
        ("", None),
    ],
)
def test_algorithm_names(name: str, curve: Any) -> None:
    assert curve_of(name) is curve


@pytest.mark.parametrize("curve", list(Curve))
def test_curve_constants_are_consistent(curve: Any) -> None:
    domain = DOMAIN[curve]

    assert contains(curve, domain.gx, domain.gy)
    assert not contains(curve, domain.gx, domain.gy + 1)
    # The generator has order n: (n - 1) G is -G, so its x is that of G.
    digest = bytes(domain.size)
    assert signature_holds(curve, (domain.gx, domain.gy), digest, (domain.gx % domain.n, domain.gx))


def test_a_key_travels_between_processes_after_use(signer: Any) -> None:
    key = load_public_key(signer("secp256r1").public.spki)
    assert not key.holds(b"0", b"")

    assert pickle.loads(pickle.dumps(key)) == key  # noqa: S301 - our own


def test_importing_and_converting_loads_no_cryptography(signer: Any) -> None:
    key = signer("secp256r1").public.point.hex()
    code = (
        "import sys; from meters.ocmf import load_public_key, parse;"
        f"print(load_public_key({key!r}).oca()); parse('OCMF|{{}}|{{}}').deviations;"
        "sys.exit('cryptography' in sys.modules)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, timeout=60
    )

    assert done.returncode == 0, done.stderr


@given(st.text() | st.binary() | st.text("0123456789abcdefABCDEF+/=:{}oca ", max_size=200))
def test_any_text_is_a_key_or_an_ocmf_error(text: Any) -> None:
    try:
        load_public_key(text)
    except OcmfError as error:
        assert error.reason  # noqa: PT017 - either outcome is right


@given(st.integers(0, 200), st.integers(0, 255), st.integers(0, 200))
def test_a_damaged_key_is_refused(place: Any, value: Any, length: Any) -> None:
    whole = bytearray(SECP192K1.spki)
    place %= len(whole)
    damaged = whole[:place] + bytes([value]) + whole[place + 1 :]
    cut = bytes(damaged[: max(0, len(whole) - length)])
    if cut == bytes(whole):
        return

    try:
        found = load_public_key(cut)
    except PublicKeyError:
        return

    assert contains(found.curve, found.x, found.y)
