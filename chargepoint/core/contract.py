"""What is made of a vehicle's contract certificate, and who is asked about it (OCPP 2.0.1 C07).

The cryptography is elsewhere: the rules judge what was found.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from chargepoint.core.authorization import Decision, Known, Rules, Verdict, decide
from chargepoint.core.certificates import Certificate, CertificateId
from chargepoint.core.model import IdToken

NAMES_MOST = 4  # in one AuthorizeRequest
CHAIN_MOST = 5500  # characters there


class Finding(StrEnum):
    """What the station itself found of a contract."""

    VALID = "valid"
    UNKNOWN_ROOT = "unknown_root"  # sound in itself, but nobody here vouches for it
    INVALID = "invalid"


@dataclass(frozen=True, slots=True)
class Named:
    """A certificate of the chain, and where OCSP is asked about it."""

    id: CertificateId
    responder: str


@dataclass(frozen=True, slots=True)
class Contract:
    """A contract as a vehicle showed it.

    ``names`` are those of its certificates whose state can be asked for, leaf first. ``chain`` is
    its PEM text, empty if it is too long to be told.
    """

    token: IdToken
    finding: Finding
    names: tuple[Named, ...] = ()
    chain: str = field(default="", repr=False)

    @property
    def named(self) -> bool:
        """Whether names are enough for the CSMS, because the station vouches for the rest."""
        return self.finding is Finding.VALID and bool(self.names)


@dataclass(frozen=True, slots=True)
class ContractRules:
    """The settings: whether contracts count at all, may be passed on whole, count offline."""

    enabled: bool = False
    central: bool = True
    offline: bool = True


def finding(chain: Sequence[Certificate], now: datetime, *, linked: bool, rooted: bool) -> Finding:
    """What a chain is worth, leaf first; only who may sign vouches for others.

    ``linked`` says that each certificate is signed by the next one and the last one by a root that
    is installed, if one of its name is: that is ``rooted``.
    """
    sound = all(in_time(one, now) for one in chain) and all(one.is_ca for one in chain[1:])
    if not chain or not linked or not sound:
        return Finding.INVALID
    return Finding.VALID if rooted else Finding.UNKNOWN_ROOT


def in_time(certificate: Certificate, now: datetime) -> bool:
    """Whether a certificate counts now, as far as its dates are concerned."""
    return certificate.not_before <= now <= certificate.not_after


def weigh(
    contract: Contract,
    known: Known | None,
    contracts: ContractRules,
    *,
    online: bool,
    now: datetime,
    rules: Rules,
) -> Decision:
    """What a contract is worth here (C07.FR.01 to .12).

    Online the CSMS is always asked, whatever is known of the id: a contract may be revoked. It gets
    the names, or the whole chain if the station cannot vouch for it. Offline a contract that the
    station vouches for is a token like any other, unless the settings forbid that.
    """
    refused = Decision(Verdict.REFUSE)
    if not contracts.enabled or contract.finding is Finding.INVALID:
        return refused
    if online:
        asks = rules.remote and (contract.named or (contracts.central and bool(contract.chain)))
        return Decision(Verdict.ASK) if asks else refused
    if not contracts.offline or contract.finding is not Finding.VALID:
        return refused
    return decide(contract.token, known, online=False, now=now, rules=rules)
