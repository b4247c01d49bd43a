"""Updates of the firmware: fetch, check, wait for the right moment, install (OCPP 2.0.1 block L).

An update is stored before each of its steps, together with what the CSMS is told of it, so that a
restart goes on where it was. The rules are in ``core.firmware``.

A newer request takes the place of one under way, unless that is being installed. While an update
waits for running sessions to end, free EVSEs are out of use (L01.FR.06, .07), unless
AllowNewSessionsPendingFirmwareUpdate is set; from then on until it is over they always are. How
much can be done while sessions run is the maker's word; a restart never is.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

from chargepoint.clock import Clock
from chargepoint.core.facts import Fact, FirmwareProgress, SecurityEvent
from chargepoint.core.firmware import (
    RESULTS,
    FirmwareJob,
    FirmwareStatus,
    WhileCharging,
    after_start,
    on_trigger,
)
from chargepoint.core.inputs import AvailabilityChanged
from chargepoint.core.model import Scope, StopReason
from chargepoint.core.security import Event
from chargepoint.core.transfer import Location, safe_name
from chargepoint.errors import Refused
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_ports import Spawn
from chargepoint.station.firmware_check import (
    CERTIFICATE_REASONS,
    check_certificate,
    check_file,
)
from chargepoint.station.installer import Installer
from chargepoint.station.long_job import LongJob, Tell
from chargepoint.station.maintenance import Maintenance
from chargepoint.station.transfer import Partial, Transfer, TransferFailed, empty
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

JOB = "firmware"
IDLE_CHECK = timedelta(seconds=1)
HEARD_WITHIN = timedelta(seconds=5)
BOOT_REASON = "FirmwareUpdate"
BAD_SIGNATURE = Event.INVALID_FIRMWARE_SIGNATURE
BAD_CERTIFICATE = Event.INVALID_FIRMWARE_CERTIFICATE


@dataclass(frozen=True, slots=True)
class FirmwareRules:
    """What the maker allows. ``roots`` is the folder of the manufacturer's certificates."""

    folder: Path
    roots: Path
    installer: Installer | None
    size_most: int
    unsigned: bool = False
    while_charging: WhileCharging = WhileCharging.DOWNLOAD


