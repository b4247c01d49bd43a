"""Is this firmware the manufacturer's? Signing certificate and signature (OCPP 2.0.1 L01).

The roots of the manufacturer are the PEM files of one folder; revocation lists of theirs may lie
beside them as ``*.crl``. A root signs the signing certificate itself, without intermediates (1.6
security white paper). Signatures are RSA-PSS or ECDSA over SHA-256 of the whole file. RSA with
PKCS #1 v1.5 padding is taken, too: it is what ``openssl dgst -sign`` makes, and as hard to forge.
The cryptography library is imported when an update comes: the idle station does not need it.
"""

import base64
import binascii
import hashlib
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chargepoint.errors import Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

BLOCK = 1024 * 1024
_INVALID, _REVOKED = "InvalidCertificate", "RevokedCertificate"


def check_certificate(pem: str, roots: Path, now: datetime) -> None:
    """Accept a signing certificate that a root of the manufacturer vouches for.

    Raises:
        Refused: it does not; ``reason`` is InvalidCertificate or RevokedCertificate.
    """
    certificate = _read(pem)
    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Refused("the signing certificate is not valid now", reason=_INVALID)
    if not _may_sign(certificate):
        raise Refused("the certificate is not for signing", reason=_INVALID)
    issuer = _issuer(certificate, roots, now)
    if _revoked(certificate, issuer, roots):
        raise Refused("the signing certificate was revoked", reason=_REVOKED)


def signature_holds(file: Path, pem: str, signature: str) -> bool:
    """Whether the signature (Base64) is that of this file; reads the file in blocks."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256

    digest, hashed = _digest(file), Prehashed(SHA256())
    try:
        raw = base64.b64decode(signature, validate=False)
        key = _read(pem).public_key()
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(raw, digest, ec.ECDSA(hashed))
            return True
        if not isinstance(key, rsa.RSAPublicKey):
            return False
        try:
            pss = padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO)
            key.verify(raw, digest, pss, hashed)
        except InvalidSignature:
            key.verify(raw, digest, padding.PKCS1v15(), hashed)
    except (InvalidSignature, UnsupportedAlgorithm, Refused, binascii.Error, ValueError):
        return False
    return True


def _digest(file: Path) -> bytes:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.digest()


def _read(pem: str) -> "Certificate":
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise Refused("the signing certificate cannot be read", reason=_INVALID) from None


def _may_sign(certificate: "Certificate") -> bool:
    """A certificate that limits its use must allow signatures."""
    from cryptography.x509 import ExtensionNotFound, KeyUsage

    try:
        return certificate.extensions.get_extension_for_class(KeyUsage).value.digital_signature
    except ExtensionNotFound:
        return True
    except ValueError:
        return False


def _issuer(certificate: "Certificate", roots: Path, now: datetime) -> "Certificate":
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import load_pem_x509_certificates

    for file in sorted(roots.glob("*.pem")):
        try:
            known = load_pem_x509_certificates(file.read_bytes())
        except (ValueError, OSError):
            continue
        for root in known:
            if not root.not_valid_before_utc <= now <= root.not_valid_after_utc:
                continue
            try:
                certificate.verify_directly_issued_by(root)
            except (InvalidSignature, ValueError, TypeError):
                continue
            return root
    raise Refused("no root of the manufacturer signed the certificate", reason=_INVALID)


def _revoked(certificate: "Certificate", issuer: "Certificate", roots: Path) -> bool:
    from cryptography.x509 import load_pem_x509_crl

    for file in sorted(roots.glob("*.crl")):
        try:
            revocations = load_pem_x509_crl(file.read_bytes())
            genuine = revocations.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
        except (ValueError, TypeError, OSError):
            continue
        number = certificate.serial_number
        if genuine and revocations.get_revoked_certificate_by_serial_number(number) is not None:
            return True
    return False
