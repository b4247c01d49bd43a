"""From stop to the signed end message: how much of the time is physics.

The physical limit of a correct RTU master: the bytes that went over the line, plus two silences of
3.5 characters per request. It is worked out from the real bytes of the session measured.

Counted are the requests of the end, from the stop to the last look at the meter's state after the
record was read: is it running, is it charging, the end command, is it signed, how long is the
record, the record in reads of 125 registers, and once more length and state together, so that a
record that changed meanwhile is never taken for whole. Not counted are polls of live values that
came in between: they are on the line, but the record does not need them. Left out of the time is
what the meter takes: its signature, and per request what a bare blocking master waits for it on
this line in this run. Everything else is the station's: decision, contactor, commits, verification,
wording.

Records that OCPP 2.0.1 cannot carry (2500 characters of base64) are sent in OCPP 1.6.
"""

import statistics
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from chargepoint.bench.measure_figures import Bound, Extent, Figure, spread
from chargepoint.bench.measure_session import Plan, Seen, in_own_process

GOAL_PERCENT: Final = 95.0
SIZES: Final = (1083, 4062)  # a record met in the field, the most the meter can hold
_MOST_201: Final = 1875  # bytes that are 2500 characters in base64
_MOST_SESSIONS: Final = {9600: 4, 19_200: 5, 115_200: 8}  # as many as the time allows
_MS: Final = 1000
_SIGNING_S: Final = 0.3
_OTHERS: Final = "EVerest's 100 ms of silence per read: +0.9 s for 2 kB, computed"


async def measure(extent: Extent) -> list[Figure]:
    """Each line and size in a process of its own, so that the first session is a real first one."""
    figures: list[Figure] = []
    rates = (115_200,) if extent.quick else tuple(_MOST_SESSIONS)
    for baudrate in rates:
        for size in SIZES:
            plan = Plan(
                version="2.0.1" if size <= _MOST_201 else "1.6",
                baudrate=baudrate,
                reaction_ms=0,
                record_size=size,
                sessions=min(extent.sessions, _MOST_SESSIONS[baudrate]),
                floor=_MOST_SESSIONS[baudrate],
                charging_s=0.3 if extent.quick else 1.0,
                jitter_s=0.3 if extent.quick else 1.0,
            )
            figures += _figures(plan, await _run(plan, extent.folder))
    if not extent.quick:
        figures.append(await _patience(extent))
    return figures


async def _run(plan: Plan, folder: Path) -> list[Seen]:
    with TemporaryDirectory(prefix="wire-", dir=folder) as own:
        return await in_own_process(plan, Path(own))


def _figures(plan: Plan, seen: Sequence[Seen]) -> list[Figure]:
    first, later = seen[0], seen[1:] or seen
    half = sorted(later, key=lambda one: one.share)[len(later) // 2]
    where = f"{plan.baudrate} baud, {half.bytes} bytes"
    shares = [100 * one.share for one in later]
    return [
        Figure(
            what=f"stop to signed end message, {where}: share of the physical limit",
            value=statistics.median(shares),
            unit="%",
            goal=GOAL_PERCENT,
            bound=Bound.AT_LEAST,
            beside=f"least / median / most {spread(shares)}; first session {100 * first.share:.1f}",
            elsewhere=_OTHERS,
        ),
        Figure(
            what=f"  time, {where}",
            value=half.ended * _MS,
            unit="ms",
            beside=_ledger(half),
        ),
    ]


def _ledger(seen: Seen) -> str:
    parts = (
        (f"limit of {len(seen.requests)} requests", seen.end_limit),
        ("of it the record alone", seen.record_limit),
        ("meter", seen.meter),
        ("polls", seen.polls),
        ("station", seen.station),
    )
    return ", ".join(f"{name} {seconds * _MS:.1f}" for name, seconds in parts)


async def _patience(extent: Extent) -> Figure:
    """What waiting for a meter that signs slowly adds to its signing."""
    slow = Plan(reaction_ms=0, record_size=SIZES[0], signing_s=_SIGNING_S, sessions=6)
    quick = Plan(reaction_ms=0, record_size=SIZES[0], sessions=6)
    with_signing = [one.ended for one in (await _run(slow, extent.folder))[1:]]
    without = [one.ended for one in (await _run(quick, extent.folder))[1:]]
    more = statistics.median(with_signing) - statistics.median(without) - _SIGNING_S
    return Figure(
        what=f"  found out later that a meter has signed ({_SIGNING_S:g} s), 115200 baud",
        value=more * _MS,
        unit="ms",
        beside="questions at intervals, not counted above",
    )
