"""Block A: the certificate of the station asked for, taken, asked for again; the events of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from fake_clock import START
from pki import pem, root

from chargepoint.core.certificates import Use
from chargepoint.core.facts import CertificateRequested, SecurityEvent
from chargepoint.core.variables import (
    CERT_SIGNING_REPEAT_TIMES,
    CERT_SIGNING_WAIT_MINIMUM,
    SECC_ID,
    SECURITY_PROFILE,
)
from chargepoint.errors import CsmsRejected
from chargepoint.store import x509 as reading

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}
CA = root("Station CA")


@pytest.fixture(autouse=True)
def _station(talk: Any) -> None:
    certificates = talk.bench.station.security.certificates
    certificates.serial_number = "0001"
    talk.reconnects = []
    certificates.reconnect = lambda: talk.reconnects.append(1)
    talk.bench.station.model.provide(SECURITY_PROFILE, lambda: 3)
    talk.bench.set("CpoName", "Example CPO")
    talk.csms.standing["SignCertificate"] = ACCEPTED
    talk.bench.store._db.execute("DELETE FROM journal")


async def trigger(talk: Any, message: str = "SignChargingStationCertificate") -> Any:
    return await talk.ask("TriggerMessage", {"requestedMessage": message})


async def csr(talk: Any) -> str:
    """The request that the CSMS gets after a trigger."""
    assert await trigger(talk) == ACCEPTED
    await talk.tell()
    return str(talk.csms.said("SignCertificate")[-1]["csr"])


async def signed(talk: Any, chain: str, **more: str) -> Any:
    return await talk.ask("CertificateSigned", {"certificateChain": chain, **more})


def events(talk: Any) -> list[str]:
    return [fact.type for fact in talk.bench.facts(SecurityEvent)]


@pytest.mark.spec("2.0.1", "TC_A_11_CS")
@pytest.mark.spec("2.0.1", "A02.FR.02")
async def test_a_renewed_certificate_is_shown_at_once(talk: Any) -> None:
    request = await csr(talk)
    answer = await signed(talk, CA.answer(request), certificateType="ChargingStationCertificate")

    subject = x509.load_pem_x509_csr(request.encode()).subject
    assert subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value == "0001"
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Example CPO"
    assert answer == ACCEPTED
    assert talk.reconnects == [1]
    keys = talk.bench.store.keys
    assert keys.fresh(Use.STATION).exists()
    assert not keys.pending(Use.STATION)


@pytest.mark.spec("2.0.1", "A02.FR.03")
async def test_every_trigger_makes_another_key(talk: Any) -> None:
    first, second = await csr(talk), await csr(talk)

    keys = [x509.load_pem_x509_csr(text.encode()).public_key() for text in (first, second)]
    assert keys[0] != keys[1]


async def test_of_two_requests_that_wait_the_csms_gets_the_newer(talk: Any) -> None:
    await trigger(talk)
    await trigger(talk)

    (sent,) = await talk.tell()
    answer = await signed(talk, CA.answer(sent.payload["csr"]))

    assert answer == ACCEPTED


async def test_an_answer_about_a_replaced_key_changes_nothing(talk: Any) -> None:
    await trigger(talk)
    entry = talk.bench.store.next_entry()
    await trigger(talk)
    certificates = talk.bench.station.security.certificates

    certificates.answered(entry.fact, accepted=False)

    assert certificates._awaited[Use.STATION].last.csr != entry.fact.csr


async def test_a_certificate_that_comes_after_a_restart_is_taken(talk: Any) -> None:
    request = await csr(talk)
    talk.bench.station.security.certificates._awaited.clear()

    assert await signed(talk, CA.answer(request)) == ACCEPTED


async def test_a_chain_with_the_authority_between_is_taken(talk: Any) -> None:
    between = CA.under("Sub CA")

    answer = await signed(talk, between.answer(await csr(talk)) + between.pem)

    assert answer == ACCEPTED


@pytest.mark.spec("2.0.1", "TC_A_14_CS")
@pytest.mark.parametrize("case", ["expired", "not yet", "key", "chain", "root", "name", "text"])
async def test_a_certificate_that_cannot_be_used_is_rejected(talk: Any, case: str) -> None:
    request = await csr(talk)
    stranger = ec.generate_private_key(ec.SECP256R1())
    impostor = root("Station CA")
    await talk.ask(
        "InstallCertificate",
        {"certificateType": "CSMSRootCertificate", "certificate": CA.pem},
    )
    chain = {
        "expired": lambda: CA.answer(request, start=START - timedelta(days=9), life=timedelta(8)),
        "not yet": lambda: CA.answer(request, start=START + timedelta(days=1)),
        "key": lambda: pem(CA.issue("0001", stranger.public_key())),
        "chain": lambda: CA.answer(request) + root("Nobody").pem,
        "root": lambda: impostor.answer(request),
        "name": lambda: pem(
            CA.issue("0002", x509.load_pem_x509_csr(request.encode()).public_key())
        ),
        "text": lambda: "certificate",
    }[case]()

    answer = await signed(talk, chain)

    assert answer["status"] == "Rejected"
    assert events(talk)[-1] == "InvalidChargingStationCertificate"
    assert talk.reconnects == []
    assert not talk.bench.store.keys.fresh(Use.STATION).exists()


async def test_a_certificate_that_nobody_asked_for_is_rejected(talk: Any) -> None:
    other = ec.generate_private_key(ec.SECP256R1())

    answer = await signed(talk, pem(CA.issue("0001", other.public_key())))

    assert answer["status"] == "Rejected"


@pytest.mark.spec("2.0.1", "TC_A_15_CS")
async def test_a_refused_request_is_not_repeated(talk: Any) -> None:
    talk.csms.answers("SignCertificate", REJECTED)
    await csr(talk)

    async with running(talk):
        await talk.bench.clock.advance(3600)

    assert await talk.tell() == []


@asynccontextmanager
async def running(talk: Any) -> AsyncIterator[None]:
    """The certificates live while the context is open."""
    async with asyncio.TaskGroup() as tasks:
        part = tasks.create_task(talk.bench.station.security.certificates.run())
        await talk.bench.clock.settle()
        yield
        part.cancel()


@pytest.mark.spec("2.0.1", "TC_A_23_CS")
@pytest.mark.spec("2.0.1", "A02.FR.17")
@pytest.mark.spec("2.0.1", "A02.FR.18")
@pytest.mark.spec("2.0.1", "A02.FR.19")
async def test_a_certificate_that_does_not_come_is_asked_for_again(talk: Any) -> None:
    model = talk.bench.station.model
    model.assign(CERT_SIGNING_WAIT_MINIMUM, timedelta(seconds=10))
    model.assign(CERT_SIGNING_REPEAT_TIMES, 2)
    sent = []
    async with running(talk):
        await csr(talk)
        for _ in range(30):
            await talk.bench.clock.advance(5)
            sent += [(talk.bench.clock.elapsed - 1000, s.payload["csr"]) for s in await talk.tell()]
    answer = await signed(talk, CA.answer(sent[0][1]))

    assert [at for at, _ in sent] == [10, 30]
    assert len({text for _, text in sent} | {talk.csms.said("SignCertificate")[0]["csr"]}) == 1
    assert answer == ACCEPTED


@pytest.mark.spec("2.0.1", "A02.FR.02")
@pytest.mark.parametrize(("days", "asked"), [(29, 1), (40, 0)])
async def test_a_month_before_it_expires_a_certificate_is_asked_for(
    talk: Any, days: int, asked: int
) -> None:
    talk.bench.station.model.provide(SECURITY_PROFILE, lambda: 2)
    begun = START - timedelta(days=300)
    life = timedelta(days=300 + days)
    await signed(talk, CA.answer(await csr(talk), start=begun, life=life))
    certificates = talk.bench.station.security.certificates
    before = len(talk.csms.said("SignCertificate"))

    await certificates._renew()
    await talk.tell()

    assert len(talk.csms.said("SignCertificate")) - before == asked


async def test_without_a_serial_number_there_is_no_request(talk: Any) -> None:
    talk.bench.station.security.certificates.serial_number = ""

    assert (await trigger(talk))["status"] == "Rejected"


@pytest.mark.spec("2.0.1", "TC_M_23_CS")
async def test_the_own_certificate_cannot_be_deleted(talk: Any) -> None:
    talk.bench.station.model.provide(SECURITY_PROFILE, lambda: 2)
    chain = CA.answer(await csr(talk))
    await signed(talk, chain)
    name = reading.identify(reading.read(chain)[0], None)

    answer = await talk.ask(
        "DeleteCertificate",
        {
            "certificateHashData": {
                "hashAlgorithm": "SHA256",
                "issuerNameHash": name.issuer_name_hash,
                "issuerKeyHash": name.issuer_key_hash,
                "serialNumber": name.serial_number,
            }
        },
    )

    assert answer["status"] in {"Failed", "NotFound"}
    assert talk.bench.store.keys.own(Use.STATION).exists()


@pytest.mark.spec("2.0.1", "TC_A_12_CS")
@pytest.mark.spec("2.0.1", "TC_M_15_CS")
async def test_a_certificate_for_vehicles_has_the_name_of_the_secc(talk: Any) -> None:
    talk.bench.station.model.assign(SECC_ID, "DEABCE1")
    await trigger(talk, "SignV2GCertificate")
    await talk.tell()
    asked = talk.csms.said("SignCertificate")[-1]
    between = CA.under("Sub CA")

    answer = await signed(
        talk, between.answer(asked["csr"]) + between.pem, certificateType="V2GCertificate"
    )
    listed = await talk.ask(
        "GetInstalledCertificateIds", {"certificateType": ["V2GCertificateChain"]}
    )

    assert asked["certificateType"] == "V2GCertificate"
    assert answer == ACCEPTED
    (chain,) = listed["certificateHashDataChain"]
    assert len(chain["childCertificateHashData"]) == 1
    assert talk.reconnects == []


async def test_without_a_secc_id_no_certificate_for_vehicles_is_asked_for(talk: Any) -> None:
    assert (await trigger(talk, "SignV2GCertificate"))["status"] == "Rejected"


async def test_a_refusal_of_the_message_keeps_the_key(talk: Any) -> None:
    talk.csms.answers("SignCertificate", CsmsRejected("InternalError"))

    await trigger(talk)

    await talk.tell()
    assert len(talk.bench.facts(CertificateRequested)) == 1
    assert talk.bench.store.keys.pending(Use.STATION)


@pytest.mark.spec("2.0.1", "M06.FR.06")
@pytest.mark.spec("2.0.1", "TC_M_24_CS")
async def test_the_status_of_what_vehicles_are_shown_is_asked_every_week(talk: Any) -> None:
    talk.bench.station.model.assign(SECC_ID, "DEABCE1")
    days = []
    async with running(talk):
        await trigger(talk, "SignV2GCertificate")
        await talk.tell()
        between = CA.under("Sub CA", ocsp="http://ocsp.example/sub")
        asked = talk.csms.said("SignCertificate")[-1]["csr"]
        leaf = between.answer(asked, ocsp="http://ocsp.example/leaf")
        await signed(talk, leaf + between.pem, certificateType="V2GCertificate")
        for day in range(15):
            told = [s.payload for s in await talk.tell() if s.action == "GetCertificateStatus"]
            days += [(day, payload["ocspRequestData"]["responderURL"]) for payload in told]
            await talk.bench.clock.advance(86400)

    assert days == [
        (day, f"http://ocsp.example/{which}") for day in (0, 7, 14) for which in ("leaf", "sub")
    ]
