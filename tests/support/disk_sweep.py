"""Sessions of a whole station on a disk that fails, at each of its writes and syncs in turn.

    disk_sweep.py [--version 2.0.1|1.6] [--count N] [--seed N]

The station is the one of ``case_rig``: its real store, its real WebSocket to the small CSMS, a
clock that moves as told. In every session one operation of the disk fails, once or from then on
until somebody repairs it some steps later; in some the power is cut meanwhile. What the meter, the
outlet and the CSMS saw is compared then.
"""

import argparse
import asyncio
import itertools
import logging
import random
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import click
from bad_disk import BadDisk, Ill, bad_disk
from case_rig import Case, case
from disk_accounts import Accounts, Outcome, profile
from station_bench import TOKEN

from chargepoint.bench.csms import CallError

VERSIONS: Final = ("2.0.1", "1.6")
SESSIONS_OF_ONE_STATION: Final = 20
_LONGEST_S: Final = 400.0  # the longest pause of whatever waits for the disk, and some
_FAST: Final = Path("/dev/shm")  # noqa: S108 - a disk in memory, where nobody waits for a sync
_SETTINGS: Final = {
    "SampledDataCtrlr.TxUpdatedInterval": "30",
    "SampledDataCtrlr.TxEndedInterval": "30",
    "AuthCacheCtrlr.Enabled": "true",
}
HEAD: Final = "OCPP  " + "".join(
    f"{word:>12}" for word in ("injected", "happened", "lost", "doubled", "half_signed", "wrong")
)
SHOWN_MOST: Final = 100
_DEFECTS: Final = ("failed, starting it again", "a piece of work failed", "defect in")


@dataclass(frozen=True, slots=True)
class Injection:
    """What is done to one session: operation ``at`` of it fails.

    ``healed`` is how many steps later the disk is repaired, 0 if it fails only once; ``dead``:
    nothing can be read meanwhile either; ``cut``: the power goes before the disk is repaired.
    """

    at: int
    ill: Ill = Ill.BROKEN
    healed: int = 0
    dead: bool = False
    cut: bool = False

    def __str__(self) -> str:
        how = f"repaired after {self.healed} steps" if self.healed else "once"
        dead, cut = ", unreadable" if self.dead else "", ", power cut" if self.cut else ""
        return f"{self.ill} at operation {self.at}, {how}{dead}{cut}"


def injections(operations: int, count: int, coin: random.Random) -> Iterator[Injection]:
    """``count`` of them: every operation in turn, first as a single error, then in other ways."""
    ways = itertools.cycle(
        [
            (Ill.BROKEN, False, False, False),
            (Ill.FULL, False, False, False),
            (Ill.BROKEN, True, False, False),
            (Ill.FULL, True, False, False),
            (Ill.BROKEN, True, True, False),
            (Ill.FULL, True, False, True),
        ]
    )
    places = [*range(1, operations + 1)]
    if count < operations:
        places = sorted(coin.sample(places, count))
    made = 0
    while made < count:
        for at in places:
            ill, lasting, dead, cut = next(ways)
            healed = coin.randint(1, 8) if lasting else 0
            yield Injection(at, ill, healed, dead, cut)
            made += 1
            if made == count:
                return
        next(ways)  # another way at each place in the next round


def run(version: str, count: int, seed: int = 1) -> dict[str, Any]:
    """``count`` sessions, each with one injection; how many happened, what was lost or doubled."""
    return asyncio.run(sweep(version, count, seed)).row()


async def sweep(version: str, count: int, seed: int = 1) -> Outcome:
    """The same with a sentence for whatever was not as it must be."""
    coin = random.Random(seed)  # noqa: S311 - chooses cases
    outcome = Outcome()
    asked = injections(await _operations(version), count, coin)
    while some := list(itertools.islice(asked, SESSIONS_OF_ONE_STATION)):
        await _one_station(version, some, outcome)
    return outcome


async def _operations(version: str) -> int:
    """How many operations of the disk a session has that nothing happens to."""
    outcome = Outcome()
    with _folder() as folder, bad_disk() as disk:
        async with _station(version, folder) as run:
            story = _Story(run, disk, version, outcome)
            await story.play(None)  # the first one makes things that the others find
            before = disk.count
            await story.play(None)
            operations = disk.count - before
    if outcome.findings:
        raise AssertionError(f"a session on a good disk: {outcome.findings}")
    return operations


async def _one_station(version: str, some: list[Injection], outcome: Outcome) -> None:
    with _folder() as folder, bad_disk() as disk:
        async with _station(version, folder) as run:
            story = _Story(run, disk, version, outcome)
            for one in some:
                await story.play(one)


@contextmanager
def _folder() -> Iterator[Path]:
    fast = _FAST if _FAST.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="disk-sweep-", dir=fast) as folder:
        yield Path(folder)


def _station(version: str, folder: Path) -> Any:
    return case(version, folder, settings=_SETTINGS)


