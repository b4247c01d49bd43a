"""What lists of revoked certificates and OCSP answers say; needs the cryptography library.

RFC 5280 section 5 and RFC 6960. A list or an answer counts only if whoever issued the certificate
signed it, an answer also if the issuer lets the signer answer in its name.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from chargepoint.core.revocation import Finding, Word

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.x509 import ocsp

_PEM = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)
_SKEW: Final = timedelta(minutes=5)
"""How far the clocks of a responder and of the station may lie apart."""
_LIFE: Final = timedelta(days=1)
"""How long an answer counts that does not say when the next one is due."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a responder is asked, DER, about a certificate of an issuer."""

    certificate: "x509.Certificate"
    issuer: "x509.Certificate"
    der: bytes


def certificates(chain: Sequence[bytes]) -> "list[x509.Certificate]":
    """The certificates of a verified chain."""
    from cryptography.x509 import load_der_x509_certificate

    return [load_der_x509_certificate(der) for der in chain]


def lists(raw: bytes) -> "list[x509.CertificateRevocationList]":
    """The lists in a file, PEM or DER.

    Raises:
        ValueError: it holds something else.
    """
    from cryptography.x509 import load_der_x509_crl, load_pem_x509_crl

    found = _PEM.findall(raw)
    try:
        return [load_pem_x509_crl(pem) for pem in found] if found else [load_der_x509_crl(raw)]
    except _odd() as error:
        raise ValueError("no list") from error


def listed(
    certificate: "x509.Certificate",
    issuer: "x509.Certificate",
    known: "Sequence[x509.CertificateRevocationList]",
    now: datetime,
) -> Finding:
    """What the lists of its issuer say of a certificate."""
    name = certificate.subject.rfc4514_string()
    of_issuer = [one for one in known if _genuine(one, issuer)]
    if not of_issuer:
        return Finding(Word.UNKNOWN, f"no list of {issuer.subject.rfc4514_string()}")
    for one in of_issuer:
        entry = one.get_revoked_certificate_by_serial_number(certificate.serial_number)
        if entry is not None:
            return Finding(Word.REVOKED, f"{name}, at {entry.revocation_date_utc}")
    newest = max(of_issuer, key=lambda one: one.last_update_utc)
    if newest.next_update_utc is not None and now > newest.next_update_utc + _SKEW:
        return Finding(Word.UNKNOWN, f"the list ended at {newest.next_update_utc}")
    return Finding(Word.GOOD, name)


def question(certificate: "x509.Certificate", issuer: "x509.Certificate") -> Question:
    """What to ask the responder; SHA-1 only names the issuer, and is what all of them know."""
    from cryptography.hazmat.primitives.hashes import SHA1
    from cryptography.hazmat.primitives.serialization import Encoding
    from cryptography.x509.ocsp import OCSPRequestBuilder

    builder = OCSPRequestBuilder().add_certificate(certificate, issuer, SHA1())  # noqa: S303 - a name
    return Question(certificate, issuer, builder.build().public_bytes(Encoding.DER))


def answered(question: Question, raw: bytes, now: datetime, *, earliest: bool = False) -> Finding:
    """What the answer of a responder says; it may be later than ``now`` if that is ``earliest``."""
    from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus, load_der_ocsp_response

    name = question.certificate.subject.rfc4514_string()
    try:
        answer = load_der_ocsp_response(raw)
        if answer.response_status is not OCSPResponseStatus.SUCCESSFUL:
            return Finding(Word.UNKNOWN, f"the responder says {answer.response_status.name}")
        since = None if earliest else now
        if not _about(answer, question) or not _allowed(answer, question.issuer, since, now):
            return Finding(Word.UNKNOWN, "the answer of the responder is not to be trusted")
    except _odd():
        return Finding(Word.UNKNOWN, "the responder gives no OCSP answer")
    until = answer.next_update_utc or answer.this_update_utc + _LIFE
    early = since is not None and since < answer.this_update_utc - _SKEW
    if early or now > until + _SKEW:
        return Finding(Word.UNKNOWN, "the answer of the responder is not of now")
    match answer.certificate_status:
        case OCSPCertStatus.GOOD:
            return Finding(Word.GOOD, name)
        case OCSPCertStatus.REVOKED:
            return Finding(Word.REVOKED, f"{name}, at {answer.revocation_time_utc}")
    return Finding(Word.UNKNOWN, "the responder does not know it")


def _genuine(
    one: "x509.CertificateRevocationList | x509.Certificate", issuer: "x509.Certificate"
) -> bool:
    from cryptography import x509

    try:
        if isinstance(one, x509.Certificate):
            one.verify_directly_issued_by(issuer)
            return True
        named = one.issuer == issuer.subject
        return named and one.is_signature_valid(issuer.public_key())  # type: ignore[arg-type]
    except _odd():
        return False


def _odd() -> tuple[type[Exception], ...]:
    """How the library says that foreign bytes are not as they should be."""
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    return (
        ValueError,
        TypeError,
        InvalidSignature,
        UnsupportedAlgorithm,
        x509.DuplicateExtension,
        x509.InvalidVersion,
        x509.UnsupportedGeneralNameType,
    )


def _about(answer: "ocsp.OCSPResponse", question: Question) -> bool:
    from cryptography.x509.ocsp import load_der_ocsp_request

    asked = load_der_ocsp_request(question.der)
    wanted = (asked.serial_number, asked.issuer_name_hash, asked.issuer_key_hash)
    return wanted == (answer.serial_number, answer.issuer_name_hash, answer.issuer_key_hash)


def _allowed(
    answer: "ocsp.OCSPResponse", issuer: "x509.Certificate", since: datetime | None, now: datetime
) -> bool:
    return any(_signed(answer, who) for who in _signers(answer, issuer, since, now))


def _signers(
    answer: "ocsp.OCSPResponse", issuer: "x509.Certificate", since: datetime | None, now: datetime
) -> "Iterator[x509.Certificate]":
    """The issuer, and those whom it lets answer (RFC 6960 section 4.2.2.2)."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID

    yield issuer
    for one in answer.certificates:
        try:
            usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        except x509.ExtensionNotFound:
            continue
        begun = since is None or one.not_valid_before_utc <= since
        valid = begun and now <= one.not_valid_after_utc
        if valid and ExtendedKeyUsageOID.OCSP_SIGNING in usage and _genuine(one, issuer):
            yield one


def _signed(answer: "ocsp.OCSPResponse", who: "x509.Certificate") -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

    key, hashed = who.public_key(), answer.signature_hash_algorithm
    if hashed is None:
        return False
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            key.verify(answer.signature, answer.tbs_response_bytes, ec.ECDSA(hashed))
        elif isinstance(key, rsa.RSAPublicKey):
            plain = padding.PKCS1v15()
            key.verify(answer.signature, answer.tbs_response_bytes, plain, hashed)
        else:
            return False
    except InvalidSignature:
        return False
    return True
