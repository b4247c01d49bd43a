"""A whole station on a real connection to a small CSMS, for stories about how it is secured."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fake_meter import FakeMeter
from pki import Authority, name

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.config import StationConfig, load_config
from meters.api import Meter

STATION = "CP1"
LIVING: dict[str, Any] = {"start": datetime.now(UTC) - timedelta(days=1)}


@dataclass
class Site:
    """A CSMS and the lives of a station that talks to it; ``csms`` may be replaced by another."""

    csms: SmallCsms
    lives: list[Life] = field(default_factory=list)

    @property
    def life(self) -> Life:
        return self.lives[-1]

    async def call(self, action: str, **payload: Any) -> Any:
        return await self.csms.call(STATION, action, payload)

    async def set(self, component: str, variable: str, value: str) -> str:
        """SetVariables of OCPP 2.0.1 with one variable; its status."""
        target = {
            "component": {"name": component},
            "variable": {"name": variable},
            "attributeValue": value,
        }
        answer = await self.call("SetVariables", setVariableData=[target])
        return str(answer["setVariableResult"][0]["attributeStatus"])

    async def get(self, component: str, variable: str) -> str:
        target = {"component": {"name": component}, "variable": {"name": variable}}
        answer = await self.call("GetVariables", getVariableData=[target])
        return str(answer["getVariableResult"][0]["attributeValue"])

    async def back(self) -> None:
        """The station has left and come again."""
        await until(lambda: not self.life.session.online)
        await until(lambda: self.life.session.online and self.life.link.works)


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
    settings: str = "",
    online: bool = True,
    listening: bool = True,
    **csms_options: Any,
) -> AsyncIterator[Site]:
    """``more`` goes into the section about the CSMS, ``settings`` to the settings.

    If it is not ``listening``, somebody else has its port, and the test enters ``csms`` itself.
    """

    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter()}

    monkeypatch.setattr(app, "open_meters", meters)
    csms = SmallCsms(versions=[version], **csms_options)
    async with csms if listening else nullcontext():
        path = folder / "station.yaml"
        path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox, serial_number: "0001",
  state: {folder}/state}}
csms: {{url: "{csms.url}", ocpp: "{version}"{more}}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
settings: {{OCPPCommCtrlr.RetryBackOffWaitMinimum: 1, OCPPCommCtrlr.RetryBackOffRandomRange: 0
  {settings}}}
""")
        path.chmod(0o600)
        site, stop = Site(csms), asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run(load_config(path), stop=stop, born=site.lives.append))
            await until(lambda: bool(site.lives))
            if online:
                await until(lambda: site.life.session.online)
            yield site
            stop.set()
        assert csms.violations == []


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
