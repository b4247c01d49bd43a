"""Sending the station's logs to the CSMS (OCPP 2.0.1 N01, 1.6 section 5.8 and white paper).

One upload at a time: a newer request takes the place of one under way, which is told as
AcceptedCanceled (N01.FR.12). An upload is stored, so that one cut off by a restart is made again.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from typing import Any

from chargepoint.clock import Clock
from chargepoint.core.facts import LogProgress
from chargepoint.core.logs import Interval, LogJob, LogKind, LogStatus, failed, file_name
from chargepoint.core.transfer import Attempts
from chargepoint.errors import Refused
from chargepoint.station.evse_ports import Spawn
from chargepoint.station.log_archive import as_json, as_lines, write_archive
from chargepoint.station.log_keeper import kept_lines
from chargepoint.station.long_job import LongJob, Tell
from chargepoint.station.transfer import Transfer, TransferFailed, check_room, empty, remove
from chargepoint.store.security_log import LogEntry
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

JOB = "log"


@dataclass(frozen=True, slots=True)
class LogRules:
    """Where archives are made, where the log is kept, and what else goes into an archive."""

    folder: Path
    kept: Path
    station_id: str
    describe: Callable[[], dict[str, Any]]


class Logs(LongJob[LogJob]):
    """The one upload there may be."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        rules: LogRules,
        transfer: Transfer,
        tell: Tell,
        spawn: Spawn,
    ) -> None:
        super().__init__(JOB, LogJob, store=store, clock=clock, tell=tell, spawn=spawn)
        self._rules = rules
        self._transfer = transfer

    # --- what the CSMS asks -----------------------------------------------------------------

    def check(
        self,
        kind: LogKind,
        location: str,
        interval: Interval,
        attempts: Attempts,
        *,
        request_id: int | None = None,
        diagnostics: bool = False,
    ) -> LogJob:
        """Judge a request before it is answered; the answer names the file of the job.

        Raises:
            Refused: an address this station cannot use, a senseless interval, an empty log.
        """
        self._transfer.location(location)
        interval.check()
        if kind is LogKind.SECURITY and not self._security(interval):
            raise Refused("no security event in that time", reason="NotFound")
        name = file_name(self._rules.station_id, kind, self._clock.now())
        return LogJob(request_id, kind, location, name, interval, attempts, diagnostics)

    async def triggered(self, *, diagnostics: bool = False) -> None:
        """Tell the status now, because the CSMS asks: Uploading, or Idle (F06)."""
        job = self._job
        fact = LogProgress(None, LogStatus.IDLE, self._clock.now(), diagnostics)
        if job is not None and job.diagnostics is diagnostics:
            fact = self._fact(job, LogStatus.UPLOADING)
        self._keep(job, fact)

    # --- life -------------------------------------------------------------------------------

    async def resume(self) -> None:
        """After a start: make again what a restart cut off."""
        if self._job is not None:
            self._go_on(self._job)

    async def _take_up(self) -> None:
        if self._job is not None:
            await self._carry_out(self._job)

    def _replaced(self, old: LogJob, job: LogJob) -> None:
        """N01.FR.12."""
        self._keep(job, self._fact(old, LogStatus.ACCEPTED_CANCELED))

    async def _carry_out(self, job: LogJob) -> None:
        """From the request to the last status; every way out tells one."""
        if job.status is None:
            job = replace(job, status=LogStatus.UPLOADING)
            self._keep(job, self._fact(job, LogStatus.UPLOADING))
        archive = self._rules.folder / job.file_name
        status = LogStatus.UPLOADED
        try:
            await self._pack(job, archive)
            place = self._transfer.location(job.location)
            await self._transfer.upload(place, archive, job.attempts)
        except TransferFailed as trouble:
            status = failed(trouble.trouble)
        except (OSError, Refused) as error:
            log.warning("log not sent: %s", error)
            status = LogStatus.UPLOAD_FAILURE
        finally:
            remove(archive)
        self._keep(None, self._fact(job, status))

    async def _pack(self, job: LogJob, archive: Path) -> None:
        empty(self._rules.folder)
        check_room(self._rules.folder)
        if job.kind is LogKind.SECURITY:
            files = {"security.log": as_lines(self._security(job.interval))}
        else:
            parts = self._rules.describe()
            files = {f"{name}.json": as_json(part) for name, part in parts.items()}
        await asyncio.to_thread(self._write, job, archive, files)

    def _security(self, interval: Interval) -> list[LogEntry]:
        oldest, latest = interval.oldest, interval.latest
        return self._store.security_log.entries(
            since=oldest.astimezone(UTC).isoformat() if oldest else "",
            until=latest.astimezone(UTC).isoformat() if latest else "9999",
        )

    def _write(self, job: LogJob, archive: Path, files: dict[str, bytes]) -> None:
        if job.kind is LogKind.DIAGNOSTICS:
            kept = "".join(kept_lines(self._rules.kept, job.interval)).encode()
            files = {"station.log": kept, **files}
        write_archive(archive, files, self._clock.now())

    def _fact(self, job: LogJob, status: LogStatus) -> LogProgress:
        return LogProgress(job.request_id, status, self._clock.now(), job.diagnostics)
