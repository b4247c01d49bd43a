"""What runs while the station lives, part by part: what one of them does wrong harms no other.

Every part is kept running by itself. One that fails is told as InternalError of the station (OCPP
1.6 section 7.6), which stops nothing, until it has proven well again; it is in ``/v1/status`` and
the metrics as well.

The contactor of an outlet is closed only while its EVSE is supervised: while deadlines pass, the
board is served and heard and inputs are carried out. If one of these fails the contactor opens at
once, and the session ends with its record as soon as the part runs again. A meter, the samples, the
limits, the link or the local interface are not needed for that.
"""

import asyncio
from functools import partial
from typing import TYPE_CHECKING, NoReturn

from chargepoint.core.model import Fault
from chargepoint.station.board_events import watch
from chargepoint.station.parts import Books, Keeper, Part, together

if TYPE_CHECKING:
    from chargepoint.station.station import Evse, Station

INTERNAL_ERROR = "InternalError"  # OCPP 1.6 section 7.6
_INFO_MOST = 50
_FAILED = "failed: "


class Supervision:
    """Keeps the parts of one station running; ``keeper`` is who starts them again."""

    def __init__(self, station: "Station", keeper: Keeper) -> None:
        self._station = station
        self._keeper = keeper
        self._served = asyncio.Event()  # the board is
        self._unserved = asyncio.Event()

    async def run(self) -> NoReturn:
        """Start every part, then wait for the end."""
        station, keep = self._station, self._keeper.keep
        self._keeper.on_change = self._changed
        keep("board", self._serve_board, vital=True)
        keep("limits", station.limits.run, vital=True)
        keep("screens", station.displays.run)
        keep("security", station.security.run)
        keep("clock", partial(station.time_source.watch, station.security.event))
        station.spawn(station.availability.resume())
        station.spawn(station.services.resume())
        recoveries = []
        for evse in station.evses.values():
            number = evse.description.evse_id
            recovered = asyncio.Event()
            recoveries.append(recovered)
            keep(f"EVSE {number}", partial(self._supervise, evse, recovered), vital=True)
            keep(f"meter {evse.meter.name}", partial(_after, recovered, evse.meter.run), vital=True)
            keep(f"samples of EVSE {number}", partial(_after, recovered, evse.sampler.run))
        keep("reservations", station.reservations.run)
        for recovered in recoveries:
            await recovered.wait()
        station.on_recovered()
        await asyncio.Event().wait()
        raise AssertionError("nobody sets this event")

    def _changed(self, books: Books) -> None:
        self._station.spawn(self._tell(books))

    async def _tell(self, books: Books) -> None:
        """A part failed, or is well again."""
        failing = [one.name for one in self._keeper.parts.values() if one.failing_since is not None]
        well = books.name not in failing
        told = self._station.told
        told.tell("part", name=books.name, failures=books.failures, well=well)
        known = self._station.faults.get(INTERNAL_ERROR)
        if known is not None and not known.info.startswith(_FAILED):
            return  # one that a board has raised: it is for the board to clear
        info = f"{_FAILED}{', '.join(failing)}"[:_INFO_MOST]
        fault = Fault(INTERNAL_ERROR, info, blocks=False)
        self._station.availability.warn(fault, active=bool(failing))

    async def _serve_board(self) -> None:
        """A board that nobody serves must not keep a contactor closed."""
        self._unserved.clear()
        self._served.set()
        try:
            await self._station.board.run()
        finally:
            self._served.clear()
            self._unserved.set()

    async def _supervise(self, evse: "Evse", recovered: asyncio.Event) -> NoReturn:
        station, runner = self._station, evse.runner
        await self._served.wait()
        try:
            await station.limits.prepare(evse.description.evse_id)
            await runner.recover()
            recovered.set()
            station.spawn(station.authorizer.plugged(runner))
            board = self._unserved.wait()
            await together(runner.run(), watch(runner, station.power_fails), board)
        finally:
            await runner.make_safe()


async def _after(recovered: asyncio.Event, part: Part) -> None:
    await recovered.wait()
    await part()
