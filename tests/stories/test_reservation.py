"""Reservations over a real WebSocket, in both versions: made, kept over a restart, used."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken, Stage
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from meters.api import Meter

STATION = "CP1"
ANN, EVE = IdToken("04A1B2C3D4"), IdToken("04EEEEEEEE")
LATER = "2100-01-01T00:00:00Z"


@dataclass(frozen=True)
class Words:
    """How a version says what the story is about."""

    reserve: dict[str, Any]
    cancel: dict[str, Any]
    start: str
    connector: str
    word: str

    def status(self, of: dict[str, Any]) -> tuple[int, str]:
        return of[self.connector], of[self.word]


WORDS = {
    "2.0.1": Words(
        {
            "id": 7,
            "expiryDateTime": LATER,
            "idToken": {"idToken": ANN.value, "type": "ISO14443"},
            "evseId": 1,
        },
        {"reservationId": 7},
        "TransactionEvent",
        "evseId",
        "connectorStatus",
    ),
    "1.6": Words(
        {"reservationId": 7, "expiryDate": LATER, "idTag": ANN.value, "connectorId": 1},
        {"reservationId": 7},
        "StartTransaction",
        "connectorId",
        "status",
    ),
}


@dataclass
class Site:
    """A CSMS and the config of a station that speaks this version with it."""

    csms: SmallCsms
    config: StationConfig
    words: Words

    async def status(self, word: str, after: int = 0) -> None:
        """EVSE 1 is told to be so."""
        await self.csms.wait_for(
            "StatusNotification", lambda told: self.words.status(told) == (1, word), after=after
        )

    async def call(self, action: str, payload: dict[str, Any]) -> str:
        answer = await self.csms.call(STATION, action, payload)
        return str(answer["status"])


@pytest.fixture(params=WORDS)
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    version: str = request.param
    meter = FakeMeter()

    @asynccontextmanager
    async def meters(_: StationConfig, _now: Any) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": meter}

    monkeypatch.setattr(app, "open_meters", meters)
    async with SmallCsms(versions=[version]) as csms:
        path = tmp_path / "station.yaml"
        path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox 22, state: {tmp_path}/state}}
csms: {{url: "{csms.url}", ocpp: "{version}"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses:
  - id: 1
    evse_id: DE*ABC*E1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
""")
        yield Site(csms, load_config(path), WORDS[version])
        assert csms.violations == []


@asynccontextmanager
async def _life(site: Site) -> AsyncIterator[Life]:
    mark = site.csms.mark()
    async with app.live(site.config, clock=SystemClock()) as life:
        await site.csms.wait_for("StatusNotification", after=mark)
        await _until(lambda: life.session.online)
        yield life


def _outlet(life: Life) -> SimulatedOutlet:
    outlet = life.station.board.outlet(1)
    assert isinstance(outlet, SimulatedOutlet)
    return outlet


def _stage(life: Life) -> Stage:
    return life.station.evses[1].runner.state.stage


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


@pytest.mark.spec("2.0.1", "TC_H_01_CS")
@pytest.mark.spec("2.0.1", "TC_H_02_CS")
@pytest.mark.spec("2.0.1", "TC_B_24_CS")
@pytest.mark.spec("1.6", "TC_046_1")
async def test_an_outlet_is_kept_for_who_reserved_it_even_over_a_restart(site: Site) -> None:
    async with _life(site) as life:
        assert await site.call("ReserveNow", site.words.reserve) == "Accepted"
        await site.status("Reserved")

    mark = site.csms.mark()
    async with _life(site) as life:
        await site.status("Reserved", mark)
        _outlet(life).plug_in(Vehicle())
        life.station.present(EVE)
        await site.csms.wait_for("Authorize", after=mark)
        await _until(lambda: not life.station.authorizer._presented)
        assert _stage(life) is Stage.PLUGGED

        life.station.present(ANN)
        started = await site.csms.wait_for(site.words.start, after=mark)
        assert started["reservationId"] == 7
        assert await site.call("CancelReservation", site.words.cancel) == "Rejected"


@pytest.mark.spec("2.0.1", "TC_H_17_CS")
@pytest.mark.spec("1.6", "TC_051")
async def test_a_cancelled_reservation_leaves_the_outlet_free(site: Site) -> None:
    async with _life(site):
        await site.call("ReserveNow", site.words.reserve)
        await site.status("Reserved")
        mark = site.csms.mark()

        assert await site.call("CancelReservation", site.words.cancel) == "Accepted"

        await site.status("Available", mark)
