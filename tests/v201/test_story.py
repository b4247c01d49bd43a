"""Whole sessions over a real WebSocket: config in, signed record in the CSMS's hands."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from fake_meter import FakeMeter

from chargepoint import app
from chargepoint.app import Life
from chargepoint.bench.csms import SmallCsms
from chargepoint.clock import SystemClock
from chargepoint.config import StationConfig, load_config
from chargepoint.core.model import IdToken, Stage
from chargepoint.hardware.simulated import SimulatedOutlet, Vehicle
from meters.api import Meter
from meters.model import MeterInfo, Reading, SignedReading
from meters.ocmf import build, sign, verify_document

STATION = "CP1"
TOKEN = IdToken("04A1B2C3D4")
METHOD = "ECDSA-secp256r1-SHA256"
PRIVATE = ec.derive_private_key(0x1234567890ABCDEF, ec.SECP256R1())
KEY = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@dataclass
class SealingMeter(FakeMeter):
    """A fake meter whose records are real ones."""

    async def identify(self) -> MeterInfo:
        return replace(await super().identify(), public_key=KEY.hex(), signing_method="")

    async def end(self, transaction_id: str) -> Reading:
        reading = await super().end(transaction_id)
        document = sign(build(_payload(transaction_id, self.energy_wh)), PRIVATE, METHOD)
        signed = SignedReading(document, public_key=KEY.hex())
        sealed = replace(reading, signed=signed)
        self.record = (transaction_id, sealed)
        return sealed


def _payload(transaction_id: str, energy_wh: Decimal) -> dict[str, Any]:
    at = "2026-03-01T10:00:03,000+0000 S"
    register = {"RI": "1-0:1.8.0*255", "RU": "kWh", "RT": "AC", "EF": "", "ST": "G"}
    return {
        "FV": "1.0",
        "GI": "Fake",
        "GS": "1",
        "GV": "1.0",
        "PG": "T1",
        "MS": "123",
        "IS": True,
        "IL": "TRUSTED",
        "IF": ["RFID_PLAIN", "OCPP_AUTH"],
        "IT": "ISO14443",
        "ID": TOKEN.value,
        "TT": transaction_id,
        "RD": [
            {"TM": at, "TX": "B", "RV": Decimal("1.000"), **register},
            {"TM": at, "TX": "E", "RV": (energy_wh / 1000).quantize(Decimal("0.001")), **register},
        ],
    }


@dataclass
class Site:
    """A CSMS, a meter and the config of a station between them."""

    csms: SmallCsms
    config: StationConfig
    meter: SealingMeter

    def events(self, kind: str) -> list[dict[str, Any]]:
        return [e for e in self.csms.messages("TransactionEvent") if e["eventType"] == kind]

    async def event(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """The first such event, waited for."""
        return await self.csms.wait_for(
            "TransactionEvent",
            lambda e: e["eventType"] == kind and wanted.items() <= e.items(),
        )

    async def told_everything(self, life: Life) -> None:
        await _until(lambda: life.session.online and not life.store.waiting)


def _outlet(life: Life) -> SimulatedOutlet:
    outlet = life.station.board.outlet(1)
    assert isinstance(outlet, SimulatedOutlet)
    return outlet


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - a test looks from outside
            await asyncio.sleep(0.01)


@pytest.fixture
async def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Site]:
    meter = SealingMeter()

    @asynccontextmanager
    async def meters(
        _: StationConfig, _now: Callable[[], datetime]
    ) -> AsyncIterator[dict[str, Meter]]:
        yield {"outlet1": meter}

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
    evse_id: DE*ABC*E1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
settings:
  SampledDataCtrlr.TxUpdatedInterval: 1
  OCPPCommCtrlr.RetryBackOffWaitMinimum: 1
  OCPPCommCtrlr.RetryBackOffRandomRange: 0
""")
        site = Site(csms, load_config(path), meter)
        yield site
        assert csms.violations == []


@asynccontextmanager
async def _life(site: Site) -> AsyncIterator[Life]:
    async with app.live(site.config, clock=SystemClock()) as life:
        await site.csms.wait_for("StatusNotification")
        await _until(lambda: life.session.online)
        yield life


