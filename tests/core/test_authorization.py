"""Who may charge, as a table; who may stop; how a user is named in the signed record."""

from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.authorization import (
    Decision,
    Known,
    Rules,
    Verdict,
    decide,
    identification,
    may_stop,
)
from chargepoint.core.model import Authorization, Cause, IdToken, IdTokenType, Source
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


@pytest.mark.spec("2.0.1", "C01.FR.03")
@pytest.mark.spec("2.0.1", "C09.FR.03")
@pytest.mark.parametrize(
    ("token", "group", "stops"),
    [
        (TOKEN, None, True),
        (IdToken("04a1b2c3d4e5f6"), None, True),
        (IdToken("DDEEFF00"), None, False),
        (IdToken("DDEEFF00"), GROUP, True),
        (IdToken("DDEEFF00"), IdToken("FLEET-8"), False),
    ],
    ids=["the same", "the same in small letters", "another", "of the group", "of another group"],
)
def test_a_token_stops_its_own_transaction_and_that_of_its_group(
    token: IdToken, group: IdToken | None, *, stops: bool
) -> None:
    running = Authorization(TOKEN, Source.CSMS, GROUP)

    assert may_stop(running, token, group) is stops


def test_a_token_of_a_group_does_not_stop_one_without() -> None:
    assert not may_stop(Authorization(TOKEN, Source.CSMS), IdToken("DDEEFF00"), GROUP)


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


def test_tokens_are_equal_whatever_the_case_and_unequal_to_their_text() -> None:
    assert len({IdToken("ab12"), IdToken("AB12")}) == 1
    assert IdToken("AB12") != "AB12"


@pytest.mark.parametrize("source", list(Source))
def test_only_a_remote_start_is_named_as_one(source: Source) -> None:
    cause = Authorization(TOKEN, source).cause

    assert (cause is Cause.REMOTE_START) == (source is Source.REMOTE)
