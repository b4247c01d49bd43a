"""Tokens over a real WebSocket, on both versions: list sent, used offline, cache and list kept."""

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
CARD, MATE, STRANGER = "04A1B2C3D4", "0455667788", "0499887766"
START = {"1.6": "StartTransaction", "2.0.1": "TransactionEvent"}


@dataclass
class Site:
    """A CSMS of one version and the config of a station."""

    version: str
    csms: SmallCsms
    config: StationConfig

    async def send_list(self, number: int, *tokens: str, full: bool = True) -> str:
        """Send a list on which all are of one group and accepted."""
        update = "Full" if full else "Differential"
        if self.version == "1.6":
            info = {"status": "Accepted", "parentIdTag": "FLEET"}
            entries = [{"idTag": token, "idTagInfo": info} for token in tokens]
            payload: dict[str, Any] = {"listVersion": number}
        else:
            group = {"idToken": "FLEET", "type": "Central"}
            more = {"status": "Accepted", "groupIdToken": group}
            entries = [
                {"idToken": {"idToken": token, "type": "ISO14443"}, "idTokenInfo": more}
                for token in tokens
            ]
            payload = {"versionNumber": number}
        payload |= {"updateType": update, "localAuthorizationList": entries}
        answer: dict[str, Any] = await self.csms.call(STATION, "SendLocalList", payload)
        return str(answer["status"])

    async def list_version(self) -> int:
        answer = await self.csms.call(STATION, "GetLocalListVersion", {})
        return int(answer["listVersion" if self.version == "1.6" else "versionNumber"])

    def started(self) -> list[str]:
        """The tokens of every start that the CSMS was told of."""
        found = self.csms.messages(START[self.version])
        if self.version == "1.6":
            return [message["idTag"] for message in found]
        return [m["idToken"]["idToken"] for m in found if m["eventType"] == "Started"]


@pytest.fixture(params=["1.6", "2.0.1"])
async def site(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Site]:
    version = request.param

    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], object]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": FakeMeter()}

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
settings:
  AuthCtrlr.LocalPreAuthorize: true
  OCPPCommCtrlr.RetryBackOffWaitMinimum: 1
  OCPPCommCtrlr.RetryBackOffRandomRange: 0
""")
        yield Site(version, csms, load_config(path))
        assert csms.violations == []


@asynccontextmanager
async def _life(site: Site) -> AsyncIterator[Life]:
    async with app.live(site.config, clock=SystemClock()) as life:
        await _until(lambda: life.session.online and not life.store.waiting)
        yield life


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


def _outlet(life: Life) -> SimulatedOutlet:
    outlet = life.station.board.outlet(1)
    assert isinstance(outlet, SimulatedOutlet)
    return outlet


def _stage(life: Life) -> Stage:
    return life.station.evses[1].runner.state.stage


@pytest.mark.spec("2.0.1", "TC_C_21_CS")
@pytest.mark.spec("2.0.1", "TC_C_40_CS")
@pytest.mark.spec("2.0.1", "TC_D_07_CS")
@pytest.mark.spec("1.6", "3.5.2")
async def test_a_list_that_was_sent_charges_offline_after_a_restart(site: Site) -> None:
    async with _life(site) as life:
        assert await site.send_list(3, CARD) == "Accepted"
        assert await site.send_list(3, MATE, full=False) == "VersionMismatch"
        assert await site.send_list(4, MATE, full=False) == "Accepted"
        assert await site.list_version() == 4

    async with _life(site) as life:
        assert await site.list_version() == 4
        life.link.disconnect()
        await _until(lambda: not life.session.online)
        _outlet(life).plug_in(Vehicle())
        await _until(lambda: _stage(life) is Stage.PLUGGED)
        life.station.present(IdToken(STRANGER))
        life.station.present(IdToken(CARD))
        await _until(lambda: _outlet(life).closed)
        life.station.present(IdToken(MATE))
        await _until(lambda: _stage(life) is Stage.FINISHED)
        life.link.connect()
        await _until(lambda: life.session.online and not life.store.waiting)

    assert site.started() == [CARD]
    assert site.csms.messages("Authorize") == []


@pytest.mark.spec("2.0.1", "TC_C_32_CS")
@pytest.mark.spec("2.0.1", "TC_C_37_CS")
@pytest.mark.spec("1.6", "TC_061_1")
async def test_a_token_is_asked_about_once_until_the_cache_is_emptied(site: Site) -> None:
    for restarted in (False, True):
        async with _life(site) as life:
            await _charge_once(life)
            if restarted:
                assert len(site.csms.messages("Authorize")) == 1
                answer = await site.csms.call(STATION, "ClearCache", {})
                assert answer == {"status": "Accepted"}
                await _charge_once(life)

    assert len(site.csms.messages("Authorize")) == 2
    assert site.started() == [CARD] * 3


async def _charge_once(life: Life) -> None:
    _outlet(life).plug_in(Vehicle())
    await _until(lambda: _stage(life) is Stage.PLUGGED)
    life.station.present(IdToken(CARD))
    await _until(lambda: _outlet(life).closed and not life.store.waiting)
    life.station.present(IdToken(CARD))
    await _until(lambda: _stage(life) is Stage.FINISHED and not life.store.waiting)
    _outlet(life).plug_out()
    await _until(lambda: _stage(life) is Stage.AVAILABLE)
