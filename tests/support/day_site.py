"""A station of a whole day and its meters, in processes of their own.

``chargepoint run`` with several outlets: EM580 on one line, an IEM-DCR over HTTP. The power of the
station may be cut at any moment; the meters have their own.
"""

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import h11

from chargepoint.bench.local_client import LocalClient, LocalRefused
from meters.simulators.control import ControlClient, SimulatorUnreachable

BEGIN_WH: Final = 1_234_567
PATIENCE_S: Final = 60.0
_STEP_S: Final = 0.05
_FRESH_S: Final = 0.2
_COMMAND: Final = (sys.executable, "-m", "chargepoint")
_STATION: Final = (sys.executable, str(Path(__file__).with_name("fresh_boot.py")))
_NO_ANSWER: Final = (OSError, TimeoutError, ValueError, h11.RemoteProtocolError)
_PAGE: Final = 100

_CONFIG: Final = """
station: {{id: {station}, vendor: Example, model: Wallbox 22, serial_number: "0001",
  state: {folder}/state}}
csms: {{url: "{url}", ocpp: "{version}", profile: citrineos}}
buses: {{rs485: {{port: {folder}/tty, baudrate: 115200}}}}
meters:
{meters}evses:
{evses}settings:
  SampledDataCtrlr.TxUpdatedInterval: "60"
  AuthCtrlr.OfflineTxForUnknownIdEnabled: "true"
  OCPPCommCtrlr.RetryBackOffWaitMinimum: "2"
  OCPPCommCtrlr.RetryBackOffRandomRange: "0"
  OCPPCommCtrlr.RetryBackOffRepeatTimes: "1"
  OCPPCommCtrlr.WebSocketPingInterval: "5"
  OCPPCommCtrlr.MessageAttemptInterval#TransactionEvent: "10"
local: {{listen: "127.0.0.1:0", ready_file: {folder}/local.json}}
"""
_EM580: Final = "{{driver: carlo_gavazzi_em580, bus: rs485, powermeter_device_id: {number}}}"
_IEM_DCR: Final = (
    "{{driver: isabellenhuette_iem_dcr, ip_address: 127.0.0.1, port_http: {port},"
    ' CI: "DE*ABC*E{number}", timezone: "+0100"}}'
)
_EVSE: Final = """\
  - id: {number}
    evse_id: DE*ABC*E{number}
    meter: outlet{number}
    hardware: {{driver: simulated, control: {control}, control_unit: {unit}}}
    connectors: [{{id: 1, type: {plug}}}]
"""


