"""A station as it runs on a charger, in processes of its own, at a CitrineOS.

``chargepoint run`` with its meter, ``chargepoint simulate``: nothing of either runs in the test.
"""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from citrine_office import Door, Office, until
from record_check import assert_signed_by

from chargepoint.bench.local_client import LocalClient
from meters.ocmf import extract, verify_document
from meters.simulators.control import ControlClient

METERS: Final = ("em580", "iem-dcr")
EVSE: Final = "DE*ABC*E123*1"
_ENDING_S: Final = 30.0
_POWER_W: Final = 11_000
_BEGIN_WH: Final = 1_234_567
_ENOUGH_WH: Final = 500  # some 3 s in the time-lapse of the meter
_COMMAND: Final = (sys.executable, "-m", "chargepoint")
_STATION: Final = (sys.executable, str(Path(__file__).with_name("fresh_boot.py")))

_CONFIG: Final = """
station: {{id: {station}, vendor: Example, model: Wallbox 22, serial_number: "0001",
  state: {folder}/state}}
csms: {{url: "{url}", ocpp: "{version}", profile: citrineos, security_profile: {profile}{access}}}
{meter}
evses:
  - id: 1
    evse_id: {evse}
    meter: outlet1
    hardware: {{driver: simulated, control: {folder}/control}}
    connectors: [{{id: 1, type: {connector}}}]
settings:
  SampledDataCtrlr.TxUpdatedInterval: "3"
  AuthCtrlr.OfflineTxForUnknownIdEnabled: "true"
  OCPPCommCtrlr.RetryBackOffWaitMinimum: "2"
  OCPPCommCtrlr.RetryBackOffRandomRange: "0"
{settings}local: {{listen: "127.0.0.1:0", ready_file: {folder}/local.json}}
{more}
"""
_EM580: Final = """
buses: {{rs485: {{port: {folder}/tty, baudrate: 115200}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: rs485, powermeter_device_id: 1}}}}
"""
_IEM_DCR: Final = """
meters: {{outlet1: {{driver: isabellenhuette_iem_dcr, ip_address: 127.0.0.1, port_http: {port},
  CI: {evse}, timezone: "+0100"}}}}
"""


@dataclass(frozen=True, slots=True)
class Trust:
    """What a station needs for TLS, from the environment of the tests."""

    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""

    def enough_for(self, profile: int) -> bool:
        """Whether a station can connect on this security profile."""
        return profile < 2 or bool(self.ca_file and (profile == 2 or self.cert_file))


