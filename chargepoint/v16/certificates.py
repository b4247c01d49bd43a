"""What the charge point trusts: install, list, delete (security whitepaper M03 to M05)."""

import logging
from typing import Any

from chargepoint.core.certificates import CertificateId, HashAlgorithm, Use
from chargepoint.csms.adapter import handles
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station

log = logging.getLogger(__name__)

USE: dict[str, Use] = {
    "CentralSystemRootCertificate": Use.CSMS_ROOT,
    "ManufacturerRootCertificate": Use.MANUFACTURER_ROOT,
}


class Certificates:
    """The CSMS installs, lists and deletes."""

    def __init__(self, station: Station) -> None:
        self._certificates = station.security.certificates

    @handles("InstallCertificate")
    async def install(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Whitepaper M05: Rejected is about the certificate, Failed about the charge point."""
        try:
            use = USE[payload["certificateType"]]
            await self._certificates.install(use, payload["certificate"])
        except Refused:
            return {"status": "Rejected"}
        except StoreError as error:
            log.error("certificate not stored: %s", error)  # noqa: TRY400 - the disk
            return {"status": "Failed"}
        return {"status": "Accepted"}

    @handles("GetInstalledCertificateIds")
    async def installed(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Whitepaper M03: the names of what is installed of one type."""
        listed = await self._certificates.installed([USE[payload["certificateType"]]])
        if not listed:
            return {"status": "NotFound"}
        names = [_hash_data(row.id) for row in listed]
        return {"status": "Accepted", "certificateHashData": names}

    @handles("DeleteCertificate")
    async def delete(self, payload: dict[str, Any]) -> dict[str, Any]:
        """Whitepaper M04: one that is in use stays."""
        data = payload["certificateHashData"]
        name = CertificateId(
            HashAlgorithm(data["hashAlgorithm"]),
            data["issuerNameHash"],
            data["issuerKeyHash"],
            data["serialNumber"],
        )
        try:
            found = await self._certificates.delete(name)
        except (Refused, StoreError) as error:
            log.warning("certificate not deleted: %s", error)
            return {"status": "Failed"}
        return {"status": "Accepted" if found else "NotFound"}


def _hash_data(name: CertificateId) -> dict[str, Any]:
    """CertificateHashDataType."""
    return {
        "hashAlgorithm": str(name.algorithm),
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }
