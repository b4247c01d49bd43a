"""Block A, security: security events."""

from chargepoint.core.facts import SecurityEvent
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.v201 import wire


class Security:
    """Tells security events; they wait in the journal until the CSMS has them (A04.FR.02)."""

    @delivers(SecurityEvent)
    async def happened(self, fact: SecurityEvent, delivery: Delivery) -> None:
        """A04: something the security log must hold."""
        payload = {"type": fact.type[:50], "timestamp": wire.timestamp(fact.at)}
        if fact.info:
            payload["techInfo"] = fact.info[:255]
        await delivery.call("SecurityEventNotification", payload)
