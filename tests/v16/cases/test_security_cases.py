"""How the charge point connects: by password, by the server's certificate, by its own."""

import base64
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import key_pem, pem, root
from site_rig import LIVING, STATION, Site, site_of, until
from tls_rig import line, shows

from chargepoint.bench.csms import SmallCsms

PASSWORD = "a good password"
AUTHORITY = root("CSMS CA", **LIVING)
VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}

Open = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def open_site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """A charge point and its CSMS; ``more`` are lines of the installer's file about the CSMS."""

    def opened(*more: str, **options: Any) -> AbstractAsyncContextManager[Site]:
        lines = "".join(f", {line}" for line in more)
        return site_of(tmp_path, monkeypatch, version="1.6", more=lines, **options)

    return opened


@pytest.fixture
def tls(tmp_path: Path) -> ssl.SSLContext:
    """A server with a good certificate; its root is in ca.pem, where the installer finds it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows(context, tmp_path, AUTHORITY)
    (tmp_path / "ca.pem").write_text(AUTHORITY.pem)
    return context


def with_password(folder: Path) -> tuple[str, ...]:
    """The lines for security profile 2."""
    return ("security_profile: 2", f'password: "{PASSWORD}"', f"ca_file: {folder}/ca.pem")


async def registered(csms: SmallCsms) -> None:
    """The station has booted and told the status of itself and of its connector."""
    await until(lambda: len(csms.messages("StatusNotification")) >= 2)
    told = csms.messages("StatusNotification")
    assert len(csms.messages("BootNotification")) == 1
    assert [(one["connectorId"], one["status"]) for one in told] == [
        (0, "Available"),
        (1, "Available"),
    ]


@pytest.mark.spec("1.6", "TC_085_CS")
async def test_a_charge_point_shows_its_identity_and_its_key(open_site: Open) -> None:
    profile = ("security_profile: 1", f'password: "{PASSWORD}"')
    async with open_site(*profile, password=PASSWORD.encode()) as site:
        await registered(site.csms)

        request = line(site).request
        assert request is not None
        scheme, _, shown = request.headers["Authorization"].partition(" ")
        assert scheme == "Basic"
        assert base64.b64decode(shown) == f"{STATION}:{PASSWORD}".encode()
        assert line(site).transport.get_extra_info("ssl_object") is None


@pytest.mark.spec("1.6", "TC_085_CS")
async def test_nothing_is_said_where_the_key_is_not_taken(open_site: Open) -> None:
    profile = ("security_profile: 1", f'password: "{PASSWORD}"')
    async with open_site(*profile, password=b"another password", online=False) as site:
        await until(lambda: site.life.link.failures > 0)

        assert site.csms.frames == []
        site.csms.passwords[STATION] = PASSWORD.encode()
        await registered(site.csms)
        event = await site.csms.wait_for("SecurityEventNotification", _is("FailedToAuth"))
    assert event["type"] == "FailedToAuthenticateAtCentralSystem"


@pytest.mark.spec("1.6", "TC_086_CS")
@pytest.mark.parametrize("version", ["TLSv1.2", "TLSv1.3"])
async def test_a_charge_point_trusts_a_good_certificate_of_the_server(
    open_site: Open, tmp_path: Path, tls: ssl.SSLContext, version: str
) -> None:
    tls.minimum_version = tls.maximum_version = VERSIONS[version]
    lines = with_password(tmp_path)
    async with open_site(*lines, tls=tls, password=PASSWORD.encode()) as site:
        await registered(site.csms)

        tunnel = line(site).transport.get_extra_info("ssl_object")
        assert tunnel.version() == version
        assert "GCM" in tunnel.cipher()[0]
        assert tunnel.compression() is None


@pytest.mark.spec("1.6", "TC_087_CS")
async def test_a_charge_point_shows_its_own_certificate(
    open_site: Open, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    own = root("CPO CA", **LIVING)
    key = ec.generate_private_key(ec.SECP256R1())
    _keep(tmp_path / "cert.pem", pem(own.issue("0001", key.public_key(), **LIVING)))
    _keep(tmp_path / "key.pem", key_pem(key))
    tls.load_verify_locations(cadata=own.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    files = [f"{stem}_file: {tmp_path}/{stem}.pem" for stem in ("ca", "cert", "key")]

    async with open_site("security_profile: 3", *files, tls=tls) as site:
        await registered(site.csms)

        subject = dict(
            pair for (pair,) in line(site).transport.get_extra_info("peercert")["subject"]
        )
        assert subject["commonName"] == "0001"
        assert line(site).request is not None
        assert "Authorization" not in line(site).request.headers


@pytest.mark.spec("1.6", "TC_083_CS")
@pytest.mark.spec("1.6", "SecurityProfile")
async def test_a_higher_security_profile_is_accepted_and_used(
    open_site: Open, tls: ssl.SSLContext
) -> None:
    profile = ("security_profile: 1", f'password: "{PASSWORD}"')
    async with open_site(*profile, password=PASSWORD.encode()) as site:
        installed = await site.call(
            "InstallCertificate",
            certificateType="CentralSystemRootCertificate",
            certificate=AUTHORITY.pem,
        )
        answer = await site.call("ChangeConfiguration", key="SecurityProfile", value="2")
        async with _moved(site.csms, tls) as csms:
            await csms.wait_connected(STATION)
            await until(lambda: site.life.session.online)
            told = await csms.call(STATION, "GetConfiguration", {"key": ["SecurityProfile"]})

            assert (installed, answer) == ({"status": "Accepted"}, {"status": "Accepted"})
            assert told["configurationKey"][0]["value"] == "2"
            assert csms.violations == []


@pytest.mark.spec("1.6", "TC_084_CS")
@pytest.mark.spec("1.6", "SecurityProfile")
async def test_a_lower_security_profile_is_rejected_and_the_higher_one_stays(
    open_site: Open, tmp_path: Path, tls: ssl.SSLContext
) -> None:
    lines = with_password(tmp_path)
    async with open_site(*lines, tls=tls, password=PASSWORD.encode()) as site:
        answers = [
            await site.call("ChangeConfiguration", key="SecurityProfile", value=value)
            for value in ("1", "0")
        ]
        site.csms.drop(STATION)
        await site.back()
        told = await site.call("GetConfiguration", key=["SecurityProfile"])

        assert answers == [{"status": "Rejected"}] * 2
        assert told["configurationKey"][0]["value"] == "2"
        assert line(site).transport.get_extra_info("ssl_object") is not None


@asynccontextmanager
async def _moved(csms: SmallCsms, tls: ssl.SSLContext) -> AsyncIterator[SmallCsms]:
    """The CSMS at the same address, with TLS from now on."""
    await csms.__aexit__(None, None, None)
    options: dict[str, Any] = {"versions": ["1.6"], "password": PASSWORD.encode(), "tls": tls}
    async with SmallCsms(port=csms.port, **options) as moved:
        yield moved


def _is(beginning: str) -> Callable[[dict[str, Any]], bool]:
    return lambda event: str(event["type"]).startswith(beginning)


def _keep(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
