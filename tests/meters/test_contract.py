"""What every driver promises (``meters.api``), tried on every simulated meter that is for it.

Drivers are found by listing their folder, so a new one is covered without a line here; one without
simulator fails. Time is virtual: pauses and time-outs are those of real meters and cost nothing.
"""

import asyncio
from decimal import Decimal

import pytest
from contract import last_digit, left_behind, some
from meter_bench import (
    Interrupted,
    bench,
    now,
    own_drivers,
    pairs,
    patiently,
)
from record_check import same_key
from virtual_time import run

from meters.catalog import load_driver
from meters.errors import MeterUnreachable
from meters.model import Quantity, Reading
from meters.simulators.catalog import load_simulator, simulators_of

PAIRS = pairs()
READABLE = pytest.mark.parametrize(("driver", "simulator"), PAIRS)
LONGEST_S = 120  # of any call, however dead the meter is


@pytest.mark.parametrize("driver", own_drivers())
def test_every_driver_has_a_simulator(driver: str) -> None:
    assert simulators_of(driver), f"{driver}: no module in meters/simulators has it as DRIVER"


@READABLE
def test_driver_and_simulator_speak_the_same_way(driver: str, simulator: str) -> None:
    assert load_simulator(simulator).TRANSPORT == load_driver(driver).TRANSPORT


# Reading.


@READABLE
def test_a_reading_is_in_si_units_exact_and_of_now(driver: str, simulator: str) -> None:
    async def look() -> tuple[Reading, Reading, Decimal]:
        async with bench(driver, simulator) as found:
            meter = await found.meter()
            found.device.set_load(Decimal(6900), 3)
            before = now()
            loaded = await meter.read()
            assert before <= loaded.taken_at <= now()
            found.device.set_load(Decimal(0), 3)
            await asyncio.sleep(2)  # the next reading shall not be one that was kept
            return loaded, await meter.read(), found.device.energy_wh

    loaded, reading, energy_wh = run(look())

    for sample in loaded.samples:
        assert isinstance(sample.value, Decimal)
        assert sample.value.is_finite()
    assert loaded.taken_at.utcoffset() is not None
    power = loaded.value(Quantity.POWER)
    assert power is not None
    assert abs(power - 6900) <= 69
    energy = reading.value(Quantity.ENERGY_IMPORT)
    assert energy is not None
    assert abs(energy - energy_wh) <= max(last_digit(energy), energy / 10**6)


@READABLE
def test_the_meter_says_who_it_is(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.meter()
            info = await meter.identify()
            told = found.device.status()
            if told["serial_number"]:
                assert info.serial_number == told["serial_number"]
            assert info.vendor
            assert info.model
            if info.public_key:
                assert same_key(info.public_key, found.device.public_key)
            if info.quantities:
                read = {(one.quantity, one.phase) for one in (await meter.read()).samples}
                # A temperature is of the meter itself, not of what it measures.
                assert read <= info.quantities

    run(look())


@READABLE
def test_a_dead_meter_is_told_in_time_and_found_again(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.meter()
            await meter.read()
            found.fault("silence")
            loop = asyncio.get_running_loop()
            for _ in range(3):
                called = loop.time()
                with pytest.raises(MeterUnreachable) as told:
                    await meter.read()
                assert loop.time() - called < LONGEST_S
                assert len(str(told.value)) > 20
            found.device.faults.clear()

            assert (await patiently(meter.read)).samples

    run(look())


@READABLE
def test_several_tasks_may_read_at_once(driver: str, simulator: str) -> None:
    async def look() -> None:
        async with bench(driver, simulator) as found:
            meter = await found.meter()
            async with asyncio.TaskGroup() as group:
                reads = [group.create_task(meter.read()) for _ in range(4)]
                group.create_task(meter.identify())

            assert all(read.result().samples for read in reads)

    run(look())


@READABLE
@pytest.mark.parametrize("operation", ["identify", "read"])
def test_a_read_may_be_cancelled_wherever_it_waits(
    driver: str, simulator: str, operation: str
) -> None:
    async def once(place: int | None) -> int:
        async with bench(driver, simulator) as found:
            meter = await found.meter()
            call = Interrupted(getattr(meter, operation)(), place)
            await call.run()
            assert await left_behind() == []
            assert (await patiently(meter.read)).samples
            return call.waits

    for place in some(run(once(None))):
        run(once(place))
