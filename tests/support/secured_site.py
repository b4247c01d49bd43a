"""A station at security profile 2 or 3, and what its CSMS changes about that, in either version."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from pki import Authority, key_pem, pem, root
from site_rig import LIVING, STATION, Site, site_of
from tls_rig import line, shows

PASSWORD = "staple of the old"
ROOT = root("CSMS CA", **LIVING)
ROOT_WORD = {"1.6": "CentralSystemRootCertificate", "2.0.1": "CSMSRootCertificate"}


@dataclass
class Secured:
    """``tls`` is how the CSMS listens: it may show another certificate from now on."""

    site: Site
    version: str
    tls: ssl.SSLContext
    folder: Path

    @property
    def shown(self) -> int:
        """The serial number of the certificate that the station shows on this connection."""
        der = line(self.site).transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return x509.load_der_x509_certificate(der).serial_number

    async def set_password(self, password: str) -> str:
        if self.version == "2.0.1":
            return await self.site.set("SecurityCtrlr", "BasicAuthPassword", password)
        answer = await self.site.call("ChangeConfiguration", key="AuthorizationKey", value=password)
        return str(answer["status"])

    async def ask_to_sign(self) -> str:
        """Have the station ask for a certificate; its request."""
        mark = self.site.csms.mark()
        if self.version == "2.0.1":
            word, action = "SignChargingStationCertificate", "TriggerMessage"
        else:
            word, action = "SignChargePointCertificate", "ExtendedTriggerMessage"
        assert await self.site.call(action, requestedMessage=word) == {"status": "Accepted"}
        request = await self.site.csms.wait_for("SignCertificate", after=mark)
        return str(request["csr"])

    async def sign(self, chain: str) -> str:
        answer = await self.site.call("CertificateSigned", certificateChain=chain)
        return str(answer["status"])

    async def install(self, authority: Authority) -> str:
        answer = await self.site.call(
            "InstallCertificate",
            certificateType=ROOT_WORD[self.version],
            certificate=authority.pem,
        )
        return str(answer["status"])

    async def roots(self) -> list[dict[str, str]]:
        """The names of the roots of CSMSs that the station has."""
        word = ROOT_WORD[self.version]
        if self.version == "1.6":
            told = await self.site.call("GetInstalledCertificateIds", certificateType=word)
            return list(told.get("certificateHashData", []))
        told = await self.site.call("GetInstalledCertificateIds", certificateType=[word])
        chains = told.get("certificateHashDataChain", [])
        return [chain["certificateHashData"] for chain in chains]

    async def delete(self, name: dict[str, str]) -> str:
        answer = await self.site.call("DeleteCertificate", certificateHashData=name)
        return str(answer["status"])

    def served_by(self, authority: Authority) -> None:
        """The CSMS shows a certificate of this authority from the next connection on."""
        shows(self.tls, self.folder, authority)

    async def told(self, event: str, words: str = "") -> dict[str, Any]:
        """A security event that the station tells, or told."""
        payload = await self.site.csms.wait_for(
            "SecurityEventNotification",
            lambda one: one["type"] == event and words in one.get("techInfo", ""),
        )
        return dict(payload)


def certificates(folder: Path, issuer: Authority = ROOT) -> str:
    """Files of the installer: a root, and a certificate of the station with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    files = {
        "ca": ROOT.pem,
        "cert": pem(issuer.issue("0001", key.public_key(), **LIVING)),
        "key": key_pem(key),
    }
    for stem, text in files.items():
        (folder / f"{stem}.pem").write_text(text)
        (folder / f"{stem}.pem").chmod(0o600)
    return "".join(f", {stem}_file: {folder}/{stem}.pem" for stem in files)


@asynccontextmanager
async def secured(
    version: str,
    profile: int,
    folder: Path,
    patch: pytest.MonkeyPatch,
    *,
    more: str = "",
    **options: Any,
) -> AsyncIterator[Secured]:
    """A station that is accepted with TLS, by password (2) or certificate (3)."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ROOT.pem)
    shows(tls, folder, ROOT)
    lines = f", security_profile: {profile}{more}"
    if profile == 2:
        (folder / "ca.pem").write_text(ROOT.pem)
        lines += f', password: "{PASSWORD}", ca_file: {folder}/ca.pem'
        options["password"] = PASSWORD.encode()
    else:
        lines += certificates(folder)
        tls.verify_mode = ssl.CERT_REQUIRED
    async with site_of(folder, patch, version=version, more=lines, tls=tls, **options) as site:
        yield Secured(site, version, tls, folder)


__all__ = ["PASSWORD", "ROOT", "STATION", "Secured", "certificates", "secured"]
