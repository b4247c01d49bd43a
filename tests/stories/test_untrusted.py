"""A CSMS that is not to be trusted any more, a station that says so, and the power that goes."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from case_rig import STATION, Case, case
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, root
from scripted_csms import ScriptedCsms
from site_rig import LIVING
from tls_server import crl, server_certificate, server_side

PASSWORD = "0123456789abcdef"
CA = root("CSMS CA", **LIVING)
BOTH = pytest.mark.parametrize("version", ["1.6", "2.0.1"])
SETTINGS = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "10",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
}
UNTRUSTED = {"1.6": "InvalidCentralSystemCertificate", "2.0.1": "InvalidCsmsCertificate"}


def serving(folder: Path, authority: Authority = CA) -> tuple[ssl.SSLContext, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = server_certificate(authority, key)
    return server_side(folder, certificate, key), certificate


def trusting(folder: Path, **more: Any) -> dict[str, Any]:
    (folder / "ca.pem").write_text(CA.pem)
    csms = {"security_profile": 2, "password": PASSWORD, "ca_file": str(folder / "ca.pem")}
    return {"csms": csms | more, "settings": SETTINGS}


def invalid(run: Case) -> list[tuple[str, str]]:
    """What was told of CSMSs that are no good, and when it happened."""
    told = run.take("SecurityEventNotification")
    return [(one["type"], one["timestamp"]) for one in told if one["type"].startswith("Invalid")]


def write(path: Path, raw: bytes) -> None:
    path.write_bytes(raw)


@pytest.mark.spec("2.0.1", "A00.FR.309")
@pytest.mark.spec("2.0.1", "A04.FR.02")
@pytest.mark.spec("1.6", "whitepaper A00.FR.309")
@BOTH
async def test_a_revoked_csms_is_told_of_although_the_power_went_meanwhile(
    tmp_path: Path, version: str
) -> None:
    tls, certificate = serving(tmp_path)
    revoked = tmp_path / "revoked.pem"
    write(revoked, crl(CA))
    async with case(version, tmp_path, tls=tls, **trusting(tmp_path, crl_file=str(revoked))) as run:
        run.take()
        write(revoked, crl(CA, certificate))
        await run.cut()
        run.csms.refuse = None
        await run.until(lambda: run.life.link.outage is not None)
        await run.advance(60)
        assert "was revoked" in str(run.life.link.last_error)
        before = run.clock.now()
        await run.restart()
        write(revoked, crl(CA))
        await run.advance(60)
        await run.until(lambda: run.life.session.online)
        await run.settle()

        told = invalid(run)
        assert {kind for kind, _ in told} == {UNTRUSTED[version]}
        assert min(at for _, at in told) < before.isoformat()  # it is that of the life before
        kept = [entry.type for entry in run.life.store.security_log.entries()]
        assert "InvalidCsmsCertificate" in kept


def old_tls(context: ssl.SSLContext) -> None:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1


def weak_ciphers(context: ssl.SSLContext) -> None:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0")


@pytest.mark.spec("2.0.1", "A00.FR.314")
@pytest.mark.spec("1.6", "whitepaper A00.FR.315")
@pytest.mark.spec("1.6", "whitepaper A00.FR.322")
@BOTH
@pytest.mark.parametrize(
    ("spoil", "event"),
    [(old_tls, "InvalidTLSVersion"), (weak_ciphers, "InvalidTLSCipherSuite")],
)
async def test_a_server_of_weak_tls_is_left_and_told_of(
    tmp_path: Path, version: str, spoil: Callable[[ssl.SSLContext], None], event: str
) -> None:
    tls, _ = serving(tmp_path)
    weak, _ = serving(tmp_path)
    spoil(weak)
    async with case(version, tmp_path, tls=tls, **trusting(tmp_path)) as run:
        port = run.csms.port
        await run.csms.__aexit__()
        run.take()
        refusing = _refuse_one(port, weak)
        await run.advance(12)
        refusing.join()

        async with ScriptedCsms(run.clock, [version], port=port, tls=tls) as csms:
            run.others.append(csms)
            run.move(csms)
            await run.advance(30)

            assert [kind for kind, _ in invalid(run)] == [event]


def _refuse_one(port: int, context: ssl.SSLContext) -> threading.Thread:
    """Refuse one connection; a server of asyncio would hang up before its alert has left."""
    listening = socket.create_server(("127.0.0.1", port))

    def refuse() -> None:
        accepted, _ = listening.accept()
        with listening, accepted, suppress(ssl.SSLError):
            context.wrap_socket(accepted, server_side=True)

    thread = threading.Thread(target=refuse)
    thread.start()
    return thread


@BOTH
async def test_a_server_that_vouches_for_itself_is_left_and_told_of(
    tmp_path: Path, version: str
) -> None:
    tls, _ = serving(tmp_path)
    own = root("localhost", ca=False, **LIVING)
    async with case(version, tmp_path, tls=tls, **trusting(tmp_path)) as run:
        port = run.csms.port
        await run.csms.__aexit__()
        run.take()
        alone = server_side(tmp_path, own.certificate, own.key)
        async with ScriptedCsms(run.clock, [version], port=port, tls=alone) as impostor:
            run.others.append(impostor)
            await run.advance(60)

            assert impostor.frames == []
            assert STATION not in impostor.stations
        assert "self-signed" in str(run.life.link.last_error)

        async with ScriptedCsms(run.clock, [version], port=port, tls=tls) as csms:
            run.others.append(csms)
            run.move(csms)
            await run.advance(120)

            assert [kind for kind, _ in invalid(run)] == [UNTRUSTED[version]]
