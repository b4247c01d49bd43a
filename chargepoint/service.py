"""The station as a service of its machine: signals, readiness, the watchdog, an end in time.

The watchdog hears that all is well only if it is (``station.progress``): the loop turns, for it is
the loop that says so, and everything that must move has moved. A station whose CSMS is away is
well. Whoever waits for the watchdog (systemd, with ``WatchdogSec``) starts it again if it is not.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from chargepoint import app, boot
from chargepoint.clock import Clock, SystemClock
from chargepoint.core.model import Stage
from chargepoint.ending import Ending
from chargepoint.lives import Life
from chargepoint.notify import Manager
from chargepoint.reloading import Reload
from chargepoint.supervisor import Supervisor

if TYPE_CHECKING:
    from chargepoint.config import StationConfig

log = logging.getLogger(__name__)

LOOK_EVERY: Final = timedelta(seconds=10)


class Vigil:
    """Looks whether the present life gets on, and tells the service manager."""

    def __init__(self, manager: Manager, clock: Clock) -> None:
        self.stopping = False
        self._manager = manager
        self._clock = clock
        self._life: Life | None = None
        self._said: list[str] = []

    def born(self, life: Life) -> None:
        """A life has begun: its local part works."""
        if self._life is None:
            self._manager.ready()
        self._life = life

    async def run(self) -> None:
        """Look for ever, three times in the time that the watchdog allows."""
        every = LOOK_EVERY
        if self._manager.watchdog is not None:
            every = min(every, self._manager.watchdog / 3)
        while True:
            self.look()
            await self._clock.sleep(every)

    def look(self) -> None:
        """Tell how the station is; that all is well only if it is."""
        stalled = [] if self._life is None else self._life.station.progress.stalled()
        if stalled != self._said:
            log.log(
                logging.ERROR if stalled else logging.INFO,
                "the station %s",
                f"does not get on: {'; '.join(stalled)}" if stalled else "gets on again",
            )
        self._said = stalled
        self._manager.status("; ".join(stalled) or self._condition())
        if not stalled:
            self._manager.well()

    def _condition(self) -> str:
        life = self._life
        if life is None:
            return "starting"
        evses = life.station.evses.values()
        charging = sum(evse.runner.state.stage is Stage.CHARGING for evse in evses)
        online = "online" if life.session.online else f"offline ({life.link.state})"
        waiting = life.store.waiting
        stopping = "stopping, " if self.stopping else ""
        return f"{stopping}{online}, {charging} of {len(evses)} charging, {waiting} messages wait"


async def serve(
    config: "StationConfig",
    ending: Ending,
    read: Callable[[], "StationConfig"],
    manager: Manager | None = None,
) -> int:
    """Run the station of a config until a signal ends it; the signal that did.

    The first SIGTERM or Ctrl-C ends transactions and tells what can be told, the second one
    leaves that to the next start. SIGHUP reads the config again.
    """
    clock = SystemClock()
    manager = manager or Manager.from_environment()
    vigil = Vigil(manager, clock)
    stop, wanted = asyncio.Event(), asyncio.Event()
    ended_by = 0

    def on_stop(number: int, again: bool) -> None:  # noqa: FBT001 - the signature of Ending
        nonlocal ended_by
        ended_by = number
        vigil.stopping = True
        manager.stopping()
        stop.set()
        if again:
            log.warning("ending at once; the next start goes on from what is stored")
            station.cancel()

    def on_hangup() -> None:
        manager.reloading()
        wanted.set()

    reload = Reload(wanted, read, manager.ready)
    async with Supervisor(clock) as supervisor, asyncio.TaskGroup() as tasks:
        supervisor.keep("vigil", vigil.run)
        station = tasks.create_task(
            app.run(
                config,
                stop=stop,
                clock=clock,
                born=vigil.born,
                reload=reload,
                boot=boot.of_machine(),
            )
        )
        ending.on_stop, ending.on_hangup = on_stop, on_hangup
        ending.serve(asyncio.get_running_loop())
    return ended_by
