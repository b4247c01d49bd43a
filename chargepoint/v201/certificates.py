"""Block M, certificates: what the station trusts, and what it asks on behalf of a vehicle."""

from dataclasses import dataclass
from typing import Any

from chargepoint.core.certificates import CertificateId, HashAlgorithm, Use
from chargepoint.core.facts import CertificateStatusDue
from chargepoint.csms.adapter import Csms, Delivery, delivers, handles
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire


@dataclass(frozen=True, slots=True)
class VehicleRequest:
    """A certificate request of a vehicle, as ISO 15118 carries it: ``exi`` in base64.

    ``action`` is Install or Update, ``schema`` the version of ISO 15118 in use.
    """

    schema: str
    action: str
    exi: str


@dataclass(frozen=True, slots=True)
class VehicleAnswer:
    """What the vehicle gets back; also a refusal has an ``exi`` that says so."""

    accepted: bool
    exi: str


class Certificates:
    """The CSMS installs, lists and deletes; the station passes on what vehicles ask for."""

    def __init__(self, station: Station) -> None:
        self._certificates = station.security.certificates

    # --- the CSMS asks ----------------------------------------------------------------------

    @handles("InstallCertificate")
    async def install(self, payload: dict[str, Any]) -> dict[str, Any]:
        """M05: Rejected is about the certificate, Failed about the station."""
        try:
            await self._certificates.install(
                Use(payload["certificateType"]), payload["certificate"]
            )
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError as error:
            return wire.answer("Failed", Refused(str(error), reason="InternalError"))
        return {"status": "Accepted"}

    @handles("GetInstalledCertificateIds")
    async def installed(self, payload: dict[str, Any]) -> dict[str, Any]:
        """M03: the names of what is installed; without types those of everything."""
        listed = await self._certificates.installed(
            [Use(word) for word in payload.get("certificateType", ())]
        )
        if not listed:
            return {"status": "NotFound"}
        chains = []
        for row in listed:
            chain: dict[str, Any] = {
                "certificateType": str(row.use),
                "certificateHashData": hash_data(row.id),
            }
            if row.children:
                chain["childCertificateHashData"] = [hash_data(child) for child in row.children]
            chains.append(chain)
        return {"status": "Accepted", "certificateHashDataChain": chains}

    @handles("DeleteCertificate")
    async def delete(self, payload: dict[str, Any]) -> dict[str, Any]:
        """M04: one that is in use stays."""
        try:
            found = await self._certificates.delete(certificate_id(payload["certificateHashData"]))
        except Refused as refused:
            return wire.answer("Failed", refused)
        except StoreError as error:
            return wire.answer("Failed", Refused(str(error), reason="InternalError"))
        return {"status": "Accepted" if found else "NotFound"}

    # --- the station asks -------------------------------------------------------------------

    @delivers(CertificateStatusDue)
    async def status_due(self, fact: CertificateStatusDue, delivery: Delivery) -> None:
        """M06: what OCSP says of a certificate that vehicles are shown; a failure is tolerated."""
        request = hash_data(fact.id) | {"responderURL": fact.responder[:512]}
        reply = await delivery.call("GetCertificateStatus", {"ocspRequestData": request})
        if reply["status"] == "Accepted" and "ocspResult" in reply:
            self._certificates.keep_status(fact.id, reply["ocspResult"])

    async def for_vehicle(self, csms: Csms, request: VehicleRequest) -> VehicleAnswer:
        """M01, M02: pass on a vehicle's wish for a contract certificate.

        Raises:
            CsmsUnavailable, CsmsRejected: there is no answer; the vehicle has to do without.
        """
        reply = await csms.call(
            "Get15118EVCertificate",
            {
                "iso15118SchemaVersion": request.schema,
                "action": request.action,
                "exiRequest": request.exi,
            },
        )
        return VehicleAnswer(reply["status"] == "Accepted", reply["exiResponse"])


def hash_data(name: CertificateId) -> dict[str, Any]:
    """CertificateHashDataType."""
    return {
        "hashAlgorithm": str(name.algorithm),
        "issuerNameHash": name.issuer_name_hash,
        "issuerKeyHash": name.issuer_key_hash,
        "serialNumber": name.serial_number,
    }


def certificate_id(data: dict[str, Any]) -> CertificateId:
    """The name of a certificate, from CertificateHashDataType."""
    return CertificateId(
        HashAlgorithm(data["hashAlgorithm"]),
        data["issuerNameHash"],
        data["issuerKeyHash"],
        data["serialNumber"],
    )
