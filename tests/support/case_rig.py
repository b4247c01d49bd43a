"""A whole running station and its CSMS over a real WebSocket, on a clock that a test moves.

The station is put together by ``chargepoint.app`` as in the product, but for its meters, its
outlets and the verification of records. Time stands still; whatever needs no time has been done
when a method of ``Case`` returns.
"""

import asyncio
import functools
import json
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from random import Random
from typing import Any, TypeVar, overload

import pytest
import wire
from quiet_loop import QuietClock
from scripted_csms import SILENCE, Answer, Payload, ScriptedCsms, Sent
from station_bench import TOKEN, BenchMeter, BenchOutlet
from wire import STATION

from chargepoint import app, wiring
from chargepoint.app import Life
from chargepoint.bench.csms import CallError
from chargepoint.boot import UNKNOWN, Boot
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken, Transaction
from chargepoint.hardware import catalog as hardware_catalog
from chargepoint.hardware.simulated import SimulatedBoard, Vehicle
from chargepoint.station.station import Evse, Station
from chargepoint.station.upkeep import Upkeep
from meters import catalog as meters_catalog
from meters.model import Reading

__all__ = ["SILENCE", "STATION", "CallError", "Case", "Sent", "case"]

T = TypeVar("T")

_entry_points = functools.cache(entry_points)


