"""Password, certificate and root of a running station are replaced over TLS, well and badly."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, root
from secured_site import PASSWORD, ROOT, STATION, secured
from site_rig import LIVING, until

from chargepoint.bench.csms import Direction
from chargepoint.core.certificates import Use

NEW = "correct horse battery"
BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
STRICT = ", SecurityCtrlr.AdditionalRootCertificateCheck: true"
DISCARDED = "DiscardedRenewedClientCertificate"


def serial(pem: str) -> int:
    return x509.load_pem_x509_certificate(pem.encode()).serial_number


def successor() -> Authority:
    """A root that the present one vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(ROOT.issue("New CA", key.public_key(), ca=True, **LIVING), key)


# --- the password ---------------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "A01.FR.02")
@pytest.mark.spec("1.6", "whitepaper A01.FR.03")
@BOTH
async def test_a_new_password_is_used_at_once_and_after_a_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 2, tmp_path, monkeypatch) as it:
        status = await it.set_password(NEW)
        it.site.csms.passwords[STATION] = NEW.encode()
        await it.site.back()
        it.site.csms.drop(STATION)
        await it.site.back()

        assert status == "Accepted"
        assert it.site.life.store.credentials.proven == NEW.encode()
        await it.told("ReconfigurationOfSecurityParameters")


@pytest.mark.spec("1.6", "whitepaper A01.FR.04")
@BOTH
async def test_a_new_password_that_is_refused_gives_way_to_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 2, tmp_path, monkeypatch) as it:
        await it.set_password(NEW)  # the CSMS answers well, and forgets it
        await it.site.back()

        await it.told("ReconfigurationOfSecurityParameters", "does not work")
        assert it.site.life.store.credentials.fresh is None
        it.site.csms.drop(STATION)
        await it.site.back()  # still by the old one
        told = [f.text for f in it.site.csms.frames if f.direction is Direction.FROM_STATION]
        assert not [text for text in told if NEW in text or PASSWORD in text]


# --- the certificate of the station ---------------------------------------------------------


@pytest.mark.spec("2.0.1", "A02.FR.28")
@pytest.mark.spec("1.6", "whitepaper A02.FR.08")
@BOTH
async def test_a_renewed_certificate_is_shown_at_once_and_the_old_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 3, tmp_path, monkeypatch) as it:
        before = it.shown
        signed = ROOT.answer(await it.ask_to_sign(), **LIVING)
        status = await it.sign(signed)
        await it.site.back()

        keys = it.site.life.store.keys
        own = keys.own(Use.STATION)
        assert (status, it.shown) == ("Accepted", serial(signed))
        assert it.shown != before
        assert keys.chain(own) == signed
        assert own.stat().st_mode & 0o777 == 0o600
        assert not keys.fresh(Use.STATION).exists()
        assert "PRIVATE KEY" not in str(it.site.csms.frames)


@pytest.mark.spec("2.0.1", "A02.FR.29")
@pytest.mark.spec("1.6", "whitepaper A02.FR.10")
@BOTH
async def test_a_renewed_certificate_that_the_csms_refuses_gives_way_to_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 3, tmp_path, monkeypatch) as it:
        before = it.shown
        elsewhere = root("CA of another operator", **LIVING)
        status = await it.sign(elsewhere.answer(await it.ask_to_sign(), **LIVING))
        await it.site.back()

        assert (status, it.shown) == ("Accepted", before)
        await it.told(DISCARDED)
        assert not it.site.life.store.keys.fresh(Use.STATION).exists()


@pytest.mark.spec("2.0.1", "A02.FR.07")
@pytest.mark.spec("1.6", "whitepaper A02.FR.07")
@BOTH
@pytest.mark.parametrize("fault", ["expired", "of another key", "of a false authority", "garbage"])
async def test_a_certificate_that_cannot_be_is_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, fault: str
) -> None:
    async with secured(version, 3, tmp_path, monkeypatch) as it:
        before = it.shown
        first, request = await it.ask_to_sign(), await it.ask_to_sign()
        past = datetime.now(UTC) - timedelta(days=9)
        status = await it.sign(
            {
                "expired": ROOT.answer(request, start=past, life=timedelta(days=8)),
                "of another key": ROOT.answer(first, **LIVING),
                "of a false authority": root("CSMS CA", **LIVING).answer(request, **LIVING),
                "garbage": "no certificate",
            }[fault]
        )
        it.site.csms.drop(STATION)
        await it.site.back()

        assert (status, it.shown) == ("Rejected", before)
        kind = "ChargePoint" if version == "1.6" else "ChargingStation"
        await it.told(f"Invalid{kind}Certificate")


