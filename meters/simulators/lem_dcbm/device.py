"""The simulated LEM DCBM: requests in, answers out, power cuts, and nothing of the wire.

Everything is worked out when it is asked for, so the device needs no timer of its own; ``tick``
only saves the energy of a meter that nobody reads.
"""

import contextlib
import time
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from meters.ocmf.curves import Curve
from meters.simulators.catalog import utc_now
from meters.simulators.certificate import Certificate, self_signed
from meters.simulators.energy import EnergyCounter, Load
from meters.simulators.faults import FaultKind, Faults
from meters.simulators.http import HttpRequest, HttpResponse
from meters.simulators.keys import SigningKey, new_secret
from meters.simulators.lem_dcbm import api, clock, flags, rules
from meters.simulators.lem_dcbm.memory import Asked, Memory, Setup, Taken
from meters.simulators.lem_dcbm.settings import PowerCut, Settings
from meters.simulators.statefile import StateFile

_CURVE: Final = Curve.SECP256R1
_KWH: Final = Decimal("0.001")
_LAST_ANSWER_S: Final = 0.2  # in which the answer to "TLS on" still leaves in plain HTTP


class LemDcbm:
    """One meter. Not for use from several threads.

    Making one is power-up: with a state file it comes back as a power cut left it.

    Attributes:
        settings: what it was made with.
        faults: what goes wrong with this meter; the server asks for those of the wire.
        flags: names of status and error bits that are not healthy now; may be changed.
        certificate_pem: what the server shows, which sets it; empty while it speaks plain HTTP.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Switch the meter on.

        Raises:
            ValueError: the state file belongs to something else.
            OSError: the state file cannot be read or written.
        """
        self.settings = settings = settings or Settings()
        self.faults = Faults(monotonic)
        self.flags = set(settings.flags)
        self.certificate_pem = ""
        self._clock, self._monotonic = clock, monotonic
        self._file = StateFile(settings.state_file) if settings.state_file else None
        self._memory = self._load() or self._new_memory()
        self._key = SigningKey.of(_CURVE, self._memory.key)
        self._energy = self._counter()
        self._power_up()

    # What the world does to the meter.

    def set_load(self, watts: Decimal | int, phases: int = 1) -> None:
        """From now on the vehicle takes ``watts``; negative is export. It is a DC meter.

        Raises:
            ValueError: not 1 to 3 phases, or more than a meter can stand.
        """
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
        self._power_up()

    def override(self, *_: object) -> None:
        """There are no registers to be overridden."""

    def clear_overrides(self) -> None:
        """There are none."""

    def tick(self) -> None:
        """Take note of the time and save the energy; to be called every few seconds."""
        with contextlib.suppress(OSError):
            self._settle()
            self._checkpoint()

    # What the server asks.

    def silent(self) -> bool:
        """Whether the meter answers nothing: still starting up, or TLS is on and this is not it."""
        now = self._monotonic()
        return now < self._awake_at or (
            self.tls_on and not self.certificate_pem and now > self._plain_until
        )

    def handle(self, request: HttpRequest) -> HttpResponse:
        """Answer one request; its effect is saved before this returns."""
        try:
            self._settle()
            self._checkpoint()
            return api.answer(self, request)
        except OSError as error:
            return api.trouble(f"memory: {error.strerror}")

    # What tests and people look at.

    @property
    def memory(self) -> Memory:
        """The non-volatile part, as last saved."""
        return self._memory

    @property
    def certificate(self) -> Certificate:
        """The meter's own certificate, made when it is first asked for."""
        if not self._memory.certificate:
            made = self_signed(f"DCBM {self.settings.serial_number}", key="rsa-1024")
            self._save(replace(self._memory, certificate=made.pem, certificate_key=made.key_pem))
        return Certificate(self._memory.certificate, self._memory.certificate_key)

    @property
    def tls_on(self) -> bool:
        """Whether the meter has been told to speak TLS, or does so already."""
        return self._setup.tls_on or bool(self.certificate_pem)

    @property
    def setup(self) -> Setup:
        """The settings in force; those written too soon after power-up may not be saved."""
        return self._setup

    @property
    def key(self) -> SigningKey:
        """The key of the records."""
        return self._key

    @property
    def public_key(self) -> str:
        """The SubjectPublicKeyInfo in upper-case hex."""
        return self._key.spki.hex().upper()

    @property
    def energy_wh(self) -> Decimal:
        """Imported energy, not rounded."""
        return self._energy.totals()[0]

    @property
    def load(self) -> Load:
        """What flows now."""
        return self._energy.load

    def status(self) -> dict[str, Any]:
        """What people look at."""
        with contextlib.suppress(OSError):
            self._settle()
        imported, exported = self._energy.totals()
        memory = self._memory
        names = memory.begun.keys() | memory.ended.keys()
        return {
            "serial_number": self.settings.serial_number,
            "public_key": self.public_key,
            "import_wh": str(imported.quantize(_KWH)),
            "export_wh": str(exported.quantize(_KWH)),
            "state": "RUNNING" if memory.open else "IDLE",
            "status": self.status_value(),
            "transaction_id": memory.open.id if memory.open else "",
            "records": len(memory.finished),
            "clock": clock.meter_time(self._setup, self._clock()).isoformat(),
            "synchronised": self.synchronised(),
            "tls": self.tls_on,
            "boots": memory.boots,
            "transactions": {
                name: {"begin": memory.begun.get(name, 0), "end": memory.ended.get(name, 0)}
                for name in sorted(names)
            },
        }

    # What the answers are made of.

    def status_value(self) -> int:
        """The status byte now."""
        names: Collection[str] = self.flags
        if self._memory.logbook_full:
            names = {*names, "logbookIsFull"}
        running = self._memory.open is not None
        return flags.status_value(names, running=running, synchronised=self.synchronised())

    def synchronised(self) -> bool:
        """Whether the clock is set well enough for a transaction."""
        reachable = self.settings.ntp_reachable
        return clock.synchronised(self._setup, self._clock(), ntp_reachable=reachable)

    def now(self) -> datetime:
        """The meter's own clock."""
        return clock.meter_time(self._setup, self._clock())

    def world(self) -> datetime:
        """The time that the clock is compared with."""
        return self._clock()

    def taken(self) -> Taken:
        """Both registers now, cut to whole Wh."""
        imported, exported = (_kwh(total) for total in self._energy.totals())
        return Taken(self.now(), imported, exported, self.synchronised())

    def begin(self, asked: Asked) -> None:
        """Start a transaction.

        Raises:
            Declined: as for ``rules.begin``.
        """
        begun = rules.begin(
            self._memory,
            asked,
            self.taken(),
            self.settings,
            self._key,
            status=self.status_value(),
            identification=self._setup.identification,
        )
        self._save(self._logged(begun, f"begin {asked.transaction_id}"))

    def end(self) -> None:
        """End the running transaction; a fault may delay or lose its record."""
        slow = self.faults.take(FaultKind.SLOW_READY)
        ready_at = self._clock() + timedelta(seconds=slow.value_s) if slow else None
        ended = rules.end(self._memory, self.taken(), self.settings, self._key, ready_at=ready_at)
        if self.faults.take(FaultKind.CORRUPTED):
            ended = rules.lose_record(ended)
        self._save(self._logged(ended, "end"))

    def change(self, setup: Setup) -> None:
        """Other settings; soon after power-up they may be forgotten with the power."""
        self._plain_until = self._monotonic() + _LAST_ANSWER_S
        self._setup = setup
        early = self._monotonic() < self._stores_from
        if not early or self.settings.early_settings == "kept":
            self._save(replace(self._logged(self._memory, "settings"), setup=setup))

    # Inside.

    def _power_up(self) -> None:
        self._awake_at = self._monotonic() + self.settings.boot_delay_s
        self._stores_from = self._monotonic() + self.settings.settings_delay_s
        self._plain_until = self._monotonic()
        self._setup = self._memory.setup
        # A failure inside stays until the power goes; the world outside is as it was.
        self.flags -= {"memoryAccessIsFailed", "reversedVoltage"} - set(self.settings.flags)
        memory = self._memory
        if memory.open is not None:
            status = memory.open.status | self.settings.power_cut_status
            memory = replace(memory, open=replace(memory.open, status=status))
            if self.settings.power_cut is PowerCut.CLOSED:
                memory = rules.end(memory, self.taken(), self.settings, self._key, cause="P")
        self._save(replace(self._logged(memory, "power-up"), boots=memory.boots + 1))

    def _settle(self) -> None:
        """What happened to the running transaction since the last look."""
        running = self._memory.open
        if running is None:
            return
        status = running.status | self.status_value() & ~(flags.HEALTHY | flags.RUNNING)
        if not self.synchronised():
            status &= ~flags.SYNCHRONISED
        if status != running.status:
            self._save(replace(self._memory, open=replace(running, status=status)))

    def _checkpoint(self) -> None:
        """Save the energy: what was shown once does not go back after a kill."""
        imported, exported = self._energy.totals()
        if (imported, exported) != (self._memory.import_wh, self._memory.export_wh):
            grown = replace(self._memory, import_wh=imported, export_wh=exported)
            self._save(grown, durable=False)

    def _logged(self, memory: Memory, event: str) -> Memory:
        if len(memory.logbook) >= self.settings.logbook_capacity:
            return replace(memory, logbook_full=True)
        line = f"{self.now().isoformat(timespec='seconds')} {event}"
        return replace(memory, logbook=(*memory.logbook, line))

    def _save(self, memory: Memory, *, durable: bool = True) -> None:
        if self._file is not None:
            self._file.save(msgspec.json.encode(memory), durable=durable)
        self._memory = memory

    def _load(self) -> Memory | None:
        content = self._file.load() if self._file else None
        if content is None:
            return None
        try:
            return msgspec.json.decode(content, type=Memory)
        except msgspec.DecodeError as error:
            where = self.settings.state_file
            raise ValueError(f"{where}: not the state of a LEM DCBM, {error}") from error

    def _new_memory(self) -> Memory:
        settings, world = self.settings, self._clock()
        return Memory(
            key=new_secret(_CURVE, settings.key_seed, model="LEM DCBM"),
            import_wh=Decimal(settings.begin_energy_wh),
            export_wh=Decimal(settings.begin_export_wh),
            page=settings.begin_page,
            setup=Setup(synchronised_at=world if settings.synchronised else None),
        )

    def _counter(self) -> EnergyCounter:
        return EnergyCounter(
            self._memory.import_wh,
            self._memory.export_wh,
            monotonic=self._monotonic,
            time_lapse=self.settings.time_lapse,
        )


def _kwh(watt_hours: Decimal) -> Decimal:
    return watt_hours.scaleb(-3).quantize(_KWH, ROUND_DOWN)
