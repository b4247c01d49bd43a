"""Test cases about TLS and network profiles, over real TLS to one or two small CSMSs."""

import socket
import ssl
import threading
import warnings
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
from case_rig import STATION, Case
from cryptography.hazmat.primitives.asymmetric import ec
from file_servers import Issued, issue
from pki import YEAR, Authority
from scripted_csms import ScriptedCsms

Open = Callable[..., AbstractAsyncContextManager[Case]]

PASSWORD = "0123456789abcdef"
ROOT = issue("Root of the CSMS")
ATTEMPTS = {
    "OCPPCommCtrlr.RetryBackOffWaitMinimum": "10",
    "OCPPCommCtrlr.RetryBackOffRandomRange": "0",
    "OCPPCommCtrlr.NetworkProfileConnectionAttempts": "2",
}


def context(folder: Path, root: Issued = ROOT) -> ssl.SSLContext:
    """A server that this root vouches for."""
    server = issue("localhost", root)
    chain = folder / "server.pem"
    chain.write_bytes(server.pem.encode() + server.key_pem)
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.load_cert_chain(chain)
    return made


@pytest.fixture
def secure(tmp_path: Path) -> dict[str, Any]:
    """A case whose station speaks TLS and shows its password."""
    ca_file = tmp_path / "ca.pem"
    ca_file.write_text(ROOT.pem)
    csms = {"security_profile": 2, "password": PASSWORD, "ca_file": str(ca_file)}
    return {"csms": csms, "tls": context(tmp_path), "settings": ATTEMPTS}


@pytest.fixture
def basic() -> dict[str, Any]:
    """A case whose station shows its password without TLS."""
    return {"csms": {"security_profile": 1, "password": PASSWORD}, "settings": ATTEMPTS}


def other_csms(run: Case, **more: Any) -> ScriptedCsms:
    """Another CSMS, to which the station may go."""
    csms = ScriptedCsms(run.clock, ["2.0.1"], **more)
    run.others.append(csms)
    return csms


async def install_root(run: Case, pem: str) -> str:
    answer = await run.ask(
        "InstallCertificate", certificateType="CSMSRootCertificate", certificate=pem
    )
    return str(answer["status"])


async def roots(run: Case) -> int:
    """How many roots of CSMSs the station has."""
    asked = await run.ask("GetInstalledCertificateIds", certificateType=["CSMSRootCertificate"])
    return len(asked.get("certificateHashDataChain", []))


async def set_profile(run: Case, url: str, security: int, slot: int = 2) -> str:
    data = {
        "ocppVersion": "OCPP20",
        "ocppTransport": "JSON",
        "ocppCsmsUrl": url,
        "messageTimeout": 30,
        "securityProfile": security,
        "ocppInterface": "Wired0",
    }
    answer = await run.ask("SetNetworkProfile", configurationSlot=slot, connectionData=data)
    return str(answer["status"])


async def set_variable(run: Case, component: str, variable: str, value: str) -> str:
    item = {"component": {"name": component}, "variable": {"name": variable}}
    answer = await run.ask("SetVariables", setVariableData=[{**item, "attributeValue": value}])
    return str(answer["setVariableResult"][0]["attributeStatus"])


async def priority(run: Case, slots: str) -> str:
    return await set_variable(run, "OCPPCommCtrlr", "NetworkConfigurationPriority", slots)


async def get(run: Case, component: str, variable: str) -> str:
    item = {"component": {"name": component}, "variable": {"name": variable}}
    answer = await run.ask("GetVariables", getVariableData=[item])
    return str(answer["getVariableResult"][0]["attributeValue"])


@pytest.mark.spec("2.0.1", "TC_A_06_CS")
@pytest.mark.spec("2.0.1", "A00.FR.314")
async def test_a_server_of_old_tls_is_left_and_told_of(
    open_case: Open, secure: dict[str, Any], tmp_path: Path
) -> None:
    async with open_case(**secure) as run:
        port = run.csms.port
        await run.csms.__aexit__()
        run.take()
        refused = _serve_old_tls(port, context(tmp_path))
        await run.advance(10)
        refused.join()

        async with other_csms(run, port=port, tls=context(tmp_path)) as csms:
            run.move(csms)
            await run.advance(30)

            (event,) = run.take("SecurityEventNotification")
            assert event["type"] == "InvalidTLSVersion"


def _serve_old_tls(port: int, old: ssl.SSLContext) -> threading.Thread:
    """Refuse one connection; a server of asyncio would hang up before its alert has left."""
    old.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old.minimum_version = ssl.TLSVersion.TLSv1
        old.maximum_version = ssl.TLSVersion.TLSv1_1
    listening = socket.create_server(("127.0.0.1", port))

    def refuse_one() -> None:
        accepted, _ = listening.accept()
        with listening, accepted, pytest.raises(ssl.SSLError):
            old.wrap_socket(accepted, server_side=True)

    thread = threading.Thread(target=refuse_one)
    thread.start()
    return thread


