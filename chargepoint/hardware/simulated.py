"""A simulated outlet with a vehicle that behaves as it was told.

The vehicle asks for energy after a while, takes what it wants but never more than it is offered,
pauses, goes on, breaks, leaves. What it takes is told to a listener, which lets the simulated
meter count it. It is a board like any other, driven through the local interface.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec

from chargepoint.errors import Refused
from chargepoint.hardware.api import (
    BayOccupied,
    BoardEvent,
    BoardFault,
    OutletDescription,
    Picture,
    PowerFailing,
    Seen,
    VehicleAsks,
    VehiclePlugged,
    VehicleUnplugged,
)

log = logging.getLogger(__name__)

NOMINAL_V = 230


@dataclass(frozen=True, slots=True, kw_only=True)
class Vehicle:
    """How a vehicle behaves once it is plugged; times in seconds, power in W.

    ``unplug_after_s`` None means it stays. ``fault`` is a word for what breaks ("diode"), after
    ``fault_after_s`` or at once.
    """

    ready_after_s: float = 0.0
    power_w: float = 11000.0
    phases: int = 3
    unplug_after_s: float | None = None
    fault: str | None = None
    fault_after_s: float | None = None


class Config(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of ``hardware:`` in the config.

    ``control`` is the control socket of a simulated meter, which is told what the vehicle takes;
    ``control_unit`` its address on the simulated line.
    """

    control: Path | None = None
    control_unit: int = 1


Load = Callable[[int, Decimal, int], Awaitable[None]]


async def _nobody(_evse_id: int, _watts: Decimal, _phases: int) -> None:
    """Nobody listens to what the vehicle takes."""


