"""A station in a process of its own, with a fake meter, in which something hangs on request.

``python station_process.py CONFIG FAULT``: once the station lives, ``lives`` appears beside CONFIG.
A file ``charge`` there makes a vehicle come and charge, then ``charging`` appears; a file ``break``
brings out the fault. What takes minutes in the product takes about a second here.
"""

import asyncio
import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Thread
from typing import Any

HERE = Path(__file__).parent
STOP_MOST_S = 6.0  # here; the product's bounds are in ``chargepoint.ending``
HURRY_MOST_S = 1.5


@dataclass
class Process:
    """One that a test has started; ``home`` is the folder of its config."""

    home: Path
    running: "subprocess.Popen[bytes]"
    heard: socket.socket
    said: list[str] = field(default_factory=list)

    def listen(self, seconds: float, until: Callable[[], bool] = lambda: False) -> None:
        """Hear the service manager's lines for so long, or until something is so."""
        end = time.monotonic() + seconds
        while not until() and (left := end - time.monotonic()) > 0:
            self.heard.settimeout(min(left, 0.05))
            try:
                self.said += self.heard.recv(4096).decode().splitlines()
            except TimeoutError:
                continue

    def wait_for(self, what: str) -> None:
        self.listen(20, lambda: (self.home / what).exists() or self.running.poll() is not None)
        assert (self.home / what).exists(), self.log()

    def ask_for(self, what: str) -> None:
        (self.home / what).touch()

    def ended_within(self, seconds: float) -> int:
        """Its exit code."""
        try:
            return self.running.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"not ended within {seconds} s\n{self.log()}") from None

    def log(self) -> str:
        return (self.home / "stderr").read_text()


