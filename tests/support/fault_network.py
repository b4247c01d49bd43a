"""Faults of the network: cut, half open, flapping, lossy, slow."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from fault_config import CALL_S
from fault_gateway import Pace, Way, Wire
from fault_rig import Site
from fault_rows import Row

from chargepoint.bench.csms import FaultKind

MOST_BYTES: Final = {Way.UP: 4000, Way.DOWN: 600}  # the next cut lies so far away at most
PATIENCE_S: Final = 30.0
LOSS: Final = 0.1
LATEST_S: Final = 4 * CALL_S
RTO_S: Final = 0.2  # of Linux, the least; it doubles
DRIBBLED: Final = 200  # bytes of a frame, one by one


async def struck(it: Site, act: Callable[[Wire], None]) -> Wire:
    """Let ``act`` happen at some byte of what is on its way; there is traffic, sooner or later."""
    hit: list[Wire] = []

    def spring(wire: Wire) -> None:
        act(wire)
        hit.append(wire)

    while True:
        way = it.numbers.choice(list(Way))
        trap = it.gateway.trap(way, it.numbers.randrange(MOST_BYTES[way]), spring)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await trap.sprung.wait()
        except TimeoutError:
            it.gateway.disarm(trap)
        else:
            return hit[0]


async def cut(it: Site) -> None:
    """RST to both ends; every now and then the network stays away for a while."""
    await struck(it, Wire.reset)
    if it.numbers.random() < 0.1:
        it.gateway.down = True
        await asyncio.sleep(it.numbers.uniform(0.5, 15))
        it.gateway.down = False


async def half_open(it: Site) -> None:
    """From one byte on nothing comes through, in one direction or both, and nobody is told."""
    ways = it.numbers.choice(({Way.UP}, {Way.DOWN}, set(Way)))

    def darken(wire: Wire) -> None:
        wire.dark = set(ways)

    wire = await struck(it, darken)
    it.gateway.lost = it.numbers.random() < 0.2  # who calls again reaches nobody, either
    await it.until(lambda: wire not in it.gateway.wires, "reaction to a dead line", 300)
    it.gateway.lost = False


async def flap(it: Site) -> None:
    """A second with a network, a second without."""
    await asyncio.sleep(1)
    it.gateway.down = True
    it.gateway.reset()
    await asyncio.sleep(1)
    it.gateway.down = False


async def lose_segments(it: Site) -> None:
    """A burst of losses: what was sent comes after TCP's time-out, which doubles."""
    before = it.notes.get("segments lost", 0)
    if it.gateway.pace is None:
        it.gateway.pace = _lossy(it)
    while it.notes.get("segments lost", 0) == before:  # noqa: ASYNC110 - traffic comes by itself
        await asyncio.sleep(0.2)


def _lossy(it: Site) -> Pace:
    def pace(_way: Way, data: bytes) -> list[tuple[float, bytes]]:
        pieces, at = [], 0
        while at < len(data):
            size = it.numbers.randrange(1, 1460)  # segments of a path with any MTU
            wait = 0.0
            rto = RTO_S
            while it.numbers.random() < LOSS:
                wait, rto = wait + rto, rto * 2
            if wait:
                it.note("segments lost")
            pieces.append((wait, data[at : at + size]))
            at += size
        return pieces

    return pace


async def dribble(it: Site) -> None:
    """Some bytes of the CSMS come one by one, so slowly that a frame takes seconds."""
    pause_s = it.numbers.choice((0.001, 0.01, 0.03))
    left = it.numbers.randrange(20, DRIBBLED)

    def pace(way: Way, data: bytes) -> list[tuple[float, bytes]]:
        nonlocal left
        if way is Way.UP or left <= 0:
            return [(0.0, data)]
        many = min(left, len(data))
        left -= many
        it.note("bytes dribbled", many)
        return [(pause_s, data[n : n + 1]) for n in range(many)] + [(0.0, data[many:])]

    it.gateway.pace = pace
    while left > 0:  # noqa: ASYNC110 - traffic comes by itself
        await asyncio.sleep(0.2)


async def slow(it: Site) -> None:
    """One answer takes seconds, just not so long that it is given up."""
    await late_by(it, 0.2, CALL_S - 1)


async def late(it: Site) -> None:
    """One answer comes when the station has given it up and asked again, or has not yet."""
    await late_by(it, CALL_S + 1, LATEST_S)


async def late_by(it: Site, least_s: float, most_s: float) -> None:
    """The next answer is late by so much; returns when it is on its way."""
    delay = timedelta(seconds=it.numbers.uniform(least_s, most_s))
    fault = it.csms.inject(FaultKind.DELAY, delay=delay)
    await it.until(lambda: not fault.times, "call of the station", 600)
    if it.numbers.random() < 0.8:
        await asyncio.sleep(delay.total_seconds())


def _calm(it: Site) -> None:
    it.gateway.down = it.gateway.lost = False
    it.gateway.pace = None


ROWS: Final = (
    Row("cut", "RST at a random byte, in 1 of 10 no network for up to 15 s", cut, _calm),
    Row(
        "half-open",
        "from a random byte on nothing comes through in one direction or both",
        half_open,
        _calm,
        pause_s=20,
    ),
    Row("flaps", "1 s with a network, 1 s without", flap, _calm),
    Row(
        "packet-loss",
        f"{LOSS:.0%} of segments come after TCP's time-out (a proxy, no netem)",
        lose_segments,
        _calm,
    ),
    Row("dribble", "up to 200 bytes of the CSMS come one by one", dribble, _calm),
    Row("slow", f"an answer takes up to {CALL_S - 1} s of the {CALL_S} s allowed", slow, _calm),
    Row(
        "late",
        f"an answer takes {CALL_S + 1} to {LATEST_S} s, {CALL_S} s are allowed",
        late,
        pause_s=10,
    ),
)
