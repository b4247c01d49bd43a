"""What a contract is worth, and who is asked about it, as tables."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chargepoint.core.authorization import Known, Rules, Verdict
from chargepoint.core.certificates import Certificate, CertificateId, HashAlgorithm
from chargepoint.core.contract import Contract, ContractRules, Finding, Named, finding, weigh
from chargepoint.core.model import IdToken, IdTokenType, Source

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
DAY = timedelta(days=1)
GOOD = Certificate(
    "DE8ACC12E46L89", "MO", NOW - DAY, NOW + DAY, is_ca=False, key="EC", key_bits=256
)
ISSUER = replace(GOOD, is_ca=True)
OVER = replace(GOOD, not_after=NOW - timedelta(seconds=1))
EARLY = replace(GOOD, not_before=NOW + timedelta(seconds=1))

NAME = Named(CertificateId(HashAlgorithm.SHA256, "aa", "bb", "1"), "http://ocsp.example/")
VALID = Contract(IdToken("DE8ACC12E46L89", IdTokenType.EMAID), Finding.VALID, (NAME,), "PEM")
UNNAMED = replace(VALID, names=())
ROOTLESS = replace(VALID, finding=Finding.UNKNOWN_ROOT)
INVALID = replace(VALID, finding=Finding.INVALID)
LONG = replace(ROOTLESS, chain="")

ON = ContractRules(enabled=True)
OFF = ContractRules()
LOCAL = ContractRules(enabled=True, central=False)
STRICT = ContractRules(enabled=True, offline=False)
USUAL = Rules()
EAGER = Rules(local_pre_authorize=True)
ALONE = Rules(remote=False)

LISTED = Known("Accepted", Source.LOCAL_LIST)
BLOCKED = Known("Blocked", Source.LOCAL_LIST)

ASK, REFUSE, ACCEPT = Verdict.ASK, Verdict.REFUSE, Verdict.ACCEPT


@pytest.mark.parametrize(
    ("chain", "linked", "rooted", "found"),
    [
        ((GOOD, ISSUER), True, True, Finding.VALID),
        ((GOOD, GOOD), True, True, Finding.INVALID),
        ((GOOD,), True, False, Finding.UNKNOWN_ROOT),
        ((GOOD,), False, True, Finding.INVALID),
        ((OVER, ISSUER), True, True, Finding.INVALID),
        ((GOOD, replace(EARLY, is_ca=True)), True, True, Finding.INVALID),
        ((), True, True, Finding.INVALID),
    ],
)
def test_a_chain_is_good_if_it_is_in_time_signed_and_rooted(
    chain: tuple[Certificate, ...], found: Finding, *, linked: bool, rooted: bool
) -> None:
    assert finding(chain, NOW, linked=linked, rooted=rooted) is found


@pytest.mark.spec("2.0.1", "C07.FR.01")
@pytest.mark.spec("2.0.1", "C07.FR.06")
@pytest.mark.parametrize(
    ("contract", "known", "contracts", "rules", "verdict"),
    [
        (VALID, None, ON, USUAL, ASK),
        (VALID, LISTED, ON, EAGER, ASK),
        (VALID, None, LOCAL, USUAL, ASK),
        (VALID, None, OFF, USUAL, REFUSE),
        (VALID, LISTED, ON, ALONE, REFUSE),
        (UNNAMED, None, ON, USUAL, ASK),
        (UNNAMED, None, LOCAL, USUAL, REFUSE),
        (ROOTLESS, None, ON, USUAL, ASK),
        (ROOTLESS, None, LOCAL, USUAL, REFUSE),
        (LONG, None, ON, USUAL, REFUSE),
        (INVALID, LISTED, ON, USUAL, REFUSE),
    ],
)
def test_online_the_csms_is_asked_about_all_that_may_be_good(
    contract: Contract,
    known: Known | None,
    contracts: ContractRules,
    rules: Rules,
    verdict: Verdict,
) -> None:
    decision = weigh(contract, known, contracts, online=True, now=NOW, rules=rules)

    assert decision.verdict is verdict


@pytest.mark.spec("2.0.1", "C07.FR.07")
@pytest.mark.spec("2.0.1", "C07.FR.09")
@pytest.mark.parametrize(
    ("contract", "known", "contracts", "rules", "verdict"),
    [
        (VALID, LISTED, ON, USUAL, ACCEPT),
        (UNNAMED, LISTED, ON, USUAL, ACCEPT),
        (VALID, LISTED, STRICT, USUAL, REFUSE),
        (VALID, LISTED, OFF, USUAL, REFUSE),
        (VALID, BLOCKED, ON, USUAL, REFUSE),
        (VALID, None, ON, USUAL, REFUSE),
        (VALID, None, ON, Rules(offline_unknown=True), ACCEPT),
        (ROOTLESS, LISTED, ON, USUAL, REFUSE),
        (INVALID, LISTED, ON, USUAL, REFUSE),
    ],
)
def test_offline_a_good_contract_is_worth_what_its_id_is(
    contract: Contract,
    known: Known | None,
    contracts: ContractRules,
    rules: Rules,
    verdict: Verdict,
) -> None:
    decision = weigh(contract, known, contracts, online=False, now=NOW, rules=rules)

    assert decision.verdict is verdict


def test_the_certificate_itself_never_gets_into_a_log() -> None:
    assert "PEM" not in repr(VALID)
