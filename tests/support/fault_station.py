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
    """The clock is set to any time, past or to come, and put right a while later."""
    seconds = it.numbers.choice(JUMPS_S) * it.numbers.choice((-1, 1))
    if it.numbers.random() < 0.1:
        seconds = -it.clock.now().timestamp()  # to 1970
    it.clock.correct(timedelta(seconds=seconds))
    if it.numbers.random() < 0.5:
        await struck(it, Wire.reset)
    await asyncio.sleep(it.numbers.uniform(0, 3))
    it.clock.correct(-timedelta(seconds=seconds))
    await asyncio.sleep(it.numbers.uniform(0, 2))


def _calm(it: Site) -> None:
    it.meter.faults.clear()
    it.clock.ahead = timedelta(0)


ROWS: Final = (
    Row(
        "meter",
        "silence, bad CRC, noise, late answers, reboots of the meter, with a cut network",
        meter,
        _calm,
        all_counted=False,
    ),
    Row("clock-jumps", "the clock jumps by 0.5 s to 20 years or to 1970, and back", jump, _calm),
)
