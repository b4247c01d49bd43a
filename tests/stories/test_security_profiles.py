"""A CSMS moves a station to another security profile over network profiles, or fails to."""

import ssl
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import key_pem, pem, root
from site_rig import LIVING, Site, server, site_of, until

from chargepoint.bench.csms import SmallCsms

PASSWORD = "the password of it"
TRUSTED = root("CSMS CA", **LIVING)
PLAIN = f', security_profile: 1, password: "{PASSWORD}"'
ALLOWED = ", SecurityCtrlr.AllowSecurityProfileDowngrade: true"


async def store_profile(site: Site, slot: int, url: str, security: int) -> str:
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": security,
        "ocppInterface": "Wired0",
    }
    answer = await site.call("SetNetworkProfile", configurationSlot=slot, connectionData=data)
    return str(answer["status"])


async def prefer(site: Site, slots: str) -> str:
    return await site.set("OCPPCommCtrlr", "NetworkConfigurationPriority", slots)


async def install_root(site: Site) -> None:
    answer = await site.call(
        "InstallCertificate", certificateType="CSMSRootCertificate", certificate=TRUSTED.pem
    )
    assert answer["status"] == "Accepted"


def listening(folder: Path, *, certificates: bool = False) -> ssl.SSLContext:
    """How a CSMS with TLS listens; ``certificates`` are asked of stations too."""
    shown, key = server(TRUSTED)
    path = folder / f"{shown.serial_number}.pem"
    path.write_text(pem(shown) + key_pem(key))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=TRUSTED.pem)
    context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_REQUIRED if certificates else ssl.CERT_NONE
    return context


