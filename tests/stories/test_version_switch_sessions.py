"""Whole stations whose config names another OCPP version after a power cut in a session."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from fake_meter import FakeMeter
from story_rig import until

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from chargepoint.v16.transactions import NEVER_ANSWERED
from meters.api import Meter

STATION = "CP1"
TOKEN = IdToken("04A1B2C3D4")
ENDS = ("StopTransaction", "TransactionEvent")


@dataclass
class Site:
    """A CSMS that speaks both versions, and a station that speaks the one it is told."""

    csms: SmallCsms
    config: StationConfig

    @asynccontextmanager
    async def life(self, version: Any) -> AsyncIterator[Life]:
        """A life that a power cut ends; it begins once the station is accepted."""
        csms = msgspec.structs.replace(self.config.csms, ocpp=(version,))
        config = msgspec.structs.replace(self.config, csms=csms)
        async with app.live(config, clock=SystemClock()) as life:
            await until(lambda: life.session.online)
            yield life

    def ends(self) -> list[dict[str, Any]]:
        """Every end of a transaction that was told, in either version."""
        told = [payload for action in ENDS for payload in self.csms.messages(action)]
        return [payload for payload in told if payload.get("eventType", "Ended") == "Ended"]


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    meter = FakeMeter()

    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": meter}

    monkeypatch.setattr(app, "open_meters", meters)
    async with SmallCsms() as csms:
        csms.answers.count_transactions = True
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


async def charge(life: Life) -> str:
    """Begin a session; its id, once the CSMS knows of it."""
    outlet = life.station.board.outlet(1)
    assert isinstance(outlet, SimulatedOutlet)
    outlet.plug_in(Vehicle())
    runner = life.station.evses[1].runner
    await until(lambda: runner.state.plugged)
    life.station.present(TOKEN)
    await until(lambda: runner.state.transaction is not None and not life.store.waiting)
    assert runner.state.transaction is not None
    return runner.state.transaction.transaction_id


@pytest.mark.parametrize(("before", "after"), [("1.6", "2.0.1"), ("2.0.1", "1.6")])
async def test_a_session_that_a_cut_ended_is_told_in_the_version_in_use(
    before: str, after: str, site: Site
) -> None:
    async with site.life(before) as life:
        transaction_id = await charge(life)

    async with site.life(after) as life:
        await until(lambda: site.ends() != [] and not life.store.waiting)
        (untold,) = life.store.untold.all()

    (end,) = site.ends()
    if after == "1.6":
        assert (end["transactionId"], end["reason"]) == (NEVER_ANSWERED, "PowerLoss")
        assert any(
            value["format"] == "SignedData"
            for part in end["transactionData"]
            for value in part["sampledValue"]
        )
    else:
        assert end["transactionInfo"]["transactionId"] == transaction_id
        assert end["transactionInfo"]["stoppedReason"] == "PowerLoss"
        assert "signedMeterValue" in end["meterValue"][-1]["sampledValue"][0]
    assert untold.lack.why.endswith(f"was begun in OCPP {before}")


async def test_there_and_back_every_session_ends_once_under_its_name(site: Site) -> None:
    async with site.life("1.6") as life:
        await charge(life)
        site.csms.refuse = 503
        site.csms.drop(STATION)
        await until(lambda: not life.session.online)
        outlet = life.station.board.outlet(1)
        assert isinstance(outlet, SimulatedOutlet)
        outlet.plug_out()
        await until(lambda: life.station.evses[1].runner.state.transaction is None)
    site.csms.refuse = None

    async with site.life("2.0.1") as life:
        await until(lambda: not life.store.waiting)
        second = await charge(life)
    async with site.life("1.6") as life:
        await until(lambda: not life.store.waiting)
        assert life.store.untold.count() == 2

    assert len(site.ends()) == 2
    assert len(site.csms.messages("StartTransaction")) == 1
    started = [p for p in site.csms.messages("TransactionEvent") if p["eventType"] == "Started"]
    assert [event["transactionInfo"]["transactionId"] for event in started] == [second]
