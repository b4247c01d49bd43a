"""What survives a power cut of a simulated EM580, and the file it is kept in."""

import contextlib
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from meters.simulators.em580.layout import Charging, Command, OcmfState

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_COMMANDS: Final = 2000
"""Executed commands that are remembered; older ones are dropped, the totals stay."""


@dataclass(frozen=True, slots=True)
class Moment:
    """The meter's own clock: time in UTC, local offset in minutes, and whether it was ever set."""

    at: datetime = EPOCH
    offset_min: int = 0
    synchronised: bool = False


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading for a record; ``reason`` is OCMF field TX, energies are whole Wh."""

    reason: str
    import_wh: int
    export_wh: int
    moment: Moment


@dataclass(frozen=True, slots=True)
class Session:
    """A transaction: begin, the fields as they were then, and the end once it was ordered."""

    begin: Taken
    words: dict[int, int]
    end: Taken | None = None


@dataclass(frozen=True, slots=True)
class Executed:
    """A command that had its effect, with the id from the tail of the tariff text."""

    command: Command
    transaction_id: str


@dataclass(frozen=True, slots=True)
class Memory:
    """The non-volatile part of the meter.

    ``key`` is the private number in hex, empty for a meter without key. ``words`` holds the plain
    registers that a master may write; those that are missing are zero. ``last`` is the clock when
    the counters were last saved. ``session`` stays until the record is confirmed.
    """

    curve: str
    key: str
    import_wh: Decimal
    export_wh: Decimal
    page: int = 0
    last: Moment = Moment()
    state: OcmfState = OcmfState.NOT_READY
    charging: Charging = Charging.NO
    last_id: str = ""
    last_number: int = 0
    record: bytes = b""
    session: Session | None = None
    words: dict[int, int] = field(default_factory=dict)
    boots: int = 0
    received: dict[Command, int] = field(default_factory=dict)
    executed: dict[Command, int] = field(default_factory=dict)
    commands: tuple[Executed, ...] = ()


class StateFile:
    """One JSON file, always whole: a kill at any moment leaves the old or the new content.

    One process at a time may use it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._draft = path.with_name(f".{path.name}.draft")

    def load(self) -> Memory | None:
        """What was saved last, None if there is no file.

        Raises:
            ValueError: the file is not one of these.
            OSError: it cannot be read.
        """
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        try:
            return msgspec.json.decode(content, type=Memory)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._path}: not the state of an EM580, {error}") from error

    def save(self, memory: Memory, *, durable: bool) -> None:
        """Replace the content; ``durable`` also survives a power cut of this computer.

        Without ``durable`` the content survives the death of this process only, which is a tenth
        of the work; enough for energy that grows.

        Raises:
            OSError: the disk does not take it; the old content stands.
        """
        content = msgspec.json.encode(memory)
        # Only the owner may read it: the private key is in it.
        draft = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.closing(os.fdopen(draft, "wb")) as file:
                file.write(content)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
        except OSError:
            self._draft.unlink(missing_ok=True)
            raise
        self._draft.replace(self._path)
        if durable:
            _sync_folder(self._path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
