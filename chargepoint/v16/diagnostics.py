"""Sending logs: GetDiagnostics (section 6.25) and GetLog of the security white paper."""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from chargepoint.core.facts import LogProgress
from chargepoint.core.logs import Interval, LogKind, LogStatus
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v16 import wire

# What DiagnosticsStatusNotification says of an upload; all else is a failure.
_DIAGNOSTICS: Final[Mapping[LogStatus, str]] = {
    LogStatus.IDLE: "Idle",
    LogStatus.UPLOADING: "Uploading",
    LogStatus.UPLOADED: "Uploaded",
}


class Diagnostics:
    """Sends the logs the CSMS asks for."""

    def __init__(self, station: Station) -> None:
        self._services = station.services

    @handles("GetDiagnostics")
    async def get_diagnostics(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """Section 5.8: the answer names the file, or nothing if there is none to send."""
        interval = _interval(payload.get("startTime"), payload.get("stopTime"))
        try:
            job = self._services.logs.check(
                LogKind.DIAGNOSTICS,
                payload["location"],
                interval,
                self._services.attempts(payload),
                diagnostics=True,
            )
        except Refused:
            return {}
        await self._services.logs.accept(job)
        return Reply({"fileName": job.file_name}, self._services.logs.begin)

    @handles("GetLog")
    async def get_log(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """White paper N01: the answer names the file, the upload follows it."""
        asked, logs = payload["log"], self._services.logs
        try:
            job = logs.check(
                LogKind(payload["logType"]),
                asked["remoteLocation"],
                _interval(asked.get("oldestTimestamp"), asked.get("latestTimestamp")),
                self._services.attempts(payload),
                request_id=payload["requestId"],
            )
        except Refused:
            return {"status": "Rejected"}
        status = "AcceptedCanceled" if await logs.accept(job) else "Accepted"
        return Reply({"status": status, "filename": job.file_name}, logs.begin)

    @triggers("DiagnosticsStatusNotification")
    def diagnostics_status(self) -> Work:
        """Section 5.17: of an upload that GetDiagnostics asked for."""
        return partial(self._services.logs.triggered, diagnostics=True)

    @triggers("LogStatusNotification")
    def log_status(self) -> Work:
        """White paper F06: of an upload that GetLog asked for."""
        return self._services.logs.triggered

    @delivers(LogProgress)
    async def progressed(self, fact: LogProgress, delivery: Delivery) -> None:
        """Section 4.4; white paper N01: every status carries the request's id, but Idle.

        For an upload that had to make way for another there is no word: it failed.
        """
        if fact.diagnostics:
            word = _DIAGNOSTICS.get(fact.status, "UploadFailed")
            await delivery.call("DiagnosticsStatusNotification", {"status": word})
            return
        replaced = fact.status is LogStatus.ACCEPTED_CANCELED
        status = LogStatus.UPLOAD_FAILURE if replaced else fact.status
        payload: dict[str, Any] = {"status": str(status)}
        if fact.request_id is not None:
            payload["requestId"] = fact.request_id
        await delivery.call("LogStatusNotification", payload)


def _interval(oldest: str | None, latest: str | None) -> Interval:
    return Interval(
        wire.moment(oldest) if oldest else None, wire.moment(latest) if latest else None
    )
