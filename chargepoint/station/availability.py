"""Statuses, operative and inoperative, faults: of the station, its EVSEs and their connectors."""

import asyncio
from collections.abc import Callable, Mapping

from chargepoint.clock import Clock
from chargepoint.core.availability import connector_told
from chargepoint.core.facts import Fact, Status, StatusChanged
from chargepoint.core.inputs import AvailabilityChanged, FaultCleared, FaultRaised
from chargepoint.core.model import Fault, Scope
from chargepoint.station.evse import EvseRunner


class Availability:
    """What can be used; ``faults`` are those of the station as a whole."""

    def __init__(
        self,
        runners: Mapping[int, EvseRunner],
        *,
        clock: Clock,
        faults: dict[str, Fault],
        record: Callable[[Fact], None],
    ) -> None:
        self._runners = runners
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
        return told

    def own_status(self) -> Status:
        """The status of the station itself: Available, Unavailable or Faulted."""
        if any(fault.blocks for fault in self._faults.values()):
            return Status.FAULTED
        if all(Scope.STATION in runner.state.inoperative for runner in self._runners.values()):
            return Status.UNAVAILABLE
        return Status.AVAILABLE

    async def set_operative(
        self, evse_id: int, connector_id: int | None, *, operative: bool
    ) -> bool:
        """Make a connector, an EVSE, or with EVSE 0 the station, operative or inoperative.

        False if it will count only when the running transaction is over (2.0.1 G03.FR.05); one at
        another connector is in nobody's way.
        """
        scope = Scope.STATION if not evse_id else Scope.EVSE
        given = AvailabilityChanged(operative, scope)
        if connector_id is not None:
            given = AvailabilityChanged(operative, Scope.CONNECTOR, connector_id)
        chosen = [self._runners[evse_id]] if evse_id else list(self._runners.values())
        before = self.own_status()
        for runner in chosen:
            await runner.feed(given)
        self._tell_own(before)
        return operative or not any(
            runner.state.busy and connector_id in {None, runner.state.connector_id}
            for runner in chosen
        )

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
