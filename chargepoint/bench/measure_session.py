"""Sessions of a station in this process, watched on wire and socket; run as a program of its own.

The station is the one that ``chargepoint run`` makes. It lives here, and not behind its local
interface, so that a moment on the serial line and a moment at the socket are on one clock. Meter
and CSMS are processes of their own.

    python -m chargepoint.bench.measure_session FOLDER '{"version": "2.0.1", ...}'
"""

import asyncio
import contextlib
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from chargepoint import app
from chargepoint.bench import measure_bare
from chargepoint.bench import measure_rig as rig
from chargepoint.bench.measure_ledger import Exchange, Ledger, Wire, listening
from chargepoint.clock import SystemClock
from chargepoint.config import load_config
from chargepoint.core.model import IdToken, Stage
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from chargepoint.station.station import Evse

_STARTED: Final = {"1.6": '"StartTransaction"', "2.0.1": '"eventType":"Started"'}
_STATE, _COMMAND = "04@7100", "10@7040"  # see the driver's register map
_UNPACED: Final = 115_200
_ENDED: Final = {"1.6": '"StopTransaction"', "2.0.1": '"eventType":"Ended"'}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Which sessions to run: on which line, in which version, how many, how long each charges.

    ``jitter_s`` is added to that at most, by chance: so an end comes at any point of a poll.

    ``floor`` is how often a bare master is timed on the same line before.
    """

    version: str = "2.0.1"
    baudrate: int | None = 115200
    reaction_ms: float | None = None
    signing_s: float = 0.0
    record_size: int | None = None
    sessions: int = 1
    charging_s: float = 1.0
    jitter_s: float = 1.0
    floor: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One session. Seconds; of the begin from the token, of the end from the stop on.

    Attributes:
        authorize: until the Authorize was handed to the socket.
        started: until the start message was.
        begin_line: of that, the wire time and silences of the begin's requests.
        ended: until the signed end message was handed to the socket.
        record_limit: wire time and silences of the reads of the record itself.
        end_limit: the same of all requests of the end, the record's included.
        meter: what a bare master would wait for the meter in them, and for its signature.
        polls: line taken by readings of live values in between.
        requests: the requests of the end, in order.
        bytes: of the record as it was read, padding included.
    """

    authorize: float
    started: float
    begin_line: float
    ended: float
    record_limit: float
    end_limit: float
    meter: float
    polls: float
    requests: tuple[str, ...]
    bytes: int

    @property
    def station(self) -> float:
        """What is neither line nor meter: decisions, wake-ups, verification, commit, wording."""
        return self.ended - self.end_limit - self.meter - self.polls

    @property
    def share(self) -> float:
        """The physical limit as a part of the time taken, what the meter took left out of it."""
        return self.end_limit / (self.ended - self.meter)


async def run(plan: Plan, folder: Path) -> list[Seen]:
    """The sessions, in order; the first one is also the first of its process."""
    line = rig.MeterLine(
        baudrate=plan.baudrate,
        reaction_ms=plan.reaction_ms,
        signing_s=plan.signing_s,
        record_size=plan.record_size,
    )
    wire = Wire.at(plan.baudrate) if plan.baudrate else Wire(0.0, Wire.at(_UNPACED).gap_s)
    async with rig.meter(folder, line) as port, rig.csms(folder) as url:
        reaction_s = await asyncio.to_thread(measure_bare.reaction_s, port, wire, plan.floor)
        path = rig.write_config(
            folder,
            url=url,
            port=port,
            version=plan.version,
            baudrate=plan.baudrate,
            interval_s=3600,
        )
        async with _living(path) as life:
            with listening() as ledger:
                course = _Course(life, ledger, plan, wire, reaction_s)
                return [await course.session(number) for number in range(plan.sessions)]