@dataclass(slots=True)
class Site:
    """One station, one outlet, one meter. ``id`` is new for every test: nothing is left over."""

    office: Office
    door: Door
    folder: Path
    meter: str
    password: str
    connector: str = "cType2"
    id: str = field(default_factory=lambda: f"cit-{secrets.token_hex(5)}")
    on_record: Callable[[bytes, str], None] = lambda _record, _verdict: None
    local: LocalClient = field(init=False)
    _running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    # --- life -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Switch the station on, and wait until it can be driven."""
        ready = self.folder / "local.json"
        ready.unlink(missing_ok=True)
        self._spawn("station", "run", "config.yaml", command=_STATION)
        await self._ready(ready, "station")
        self.reconnect_local()

    def reconnect_local(self) -> None:
        """A new life of the station listens on a new port."""
        access = json.loads((self.folder / "local.json").read_text())
        self.local = LocalClient(access["url"], access["token"])

    async def accepted(self) -> None:
        """CitrineOS has accepted the station."""

        async def is_accepted() -> bool:
            status = await self.local.get("/v1/status")
            return bool(status["boot_status"] == "Accepted" and status["online"])

        await until(is_accepted, "acceptance")

    def cut_power(self) -> None:
        """Of the station, at once; the meter has its own."""
        self._running["station"].kill()
        self._running["station"].wait()

    def stop(self) -> None:
        """End everything in order."""
        for name in ("station", "meter"):
            if name in self._running and self._running[name].poll() is None:
                self._running[name].terminate()
                self._running[name].wait(_ENDING_S)

    async def start_meter(self) -> int:
        """Switch the meter on; the port it listens on, 0 on a serial line."""
        ready = self.folder / "meter.ready"
        wire = ["--pty", "tty"] if self.meter == "em580" else ["--listen", "127.0.0.1:0"]
        options = ["--control", "control", "--ready-file", ready.name, "--boot-delay", "0"]
        options += ["--begin-energy", str(_BEGIN_WH), "--time-lapse", "60"]
        self._spawn("meter", "simulate", self.meter, *wire, *options)
        found = await self._ready(ready, "meter")
        return urlsplit(str(found.get("url", ""))).port or 0

    def write_password(self, password: str) -> None:
        """An installer changes it in the config."""
        path = self.folder / "config.yaml"
        path.write_text(path.read_text().replace(self.password, password))
        self.password = password

    def write_config(self, port: int, trust: Trust, settings: dict[str, str], more: str) -> None:
        """The config that an installer would write."""
        meter = _EM580 if self.meter == "em580" else _IEM_DCR
        access = f", password: {json.dumps(self.password)}" if self.door.profile in {1, 2} else ""
        if self.door.profile > 1:
            access += f", ca_file: {trust.ca_file}"
        if self.door.profile > 2:
            access += f", cert_file: {trust.cert_file}, key_file: {trust.key_file}"
        path = self.folder / "config.yaml"
        text = _CONFIG.format(
            station=self.id,
            folder=self.folder,
            url=self.door.url,
            version=self.door.version,
            profile=self.door.profile,
            access=access,
            evse=EVSE,
            connector=self.connector,
            meter=meter.format(folder=self.folder, port=port, evse=EVSE),
            settings="".join(f'  {name}: "{value}"\n' for name, value in settings.items()),
            more=more.format(folder=self.folder),
        )
        path.write_text(text)
        path.chmod(0o600)

    # --- what happens at it ---------------------------------------------------------------

    async def plug(self) -> None:
        """A vehicle comes and asks for energy."""
        vehicle = {"ready_after_s": 0.1, "power_w": _POWER_W}
        await self.local.post("/v1/ev/plug-in", {"evse": 1, "connector": 1, "ev": vehicle})

    async def swipe(self, token: str) -> None:
        """A card at the reader."""
        await self.local.post("/v1/token", {"id_token": token, "type": "ISO14443"})

    async def charging(self) -> str:
        """Some energy has flowed; the station's own id of the transaction.

        Not less: CitrineOS sorts readings by their times, and a meter may only tell seconds.
        """

        async def flows() -> str | None:
            meter = (await ControlClient(self.folder / "control").status())["units"]["1"]
            page = (await self.local.get("/v1/transactions"))["transactions"]
            enough = float(meter["import_wh"]) > _BEGIN_WH + _ENOUGH_WH
            return str(page[0]["transaction_id"]) if page and enough else None

        return await until(flows, "energy")

    async def has_record(self, transaction_id: str) -> None:
        """The meter has signed, and the station has the record."""

        async def kept() -> bool:
            return bool(await self.records(transaction_id))

        await until(kept, "signed record")

    async def records(self, transaction_id: str) -> list[dict[str, Any]]:
        """The signed records that the station has of a transaction."""
        found = await self.local.get(f"/v1/transactions/{transaction_id}/records")
        return list(found["records"])

    async def meter_key(self) -> str:
        """The public key, from the meter itself."""
        status = await ControlClient(self.folder / "control").status()
        return str(status["units"]["1"]["public_key"])

    # --- through CitrineOS ----------------------------------------------------------------

    async def ask(self, action: str, **payload: Any) -> dict[str, Any]:
        """CitrineOS calls the station."""
        return await self.office.ask(self.door, self.id, action, **payload)

    async def remote_start(self, token: str) -> str:
        """Start a transaction through the REST interface; how the station answered."""
        if self.door.version == "1.6":
            answer = await self.ask("RemoteStartTransaction", connectorId=1, idTag=token)
        else:
            card = {"idToken": token, "type": "ISO14443"}
            start = secrets.randbelow(2**31)
            answer = await self.ask(
                "RequestStartTransaction", evseId=1, remoteStartId=start, idToken=card
            )
        return str(answer["status"])

    async def remote_stop(self) -> str:
        """Stop what runs by the id that CitrineOS knows; how the station answered."""
        if self.door.version == "2.0.1":
            started = await self.office.wait_for(self.id, "TransactionEvent")
            known = started.payload["transactionInfo"]["transactionId"]
            answer = await self.ask("RequestStopTransaction", transactionId=known)
        else:
            answer = await self.ask(
                "RemoteStopTransaction", transactionId=await self.number_in_16()
            )
        return str(answer["status"])

    async def number_in_16(self) -> int:
        """What CitrineOS answered to StartTransaction."""
        call = await self.office.wait_for(self.id, "StartTransaction")
        answer = await self.office.answer_to(self.id, call)
        return int(answer.payload["transactionId"])

    async def ended(self, after: int = 0) -> dict[str, Any]:
        """The message that ends the transaction, as CitrineOS keeps it."""
        if self.door.version == "1.6":
            return (await self.office.wait_for(self.id, "StopTransaction", after=after)).payload
        message = await self.office.wait_for(
            self.id, "TransactionEvent", lambda event: event["eventType"] == "Ended", after=after
        )
        return message.payload

    async def verify(self, stored: Any, transaction_id: str) -> bytes:
        """Check the record in what CitrineOS stored with the key of the meter; the record.

        The stored record is, byte for byte, the one that the station read from the meter.
        """
        document = extract(json.dumps(stored))[-1].record
        key = await self.meter_key()
        verdict = verify_document(document, key)
        self.on_record(document, f"{'authentic' if verdict.valid else 'not authentic'}, key {key}")
        assert verdict.valid, verdict.reason
        records = await self.records(transaction_id)
        [mine] = [one for one in records if one["text"].encode() == document]
        assert_signed_by(document, key, mine["method"])
        forged = document.replace(b'"TX":"E"', b'"TX":"T"')
        assert forged != document
        assert not verify_document(forged, key).valid
        return document

    # --- processes ------------------------------------------------------------------------

    def _spawn(self, name: str, *arguments: str, command: tuple[str, ...] = _COMMAND) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            )

    async def _ready(self, file: Path, name: str) -> dict[str, Any]:
        async def told() -> dict[str, Any] | None:
            code = self._running[name].poll()
            said = (self.folder / f"{name}.log").read_text()
            assert code is None, f"{name} ended with {code}: {said}"
            return _told(file)

        return await until(told, f"ready file of the {name}")