@dataclass
class Case:
    """A station that runs, over all its lives, and what a test does to it.

    ``verdicts`` are those on the next signed records, else "valid"; ``others`` are further CSMSs
    that it may go to, see ``move``.
    """

    csms: ScriptedCsms
    clock: QuietClock
    config: StationConfig
    meters: dict[int, BenchMeter]
    outlets: dict[int, BenchOutlet]
    verdicts: list[str] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    others: list[ScriptedCsms] = field(default_factory=list)
    boot: Boot = UNKNOWN  # of the machine, in the next start
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _running: asyncio.Task[None] | None = None
    _taken: int = 0

    # --- what is there ------------------------------------------------------------------------

    @property
    def life(self) -> Life:
        """The present one; a reset begins another."""
        return self.lives[-1]

    @property
    def station(self) -> Station:
        return self.life.station

    def evse(self, evse_id: int = 1) -> Evse:
        return self.station.evse(evse_id)

    def transaction(self, evse: int = 1) -> Transaction | None:
        """What runs at an EVSE, as the station sees it."""
        return self.evse(evse).runner.state.transaction

    # --- people -------------------------------------------------------------------------------

    async def plug(self, evse: int = 1, connector: int = 1, *, ready: bool = True) -> None:
        """A vehicle comes; ``ready`` says whether it asks for energy at once."""
        self.outlets[evse].plug_in(Vehicle(), connector)
        if not ready:
            self.outlets[evse].suspend()
        await self.settle()

    async def unplug(self, evse: int = 1) -> None:
        self.outlets[evse].plug_out()
        await self.settle()

    async def vehicle_ready(self, ready: bool, evse: int = 1) -> None:  # noqa: FBT001
        """The vehicle asks for energy, or stops asking."""
        if ready:
            self.outlets[evse].resume()
        else:
            self.outlets[evse].suspend()
        await self.settle()

    async def swipe(self, token: str | IdToken, evse: int | None = None) -> None:
        """A token at the reader of an EVSE, or at the one of the station."""
        token = IdToken(token) if isinstance(token, str) else token
        self.station.present(token, () if evse is None else (evse,))
        await self.settle()

    async def charge(self, token: str | IdToken = TOKEN, evse: int = 1) -> str:
        """Plug and swipe; the id of the transaction that charges then."""
        await self.plug(evse)
        await self.swipe(token, evse)
        transaction = self.transaction(evse)
        assert transaction is not None, f"EVSE {evse} charges nothing"
        assert self.outlets[evse].closed, f"EVSE {evse} offers no energy"
        return transaction.transaction_id

    # --- the CSMS -----------------------------------------------------------------------------

    async def ask(self, action: str, **payload: Any) -> Payload:
        """A call of the CSMS: its answer, once what follows from it has been done.

        Raises:
            CallError: the station answered so.
        """
        return await self.done(self.csms.call(STATION, action, payload))

    async def done(self, work: Coroutine[Any, Any, T]) -> T:
        """What a piece of work gives that must not need time, once all has come to rest."""
        return await self.clock.done(work)

    async def send_raw(self, text: str) -> None:
        """The CSMS sends what is no proper message."""
        await self.csms.send_raw(STATION, text)
        await self.settle()

    def answers(self, action: str, *answers: Answer) -> None:
        """What the next calls of this action get in turn: a payload, a CallError, or SILENCE."""
        self.csms.script(action, *answers)

    @overload
    def take(self) -> list[Sent]: ...

    @overload
    def take(self, action: str) -> list[Payload]: ...

    def take(self, action: str | None = None) -> list[Sent] | list[Payload]:
        """What the station sent since the last ``take``, from its first boot on.

        With an action: the payloads of that one; the others are dropped.
        """
        sent = self.csms.sent(self._taken)
        self._taken = self.csms.mark()
        return sent if action is None else [one.payload for one in sent if one.action == action]

    # --- time and accidents -------------------------------------------------------------------

    async def settle(self) -> None:
        """Let everything be done that needs no time; a station that ended by itself is an error."""
        await self.clock.settle()
        if self._running is not None and self._running.done():
            self._running.result()

    async def advance(self, seconds: float) -> None:
        """Let time pass; each deadline comes due at its own moment."""
        await self.clock.advance(seconds)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what happens in its own real time: a process, a server of files."""
        await self.clock.until(condition)

    async def cut(self) -> None:
        """The connection is lost, and none comes about until ``back``."""
        wire.cut(self.csms)
        await self.settle()

    async def back(self) -> None:
        """The CSMS can be reached, and the station comes at once.

        Takes the rest of the second that lies between two connections.
        """
        await wire.mend(self.csms, self.life.link, self.clock)

    def move(self, csms: ScriptedCsms) -> None:
        """From now on this is the CSMS that the test is about; the one before is another."""
        self.others = [one for one in [self.csms, *self.others] if one is not csms]
        self.csms, self._taken = csms, 0

    async def restart(self, clock: datetime | None = None) -> None:
        """The power is cut and comes back: folder, meters and vehicles are the same.

        So is the clock, unless it has no battery and begins anew at ``clock``.
        """
        wire.drop(self.csms)
        await self._end()
        for outlet in self.outlets.values():
            outlet.closed, outlet.limit_a = False, None
        self.clock.lose(self.clock.wall if clock is None else clock)
        await self.start()

    async def stop(self) -> None:
        """Tell the program to end, and wait until it has; ``start`` begins it again."""
        running, self._running = self._running, None
        assert running is not None
        self._stop.set()
        await self.clock.until(running.done)
        running.result()
        self._stop.clear()

    async def start(self) -> None:
        """Switch the station on; has been done unless ``case`` was told otherwise."""
        run = app.run(
            self.config,
            stop=self._stop,
            clock=self.clock,
            born=self.lives.append,
            boot=self.boot,
        )
        self._running = asyncio.create_task(run, name="station")
        await self.settle()

    async def _end(self) -> None:
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running

    def _busy(self) -> str:
        """What is on its way between the station and its CSMS."""
        if self._running is None or self._running.done() or not self.lives:
            return ""
        return wire.under_way(
            [self.csms, *self.others], self.life.link, self.life.session, self.clock
        )


@asynccontextmanager
async def case(
    version: str | Sequence[str],
    folder: Path,
    *,
    connectors: tuple[tuple[str, ...], ...] = (("cType2",),),
    settings: dict[str, str] | None = None,
    upkeep: Upkeep | None = None,
    tls: ssl.SSLContext | None = None,
    start: bool = True,
    served: dict[str, Any] | None = None,
    **sections: dict[str, Any],
) -> AsyncIterator[Case]:
    """A station with one EVSE per element of ``connectors``, and its CSMS.

    It has been accepted and has told everything, unless ``start`` is false: then ``start()`` of
    the case switches it on. ``served`` is what else the CSMS is made with; ``sections``
    what the config says besides, see ``_config``.
    """
    clock = QuietClock()
    versions = [version] if isinstance(version, str) else list(version)
    by_id = dict(enumerate(connectors, 1))
    async with AsyncExitStack() as stack:
        stack.enter_context(clock.driving())
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        csms = await stack.enter_async_context(
            ScriptedCsms(clock, versions, tls=tls, **(served or {}))
        )
        sections = {"settings": settings or {}, **sections}
        config = _config(folder, by_id, sections, {"url": csms.url, "ocpp": versions})
        it = Case(
            csms,
            clock,
            _loaded(patch, folder / "station.yaml", config),
            {evse_id: BenchMeter(clock=clock) for evse_id in by_id},
            {evse_id: BenchOutlet(evse_id, len(kinds)) for evse_id, kinds in by_id.items()},
        )
        clock.busy = it._busy
        _furnish(patch, it, upkeep)
        stack.push_async_callback(it._end)
        if start:
            await it.start()
        yield it
        await it.settle()
        assert [one.violations for one in [it.csms, *it.others] if one.violations] == []


def _furnish(patch: pytest.MonkeyPatch, it: Case, upkeep: Upkeep | None) -> None:
    """Put the bench's meters and outlets where the product would open those of the config."""

    @asynccontextmanager
    async def meters(*_: object) -> AsyncIterator[dict[str, BenchMeter]]:
        yield {f"outlet{evse_id}": meter for evse_id, meter in it.meters.items()}

    async def verify(_: Reading) -> str:
        return it.verdicts.pop(0) if it.verdicts else "valid"

    async def prepare(_: object) -> None:
        return

    patch.setattr(app, "open_meters", meters)
    patch.setattr(app, "SystemRandom", lambda: Random(1))  # noqa: S311 - of the back-off
    patch.setattr(wiring, "board", lambda _: SimulatedBoard(list(it.outlets.values())))
    patch.setattr(wiring, "verify", verify)
    patch.setattr(wiring, "prepare", prepare)
    if upkeep is not None:
        patch.setattr(wiring, "upkeep_of", lambda _: upkeep)


