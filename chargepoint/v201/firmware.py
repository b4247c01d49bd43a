"""Block L, firmware management."""

from typing import Any

from chargepoint.core.facts import FirmwareProgress
from chargepoint.core.firmware import FirmwareJob
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.progress import tell_progress

_CERTIFICATE_STATUSES = frozenset({"InvalidCertificate", "RevokedCertificate"})


class Firmware:
    """Takes updates and tells how far they are; publishes none, being no local controller."""

    def __init__(self, station: Station) -> None:
        self._services = station.services

    @handles("UpdateFirmware")
    async def update(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """L01, L02: the certificate is judged and the update stored before the answer."""
        firmware = payload["firmware"]
        install_at = firmware.get("installDateTime")
        job = FirmwareJob(
            payload["requestId"],
            firmware["location"],
            wire.moment(firmware["retrieveDateTime"]),
            wire.moment(install_at) if install_at else None,
            firmware.get("signingCertificate", ""),
            firmware.get("signature", ""),
            self._services.attempts(payload),
        )
        try:
            replaces = await self._services.firmware.accept(job)
        except Refused as refused:
            certificate = refused.reason in _CERTIFICATE_STATUSES
            return wire.answer(refused.reason if certificate else "Rejected", refused)

        status = "AcceptedCanceled" if replaces else "Accepted"
        return Reply({"status": status}, self._services.firmware.begin)

    @handles("PublishFirmware")
    async def publish(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """L03: only a local controller hands firmware on."""
        no = Refused("this station is no local controller", reason="UnsupportedRequest")
        return wire.answer("Rejected", no)

    @handles("UnpublishFirmware")
    async def unpublish(self, _payload: dict[str, Any]) -> dict[str, Any]:
        """L04: there never is any to take back."""
        return {"status": "NoFirmware"}

    @triggers("FirmwareStatusNotification")
    def status(self) -> Work:
        """F06, L01.FR.25, .26."""
        return self._services.firmware.triggered

    @delivers(FirmwareProgress)
    async def progressed(self, fact: FirmwareProgress, delivery: Delivery) -> None:
        """L01.FR.10, .20: every status carries the request's id, but Idle; one of 1.6 has none."""
        await tell_progress("FirmwareStatusNotification", fact, delivery)
