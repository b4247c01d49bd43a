"""The two processes that lose their power: how they are started, killed, and what they left."""

import base64
import json
import random
import shutil
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

from meters.simulators.control import ControlClient, SimulatorUnreachable

HERE: Final = Path(__file__).parent
KILLED: Final = -9
BELOW_EPHEMERAL: Final = (20_000, 32_000)  # nobody connects from there


@dataclass(frozen=True, slots=True)
class Record:
    """A record that the meter made."""

    document: bytes
    transaction_id: str


@dataclass(slots=True)
class _Process:
    folder: Path
    cuts: list[str]  # one per life
    lives: int = 0
    _running: "subprocess.Popen[bytes] | None" = None
    NAME: ClassVar[str]

    @property
    def log(self) -> Path:
        """What it said in all its lives."""
        return self.folder / f"{self.NAME}.log"

    def trace(self) -> Path:
        """The points that its present life has passed."""
        return self.folder / f"{self.NAME}-{self.lives}.trace"

    @property
    def dead(self) -> bool:
        """Whether it is gone, or was never there."""
        return self._running is None or self._running.poll() is not None

    @property
    def killed(self) -> bool:
        """Whether the power was cut."""
        return self._running is not None and self._running.poll() == KILLED

    @property
    def code(self) -> int | None:
        """How it ended; None while it runs."""
        return self._running and self._running.poll()

    def kill(self) -> None:
        """Cut its power."""
        if self._running is not None:
            self._running.kill()

    def end(self) -> None:
        """Cut its power and wait."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    def _start(self, *arguments: str) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, str(HERE / f"cut_{self.NAME}.py"), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
            )

    def _next_life(self) -> list[str]:
        """The option that says where this one ends, if it does."""
        self.lives += 1
        return ["--cut", self.cuts[self.lives - 1]] if self.lives <= len(self.cuts) else []


@dataclass(slots=True)
class Station(_Process):
    """The station on ``config.yaml`` of the folder."""

    NAME = "station"

    def start(self, *, plugged: bool) -> None:
        """The next life; ``plugged``: the vehicle is there already."""
        options = self._next_life()
        options += ["--plugged"] if plugged else []
        self._start("config.yaml", str(self.trace()), *options)

    def access(self) -> dict[str, Any] | None:
        """How this life is asked; None if it does not listen yet."""
        try:
            found: dict[str, Any] = json.loads((self.folder / "local.json").read_text())
        except (OSError, ValueError):
            return None
        mine = self._running is not None and found["pid"] == self._running.pid
        return found if mine else None

    def stored(self) -> dict[str, Any]:
        """State of the EVSE as the dead process left it. A copy is read: looking repairs nothing.

        Empty if it never stored one.
        """
        copy = self.folder / "autopsy"
        shutil.rmtree(copy, ignore_errors=True)
        if not (self.folder / "state" / "station.db").exists():
            return {}
        shutil.copytree(self.folder / "state", copy)
        with closing(sqlite3.connect(copy / "station.db")) as db:
            try:
                row = db.execute("SELECT state FROM evse WHERE evse_id = 1").fetchone()
            except sqlite3.OperationalError:
                return {}  # not even the tables
        state: dict[str, Any] = json.loads(row[0]) if row else {}
        return state


@dataclass(slots=True)
class Meter(_Process):
    """The meter on its state file; the folder also holds its line and its control socket."""

    NAME = "meter"
    units: tuple[int, ...] = (1,)

    @property
    def hold(self) -> Path:
        """While this file is there no record is finished."""
        return self.folder / "hold"

    def start(self) -> None:
        """The next life."""
        again = self.lives > 0
        folder = self.folder
        options = ["--state", folder / "meter.json", "--control", folder / "control"]
        options += ["--signing-delay", 0.1, "--boot-delay", 0.2 if again else 0]
        options += [word for unit in self.units for word in ("--unit", unit)]
        options += ["--key-seed", "power cut", "--begin-energy", 1_234_567, "--time-lapse", 60]
        cut = self._next_life()
        files = (self.trace(), folder / "records", self._link, self.hold)
        self._start(*map(str, files), *cut, "--", *map(str, options))

    def kill(self) -> None:
        """Cut its power. The link to its terminal goes first: the name may be another's at once."""
        self._link.unlink(missing_ok=True)
        _Process.kill(self)

    @property
    def _link(self) -> Path:
        return self.folder / "tty"

    async def status(self) -> dict[str, Any] | None:
        """What it says of itself; None while it has no power."""
        try:
            found = await ControlClient(self.folder / "control").status()
        except SimulatorUnreachable:
            return None
        unit: dict[str, Any] = found["units"]["1"]
        return unit

    def records(self) -> list[Record]:
        """Every record it ever made, in order, each once."""
        file = self.folder / "records"
        lines = dict.fromkeys(file.read_text().split()) if file.exists() else {}
        documents = [base64.b64decode(line) for line in lines]
        return [Record(document, _owner(document)) for document in documents]


def _owner(document: bytes) -> str:
    """The id of the transaction, which ends the tariff text."""
    payload = json.loads(document.split(b"|")[1])
    return str(payload["TT"].rpartition("<=>")[2])


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    numbers = random.SystemRandom()
    while True:
        port = numbers.randrange(*BELOW_EPHEMERAL)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