@contextmanager
def station_process(
    home: Path,
    *,
    fault: str = "none",
    url: str = "ws://127.0.0.1:9/ocpp",
    more: str = "",
    options: tuple[str, ...] = (),
) -> Iterator[Process]:
    """The process, and the socket that it tells how it is."""
    home.mkdir(exist_ok=True)
    config = home / "station.yaml"
    config.write_text(f"""
station: {{id: CP1, vendor: Example, model: Wallbox, state: {home}/state}}
csms: {{url: "{url}", ocpp: "2.0.1"}}
buses: {{line: {{host: 127.0.0.1, tcp_port: 9}}}}
meters: {{outlet1: {{driver: carlo_gavazzi_em580, bus: line}}}}
evses: [{{id: 1, meter: outlet1, hardware: {{driver: simulated}}}}]
settings: {{AuthCtrlr.OfflineTxForUnknownIdEnabled: "true",
  TxCtrlr.TxBeforeAcceptedEnabled: "true"}}
local: {{listen: "127.0.0.1:0", ready_file: {home}/ready.json}}
{more}
""")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
        heard.bind(str(home / "notify"))
        environment = {
            **os.environ,
            "NOTIFY_SOCKET": str(home / "notify"),
            "WATCHDOG_USEC": "900000",
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        with (home / "stderr").open("wb") as log:
            running = subprocess.Popen(
                [sys.executable, str(HERE / "station_process.py"), str(config), fault, *options],
                env=environment,
                stderr=log,
                stdout=log,
            )
        try:
            yield Process(home, running, heard)
        finally:
            running.kill()
            running.wait()
            (home / "notify").unlink()


# --- in the process ---------------------------------------------------------------------------


class Never:
    """Hangs, whatever is asked of it."""

    async def __call__(self, *_: object, **__: object) -> Any:
        await asyncio.Event().wait()


def _block_loop(_: Any) -> None:
    time.sleep(1000)


def _hang_supervision(life: Any) -> None:
    from chargepoint.station import evse

    evse.sleep_unless = Never()  # type: ignore[assignment]
    life.station.evses[1].runner._deadline_changed.set()


def _kill_supervision(life: Any) -> None:
    async def defective(*_: object) -> None:
        raise ValueError("put in by a test")

    life.station.limits.prepare = defective
    life.station.evses[1].runner._failed = "put in by a test"
    life.station.evses[1].runner._deadline_changed.set()


def _hang_meter(life: Any) -> None:
    meter = life.station.evses[1].meter.meter
    meter.read = meter.end = meter.open_transaction = Never()


def _hang_input(life: Any) -> None:
    _hang_meter(life)
    life.station.evses[1].meter.run = Never()
    life.station.board.outlet(1).plug_out()


def _hang_threads(life: Any) -> None:
    """All threads hang, and with them whatever is given to one."""
    for _ in range(40):
        life.station.spawn(asyncio.to_thread(time.sleep, 1000))


def _begin_no_more(life: Any) -> None:
    """Threads hang, and the next life cannot begin."""
    from chargepoint import app
    from chargepoint.errors import StoreError

    def broken(*_: object) -> None:
        raise StoreError("put in by a test")

    _hang_threads(life)
    app.Store = broken  # type: ignore[assignment, misc]
    life.station.model.set_key("ResetRetries", "0")
    life.station.maintenance._want("ApplicationReset")


def _hang_store(life: Any) -> None:
    """Somebody else has the database, and does not give it back."""
    life.station.other = sqlite3.connect(life.store.folder / "station.db", isolation_level=None)
    life.station.other.execute("BEGIN EXCLUSIVE")
    life.store._db.execute("PRAGMA busy_timeout = 200")
    life.station.board.outlet(1).suspend() if life.station.evses[1].runner.state.plugged else None


def _ask(action: str, payload: dict[str, Any]) -> Callable[[Any], None]:
    """The CSMS asks for something; ``place`` beside the config says where its server is."""

    def ask(life: Any) -> None:
        where = (life.store.folder.parent / "place").read_text()
        told = json.loads(json.dumps(payload).replace("PLACE", where))

        async def asked() -> None:
            reply = await life.session._adapters["ocpp2.0.1"].handlers[action](told)
            assert reply.payload["status"] == "Accepted"
            await reply.after()

        life.station.spawn(asked())

    return ask


_LONG_AGO = "2020-01-01T00:00:00Z"
_LOG = {"logType": "DiagnosticsLog", "requestId": 1, "log": {"remoteLocation": "PLACE/log/"}}
_FIRMWARE = {"location": "PLACE/image", "retrieveDateTime": _LONG_AGO}

FAULTS: dict[str, Callable[[Any], None]] = {
    "none": lambda _: None,
    "loop": _block_loop,
    "supervision hangs": _hang_supervision,
    "supervision dies": _kill_supervision,
    "meter": _hang_meter,
    "input": _hang_input,
    "threads": _hang_threads,
    "no next life": _begin_no_more,
    "store": _hang_store,
    "upload": _ask("GetLog", _LOG),
    "download": _ask("UpdateFirmware", {"requestId": 1, "firmware": _FIRMWARE}),
}


def main() -> int:
    """Run it, with everything that takes long made short."""
    from fake_meter import FakeMeter

    from chargepoint import app, ending
    from chargepoint.cli import main as chargepoint
    from chargepoint.csms import link, session
    from chargepoint.service import Vigil
    from chargepoint.station import evse, progress

    path, fault = Path(sys.argv[1]), sys.argv[2]
    meter = FakeMeter()

    @asynccontextmanager
    async def meters(*_: object) -> AsyncIterator[dict[str, Any]]:
        yield {"outlet1": meter}

    app.open_meters = meters  # type: ignore[assignment]
    app.STOP_TIMEOUT_S = 1.5
    session.FAREWELL_S = 0.5
    link.LinkConfig.__dataclass_fields__["close_timeout"].default = timedelta(seconds=0.5)
    ending.STOP_MOST = timedelta(seconds=STOP_MOST_S - 1)  # type: ignore[misc]
    ending.HURRY_MOST = timedelta(seconds=HURRY_MOST_S - 1)  # type: ignore[misc]
    ending.LEFT_MOST = timedelta(seconds=0.5)  # type: ignore[misc]
    evse.LOOK = timedelta(seconds=0.2)
    for name in ("ROUND_MOST", "INPUT_MOST", "METER_MOST", "FAILING_MOST", "STORE_MOST"):
        setattr(progress, name, timedelta(seconds=1.2))
    progress._TRIED_EVERY = timedelta(seconds=0.5)
    born = Vigil.born

    def hooked(self: Vigil, life: Any) -> None:
        born(self, life)
        loop = asyncio.get_running_loop()
        Thread(target=_obey, args=(loop, life, path.parent, FAULTS[fault]), daemon=True).start()

    Vigil.born = hooked  # type: ignore[method-assign]
    return chargepoint(["run", str(path), *sys.argv[3:]])


def _obey(loop: Any, life: Any, home: Path, fault: Callable[[Any], None]) -> None:
    from chargepoint.core.model import IdToken
    from chargepoint.hardware.simulated import Vehicle

    outlet = life.station.board.outlet(1)

    def charge() -> None:
        outlet.plug_in(Vehicle())
        loop.call_later(0.2, life.station.present, IdToken("04A1B2C3D4"))

    (home / "lives").touch()
    todo = {"charge": charge, "break": lambda: fault(life)}
    while True:
        for name in [name for name in todo if (home / name).exists()]:
            loop.call_soon_threadsafe(todo.pop(name))
            (home / f"{name} heard").touch()
        if outlet.closed:
            (home / "charging").touch()
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