@dataclass(slots=True)
class SimulatedOutlet:
    """One outlet. ``load`` is told the power whenever it changes: EVSE, W, phases."""

    evse_id: int
    connectors: int = 1
    max_current_a: Decimal = Decimal(32)
    phases: int = 3
    load: Load = _nobody
    vehicle: Vehicle | None = None
    connector_id: int = 1
    asks: bool = False
    closed: bool = False
    limit_a: Decimal | None = None
    moves: int = 0
    bay: bool = False
    locked: bool = False
    stuck: bool = False  # the lock does not move
    captive: frozenset[int] = frozenset()  # connectors with a fixed cable, hence without a lock
    _told: asyncio.Queue[BoardEvent] = field(default_factory=asyncio.Queue)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _generation: int = 0
    _telling: asyncio.Lock = field(default_factory=asyncio.Lock)  # of the load: the last one counts
    _steered: bool = False  # a person said when it asks; its own plan no longer counts

    # --- what the station sees ------------------------------------------------------------

    def seen(self) -> Seen:  # noqa: D102
        return Seen(self.vehicle is not None, self.connector_id, self.asks, self.bay)

    async def events(self) -> AsyncIterator[BoardEvent]:  # noqa: D102
        while True:
            yield await self._told.get()

    async def close_contactor(self) -> None:  # noqa: D102
        if not self.closed:
            self.closed = True
            self.moves += 1
        await self._tell_load()

    async def open_contactor(self) -> None:  # noqa: D102
        if self.closed:
            self.closed = False
            self.moves += 1
        await self._tell_load()

    async def set_current_limit(self, amps: Decimal | None) -> None:  # noqa: D102
        self.limit_a = amps
        await self._tell_load()

    async def lock(self, connector_id: int) -> bool:  # noqa: D102
        return self._move_lock(connector_id, locked=True)

    async def unlock(self, connector_id: int) -> bool:  # noqa: D102
        return self._move_lock(connector_id, locked=False)

    # --- what a person does to it ---------------------------------------------------------

    def plug_in(self, vehicle: Vehicle, connector_id: int = 1) -> None:
        """Plug a vehicle.

        Raises:
            Refused: there is one already, or no such connector.
        """
        if self.vehicle is not None:
            raise Refused(f"EVSE {self.evse_id} has a vehicle already", reason="Occupied")
        if not 1 <= connector_id <= self.connectors:
            raise Refused(
                f"EVSE {self.evse_id} has connectors 1 to {self.connectors}, not {connector_id}",
                reason="UnknownConnectorId",
            )
        self.vehicle, self.connector_id, self._steered = vehicle, connector_id, False
        self._tell(VehiclePlugged(connector_id))

    def plug_out(self) -> None:
        """Take the vehicle away.

        Raises:
            Refused: there is none.
        """
        self._need_vehicle()
        self.vehicle = None
        self.asks = False
        self._tell(VehicleUnplugged())

    def park(self, *, occupied: bool) -> None:
        """A vehicle drives into the bay, or out of it; without a change nothing happens."""
        if self.bay is not occupied:
            self.bay = occupied
            self._told.put_nowait(BayOccupied(occupied))

    def suspend(self) -> None:
        """The vehicle pauses.

        Raises:
            Refused: there is none.
        """
        self._need_vehicle()
        self._steered = True
        self._ask(asks=False)

    def resume(self) -> None:
        """The vehicle goes on.

        Raises:
            Refused: there is none.
        """
        self._need_vehicle()
        self._steered = True
        self._ask(asks=True)

    def _get_ready(self) -> None:
        if not self._steered:
            self._ask(asks=True)

    def fault(self, event: BoardFault) -> None:
        """Something breaks or works again."""
        self._told.put_nowait(event)

    def power_fails(self) -> None:
        """The mains go; a reserve lasts for a moment."""
        self._told.put_nowait(PowerFailing())

    @property
    def power_w(self) -> Decimal:
        """What the vehicle takes now: what it wants, but never more than it is offered."""
        vehicle = self.vehicle
        if vehicle is None or not (self.closed and self.asks):
            return Decimal(0)
        phases = min(vehicle.phases, self.phases)
        amps = self.max_current_a if self.limit_a is None else min(self.limit_a, self.max_current_a)
        return min(Decimal(str(vehicle.power_w)), amps * NOMINAL_V * phases)

    async def run(self) -> None:
        """Let the vehicle live; ends only by cancellation."""
        while True:
            self._changed.clear()
            await self._tell_load()
            generation, vehicle = self._generation, self.vehicle
            if vehicle is None:
                await self._changed.wait()
                continue
            async with asyncio.TaskGroup() as life:
                tasks = [
                    life.create_task(
                        self._later(generation, vehicle.ready_after_s, self._get_ready)
                    ),
                    life.create_task(
                        self._later(generation, vehicle.unplug_after_s, self.plug_out)
                    ),
                    life.create_task(self._break(generation, vehicle)),
                ]
                while self._generation == generation:
                    await self._changed.wait()
                    self._changed.clear()
                    await self._tell_load()
                for task in tasks:
                    task.cancel()

    # --- inside ---------------------------------------------------------------------------

    def _move_lock(self, connector_id: int, *, locked: bool) -> bool:
        if not 1 <= connector_id <= self.connectors:
            raise Refused(f"connector {connector_id} does not exist", reason="UnknownConnectorId")
        if connector_id in self.captive:
            raise Refused(f"connector {connector_id} has no lock", reason="UnsupportedRequest")
        if not self.stuck:
            self.locked = locked
        return not self.stuck

    async def _later(self, generation: int, after: float | None, act: Callable[[], None]) -> None:
        if after is None:
            return
        await asyncio.sleep(after)
        if self._generation == generation:
            act()

    async def _break(self, generation: int, vehicle: Vehicle) -> None:
        if vehicle.fault is None:
            return
        fault = BoardFault("EVCommunicationError", info=f"vehicle: {vehicle.fault}")
        await self._later(generation, vehicle.fault_after_s or 0.0, lambda: self.fault(fault))

    def _need_vehicle(self) -> None:
        if self.vehicle is None:
            raise Refused(f"EVSE {self.evse_id} has no vehicle", reason="NoCable")

    def _ask(self, *, asks: bool) -> None:
        if self.asks is not asks:
            self.asks = asks
            self._told.put_nowait(VehicleAsks(asks))
            self._changed.set()

    def _tell(self, event: BoardEvent) -> None:
        self._generation += 1
        self._told.put_nowait(event)
        self._changed.set()

    async def _tell_load(self) -> None:
        async with self._telling:
            vehicle = self.vehicle
            phases = min(vehicle.phases, self.phases) if vehicle else self.phases
            await self.load(self.evse_id, self.power_w, phases)


def create(descriptions: list[OutletDescription]) -> "SimulatedBoard":
    """The outlets of a config; nobody listens to what their vehicles take yet."""
    return SimulatedBoard(
        [
            SimulatedOutlet(
                described.evse_id,
                connectors=described.connectors,
                max_current_a=described.max_current_a,
                phases=described.phases,
                captive=described.captive,
            )
            for described in descriptions
        ]
    )


class SimulatedBoard:
    """All simulated outlets of a station, each with a screen; ``pictures`` is what they show."""

    formats = ("ASCII", "HTML", "URI", "UTF8")

    def __init__(self, outlets: list[SimulatedOutlet]) -> None:
        self._outlets = {outlet.evse_id: outlet for outlet in outlets}
        self.pictures: dict[int, Picture] = {}

    async def show(self, picture: Picture) -> None:  # noqa: D102
        self.pictures[picture.evse_id] = picture

    def outlet(self, evse_id: int) -> SimulatedOutlet:
        """The outlet of an EVSE.

        Raises:
            Refused: there is no such EVSE.
        """
        if evse_id not in self._outlets:
            known = ", ".join(map(str, sorted(self._outlets)))
            raise Refused(f"no EVSE {evse_id}, there are {known}", reason="UnknownEvse")
        return self._outlets[evse_id]

    async def run(self) -> None:
        """Let all vehicles live; ends only by cancellation."""
        async with asyncio.TaskGroup() as life:
            for outlet in self._outlets.values():
                life.create_task(outlet.run())