@dataclass(slots=True)
class DaySite:
    """A station ``id`` with ``outlets`` outlets; the last one is direct current.

    ``lives`` counts how often it was switched on.
    """

    id: str
    folder: Path
    version: str
    outlets: int
    lapse: int
    lives: int = 0
    _status: dict[str, Any] = field(default_factory=dict)
    _seen: float = 0.0
    _looking: asyncio.Lock = field(default_factory=asyncio.Lock)  # of the two above
    _running: "dict[str, subprocess.Popen[bytes]]" = field(default_factory=dict)

    @property
    def numbers(self) -> range:
        """Of its EVSEs."""
        return range(1, self.outlets + 1)

    # --- life -----------------------------------------------------------------------------

    async def open(self, url: str) -> None:
        """Switch everything on; the station finds its CSMS at ``url``."""
        self.folder.mkdir(parents=True, exist_ok=True)
        options = ["--begin-energy", str(BEGIN_WH), "--time-lapse", str(self.lapse)]
        options += ["--boot-delay", "0", "--signing-delay", "0.05"]
        units = [word for unit in self.numbers[:-1] for word in ("--unit", str(unit))]
        self._spawn(
            "em580", "simulate", "em580", "--pty", "tty", *units, *_files("em580"), *options
        )
        listen = ("--listen", "127.0.0.1:0")
        self._spawn("iem-dcr", "simulate", "iem-dcr", *listen, *_files("iem-dcr"), *options)
        await self._ready("em580")
        port = urlsplit(str((await self._ready("iem-dcr"))["url"])).port or 0
        self._write_config(url, port)
        await self.start()

    async def start(self) -> None:
        """Switch the station on, and wait until it can be driven."""
        ready = self.folder / "local.json"
        ready.unlink(missing_ok=True)
        self._spawn("station", "run", "config.yaml", command=_STATION)
        self.lives += 1
        await self._ready("station", ready)

    async def cut_power(self) -> None:
        """Of the station, at once. Its contactors fall, so no energy flows."""
        self._running["station"].kill()
        await asyncio.to_thread(self._running["station"].wait)
        for number in self.numbers:
            client, unit = self._control(number)
            while True:
                with suppress(SimulatorUnreachable):  # a busy machine
                    await client.set_load(Decimal(0), unit=unit)
                    break

    def stop(self) -> None:
        """End everything in order."""
        for name in ("station", "em580", "iem-dcr"):
            if name in self._running and self._running[name].poll() is None:
                self._running[name].terminate()
                self._running[name].wait(PATIENCE_S)

    # --- the local interface --------------------------------------------------------------

    async def get(self, path: str) -> Any:
        """What the station says, once it listens: it may be between two lives."""
        return await self._patiently(lambda local: local.get(path))

    async def post(self, path: str, body: dict[str, Any]) -> bool:
        """A stimulus. False if it does not fit what is so, or the station is not there."""
        try:
            await self._local().post(path, body)
        except (LocalRefused, *_NO_ANSWER):
            return False
        finally:
            self._seen = 0.0
        return True

    async def evse(self, number: int) -> dict[str, Any]:
        """How an outlet is."""
        found: dict[str, Any] = (await self.status())["evses"][number - 1]
        return found

    async def waiting(self) -> int:
        """How many messages the CSMS has not heard."""
        return int((await self.status())["journal"]["waiting"])

    async def status(self) -> dict[str, Any]:
        """How the station is, or was a moment ago: all that look share what they see."""
        async with self._looking:
            if time.monotonic() - self._seen > _FRESH_S:
                asked = self._seen = time.monotonic()
                self._status = await self.get("/v1/status")
                if self._seen != asked:  # somebody did something meanwhile
                    self._seen = 0.0
        return self._status

    async def transactions(self) -> list[dict[str, Any]]:
        """All that the station knows, oldest first."""
        found: list[dict[str, Any]] = []
        before = ""
        while True:
            page = await self.get(f"/v1/transactions?limit={_PAGE}{before}")
            found += page["transactions"]
            if page["next"] is None:
                return found[::-1]
            before = "&before=" + page["next"].replace("+", "%2B")

    async def records(self, transaction_id: str) -> list[dict[str, Any]]:
        """The signed records that the station keeps of a transaction."""
        return list((await self.get(f"/v1/transactions/{transaction_id}/records"))["records"])

    async def meter(self, number: int) -> dict[str, Any]:
        """What the meter of an outlet says of itself: key, register, state."""
        client, unit = self._control(number)
        found: dict[str, Any] = (await client.status())["units"][str(unit)]
        return found

    def _local(self) -> LocalClient:
        access = json.loads((self.folder / "local.json").read_text())
        return LocalClient(access["url"], access["token"])

    async def _patiently(self, ask: Callable[[LocalClient], Awaitable[Any]]) -> Any:
        async def answered() -> tuple[Any] | None:
            with suppress(*_NO_ANSWER):
                return (await ask(self._local()),)
            return None

        [answer] = await until(answered, f"an answer of {self.id}")
        return answer

    def _control(self, number: int) -> tuple[ControlClient, int]:
        direct = number == self.outlets
        name = "iem-dcr" if direct else "em580"
        return ControlClient(self.folder / f"{name}.control"), 1 if direct else number

    # --- processes ------------------------------------------------------------------------

    def _write_config(self, url: str, port: int) -> None:
        meters, evses = "", ""
        for number in self.numbers:
            direct = number == self.outlets
            meter = (_IEM_DCR if direct else _EM580).format(number=number, port=port)
            meters += f"  outlet{number}: {meter}\n"
            client, unit = self._control(number)
            plug = "cCCS2" if direct else "cType2"
            evses += _EVSE.format(number=number, control=client.where, unit=unit, plug=plug)
        text = _CONFIG.format(
            station=self.id,
            folder=self.folder,
            url=url,
            version=self.version,
            meters=meters,
            evses=evses,
        )
        path = self.folder / "config.yaml"
        path.write_text(text)
        path.chmod(0o600)

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

    async def _ready(self, name: str, file: Path | None = None) -> dict[str, Any]:
        ready = file or self.folder / f"{name}.ready"

        async def told() -> dict[str, Any] | None:
            code = self._running[name].poll()
            said = (self.folder / f"{name}.log").read_text()[-4000:]
            assert code is None, f"{name} ended with {code}: {said}"
            return json.loads(ready.read_text()) if ready.exists() else None

        return await until(told, f"ready file of {name}")


def _files(name: str) -> tuple[str, ...]:
    return ("--control", f"{name}.control", "--ready-file", f"{name}.ready")


async def until(look: Callable[[], Awaitable[Any]], what: str, within: float = PATIENCE_S) -> Any:
    """What ``look`` finds, once it finds something."""
    try:
        async with asyncio.timeout(within):
            while not (found := await look()):  # noqa: ASYNC110 - another program
                await asyncio.sleep(_STEP_S)
    except TimeoutError:
        raise AssertionError(f"no {what} within {within:g} s") from None
    return found
