"""Asking about tokens, emptying the cache (sections 4.1, 5.4)."""

from typing import Any

from chargepoint.core.authorization import Known
from chargepoint.core.contract import Contract
from chargepoint.core.model import IdToken, Source
from chargepoint.csms.adapter import Csms, handles
from chargepoint.errors import CsmsUnavailable
from chargepoint.station.station import Station
from chargepoint.v16 import wire


class Authorization:
    """Asks about tokens; lets the CSMS empty the cache."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def authorize(
        self, csms: Csms, token: IdToken, contract: Contract | None = None
    ) -> Known:
        """Section 4.1: what the CSMS says of a token.

        One that is longer than an idTag cannot be asked about and is Invalid: the CSMS could not
        tell it from another one with the same beginning. There are no words for a contract.

        Raises:
            CsmsUnavailable, CsmsRejected: it did not say.
        """
        if contract is not None:
            raise CsmsUnavailable("OCPP 1.6 has no words for a contract")
        if len(token.value) > wire.ID_TAG_MOST:
            return Known("Invalid", Source.CSMS)
        reply = await csms.call("Authorize", {"idTag": wire.id_tag(token)})
        return wire.known(reply["idTagInfo"])

    @handles("ClearCache")
    async def clear_cache(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """Section 5.4: forget every cached authorization; Rejected while there is no cache."""
        cleared = self._station.authorizer.clear_cache()
        return {"status": "Accepted" if cleared else "Rejected"}