async def _charge(site: Site, life: Life) -> str:
    """Plug, swipe; the id of the transaction that the CSMS learned of."""
    mark = len(site.events("Started"))
    _outlet(life).plug_in(Vehicle())
    life.station.present(TOKEN)
    await _until(lambda: len(site.events("Started")) > mark)
    begun: str = site.events("Started")[-1]["transactionInfo"]["transactionId"]
    return begun


def _record(ended: dict[str, Any]) -> bytes:
    value = ended["meterValue"][-1]["sampledValue"][0]
    return base64.b64decode(value["signedMeterValue"]["signedMeterData"])


@pytest.mark.spec("2.0.1", "TC_E_03_CS")
@pytest.mark.spec("2.0.1", "TC_F_08_CS")
@pytest.mark.spec("2.0.1", "F03.FR.01")
async def test_from_the_swipe_to_the_verified_record(site: Site) -> None:
    async with _life(site) as life:
        transaction_id = await _charge(site, life)
        await site.event("Updated", triggerReason="MeterValuePeriodic")
        site.meter.energy_wh = Decimal(9500)

        answer = await site.csms.call(
            STATION, "RequestStopTransaction", {"transactionId": transaction_id}
        )
        ended = await site.event("Ended")
        await site.told_everything(life)

        assert answer == {"status": "Accepted"}
        assert not _outlet(life).closed
        (row,) = life.store.records.of(transaction_id)

    assert _record(ended) == row.document
    assert verify_document(_record(ended), KEY).valid
    assert row.verdict == "valid"
    assert row.delivered_at is not None
    assert site.meter.releases == [transaction_id]
    transaction = site.csms.stations[STATION].transaction(transaction_id)
    assert transaction is not None
    assert transaction.sequence == list(range(len(transaction.sequence)))


@pytest.mark.spec("2.0.1", "TC_E_44_CS")
@pytest.mark.spec("2.0.1", "E11.FR.01")
@pytest.mark.spec("2.0.1", "E11.FR.04")
async def test_a_session_that_ends_offline_is_told_when_the_csms_is_back(site: Site) -> None:
    async with _life(site) as life:
        transaction_id = await _charge(site, life)
        await site.told_everything(life)
        life.link.disconnect()
        await _until(lambda: not life.session.online)

        life.station.present(TOKEN)
        await _until(lambda: life.station.evses[1].runner.state.stage is Stage.FINISHED)
        life.link.connect()
        ended = await site.event("Ended")
        await site.told_everything(life)

    assert ended["offline"] is True
    assert ended["transactionInfo"]["transactionId"] == transaction_id
    assert verify_document(_record(ended), KEY).valid
    assert len(site.csms.messages("BootNotification")) == 1, "a reconnect is no boot"


async def test_an_answer_lost_on_the_way_gives_the_same_message_again(site: Site) -> None:
    async with _life(site) as life:
        await _charge(site, life)
        await site.told_everything(life)
        site.csms.on("TransactionEvent", _cut_once(site))

        life.station.present(TOKEN)
        await _until(lambda: len(site.events("Ended")) > 1)
        await site.told_everything(life)

    first, again = site.events("Ended")[:2]
    assert first == again
    assert len({f.message_id for f in site.csms.frames if _is_ended(f)}) == 1


def _is_ended(frame: Any) -> bool:
    calls = frame.kind == 2 and frame.action == "TransactionEvent"
    return calls and frame.payload["eventType"] == "Ended"


def _cut_once(site: Site) -> Callable[[Any, dict[str, Any]], dict[str, Any]]:
    cut: list[int] = []

    def answer(_: Any, payload: dict[str, Any]) -> dict[str, Any]:
        if payload["eventType"] == "Ended" and not cut:
            cut.append(1)
            site.csms.drop(STATION)
        return {}

    return answer


