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

from chargepoint.clock import Clock, sleep_unless
from chargepoint.core.facts import LogProgress
from chargepoint.core.logs import Interval, LogJob, LogKind, LogStatus, failed, file_name
from chargepoint.core.transfer import Attempts
from chargepoint.errors import Refused, StoreError
from chargepoint.station.evse import Spawn
from chargepoint.station.firmware import ANSWERED_WITHIN, Tell
from chargepoint.station.log_archive import as_json, as_lines, write_archive
from chargepoint.station.log_keeper import kept_lines
from chargepoint.station.transfer import Transfer, TransferFailed, check_room
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


class Logs:
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
        self._store = store
        self._clock = clock
        self._rules = rules
        self._transfer = transfer
        self._tell = tell
        self._spawn = spawn
        self._task: asyncio.Task[None] | None = None
        self._answered = asyncio.Event()  # what the CSMS asked for last
        self._job = store.jobs.get(JOB, LogJob)

    @property
    def busy(self) -> bool:
        """Whether an upload is under way."""
        return self._job is not None

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

    async def accept(self, job: LogJob) -> None:
        """Store an upload that was checked, before that is answered; ``begin`` is for afterwards.

        One under way is cancelled.

        Raises:
            StoreError: it cannot be stored; what was under way is cancelled all the same.
        """
        error = await asyncio.shield(self._spawn(self._replace(job)))
        if error is not None:
            raise error

    async def begin(self) -> None:
        """The answer has left."""
        self._answered.set()

    def triggered(self, *, diagnostics: bool = False) -> None:
        """Tell the status now, because the CSMS asks: Uploading, or Idle (F06)."""
        job = self._job
        fact = LogProgress(None, LogStatus.IDLE, self._clock.now(), diagnostics)
        if job is not None and job.diagnostics is diagnostics:
            fact = self._fact(job, LogStatus.UPLOADING)
        self._tell(JOB, job, (fact,))

    # --- life -------------------------------------------------------------------------------

    async def resume(self) -> None:
        """After a start: make again what a restart cut off."""
        if self._job is not None and (self._task is None or self._task.done()):
            self._task = self._spawn(self._carry_out(self._job))

    async def _replace(self, job: LogJob) -> StoreError | None:
        """A refusal is a result: the task must not fail."""
        old, task = self._job, self._task
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})
        try:
            self._tell(JOB, job, ())
        except StoreError as error:
            return error
        self._job = job
        self._answered = asyncio.Event()
        self._task = self._spawn(self._carry_out_after(self._answered, job, old))
        return None

    async def _carry_out_after(
        self, answered: asyncio.Event, job: LogJob, old: LogJob | None
    ) -> None:
        """What is told comes after the answer, if that can be given at all."""
        await sleep_unless(self._clock, ANSWERED_WITHIN, answered)
        if old is not None:
            self._tell(JOB, job, (self._fact(old, LogStatus.ACCEPTED_CANCELED),))
        await self._carry_out(job)

    async def _carry_out(self, job: LogJob) -> None:
        """From the request to the last status; every way out tells one."""
        if job.status is None:
            job = self._job = replace(job, status=LogStatus.UPLOADING)
            self._tell(JOB, job, (self._fact(job, LogStatus.UPLOADING),))
        archive = self._rules.folder / job.file_name
        status = LogStatus.UPLOADED
        try:
            await self._pack(job, archive)
            place = self._transfer.location(job.location)
            await self._transfer.upload(place, archive, job.attempts)
        except TransferFailed as trouble:
            log.warning("log not sent: %s", trouble)
            status = failed(trouble.trouble)
        except (OSError, Refused) as error:
            log.warning("log not sent: %s", error)
            status = LogStatus.UPLOAD_FAILURE
        finally:
            archive.unlink(missing_ok=True)
        self._job = None
        self._tell(JOB, None, (self._fact(job, status),))

    async def _pack(self, job: LogJob, archive: Path) -> None:
        _empty(self._rules.folder)
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


def _empty(folder: Path) -> None:
    """The folder is there and holds nothing of an earlier upload, of which a cut left some."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.iterdir():
        if file.is_file():
            file.unlink()
