"""The key of a simulated meter: made from a seed or at random, and the forms it is shown in."""

import hashlib
import secrets
from typing import TYPE_CHECKING, Final, Self

from meters.ocmf.curves import DOMAIN, Curve

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_CLASSES: Final = {
    Curve.SECP192R1: "SECP192R1",
    Curve.SECP256K1: "SECP256K1",
    Curve.SECP256R1: "SECP256R1",
    Curve.SECP384R1: "SECP384R1",
    Curve.BRAINPOOL_P256R1: "BrainpoolP256R1",
    Curve.BRAINPOOL_P384R1: "BrainpoolP384R1",
}
"""Names in ``cryptography``, which has no secp192k1."""


def new_secret(curve: Curve, seed: str | None, *, model: str) -> str:
    """A private number in hex: the same for the same seed and model, random without a seed."""
    most = DOMAIN[curve].n - 1
    if seed is None:
        return f"{1 + secrets.randbelow(most):x}"
    digest = hashlib.shake_256(f"{model} {curve} {seed}".encode()).digest(64)
    return f"{1 + int.from_bytes(digest, 'big') % most:x}"


class SigningKey:
    """A private key on a curve of OCMF, secp192k1 excepted.

    Attributes:
        curve: what it lies on.
        algorithm: with SHA-256, as records name it in SA.
        private: the key itself.
        point: uncompressed, starts with 04.
        spki: SubjectPublicKeyInfo.
        size: bytes of one coordinate.
    """

    def __init__(self, curve: Curve, private: "EllipticCurvePrivateKey") -> None:
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

        self.curve = curve
        self.private = private
        self.algorithm = f"ECDSA-{curve}-SHA256"
        public = private.public_key()
        self.point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.spki = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.size = private.key_size // 8

    @classmethod
    def of(cls, curve: Curve, secret: str) -> Self:
        """The key of a private number in hex.

        Raises:
            ValueError: no such key on the curve, or a curve that cannot be signed with.
        """
        from cryptography.hazmat.primitives.asymmetric import ec

        if curve not in _CLASSES:
            raise ValueError(f"keys on {curve} cannot be made")
        return cls(curve, ec.derive_private_key(int(secret, 16), getattr(ec, _CLASSES[curve])()))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the SubjectPublicKeyInfo, the first 16 bytes in hex."""
        return hashlib.sha256(self.spki).hexdigest()[:32]

    def sign(self, data: bytes) -> bytes:
        """DER of the signature over SHA-256 of ``data``; the same for the same data."""
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.hashes import SHA256

        return self.private.sign(data, ec.ECDSA(SHA256(), deterministic_signing=True))

    def sign_plain(self, data: bytes) -> bytes:
        """Both numbers of ``sign`` side by side, each as long as a coordinate."""
        from cryptography.hazmat.primitives.asymmetric import utils

        numbers = utils.decode_dss_signature(self.sign(data))
        return b"".join(number.to_bytes(self.size, "big") for number in numbers)