@pytest.mark.spec("2.0.1", "A02.FR.02")
@pytest.mark.spec("1.6", "whitepaper A03.FR.02")
@BOTH
async def test_the_station_asks_by_itself_as_many_days_ahead_as_it_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    days = ", SecurityCtrlr.CertRenewalDays: 120"
    async with secured(version, 3, tmp_path, monkeypatch, settings=days) as it:
        before = it.shown
        assert it.site.csms.messages("SignCertificate") == []  # a year is left of it
        half = datetime.now(UTC) - timedelta(days=250)
        short = ROOT.answer(await it.ask_to_sign(), start=half)
        mark = it.site.csms.mark()
        await it.sign(short)
        await it.site.back()
        asked = await it.site.csms.wait_for("SignCertificate", after=mark)
        await it.sign(ROOT.answer(asked["csr"], **LIVING))
        await it.site.back()

        assert it.shown not in {before, serial(short)}


# --- the root of the CSMS -------------------------------------------------------------------


@pytest.mark.spec("2.0.1", "M05.FR.13")
@pytest.mark.spec("1.6", "whitepaper M05.FR.12")
@BOTH
@pytest.mark.parametrize("profile", [2, 3])
async def test_a_new_root_that_the_csms_goes_over_to_replaces_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, profile: int
) -> None:
    new = successor()
    async with secured(version, profile, tmp_path, monkeypatch, settings=STRICT) as it:
        status = await it.install(new)
        both = len(await it.roots())
        it.served_by(new)
        it.site.csms.drop(STATION)
        await it.site.back()

        assert (status, both, len(await it.roots())) == ("Accepted", 2, 1)
        it.served_by(ROOT)  # what was given up is not trusted any more
        it.site.csms.drop(STATION)
        await until(lambda: it.site.life.link.failures > 1)
        assert "not trusted" in str(it.site.life.link.last_error)
        it.served_by(new)
        await until(lambda: it.site.life.session.online)


@pytest.mark.spec("2.0.1", "M05.FR.14")
@pytest.mark.spec("1.6", "whitepaper M05.FR.13")
@BOTH
async def test_the_old_root_counts_while_the_csms_stays_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 3, tmp_path, monkeypatch, settings=STRICT) as it:
        await it.install(successor())
        it.site.csms.drop(STATION)
        await it.site.back()

        assert len(await it.roots()) == 2
        invalid = [
            e for e in it.site.csms.messages("SecurityEventNotification") if "Csms" in str(e)
        ]
        assert invalid == []  # nothing was wrong with the CSMS


@pytest.mark.spec("2.0.1", "M05.FR.11")
@pytest.mark.spec("1.6", "whitepaper M05.FR.10")
@BOTH
async def test_a_root_that_the_old_one_does_not_vouch_for_is_rejected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 2, tmp_path, monkeypatch, settings=STRICT) as it:
        assert await it.install(root("Somebody", **LIVING)) == "Rejected"
        assert len(await it.roots()) == 1


@pytest.mark.spec("1.6", "whitepaper M04.FR.06")
@BOTH
async def test_the_root_that_the_connection_rests_on_cannot_be_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    async with secured(version, 2, tmp_path, monkeypatch) as it:
        [present] = await it.roots()
        assert await it.install(root("Another CA", **LIVING)) == "Accepted"
        [other] = [name for name in await it.roots() if name != present]

        assert await it.delete(present) == "Failed"
        assert await it.delete(other) == "Accepted"
        it.site.csms.drop(STATION)
        await it.site.back()
