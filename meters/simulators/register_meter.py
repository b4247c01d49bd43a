"""What simulated meters with registers share: load, counters, faults inside, state on disk.

Everything is worked out when it is asked for, so a meter needs no timer of its own. A kind of meter
adds its registers and what its commands do.
"""

import contextlib
import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from meters.simulators.energy import EnergyCounter, Load
from meters.simulators.faults import Faults
from meters.simulators.refusal import Code, Refusal
from meters.simulators.statefile import StateFile

log = logging.getLogger(__name__)

Words = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What survives a power cut in every meter; ``key`` is the private number in hex."""

    key: str
    import_wh: Decimal
    export_wh: Decimal
    boots: int = 0


K = TypeVar("K", bound=Kept)


class RegisterMeter(Generic[K]):
    """One meter. Not for use from several threads.

    Making one is power-up: with a state file it comes back as a power cut left it.

    Attributes:
        name: for messages.
        faults: what goes wrong with this meter; the line asks for those of the wire.
        functions: Modbus functions that the meter knows.
    """

    name: str
    functions: frozenset[int]

    def __init__(
        self,
        new: K,
        *,
        state_file: Path | None,
        time_lapse: Decimal,
        boot_delay_s: float,
        monotonic: Callable[[], float],
    ) -> None:
        """Switch the meter on; ``new`` is the memory of one that has no state file yet.

        Raises:
            ValueError: the state file belongs to something else.
            OSError: the state file cannot be read or written.
        """
        self.faults = Faults(monotonic)
        self._monotonic = monotonic
        self._lapse, self._boot_delay_s = time_lapse, boot_delay_s
        self._file = StateFile(state_file) if state_file else None
        self._memory = self._load(new)
        self._overrides: dict[int, int] = {}
        self._energy = self._counter()
        self._awake_at = 0.0
        self._switch_on()

    # What the world does to the meter.

    def set_load(self, watts: Decimal | int, phases: int = 3) -> None:
        """From now on the vehicle takes ``watts``, evenly on that many phases; negative is export.

        Raises:
            ValueError: not 1 to 3 phases, or more than any meter takes.
        """
        self._settle()
        self._energy.set_load(Load(Decimal(watts), phases))

    def reboot(self) -> None:
        """Cut the power and give it back.

        Raises:
            OSError: the state file cannot be written.
        """
        self._settle()
        self._checkpoint()
        load = self._energy.load
        self._energy = self._counter()
        self._energy.set_load(load)
        self._switch_on()

    def override(self, address: int, words: Sequence[int]) -> None:
        """Show these words from ``address`` on, whatever the meter would show, until cleared."""
        self._overrides |= {address + place: word for place, word in enumerate(words)}

    def clear_overrides(self) -> None:
        """Show the truth again."""
        self._overrides.clear()

    def tick(self) -> None:
        """Finish what is due and save the energy; to be called every few seconds."""
        with contextlib.suppress(Refusal), self._disk_trouble_refused():
            self._settle()
            self._checkpoint()

    # What the line asks.

    def silent(self) -> bool:
        """Whether the meter is still starting up and answers nothing."""
        return self._monotonic() < self._awake_at

    def read(self, address: int, count: int) -> Words:
        """The words of one request, all of one moment.

        Energy that is shown was saved before: a counter never goes back after a kill.

        Raises:
            Refusal: no such registers, or not in this shape.
            NoReply: the meter is busy and keeps silent.
        """
        with self._disk_trouble_refused():
            self._settle()
            self._checkpoint()
        words = list(self._read(address, count))
        for place in range(count):
            words[place] = self._overrides.get(address + place, words[place])
        if (value := self.faults.value_for(address, count)) is not None:
            words[value.register - address] = value.word
        return tuple(words)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Carry out one request; the effect is saved before this returns.

        Raises:
            Refusal: a register that cannot be written, or a value that it does not take.
            NoReply: the meter is busy and keeps silent.
        """
        with self._disk_trouble_refused():
            self._settle()
            self._write(address, tuple(words))

    # What tests and people look at.

    @property
    def memory(self) -> K:
        """The non-volatile part, as last saved."""
        self._settle()
        return self._memory

    @property
    def energy_wh(self) -> Decimal:
        """Imported energy, not rounded."""
        return self._energy.totals()[0]

    @property
    def load(self) -> Load:
        """What flows now."""
        return self._energy.load

    def status(self) -> dict[str, object]:
        """What a person wants to know, ready for JSON."""
        self._settle()
        imported, exported = self._energy.totals()
        return {
            "silent": self.silent(),
            "boots": self._memory.boots,
            "import_wh": str(imported.quantize(Decimal("0.001"))),
            "export_wh": str(exported.quantize(Decimal("0.001"))),
            "load_w": str(self.load.watts),
            "phases": self.load.phases,
            "faults": [str(fault) for fault in self.faults.active()],
        }

    # What a kind of meter adds.

    @abstractmethod
    def _power_up(self) -> None:
        """Start with what is in the memory; everything else was lost."""

    @abstractmethod
    def _settle(self) -> None:
        """Finish what is due by now."""

    @abstractmethod
    def _read(self, address: int, count: int) -> Sequence[int]:
        """The true words."""

    @abstractmethod
    def _write(self, address: int, words: Words) -> None:
        """Carry out one write."""

    # For kinds of meters.

    def _save(self, memory: K, *, durable: bool = True) -> None:
        """Commit: on disk first, then in effect."""
        if self._file is not None and memory is not self._memory:
            self._file.save(msgspec.json.encode(memory), durable=durable)
        self._memory = memory

    def _counted(self) -> K:
        """The memory with the energy of now."""
        imported, exported = self._energy.totals()
        return replace(self._memory, import_wh=imported, export_wh=exported)

    # Inside.

    def _load(self, new: K) -> K:
        content = self._file.load() if self._file else None
        if content is None:
            return new
        try:
            return msgspec.json.decode(content, type=type(new))
        except msgspec.DecodeError as error:
            raise ValueError(f"the state file is not that of {self.name}: {error}") from error

    def _switch_on(self) -> None:
        self._awake_at = self._monotonic() + self._boot_delay_s
        self._save(replace(self._memory, boots=self._memory.boots + 1))
        self._power_up()

    def _counter(self) -> EnergyCounter:
        return EnergyCounter(
            self._memory.import_wh,
            self._memory.export_wh,
            monotonic=self._monotonic,
            time_lapse=self._lapse,
        )

    def _checkpoint(self) -> None:
        imported, exported = self._energy.totals()
        memory = self._memory
        if (int(imported), int(exported)) != (int(memory.import_wh), int(memory.export_wh)):
            self._save(self._counted(), durable=False)

    @contextlib.contextmanager
    def _disk_trouble_refused(self) -> Iterator[None]:
        """What cannot be kept has not happened: the master hears of a device failure."""
        try:
            yield
        except OSError as error:
            log.warning("%s: state not saved, %s", self.name, error)
            raise Refusal(Code.DEVICE_FAILURE) from error
