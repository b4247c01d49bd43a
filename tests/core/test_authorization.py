"""Who may charge, as a table; who may stop; how a user is named in the signed record."""

from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.authorization import (
    Decision,
    Known,
    Rules,
    Verdict,
    aged,
    decide,
    end_reason,
    identification,
    judged,
    vouched,
)
from chargepoint.core.model import (
    Authorization,
    Cause,
    IdToken,
    IdTokenType,
    Source,
    StopReason,
)
from meters.model import Identification

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
TOKEN = IdToken("04A1B2C3D4E5F6")
GROUP = IdToken("FLEET-7", IdTokenType.CENTRAL)

GOOD = Known("Accepted", Source.CACHE, GROUP)
STALE = Known("Accepted", Source.CACHE, expires=NOW)
FRESH = Known("Accepted", Source.CACHE, expires=NOW + timedelta(seconds=1))
BLOCKED = Known("Blocked", Source.CACHE)

ACCEPT = Decision(Verdict.ACCEPT, Source.CACHE)
ACCEPT_GROUP = Decision(Verdict.ACCEPT, Source.CACHE, GROUP)
ASK = Decision(Verdict.ASK)
REFUSE = Decision(Verdict.REFUSE)
UNKNOWN = Decision(Verdict.ACCEPT, Source.UNKNOWN_OFFLINE)

USUAL = Rules()
EAGER = Rules(local_pre_authorize=True)
STRICT = Rules(local_authorize_offline=False)
GENEROUS = Rules(offline_unknown=True)
STRICT_GENEROUS = Rules(local_authorize_offline=False, offline_unknown=True)

ONLINE = [
    (None, USUAL, ASK),
    (None, EAGER, ASK),
    (None, GENEROUS, ASK),
    (GOOD, USUAL, ASK),
    (GOOD, EAGER, ACCEPT_GROUP),
    (FRESH, EAGER, ACCEPT),
    (STALE, EAGER, ASK),
    (BLOCKED, USUAL, ASK),
    (BLOCKED, EAGER, ASK),
]
OFFLINE = [
    (None, USUAL, REFUSE),
    (None, EAGER, REFUSE),
    (None, GENEROUS, UNKNOWN),
    (None, STRICT_GENEROUS, UNKNOWN),
    (GOOD, USUAL, ACCEPT_GROUP),
    (FRESH, USUAL, ACCEPT),
    (GOOD, STRICT, REFUSE),
    (GOOD, STRICT_GENEROUS, REFUSE),
    (STALE, USUAL, REFUSE),
    (STALE, GENEROUS, REFUSE),
    (BLOCKED, USUAL, REFUSE),
    (BLOCKED, GENEROUS, REFUSE),
]


@pytest.mark.spec("2.0.1", "C12.FR.02")
@pytest.mark.spec("2.0.1", "C10.FR.03")
@pytest.mark.parametrize(("known", "rules", "decision"), ONLINE)
def test_online_everything_that_is_not_surely_good_is_asked(
    known: Known | None, rules: Rules, decision: Decision
) -> None:
    assert decide(TOKEN, known, online=True, now=NOW, rules=rules) == decision


@pytest.mark.spec("2.0.1", "C13.FR.02")
@pytest.mark.spec("2.0.1", "C15.FR.01")
@pytest.mark.parametrize(("known", "rules", "decision"), OFFLINE)
def test_offline_only_what_the_settings_allow_may_charge(
    known: Known | None, rules: Rules, decision: Decision
) -> None:
    assert decide(TOKEN, known, online=False, now=NOW, rules=rules) == decision


@pytest.mark.parametrize("online", [True, False])
@pytest.mark.parametrize(
    ("token", "rules"),
    [
        (TOKEN, Rules(enabled=False)),
        (IdToken("", IdTokenType.NO_AUTHORIZATION), USUAL),
    ],
    ids=["free charging", "a start button"],
)
def test_without_authorization_nobody_is_asked(
    token: IdToken, rules: Rules, *, online: bool
) -> None:
    decision = decide(token, BLOCKED, online=online, now=NOW, rules=rules)

    assert decision.verdict is Verdict.ACCEPT


