"""Block N, diagnostics: sending logs."""

from typing import Any

from chargepoint.core.facts import LogProgress
from chargepoint.core.logs import Interval, LogKind
from chargepoint.csms.adapter import Delivery, Work, delivers, handles, triggers
from chargepoint.csms.rpc import Reply
from chargepoint.errors import Refused
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.progress import tell_progress


class Diagnostics:
    """Sends the logs the CSMS asks for."""

    def __init__(self, station: Station) -> None:
        self._services = station.services

    @handles("GetLog")
    async def get_log(self, payload: dict[str, Any]) -> dict[str, Any] | Reply:
        """N01: the answer names the file; the upload, stored before it, follows it."""
        asked, logs = payload["log"], self._services.logs
        try:
            job = logs.check(
                LogKind(payload["logType"]),
                asked["remoteLocation"],
                _interval(asked),
                self._services.attempts(payload),
                request_id=payload["requestId"],
            )
        except Refused as refused:
            return wire.answer("Rejected", refused)

        status = "AcceptedCanceled" if await logs.accept(job) else "Accepted"
        return Reply({"status": status, "filename": job.file_name}, logs.begin)

    @triggers("LogStatusNotification")
    def status(self) -> Work:
        """F06: Uploading with the request's id, or Idle."""
        return self._services.logs.triggered

    @delivers(LogProgress)
    async def progressed(self, fact: LogProgress, delivery: Delivery) -> None:
        """N01: every status carries the request's id, but Idle; a request of 1.6 has none."""
        await tell_progress("LogStatusNotification", fact, delivery)


def _interval(asked: dict[str, Any]) -> Interval:
    oldest, latest = asked.get("oldestTimestamp"), asked.get("latestTimestamp")
    return Interval(
        wire.moment(oldest) if oldest else None, wire.moment(latest) if latest else None
    )
