"""Public keys of meters, in every shape met in the field, as one thing: a point on a curve.

Converting needs no cryptography: a SubjectPublicKeyInfo of a named curve is a fixed header before
the point. Where a text allows several readings, hex wins over base64; every layer (base64 of hex,
base64 of an ``oca:`` text, base64 of JSON) is taken off until bytes of a known form appear.
"""

import base64
import json
import re
from dataclasses import dataclass, field
from functools import cached_property

from meters.ocmf import curves
from meters.ocmf.curves import DOMAIN, Curve
from meters.ocmf.der import BIT_STRING, SEQUENCE, take
from meters.ocmf.ecdsa import Check, checker
from meters.ocmf.errors import PublicKeyError

MAX_LENGTH = 8192
"""Characters a key text may have; the longest real one has 458."""

_MAX_LAYERS = 4
_UNCOMPRESSED = 4
_COMPRESSED = (2, 3)
_EC_KEY = bytes.fromhex("06072A8648CE3D0201")
_RSA_KEY = bytes.fromhex("06092A864886F70D010101")

_PEM = re.compile(r"-----BEGIN ([A-Z ]+)-----([A-Za-z0-9+/=\s]+)-----END \1-----")
_SEPARATORS = re.compile(r"[\s:\-]")
_HEX = re.compile(r"(?:0[xX])?([0-9A-Fa-f]+)")
_NOT_HEX = re.compile(r"0[xX]|[^0-9A-Fa-f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")
_JSON_NAMES = ("UK", "publicKey", "public_key")


@dataclass(frozen=True)
class PublicKey:
    """A point on a curve. Equal whatever text it was read from; ``shape`` says which that was."""

    curve: Curve
    x: int
    y: int
    shape: str = field(default="", compare=False)

    @cached_property
    def point(self) -> bytes:
        """Uncompressed point, 04 X Y (SEC 1 section 2.3.3)."""
        size = DOMAIN[self.curve].size
        return b"\x04" + self.x.to_bytes(size, "big") + self.y.to_bytes(size, "big")

    @cached_property
    def spki(self) -> bytes:
        """DER SubjectPublicKeyInfo (RFC 5480)."""
        return bytes.fromhex(DOMAIN[self.curve].header) + self.point

    @cached_property
    def holds(self) -> Check:
        """Whether a canonical DER signature over some bytes was made with this key's secret.

        Prepared on first use, which loads ``cryptography``; as costly as a verification.
        """
        return checker(self.curve, (self.x, self.y))

    def __reduce__(self) -> tuple[type["PublicKey"], tuple[Curve, int, int, str]]:
        return type(self), (self.curve, self.x, self.y, self.shape)

    def oca(self) -> str:
        """The key as OCPP messages carry it (OCA note "Signed Meter Values" section 3.2.2)."""
        return base64.b64encode(f"oca:base16:asn1:{self.spki.hex().upper()}".encode()).decode()


def load_public_key(text_or_bytes: str | bytes, *, algorithm: str = "") -> PublicKey:
    """Read a key: SPKI or bare point, as bytes, hex, base64, PEM, ``oca:`` text or base64 JSON.

    ``algorithm`` (a value of field SA) tells the curve of a bare point. Without it the curve is
    the only one of that size the point lies on; a compressed point then stays ambiguous.

    Raises:
        PublicKeyError: no known form, not on its curve, or of another curve than ``algorithm``.
    """
    wanted = curves.curve_of(algorithm) if algorithm else None
    if algorithm and wanted is None:
        raise PublicKeyError(f"unknown algorithm {algorithm[:40]!r}")
    if len(text_or_bytes) > MAX_LENGTH:
        raise PublicKeyError(f"{len(text_or_bytes)} characters are too many for a public key")
    data: str | bytes = text_or_bytes
    layers: list[str] = []
    for _ in range(_MAX_LAYERS):
        if isinstance(data, bytes):
            key = _from_binary(data, wanted, layers)
            if key is not None:
                return key
            data = _as_text(data)
        layer, data = _peel(data)
        layers.append(layer)
    raise PublicKeyError("too many layers of encoding around the public key")


def _from_binary(data: bytes, wanted: Curve | None, layers: list[str]) -> PublicKey | None:
    """The key these bytes are; None if they are none, so may be text."""
    found = _from_spki(data) or _from_point(data, wanted)
    if found is None:
        return None
    curve, x, y, form = found
    if wanted is not None and curve != wanted:
        raise PublicKeyError(f"the key is on curve {curve}, the signature algorithm needs {wanted}")
    if not curves.contains(curve, x, y):
        raise PublicKeyError(f"the point does not lie on curve {curve}")
    return PublicKey(curve, x, y, ", ".join((*layers, form)))


def _from_spki(data: bytes) -> tuple[Curve, int, int, str] | None:
    """SubjectPublicKeyInfo: SEQUENCE { SEQUENCE { ecPublicKey, curve }, BIT STRING point }."""
    outer = take(data, SEQUENCE)
    if outer is None or outer[1]:
        return None
    algorithm = take(outer[0], SEQUENCE)
    if algorithm is None:
        return None
    names, rest = algorithm
    if names.startswith(_RSA_KEY):
        raise PublicKeyError("this is an RSA key; OCMF signatures use elliptic curves")
    bits = take(rest, BIT_STRING)
    if not names.startswith(_EC_KEY) or bits is None or bits[1] or bits[0][:1] != b"\x00":
        return None
    curve = _CURVE_BY_OID.get(names[len(_EC_KEY) :])
    if curve is None:
        raise PublicKeyError("the key is on a curve that OCMF does not use")
    point = _sec1(bits[0][1:], curve)
    if point is None:
        raise PublicKeyError(f"the key does not hold a point of {curve}")
    return curve, *point, "SubjectPublicKeyInfo"


