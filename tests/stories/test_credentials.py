"""Passwords, certificates and profiles changed by a CSMS over a real connection, and back again."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fake_meter import FakeMeter
from pki import Authority, key_pem, name, pem, root

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import Direction, SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.certificates import Use
from meters.api import Meter

STATION = "CP1"
OLD, NEW = "the old password", "the new password"
LIVING = {"start": datetime.now(UTC) - timedelta(days=1)}


@dataclass
class Site:
    """A CSMS and the life of a station that talks to it."""

    csms: SmallCsms
    life: Life

    async def call(self, action: str, **payload: Any) -> Any:
        return await self.csms.call(STATION, action, payload)

    async def set_password(self, password: str) -> str:
        target = {
            "component": {"name": "SecurityCtrlr"},
            "variable": {"name": "BasicAuthPassword"},
            "attributeValue": password,
        }
        answer = await self.call("SetVariables", setVariableData=[target])
        return str(answer["setVariableResult"][0]["attributeStatus"])

    async def back(self) -> None:
        """The station has left and come again."""
        await until(lambda: not self.life.session.online)
        await until(lambda: self.life.session.online)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


@asynccontextmanager
async def site_of(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    version: str = "2.0.1",
    more: str = "",
    online: bool = True,
    **csms_options: Any,
) -> AsyncIterator[Site]:
    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter()}

    monkeypatch.setattr(app, "open_meters", meters)
    async with SmallCsms(versions=[version], **csms_options) as csms:
        path = folder / "station.yaml"
        path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox, serial_number: "0001",
  state: {folder}/state}}
csms: {{url: "{csms.url}", ocpp: "{version}"{more}}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
settings: {{OCPPCommCtrlr.RetryBackOffWaitMinimum: 1, OCPPCommCtrlr.RetryBackOffRandomRange: 0}}
""")
        path.chmod(0o600)
        async with app.live(load_config(path), clock=SystemClock()) as life:
            if online:
                await until(lambda: life.session.online)
            yield Site(csms, life)
        assert csms.violations == []


@pytest.mark.spec("2.0.1", "TC_A_09_CS")
@pytest.mark.spec("2.0.1", "A01.FR.02")
async def test_a_changed_password_is_used_by_the_next_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(tmp_path, monkeypatch, more=more, password=OLD.encode()) as site:
        status = await site.set_password(NEW)
        site.csms.passwords[STATION] = NEW.encode()
        await site.back()

        assert status == "Accepted"
        assert site.life.store.credentials.proven == NEW.encode()
        told = [f for f in site.csms.frames if f.direction is Direction.FROM_STATION]
        assert told
        assert NEW not in str(told)


@pytest.mark.spec("2.0.1", "TC_A_10_CS")
async def test_a_short_password_is_rejected_and_the_old_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(tmp_path, monkeypatch, more=more, password=OLD.encode()) as site:
        status = await site.set_password("too short")
        site.csms.drop(STATION)
        await site.back()

        assert status == "Rejected"


async def test_a_csms_that_forgets_the_new_password_gets_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(tmp_path, monkeypatch, more=more, password=OLD.encode()) as site:
        await site.set_password(NEW)
        await site.back()

        assert site.life.store.credentials.fresh is None
        await site.csms.wait_for(
            "SecurityEventNotification",
            lambda event: "does not work" in event.get("techInfo", ""),
        )


@pytest.mark.spec("1.6", "TC_073")
@pytest.mark.spec("1.6", "AuthorizationKey")
async def test_a_hexadecimal_key_of_1_6_is_sent_as_its_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    key = bytes(range(0x20, 0x34))
    async with site_of(
        tmp_path, monkeypatch, version="1.6", more=more, password=OLD.encode()
    ) as site:
        answer = await site.call("ChangeConfiguration", key="AuthorizationKey", value=key.hex())
        site.csms.passwords[STATION] = key
        await site.back()

        assert answer == {"status": "Accepted"}
        assert site.life.store.credentials.proven == key


@pytest.mark.spec("1.6", "TC_083")
@pytest.mark.spec("1.6", "SecurityProfile")
async def test_a_profile_that_does_not_come_about_gives_way_to_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(
        tmp_path, monkeypatch, version="1.6", more=more, password=OLD.encode()
    ) as site:
        without = await site.call("ChangeConfiguration", key="SecurityProfile", value="2")
        await site.call(
            "InstallCertificate",
            certificateType="CentralSystemRootCertificate",
            certificate=root(**LIVING).pem,
        )
        answers = [
            await site.call("ChangeConfiguration", key="SecurityProfile", value=value)
            for value in ("0", "1", "2")
        ]
        await site.back()
        profile = await site.call("GetConfiguration", key=["SecurityProfile"])

        assert without == {"status": "Rejected"}
        assert [answer["status"] for answer in answers] == ["Rejected", "Rejected", "Accepted"]
        assert profile["configurationKey"][0]["value"] == "1"


