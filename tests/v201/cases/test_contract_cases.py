"""C07: a vehicle shows its contract; who is asked about it and what comes of it.

What happens between vehicle and station is not here: the station is told what was shown.
"""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any

import pytest
from case_rig import Case
from cryptography.hazmat.primitives.asymmetric import ec
from fake_clock import START
from pki import YEAR, Authority, pem, root
from token_cases import ACCEPTED, INVALID, Office, asked, events

Open = Callable[..., AbstractAsyncContextManager[Case]]

EMAID = "DE8ACC12E46L89"
OCSP = "http://ocsp.example/"
PNC = {"ISO15118Ctrlr.PnCEnabled": "true"}


class Operator:
    """A mobility operator that hands out contracts."""

    def __init__(self, life: timedelta = 10 * YEAR) -> None:
        self.root = root("MO Root", life=life)
        self.sub = self.root.under("MO Sub 2", ocsp=OCSP)

    def contract(self, *, by: Authority | None = None, ocsp: str = OCSP, **more: Any) -> str:
        key = ec.generate_private_key(ec.SECP256R1()).public_key()
        leaf = (by or self.sub).issue(EMAID, key, ocsp=ocsp, **more)
        return pem(leaf) + self.sub.pem

    def forged(self) -> str:
        """A contract that the owner of another one signed with its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        own = self.sub.issue("DE8ACC00000000", key.public_key(), ocsp=OCSP)
        other = ec.generate_private_key(ec.SECP256R1()).public_key()
        leaf = Authority(own, key).issue(EMAID, other, ocsp=OCSP)
        return pem(leaf) + pem(own) + self.sub.pem

    async def known_to(self, run: Case) -> None:
        answer = await run.ask(
            "InstallCertificate", certificateType="MORootCertificate", certificate=self.root.pem
        )
        assert answer == {"status": "Accepted"}


async def _show(run: Case, chain: str) -> list[Any]:
    """The vehicle is plugged and shows its contract; what the station sent then."""
    await run.plug()
    run.take()
    await run.clock.done(run.station.present_contract(1, chain))
    await run.advance(60)
    return run.take()


def _authorize(sent: list[Any]) -> list[dict[str, Any]]:
    return [one.payload for one in sent if one.action == "Authorize"]


@pytest.mark.spec("2.0.1", "C07.FR.01")
@pytest.mark.spec("2.0.1", "C07.FR.02")
@pytest.mark.parametrize("cached", [False, True])
async def test_a_contract_that_the_station_vouches_for_is_asked_about_by_name(
    open_case: Open, *, cached: bool
) -> None:
    operator = Operator()
    async with open_case(settings=PNC | {"AuthCtrlr.LocalPreAuthorize": "true"}) as run:
        office = Office(run)
        await operator.known_to(run)
        if cached:
            await office.put_on_list("eMAID", **{EMAID: ACCEPTED})

        sent = await _show(run, operator.contract())

        (question,) = _authorize(sent)
        assert question["idToken"] == {"idToken": EMAID, "type": "eMAID"}
        assert "certificate" not in question
        hashes = question["iso15118CertificateHashData"]
        assert [one["responderURL"] for one in hashes] == [OCSP, OCSP]
        assert hashes[0]["issuerKeyHash"] != hashes[1]["issuerKeyHash"]
        assert events(sent)[0]["idToken"] == question["idToken"]
        assert run.outlets[1].closed


@pytest.mark.parametrize(
    "answer",
    [
        {"idTokenInfo": INVALID},
        {"idTokenInfo": ACCEPTED, "certificateStatus": "CertificateRevoked"},
        {"idTokenInfo": INVALID, "certificateStatus": "ContractCancelled"},
    ],
)
async def test_a_contract_that_the_csms_refuses_gets_no_energy(
    open_case: Open, answer: dict[str, Any]
) -> None:
    operator = Operator()
    async with open_case(settings=PNC) as run:
        await operator.known_to(run)
        run.answers("Authorize", answer)

        sent = await _show(run, operator.contract())

        assert asked(sent) == [EMAID]
        assert events(sent) == []
        assert not run.outlets[1].closed


@pytest.mark.spec("2.0.1", "C07.FR.06")
@pytest.mark.parametrize("allowed", [True, False])
@pytest.mark.parametrize("what", ["unknown root", "no OCSP"])
async def test_what_the_station_cannot_vouch_for_goes_to_the_csms_whole(
    open_case: Open, what: str, *, allowed: bool
) -> None:
    operator = Operator()
    central = {"ISO15118Ctrlr.CentralContractValidationAllowed": str(allowed).lower()}
    async with open_case(settings=PNC | central) as run:
        if what == "no OCSP":
            await operator.known_to(run)
        chain = operator.contract(ocsp="" if what == "no OCSP" else OCSP)

        sent = await _show(run, chain)

        assert run.outlets[1].closed is allowed
        assert bool(events(sent)) is allowed
        if allowed:
            (question,) = _authorize(sent)
            assert question["certificate"] == chain
            assert "iso15118CertificateHashData" not in question
        else:
            assert _authorize(sent) == []


@pytest.mark.parametrize(
    "what", ["expired", "not yet valid", "signed by somebody else", "signed by another contract"]
)
async def test_a_contract_that_is_no_good_is_not_even_asked_about(
    open_case: Open, what: str
) -> None:
    operator = Operator()
    life = {"start": START - timedelta(days=9), "life": timedelta(days=1)}
    bad: dict[str, Any] = {
        "expired": life,
        "not yet valid": {"start": START + timedelta(days=1)},
        "signed by somebody else": {"by": root("MO Sub 2")},
    }
    async with open_case(settings=PNC) as run:
        await operator.known_to(run)
        chain = operator.forged() if what not in bad else operator.contract(**bad[what])

        sent = await _show(run, chain)

        assert _authorize(sent) == []
        assert not run.outlets[1].closed


async def test_a_root_that_has_expired_vouches_for_nobody(open_case: Open) -> None:
    operator = Operator(life=timedelta(days=1, seconds=30))
    strict = {"ISO15118Ctrlr.CentralContractValidationAllowed": "false"}
    async with open_case(settings=PNC | strict) as run:
        await operator.known_to(run)
        await run.advance(31)

        sent = await _show(run, operator.contract())

        assert _authorize(sent) == []
        assert not run.outlets[1].closed


@pytest.mark.spec("2.0.1", "C07.FR.07")
@pytest.mark.spec("2.0.1", "C07.FR.08")
@pytest.mark.spec("2.0.1", "C07.FR.09")
@pytest.mark.parametrize(
    ("offline", "rooted", "listed", "begins"),
    [
        (True, True, ACCEPTED, True),
        (False, True, ACCEPTED, False),
        (True, False, ACCEPTED, False),
        (True, True, INVALID, False),
        (True, True, None, False),
    ],
    ids=["listed", "not allowed", "unknown root", "listed as bad", "unknown id"],
)
async def test_offline_a_contract_is_worth_what_its_id_is(
    open_case: Open, listed: dict[str, Any] | None, *, offline: bool, rooted: bool, begins: bool
) -> None:
    operator = Operator()
    setting = {"ISO15118Ctrlr.ContractValidationOffline": str(offline).lower()}
    async with open_case(settings=PNC | setting) as run:
        office = Office(run)
        if rooted:
            await operator.known_to(run)
        if listed is not None:
            await office.put_on_list("eMAID", **{EMAID: listed})
        await run.cut()

        sent = await _show(run, operator.contract())
        assert sent == []
        assert run.outlets[1].closed is begins
        await run.back()
        told = events(run.take())

        assert [event.get("offline") for event in told] == [True] * len(told)
        assert bool(told) is begins


async def test_contracts_count_only_where_they_are_switched_on(open_case: Open) -> None:
    operator = Operator()
    async with open_case() as run:
        await operator.known_to(run)

        sent = await _show(run, operator.contract())

        assert _authorize(sent) == []
        assert not run.outlets[1].closed


async def test_a_contract_that_is_shown_again_ends_nothing(open_case: Open) -> None:
    operator = Operator()
    async with open_case(settings=PNC) as run:
        await operator.known_to(run)
        chain = operator.contract()
        await _show(run, chain)
        assert run.outlets[1].closed

        await run.clock.done(run.station.present_contract(1, chain))

        assert run.outlets[1].closed
