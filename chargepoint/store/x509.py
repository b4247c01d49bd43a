"""Certificates read, compared, asked for; needs the cryptography library.

The library is imported inside the functions: a station without certificates does not load its 8 MB.
"""

import hashlib
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from chargepoint.core.certificates import Certificate, CertificateId, HashAlgorithm
from chargepoint.errors import Refused

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

_REQUEST = "-----BEGIN CERTIFICATE REQUEST"


def read(pem: str) -> "tuple[x509.Certificate, ...]":
    """The certificates in a PEM text, in its order.

    Raises:
        Refused: there is none, or it cannot be read.
    """
    from cryptography.x509 import InvalidVersion, load_pem_x509_certificates

    try:
        return tuple(load_pem_x509_certificates(pem.encode()))
    except (ValueError, InvalidVersion) as error:
        raise Refused("no certificate in PEM", reason="InvalidCertificate") from error


def about(certificate: "x509.Certificate") -> Certificate:
    """What a certificate says, for the rules.

    The library reads most parts only when it is asked for them: all that the station needs of a
    certificate can be had of one that came through here.

    Raises:
        Refused: a part of it cannot be read.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, UnsupportedGeneralNameType
    from cryptography.x509.oid import NameOID

    try:
        key, bits = _kind(certificate.public_key())
        certificate.issuer.public_bytes()
        return Certificate(
            _first(certificate.subject, NameOID.COMMON_NAME),
            _first(certificate.subject, NameOID.ORGANIZATION_NAME),
            certificate.not_valid_before_utc,
            certificate.not_valid_after_utc,
            _is_ca(certificate),
            key,
            bits,
        )
    except (
        ValueError,
        TypeError,  # a name that is a bit string
        UnsupportedAlgorithm,
        DuplicateExtension,
        UnsupportedGeneralNameType,
    ) as error:
        raise Refused("a part of it cannot be read", reason="InvalidCertificate") from error


def _is_ca(certificate: "x509.Certificate") -> bool:
    from cryptography.x509 import BasicConstraints, ExtensionNotFound

    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except ExtensionNotFound:
        return False


def signed_by(certificate: "x509.Certificate", issuer: "x509.Certificate") -> bool:
    """Whether ``issuer`` signed it, and has the name that it gives for its issuer."""
    from cryptography.exceptions import InvalidSignature

    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def linked(chain: "tuple[x509.Certificate, ...]", roots: "list[x509.Certificate]") -> bool:
    """Whether each is signed by the next, and the last by the root of that name, if it is there.

    A chain whose root nobody installed is left to the CSMS to judge: it issued it.
    """
    if not all(signed_by(lower, upper) for lower, upper in pairwise(chain)):
        return False
    named = [root for root in roots if root.subject == chain[-1].issuer]
    return not named or any(signed_by(chain[-1], root) for root in named)


def identify(
    certificate: "x509.Certificate",
    issuer: "x509.Certificate | None",
    algorithm: HashAlgorithm = HashAlgorithm.SHA256,
) -> CertificateId:
    """The name of a certificate; without its issuer at hand its own key stands for that one's."""
    digest = getattr(hashlib, algorithm.lower())
    return CertificateId(
        algorithm,
        digest(certificate.issuer.public_bytes()).hexdigest(),
        digest(_key_bits(issuer or certificate)).hexdigest(),
        format(certificate.serial_number, "x"),
    )


def fits(certificate: "x509.Certificate", pending: str) -> bool:
    """Whether a certificate is about the public half of a private key.

    ``pending`` holds the key and, if there is one, the request that was made for it: the key may be
    one that cannot be read.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_csr

    try:
        if (at := pending.find(_REQUEST)) >= 0:
            mine = _spki(load_pem_x509_csr(pending[at:].encode()).public_key())
        else:
            private = load_pem_private_key(pending.encode(), password=None)
            mine = _spki(private.public_key())  # type: ignore[arg-type]
    except (ValueError, TypeError):  # damaged on the disk
        return False
    return _spki(certificate.public_key()) == mine


def is_request(pem: str, common_name: str) -> bool:
    """Whether a text is a request for a certificate in this name, signed with its own key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import load_pem_x509_csr
    from cryptography.x509.oid import NameOID

    try:
        asked = load_pem_x509_csr(pem.encode())
        return (
            asked.is_signature_valid and _first(asked.subject, NameOID.COMMON_NAME) == common_name
        )
    except (ValueError, UnsupportedAlgorithm):
        return False


def responder(certificate: "x509.Certificate") -> str:
    """The address where OCSP is asked about it; empty if it names none."""
    from cryptography import x509
    from cryptography.x509.oid import AuthorityInformationAccessOID as Access

    try:
        found = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess)
    except (x509.ExtensionNotFound, ValueError):
        return ""
    places = [about for about in found.value if about.access_method == Access.OCSP]
    return next((str(place.access_location.value) for place in places), "")


@dataclass(frozen=True, slots=True)
class Request:
    """A new private key, PEM, and the request for its certificate, PKCS#10 in PEM (RFC 2986)."""

    key: str = field(repr=False)
    csr: str


def request(common_name: str, organization: str) -> Request:
    """A new key on P-256 and its request (2.0.1 A02.FR.03, A00.FR.511; P-256 suits 15118, too)."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    names = [(NameOID.COMMON_NAME, common_name), (NameOID.ORGANIZATION_NAME, organization)]
    subject = x509.Name([x509.NameAttribute(name, text) for name, text in names if text])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    signed = csr.sign(key, hashes.SHA256())
    return Request(secret.decode(), signed.public_bytes(serialization.Encoding.PEM).decode())


def _first(name: "x509.Name", oid: "x509.ObjectIdentifier") -> str:
    found = name.get_attributes_for_oid(oid)
    return str(found[0].value) if found else ""


def _kind(key: "CertificatePublicKeyTypes") -> tuple[str, int]:
    from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

    match key:
        case ec.EllipticCurvePublicKey():
            return "EC", key.curve.key_size
        case rsa.RSAPublicKey():
            return "RSA", key.key_size
        case dsa.DSAPublicKey():
            return "DSA", key.key_size
    return type(key).__name__, 0


def _spki(key: "CertificatePublicKeyTypes") -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _key_bits(certificate: "x509.Certificate") -> bytes:
    """The bits of the public key without algorithm and lengths, as RFC 6960 hashes them."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = certificate.public_key()
    if isinstance(key, ec.EllipticCurvePublicKey):
        return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    if isinstance(key, rsa.RSAPublicKey):
        return key.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return _spki(key)
