"""Restarting on request: transactions are ended in order first.

OCPP 1.6 section 5.14, 2.0.1 B11 and B12. The restart itself belongs to the composition root, which
waits for ``wanted``.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta

from chargepoint.clock import Clock
from chargepoint.core.inputs import StopRequested
from chargepoint.core.model import Cause, Stage, StopReason
from chargepoint.station.evse import EvseRunner

log = logging.getLogger(__name__)

IDLE_CHECK = timedelta(seconds=1)
STOP_TIMEOUT_S = 60.0


class Maintenance:
    """Work that interrupts the station."""

    def __init__(self, runners: Mapping[int, EvseRunner], *, clock: Clock) -> None:
        self._runners = runners
        self._clock = clock
        self._holds: list[Callable[[], bool]] = []
        self._waits: set[int] = set()  # EVSEs, 0 the station, whose reset waits already
        self.wanted = asyncio.Event()
        self.reason = ""  # a word of 2.0.1 BootReasonEnumType, once a restart is wanted

    @property
    def busy(self) -> bool:
        """Whether any transaction runs."""
        return any(runner.state.busy for runner in self._runners.values())

    @property
    def idle(self) -> bool:
        """Whether nothing is left that a reset on idle waits for."""
        return not self.busy and not any(held() for held in self._holds)

    def hold(self, held: Callable[[], bool]) -> None:
        """Let a reset on idle wait for more than transactions while ``held`` is true.

        An update, an upload, a reservation (OCPP 2.0.1 B12, errata 2025-06).
        """
        self._holds.append(held)

    async def restart(self, stop_reason: StopReason, *, reason: str = "RemoteReset") -> None:
        """End all transactions for this reason, then ask for the restart.

        A meter that does not give its record in time does not hold up the restart: the station
        goes on with it afterwards, the reason stays.
        """
        log.info("restart: %s", reason)
        stop = StopRequested(stop_reason, Cause.RESET_COMMAND)
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S), asyncio.TaskGroup() as tasks:
                for runner in self._runners.values():
                    # One that opens is stopped once it has begun, one that closes is waited for.
                    if runner.state.busy or runner.state.stage is Stage.AUTHORIZED:
                        tasks.create_task(runner.feed(stop))
        except TimeoutError:
            log.warning("restart before every transaction was ended")
        self._want(reason)

    async def restart_when_idle(self) -> None:
        """Wait until the station is idle, then ask for the restart; ends nothing itself.

        Who asks again while one waits asked for the same.
        """
        if 0 in self._waits:
            return
        with self._waiting(0):
            while not self.idle:
                await self._clock.sleep(IDLE_CHECK)
        self._want("ScheduledReset")

    async def power_fails(self, runner: EvseRunner) -> None:
        """End the transaction of an EVSE while there is power to tell it (OCPP 1.6 section 7.36).

        A station that goes on after a power cut has no reason to end it before one.
        """
        log.warning("EVSE %d: the power fails", runner.evse_id)
        await runner.feed(StopRequested(StopReason.POWER_LOSS, Cause.ABNORMAL_CONDITION))

    def evse_busy(self, evse_id: int) -> bool:
        """Whether a transaction runs at this EVSE."""
        return self._runners[evse_id].state.busy

    async def restart_evse(self, evse_id: int, *, at_once: bool) -> None:
        """Reset one EVSE: with ``at_once`` its transaction is ended, else waited for.

        Then it looks at its board afresh, as after a start (OCPP 2.0.1 B11.FR.08, B12.FR.07).
        """
        runner = self._runners[evse_id]
        log.info("EVSE %d: restart", evse_id)
        if at_once and (runner.state.busy or runner.state.stage is Stage.AUTHORIZED):
            try:
                async with asyncio.timeout(STOP_TIMEOUT_S):
                    stop = StopRequested(StopReason.IMMEDIATE_RESET, Cause.RESET_COMMAND)
                    await runner.feed(stop)
            except TimeoutError:
                log.warning("EVSE %d: restart before its transaction was ended", evse_id)
        if evse_id in self._waits:
            return
        with self._waiting(evse_id):
            while runner.state.busy:
                await self._clock.sleep(IDLE_CHECK)
        await runner.look_afresh()

    @contextmanager
    def _waiting(self, place: int) -> Iterator[None]:
        self._waits.add(place)
        try:
            yield
        finally:
            self._waits.discard(place)

    def _want(self, reason: str) -> None:
        if not self.wanted.is_set():
            self.reason = reason
            self.wanted.set()