class Firmware(LongJob[FirmwareJob]):
    """The one update there may be, and what is known of the last one."""

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        *,
        store: Store,
        clock: Clock,
        rules: FirmwareRules,
        transfer: Transfer,
        maintenance: Maintenance,
        new_sessions: Callable[[], bool],
        tell: Tell,
        spawn: Spawn,
    ) -> None:
        super().__init__(JOB, FirmwareJob, store=store, clock=clock, tell=tell, spawn=spawn)
        self._runners = runners
        self._rules = rules
        self._transfer = transfer
        self._maintenance = maintenance
        self._new_sessions = new_sessions
        self._came_to: FirmwareStatus | None = None  # what the disk may not have taken yet

    @property
    def able(self) -> bool:
        """Whether the maker said how to install."""
        return self._rules.installer is not None

    @property
    def takes_unsigned(self) -> bool:
        """Whether an update without certificate and signature is taken."""
        return self.able and self._rules.unsigned

    @property
    def size_most(self) -> int:
        """The largest file that is downloaded, in bytes."""
        return self._rules.size_most

    @property
    def busy(self) -> bool:
        """Whether an update is under way."""
        return self._job is not None and not self._job.over

    @property
    def working(self) -> bool:
        """The same, but not while it only waits for its hour, which it does over a restart, too."""
        return self._job is not None and not self._job.over and not self._job.waits

    @property
    def boot_reason(self) -> str:
        """Why the station starts, if an update is the reason; else empty."""
        rebooting = self._job and self._job.status is FirmwareStatus.INSTALL_REBOOTING
        return BOOT_REASON if rebooting else ""

    # --- what the CSMS asks -----------------------------------------------------------------

    async def accept(self, job: FirmwareJob) -> bool:
        """Judge and store an update before that is answered; True if it replaces another one.

        Raises:
            Refused: it is not taken; ``reason`` says which status that is.
            StoreError: it cannot be stored; what was under way is given up all the same.
        """
        await self._check(job)
        return await super().accept(job)

    async def triggered(self, *, signed: bool | None = None) -> None:
        """Tell the status now, because the CSMS asks (OCPP 2.0.1 F06, L01.FR.25, .26).

        ``signed`` limits it to updates with or without a signature: OCPP 1.6 has a message for
        each, and an update of the other kind is none for it.
        """
        job = self._job
        meant = job if job and signed in {None, job.signed} else None
        status = on_trigger(meant.status if meant else None)
        idle = status is FirmwareStatus.IDLE
        number = None if meant is None or idle else meant.request_id
        kind = signed if meant is None else meant.signed
        fact = FirmwareProgress(number, status, self._clock.now(), kind is not False)
        self._keep(job, fact)

    # --- life -------------------------------------------------------------------------------

    async def resume(self) -> None:
        """After a start: tell what became of an installation, or go on with what was under way."""
        if self._task is not None and not self._task.done():
            return
        job = await self._found()
        if job is not None:
            self._go_on(job)

    async def _take_up(self) -> None:
        job = await self._found()
        if job is not None:
            await self._carry_out(job)

    async def _found(self) -> FirmwareJob | None:
        """What is to be gone on with; what became of an installation is told."""
        job, installer = self._job, self._rules.installer
        if job is None or job.over:
            await self._block(blocked=False)
            return None
        if installer is None:  # the config lost it meanwhile
            failed = FirmwareStatus.INSTALLATION_FAILED
            await self._finish(job, failed if job.has_file else FirmwareStatus.DOWNLOAD_FAILED)
            return None
        if not job.touchable:
            found = self._came_to or after_start(job.status, confirmed=await installer.confirm())
            if found is not None:
                await self._finish(job, found)
            return None
        return job

    async def _check(self, job: FirmwareJob) -> None:
        if not self.able:
            raise Refused("this station does not install firmware", reason="UnsupportedRequest")
        self._check_replaceable()
        self._transfer.location(job.location)
        if not job.signed:
            if self._rules.unsigned and not (job.certificate or job.signature):
                return
            raise Refused("certificate and signature must be given", reason="MissingParam")
        now = self._clock.now()
        try:
            await asyncio.to_thread(check_certificate, job.certificate, self._rules.roots, now)
        except Refused as refused:
            log.warning("firmware update refused: %s", refused)
            self._keep(self._job, SecurityEvent(BAD_CERTIFICATE, now, str(refused)))
            raise

    def _check_replaceable(self) -> None:
        """An installation under way is not touched (OCPP 2.0.1 L01.FR.24)."""
        if self._job is not None and not self._job.touchable:
            raise Refused("an update is being installed", reason="FwUpdateInProgress")

    async def _given_up(self) -> None:
        await self._block(blocked=False)

    async def _carry_out(self, job: FirmwareJob) -> None:
        """From the request to the last status; every way out tells one."""
        try:
            place = self._transfer.location(job.location)
            file = self._rules.folder / safe_name(place.path, "firmware.bin")
            if not (job.has_file and file.is_file()):
                job = await self._fetch(job, place, file)
        except (TransferFailed, Refused, OSError) as failed:
            log.warning("firmware update: %s", failed)
            await self._finish(job, FirmwareStatus.DOWNLOAD_FAILED)
            return
        if not await self._genuine(job, file):
            return
        if job.signed and job.status is FirmwareStatus.DOWNLOADED:
            job = self._step(job, FirmwareStatus.SIGNATURE_VERIFIED)
        ends_sessions = self._rules.while_charging is not WhileCharging.INSTALL
        job = await self._turn(
            job, FirmwareStatus.INSTALL_SCHEDULED, job.install_at, free=ends_sessions
        )
        if await self._genuine(job, file):  # what was verified days ago need not be there still
            await self._install(job, file)

    async def _fetch(self, job: FirmwareJob, place: Location, file: Path) -> FirmwareJob:
        """Download, trying again as often as asked for; what broke off in the middle is paused."""
        alone = self._rules.while_charging is WhileCharging.NOTHING
        so_far = Partial()
        empty(self._rules.folder)
        for left in range(job.attempts.retries, -1, -1):
            scheduled = FirmwareStatus.DOWNLOAD_SCHEDULED
            job = await self._turn(job, scheduled, job.retrieve_at, free=alone)
            if job.status is not FirmwareStatus.DOWNLOADING:
                job = self._step(job, FirmwareStatus.DOWNLOADING)
            try:
                await self._transfer.download(place, file, self._rules.size_most, so_far)
                break
            except TransferFailed as failed:
                if not left:
                    raise
                if failed.begun:
                    job = self._step(job, FirmwareStatus.DOWNLOAD_PAUSED)
            await self._block(blocked=False)
            await self._clock.sleep(job.attempts.interval)
        return self._step(job, FirmwareStatus.DOWNLOADED)

    async def _genuine(self, job: FirmwareJob, file: Path) -> bool:
        """Whether the file is the maker's; if not, the update is over."""
        if not job.signed:
            return True
        signed = (job.certificate, job.signature)
        try:
            await asyncio.to_thread(check_file, file, *signed, self._rules.roots)
        except (Refused, OSError) as failed:
            log.warning("firmware update: %s", failed)
            certificate = isinstance(failed, Refused) and failed.reason in CERTIFICATE_REASONS
            event = BAD_CERTIFICATE if certificate else BAD_SIGNATURE
            invalid = FirmwareStatus.INVALID_SIGNATURE
            await self._finish(job, invalid, SecurityEvent(event, self._clock.now(), str(failed)))
            return False
        return True

    async def _turn(
        self, job: FirmwareJob, waits: FirmwareStatus, moment: datetime | None, *, free: bool
    ) -> FirmwareJob:
        """Wait for the moment asked for and, with ``free``, for the end of every session."""
        if moment is not None and moment > self._clock.now():
            job = self._scheduled(job, waits)
            await self._block(blocked=False)
            await self._clock.sleep_until(moment)
        if free and self._maintenance.busy:
            job = self._scheduled(job, waits)
        if free:
            await self._free()
        return job

    async def _free(self) -> None:
        """Wait for the end of every session, then let none begin."""
        while True:
            while self._maintenance.busy:
                await self._block(blocked=not self._new_sessions())
                await self._clock.sleep(IDLE_CHECK)
            await self._block(blocked=True)
            if not self._maintenance.busy:  # no session began while the others were taken out
                return

    def _scheduled(self, job: FirmwareJob, waits: FirmwareStatus) -> FirmwareJob:
        return job if job.status is waits else self._step(job, waits)

    async def _install(self, job: FirmwareJob, file: Path) -> None:
        installer = self._rules.installer
        if installer is None:
            raise Refused("this station does not install firmware")
        job, self._came_to = self._step(job, FirmwareStatus.INSTALLING), None
        status = RESULTS[await installer.install(file)]
        if status is not FirmwareStatus.INSTALL_REBOOTING:
            self._came_to = status
            await self._finish(job, status)
            return
        await self._free()
        self._step(job, status)
        await self._heard()
        if not await installer.reboot():
            await self._maintenance.restart(StopReason.REBOOT, reason=BOOT_REASON)

    async def _heard(self) -> None:
        """Wait, but not for long, until the CSMS knows: what restarts says nothing for a while."""
        until = self._clock.now() + HEARD_WITHIN
        while self._store.journal.waiting_of(FirmwareProgress) and self._clock.now() < until:
            await self._clock.sleep(IDLE_CHECK)

    async def _finish(self, job: FirmwareJob, status: FirmwareStatus, *after: Fact) -> None:
        """The last status; whoever hears of it finds the EVSEs in use again.

        What is kept for triggers names no address any more, which may hold a password.
        """
        job = replace(job, location="")
        before: list[Fact] = []
        if status is FirmwareStatus.INSTALLED:
            before.append(SecurityEvent("FirmwareUpdated", self._clock.now()))
        await self._block(blocked=False)
        self._step(job, status, before=before, after=after)
        empty(self._rules.folder)

    def _step(
        self,
        job: FirmwareJob,
        status: FirmwareStatus,
        *,
        before: Sequence[Fact] = (),
        after: Sequence[Fact] = (),
    ) -> FirmwareJob:
        """Store the next step and what is told of it, in one commit."""
        log.info("firmware update: %s", status)
        job = replace(job, status=status)
        told = FirmwareProgress(job.request_id, status, self._clock.now(), job.signed)
        self._keep(job, *before, told, *after)
        return job

    async def _block(self, *, blocked: bool) -> None:
        """Take the EVSEs out of use for an update, or give them back."""
        for runner in self._runners.values():
            if (Scope.FIRMWARE in runner.state.inoperative) is not blocked:
                await runner.feed(AvailabilityChanged(not blocked, Scope.FIRMWARE))
