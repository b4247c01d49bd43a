"""What the contract tests of meter drivers share: sweeps, left-over tasks, energies."""

import asyncio
import os
from decimal import Decimal
from typing import Any

from meters.model import Quantity, Reading

POINTS = int(os.environ.get("CONTRACT_POINTS", "5"))
"""Places of a sweep that are tried; the gate has no time for all of them."""

_SERVER_SIDE = ("aiohttp.web", "asyncio.selector_events")  # the latter accepts connections


def some(count: int) -> list[int]:
    """Places from 0 to ``count``, spread evenly, no more than a gate has time for."""
    places = range(min(POINTS, count))
    return [round(place * (count - 1) / max(len(places) - 1, 1)) for place in places]


async def left_behind() -> list[str]:
    """Tasks that go on without anybody waiting for them; those of the simulated side apart."""
    for _ in range(10):  # what was cancelled may say goodbye
        await asyncio.sleep(0)
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    return [str(task) for task in tasks if not _module(task).startswith(_SERVER_SIDE)]


def _module(task: asyncio.Task[Any]) -> str:
    frame = getattr(task.get_coro(), "cr_frame", None)
    return "" if frame is None else str(frame.f_globals["__name__"])


def energy_of(reading: Reading) -> Decimal:
    energy = reading.value(Quantity.ENERGY_IMPORT)
    assert energy is not None
    return energy


def last_digit(value: Decimal) -> Decimal:
    """One unit of the last digit that a value has."""
    exponent = value.as_tuple().exponent
    assert isinstance(exponent, int)
    return Decimal(1).scaleb(exponent)


def assert_energy(reading: Reading, energy_wh: Decimal) -> None:
    """That a reading shows what the device counted, to its last digit."""
    energy = energy_of(reading)
    assert abs(energy - energy_wh) <= max(last_digit(energy), energy / 10**6)