async def in_own_process(plan: Plan, folder: Path) -> list[Seen]:
    """The same in a fresh process, where nothing was imported that a station does not import.

    Raises:
        MeasurementFailed: it did not work; what it said is on stderr.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        str(folder),
        json.dumps(asdict(plan)),
        stdin=rig.DEVNULL,
        stdout=rig.PIPE,
    )
    out, _ = await process.communicate()
    if process.returncode != 0:
        raise rig.MeasurementFailed(f"sessions at {plan.baudrate} baud: no result")
    return [Seen(**{**one, "requests": tuple(one["requests"])}) for one in json.loads(out)]


@contextlib.asynccontextmanager
async def _living(config: Path) -> AsyncIterator[app.Life]:
    async with app.live(load_config(config), clock=SystemClock()) as life:
        meter = life.station.evses[1].meter
        await _until(
            "accepted, and a reading", lambda: life.session.online and meter.reading is not None
        )
        yield life


@dataclass(frozen=True, slots=True)
class _Course:
    """Sessions one after the other."""

    life: app.Life
    ledger: Ledger
    plan: Plan
    wire: Wire
    reaction_s: float

    async def session(self, number: int) -> Seen:
        """From plug to plug."""
        evse, version = self.life.station.evses[1], self.plan.version
        outlet = _outlet(evse)
        # Every session has a token of its own, so that the CSMS is asked about each.
        token = IdToken(f"04BENCH{number:07}")
        outlet.plug_in(Vehicle(ready_after_s=0.0, power_w=rig.POWER_W))
        await _until("a plugged vehicle", lambda: evse.runner.state.stage is Stage.PLUGGED)
        presented = time.monotonic()
        self.life.station.present(token)
        authorize = await self._sent('"Authorize"', presented)
        started = await self._sent(_STARTED[version], presented)
        await _until("charging", lambda: evse.runner.state.stage is Stage.CHARGING)
        await asyncio.sleep(self.plan.charging_s + self.plan.jitter_s * random.random())  # noqa: S311 - no secret
        stopped = time.monotonic()
        self.life.station.present(token)
        ended = await self._sent(_ENDED[version], stopped)
        await _until("a delivered record", lambda: not self.life.store.waiting)
        outlet.plug_out()
        await _until("a free outlet", lambda: evse.runner.state.stage is Stage.AVAILABLE)
        return self._seen(presented, authorize, started, stopped, ended)

    def _seen(
        self, presented: float, authorize: float, started: float, stopped: float, ended: float
    ) -> Seen:
        wire = self.wire
        begin = [e for e in self.ledger.between(authorize, started) if not e.of_poll]
        during = [e for e in self.ledger.exchanges if e.ended > stopped and e.started < ended]
        end = _until_verified([e for e in during if not e.of_poll])
        record = [e for e in end if e.of_record]
        polls = [e for e in during if e.of_poll and e.started < end[-1].started]
        return Seen(
            authorize=authorize - presented,
            started=started - presented,
            begin_line=wire.limit(begin),
            ended=ended - stopped,
            record_limit=wire.limit(record),
            end_limit=wire.limit(end),
            meter=len(end) * self.reaction_s + self._signing_s(end),
            polls=sum(e.ended - max(e.started, stopped) + wire.gap_s for e in polls),
            requests=tuple(e.name for e in end),
            bytes=sum(e.received[2] for e in record),
        )

    def _signing_s(self, end: Sequence[Exchange]) -> float:
        """What the meter took for the signature: its answer to the first question after the end."""
        names = [one.name for one in end]
        first = end[names.index(_COMMAND) + 1]
        return max(0.0, self.wire.reaction([first]) - self.reaction_s)

    async def _sent(self, words: str, after: float) -> float:
        await _until(words, lambda: self.ledger.sent(words, after) is not None)
        return self.ledger.sent(words, after) or 0.0


def _until_verified(end: Sequence[Exchange]) -> list[Exchange]:
    """Up to the last look at the meter's state; what follows is the release of the record."""
    last = max(place for place, one in enumerate(end) if one.of_record)
    names = [one.name for one in end]
    return list(end[: names.index(_STATE, last) + 1])


def _outlet(evse: Evse) -> SimulatedOutlet:
    outlet = evse.runner.outlet
    if not isinstance(outlet, SimulatedOutlet):
        raise rig.MeasurementFailed("the outlet is no simulated one")
    return outlet


async def _until(what: str, true: Callable[[], bool]) -> None:
    try:
        async with asyncio.timeout(rig.PATIENCE_S):
            while not true():  # noqa: ASYNC110 - bounded, and its period is in no figure
                await asyncio.sleep(0.02)
    except TimeoutError:
        raise rig.MeasurementFailed(f"no {what} within {rig.PATIENCE_S:g} s") from None


def _main(arguments: Sequence[str]) -> None:
    folder, plan = Path(arguments[0]), Plan(**json.loads(arguments[1]))
    seen: list[dict[str, Any]] = [asdict(one) for one in asyncio.run(run(plan, folder))]
    print(json.dumps(seen))


if __name__ == "__main__":
    _main(sys.argv[1:])