def _sec1(data: bytes, curve: Curve) -> tuple[int, int] | None:
    """The point of SEC 1 section 2.3.4; None if the length does not fit the curve."""
    size = DOMAIN[curve].size
    if len(data) == 2 * size + 1 and data[0] == _UNCOMPRESSED:
        return int.from_bytes(data[1 : size + 1], "big"), int.from_bytes(data[size + 1 :], "big")
    if len(data) == size + 1 and data[0] in _COMPRESSED:
        x = int.from_bytes(data[1:], "big")
        y = curves.decompress(curve, x, odd=data[0] == _COMPRESSED[1])
        return None if y is None else (x, y)
    return None


def _from_point(data: bytes, wanted: Curve | None) -> tuple[Curve, int, int, str] | None:
    """A point without a curve's name: with SEC 1 prefix, or X and Y alone (Isabellenhuette)."""
    lengths = {DOMAIN[curve].size for curve in Curve}
    if data[:1] == b"\x04" and len(data) - 1 in {2 * size for size in lengths}:
        form, whole = "uncompressed point", data
    elif len(data) in {2 * size for size in lengths}:
        form, whole = "X and Y without prefix", b"\x04" + data
    elif data[:1] in {b"\x02", b"\x03"} and len(data) - 1 in lengths:
        return _from_compressed(data, wanted)
    else:
        return None
    fitting = [curve for curve in Curve if _lies(whole, curve)]
    if not fitting and data.isascii():
        return None
    if not fitting:
        raise PublicKeyError(f"a point of {len(data)} bytes that lies on no curve of that size")
    curve = fitting[0]
    point = _sec1(whole, curve)
    return None if point is None else (curve, *point, form)


def _from_compressed(data: bytes, wanted: Curve | None) -> tuple[Curve, int, int, str]:
    if wanted is None:
        raise PublicKeyError("a compressed point needs the signature algorithm to name its curve")
    point = _sec1(data, wanted)
    if point is None:
        raise PublicKeyError(f"the compressed point is none of curve {wanted}")
    return wanted, *point, "compressed point"


def _lies(whole: bytes, curve: Curve) -> bool:
    point = _sec1(whole, curve)
    return point is not None and curves.contains(curve, *point)


def _as_text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise PublicKeyError(f"{len(data)} bytes that are no public key") from error


def _peel(text: str) -> tuple[str, str | bytes]:
    """Take one layer of encoding off; returns its name and what was inside."""
    text = text.strip().removeprefix("\ufeff")
    if not text:
        raise PublicKeyError("the public key is empty")
    if match := _PEM.search(text):
        return "PEM", _unbase64("".join(match.group(2).split()))
    if text[:4].lower() == "oca:":
        return _from_oca(text)
    if text.startswith("{"):
        return "JSON", _from_json(text)
    bare = _SEPARATORS.sub("", text)
    if (match := _HEX.fullmatch(bare)) and len(match.group(1)) % 2 == 0:
        return "hex", bytes.fromhex(match.group(1))
    dense = "".join(text.split())
    if _BASE64.fullmatch(dense):
        return "base64", _unbase64(dense)
    raise PublicKeyError(f"no known form of a public key: begins with {text[:12]!r}")


def _from_oca(text: str) -> tuple[str, bytes]:
    """``oca:encoding:content-type:key`` (OCA note section 3.2.2, OCPP 2.1 J02.FR.23)."""
    parts = text.split(":", 3)
    if len(parts) != 4 or parts[2].lower() != "asn1":  # noqa: PLR2004 - four parts
        raise PublicKeyError("an oca: key is oca:<encoding>:asn1:<key>")
    _, encoding, _, printed = parts
    match encoding.lower():
        case "base16":
            digits = _NOT_HEX.sub("", printed)
            if len(digits) % 2:
                raise PublicKeyError("an odd number of hex digits")
            return "oca:base16", bytes.fromhex(digits)
        case "base64":
            return "oca:base64", _unbase64("".join(printed.split()))
        case "base32":
            return "oca:base32", _unbase32("".join(printed.split()))
    raise PublicKeyError(f"encoding {encoding[:12]!r}, expected base16, base32 or base64")


def _from_json(text: str) -> str:
    """KEBA wraps the hex key in a JSON object under the name UK."""
    try:
        members = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise PublicKeyError("begins like JSON but is none") from error
    for name in _JSON_NAMES:
        if isinstance(members, dict) and isinstance(members.get(name), str):
            return str(members[name])
    raise PublicKeyError(f"JSON without a key in {' or '.join(_JSON_NAMES)}")


def _unbase64(text: str) -> bytes:
    standard = text.replace("-", "+").replace("_", "/")
    try:
        return base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except ValueError as error:  # binascii.Error is one; text beyond ASCII gives a bare one
        raise PublicKeyError(f"no base64: {error}") from error


def _unbase32(text: str) -> bytes:
    try:
        return base64.b32decode(text + "=" * (-len(text) % 8), casefold=True)
    except ValueError as error:
        raise PublicKeyError(f"no base32: {error}") from error


# The length of the algorithm part stands in its second byte, the header's fourth.
_CURVE_BY_OID = {
    (header := bytes.fromhex(DOMAIN[curve].header))[4 + len(_EC_KEY) : 4 + header[3]]: curve
    for curve in Curve
}
