"""What a board says of one outlet, as inputs to its rules."""

from collections.abc import Awaitable, Callable

from chargepoint.core.inputs import (
    BayChanged,
    FaultCleared,
    FaultRaised,
    Input,
    Plugged,
    Unplugged,
    VehicleReady,
)
from chargepoint.core.model import Fault
from chargepoint.hardware.api import (
    BayOccupied,
    BoardEvent,
    BoardFault,
    PowerFailing,
    VehicleAsks,
    VehiclePlugged,
    VehicleUnplugged,
)
from chargepoint.station.evse import EvseRunner


async def watch(runner: EvseRunner, power_fails: Callable[[EvseRunner], Awaitable[None]]) -> None:
    """Feed everything that happens at the outlet, in order; ends only by cancellation."""
    async for event in runner.outlet.events():
        if isinstance(event, PowerFailing):
            await power_fails(runner)
        elif (given := _given(event)) is not None:
            await runner.feed(given)


def _given(event: BoardEvent) -> Input | None:
    match event:
        case VehiclePlugged(connector_id):
            return Plugged(connector_id)
        case VehicleUnplugged():
            return Unplugged()
        case VehicleAsks(ready):
            return VehicleReady(ready)
        case BayOccupied(occupied):
            return BayChanged(occupied)
        case BoardFault(code, active, info, vendor, connector_id):
            fault = Fault(code, info, vendor, connector_id=connector_id)
            return FaultRaised(fault) if active else FaultCleared(code, connector_id)
    return None
