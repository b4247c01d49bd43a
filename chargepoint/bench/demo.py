"""One signed charging session without hardware, on real protocols, told step by step.

A simulated EM580 on a pseudo-terminal that speaks Modbus RTU, a small CSMS on a WebSocket, and
between them the station as it runs on a charger, driven through its local interface. Nothing is
short-cut: the record that is checked at the end is taken out of the message the CSMS received.
"""

import asyncio
import base64
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from chargepoint import app
from chargepoint.bench.csms import SmallCsms
from chargepoint.bench.local_client import LocalClient
from chargepoint.clock import SystemClock
from chargepoint.config import load_config
from chargepoint.errors import ChargePointError
from meters.model import Quantity
from meters.ocmf import load_public_key, parse, verify_document
from meters.simulators.em580 import Em580, Em580Settings
from meters.simulators.line import PtyLine

TOKEN = "04A1B2C3D4E5F6"  # noqa: S105 - a card of the demo
POWER_W = 11000
CHARGING_S = 6.0  # how long the charging part is to take
STEP_S = 60.0  # no single step may take longer
WATT_SECONDS_PER_KWH = 3_600_000

CONFIG = """
station: {{id: DEMO01, vendor: Example, model: Wallbox 22, state: {folder}/state}}
csms: {{url: "{csms}", ocpp: "{version}"}}
buses: {{rs485: {{port: {port}, baudrate: 115200}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: rs485, powermeter_device_id: 1}}}}
evses:
  - id: 1
    evse_id: DE*ABC*E123*1
    meter: outlet1
    hardware: {{driver: simulated}}
    connectors: [{{id: 1, type: cType2}}]
settings: {{SampledDataCtrlr.TxUpdatedInterval: "2"}}
local: {{listen: "127.0.0.1:0", ready_file: {folder}/local.json}}
"""


class DemoFailed(ChargePointError):  # noqa: N818 - reads as a state
    """A step of the session did not happen; the message says which."""


class Teller(Protocol):
    """Where the story goes."""

    def step(self, title: str, *lines: str) -> None:
        """A new step, with what there is to say about it."""
        ...

    def progress(self, done: float, text: str) -> None:
        """How far the present step is, 0 to 1."""
        ...


