"""Block B, case by case: the station moves to a CSMS whose certificate has another root."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from case_rig import STATION, Case, case
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fake_clock import START
from pki import Authority, key_pem, name, pem, root
from scripted_csms import ScriptedCsms

PASSWORD = "a password for both"
ROOT = "CSMSRootCertificate"


@dataclass
class Move:
    """A station at the CSMS of the old root, which also has been given the new root."""

    run: Case
    other: ScriptedCsms
    old: Authority
    new: Authority

    async def go(self) -> None:
        """The CSMS sends the station to the other one with the next start."""
        profile = {
            "configurationSlot": 2,
            "connectionData": {
                "messageTimeout": 30,
                "ocppCsmsUrl": self.other.url,
                "ocppInterface": "Wired0",
                "ocppVersion": "OCPP20",
                "ocppTransport": "JSON",
                "securityProfile": 2,
            },
        }
        assert await self.run.ask("SetNetworkProfile", **profile) == {"status": "Accepted"}
        assert await set_variable(self.run, "NetworkConfigurationPriority", "2") in {
            "Accepted",
            "RebootRequired",
        }
        self.run.take()
        assert await self.run.ask("Reset", type="OnIdle") == {"status": "Accepted"}
        await self.run.advance(60)


async def set_variable(run: Case, variable: str, value: str) -> str:
    item = {
        "component": {"name": "OCPPCommCtrlr"},
        "variable": {"name": variable},
        "attributeValue": value,
    }
    answer = await run.ask("SetVariables", setVariableData=[item])
    return str(answer["setVariableResult"][0]["attributeStatus"])


def shown_by(authority: Authority, folder: Path) -> ssl.SSLContext:
    """What a server on this machine shows that has its certificate from this authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    address = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name("127.0.0.1"))
        .issuer_name(authority.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(START - timedelta(days=1))
        .not_valid_after(START + timedelta(days=3000))
        .add_extension(address, critical=False)
        .sign(authority.key, hashes.SHA256())
    )
    file = folder / f"{certificate.serial_number}.pem"
    file.write_text(pem(certificate) + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context


def successor(old: Authority) -> Authority:
    """A new root that the old one vouches for (M05.FR.09)."""
    key = ec.generate_private_key(ec.SECP256R1())
    life = timedelta(days=3000)
    return Authority(old.issue("New root", key.public_key(), ca=True, life=life), key)


@asynccontextmanager
async def moving(folder: Path, *, trusted: bool) -> AsyncIterator[Move]:
    """``trusted``: the other CSMS has its certificate from the new root, else from the old one."""
    old = root("Old root")
    new = successor(old)
    (folder / "ca.pem").write_text(old.pem)
    csms = {"security_profile": 2, "password": PASSWORD, "ca_file": str(folder / "ca.pem")}
    here = {"password": PASSWORD.encode()}
    there = {"tls": shown_by(new if trusted else old, folder), "password": PASSWORD.encode()}
    tls = shown_by(old, folder)
    settings = {"SecurityCtrlr.AdditionalRootCertificateCheck": "true"}
    async with (
        case("2.0.1", folder, settings=settings, served=here, tls=tls, csms=csms) as run,
        ScriptedCsms(run.clock, ["2.0.1"], **there) as other,
    ):
        run.others.append(other)
        answer = await run.ask("InstallCertificate", certificateType=ROOT, certificate=new.pem)
        assert answer == {"status": "Accepted"}
        yield Move(run, other, old, new)
        assert other.violations == []
        await run._end()


async def roots(run: Case, csms: ScriptedCsms) -> list[str]:
    """The serial numbers of the roots that the station says it has."""
    asked = csms.call(STATION, "GetInstalledCertificateIds", {"certificateType": [ROOT]})
    answer: dict[str, Any] = await run.clock.done(asked)
    assert answer["status"] == "Accepted"
    chains = answer["certificateHashDataChain"]
    assert {chain["certificateType"] for chain in chains} == {ROOT}
    return [chain["certificateHashData"]["serialNumber"] for chain in chains]


def serial(authority: Authority) -> str:
    return f"{authority.certificate.serial_number:x}"


@pytest.mark.spec("2.0.1", "TC_B_47_CS")
async def test_a_csms_that_the_new_root_does_not_vouch_for_is_left_again(tmp_path: Path) -> None:
    async with moving(tmp_path, trusted=False) as move:
        assert await set_variable(move.run, "NetworkProfileConnectionAttempts", "1") == "Accepted"

        await move.go()

        assert move.other.sent() == []
        (boot,) = move.run.take("BootNotification")
        assert boot["reason"] == "ScheduledReset"
        assert serial(move.old) in await roots(move.run, move.run.csms)


@pytest.mark.spec("2.0.1", "TC_B_50_CS")
async def test_with_the_new_root_the_old_one_goes(tmp_path: Path) -> None:
    async with moving(tmp_path, trusted=True) as move:
        await move.go()

        (boot,) = [one.payload for one in move.other.sent() if one.action == "BootNotification"]
        assert boot["reason"] == "ScheduledReset"
        assert move.run.take("BootNotification") == []
        assert await roots(move.run, move.other) == [serial(move.new)]
