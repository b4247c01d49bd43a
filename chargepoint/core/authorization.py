"""May this token charge here: what the list, the cache and the settings say; how it is signed.

OCPP 1.6 sections 3.4 and 3.5, 2.0.1 block C.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from chargepoint.core.model import (
    Authorization,
    EvseState,
    IdToken,
    IdTokenType,
    Source,
    StopReason,
    Text,
)
from meters.model import Identification

ACCEPTED = "Accepted"


class Verdict(StrEnum):
    """What is to be done with a presented token."""

    ACCEPT = "accept"
    REFUSE = "refuse"
    ASK = "ask"
    STOP_ONLY = "stop_only"  # a master pass: it ends transactions and begins none


@dataclass(frozen=True, slots=True)
class Known:
    """What the station remembers of a token: the CSMS's last word on it.

    ``status`` is an AuthorizationStatus word; after ``expires`` an entry counts as Expired. With
    ``evse_ids`` the token may charge at these EVSEs only. ``languages`` are those that its owner
    reads, best first.
    """

    status: str
    source: Source
    group: IdToken | None = None
    expires: datetime | None = None
    evse_ids: tuple[int, ...] = ()
    personal_message: Text | None = None
    languages: tuple[str, ...] = ()

    def accepted(self, now: datetime) -> bool:
        """Whether the token may charge as far as this entry is concerned."""
        return self.status == ACCEPTED and (self.expires is None or now < self.expires)

    def serves(self, evse_id: int) -> bool:
        """Whether the CSMS lets the token charge at this EVSE (OCPP 2.0.1 C01.FR.21)."""
        return not self.evse_ids or evse_id in self.evse_ids


@dataclass(frozen=True, slots=True)
class Rules:
    """The settings that decide about tokens.

    ``cache`` and ``local_list`` are whether these are used. ``remote`` is whether the CSMS may be
    asked at all, the two ``ask_again`` whether it is asked about a token that is known as not
    accepted. ``lifetime`` is how long a token stays in the cache unused, zero for ever; tokens of
    the group ``master`` only end transactions.
    """

    enabled: bool = True
    cache: bool = True
    local_list: bool = True
    local_pre_authorize: bool = False
    local_authorize_offline: bool = True
    offline_unknown: bool = False
    remote: bool = True
    ask_again_cached: bool = True
    ask_again_listed: bool = True
    lifetime: timedelta = timedelta(0)
    master: str = ""

    def asks_again(self, known: Known) -> bool:
        """Whether the CSMS is asked about a token that this entry does not accept.

        One that was accepted until its time was over is: the switches are about what the CSMS said.
        """
        if known.status == ACCEPTED:
            return True
        return self.ask_again_listed if known.source is Source.LOCAL_LIST else self.ask_again_cached


@dataclass(frozen=True, slots=True)
class Decision:
    """A verdict; with ACCEPT and STOP_ONLY who vouched for the token and what it belongs to."""

    verdict: Verdict
    source: Source | None = None
    group: IdToken | None = None
    evse_ids: tuple[int, ...] = ()
    personal_message: Text | None = None
    languages: tuple[str, ...] = ()

    def allows(self, evse_id: int) -> bool:
        """Whether the token may charge at this EVSE (OCPP 2.0.1 C01.FR.21)."""
        here = not self.evse_ids or evse_id in self.evse_ids
        return self.verdict is Verdict.ACCEPT and here


_ASK = Decision(Verdict.ASK)
_REFUSE = Decision(Verdict.REFUSE)


def decide(
    token: IdToken, known: Known | None, *, online: bool, now: datetime, rules: Rules
) -> Decision:
    """What a token presented at the station is worth (OCPP 2.0.1 C01, C10 to C15, 1.6 section 3.5).

    ``known`` is the entry of the local list, else that of the cache. Online everything that is not
    surely good is asked, unless the settings forbid that. Offline a locally known token starts if
    LocalAuthorizeOffline says so, an unknown one only if the settings allow unknown tokens, and one
    known as not accepted never.
    """
    if not rules.enabled or token.type is IdTokenType.NO_AUTHORIZATION:
        return Decision(Verdict.ACCEPT, Source.NOBODY)
    if not online:
        return _offline(known, now, rules)
    if known is not None:
        worth = judged(known, now, rules)
        if worth.verdict is not Verdict.REFUSE and (rules.local_pre_authorize or not rules.remote):
            return worth
        if worth.verdict is Verdict.REFUSE and not rules.asks_again(known):
            return _REFUSE
    return _ASK if rules.remote else _REFUSE


def judged(known: Known, now: datetime, rules: Rules) -> Decision:
    """What one entry, or one answer of the CSMS, is worth by itself (OCPP 2.0.1 C16.FR.01)."""
    if not known.accepted(now):
        return _REFUSE
    master = bool(rules.master) and known.group == IdToken(rules.master)
    verdict = Verdict.STOP_ONLY if master else Verdict.ACCEPT
    return Decision(
        verdict,
        known.source,
        known.group,
        known.evse_ids,
        known.personal_message,
        known.languages,
    )


def vouched(known: Known | None, *, online: bool, now: datetime, rules: Rules) -> Decision:
    """What the station may believe of a token that asks for an end (OCPP 2.0.1 C09.FR.03).

    LocalPreAuthorize does not matter: it is about beginnings.
    """
    if known is None or not (online or rules.local_authorize_offline):
        return _ASK
    return judged(known, now, rules)


def aged(known: Known, used_at: datetime, rules: Rules) -> Known:
    """A cached entry with its end: what the CSMS said, else AuthCacheCtrlr.LifeTime after its use.

    OCPP 2.0.1 C10.FR.08.
    """
    if known.expires is not None or not rules.lifetime:
        return known
    return replace(known, expires=used_at + rules.lifetime)


def end_reason(
    authorization: Authorization, token: IdToken, decision: Decision
) -> StopReason | None:
    """Why a token ends what another one, or it itself, began; None if it does not.

    The same token does without being asked about, one of the same group if it is accepted, a
    master pass always (OCPP 2.0.1 C01.FR.03, C09, C16; 1.6 section 3.5.1, parentIdTag).
    """
    if authorization.token.matches(token):
        return StopReason.LOCAL
    if decision.verdict is Verdict.STOP_ONLY:
        return StopReason.MASTER_PASS
    grouped = decision.group is not None and authorization.group == decision.group
    return StopReason.LOCAL if grouped and decision.verdict is Verdict.ACCEPT else None


def with_group(state: EvseState, group: IdToken) -> EvseState:
    """The state once the group of its token is known: from now on its members may stop too."""
    if state.authorization is None:
        return state
    named = replace(state.authorization, group=group)
    running = state.transaction
    transaction = None if running is None else replace(running, authorization=named)
    return replace(state, authorization=named, transaction=transaction)


def _offline(known: Known | None, now: datetime, rules: Rules) -> Decision:
    if known is not None:
        return judged(known, now, rules) if rules.local_authorize_offline else _REFUSE
    if rules.offline_unknown:
        return Decision(Verdict.ACCEPT, Source.UNKNOWN_OFFLINE)
    return _REFUSE


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