@dataclass(slots=True)
class Outcome:
    """What came of the session, in the words of ``chargepoint demo --json``."""

    ocpp: str
    transaction_id: str = ""
    energy_wh: Decimal = Decimal(0)
    verified: bool = False
    public_key: str = ""
    record: str = ""
    messages: list[Any] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The object of ``--json``."""
        return {
            "ocpp": self.ocpp,
            "transaction_id": self.transaction_id,
            "energy_wh": float(self.energy_wh),
            "verified": self.verified,
            "public_key": self.public_key,
            "record": self.record,
            "messages": self.messages,
        }


@dataclass(slots=True)
class _Scene:
    """Everything that runs during the demo."""

    meter: Em580
    csms: SmallCsms
    life: app.Life
    local: LocalClient


async def run(
    version: str, kwh: Decimal, teller: Teller, *, charging_s: float = CHARGING_S
) -> Outcome:
    """Play one session of ``kwh`` in OCPP ``version`` and check its record.

    The meter counts so much faster than real that charging takes about ``charging_s``.

    Raises:
        DemoFailed: a step did not happen in time.
    """
    with tempfile.TemporaryDirectory(prefix="chargepoint-demo-") as folder:
        meter = _meter(kwh, charging_s)
        async with _scene(version, meter, Path(folder), teller) as scene:
            await _arrive(scene, teller)
            await _charge(scene, kwh, teller)
            return await _leave(scene, version, teller)


@asynccontextmanager
async def _scene(version: str, meter: Em580, folder: Path, teller: Teller) -> AsyncIterator[_Scene]:
    async with AsyncExitStack() as stack:
        line = await stack.enter_async_context(PtyLine({1: meter}, link=folder / "ttyEM580"))
        port = line.port
        teller.step(
            "A power meter",
            f"A Carlo Gavazzi EM580, serial number {meter.settings.serial_number}, is simulated on"
            f" the serial line {port}.",
            "It speaks Modbus RTU like the real one and holds a private key that never leaves it.",
        )
        csms = await stack.enter_async_context(SmallCsms())
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(folder=folder, csms=csms.url, version=version, port=port),
            encoding="utf-8",
        )
        life = await stack.enter_async_context(app.live(load_config(config), clock=SystemClock()))
        await _within("BootNotification", csms.wait_for("BootNotification"))
        teller.step(
            "A charging station",
            f"Station DEMO01 has connected to a back office (CSMS) at {csms.url} and was accepted."
            f" They speak OCPP {version}, the language between chargers and back offices.",
        )
        access = json.loads((folder / "local.json").read_text(encoding="utf-8"))
        yield _Scene(meter, csms, life, LocalClient(access["url"], access["token"]))


def _meter(kwh: Decimal, charging_s: float) -> Em580:
    lapse = kwh * WATT_SECONDS_PER_KWH / POWER_W / Decimal(str(charging_s))
    settings = Em580Settings(
        begin_energy_wh=1_234_567,
        boot_silence=timedelta(0),
        clock_refusal=timedelta(0),
        time_lapse=max(Decimal(1), lapse),
    )
    return Em580(settings)


async def _arrive(scene: _Scene, teller: Teller) -> None:
    outlet = scene.life.station.evses[1].runner.outlet
    outlet.load = _counted_by(scene.meter)  # type: ignore[attr-defined]  # it is a simulated one
    vehicle = {"ready_after_s": 0.5, "power_w": POWER_W, "phases": 3}
    await scene.local.post("/v1/ev/plug-in", {"evse": 1, "connector": 1, "ev": vehicle})
    await scene.local.post("/v1/token", {"id_token": TOKEN, "type": "ISO14443"})
    teller.step(
        "A driver",
        "A vehicle is plugged in and a card is held to the reader.",
        "The station asks the CSMS whether this card may charge: Accepted.",
    )


def _counted_by(meter: Em580) -> Callable[[int, Decimal, int], Any]:
    async def load(_evse_id: int, watts: Decimal, phases: int) -> None:
        meter.set_load(watts, phases)

    return load


async def _charge(scene: _Scene, kwh: Decimal, teller: Teller) -> None:
    await _within("start of the transaction", _until(lambda: _running(scene)))
    transaction = scene.life.station.evses[1].runner.state.transaction
    if transaction is None:
        raise DemoFailed("the transaction did not start")
    first = transaction.begin.value(Quantity.ENERGY_IMPORT) if transaction.begin else None
    begin = first or Decimal(0)
    teller.step(
        "The meter begins",
        f"It opens a billing transaction at {begin / 1000:.3f} kWh; then the contactor closes.",
        f"(Time-lapse: the meter counts {scene.meter.settings.time_lapse:.0f} times faster than"
        " real.)",
    )
    target = kwh * 1000
    while (done := _energy(scene) - begin) < target:
        teller.progress(float(done / target), f"{done / 1000:.3f} of {kwh} kWh")
        await asyncio.sleep(0.2)
    teller.progress(1.0, f"{done / 1000:.3f} of {kwh} kWh")


async def _leave(scene: _Scene, version: str, teller: Teller) -> Outcome:
    await scene.local.post("/v1/token", {"id_token": TOKEN, "type": "ISO14443"})
    ended = await _within("signed end message", _end_message(scene.csms, version))
    await _within("release of the record", _until(lambda: not scene.meter.memory.record))
    await scene.local.post("/v1/ev/plug-out", {"evse": 1, "connector": 1})
    outcome = _outcome(scene, version, ended)
    _tell_end(outcome, teller)
    return outcome


def _tell_end(outcome: Outcome, teller: Teller) -> None:
    name = "StopTransaction" if outcome.ocpp == "1.6" else "TransactionEvent(Ended)"
    record = outcome.record.encode()
    teller.step(
        "The meter signs",
        "The same card ends the session: the contactor opens, the meter signs begin and end in one"
        " record (OCMF), as calibration law wants it.",
        f"The station reads the record ({len(record)} bytes), checks its signature, stores it, lets"
        f" the meter forget it, and sends it in {name}.",
    )
    forged = record.replace(b'"TX":"E","RV":1', b'"TX":"E","RV":2')
    caught = str(verify_document(forged, outcome.public_key).outcome) == "invalid"
    begin, end = parse(record).begin, parse(record).end
    if begin is None or end is None:
        raise DemoFailed("the record has no begin or no end")
    teller.step(
        "The proof",
        "This is what the CSMS received, taken out of its copy of the message:",
        f"  begin      {begin.value} {begin.unit}   {begin.time_text}",
        f"  end        {end.value} {end.unit}   {end.time_text}",
        f"  energy     {outcome.energy_wh / 1000:.3f} kWh",
        f"  verified   {'yes' if outcome.verified else 'NO'}, with the meter's public key",
        f"  forged     {'detected' if caught else 'NOT DETECTED'}: the same record with one digit"
        " changed does not verify",
    )


def _outcome(scene: _Scene, version: str, ended: dict[str, Any]) -> Outcome:
    document, transaction_id = _signed(ended, version)
    info = scene.life.station.evses[1].meter.info
    key = load_public_key(info.public_key, algorithm=info.signing_method) if info else None
    if key is None:
        raise DemoFailed("the meter gave no public key")
    verdict = verify_document(document, key)
    record = parse(document)
    return Outcome(
        ocpp=version,
        transaction_id=transaction_id or scene.life.store.transactions.page(1)[0].transaction_id,
        energy_wh=record.energy_wh or Decimal(0),
        verified=str(verdict.outcome) == "valid",
        public_key=key.spki.hex().upper(),
        record=document.decode(),
        messages=[json.loads(frame.text) for frame in scene.csms.frames],
    )


def _signed(ended: dict[str, Any], version: str) -> tuple[bytes, str]:
    """The record out of the final message, and the transaction's id if the message has ours."""
    if version == "1.6":
        values = [v for part in ended["transactionData"] for v in part["sampledValue"]]
        texts = [v["value"] for v in values if v.get("format") == "SignedData"]
        data = json.loads(texts[-1])["signedMeterData"]
        return base64.b64decode(data, validate=True), ""
    values = [v for part in ended["meterValue"] for v in part["sampledValue"]]
    signed = [v["signedMeterValue"] for v in values if "signedMeterValue" in v]
    data = signed[-1]["signedMeterData"]
    return base64.b64decode(data, validate=True), ended["transactionInfo"]["transactionId"]


async def _end_message(csms: SmallCsms, version: str) -> dict[str, Any]:
    within = timedelta(seconds=STEP_S)
    if version == "1.6":
        return await csms.wait_for("StopTransaction", within=within)
    return await csms.wait_for(
        "TransactionEvent", lambda event: event["eventType"] == "Ended", within=within
    )


def _running(scene: _Scene) -> bool:
    return scene.life.station.evses[1].runner.state.transaction is not None


def _energy(scene: _Scene) -> Decimal:
    reading = scene.life.station.evses[1].meter.reading
    return (reading.value(Quantity.ENERGY_IMPORT) if reading else None) or Decimal(0)


async def _until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 - bounded by the caller, and about another program
        await asyncio.sleep(0.05)


async def _within(what: str, step: Any) -> Any:
    try:
        async with asyncio.timeout(STEP_S):
            return await step
    except TimeoutError:
        raise DemoFailed(f"no {what} within {STEP_S:g} s") from None