RUNNING = Authorization(TOKEN, Source.CSMS, GROUP)
OTHER = IdToken("DDEEFF00")
MEMBER = Decision(Verdict.ACCEPT, Source.CSMS, GROUP)
STRANGER = Decision(Verdict.ACCEPT, Source.CSMS, IdToken("FLEET-8"))
PASS = Decision(Verdict.STOP_ONLY, Source.CSMS, IdToken("MASTER"))
LOCAL = StopReason.LOCAL
STOPS = {
    "the same": (TOKEN, REFUSE, LOCAL),
    "the same in small letters": (IdToken("04a1b2c3d4e5f6"), ASK, LOCAL),
    "the same named by a 1.6 CSMS": (IdToken(TOKEN.value, IdTokenType.CENTRAL), ASK, LOCAL),
    "its number typed": (IdToken(TOKEN.value, IdTokenType.KEY_CODE), ASK, None),
    "another": (OTHER, ASK, None),
    "another, accepted": (OTHER, Decision(Verdict.ACCEPT, Source.CSMS), None),
    "of the group": (OTHER, MEMBER, LOCAL),
    "of the group, refused": (OTHER, Decision(Verdict.REFUSE, group=GROUP), None),
    "of another group": (OTHER, STRANGER, None),
    "a master pass": (OTHER, PASS, StopReason.MASTER_PASS),
}


@pytest.mark.spec("2.0.1", "C01.FR.03")
@pytest.mark.spec("2.0.1", "C09.FR.03")
@pytest.mark.spec("2.0.1", "C16.FR.03")
@pytest.mark.spec("1.6", "3.5.1")
@pytest.mark.parametrize(("token", "decision", "reason"), STOPS.values(), ids=STOPS)
def test_a_token_stops_its_own_transaction_and_that_of_its_group(
    token: IdToken, decision: Decision, reason: StopReason | None
) -> None:
    assert end_reason(RUNNING, token, decision) is reason


def test_a_token_of_a_group_does_not_stop_one_without() -> None:
    assert end_reason(Authorization(TOKEN, Source.CSMS), OTHER, MEMBER) is None


LISTED_BAD = Known("Invalid", Source.LOCAL_LIST)
LISTED = Known("Accepted", Source.LOCAL_LIST)
ACCEPT_LISTED = Decision(Verdict.ACCEPT, Source.LOCAL_LIST)
ALONE = Rules(remote=False)
NO_CACHE_POST = Rules(ask_again_cached=False)
NO_LIST_POST = Rules(ask_again_listed=False)
NOT_ASKED = {
    "never ask: unknown": (None, ALONE, REFUSE),
    "never ask: cached": (FRESH, ALONE, ACCEPT),
    "never ask: listed": (LISTED, ALONE, ACCEPT_LISTED),
    "never ask: blocked": (BLOCKED, ALONE, REFUSE),
    "never ask: outdated": (STALE, ALONE, REFUSE),
    "cached as bad": (BLOCKED, NO_CACHE_POST, REFUSE),
    "cached as bad, about the list": (BLOCKED, NO_LIST_POST, ASK),
    "listed as bad": (LISTED_BAD, NO_LIST_POST, REFUSE),
    "listed as bad, about the cache": (LISTED_BAD, NO_CACHE_POST, ASK),
    "outdated, which the CSMS never refused": (STALE, NO_CACHE_POST, ASK),
    "cached as good": (FRESH, NO_CACHE_POST, ASK),
}


@pytest.mark.spec("2.0.1", "C10.FR.03")
@pytest.mark.spec("2.0.1", "C14.FR.03")
@pytest.mark.parametrize(("known", "rules", "decision"), NOT_ASKED.values(), ids=NOT_ASKED)
def test_the_csms_is_not_asked_where_the_settings_forbid_it(
    known: Known | None, rules: Rules, decision: Decision
) -> None:
    assert decide(TOKEN, known, online=True, now=NOW, rules=rules) == decision


@pytest.mark.spec("2.0.1", "C16.FR.01")
@pytest.mark.parametrize(
    ("group", "master", "verdict"),
    [
        (IdToken("master-1"), "MASTER-1", Verdict.STOP_ONLY),
        (GROUP, "MASTER-1", Verdict.ACCEPT),
        (None, "MASTER-1", Verdict.ACCEPT),
        (IdToken(""), "", Verdict.ACCEPT),
        (None, "", Verdict.ACCEPT),
    ],
)
def test_a_master_pass_only_stops(group: IdToken | None, master: str, verdict: Verdict) -> None:
    known = Known("Accepted", Source.CSMS, group)

    assert judged(known, NOW, Rules(master=master)).verdict is verdict


def test_a_master_pass_that_is_blocked_does_nothing() -> None:
    blocked = Known("Blocked", Source.CSMS, IdToken("M"))

    assert judged(blocked, NOW, Rules(master="M")) == REFUSE


@pytest.mark.spec("2.0.1", "C01.FR.21")
def test_a_token_may_charge_only_where_the_csms_says() -> None:
    somewhere = judged(Known("Accepted", Source.CSMS, evse_ids=(2,)), NOW, USUAL)
    everywhere = judged(Known("Accepted", Source.CSMS), NOW, USUAL)

    assert [somewhere.allows(1), somewhere.allows(2)] == [False, True]
    assert [everywhere.allows(1), everywhere.allows(2)] == [True, True]
    assert not REFUSE.allows(1)


