"""Is this firmware the manufacturer's? Signing certificate and signature (OCPP 2.0.1 L01).

The roots of the manufacturer are the PEM files of one folder; revocation lists of theirs may lie
beside them as ``*.crl``. A root signs the signing certificate itself, without intermediates (1.6
security white paper). Signatures are RSA-PSS or ECDSA over SHA-256 of the whole file. RSA with
PKCS #1 v1.5 padding is taken, too: it is what ``openssl dgst -sign`` makes, and as hard to forge.
Keys shorter than the standard allows are not (OCPP 2.0.1 A00.FR.501 to .511).
The cryptography library is imported when an update comes: the idle station does not need it.
"""

import base64
import binascii
import errno
import hashlib
import os
import stat
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from chargepoint.errors import Refused

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, Extensions

BLOCK = 1024 * 1024
RSA_LEAST, CURVE_LEAST = 2048, 224  # bits
_INVALID, _REVOKED = "InvalidCertificate", "RevokedCertificate"
CERTIFICATE_REASONS = frozenset({_INVALID, _REVOKED})


def check_certificate(pem: str, roots: Path, now: datetime) -> None:
    """Accept a signing certificate that a root of the manufacturer vouches for.

    Raises:
        Refused: it does not; ``reason`` is InvalidCertificate or RevokedCertificate.
    """
    certificate = _read(pem)
    if not _valid(certificate, now):
        raise Refused("the signing certificate is not valid now", reason=_INVALID)
    _check_vouched(certificate, [root for root in _roots(roots) if _valid(root, now)], roots)


def check_file(file: Path, pem: str, signature: str, roots: Path) -> None:
    """Accept a file of the manufacturer, at the moment before it is used.

    The certificate was judged when the update was asked for, which may be long ago: its dates are
    not looked at again, for the clock of a station that just started may be wrong.

    Raises:
        Refused: no root vouches for the certificate (the reasons of ``check_certificate``), or the
            signature is not that of this file (InvalidSignature).
        OSError: it cannot be read, or is no file of its own but a link.
    """
    _check_vouched(_read(pem), _roots(roots), roots)
    if not signature_holds(file, pem, signature):
        raise Refused("the signature is not that of the file", reason="InvalidSignature")


def _check_vouched(certificate: "Certificate", known: "list[Certificate]", roots: Path) -> None:
    if not _may_sign(certificate):
        raise Refused("the certificate is not for signing", reason=_INVALID)
    if not _strong(certificate):
        raise Refused("the key of the signing certificate is too short", reason=_INVALID)
    issuer = _issuer(certificate, known)
    if _revoked(certificate, issuer, roots):
        raise Refused("the signing certificate was revoked", reason=_REVOKED)


def _valid(certificate: "Certificate", now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _strong(certificate: "Certificate") -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return False
    if isinstance(key, rsa.RSAPublicKey):
        return key.key_size >= RSA_LEAST
    return isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= CURVE_LEAST


def signature_holds(file: Path, pem: str, signature: str) -> bool:
    """Whether the signature (Base64) is that of this file; reads the file in blocks.

    Raises:
        OSError: it cannot be read, or is no file of its own but a link.
    """
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
    """What was downloaded is one file with one name: through a link, something else could run."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as opened:
        about = os.fstat(opened.fileno())
        if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
            raise OSError(errno.EMLINK, f"{file.name} is no file of its own")
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.digest()


def _read(pem: str) -> "Certificate":
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(pem.encode())
    except (ValueError, InvalidVersion):
        raise Refused("the signing certificate cannot be read", reason=_INVALID) from None


def _may_sign(certificate: "Certificate") -> bool:
    """A certificate that limits its use must allow signatures."""
    from cryptography.x509 import ExtensionNotFound, KeyUsage

    try:
        return _extensions(certificate).get_extension_for_class(KeyUsage).value.digital_signature
    except ExtensionNotFound:
        return True
    except ValueError:
        return False


def _roots(folder: Path) -> "list[Certificate]":
    """What the files of a folder hold that may sign certificates."""
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    found: list[Certificate] = []
    for file in sorted(folder.glob("*.pem")):
        try:
            found += load_pem_x509_certificates(file.read_bytes())
        except (ValueError, InvalidVersion, OSError):
            continue
    return [certificate for certificate in found if _may_vouch(certificate)]


def _may_vouch(certificate: "Certificate") -> bool:
    """A certificate that says it is no authority's vouches for no other."""
    from cryptography.x509 import BasicConstraints, ExtensionNotFound, KeyUsage

    try:
        extensions = _extensions(certificate)
        if not extensions.get_extension_for_class(BasicConstraints).value.ca:
            return False
        return extensions.get_extension_for_class(KeyUsage).value.key_cert_sign
    except ExtensionNotFound:
        return True
    except ValueError:
        return False


def _extensions(certificate: "Certificate") -> "Extensions":
    """The library reads them only when it is asked for them.

    Raises:
        ValueError: they cannot be read.
    """
    from cryptography.x509 import DuplicateExtension, UnsupportedGeneralNameType

    try:
        return certificate.extensions
    except (DuplicateExtension, UnsupportedGeneralNameType) as error:
        raise ValueError("an extension cannot be read") from error


def _issuer(certificate: "Certificate", known: "list[Certificate]") -> "Certificate":
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    for root in known:
        try:
            certificate.verify_directly_issued_by(root)
        except (InvalidSignature, UnsupportedAlgorithm, ValueError, TypeError):
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
