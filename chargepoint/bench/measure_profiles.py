"""The composite schedule of a station full of profiles, over a day.

300 profiles of 24 periods each, of every purpose and kind, stacked so that no one of them covers
the day: the worst that the station takes is near.
"""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Final

from chargepoint.bench.measure_figures import Extent, Figure, spread
from chargepoint.core.profiles import Site, composite
from chargepoint.core.profiles_model import (
    Installed,
    Kind,
    Outlet,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Session,
    Unit,
    epoch,
)
from chargepoint.core.profiles_time import Stretch

GOAL_MS: Final = 20.0
PROFILES: Final = 300
PERIODS: Final = 24
DAY_S: Final = 86_400
_NOW: Final = datetime(2026, 3, 1, 10, tzinfo=UTC)
_PURPOSES: Final = (Purpose.TX_DEFAULT, Purpose.TX, Purpose.STATION_MAX, Purpose.EXTERNAL)


async def measure(extent: Extent) -> list[Figure]:
    """One EVSE, then the whole station."""
    site = Site(
        tuple(_installed(number) for number in range(PROFILES)),
        {1: Outlet(), 2: Outlet(phases=1)},
        {1: Session("T1", _NOW - timedelta(hours=1))},
    )
    within = Stretch(epoch(_NOW), epoch(_NOW) + DAY_S)
    return [
        _figure(
            f"24 h composite schedule of {what}, {PROFILES} profiles of {PERIODS} periods",
            partial(composite, site, evse_id, within, Unit.AMPERE),
            10 * extent.rounds,
        )
        for what, evse_id in (("an EVSE", 1), ("the station", 0))
    ]


def _figure(what: str, work: Callable[[], list[tuple[int, Decimal]]], rounds: int) -> Figure:
    taken = []
    for _ in range(rounds):
        started = time.process_time()
        found = work()
        taken.append(1000 * (time.process_time() - started))
    return Figure(
        what=what,
        value=min(taken),
        unit="ms",
        goal=GOAL_MS,
        beside=f"{len(found)} periods found; rounds {spread(taken)}",
    )


def _installed(number: int) -> Installed:
    """Runs of some hours that begin all over the day, on a level of its own."""
    purpose = _PURPOSES[number % len(_PURPOSES)]
    kind = (Kind.RECURRING, Kind.ABSOLUTE)[number % 3 == 0]
    step = 60 + 7 * (number % 11)
    periods = tuple(
        Period(place * step, Decimal(6 + (number + 5 * place) % 26)) for place in range(PERIODS)
    )
    start = _NOW + timedelta(seconds=number * 281 - (0 if kind is Kind.ABSOLUTE else 3 * DAY_S))
    return Installed(
        0 if purpose is Purpose.STATION_MAX else 1,
        Profile(
            number,
            purpose,
            kind,
            number,
            (Schedule(Unit.AMPERE, periods, start, PERIODS * step),),
            Recurrency.DAILY if kind is Kind.RECURRING else None,
            transaction_id="T1" if purpose is Purpose.TX else None,
        ),
    )
