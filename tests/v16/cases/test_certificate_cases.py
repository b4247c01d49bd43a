"""Test cases of OCPP 1.6: certificates installed, deleted, renewed (TC_074 to TC_078)."""

import ssl
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case
from cryptography.hazmat.primitives.asymmetric import ec
from pki import key_pem, pem, root
from site_rig import LIVING, Site, site_of, until
from tls_rig import line, shows
from words_16 import ACCEPTED, REJECTED, Open

PASSWORD = "a good password"
AUTHORITY = root("CSMS CA", **LIVING)
CSMS_ROOT, MAKER_ROOT = "CentralSystemRootCertificate", "ManufacturerRootCertificate"
YEAR = timedelta(days=365)


async def listed(run: Case, use: str) -> list[dict[str, str]]:
    """The certificates of a kind that are installed."""
    answer = await run.ask("GetInstalledCertificateIds", certificateType=use)
    assert answer["status"] == ("Accepted" if "certificateHashData" in answer else "NotFound")
    return list(answer.get("certificateHashData", []))


async def install(run: Case, use: str, text: str) -> dict[str, Any]:
    return await run.ask("InstallCertificate", certificateType=use, certificate=text)


@pytest.mark.parametrize(
    "use",
    [
        pytest.param(MAKER_ROOT, marks=pytest.mark.spec("1.6", "TC_075_1_CS")),
        pytest.param(CSMS_ROOT, marks=pytest.mark.spec("1.6", "TC_075_2_CS")),
    ],
)
async def test_a_root_is_installed_and_listed(open_case: Open, use: str) -> None:
    async with open_case() as run:
        authority = root()
        before = await listed(run, use)
        answer = await install(run, use, authority.pem)
        (found,) = await listed(run, use)

        assert (before, answer) == ([], ACCEPTED)
        assert found["serialNumber"] == format(authority.certificate.serial_number, "x")
        assert found["hashAlgorithm"] == "SHA256"
        await run.restart()
        assert await listed(run, use) == [found]


@pytest.mark.spec("1.6", "TC_076_CS")
async def test_a_certificate_is_deleted(open_case: Open) -> None:
    async with open_case() as run:
        await install(run, MAKER_ROOT, root("One").pem)
        await install(run, MAKER_ROOT, root("Other").pem)
        first, second = await listed(run, MAKER_ROOT)

        answer = await run.ask("DeleteCertificate", certificateHashData=first)
        again = await run.ask("DeleteCertificate", certificateHashData=first)

        assert (answer, again) == (ACCEPTED, {"status": "NotFound"})
        assert await listed(run, MAKER_ROOT) == [second]


OpenSite = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """The lines of the installer's file for security profile 3."""
    key = ec.generate_private_key(ec.SECP256R1())
    own = AUTHORITY.issue("0001", key.public_key(), **LIVING)
    texts = {"ca": AUTHORITY.pem, "cert": pem(own), "key": key_pem(key)}
    for stem, text in texts.items():
        path = tmp_path / f"{stem}.pem"
        path.write_text(text)
        path.chmod(0o600)
    return [f"{stem}_file: {tmp_path}/{stem}.pem" for stem in texts]


@pytest.fixture
def open_mutual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str]) -> OpenSite:
    """A charge point and its CSMS that know each other by certificates."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=AUTHORITY.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    shows(tls, tmp_path, AUTHORITY)
    more = "".join(f", {line}" for line in ("security_profile: 3", *files))
    return lambda: site_of(tmp_path, monkeypatch, version="1.6", more=more, tls=tls)


async def request(site: Site) -> str:
    """The request for a certificate that the CSMS asked for."""
    await site.call("ChangeConfiguration", key="CpoName", value="Example CPO")
    asked = {"requestedMessage": "SignChargePointCertificate"}
    assert await site.call("ExtendedTriggerMessage", **asked) == ACCEPTED
    return str((await site.csms.wait_for("SignCertificate"))["csr"])


@pytest.mark.spec("1.6", "TC_074_CS")
@pytest.mark.spec("1.6", "CpoName")
async def test_a_new_client_certificate_is_asked_for_taken_and_used(open_mutual: OpenSite) -> None:
    async with open_mutual() as site:
        before = line(site).transport.get_extra_info("peercert")
        signed = AUTHORITY.answer(await request(site), **LIVING)
        answer = await site.call("CertificateSigned", certificateChain=signed)
        await site.back()
        after = line(site).transport.get_extra_info("peercert")

        assert answer == ACCEPTED
        assert before["serialNumber"] != after["serialNumber"]
        assert ("commonName", "0001") in [pair for (pair,) in after["subject"]]


@pytest.mark.spec("1.6", "TC_077_CS")
@pytest.mark.parametrize("why", ["expired", "of another key", "no certificate"])
async def test_a_signed_certificate_that_cannot_be(open_mutual: OpenSite, why: str) -> None:
    async with open_mutual() as site:
        csr = await request(site)
        before, other = line(site), ec.generate_private_key(ec.SECP256R1())
        bad = {
            "expired": lambda: AUTHORITY.answer(csr, start=datetime.now(UTC) - 2 * YEAR, life=YEAR),
            "of another key": lambda: pem(AUTHORITY.issue("0001", other.public_key(), **LIVING)),
            "no certificate": lambda: "-----BEGIN CERTIFICATE-----\nAAAA\n",
        }[why]()
        answer = await site.call("CertificateSigned", certificateChain=bad)
        event = await site.csms.wait_for(
            "SecurityEventNotification", lambda told: told["type"].startswith("Invalid")
        )

        assert answer == REJECTED
        assert event["type"] == "InvalidChargePointCertificate"
        assert line(site) is before


@pytest.mark.spec("1.6", "TC_078_CS")
@pytest.mark.parametrize("why", ["expired", "of a stranger", "of another name"])
async def test_a_server_certificate_that_cannot_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    match why:
        case "expired":
            shows(tls, tmp_path, AUTHORITY, start=datetime.now(UTC) - YEAR)
        case "of a stranger":
            shows(tls, tmp_path, root("CSMS CA", **LIVING))
        case _:
            shows(tls, tmp_path, AUTHORITY, host="127.0.0.9")
    (tmp_path / "ca.pem").write_text(AUTHORITY.pem)
    more = f', security_profile: 2, password: "{PASSWORD}", ca_file: {tmp_path}/ca.pem'
    options: dict[str, Any] = {"tls": tls, "password": PASSWORD.encode(), "online": False}

    async with site_of(tmp_path, monkeypatch, version="1.6", more=more, **options) as site:
        await until(lambda: site.life.link.outage is not None)
        silent = site.csms.frames == []
        shows(tls, tmp_path, AUTHORITY)
        event = await site.csms.wait_for(
            "SecurityEventNotification", lambda told: told["type"].startswith("Invalid")
        )

    assert silent
    assert event["type"] == "InvalidCentralSystemCertificate"
