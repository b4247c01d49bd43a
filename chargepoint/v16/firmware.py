"""Firmware updates: plain ones (sections 5.19, 6.19) and signed ones of the security white paper.

The two are told in messages of their own, by whether the update came with a signature. A plain
update has fewer words: what it cannot say is either a step nobody waits for, or a failure.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from chargepoint.core.facts import FirmwareProgress
from chargepoint.core.firmware import FirmwareJob, FirmwareStatus
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import CallError, Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v16 import wire

_CERTIFICATE_STATUSES: Final = frozenset({"InvalidCertificate", "RevokedCertificate"})

# Statuses that the plain message lacks, by what is told instead; None is nothing.
_PLAIN: Final[Mapping[FirmwareStatus, FirmwareStatus | None]] = {
    FirmwareStatus.DOWNLOAD_SCHEDULED: None,
    FirmwareStatus.DOWNLOAD_PAUSED: FirmwareStatus.DOWNLOADING,
    FirmwareStatus.SIGNATURE_VERIFIED: None,
    FirmwareStatus.INSTALL_SCHEDULED: None,
    FirmwareStatus.INSTALL_REBOOTING: None,
    FirmwareStatus.INVALID_SIGNATURE: FirmwareStatus.INSTALLATION_FAILED,
    FirmwareStatus.INSTALL_VERIFICATION_FAILED: FirmwareStatus.INSTALLATION_FAILED,
}


class Firmware:
    """Takes updates and tells how far they are."""

    def __init__(self, station: Station) -> None:
        self._services = station.services

    @handles("UpdateFirmware")
    async def update(self, payload: dict[str, Any]) -> Reply:
        """Section 6.19: the answer says nothing, so what cannot be done is an error.

        A station that checks signatures takes no update without one, unless its maker allows it.
        """
        firmware = self._services.firmware
        if not firmware.takes_unsigned:
            raise CallError("NotSupported", "this station takes signed updates only")
        job = FirmwareJob(
            None,
            payload["location"],
            wire.moment(payload["retrieveDate"]),
            attempts=self._services.attempts(payload),
        )
        try:
            await firmware.accept(job)
        except Refused as refused:
            code = (
                "PropertyConstraintViolation" if refused.reason == "InvalidURL" else "GenericError"
            )
            raise CallError(code, str(refused)) from refused
        return Reply({}, firmware.begin)

    @handles("SignedUpdateFirmware")
    async def update_signed(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """White paper L01: the certificate is judged, the update stored before the answer."""
        firmware = payload["firmware"]
        install_at = firmware.get("installDateTime")
        job = FirmwareJob(
            payload["requestId"],
            firmware["location"],
            wire.moment(firmware["retrieveDateTime"]),
            wire.moment(install_at) if install_at else None,
            firmware["signingCertificate"],
            firmware["signature"],
            self._services.attempts(payload),
        )
        try:
            replaces = await self._services.firmware.accept(job)
        except Refused as refused:
            certificate = refused.reason in _CERTIFICATE_STATUSES
            return {"status": refused.reason if certificate else "Rejected"}

        status = "AcceptedCanceled" if replaces else "Accepted"
        return Reply({"status": status}, self._services.firmware.begin)

    @triggers("FirmwareStatusNotification")
    def status(self) -> Work:
        """Section 5.17: of an update without a signature."""
        return partial(self._services.firmware.triggered, signed=False)

    @triggers("SignedFirmwareStatusNotification")
    def signed_status(self) -> Work:
        """White paper L01, F06: of one with a signature."""
        return partial(self._services.firmware.triggered, signed=True)

    @delivers(FirmwareProgress)
    async def progressed(self, fact: FirmwareProgress, delivery: Delivery) -> None:
        """Sections 4.5 and 6.23; white paper: every status carries the request's id, but Idle."""
        if not fact.signed:
            status = _PLAIN.get(fact.status, fact.status)
            if status is None:
                delivery.lack = f"there is no word for {fact.status}"
                return
            await delivery.call("FirmwareStatusNotification", {"status": str(status)})
            return
        payload: dict[str, Any] = {"status": str(fact.status)}
        if fact.request_id is not None:
            payload["requestId"] = fact.request_id
        await delivery.call("SignedFirmwareStatusNotification", payload)
