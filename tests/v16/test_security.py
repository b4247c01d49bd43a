"""Security events, the certificate of the charge point, further triggers (security whitepaper)."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID
from fake_clock import START
from pki import root

from chargepoint.core.certificates import Use
from chargepoint.core.facts import CertificateRequested
from chargepoint.core.security import Event
from chargepoint.core.variables import SECURITY_PROFILE

CA = root("Station CA")
ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


@pytest.fixture(autouse=True)
async def reconnects(bench: Any) -> list[int]:
    """A charge point on profile 3 that can ask for a certificate; how often it reconnected."""
    made: list[int] = []
    certificates = bench.station.security.certificates
    certificates.serial_number = "0001"
    certificates.reconnect = lambda: made.append(1)
    bench.station.model.provide(SECURITY_PROFILE, lambda: 3)
    bench.set("CpoName", "Example CPO")
    bench.csms.standing |= {"SignCertificate": ACCEPTED, "SecurityEventNotification": {}}
    await bench.tell()
    return made


async def trigger(bench: Any, message: str = "SignChargePointCertificate") -> Any:
    return await bench.ask("ExtendedTriggerMessage", requestedMessage=message)


async def csr(bench: Any) -> str:
    """The request that the CSMS gets after a trigger."""
    assert await trigger(bench) == ACCEPTED
    await bench.tell()
    return str(bench.csms.said("SignCertificate")[-1]["csr"])


@pytest.mark.parametrize(
    ("event", "word"),
    [
        (Event.STARTUP, "StartupOfTheDevice"),
        pytest.param(
            Event.INVALID_CSMS_CERTIFICATE,
            "InvalidCentralSystemCertificate",
            marks=pytest.mark.spec("1.6", "TC_078"),
        ),
        (Event.INVALID_CERTIFICATE, "InvalidChargePointCertificate"),
        (Event.FAILED_TO_AUTHENTICATE, "FailedToAuthenticateAtCentralSystem"),
        (Event.CSMS_FAILED_TO_AUTHENTICATE, "CentralSystemFailedToAuthenticate"),
    ],
)
async def test_a_security_event_is_told_in_the_words_of_1_6(
    bench: Any, event: Event, word: str
) -> None:
    bench.station.security.event(event, "why")

    (sent,) = await bench.tell()

    assert sent.action == "SecurityEventNotification"
    assert (sent.payload["type"], sent.payload["techInfo"]) == (word, "why")


@pytest.mark.spec("1.6", "TC_074")
async def test_a_renewed_certificate_is_shown_at_once(bench: Any, reconnects: list[int]) -> None:
    request = await csr(bench)

    answer = await bench.ask("CertificateSigned", certificateChain=CA.answer(request))

    subject = x509.load_pem_x509_csr(request.encode()).subject
    assert subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)[0].value == "Example CPO"
    assert (answer, reconnects) == (ACCEPTED, [1])
    assert bench.station.store.keys.fresh(Use.STATION).exists()


@pytest.mark.spec("1.6", "TC_077")
async def test_a_certificate_that_cannot_be_used_is_rejected_and_told(
    bench: Any, reconnects: list[int]
) -> None:
    expired = CA.answer(await csr(bench), start=START - timedelta(days=9), life=timedelta(8))

    answer = await bench.ask("CertificateSigned", certificateChain=expired)
    (sent,) = await bench.tell()

    assert (answer, reconnects) == (REJECTED, [])
    assert sent.payload["type"] == "InvalidChargePointCertificate"


async def test_a_refused_request_is_forgotten(bench: Any) -> None:
    bench.csms.standing["SignCertificate"] = REJECTED

    await csr(bench)

    assert bench.station.security.certificates._awaited == {}


async def test_a_certificate_for_vehicles_is_not_asked_for_in_1_6(bench: Any) -> None:
    bench.station.store.record(CertificateRequested(Use.V2G_CHAIN, START, "csr"))

    assert await bench.tell() == []


async def test_without_a_serial_number_there_is_no_request(bench: Any) -> None:
    bench.station.security.certificates.serial_number = ""

    assert await trigger(bench) == REJECTED


@pytest.mark.parametrize(
    ("message", "status"),
    [
        ("Heartbeat", "Accepted"),
        ("StatusNotification", "Accepted"),
        ("MeterValues", "Accepted"),
        ("BootNotification", "Rejected"),
        ("FirmwareStatusNotification", "Accepted"),
        ("LogStatusNotification", "Accepted"),
    ],
)
async def test_the_other_messages_are_triggered_as_ever(
    bench: Any, message: str, status: str
) -> None:
    assert await trigger(bench, message) == {"status": status}


async def test_a_boot_is_triggered_before_the_station_is_accepted(bench: Any) -> None:
    await bench.pending()

    assert await trigger(bench, "BootNotification") == ACCEPTED
    assert bench.csms.actions[0] == "BootNotification"


@pytest.mark.spec("1.6", "TC_073")
@pytest.mark.spec("1.6", "AuthorizationKey")
async def test_a_password_can_be_set_and_never_be_read(bench: Any) -> None:
    key = "0123456789abcdef0123456789abcdef"

    answer = await bench.ask("ChangeConfiguration", key="AuthorizationKey", value=key)
    read = await bench.ask("GetConfiguration", key=["AuthorizationKey"])

    assert answer == ACCEPTED
    assert key not in str(read)
    assert all(key not in str(fact) for fact in await bench.tell())


async def test_a_short_password_is_rejected(bench: Any) -> None:
    answer = await bench.ask("ChangeConfiguration", key="AuthorizationKey", value="short")

    assert answer == REJECTED


@pytest.mark.spec("1.6", "CpoName")
async def test_the_organization_of_the_request_is_that_of_the_setting(bench: Any) -> None:
    bench.set("CpoName", "Another CPO")

    assert "Another CPO" in str(x509.load_pem_x509_csr((await csr(bench)).encode()).subject)


@pytest.mark.spec("1.6", "CertificateSignedMaxChainSize")
@pytest.mark.spec("1.6", "CertificateStoreMaxLength")
@pytest.mark.spec("1.6", "AdditionalRootCertificateCheck")
async def test_the_limits_are_announced(bench: Any) -> None:
    keys = {
        "CertificateSignedMaxChainSize": "10000",
        "CertificateStoreMaxLength": "50",
        "AdditionalRootCertificateCheck": "false",
    }

    answer = await bench.ask("GetConfiguration", key=list(keys))

    told = {row["key"]: row["value"] for row in answer["configurationKey"]}
    assert told == keys
    assert all(row["readonly"] for row in answer["configurationKey"])