@pytest.mark.spec("2.0.1", "C09.FR.03")
@pytest.mark.parametrize(
    ("known", "online", "rules", "verdict"),
    [
        (GOOD, True, USUAL, Verdict.ACCEPT),
        (BLOCKED, True, USUAL, Verdict.REFUSE),
        (None, True, USUAL, Verdict.ASK),
        (GOOD, False, USUAL, Verdict.ACCEPT),
        (GOOD, False, STRICT, Verdict.ASK),
    ],
)
def test_a_token_known_here_is_believed_when_it_ends_something(
    known: Known | None, rules: Rules, verdict: Verdict, *, online: bool
) -> None:
    assert vouched(known, online=online, now=NOW, rules=rules).verdict is verdict


@pytest.mark.spec("2.0.1", "C10.FR.08")
def test_a_cached_token_ages_from_its_last_use_unless_the_csms_gave_a_time() -> None:
    hour = Rules(lifetime=timedelta(hours=1))

    assert aged(GOOD, NOW, hour).expires == NOW + timedelta(hours=1)
    assert aged(FRESH, NOW, hour) == FRESH
    assert aged(GOOD, NOW, USUAL) == GOOD


NAMED = [
    (IdTokenType.ISO14443, Source.CSMS, False, "TRUSTED", ("RFID_PLAIN", "OCPP_AUTH")),
    (IdTokenType.ISO14443, Source.CSMS, True, "TRUSTED", ("RFID_PLAIN", "OCPP_AUTH_TLS")),
    (IdTokenType.ISO15693, Source.CACHE, True, "HEARSAY", ("RFID_PLAIN", "OCPP_CACHE")),
    (IdTokenType.ISO14443, Source.NOBODY, True, "HEARSAY", ("RFID_PLAIN", "OCPP_NONE")),
    (IdTokenType.ISO14443, Source.LOCAL_LIST, True, "HEARSAY", ("RFID_PLAIN", "OCPP_WHITELIST")),
    (IdTokenType.ISO14443, Source.UNKNOWN_OFFLINE, True, "HEARSAY", ("RFID_PLAIN", "OCPP_NONE")),
    (IdTokenType.CENTRAL, Source.REMOTE, False, "TRUSTED", ("OCPP_RS",)),
    (IdTokenType.ISO14443, Source.REMOTE, True, "TRUSTED", ("OCPP_RS_TLS",)),
]


@pytest.mark.parametrize(("kind", "source", "tls", "level", "flags"), NAMED)
def test_the_signed_record_says_how_the_user_was_identified(
    kind: IdTokenType, source: Source, level: str, flags: tuple[str, ...], *, tls: bool
) -> None:
    who = identification(Authorization(IdToken("AB12", kind), source), tls=tls)

    assert (who.assigned, who.level, who.flags, who.data) == (True, level, flags, "AB12")


@pytest.mark.parametrize("kind", [k for k in IdTokenType if k != "NoAuthorization"])
def test_every_kind_of_token_has_a_word_in_the_signed_record(kind: IdTokenType) -> None:
    who = identification(Authorization(IdToken("AB12", kind), Source.CSMS))

    assert who.type in {
        "CENTRAL",
        "EMAID",
        "ISO14443",
        "ISO15693",
        "KEY_CODE",
        "LOCAL",
        "UNDEFINED",
    }


def test_nobody_is_named_if_nobody_was_asked() -> None:
    nobody = Authorization(IdToken("", IdTokenType.NO_AUTHORIZATION), Source.LOCAL_LIST)

    assert identification(nobody) == Identification()


def test_a_token_never_shows_its_value() -> None:
    assert "04A1B2C3D4E5F6" not in f"{TOKEN!r} {TOKEN} {Authorization(TOKEN, Source.CSMS)}"
    assert IdToken("1234").masked == "***"
    assert TOKEN.masked == "***F6"


@pytest.mark.spec("2.0.1", "C04.FR.04")
def test_a_typed_code_shows_nothing_of_itself() -> None:
    assert IdToken("1234567890", IdTokenType.KEY_CODE).masked == "***"


def test_tokens_are_equal_whatever_the_case_and_unequal_to_their_text() -> None:
    assert len({IdToken("ab12"), IdToken("AB12")}) == 1
    assert IdToken("AB12") != "AB12"


@pytest.mark.parametrize("source", list(Source))
def test_only_a_remote_start_is_named_as_one(source: Source) -> None:
    cause = Authorization(TOKEN, source).cause

    assert (cause is Cause.REMOTE_START) == (source is Source.REMOTE)
