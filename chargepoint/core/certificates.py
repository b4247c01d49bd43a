"""Which certificates the station takes, when it asks for a new one, how far it may be secured.

The cryptography itself is elsewhere: the rules judge what was read from a certificate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from chargepoint.errors import Refused

CHAIN_MOST = 10  # certificates in a chain that is signed for the station
_TLS, _BOTH = 2, 3  # security profiles: the CSMS has a certificate, both sides have one
BITS_LEAST = {"EC": 224, "RSA": 2048, "DSA": 2048}  # 112 bits of security, A00.FR.501 to .503


class Use(StrEnum):
    """What a certificate is for (OCPP 2.0.1 CertificateUse enumerations, taken together)."""

    CSMS_ROOT = "CSMSRootCertificate"
    MANUFACTURER_ROOT = "ManufacturerRootCertificate"
    V2G_ROOT = "V2GRootCertificate"
    MO_ROOT = "MORootCertificate"
    V2G_CHAIN = "V2GCertificateChain"
    STATION = "ChargingStationCertificate"

    @property
    def is_root(self) -> bool:
        """Whether it is something to trust; otherwise it is something to show."""
        return self not in {Use.V2G_CHAIN, Use.STATION}


class HashAlgorithm(StrEnum):
    """How a certificate is named (OCPP 2.0.1 HashAlgorithmEnumType)."""

    SHA256 = "SHA256"
    SHA384 = "SHA384"
    SHA512 = "SHA512"


@dataclass(frozen=True, slots=True, eq=False)
class CertificateId:
    """The name of a certificate as OCSP has it (RFC 6960 CertID); hex digits, case ignored."""

    algorithm: HashAlgorithm
    issuer_name_hash: str
    issuer_key_hash: str
    serial_number: str

    def _folded(self) -> tuple[str, str, str, str]:
        serial = self.serial_number.casefold().lstrip("0")
        names = (self.issuer_name_hash.casefold(), self.issuer_key_hash.casefold())
        return (self.algorithm, *names, serial)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CertificateId) and self._folded() == other._folded()

    def __hash__(self) -> int:
        return hash(self._folded())


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a certificate says. ``key`` is EC, RSA, DSA or another word."""

    common_name: str
    organization: str
    not_before: datetime
    not_after: datetime
    is_ca: bool
    key: str
    key_bits: int


@dataclass(frozen=True, slots=True)
class Signed:
    """A chain that came for a key of ours, leaf first.

    ``fits`` says that the leaf is about that key, ``linked`` that each certificate is signed by
    the next one, and the last one by the root of that name if we have it. ``size`` is that of
    the text.
    """

    chain: tuple[Certificate, ...]
    size: int
    fits: bool
    linked: bool


def check_root(root: Certificate, now: datetime, *, signed_by_old: bool = True) -> None:
    """Whether a root may be installed (2.0.1 M05.FR.06, .09, 1.6 whitepaper M05).

    ``signed_by_old`` matters with AdditionalRootCertificateCheck only.

    Raises:
        Refused: it may not.
    """
    _check_period(root, now)
    _check_key(root)
    if not root.is_ca:
        raise _invalid("it may not sign other certificates")
    if not signed_by_old:
        raise _invalid("it is not signed by the root that is installed")


def check_signed(signed: Signed, now: datetime, *, size_most: int, common_name: str) -> None:
    """Whether a certificate for the station itself may be used (2.0.1 A02.FR.06, .07).

    Raises:
        Refused: it may not; the key it was asked for stays unused.
    """
    if signed.size > size_most:
        found = f"found {signed.size} characters, allowed {size_most}"
        raise Refused(found, reason="TooLargeElement")
    if not 1 <= len(signed.chain) <= CHAIN_MOST:
        raise _invalid(f"found {len(signed.chain)} certificates, allowed 1 to {CHAIN_MOST}")
    leaf = signed.chain[0]
    for certificate in signed.chain:
        _check_period(certificate, now)
        _check_key(certificate)
    if not signed.fits:
        raise _invalid("it is not about the key that the station asked for")
    if not signed.linked:
        raise _invalid("the chain is not one")
    if leaf.is_ca:
        raise _invalid("it is one that signs others")
    if common_name and leaf.common_name != common_name:
        raise _invalid(f"its name is {leaf.common_name!r}, expected {common_name!r}")


