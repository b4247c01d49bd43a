"""The simulated outlet: a vehicle that behaves as it was told."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from chargepoint.errors import Refused
from chargepoint.hardware.api import (
    BoardEvent,
    BoardFault,
    Seen,
    VehicleAsks,
    VehiclePlugged,
    VehicleUnplugged,
)
from chargepoint.hardware.simulated import SimulatedBoard, SimulatedOutlet, Vehicle


class Loads:
    """Writes down what the meter is told."""

    def __init__(self) -> None:
        self.told: list[tuple[int, Decimal, int]] = []

    async def __call__(self, evse_id: int, watts: Decimal, phases: int) -> None:
        self.told.append((evse_id, watts, phases))

    @property
    def last(self) -> Decimal:
        return self.told[-1][1]


@pytest.fixture
def loads() -> Loads:
    return Loads()


@pytest.fixture
async def outlet(loads: Loads) -> AsyncIterator[SimulatedOutlet]:
    outlet = SimulatedOutlet(1, connectors=2, load=loads)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(SimulatedBoard([outlet]).run())
        await _settle()
        yield outlet
        running.cancel()


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def _told(outlet: SimulatedOutlet) -> list[BoardEvent]:
    events = []
    while not outlet._told.empty():
        events.append(outlet._told.get_nowait())
    return events


async def test_a_vehicle_is_plugged_asks_pauses_goes_on_and_leaves(
    outlet: SimulatedOutlet,
) -> None:
    outlet.plug_in(Vehicle(ready_after_s=0), connector_id=2)
    await asyncio.sleep(0.01)
    assert outlet.seen() == Seen(plugged=True, connector_id=2, asks=True)

    outlet.suspend()
    outlet.suspend()
    outlet.resume()
    outlet.plug_out()

    assert _told(outlet) == [
        VehiclePlugged(2),
        VehicleAsks(ready=True),
        VehicleAsks(ready=False),
        VehicleAsks(ready=True),
        VehicleUnplugged(),
    ]
    assert outlet.seen() == Seen(plugged=False, connector_id=2, asks=False)


async def test_a_slow_meter_is_told_the_load_last_that_was_last() -> None:
    told: list[Decimal] = []
    slow = asyncio.Event()

    async def load(_evse_id: int, watts: Decimal, _phases: int) -> None:
        if watts:
            await slow.wait()
        told.append(watts)

    outlet = SimulatedOutlet(1, load=load, vehicle=Vehicle(), asks=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(outlet.close_contactor())
        await _settle()
        tasks.create_task(outlet.open_contactor())
        await _settle()
        slow.set()

    assert told[-1] == 0


async def test_events_come_in_order_one_by_one(outlet: SimulatedOutlet) -> None:
    outlet.plug_in(Vehicle(ready_after_s=9))
    outlet.fault(BoardFault("OtherError"))

    events = outlet.events()
    first, second = await anext(events), await anext(events)

    assert (first, second) == (VehiclePlugged(1), BoardFault("OtherError"))


POWER: list[tuple[dict[str, Any], dict[str, Any], str]] = [
    ({"power_w": 11000}, {}, "11000"),
    ({"power_w": 50000}, {}, "22080"),
    ({"power_w": 11000}, {"limit_a": Decimal(6)}, "4140"),
    ({"power_w": 11000}, {"limit_a": Decimal(0)}, "0"),
    ({"power_w": 11000}, {"limit_a": Decimal(64)}, "11000"),
    ({"power_w": 11000, "phases": 1}, {}, "7360"),
    ({"power_w": 11000}, {"phases": 1}, "7360"),
    ({"power_w": 11000}, {"closed": False}, "0"),
    ({"power_w": 11000}, {"asks": False}, "0"),
    ({"power_w": 11000}, {"vehicle": None}, "0"),
]


@pytest.mark.parametrize(("vehicle", "outlet", "watts"), POWER)
def test_a_vehicle_takes_what_it_wants_but_never_more_than_it_is_offered(
    vehicle: dict[str, Any], outlet: dict[str, Any], watts: str
) -> None:
    given = {"vehicle": Vehicle(**vehicle), "closed": True, "asks": True, **outlet}

    assert SimulatedOutlet(1, **given).power_w == Decimal(watts)


async def test_the_meter_is_told_of_every_change(outlet: SimulatedOutlet, loads: Loads) -> None:
    outlet.plug_in(Vehicle())
    await asyncio.sleep(0.01)
    await outlet.close_contactor()
    assert loads.last == 11000

    await outlet.set_current_limit(Decimal(6))
    assert loads.last == 4140
    outlet.suspend()
    await _settle()
    assert loads.last == 0
    outlet.resume()
    await _settle()
    assert loads.last == 4140
    await outlet.open_contactor()
    assert loads.told[-1] == (1, Decimal(0), 3)


async def test_a_contactor_moves_only_if_it_has_to(outlet: SimulatedOutlet) -> None:
    await outlet.open_contactor()
    await outlet.close_contactor()
    await outlet.close_contactor()
    await outlet.open_contactor()

    assert (outlet.moves, outlet.closed) == (2, False)


async def test_a_vehicle_leaves_by_itself(outlet: SimulatedOutlet) -> None:
    outlet.plug_in(Vehicle(ready_after_s=9, unplug_after_s=0.01))

    await asyncio.sleep(0.05)

    assert _told(outlet) == [VehiclePlugged(1), VehicleUnplugged()]


async def test_a_vehicle_breaks_by_itself(outlet: SimulatedOutlet) -> None:
    outlet.plug_in(Vehicle(ready_after_s=9, fault="diode", fault_after_s=0.01))

    await asyncio.sleep(0.05)

    fault = BoardFault("EVCommunicationError", info="vehicle: diode")
    assert _told(outlet) == [VehiclePlugged(1), fault]


async def test_plans_of_a_vehicle_leave_with_it(outlet: SimulatedOutlet) -> None:
    outlet.plug_in(Vehicle(ready_after_s=0.02, unplug_after_s=0.02, fault="diode"))
    await _settle()
    outlet.plug_out()
    outlet.plug_in(Vehicle(ready_after_s=9))

    await asyncio.sleep(0.06)

    assert outlet.seen() == Seen(plugged=True, connector_id=1, asks=False)


async def test_what_a_person_said_overrides_the_plan_of_the_vehicle(
    outlet: SimulatedOutlet,
) -> None:
    outlet.plug_in(Vehicle(ready_after_s=0.01))
    outlet.suspend()

    await asyncio.sleep(0.04)

    assert not outlet.asks


async def test_what_cannot_be_is_refused(outlet: SimulatedOutlet) -> None:
    for impossible in (outlet.plug_out, outlet.suspend, outlet.resume):
        with pytest.raises(Refused, match="no vehicle"):
            impossible()
    with pytest.raises(Refused, match="connectors 1 to 2, not 3"):
        outlet.plug_in(Vehicle(), 3)
    outlet.plug_in(Vehicle(ready_after_s=9))
    with pytest.raises(Refused, match="has a vehicle already"):
        outlet.plug_in(Vehicle())


async def test_a_lock_that_is_there_opens_and_another_is_refused(outlet: SimulatedOutlet) -> None:
    assert await outlet.unlock(2)
    with pytest.raises(Refused, match="connector 3"):
        await outlet.unlock(3)


def test_an_outlet_that_is_not_there_is_refused() -> None:
    with pytest.raises(Refused, match="no EVSE 2, there are 1"):
        SimulatedBoard([SimulatedOutlet(1)]).outlet(2)
