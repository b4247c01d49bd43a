"""A whole station between real WebSockets: its lives, the CSMS, and what they told it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.config import StationConfig, load_config
from meters.api import Meter

STATION = "CP1"


@dataclass
class Story:
    """A station that runs, over all its lives."""

    csms: SmallCsms
    config: StationConfig
    meters: dict[str, FakeMeter]
    lives: list[Life] = field(default_factory=list)

    @property
    def life(self) -> Life:
        return self.lives[-1]

    async def ask(self, action: str, csms: SmallCsms | None = None, **payload: Any) -> Any:
        """A call of the CSMS and the station's answer."""
        return await (csms or self.csms).call(STATION, action, payload)

    async def set(self, component: str, variable: str, value: str) -> str:
        """What the station says to a new value."""
        item = {
            "component": {"name": component},
            "variable": {"name": variable},
            "attributeValue": value,
        }
        answer = await self.ask("SetVariables", setVariableData=[item])
        return str(answer["setVariableResult"][0]["attributeStatus"])

    async def accepted(self, life: int = 1) -> None:
        """Wait until this life, counted from 1, is accepted and has told everything."""
        await until(lambda: len(self.lives) >= life)
        here = self.lives[life - 1]
        await until(lambda: here.session.online and not here.store.waiting)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """The station, until the context is left."""
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(app.run(self.config, stop=stop, born=self.lives.append))
            try:
                yield
            finally:
                stop.set()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so that happens in its own real time."""
    async with asyncio.timeout(15):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


@asynccontextmanager
async def story(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, evses: int = 1
) -> AsyncIterator[Story]:
    """A CSMS and the config of a station with this many EVSEs."""
    fakes = {f"outlet{n}": FakeMeter() for n in range(1, evses + 1)}

    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield dict(fakes)

    monkeypatch.setattr(app, "open_meters", meters)
    async with SmallCsms(versions=["2.0.1"]) as csms:
        path = folder / "station.yaml"
        path.write_text(_config(folder, csms.url, evses))
        yield Story(csms, load_config(path), fakes)
        assert csms.violations == []


def _config(folder: Path, url: str, evses: int) -> str:
    numbers = range(1, evses + 1)
    meters = ", ".join(
        f"outlet{n}: {{driver: carlo_gavazzi_em580, bus: line, powermeter_device_id: {n}}}"
        for n in numbers
    )
    outlets = "\n".join(
        f"  - {{id: {n}, evse_id: DE*ABC*E{n}, meter: outlet{n}, hardware: {{driver: simulated}},"
        f" connectors: [{{id: 1, type: cType2}}]}}"
        for n in numbers
    )
    return f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox 22, state: {folder}/state}}
csms: {{url: "{url}", ocpp: "2.0.1"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{{meters}}}
evses:
{outlets}
settings:
  OCPPCommCtrlr.RetryBackOffWaitMinimum: 1
  OCPPCommCtrlr.RetryBackOffRandomRange: 0
  OCPPCommCtrlr.NetworkProfileConnectionAttempts: 1
"""