def server(
    authority: Authority, *, start: datetime = LIVING["start"], host: str = "127.0.0.1"
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for this machine."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("127.0.0.1"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=9))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address(host))]), critical=False
        )
        .sign(authority.key, hashes.SHA256())
    )
    return certificate, key


@pytest.mark.spec("2.0.1", "TC_A_04_CS")
@pytest.mark.spec("2.0.1", "TC_A_07_CS")
@pytest.mark.spec("2.0.1", "TC_A_11_CS")
async def test_the_station_renews_its_certificate_and_connects_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = root("CPO CA", **LIVING)
    first_key = ec.generate_private_key(ec.SECP256R1())
    first = authority.issue("0001", first_key.public_key(), **LIVING)
    certificate, key = server(authority)
    files = {
        "ca": authority.pem,
        "server": pem(certificate) + key_pem(key),
        "cert": pem(first),
        "key": key_pem(first_key),
    }
    for stem, text in files.items():
        (tmp_path / f"{stem}.pem").write_text(text)
        (tmp_path / f"{stem}.pem").chmod(0o600)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=authority.pem)
    tls.load_cert_chain(tmp_path / "server.pem")
    tls.verify_mode = ssl.CERT_REQUIRED
    more = ", security_profile: 3" + "".join(
        f", {stem}_file: {tmp_path}/{stem}.pem" for stem in ("ca", "cert", "key")
    )

    async with site_of(tmp_path, monkeypatch, more=more, tls=tls) as site:
        keys = site.life.store.keys
        listed = await site.call("GetInstalledCertificateIds")
        triggered = await site.call(
            "TriggerMessage", requestedMessage="SignChargingStationCertificate"
        )
        asked = await site.csms.wait_for("SignCertificate")
        second = authority.answer(asked["csr"], **LIVING)
        signed = await site.call("CertificateSigned", certificateChain=second)
        await site.back()

        assert [row["certificateType"] for row in listed["certificateHashDataChain"]] == [
            "CSMSRootCertificate"
        ]
        assert (triggered, signed) == ({"status": "Accepted"}, {"status": "Accepted"})
        assert keys.chain(keys.own(Use.STATION)) == second
        assert not keys.fresh(Use.STATION).exists()


def shows(context: ssl.SSLContext, folder: Path, authority: Authority, **certificate: Any) -> None:
    """Let a server show another certificate from now on."""
    shown, key = server(authority, **certificate)
    path = folder / f"server{shown.serial_number}.pem"
    path.write_text(pem(shown) + key_pem(key))
    context.load_cert_chain(path)


TRUSTED = root("CSMS CA", **LIVING)
YEAR = timedelta(days=365)


@pytest.mark.spec("2.0.1", "TC_A_05_CS")
@pytest.mark.spec("2.0.1", "A00.FR.309")
@pytest.mark.parametrize(
    ("authority", "certificate"),
    [
        (TRUSTED, {"start": datetime.now(UTC) - YEAR}),
        (TRUSTED, {"start": datetime.now(UTC) + YEAR}),
        (root("CSMS CA", **LIVING), {}),
        (TRUSTED, {"host": "127.0.0.9"}),
    ],
    ids=["expired", "not yet valid", "wrong root", "wrong name"],
)
async def test_a_server_that_is_not_trusted_is_told_to_the_one_that_is(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    authority: Authority,
    certificate: dict[str, Any],
) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    shows(tls, tmp_path, authority, **certificate)

    event = await after_outage(tmp_path, monkeypatch, tls, lambda: shows(tls, tmp_path, TRUSTED))

    assert event == "InvalidCsmsCertificate"


async def after_outage(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls: ssl.SSLContext,
    repair: Callable[[], None],
) -> str:
    """The security event that is told once the server is repaired."""
    (folder / "ca.pem").write_text(TRUSTED.pem)
    more = f', security_profile: 2, password: "{OLD}", ca_file: {folder}/ca.pem'
    options = {"tls": tls, "password": OLD.encode(), "online": False}
    async with site_of(folder, monkeypatch, more=more, **options) as site:
        await until(lambda: site.life.link.outage is not None)
        assert site.csms.messages("BootNotification") == []
        repair()
        event = await site.csms.wait_for(
            "SecurityEventNotification", lambda event: event["type"].startswith("Invalid")
        )
    return str(event["type"])
