"""Who issued the certificates that the station has, and how long they last."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, TypeAlias

from chargepoint.core import certificates as rules
from chargepoint.core.certificates import CertificateId, HashAlgorithm
from chargepoint.errors import Refused
from chargepoint.store.keystore import Installed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptography import x509

Roots: TypeAlias = "Sequence[tuple[Installed, x509.Certificate]]"
"""Installed roots as they are kept and as they were read."""


def renewal(pem: str, ahead: timedelta) -> datetime:
    """When the successor of a certificate is to be asked for."""
    from chargepoint.store import x509

    leaf = x509.about(x509.read(pem)[0])
    return rules.renewal_at(leaf.not_before, leaf.not_after, ahead)


def issuer_of(certificate: "x509.Certificate", roots: Roots) -> "x509.Certificate | None":
    """The root that signed a certificate, or itself if it did."""
    from chargepoint.store import x509

    if certificate.issuer == certificate.subject:
        return certificate
    named = [read for _, read in roots if read.subject == certificate.issuer]
    return next((read for read in named if x509.signed_by(certificate, read)), None)


def may_go(root: Installed, roots: Roots, in_use: str) -> None:
    """The root that the connection to the CSMS rests on must stay, and in any case one."""
    if root.fingerprint == in_use or [
        other for other, _ in roots if other.use is root.use and other.proven
    ] == [root]:
        raise Refused("the connection to the CSMS needs it", reason="Unspecified")


def chain_ids(
    chain: "tuple[x509.Certificate, ...]",
    roots: Roots,
    algorithm: HashAlgorithm,
) -> list[CertificateId]:
    """The names of the certificates of a chain, leaf first."""
    from chargepoint.store import x509

    issuers = [*chain[1:], issuer_of(chain[-1], roots)]
    pairs = zip(chain, issuers, strict=True)
    return [x509.identify(certificate, issuer, algorithm) for certificate, issuer in pairs]
