"""Block C, authorization."""

from typing import Any

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken
from chargepoint.csms.adapter import Csms, handles
from chargepoint.errors import StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire


class Authorization:
    """Asks about tokens; lets the CSMS empty the cache."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def authorize(self, csms: Csms, token: IdToken) -> Known:
        """C01: what the CSMS says of a token."""
        reply = await csms.call("Authorize", {"idToken": wire.id_token(token)})
        return wire.known(reply["idTokenInfo"])

    @handles("ClearCache")
    async def clear_cache(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """C11: forget every cached authorization; Rejected while the cache is switched off."""
        if not self._station.settings.rules().cache:
            return {"status": "Rejected"}
        try:
            self._station.authorizer.forget_all()
        except StoreError:
            return {"status": "Rejected"}
        return {"status": "Accepted"}
