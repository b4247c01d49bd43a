"""Passwords, certificates and profiles changed by a CSMS over a real connection, and back again."""

import asyncio
import socket
import ssl
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, key_pem, pem, root
from site_rig import LIVING, STATION, Site, server, site_of, until

from chargepoint.bench.csms import Direction
from chargepoint.core.certificates import Use

OLD, NEW = "the old password", "the new password"


async def set_password(site: Site, password: str) -> str:
    return await site.set("SecurityCtrlr", "BasicAuthPassword", password)


@pytest.mark.spec("2.0.1", "TC_A_09_CS")
@pytest.mark.spec("2.0.1", "A01.FR.02")
async def test_a_changed_password_is_used_by_the_next_connection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(tmp_path, monkeypatch, more=more, password=OLD.encode()) as site:
        status = await set_password(site, NEW)
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
        status = await set_password(site, "too short")
        site.csms.drop(STATION)
        await site.back()

        assert status == "Rejected"


async def test_a_csms_that_forgets_the_new_password_gets_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    more = f', security_profile: 1, password: "{OLD}"'
    async with site_of(tmp_path, monkeypatch, more=more, password=OLD.encode()) as site:
        await set_password(site, NEW)
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


def old_tls(context: ssl.SSLContext) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # that TLS is old is the point
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def other_ciphers(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")  # its key is no RSA key


@pytest.mark.spec("2.0.1", "TC_A_06_CS")
@pytest.mark.spec("2.0.1", "A00.FR.313")
@pytest.mark.spec("2.0.1", "A00.FR.319")
@pytest.mark.parametrize(
    ("spoil", "event"),
    [(old_tls, "InvalidTLSVersion"), (other_ciphers, "InvalidTLSCipherSuite")],
)
async def test_a_server_with_other_tls_is_told_to_the_one_with_ours(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[ssl.SSLContext], None],
    event: str,
) -> None:
    bad, good = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
    for context in (bad, good):
        shows(context, tmp_path, TRUSTED)
    spoil(bad)
    (tmp_path / "ca.pem").write_text(TRUSTED.pem)
    more = f', security_profile: 2, password: "{OLD}", ca_file: {tmp_path}/ca.pem'
    options = {"tls": good, "password": OLD.encode(), "online": False, "listening": False}

    def refuse_one(listening: socket.socket) -> None:
        # A server of asyncio hangs up before its alert has left; a plain socket does not.
        accepted, _ = listening.accept()
        with accepted, pytest.raises(ssl.SSLError):
            bad.wrap_socket(accepted, server_side=True)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        options["port"] = listening.getsockname()[1]
        refusing = asyncio.create_task(asyncio.to_thread(refuse_one, listening))
        async with site_of(tmp_path, monkeypatch, more=more, **options) as site:
            await refusing
            await until(lambda: site.life.link.outage is not None)
            listening.close()
            async with site.csms:
                told = await site.csms.wait_for(
                    "SecurityEventNotification", lambda one: one["type"].startswith("Invalid")
                )
                await until(lambda: not site.life.store.waiting)

    assert told["type"] == event


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
