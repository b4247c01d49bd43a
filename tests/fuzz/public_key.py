"""Public keys of meters, in any shape that they are met in. The first line: an algorithm."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from meters.ocmf.curves import Curve, contains
from meters.ocmf.errors import PublicKeyError
from meters.ocmf.keys import load_public_key

MODULES = ("meters.ocmf.keys", "meters.ocmf.curves", "meters.ocmf.der")
WORDS = (
    "oca:base16:asn1:", "oca:base64:asn1:", "oca:base32:asn1:", "-----BEGIN PUBLIC KEY-----",
    "-----END PUBLIC KEY-----", '{"UK":"', "publicKey", "0x", "04", "02", "3059301306072A8648CE3D",
    "ECDSA-secp256r1-SHA256", "ECDSA-brainpool384r1-SHA256", "06082A8648CE3D030107", "\ufeff",
)  # fmt: skip
VECTORS = Path(__file__).parents[1] / "meters" / "ocmf" / "vectors.json"


def seeds() -> Iterator[bytes]:
    for text in sorted({one["public_key"] for one in json.loads(VECTORS.read_text())}):
        yield b"\n" + text.encode()
        try:
            key = load_public_key(text)
        except PublicKeyError:
            continue
        algorithm = f"ECDSA-{key.curve}-SHA256\n".encode()
        pem = base64.encodebytes(key.spki)
        yield algorithm + key.spki
        yield algorithm + key.point
        yield algorithm + bytes((2 + key.y % 2,)) + key.point[1 : len(key.point) // 2 + 1]
        yield b"\n" + key.oca().encode()
        yield b"\n-----BEGIN PUBLIC KEY-----\n" + pem + b"-----END PUBLIC KEY-----\n"
        yield b"\n" + json.dumps({"UK": key.point.hex()}).encode()
        yield b"\noca:base32:asn1:" + base64.b32encode(key.spki)


def run(data: bytes) -> str:
    first, _, rest = data.partition(b"\n")
    algorithm = first.decode("latin-1")
    ends = _read(rest, algorithm)
    try:
        text = rest.decode()
    except UnicodeDecodeError:
        return ends
    return f"{ends}, {_read(text, algorithm)}"


def _read(text: bytes | str, algorithm: str) -> str:
    try:
        key = load_public_key(text, algorithm=algorithm)
    except PublicKeyError:
        return "PublicKeyError"
    assert contains(key.curve, key.x, key.y)
    assert isinstance(key.curve, Curve)
    assert load_public_key(key.spki) == key
    assert load_public_key(key.oca()) == key
    return str(key.curve)
