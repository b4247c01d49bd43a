"""Faults of the station's own surroundings: its meter and its clock."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import msgspec
from fault_gateway import Wire
from fault_network import struck
from fault_rig import Site
from fault_rows import Row

from meters.simulators.faults import Fault

_WIRE_FAULTS: Final = (
    {"kind": "silence"},
    {"kind": "lost-reply"},
    {"kind": "bad-crc"},
    {"kind": "truncated"},
    {"kind": "noise"},
    {"kind": "noise-before"},
    {"kind": "late"},
    {"kind": "wrong-unit"},
    {"kind": "fewer-words"},
    {"kind": "exception", "value": 6},
)
JUMPS_S: Final = (0.5, 5, 60, 3600, 7200, 86_400, 366 * 86_400, 20 * 365 * 86_400)


async def meter(it: Site) -> None:
    """The meter or its line fails while the network is cut."""
    kind = it.numbers.randrange(8)
    if kind == 0:
        it.meter.reboot()
        it.note("meter reboots")
    elif kind == 1:
        it.line.hang_up()
        it.note("lines cut")
    else:
        fields: dict[str, Any] = dict(it.numbers.choice(_WIRE_FAULTS))
        held = {"seconds": it.numbers.uniform(0.1, 4)}
        if it.numbers.random() < 0.5:
            held = {"count": it.numbers.randrange(1, 4)}
        it.meter.faults.add(msgspec.convert({**fields, **held}, Fault))
        it.note("line faults")
    await struck(it, Wire.reset)


async def jump(it: Site) -> None:
    """The machine's clock is set to any time, past or to come, and put right a while later."""
    if it.numbers.random() < 0.3:
        await _start_anew(it)
        return
    it.clock.ahead = _any_time(it)
    it.note("clock set")
    if it.numbers.random() < 0.5:
        await struck(it, Wire.reset)
    await asyncio.sleep(it.numbers.uniform(0, 3))
    it.clock.ahead = timedelta(0)
    await asyncio.sleep(it.numbers.uniform(0, 2))


async def _start_anew(it: Site) -> None:
    """The power fails and the clock with it; often nobody is there to tell the time at first."""
    vehicle = it.outlet.vehicle
    await it.stop()
    it.clock.ahead = _any_time(it)
    it.gateway.down = it.numbers.random() < 0.7
    await it.start()
    it.note("started with a wrong clock")
    if vehicle is not None and it.numbers.random() < 0.5:
        it.outlet.plug_in(vehicle)  # else it has left meanwhile
    await asyncio.sleep(it.numbers.uniform(0, 10))
    if it.numbers.random() < 0.3:
        it.clock.ahead = timedelta(0)
        it.note("put right before the CSMS was back")
        await asyncio.sleep(it.numbers.uniform(0, 20))
    it.gateway.down = False
    await it.until(lambda: it.online, "way back", 600)
    it.clock.ahead = timedelta(0)


def _any_time(it: Site) -> timedelta:
    """How far the clock is ahead."""
    if it.numbers.random() < 0.2:
        return timedelta(seconds=-it.clock.true().timestamp())  # 1970
    return timedelta(seconds=it.numbers.choice(JUMPS_S) * it.numbers.choice((-1, 1)))


def _calm(it: Site) -> None:
    it.meter.faults.clear()
    it.clock.ahead = timedelta(0)
    it.gateway.down = False


ROWS: Final = (
    Row(
        "meter",
        "silence, bad CRC, noise, late answers, reboots of the meter, with a cut network",
        meter,
        _calm,
        all_counted=False,
    ),
    Row(
        "clock-jumps",
        "the clock is set by 0.5 s to 20 years or to 1970, and back, also while the power is off",
        jump,
        _calm,
    ),
)
