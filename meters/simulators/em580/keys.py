"""The key of a simulated meter: made from a seed or at random, and the two forms it is shown in."""

import hashlib
import secrets
from typing import TYPE_CHECKING, Self

from meters.ocmf.curves import DOMAIN, Curve
from meters.simulators.em580.settings import KeyCurve

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey


def new_secret(curve: KeyCurve, seed: str | None) -> str:
    """A private number in hex: the same for the same seed, random without; empty without curve."""
    if curve is KeyCurve.NONE:
        return ""
    most = DOMAIN[Curve(curve.value)].n - 1
    if seed is None:
        return f"{1 + secrets.randbelow(most):x}"
    digest = hashlib.shake_256(f"EM580 {curve} {seed}".encode()).digest(64)
    return f"{1 + int.from_bytes(digest, 'big') % most:x}"


class SigningKey:
    """A private key on one of the two curves.

    Attributes:
        algorithm: as the meter writes it into SA.
        type_code: register 0x24FF.
        point: uncompressed, 65 or 97 bytes, starts with 04.
        spki: SubjectPublicKeyInfo, 92 or 124 bytes.
    """

    def __init__(self, curve: KeyCurve, private: "EllipticCurvePrivateKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.private = private
        self.algorithm = f"ECDSA-{curve}-SHA256"
        self.type_code = 0 if curve is KeyCurve.P256 else 1
        public = private.public_key()
        self.point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.size = private.key_size // 8

    @classmethod
    def load(cls, curve: str, secret: str) -> Self | None:
        """The key of a private number; None for a meter without key."""
        from cryptography.hazmat.primitives.asymmetric import ec

        if not secret:
            return None
        kind = KeyCurve(curve)
        domain = ec.BrainpoolP256R1() if kind is KeyCurve.P256 else ec.BrainpoolP384R1()
        return cls(kind, ec.derive_private_key(int(secret, 16), domain))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, the first 16 bytes in hex."""
        return hashlib.sha256(self.spki).hexdigest()[:32]

    def sign_plain(self, data: bytes) -> bytes:
        """Both numbers side by side, as the signed map has them; the same for the same data."""
        from cryptography.hazmat.primitives.asymmetric import ec, utils
        from cryptography.hazmat.primitives.hashes import SHA256

        der = self.private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))
        return b"".join(n.to_bytes(self.size, "big") for n in utils.decode_dss_signature(der))