@pytest.mark.spec("2.0.1", "TC_B_22_CS")
@pytest.mark.spec("2.0.1", "B12.FR.02")
@pytest.mark.spec("2.0.1", "B12.FR.04")
async def test_an_immediate_reset_ends_the_session_and_boots_again(site: Site) -> None:
    stop, lives = asyncio.Event(), list[Life]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(site.config, stop=stop, born=lives.append))
        await site.csms.wait_for("StatusNotification")
        await _until(lambda: bool(lives) and lives[0].session.online)
        transaction_id = await _charge(site, lives[0])

        answer = await site.csms.call(STATION, "Reset", {"type": "Immediate"})
        ended = await site.event("Ended")
        await site.csms.wait_for("BootNotification", lambda b: b["reason"] == "RemoteReset")
        await _until(lambda: len(lives) == 2)
        await site.told_everything(lives[1])
        stop.set()

    assert answer == {"status": "Accepted"}
    assert ended["transactionInfo"] == {
        "transactionId": transaction_id,
        "chargingState": "EVConnected",
        "stoppedReason": "ImmediateReset",
    }
    assert verify_document(_record(ended), KEY).valid


async def test_a_stop_of_the_program_ends_the_session_in_order(site: Site) -> None:
    stop, lives = asyncio.Event(), list[Life]()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(app.run(site.config, stop=stop, born=lives.append))
        await site.csms.wait_for("StatusNotification")
        await _until(lambda: bool(lives) and lives[0].session.online)
        transaction_id = await _charge(site, lives[0])
        stop.set()

    (ended,) = site.events("Ended")
    assert ended["transactionInfo"]["stoppedReason"] == "Reboot"
    assert verify_document(_record(ended), KEY).valid
    assert site.meter.releases == [transaction_id]


@pytest.mark.spec("2.0.1", "TC_C_02_CS")
@pytest.mark.spec("2.0.1", "C01.FR.01")
async def test_a_token_that_the_csms_refuses_gets_no_energy(site: Site) -> None:
    site.csms.answers.tokens[TOKEN.value] = "Blocked"
    async with _life(site) as life:
        _outlet(life).plug_in(Vehicle())
        life.station.present(TOKEN)
        await site.csms.wait_for("Authorize")
        await site.told_everything(life)

        assert life.station.evses[1].runner.state.stage is Stage.PLUGGED
    assert site.meter.begins == []


@pytest.mark.spec("2.0.1", "TC_K_60_CS")
@pytest.mark.spec("2.0.1", "TC_K_37_CS")
async def test_a_profile_limits_a_session_from_its_remote_start_to_its_end(site: Site) -> None:
    profile: dict[str, Any] = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [
            {
                "id": 1,
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 10.0}],
            }
        ],
    }
    start = {"idToken": {"idToken": "R", "type": "Central"}, "remoteStartId": 3, "evseId": 1}
    asked = {"requestId": 4, "chargingProfile": {"chargingProfilePurpose": "TxProfile"}}
    async with _life(site) as life:
        _outlet(life).plug_in(Vehicle())
        payload = {**start, "chargingProfile": profile}
        assert (await site.csms.call(STATION, "RequestStartTransaction", payload)) == {
            "status": "Accepted"
        }
        await site.event("Started", triggerReason="RemoteStart")
        assert _outlet(life).limit_a == 10

        transaction = life.station.evses[1].runner.state.transaction
        assert transaction is not None
        own = {**profile, "transactionId": transaction.transaction_id}
        await site.csms.call(STATION, "GetChargingProfiles", asked)
        report = await site.csms.wait_for("ReportChargingProfiles")
        assert (report["tbc"], report["chargingProfile"]) == (False, [own])

        own["chargingSchedule"][0]["chargingSchedulePeriod"][0]["limit"] = 16.0
        change = {"evseId": 1, "chargingProfile": own}
        assert await site.csms.call(STATION, "SetChargingProfile", change) == {"status": "Accepted"}
        await _until(lambda: _outlet(life).limit_a == 16)
        expected = await site.csms.call(
            STATION, "GetCompositeSchedule", {"evseId": 1, "duration": 300}
        )
        assert expected["schedule"]["chargingSchedulePeriod"] == [{"startPeriod": 0, "limit": 16.0}]

        stop = {"transactionId": transaction.transaction_id}
        await site.csms.call(STATION, "RequestStopTransaction", stop)
        await site.event("Ended")
        await _until(lambda: _outlet(life).limit_a is None)
        answer = await site.csms.call(STATION, "GetChargingProfiles", asked)
        await site.told_everything(life)

    assert answer == {"status": "NoProfiles"}