def _told(file: Path) -> dict[str, Any] | None:
    try:
        found: dict[str, Any] = json.loads(file.read_text())
    except FileNotFoundError:
        return None
    return found


@asynccontextmanager
async def site(  # noqa: PLR0917 - all that a site is
    office: Office,
    door: Door,
    folder: Path,
    meter: str = "em580",
    trust: Trust = Trust(),
    settings: dict[str, str] | None = None,
    *,
    connector: str = "cType2",
    config: str = "",
    on_record: Callable[[bytes, str], None] | None = None,
    known: bool = True,
    accepted: bool = True,
) -> AsyncIterator[Site]:
    """A running station that CitrineOS has ``accepted``, or one that is yet to be started.

    One that is not ``known`` is started, and nobody waits for what comes of it. ``config`` are more
    lines of its config, ``on_record`` hears of each record that is read back, with the verdict.
    """
    made = Site(office, door, folder, meter, secrets.token_hex(10), connector)
    made.on_record = on_record or made.on_record
    try:
        if known:
            secret = made.password if door.profile in {1, 2} else None
            await office.enter_station(made.id, secret)
        made.write_config(await made.start_meter(), trust, settings or {}, config)
        if accepted:
            await made.start()
            if known:
                await made.accepted()
        yield made
    finally:
        made.stop()
