"""What a driver reads, over a real WebSocket: messages that survive a restart, tariff and cost."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from fake_meter import FakeMeter

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from meters.api import Meter

STATION = "CP1"
TOKEN = IdToken("04A1B2C3D4")
TARIFF = {"format": "UTF8", "content": "0,39 EUR/kWh"}


@dataclass
class Site:
    """A CSMS and the config of a station."""

    csms: SmallCsms
    config: StationConfig

    async def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        return await self.csms.call(STATION, action, payload)

    async def listed(self, request_id: int) -> list[dict[str, Any]]:
        """The messages that the station tells of, in one part."""
        answer = await self.call("GetDisplayMessages", {"requestId": request_id})
        assert answer == {"status": "Accepted"}
        told = await self.csms.wait_for(
            "NotifyDisplayMessages", lambda payload: payload["requestId"] == request_id
        )
        assert told["tbc"] is False
        messages: list[dict[str, Any]] = told["messageInfo"]
        return messages


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter()}

    monkeypatch.setattr(app, "open_meters", meters)
    async with SmallCsms(versions=["2.0.1"]) as csms:
        path = tmp_path / "station.yaml"
        path.write_text(f"""
station: {{id: {STATION}, vendor: Example, model: Wallbox 22, state: {tmp_path}/state}}
csms: {{url: "{csms.url}", ocpp: "2.0.1"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses:
  - id: 1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
""")
        yield Site(csms, load_config(path))
        assert csms.violations == []


@asynccontextmanager
async def _life(site: Site) -> AsyncIterator[Life]:
    async with app.live(site.config, clock=SystemClock()) as life:
        await site.csms.wait_for("StatusNotification", after=site.csms.mark())
        await _until(lambda: life.session.online)
        yield life


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


def shown(life: Life) -> list[str]:
    """What the simulated board was given last."""
    picture = life.station.board._screens[1].pictures.get(1)  # type: ignore[attr-defined]
    return [word.content for word in picture.words] if picture else []


@pytest.mark.spec("2.0.1", "TC_O_01_CS")
@pytest.mark.spec("2.0.1", "TC_O_04_CS")
@pytest.mark.spec("2.0.1", "TC_O_20_CS")
async def test_a_message_is_shown_kept_over_a_restart_and_cleared(site: Site) -> None:
    message = {"id": 1, "priority": "InFront", "message": {"format": "UTF8", "content": "Moin"}}
    async with _life(site) as life:
        answer = await site.call("SetDisplayMessage", {"message": message})
        await _until(lambda: shown(life) == ["Moin"])

    async with _life(site) as life:
        await _until(lambda: shown(life) == ["Moin"])
        listed = await site.listed(2)
        cleared = await site.call("ClearDisplayMessage", {"id": 1})
        await _until(lambda: shown(life) == [])
        unknown = await site.call("GetDisplayMessages", {"requestId": 3})

    assert answer == cleared == {"status": "Accepted"}
    assert listed == [message]
    assert unknown == {"status": "Unknown"}


@pytest.mark.spec("2.0.1", "TC_I_01_CS")
@pytest.mark.spec("2.0.1", "TC_I_02_CS")
async def test_a_driver_reads_tariff_running_cost_and_final_cost(site: Site) -> None:
    info = {"idTokenInfo": {"status": "Accepted", "personalMessage": TARIFF}}
    site.csms.on("Authorize", lambda _, _payload: info)
    site.csms.on(
        "TransactionEvent",
        lambda _, event: {"totalCost": 4.2} if event["eventType"] == "Ended" else {},
    )
    async with _life(site) as life:
        outlet = life.station.board.outlet(1)
        assert isinstance(outlet, SimulatedOutlet)
        outlet.plug_in(Vehicle())
        life.station.present(TOKEN)
        started = await site.csms.wait_for("TransactionEvent")
        await _until(lambda: shown(life) == [TARIFF["content"]])
        transaction_id = started["transactionInfo"]["transactionId"]

        await site.call("CostUpdated", {"totalCost": 1.5, "transactionId": transaction_id})
        await _until(lambda: shown(life) == [TARIFF["content"], "1.50 EUR"])
        life.station.present(TOKEN)
        await _until(lambda: shown(life) == ["4.20 EUR"])
        outlet.plug_out()
