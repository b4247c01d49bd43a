"""What survives a power cut of a simulated EM580, and the file it is kept in."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from meters.simulators import statefile
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
    """The memory in a file, see ``statefile.StateFile``."""

    def __init__(self, path: Path) -> None:
        self._file = statefile.StateFile(path)

    def load(self) -> Memory | None:
        """What was saved last, None if there is no file.

        Raises:
            ValueError: the file is not one of these.
            OSError: it cannot be read.
        """
        content = self._file.load()
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Memory)
        except msgspec.DecodeError as error:
            raise ValueError(f"{self._file.path}: not the state of an EM580, {error}") from error

    def save(self, memory: Memory, *, durable: bool) -> None:
        """Replace the content; energy that grows need not be ``durable``.

        Raises:
            OSError: the disk does not take it; the old content stands.
        """
        self._file.save(msgspec.json.encode(memory), durable=durable)
