"""May this token charge here: what the list, the cache and the settings say; how it is signed.

OCPP 1.6 sections 3.4 and 3.5, 2.0.1 block C.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from chargepoint.core.model import Authorization, IdToken, IdTokenType, Source
from meters.model import Identification


class Verdict(StrEnum):
    """What is to be done with a presented token."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    ASK = "ask"


@dataclass(frozen=True, slots=True)
class Known:
    """What the station remembers of a token: the CSMS's last word on it.

    ``status`` is an AuthorizationStatus word; after ``expires`` an entry counts as Expired.
    """

    status: str
    source: Source
    group: IdToken | None = None
    expires: datetime | None = None

    def accepted(self, now: datetime) -> bool:
        """Whether the token may charge as far as this entry is concerned."""
        return self.status == "Accepted" and (self.expires is None or now < self.expires)


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide about tokens; ``cache`` is whether anything is remembered."""

    enabled: bool = True
    cache: bool = True
    local_pre_authorize: bool = False
    local_authorize_offline: bool = True
    offline_unknown: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict; with ACCEPT who vouched for the token."""

    verdict: Verdict
    source: Source | None = None
    group: IdToken | None = None


_ASK = Decision(Verdict.ASK)
_REFUSE = Decision(Verdict.REFUSE)


def decide(
    token: IdToken, known: Known | None, *, online: bool, now: datetime, rules: Rules
) -> Decision:
    """What a token presented at the station is worth (OCPP 2.0.1 C01, C10 to C15, 1.6 section 3.5).

    Online everything unknown is asked. Offline a locally known token starts if
    LocalAuthorizeOffline says so, an unknown one only if the settings allow unknown tokens, and one
    known as not accepted never.
    """
    if not rules.enabled or token.type is IdTokenType.NO_AUTHORIZATION:
        return Decision(Verdict.ACCEPT, Source.NOBODY)
    good = known is not None and known.accepted(now)
    if online:
        if good and known is not None and rules.local_pre_authorize:
            return Decision(Verdict.ACCEPT, known.source, known.group)
        return _ASK
    if known is not None:
        if good and rules.local_authorize_offline:
            return Decision(Verdict.ACCEPT, known.source, known.group)
        return _REFUSE
    if rules.offline_unknown:
        return Decision(Verdict.ACCEPT, Source.UNKNOWN_OFFLINE)
    return _REFUSE


def may_stop(authorization: Authorization, token: IdToken, group: IdToken | None = None) -> bool:
    """Whether a token ends the transaction without asking: the same one, or one of its group.

    OCPP 2.0.1 C01.FR.03, C09; 1.6 section 3.5.1 (parentIdTag).
    """
    return authorization.token == token or (group is not None and authorization.group == group)


_TYPES = {
    IdTokenType.CENTRAL: "CENTRAL",
    IdTokenType.EMAID: "EMAID",
    IdTokenType.ISO14443: "ISO14443",
    IdTokenType.ISO15693: "ISO15693",
    IdTokenType.KEY_CODE: "KEY_CODE",
    IdTokenType.LOCAL: "LOCAL",
    IdTokenType.MAC_ADDRESS: "UNDEFINED",
    IdTokenType.NO_AUTHORIZATION: "NONE",
}
_LEVELS = {
    Source.CSMS: "TRUSTED",
    Source.REMOTE: "TRUSTED",
    Source.CACHE: "HEARSAY",
    Source.LOCAL_LIST: "HEARSAY",
    Source.UNKNOWN_OFFLINE: "HEARSAY",
    Source.NOBODY: "HEARSAY",
}
_FLAGS = {
    Source.CSMS: "OCPP_AUTH",
    Source.REMOTE: "OCPP_RS",
    Source.CACHE: "OCPP_CACHE",
    Source.LOCAL_LIST: "OCPP_WHITELIST",
    Source.UNKNOWN_OFFLINE: "OCPP_NONE",
    Source.NOBODY: "OCPP_NONE",
}
_CARDS = {IdTokenType.ISO14443, IdTokenType.ISO15693}


def identification(authorization: Authorization, *, tls: bool = False) -> Identification:
    """How the user was identified, in the words of the signed record (OCMF 1.4 tables 15 to 17).

    A card read here is RFID_PLAIN; what the CSMS said goes with the suffix TLS if the link was
    encrypted.
    """
    token, source = authorization.token, authorization.source
    if token.type is IdTokenType.NO_AUTHORIZATION:
        return Identification()
    flag = _FLAGS[source]
    if tls and source in {Source.CSMS, Source.REMOTE}:
        flag += "_TLS"
    read_here = token.type in _CARDS and source is not Source.REMOTE
    flags = ("RFID_PLAIN", flag) if read_here else (flag,)
    return Identification(
        assigned=True,
        level=_LEVELS[source],
        flags=flags,
        type=_TYPES[token.type],
        data=token.value,
    )
