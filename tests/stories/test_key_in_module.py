"""A station whose private key is in a security module, and stays there when it is renewed."""

import asyncio
import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from cryptography import x509
from pki import root
from site_rig import LIVING, STATION, until
from soft_hsm import SoftHsm, lacking, soft_hsm
from tls_rig import shows

from chargepoint.bench.csms import SmallCsms

MISSING = lacking()
CA = root("CSMS CA", **LIVING)
CONFIG = """
station: {{id: {station}, vendor: Example, model: Wallbox, serial_number: "0001",
  state: {folder}/state}}
csms: {{url: "{url}", ocpp: "{version}", security_profile: 3, ca_file: {folder}/ca.pem,
  cert_file: {folder}/cert.pem, key_file: {folder}/key.pem, key_command: [{command}]}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
settings: {{OCPPCommCtrlr.RetryBackOffWaitMinimum: 1, SecurityCtrlr.OrganizationName: Example}}
"""


def write(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


@asynccontextmanager
async def station(folder: Path, hsm: SoftHsm) -> AsyncIterator[None]:
    """A process of its own: OpenSSL reads what it is told of modules when it starts."""
    with (folder / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "chargepoint", "run", "station.yaml"),
            cwd=folder,
            env={**os.environ, **hsm.environment, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.DEVNULL,
            stderr=log,
        )
    try:
        yield
    finally:
        process.terminate()
        assert await process.wait() == 0


def shown(csms: SmallCsms) -> int:
    """The serial number of the certificate that the station shows."""
    tls = csms._talk(STATION).connection.transport.get_extra_info("ssl_object")
    return x509.load_der_x509_certificate(tls.getpeercert(binary_form=True)).serial_number


@pytest.mark.skipif(bool(MISSING), reason=f"no security module: {MISSING} not installed")
@pytest.mark.spec("2.0.1", "A02.FR.05")
@pytest.mark.spec("1.6", "whitepaper A02.FR.05")
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_key_in_a_security_module_opens_connections_and_is_renewed_there(
    tmp_path: Path, version: str
) -> None:
    hsm = soft_hsm(tmp_path / "hsm")
    reference, request = hsm.make_key("0001", "Example")
    first = CA.answer(request, **LIVING)
    for stem, text in {"ca": CA.pem, "cert": first, "key": reference}.items():
        write(tmp_path / f"{stem}.pem", text)
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=CA.pem)
    tls.verify_mode = ssl.CERT_REQUIRED
    shows(tls, tmp_path, CA)
    async with SmallCsms(versions=[version], tls=tls) as csms:
        values = {"folder": tmp_path, "url": csms.url, "version": version}
        text = CONFIG.format(station=STATION, command=hsm.command, **values)
        write(tmp_path / "station.yaml", text)
        async with station(tmp_path, hsm):
            await csms.wait_for("StatusNotification")
            before = shown(csms)
            asking = {
                "1.6": ("ExtendedTriggerMessage", "SignChargePointCertificate"),
                "2.0.1": ("TriggerMessage", "SignChargingStationCertificate"),
            }
            action, word = asking[version]
            await csms.call(STATION, action, {"requestedMessage": word})
            asked = await csms.wait_for("SignCertificate")
            second = CA.answer(asked["csr"], **LIVING)
            await csms.call(STATION, "CertificateSigned", {"certificateChain": second})
            await until(lambda: csms.stations[STATION].connections == 2)
            await until(lambda: shown(csms) != before)

    assert csms.violations == []
    kept = [path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert any(second.encode().strip() in text for text in kept)
    assert not [text for text in kept if b"PRIVATE KEY" in text]