def _loaded(patch: pytest.MonkeyPatch, path: Path, config: dict[str, Any]) -> StationConfig:
    """The config as the product reads it; what is installed is looked up once for all tests."""
    for catalog in (hardware_catalog, meters_catalog):
        patch.setattr(catalog, "entry_points", _entry_points)
    path.write_text(json.dumps(config))
    path.chmod(0o600)  # it may hold a password
    return load_config(path, {})


def _config(
    folder: Path,
    connectors: dict[int, tuple[str, ...]],
    sections: dict[str, dict[str, Any]],
    csms: dict[str, Any],
) -> dict[str, Any]:
    """A config file; what ``sections`` says of a section is added to it, or stands in its place."""
    config: dict[str, Any] = {
        "station": {
            "id": STATION,
            "vendor": "Example",
            "model": "Wallbox 22",
            "serial_number": "0001",
            "state": str(folder / "state"),
        },
        "csms": csms,
        "buses": {"line": {"host": "127.0.0.1", "tcp_port": 9}},
        "meters": {f"outlet{number}": _meter(number) for number in connectors},
        "evses": [_outlet(number, kinds) for number, kinds in connectors.items()],
    }
    for name, section in sections.items():
        config[name] = {**config.get(name, {}), **section}
    return config


def _meter(number: int) -> dict[str, Any]:
    return {"driver": "carlo_gavazzi_em580", "bus": "line", "powermeter_device_id": number}


def _outlet(number: int, kinds: tuple[str, ...]) -> dict[str, Any]:
    return {
        "id": number,
        "evse_id": f"DE*ABC*E{number}",
        "meter": f"outlet{number}",
        "hardware": {"driver": "simulated"},
        "connectors": [{"id": place, "type": kind} for place, kind in enumerate(kinds, 1)],
    }
