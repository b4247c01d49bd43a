"""Block C, authorization."""

import logging
from dataclasses import replace
from typing import Any

from chargepoint.core.authorization import ACCEPTED, Known
from chargepoint.core.contract import Contract
from chargepoint.core.model import IdToken
from chargepoint.csms.adapter import Csms, handles
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.certificates import hash_data

log = logging.getLogger(__name__)


class Authorization:
    """Asks about tokens; lets the CSMS empty the cache."""

    def __init__(self, station: Station) -> None:
        self._station = station

    async def authorize(
        self, csms: Csms, token: IdToken, contract: Contract | None = None
    ) -> Known:
        """C01, C07: what the CSMS says of a token, or of the contract that it is the id of.

        A contract that it finds wrong is Invalid, whatever it says of the id.
        """
        payload = {"idToken": wire.id_token(token)}
        reply = await csms.call("Authorize", payload | _proof(contract))
        known = wire.known(reply["idTokenInfo"])
        if contract is not None and reply.get("certificateStatus", ACCEPTED) != ACCEPTED:
            log.info("contract %s: %s", token.masked, reply["certificateStatus"])
            return replace(known, status="Invalid") if known.status == ACCEPTED else known
        return known

    @handles("ClearCache")
    async def clear_cache(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """C11: forget every cached authorization; Rejected while the cache is switched off."""
        cleared = self._station.authorizer.clear_cache()
        return {"status": "Accepted" if cleared else "Rejected"}


def _proof(contract: Contract | None) -> dict[str, Any]:
    """What goes with the id: the names of certificates for OCSP, else the whole contract."""
    if contract is None:
        return {}
    if not contract.named:
        return {"certificate": contract.chain}
    return {
        "iso15118CertificateHashData": [
            hash_data(name.id) | {"responderURL": name.responder[:512]} for name in contract.names
        ]
    }
