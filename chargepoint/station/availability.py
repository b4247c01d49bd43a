"""Statuses, operative and inoperative, faults: of the station, its EVSEs and their connectors."""

import asyncio
from collections.abc import Callable, Mapping

from chargepoint.clock import Clock
from chargepoint.core.availability import (
    AvailabilityJob,
    Changes,
    Place,
    changes,
    connector_told,
    told_without_store,
)
from chargepoint.core.facts import Fact, Status, StatusChanged
from chargepoint.core.inputs import FaultCleared, FaultRaised
from chargepoint.core.model import EvseState, Fault, Scope
from chargepoint.errors import StoreError
from chargepoint.station.evse import EvseRunner
from chargepoint.station.evse_ports import Spawn
from chargepoint.store.sqlite import Store

JOB = "availability"
ANSWER_MOST_S = 10.0
"""How long whoever asks waits for an EVSE whose meter is just beginning or ending."""


class Availability:
    """What can be used; ``faults`` are those of the station as a whole.

    ``no_store`` is there while nothing can be stored: it is part of every status that is asked for,
    but of none that is stored.
    """

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        *,
        clock: Clock,
        store: Store,
        faults: dict[str, Fault],
        record: Callable[[Fact], None],
        spawn: Spawn,
    ) -> None:
        self.no_store: Fault | None = None
        self._runners = runners
        self._store = store
        self._spawn = spawn
        self._changing = asyncio.Lock()  # one change after the other, each as a whole
        self._clock = clock
        self._faults = faults
        self._record = record

    def statuses(self) -> list[StatusChanged]:
        """The status of the station (EVSE 0) and of every connector, now."""
        now = self._clock.now()
        fault = next(iter(self._faults.values()), None)
        told = [StatusChanged(0, 0, now, self.own_status(), fault)]
        for evse_id, runner in self._runners.items():
            told += (
                StatusChanged(evse_id, number, now, *connector_told(runner.state, number))
                for number in range(1, runner.connectors + 1)
            )
        if self.no_store is None:
            return told
        busy = {(s.evse_id, s.connector_id) for s in self._states() if s.busy}
        return [
            told_without_store(one, self.no_store, busy=(one.evse_id, one.connector_id) in busy)
            for one in told
        ]

    def own_status(self) -> Status:
        """The status of the station itself: Available, Unavailable or Faulted."""
        if self.no_store is not None or any(fault.blocks for fault in self._faults.values()):
            return Status.FAULTED
        if all(Scope.STATION in state.inoperative for state in self._states()):
            return Status.UNAVAILABLE
        return Status.AVAILABLE

    def _states(self) -> list[EvseState]:
        return [runner.state for runner in self._runners.values()]

    async def set_operative(self, place: Place, *, operative: bool) -> bool:
        """Make a connector, an EVSE or the station operative or inoperative.

        False if it will count only when the running transaction is over (2.0.1 G03.FR.05), or its
        meter is done; one at another connector is in nobody's way. What concerns several EVSEs is
        done as a whole, also if the connection of the CSMS that asked, or the power, goes in the
        middle of it.

        Raises:
            StoreError: it cannot be stored; nothing happened.
        """
        connectors = {evse_id: runner.connectors for evse_id, runner in self._runners.items()}
        wanted = tuple(changes(place, connectors, operative=operative))
        change = self._spawn(self._change(wanted))
        try:
            async with asyncio.timeout(ANSWER_MOST_S):
                error = await asyncio.shield(change)
        except TimeoutError:
            return False
        if error is not None:
            raise error
        concerned = {evse_id for evse_id, _ in wanted}
        return operative or not any(
            runner.state.busy and place.connector_id in {None, runner.state.connector_id}
            for evse_id, runner in self._runners.items()
            if evse_id in concerned
        )

    async def resume(self) -> None:
        """After a start: finish a change that a power cut left half done."""
        async with self._changing:
            await self._finish()

    async def _change(self, wanted: Changes) -> StoreError | None:
        """A refusal is a result: the task must not fail."""
        async with self._changing:
            await self._finish()
            before = self.own_status()
            try:
                if len(wanted) > 1:
                    self._store.commit_job(JOB, AvailabilityJob(wanted))
                else:
                    self._store.probe()  # what is fed waits for the disk, who asks must not
            except StoreError as error:
                return error
            await (self._finish() if len(wanted) > 1 else self._feed(wanted))
            self._tell_own(before)
        return None

    async def _finish(self) -> None:
        job = self._store.jobs.get(JOB, AvailabilityJob)
        if job is not None:
            await self._feed(job.changes)
            self._store.commit_job(JOB, None)

    async def _feed(self, wanted: Changes) -> None:
        for evse_id, change in wanted:
            if evse_id in self._runners:  # the config may have lost it meanwhile
                await self._runners[evse_id].feed(change)

    async def set_fault(self, evse_id: int, fault: Fault, *, active: bool) -> None:
        """A fault of an EVSE or connector of it, or with 0 of the station, appears or goes."""
        here = FaultRaised(fault) if active else FaultCleared(fault.error_code, fault.connector_id)
        if evse_id:
            await self._runners[evse_id].feed(here)
            return
        before = self.own_status()
        if active:
            self._faults[fault.error_code] = fault
        else:
            self._faults.pop(fault.error_code, None)
        self._tell_own(before)
        async with asyncio.TaskGroup() as tasks:
            for runner in self._runners.values():
                tasks.create_task(runner.feed(here))

    def warn(self, fault: Fault, *, active: bool) -> None:
        """Something about the station that stops nothing is told, or that it is over."""
        known = self._faults.get(fault.error_code)
        if known == (fault if active else None):
            return
        self._faults.pop(fault.error_code, None)
        if active:
            self._faults[fault.error_code] = fault
        self._record_own()

    def _tell_own(self, before: Status) -> None:
        if self.own_status() is not before:
            self._record_own()

    def _record_own(self) -> None:
        fault = next(iter(self._faults.values()), None)
        self._record(StatusChanged(0, 0, self._clock.now(), self.own_status(), fault))