@pytest.mark.spec("2.0.1", "TC_A_19_CS")
@pytest.mark.spec("2.0.1", "A05.FR.06")
async def test_a_more_secure_profile_is_gone_to_for_good(
    open_case: Open, basic: dict[str, Any], tmp_path: Path
) -> None:
    async with open_case(**basic) as run, other_csms(run, tls=context(tmp_path)) as csms:
        csms.passwords[STATION] = PASSWORD.encode()
        assert await install_root(run, ROOT.pem) == "Accepted"
        assert await set_profile(run, csms.url, 2) == "Accepted"
        assert await priority(run, "2,1") == "RebootRequired"
        await run.ask("Reset", type="Immediate")
        await run.advance(5)

        run.move(csms)

        assert run.take("BootNotification")[0]["reason"] == "RemoteReset"
        assert await get(run, "SecurityCtrlr", "SecurityProfile") == "2"
        assert await get(run, "OCPPCommCtrlr", "NetworkConfigurationPriority") == "2"
        assert await priority(run, "1") == "Rejected"
        assert await set_profile(run, "ws://127.0.0.1:1/ocpp", 1, slot=3) == "Rejected"
        await run.restart()
        assert run.take("BootNotification")[0]["reason"] == "PowerUp"


@pytest.mark.spec("2.0.1", "TC_A_20_CS")
@pytest.mark.spec("2.0.1", "A05.FR.02")
async def test_tls_without_a_root_of_the_csms_is_refused(
    open_case: Open, basic: dict[str, Any]
) -> None:
    async with open_case(**basic) as run:
        await set_profile(run, "wss://127.0.0.1:1/ocpp", 2)

        assert await priority(run, "2,1") == "Rejected"


@pytest.mark.spec("2.0.1", "TC_A_21_CS")
@pytest.mark.spec("2.0.1", "A05.FR.03")
async def test_profile_3_without_a_certificate_of_the_station_is_refused(
    open_case: Open, secure: dict[str, Any]
) -> None:
    async with open_case(**secure) as run:
        await set_profile(run, "wss://127.0.0.1:1/ocpp", 3)

        assert await priority(run, "2,1") == "Rejected"


@pytest.mark.spec("2.0.1", "TC_B_49_CS")
@pytest.mark.spec("2.0.1", "B10.FR.07")
async def test_the_profile_that_worked_is_tried_again_when_the_others_fail(
    open_case: Open, basic: dict[str, Any]
) -> None:
    async with open_case(**basic) as run, other_csms(run) as csms:
        csms.refuse = 503
        assert await set_profile(run, csms.url, 1) == "Accepted"
        assert await priority(run, "2") == "RebootRequired"
        run.take()
        await run.ask("Reset", type="Immediate")
        begin = run.clock.elapsed
        run.csms.attempts.clear()

        await run.advance(60)

        assert [at - begin for at in csms.attempts] == [0, 10]
        assert [at - begin for at in run.csms.attempts] == [30]
        assert len(run.take("BootNotification")) == 1


@pytest.fixture
def new_root() -> Issued:
    """A root that the old one vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    old = Authority(ROOT.certificate, ROOT.key)
    return Issued(old.issue("New root", key.public_key(), ca=True, life=50 * YEAR), key)


@pytest.mark.spec("2.0.1", "TC_M_30_CS")
@pytest.mark.spec("2.0.1", "M05.FR.13")
async def test_a_new_root_that_works_replaces_the_old_one(
    open_case: Open, secure: dict[str, Any], new_root: Issued, tmp_path: Path
) -> None:
    settings = {**ATTEMPTS, "SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
    async with open_case(**{**secure, "settings": settings}) as run:
        assert await install_root(run, new_root.pem) == "Accepted"
        assert await roots(run) == 2
        port = run.csms.port
        await run.csms.__aexit__()

        async with other_csms(run, port=port, tls=context(tmp_path, new_root)) as csms:
            run.move(csms)
            await run.advance(60)

            assert csms.stations[STATION].connected
            assert await roots(run) == 1


@pytest.mark.spec("2.0.1", "TC_M_31_CS")
@pytest.mark.spec("2.0.1", "M05.FR.14")
async def test_the_old_root_stays_while_the_csms_uses_it(
    open_case: Open, secure: dict[str, Any], new_root: Issued
) -> None:
    settings = {**ATTEMPTS, "SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
    async with open_case(**{**secure, "settings": settings}) as run:
        assert await install_root(run, new_root.pem) == "Accepted"

        await run.cut()
        run.csms.attempts.clear()
        begin = run.clock.elapsed
        await run.back()
        await run.advance(60)

        assert run.csms.stations[STATION].connected
        # The first attempt, a second after the loss, trusted the new root alone.
        assert [at - begin > 10 for at in run.csms.attempts] == [True]
        assert await roots(run) == 2