def check_room(installed: int, most: int) -> None:
    """Whether one more certificate fits (2.0.1 M05.FR.17, 1.6 CertificateStoreMaxLength).

    Raises:
        Refused: it does not.
    """
    if installed >= most:
        raise Refused(f"{installed} certificates are installed already", reason="OutOfStorage")


def renewal_at(not_before: datetime, not_after: datetime, ahead: timedelta) -> datetime:
    """When the station should ask for its next certificate by itself (A02.FR.02).

    One that lives for a short time only is used for two thirds of it first, or its successor would
    be asked for at once, and so on.
    """
    return not_after - min(ahead, (not_after - not_before) / 3)


def next_wait(sent: int, minimum: timedelta, repeats: int) -> timedelta | None:
    """How long CertificateSigned is awaited after ``sent`` requests; None: send none again.

    The wait doubles with each request (2.0.1 A02.FR.17 to .19); zero for ``minimum`` is never.
    """
    if not minimum or sent > repeats + 1:
        return None
    return minimum * (1 << (sent - 1))


def check_profile(
    current: int, wanted: int, *, root: bool, certificate: bool, downgrade: bool = False
) -> None:
    """Whether the station may go to another security profile (2.0.1 A05, errata 2025-01; 1.6 A05).

    ``root`` and ``certificate`` say whether a root of the CSMS and a certificate of the station
    are there, which a higher profile needs.

    Raises:
        Refused: it may not.
    """
    if wanted < lowest_profile(current, downgrade=downgrade):
        raise Refused(f"{wanted} is lower than {current}", reason="NoSecurityDowngrade")
    if current < wanted >= _TLS and not root:
        raise Refused("no root certificate of the CSMS is installed", reason="InvalidCertificate")
    if current < wanted >= _BOTH and not certificate:
        raise Refused("the station has no certificate", reason="InvalidCertificate")


def lowest_profile(reached: int, *, downgrade: bool) -> int:
    """The lowest security profile that may be used once ``reached`` was.

    ``downgrade`` is AllowSecurityProfileDowngrade, which allows 3 to 2 and nothing else (errata
    2025-01, A05.FR.08 to .10).
    """
    return _TLS if downgrade and reached == _BOTH else reached


def only_by_wildcard(names: Sequence[str], host: str) -> bool:
    """Whether a certificate with these names is good for a host through a wildcard alone."""
    folded = [name.casefold() for name in names]
    return host.casefold() not in folded and any(name.startswith("*.") for name in folded)


def lower_profiles(slots: Mapping[int, int], least: int) -> tuple[int, ...]:
    """The slots to forget once a higher security profile is in use (A05.FR.06).

    ``slots`` has the security profile of each, ``least`` is the lowest that may still be used.
    """
    return tuple(slot for slot, profile in slots.items() if profile < least)


def _check_period(certificate: Certificate, now: datetime) -> None:
    if now < certificate.not_before:
        raise _invalid(f"{certificate.common_name!r} is not valid yet")
    if now > certificate.not_after:
        raise _invalid(f"{certificate.common_name!r} has expired")


def _check_key(certificate: Certificate) -> None:
    least = BITS_LEAST.get(certificate.key)
    if least is None:
        raise _invalid(f"found a key of kind {certificate.key}, allowed {', '.join(BITS_LEAST)}")
    if certificate.key_bits < least:
        raise _invalid(f"found a key of {certificate.key_bits} bits, allowed {least} or more")


def _invalid(why: str) -> Refused:
    return Refused(f"the certificate cannot be used: {why}", reason="InvalidCertificate")
