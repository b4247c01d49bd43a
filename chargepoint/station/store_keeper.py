"""Watches the store: says when nothing can be stored, tries again, says when it works again.

While the disk refuses

- no session begins: a token is refused, a start of the CSMS rejected, and every connector without
  a session is told as Faulted, from memory, because no fact can be stored;
- a session that runs goes on, or is stopped by whoever may: the contactor opens at once, the meter
  counts and signs, and keeps its record until that could be stored;
- security events wait in memory;
- what the CSMS was told stays noted in memory, so that nothing is told twice (``csms.outbox``).

A commit that changes nothing is tried until it succeeds; then the statuses are told again. A
database that is damaged while the station runs ends this life of it, because the next one sets it
aside and reads what can be read (``store.opening``). So does one of which something can never be
read, unless the disk takes nothing at the moment: a session that runs goes on then.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from chargepoint.core.model import STORE_FAILURE, STORE_FAILURE_VENDOR, Fault, StopReason
from chargepoint.core.security import Event
from chargepoint.errors import StoreError
from chargepoint.store import rescue
from chargepoint.store.patience import pauses

if TYPE_CHECKING:
    from chargepoint.station.station import Station

log = logging.getLogger(__name__)

_INFO_MOST = 50  # characters of a fault's info (OCPP 1.6 StatusNotification)
_ABOUT_MOST = 255  # characters of a security event's info


class StoreKeeper:
    """Keeps people and the CSMS informed of the disk; ``tell`` tells all statuses from memory."""

    def __init__(self, station: "Station", tell: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._station = station
        self._store = station.store
        self._clock = station.clock
        self._tell = tell
        self._troubled = asyncio.Event()

    async def run(self) -> None:
        """Attend to every trouble; ends only by cancellation."""
        self._store.on_trouble = self._troubled.set
        self._say_damage()
        if self._store.trouble or self._store.low:
            self._troubled.set()
        while True:
            await self._troubled.wait()
            self._troubled.clear()
            await self._attend()

    async def _attend(self) -> None:
        """Return once sessions can be recorded again."""
        since, told = self._clock.now(), ""
        for pause in pauses():
            if self._store.damaged and self._has_disk():
                await self._start_again(self._store.trouble)
                return
            why = self._store.refuses()
            if not why:
                break
            if not told:
                told = why
                self._begins(why)
            await self._clock.sleep(pause)
        missed, right = self._station.unstored, self._station.time_source.right
        for _ in range(len(missed)):
            event = missed.popleft()
            self._station.record(replace(event, at=right(event.at)))
        if told:
            self._ends(told, since)

    def _has_disk(self) -> bool:
        """Whether the next start could make another database; without a disk it could not start."""
        try:
            rescue.check(self._store.folder)
        except OSError as error:
            log.warning("the database cannot be set aside now: %s", error)
            return False
        return True

    def _begins(self, why: str) -> None:
        log.error("no session can be recorded, none begins: %s", why)
        if self._store.low and not self._store.trouble:
            self._station.security.event(Event.MEMORY_EXHAUSTION, "the disk is full")
        self._show(Fault(STORE_FAILURE, why[:_INFO_MOST], STORE_FAILURE_VENDOR))

    def _ends(self, why: str, since: datetime) -> None:
        log.warning("the store works again; it did not since %s", since.isoformat())
        about = f"from {since.isoformat(timespec='seconds')} on: {why}"
        self._station.security.event(Event.STORE_FAILED, about[:_ABOUT_MOST])
        self._show(None)

    def _show(self, fault: Fault | None) -> None:
        self._station.availability.no_store = fault
        self._station.told.tell("storage", trouble="" if fault is None else fault.info)
        self._station.displays.recorded(0, ())
        self._station.spawn(self._tell())

    async def _start_again(self, why: str) -> None:
        """End this life of the station; the contactors open first, whatever the disk says."""
        log.error("the database is damaged, the station starts again and sets it aside: %s", why)
        await self._station.maintenance.restart(StopReason.OTHER, reason="ApplicationReset")

    def _say_damage(self) -> None:
        """Tell once what an earlier start has set aside."""
        if not (about := self._store.damage):
            return
        log.error("the database was damaged: %s", about)
        self._station.security.event(Event.STORE_DAMAGED, about[:_ABOUT_MOST])
        try:
            self._store.damage_told()
        except StoreError as error:
            log.warning("the damage is told again: %s", error)
