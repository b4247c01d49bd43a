"""Block A, security: security events, and the certificate of the station itself."""

from typing import Any

from chargepoint.core.certificates import Use
from chargepoint.core.facts import CertificateRequested, SecurityEvent
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.csms.security_events import tell_event
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire

TYPE_MOST, INFO_MOST = 50, 255

SIGNING_USE: dict[Use, str] = {
    Use.STATION: "ChargingStationCertificate",
    Use.V2G_CHAIN: "V2GCertificate",
}
USE_OF_SIGNING: dict[str, Use] = {word: use for use, word in SIGNING_USE.items()}


class Security:
    """Tells security events; asks for certificates of the station and takes them."""

    def __init__(self, station: Station) -> None:
        self._certificates = station.security.certificates

    @delivers(SecurityEvent)
    async def happened(self, fact: SecurityEvent, delivery: Delivery) -> None:
        """A04: something the security log must hold."""

        def payload(kind: str, info: str) -> dict[str, Any]:
            made = {"type": kind[:TYPE_MOST], "timestamp": wire.timestamp(fact.at)}
            return made | ({"techInfo": info[:INFO_MOST]} if info else {})

        await tell_event("SecurityEventNotification", fact, delivery, payload)

    @delivers(CertificateRequested)
    async def requested(self, fact: CertificateRequested, delivery: Delivery) -> None:
        """A02, A03: a key of ours waits for its certificate."""
        payload = {"csr": fact.csr, "certificateType": SIGNING_USE[Use(fact.use)]}
        reply = await delivery.call("SignCertificate", payload)
        self._certificates.answered(fact, accepted=reply["status"] == "Accepted")

    @handles("CertificateSigned")
    async def signed(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """A02, A03: used by the next connection, which is made at once (errata 2025-01)."""
        use = USE_OF_SIGNING[payload.get("certificateType", "ChargingStationCertificate")]
        try:
            shown = await self._certificates.signed(use, payload["certificateChain"])
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError as error:
            return wire.answer("Rejected", Refused(str(error), reason="InternalError"))
        if not shown:
            return {"status": "Accepted"}
        return Reply({"status": "Accepted"}, self._certificates.show)

    @triggers("SignChargingStationCertificate")
    def sign_own(self) -> Work:
        """A02, A03: the station asks for a certificate of its own."""
        return self._signing(Use.STATION)

    @triggers("SignV2GCertificate")
    def sign_for_vehicles(self) -> Work:
        """The same for the one that vehicles are shown; there is no combined one."""
        return self._signing(Use.V2G_CHAIN)

    def _signing(self, use: Use) -> Work:
        self._certificates.check_request(use)
        return lambda: self._certificates.triggered(use)
