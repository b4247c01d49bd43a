"""The ECDSA equation for one public key, as fast as the machine can.

``cryptography`` does it where it knows the curve. It does not know secp192k1, and a
distribution's OpenSSL may lack more; plain integers do it there, in milliseconds.
"""

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from meters.ocmf import curves, signature
from meters.ocmf.curves import Curve
from meters.ocmf.errors import PublicKeyError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurve

Check = Callable[[bytes, bytes], bool]
"""Takes a signature in canonical DER and the signed bytes; any other form of DER is False."""


def checker(curve: Curve, point: tuple[int, int]) -> Check:
    """The check for one key.

    Raises:
        PublicKeyError: the point does not lie on the curve.
    """
    if not curves.contains(curve, *point):
        raise PublicKeyError(f"the point does not lie on curve {curve}")
    return _by_library(curve, point) or _by_integers(curve, point)


def _by_library(curve: Curve, point: tuple[int, int]) -> Check | None:
    """None if the library does not know the curve."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    known: dict[str, type[EllipticCurve]] = {
        one.name: one
        for one in (
            ec.SECP192R1,
            ec.SECP256K1,
            ec.SECP256R1,
            ec.BrainpoolP256R1,
            ec.SECP384R1,
            ec.BrainpoolP384R1,
        )
    }
    if curve not in known:
        return None
    try:
        key = ec.EllipticCurvePublicNumbers(*point, known[curve]()).public_key()
    except UnsupportedAlgorithm:
        return None
    verify, algorithm = key.verify, ec.ECDSA(Prehashed(SHA256()))
    digest = hashlib.sha256  # half a microsecond faster than the library's own hash object

    def holds(canonical: bytes, signed: bytes) -> bool:
        try:
            verify(canonical, digest(signed).digest(), algorithm)
        except InvalidSignature:
            return False
        return True

    return holds


def _by_integers(curve: Curve, point: tuple[int, int]) -> Check:
    def holds(canonical: bytes, signed: bytes) -> bool:
        r, s, odd = signature.numbers(canonical, curve)
        digest = hashlib.sha256(signed).digest()
        return not odd and curves.signature_holds(curve, point, digest, (r, s))

    return holds