def proofs(folder: Path, security: int) -> str:
    """What the file says for profile 2 or 3, with root, certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    files = {
        "ca": TRUSTED.pem,
        "cert": pem(TRUSTED.issue("0001", key.public_key(), **LIVING)),
        "key": key_pem(key),
    }
    for stem, text in files.items():
        (folder / f"{stem}.pem").write_text(text)
        (folder / f"{stem}.pem").chmod(0o600)
    stems: tuple[str, ...] = ("ca",)
    password = f', password: "{PASSWORD}"'
    if security > 2:
        stems, password = ("ca", "cert", "key"), ""
    named = "".join(f", {stem}_file: {folder}/{stem}.pem" for stem in stems)
    return f", security_profile: {security}{password}{named}"


async def restart_into(site: Site, csms: SmallCsms) -> None:
    """Reset, and go on with the CSMS that the station finds then."""
    assert await site.call("Reset", type="OnIdle") == {"status": "Accepted"}
    site.csms = csms
    await csms.wait_for("BootNotification")
    await until(lambda: site.life.session.online)


@pytest.mark.spec("2.0.1", "TC_A_19_CS")
@pytest.mark.spec("2.0.1", "A05.FR.06")
async def test_a_higher_profile_is_reached_and_the_lower_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {"password": PASSWORD.encode()}
    attempts = ", OCPPCommCtrlr.NetworkProfileConnectionAttempts: 1"
    async with (
        SmallCsms(versions=["2.0.1"], tls=listening(tmp_path), **options) as secure,
        site_of(tmp_path, monkeypatch, more=PLAIN, settings=attempts, **options) as site,
    ):
        plain = site.csms
        await install_root(site)
        stored = await store_profile(site, 2, secure.url, 2)
        preferred = await prefer(site, "2,1")
        await restart_into(site, secure)

        assert (stored, preferred) == ("Accepted", "RebootRequired")
        assert await site.get("SecurityCtrlr", "SecurityProfile") == "2"
        assert await site.get("OCPPCommCtrlr", "NetworkConfigurationPriority") == "2"
        await secure.wait_for(
            "SecurityEventNotification",
            lambda event: event.get("techInfo") == "security profile 2",
        )
        told = len(plain.frames)
        secure.refuse = 503
        secure.drop("CP1")
        await until(lambda: site.life.link.failures > 2)  # a slot has one attempt
        secure.refuse = None
        await until(lambda: site.life.session.online)
        assert len(plain.frames) == told
        assert secure.violations == []


@pytest.mark.spec("2.0.1", "TC_A_20_CS")
@pytest.mark.spec("2.0.1", "A05.FR.02")
@pytest.mark.parametrize("security", [2, 3])
async def test_a_profile_with_tls_is_not_used_without_a_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, security: int
) -> None:
    async with site_of(tmp_path, monkeypatch, more=PLAIN, password=PASSWORD.encode()) as site:
        stored = await store_profile(site, 2, "wss://csms.example/ocpp", security)
        preferred = await prefer(site, "2,1")

        assert (stored, preferred) == ("Accepted", "Rejected")
        assert await site.get("OCPPCommCtrlr", "NetworkConfigurationPriority") == "1"


@pytest.mark.spec("2.0.1", "TC_A_21_CS")
@pytest.mark.spec("2.0.1", "A05.FR.03")
async def test_profile_3_is_not_used_without_a_certificate_of_the_station(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site_of(tmp_path, monkeypatch, more=PLAIN, password=PASSWORD.encode()) as site:
        await install_root(site)
        stored = await store_profile(site, 2, "wss://csms.example/ocpp", 3)
        preferred = await prefer(site, "2,1")

        assert (stored, preferred) == ("Accepted", "Rejected")


@pytest.mark.spec("2.0.1", "TC_A_22_CS")
@pytest.mark.spec("2.0.1", "B09.FR.04")
@pytest.mark.spec("2.0.1", "B09.FR.32")
@pytest.mark.parametrize("settings", ["", ALLOWED])
async def test_nothing_leads_back_to_profile_1(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str
) -> None:
    more, tls = proofs(tmp_path, 2), listening(tmp_path)
    async with site_of(
        tmp_path, monkeypatch, more=more, settings=settings, tls=tls, password=PASSWORD.encode()
    ) as site:
        stored = await store_profile(site, 2, "ws://csms.example/ocpp", 1)

        assert stored == "Rejected"


@pytest.mark.spec("2.0.1", "A05.FR.08")
@pytest.mark.spec("2.0.1", "B09.FR.31")
async def test_the_way_back_from_profile_3_to_2_can_be_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = listening(tmp_path, certificates=True)
    options: dict[str, Any] = {"more": proofs(tmp_path, 3), "settings": ALLOWED, "tls": tls}
    async with (
        SmallCsms(versions=["2.0.1"], tls=listening(tmp_path), password=PASSWORD.encode()) as lower,
        site_of(tmp_path, monkeypatch, **options) as site,
    ):
        await site.set("SecurityCtrlr", "BasicAuthPassword", PASSWORD)
        await site.back()
        stored = await store_profile(site, 2, lower.url, 2)
        preferred = await prefer(site, "2")
        site.csms.drop("CP1")  # what works now may not forget what is wanted next
        await site.back()
        await restart_into(site, lower)

        assert (stored, preferred) == ("Accepted", "RebootRequired")
        assert await site.get("SecurityCtrlr", "SecurityProfile") == "2"
        assert await store_profile(site, 3, "ws://csms.example/ocpp", 1) == "Rejected"


@pytest.mark.spec("2.0.1", "A05.FR.10")
async def test_without_leave_profile_3_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls = listening(tmp_path, certificates=True)
    async with site_of(tmp_path, monkeypatch, more=proofs(tmp_path, 3), tls=tls) as site:
        stored = await store_profile(site, 2, "wss://csms.example/ocpp", 2)
        preferred = await prefer(site, "2")

        assert (stored, preferred) == ("Rejected", "Rejected")
        assert await site.get("SecurityCtrlr", "SecurityProfile") == "3"


@pytest.mark.spec("1.6", "SecurityProfile")
async def test_in_1_6_no_way_leads_back_even_if_it_is_allowed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options: dict[str, Any] = {
        "version": "1.6",
        "more": proofs(tmp_path, 3),
        "settings": ALLOWED,
        "tls": listening(tmp_path, certificates=True),
    }
    async with site_of(tmp_path, monkeypatch, **options) as site:
        answers = [
            await site.call("ChangeConfiguration", key="SecurityProfile", value=value)
            for value in ("0", "1", "2", "3")
        ]

        assert answers == [{"status": "Rejected"}] * 4
