"""SIGKILL and SIGTERM at a random moment: of the start, of a session, of the end."""

import asyncio
import signal
import tempfile
import time
from contextlib import suppress
from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from fault_books import Books, audit
from fault_config import STATION
from fault_plant import Gone, Plant, plant
from fault_rig import Stuck
from fault_rows import FAST, Outcome, Row, cpu_s

MOST_STEPS: Final = 12  # of drivers in one life: about two sessions
JITTER_S: Final = 0.1
START_S: Final = 0.8  # about what a start takes
LONGEST_LIFE_S: Final = 30.0
BOUND_S: Final = 25.0  # a station that is told to stop does so within this, whatever it does


def play(sign: signal.Signals, version: str, count: int, seed: int) -> Outcome:
    """So many processes, each ended by the signal; then one in which all comes to rest."""
    began, cpu = time.monotonic(), cpu_s()
    name = sign.name.lower()
    numbers = Random(f"{name} {version} {seed}")  # noqa: S311 - nothing secret
    with tempfile.TemporaryDirectory(prefix="fault-", dir=FAST) as folder:
        it, books, struck = asyncio.run(_play(sign, version, count, Path(folder), numbers))
    what = {"processes": it.lives, "accepted": it.csms.stations[STATION].connections}
    what |= {"sent again": len(it.csms.stations[STATION].duplicates), **it.notes}
    return Outcome(
        name,
        version,
        _injected(sign),
        struck,
        it.tried,
        books,
        {word: many for word, many in what.items() if many},
        round(time.monotonic() - began, 1),
        round(cpu_s() - cpu, 1),
    )


def _injected(sign: signal.Signals) -> str:
    return f"{sign.name} to the process at a random moment of start, session, end"


async def _play(
    sign: signal.Signals, version: str, count: int, folder: Path, numbers: Random
) -> tuple[Plant, Books, int]:
    struck, stuck = 0, ""
    async with plant(version, folder, numbers) as it:
        try:
            while struck < count:
                await _one_life(it, sign)
                struck += 1
            await _last_life(it)
        except Stuck as error:
            stuck = str(error)
            await it.kill(signal.SIGKILL)
        books = audit(it.csms.stations[STATION].transactions, it.truth())
        books.other += [str(one) for one in it.csms.violations]
        books.other += [stuck] if stuck else []
        for event, many in it.events().items():
            it.note(event, many)
    return it, books, struck


async def _one_life(it: Plant, sign: signal.Signals) -> None:
    await it.start(plugged=it.numbers.random() < 0.5)
    driving = asyncio.create_task(_drive(it))
    await _moment(it)
    code = await it.kill(sign, BOUND_S)
    await driving
    early = sign is signal.SIGTERM and code == -signal.SIGTERM  # before anybody listened to it
    if early:
        it.note("ended before it was up")
    elif code != (0 if sign is signal.SIGTERM else -signal.SIGKILL):
        raise Stuck(f"the process ended with {code}")


async def _moment(it: Plant) -> None:
    """Wait until it is to happen: in one of five lives while the station starts."""
    if it.numbers.random() < 0.2:
        await asyncio.sleep(it.numbers.uniform(0, START_S))
        return
    goal = it.steps + it.numbers.randrange(MOST_STEPS)
    with suppress(Stuck):
        await it.until(lambda: it.steps >= goal, "progress", LONGEST_LIFE_S)
    await asyncio.sleep(it.numbers.uniform(0, JITTER_S))


async def _drive(it: Plant) -> None:
    with suppress(Gone):
        await it.leave()
        while True:
            await it.session()


async def _last_life(it: Plant) -> None:
    await it.start()
    await it.come_to_rest()
    await it.kill(signal.SIGTERM, BOUND_S)


ROWS: Final = tuple(
    Row(sign.name.lower(), _injected(sign), play=partial(play, sign))
    for sign in (signal.SIGKILL, signal.SIGTERM)
)