class _Story:
    """One session after the other, and the accounts of each."""

    def __init__(self, run: Case, disk: BadDisk, version: str, outcome: Outcome) -> None:
        self._run, self._disk, self._version = run, disk, version
        self._accounts = Accounts(run, disk, version, outcome)
        self._number = 0
        self._cut = False
        meter, outlet = run.meters[1], run.outlets[1]
        release, close = meter.release, outlet.close_contactor

        async def releasing(transaction_id: str) -> None:
            if meter.record and not self._accounts.stored_records(meter.record[0]):
                self._accounts.lost(f"{meter.record[0]} is released before it is stored")
            await release(transaction_id)

        async def closing_contactor() -> None:
            self._accounts.closed.append(meter.running)
            await close()

        meter.release = releasing  # type: ignore[method-assign]
        outlet.close_contactor = closing_contactor  # type: ignore[method-assign]

    # --- the session --------------------------------------------------------------------------

    async def play(self, injection: Injection | None) -> None:
        """One session; the disk fails in it and is repaired, then everything has to be told."""
        self._number += 1
        self._cut = False
        self._accounts.what = f"session {self._number}, {injection}"
        ends, frames = len(self._run.meters[1].ends), self._run.csms.mark()
        self._accounts.closed.clear()
        self._disk.refused.clear()
        if injection is not None:
            self._accounts.outcome.injected += 1
            lasting = injection.healed > 0
            self._disk.fail(injection.at, injection.ill, lasting=lasting, reads=injection.dead)
        with self._defects():
            await self._steps(injection)
            await self._rest()
        if self._disk.refused:
            self._accounts.outcome.happened += 1
            self._accounts.outcome.kinds[self._disk.refused[0]] += 1
        self._accounts.check(ends, self._run.csms.sent(frames), cut=self._cut)

    async def _steps(self, injection: Injection | None) -> None:
        since = 0
        for step in self._script():
            await step()
            since += self._disk.ill
            if injection is not None and injection.healed and since >= injection.healed:
                await self._heal(injection)
                since = 0
        if injection is not None and self._disk.ill:
            await self._heal(injection)
        self._disk.repair()
        await self._run.advance(_LONGEST_S)
        if not self._accounts.closed:  # the driver tries again
            await self._begin()
            await self._run.advance(35)
            if not self._accounts.closed:
                self._accounts.wrong("no session although the disk is well again")
            await self._end()

    async def _heal(self, injection: Injection) -> None:
        if injection.cut:
            self._cut = True
            self._disk.repair()
            await self._run.restart()
            await self._run.advance(5)
        self._disk.repair()

    def _script(self) -> "list[Callable[[], Any]]":
        run = self._run
        return [
            run.plug,
            lambda: run.swipe(TOKEN, 1),
            lambda: run.advance(35),
            self._ask_setting,
            lambda: run.advance(35),
            self._ask_profile,
            lambda: run.advance(5),
            self._stop,
            run.unplug,
            lambda: run.advance(5),
        ]

    async def _begin(self) -> None:
        await self._run.plug()
        await self._run.swipe(TOKEN, 1)

    async def _stop(self) -> None:
        if self._run.transaction() is not None:
            await self._run.swipe(TOKEN, 1)
            await self._run.advance(1)
            if self._run.outlets[1].closed:
                self._accounts.wrong("the contactor stays closed after the session was stopped")

    async def _end(self) -> None:
        await self._stop()
        await self._run.unplug()
        await self._run.advance(5)

    async def _rest(self) -> None:
        """Everything that happened becomes known."""
        await self._run.advance(_LONGEST_S)

    async def _ask_setting(self) -> None:
        value = str(50 + self._number)
        if self._version == "1.6":
            answer = await self._ask(
                "ChangeConfiguration", key="MeterValueSampleInterval", value="30"
            )
            answer = await self._ask("ChangeConfiguration", key="ConnectionTimeOut", value=value)
            taken = answer.get("status") == "Accepted"
        else:
            variable = {
                "component": {"name": "TxCtrlr"},
                "variable": {"name": "EVConnectionTimeOut"},
                "attributeValue": value,
            }
            answer = await self._ask("SetVariables", setVariableData=[variable])
            results = answer.get("setVariableResult", [{}])
            taken = results[0].get("attributeStatus") == "Accepted"
        found = self._accounts.rows("SELECT 1 FROM setting WHERE value = ?", value)
        if taken and not found:
            self._accounts.lost(f"setting {value} was answered Accepted and is not stored")

    async def _ask_profile(self) -> None:
        number = 1000 + self._number
        answer = await self._ask("SetChargingProfile", **profile(self._version, number))
        found = self._accounts.rows("SELECT 1 FROM charging_profile WHERE profile_id = ?", number)
        if answer.get("status") == "Accepted" and not found:
            self._accounts.lost(f"profile {number} was answered Accepted and is not stored")

    async def _ask(self, action: str, **payload: Any) -> dict[str, Any]:
        try:
            return await self._run.ask(action, **payload)
        except CallError as refusal:
            return {"status": refusal.code}
        except Exception as error:  # noqa: BLE001 - whatever a test calls it
            self._accounts.wrong(f"{action} is not answered: {error!r}")
            return {}

    @contextmanager
    def _defects(self) -> Iterator[None]:
        """A part of the station that breaks is a finding, although it is started again."""
        heard: list[str] = []

        class Ear(logging.Handler):
            def emit(self, record: logging.LogRecord) -> None:
                words = record.getMessage()
                if any(defect in words for defect in _DEFECTS):
                    why = record.exc_info[1] if record.exc_info else ""
                    heard.append(f"{words}: {why!r}")

        ear = Ear(logging.WARNING)
        logging.getLogger().addHandler(ear)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(ear)
        for one in heard:
            self._accounts.wrong(one)


def main(arguments: list[str]) -> int:
    """The table; 1 if anything was lost, doubled or wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--version", choices=VERSIONS, action="append")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    logging.getLogger("chargepoint").addHandler(logging.NullHandler())
    logging.lastResort = None
    bad = 0
    click.echo(HEAD)
    for version in given.version or VERSIONS:
        outcome = asyncio.run(sweep(version, given.count, given.seed))
        click.echo(f"{version:6}" + "".join(f"{many:>12}" for many in outcome.row().values()))
        click.echo("  " + ", ".join(f"{kind} {many}" for kind, many in outcome.kinds.items()))
        for finding in outcome.findings[:SHOWN_MOST]:
            click.echo("  " + finding)
        bad += len(outcome.findings)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
