"""Block B, provisioning: network profiles."""

import logging
from typing import Any

from chargepoint.core.network import (
    INVALID_PROFILE,
    NetworkProfile,
    check_profile,
    message_timeout,
)
from chargepoint.core.variables import (
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    NETWORK_CONFIGURATION_PRIORITY,
    SECURITY_PROFILE,
)
from chargepoint.csms.adapter import handles
from chargepoint.errors import Refused, StoreError
from chargepoint.station.station import Station
from chargepoint.v201 import wire

log = logging.getLogger(__name__)


class Network:
    """Stores how to reach a CSMS; it is used once NetworkConfigurationPriority names it."""

    def __init__(self, station: Station) -> None:
        self._station = station

    @handles("SetNetworkProfile")
    async def set_profile(self, payload: dict[str, Any]) -> dict[str, Any]:
        """B09, A05: checked, then kept; the handshake decides about the version, not this.

        Whether the station has what the profile needs matters once its slot is to be tried.
        """
        data, slot = payload["connectionData"], payload["configurationSlot"]
        try:
            if data["ocppTransport"] != "JSON" or "vpn" in data or "apn" in data:
                raise Refused("JSON without vpn and apn only", reason=INVALID_PROFILE)  # noqa: TRY301 - one way out
            profile = NetworkProfile(
                data["ocppCsmsUrl"],
                data["securityProfile"],
                message_timeout(data["messageTimeout"]),
                data["ocppInterface"],
            )
            model = self._station.model
            check_profile(
                slot,
                profile,
                security=model[SECURITY_PROFILE],
                downgrade=model[ALLOW_SECURITY_PROFILE_DOWNGRADE],
            )
            if str(slot) in model[NETWORK_CONFIGURATION_PRIORITY]:
                current = model[SECURITY_PROFILE]
                self._station.security.check_profile(current, profile.security_profile)
            self._station.store.network.save(slot, profile)
        except Refused as refused:
            return wire.answer("Rejected", refused)
        except StoreError as error:
            log.error("network profile %d: %s", slot, error)  # noqa: TRY400 - the disk
            return {"status": "Failed"}
        return {"status": "Accepted"}
