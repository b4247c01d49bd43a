"""The simulated EM580: registers in and out, power cuts, and nothing of the wire.

Everything is worked out when it is asked for, so the device needs no timer of its own; ``tick``
only saves the energy of a meter that nobody reads.
"""

import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from meters.simulators.em580 import image, layout, session, writing
from meters.simulators.em580.keys import SigningKey, new_secret
from meters.simulators.em580.layout import Command, OcmfState
from meters.simulators.em580.memory import EPOCH, Memory, Moment, StateFile, Taken
from meters.simulators.em580.settings import Em580Settings, KeyCurve
from meters.simulators.energy import EnergyCounter, Load
from meters.simulators.faults import FaultKind, Faults
from meters.simulators.refusal import Code, NoReply, Refusal

log = logging.getLogger(__name__)

READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE = 0x03, 0x04, 0x06, 0x10
_COMMANDS: Final = {ord(word): word for word in (Command.BEGIN, Command.END, Command.ABORT)}


def utc_now() -> datetime:
    """Wall time."""
    return datetime.now(UTC)


class Em580:
    """One meter. Not for use from several threads.

    Making one is power-up: with a state file it comes back as a power cut left it.

    Attributes:
        settings: what it was made with.
        faults: what goes wrong with this meter; the line asks for those of the wire.
        functions: Modbus functions that the meter knows.
    """

    def __init__(
        self,
        settings: Em580Settings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Switch the meter on.

        ``clock`` only names the wall time in ``status``: the meter's own clock starts in 1970 and
        must be set over the wire.

        Raises:
            ValueError: the state file belongs to something else.
            OSError: the state file cannot be read or written.
        """
        self.settings = settings = settings or Em580Settings()
        self.faults = Faults(monotonic)
        self.functions = frozenset({READ_HOLDING, READ_INPUT, WRITE_SINGLE, WRITE_MULTIPLE})
        if settings.is_em300:
            self.functions -= {WRITE_MULTIPLE}
        self._clock, self._monotonic = clock, monotonic
        self._file = StateFile(settings.state_file) if settings.state_file else None
        stored = self._file.load() if self._file else None
        self._memory = stored or _new_memory(settings)
        self._key = SigningKey.load(self._memory.curve, self._memory.key)
        self._overrides: dict[int, int] = {}
        self._energy = self._counter()
        self._power_up()

    # What the world does to the meter.

    def set_load(self, watts: Decimal | int, phases: int = 3) -> None:
        """From now on the vehicle takes ``watts``, evenly on that many phases; negative is export.

        Raises:
            ValueError: not 1 to 3 phases, or more than the registers hold.
        """
        self._energy.set_load(Load(Decimal(watts), phases))

    def reboot(self) -> None:
        """Cut the power and give it back: the clock is lost, a running transaction ends with P.

        Raises:
            OSError: the state file cannot be written.
        """
        self._settle()
        self._checkpoint()
        load = self._energy.load
        self._energy = self._counter()
        self._energy.set_load(load)
        self._power_up()

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

    def read(self, address: int, count: int) -> tuple[int, ...]:
        """The words of one request, all of one moment.

        Energy that is shown was saved before: a counter never goes back after a kill.

        Raises:
            Refusal: no such registers, or not in this shape.
        """
        with self._disk_trouble_refused():
            self._settle()
            self._checkpoint()
        words = image.read(self._snapshot(), address, count)
        if (address, count) != (layout.IDENTIFICATION, 1):  # shares its address with a voltage
            for place in range(count):
                words[place] = self._overrides.get(address + place, words[place])
        if (value := self.faults.value_for(address, count)) is not None:
            words[value.register - address] = value.word
        return tuple(words)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Store the words of one request, all or none; the effect is saved before this returns.

        Raises:
            Refusal: a register that cannot be written, a value that it does not take, or a
                command that does not fit the state.
            NoReply: this meter keeps silent about such a write.
        """
        if self.settings.is_em300:
            if address == layout.CLOCK:
                raise NoReply  # an EM340 was seen to block the bus here
            raise Refusal(Code.ILLEGAL_ADDRESS)
        with self._disk_trouble_refused():
            self._settle()
            parts = writing.parts(address, words)
            if not parts:
                image.read(self._snapshot(), address, len(words))  # refuses what is not there
                raise Refusal(self.settings.behaviour.read_only)
            for part in parts:
                writing.check(part, self._memory, self.settings.behaviour)
                self._check_clock(part)
            for part in parts:
                self._store(part)

    # What tests and people look at.

    @property
    def memory(self) -> Memory:
        """The non-volatile part, as last saved."""
        self._settle()
        return self._memory

    @property
    def state(self) -> OcmfState:
        """The OCMF state."""
        return self.memory.state

    @property
    def energy_wh(self) -> Decimal:
        """Imported energy, not rounded."""
        return self._energy.totals()[0]

    @property
    def load(self) -> Load:
        """What flows now."""
        return self._energy.load

    @property
    def key(self) -> SigningKey | None:
        """The key, None for a meter without."""
        return self._key

    @property
    def public_key(self) -> str:
        """The curve point in upper-case hex; empty for a meter without key."""
        return self._key.point.hex().upper() if self._key else ""

    def moment(self) -> Moment:
        """The meter's own clock."""
        running = timedelta(seconds=self._monotonic() - self._clock_at)
        offset = layout.signed(self._memory.words.get(layout.UTC_OFFSET, 0))
        return Moment(self._clock_base + running, offset, self._synchronised)

    def status(self) -> dict[str, object]:
        """What a person wants to know, ready for JSON."""
        memory = self.memory
        imported, exported = self._energy.totals()
        return {
            "serial_number": self.settings.serial_number,
            "public_key": self.public_key,
            "time": self._clock().isoformat(),
            "meter_time": self.moment().at.isoformat(),
            "synchronised": self._synchronised,
            "silent": self.silent(),
            "boots": memory.boots,
            "state": memory.state.name,
            "signing": session.is_signing(memory),
            "charging": memory.charging.name,
            "page": memory.page,
            "record_bytes": len(memory.record),
            "import_wh": str(imported.quantize(Decimal("0.001"))),
            "export_wh": str(exported.quantize(Decimal("0.001"))),
            "load_w": str(self.load.watts),
            "phases": self.load.phases,
            "received": {str(name): count for name, count in memory.received.items()},
            "executed": {str(name): count for name, count in memory.executed.items()},
            "transactions": _by_transaction(memory),
            "faults": [str(fault) for fault in self.faults.active()],
        }

    # Inside.

    def _counter(self) -> EnergyCounter:
        return EnergyCounter(
            self._memory.import_wh,
            self._memory.export_wh,
            monotonic=self._monotonic,
            time_lapse=self.settings.time_lapse,
        )

    def _power_up(self) -> None:
        now = self._monotonic()
        self._awake_at = now + self.settings.boot_silence.total_seconds()
        self._clock_open_at = self._awake_at + self.settings.clock_refusal.total_seconds()
        self._clock_base, self._clock_at, self._synchronised = EPOCH, now, False
        self._ready_at = now  # what was being signed is signed as soon as somebody asks
        self._save(session.power_up(self._memory, self.settings.behaviour))

    def _settle(self) -> None:
        """Finish the record if it is due."""
        if session.is_signing(self._memory) and self._monotonic() >= self._ready_at:
            if self.faults.take(FaultKind.CORRUPTED):
                self._save(session.corrupt(self._memory))
            else:
                self._save(session.finish(self._memory, self.settings, self._key))

    def _checkpoint(self) -> None:
        imported, exported = self._energy.totals()
        memory = self._memory
        if (int(imported), int(exported)) != (int(memory.import_wh), int(memory.export_wh)):
            self._save(self._counted(memory), durable=False)

    def _counted(self, memory: Memory) -> Memory:
        imported, exported = self._energy.totals()
        return replace(memory, import_wh=imported, export_wh=exported, last=self.moment())

    def _save(self, memory: Memory, *, durable: bool = True) -> None:
        """Commit: on disk first, then in effect."""
        if self._file is not None and memory is not self._memory:
            self._file.save(memory, durable=durable)
        self._memory = memory

    @contextlib.contextmanager
    def _disk_trouble_refused(self) -> Iterator[None]:
        """What cannot be kept has not happened: the master hears of a device failure."""
        try:
            yield
        except OSError as error:
            log.warning("%s: state not saved, %s", self.settings.serial_number, error)
            raise Refusal(Code.DEVICE_FAILURE) from error

    def _snapshot(self) -> image.Snapshot:
        imported, exported = self._energy.totals()
        return image.Snapshot(
            settings=self.settings,
            key=self._key,
            memory=self._memory,
            load=self._energy.load,
            import_wh=int(imported),
            export_wh=int(exported),
            moment=self.moment(),
        )

    def _check_clock(self, part: writing.Part) -> None:
        if writing.is_clock(part) and self._monotonic() < self._clock_open_at:
            code = self.settings.behaviour.early_clock
            raise NoReply if code is None else Refusal(code)

    def _store(self, part: writing.Part) -> None:
        address, words = part
        if address == layout.COMMAND:
            self._command(words[0])
        elif address == layout.STATE:
            self._confirm(words[0])
        elif address == layout.CLOCK:
            self._clock_base = datetime.fromtimestamp(writing.unix(words), UTC)
            self._clock_at, self._synchronised = self._monotonic(), True
        else:
            stored = {address + place: word for place, word in enumerate(words)}
            self._save(replace(self._memory, words=self._memory.words | stored))

    def _command(self, word: int) -> None:
        command = _COMMANDS.get(word)
        if command is None:
            raise Refusal(Code.ILLEGAL_VALUE)
        before = session.received(self._counted(self._memory), command)
        taken = Taken(command, int(before.import_wh), int(before.export_wh), before.last)
        try:
            if command is Command.BEGIN:
                after = session.begin(before, taken, self.settings)
            else:
                after = session.end(before, command, taken, self.settings.behaviour)
        except Refusal:
            self._save(before)  # that it came is counted even so
            raise
        if session.is_signing(after) and after is not before:
            slow = self.faults.take(FaultKind.SLOW_READY)
            delay = slow.value_s if slow else self.settings.signing_delay.total_seconds()
            self._ready_at = self._monotonic() + delay
        self._save(after)

    def _confirm(self, word: int) -> None:
        if word != 0:
            raise Refusal(Code.ILLEGAL_VALUE)
        self._save(session.confirm(session.received(self._memory, Command.CONFIRM)))


def _new_memory(settings: Em580Settings) -> Memory:
    curve = KeyCurve.NONE if settings.is_em300 else settings.curve
    return Memory(
        curve=curve,
        key=new_secret(curve, settings.key_seed),
        import_wh=Decimal(settings.begin_energy_wh),
        export_wh=Decimal(settings.begin_export_wh),
        page=settings.begin_page,
    )


def _by_transaction(memory: Memory) -> Mapping[str, Mapping[str, int]]:
    counts: dict[str, dict[str, int]] = {}
    for done in memory.commands:
        of_one = counts.setdefault(done.transaction_id, {})
        of_one[str(done.command)] = of_one.get(str(done.command), 0) + 1
    return counts
