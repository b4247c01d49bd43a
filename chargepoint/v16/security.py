"""Security events, the certificate of the charge point (security whitepaper)."""

import logging
from typing import Any

from chargepoint.core.certificates import Use
from chargepoint.core.facts import CertificateRequested, SecurityEvent
from chargepoint.core.security import Event
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.csms.security_events import tell_event
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v16 import wire

log = logging.getLogger(__name__)

TYPE_MOST, INFO_MOST = 50, 255

TYPE: dict[str, str] = {
    Event.CSMS_FAILED_TO_AUTHENTICATE: "CentralSystemFailedToAuthenticate",
    Event.FAILED_TO_AUTHENTICATE: "FailedToAuthenticateAtCentralSystem",
    Event.INVALID_CERTIFICATE: "InvalidChargePointCertificate",
    Event.INVALID_CSMS_CERTIFICATE: "InvalidCentralSystemCertificate",
}
"""The events that 1.6 calls otherwise than 2.0.1."""


class Security:
    """Tells security events; asks for certificates of the station and takes them."""

    def __init__(self, station: Station) -> None:
        self._certificates = station.security.certificates

    @delivers(SecurityEvent)
    async def happened(self, fact: SecurityEvent, delivery: Delivery) -> None:
        """Whitepaper A04: something the security log must hold."""

        def payload(kind: str, info: str) -> dict[str, Any]:
            word = wire.cut(TYPE.get(kind, kind), TYPE_MOST, "type of a security event")
            made = {"type": word, "timestamp": wire.timestamp(fact.at)}
            if info:
                made["techInfo"] = wire.cut(info, INFO_MOST, "techInfo of a security event")
            return made

        await tell_event("SecurityEventNotification", fact, delivery, payload)

    @delivers(CertificateRequested)
    async def requested(self, fact: CertificateRequested, delivery: Delivery) -> None:
        """Whitepaper A02, A03: a key of ours waits for its certificate; 1.6 knows one kind."""
        if Use(fact.use) is not Use.STATION:
            delivery.lack = "a certificate for vehicles cannot be asked for"
            self._certificates.answered(fact, accepted=False)
            return
        reply = await delivery.call("SignCertificate", {"csr": fact.csr})
        self._certificates.answered(fact, accepted=reply["status"] == "Accepted")

    @handles("CertificateSigned")
    async def signed(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Whitepaper A02, A03: used by the next connection, which is made at once."""
        try:
            shown = await self._certificates.signed(Use.STATION, payload["certificateChain"])
        except (Refused, StoreError) as error:
            log.warning("CertificateSigned rejected: %s", error)
            return {"status": "Rejected"}
        if not shown:
            return {"status": "Accepted"}
        return Reply({"status": "Accepted"}, self._certificates.show)

    @triggers("SignChargePointCertificate")
    def sign(self) -> Work:
        """Whitepaper A02, A03: the charge point asks for a certificate."""
        self._certificates.check_request(Use.STATION)
        return lambda: self._certificates.triggered(Use.STATION)
