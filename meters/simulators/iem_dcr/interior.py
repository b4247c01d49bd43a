"""The inside of the simulated IEM-DCR: counters, clock, memory, transactions, power.

Everything is worked out when it is asked for, so the device needs no timer of its own.
"""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from meters.ocmf import Curve, OcmfError
from meters.simulators.catalog import utc_now
from meters.simulators.energy import EnergyCounter, Load
from meters.simulators.faults import FaultKind, Faults
from meters.simulators.iem_dcr import record, transactions
from meters.simulators.iem_dcr.clock import MeterClock
from meters.simulators.iem_dcr.memory import Gateway, Memory, Taken, User
from meters.simulators.iem_dcr.moment import UNSET, Moment
from meters.simulators.iem_dcr.requests import PRECONDITION
from meters.simulators.iem_dcr.settings import NO_ERROR, Settings
from meters.simulators.keys import SigningKey, new_secret
from meters.simulators.refusal import Refusal
from meters.simulators.statefile import StateFile

_CURVE: Final = Curve.SECP256R1


class Interior:
    """What the meter is and does, whoever asks.

    Attributes:
        settings: what it was made with.
        faults: what goes wrong with this meter; the server asks for those of the wire.
        error_code: field XC; anything but zeros keeps a transaction from beginning.
        meter_state: field ST.
        error_flags: field EF, without the ``t`` of a clock that was not set.
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        clock: Callable[[], datetime] = utc_now,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Switch the meter on: with a state file it comes back as a power cut left it.

        Raises:
            ValueError: the state file belongs to something else.
            OSError: the state file cannot be read or written.
        """
        self.settings = settings = settings or Settings()
        self.faults = Faults(monotonic)
        self.error_code, self.meter_state, self.error_flags = NO_ERROR, "G", ""
        self._wall, self._monotonic = clock, monotonic
        self._file = StateFile(settings.state_file) if settings.state_file else None
        stored = self._file.load() if self._file else None
        self._memory = self._new_memory() if stored is None else _memory(stored)
        self._key = SigningKey.of(_CURVE, self._memory.key)
        self._energy = self._counter()
        self._power_up()
        if stored is None and settings.foreign_transaction:
            self._begin_foreign()

    # What the world does to the meter.

    def set_load(self, watts: Decimal | int, phases: int = 3) -> None:
        """From now on the vehicle takes ``watts``; negative is export, phases mean nothing to DC.

        Raises:
            ValueError: no number.
        """
        self._energy.set_load(Load(Decimal(watts), phases))

    def reboot(self) -> None:
        """Cut the power and give it back; see ``Settings.power_cut`` for what runs.

        Raises:
            OSError: the state file cannot be written.
        """
        self._settle()
        self._checkpoint()
        load = self._energy.load
        self._energy = self._counter()
        self._energy.set_load(load)
        self._power_up()

    # What tests and people look at.

    @property
    def memory(self) -> Memory:
        """The non-volatile part, as last saved."""
        self._settle()
        return self._memory

    @property
    def energy_wh(self) -> Decimal:
        """Imported energy, not rounded."""
        return self._energy.totals()[0]

    @property
    def gateway(self) -> Gateway | None:
        """Identification of the charge point, if it was set since power-up."""
        return self._gateway

    @property
    def public_key(self) -> str:
        """The key in upper-case hex, SubjectPublicKeyInfo; see ``Settings.public_key``."""
        return self._key.spki.hex().upper()

    def moment(self) -> Moment:
        """The meter's own clock."""
        return self._clock.moment()

    # Inside.

    def _new_memory(self) -> Memory:
        settings = self.settings
        return Memory(
            key=new_secret(_CURVE, settings.key_seed, model="IEM-DCR"),
            import_wh=Decimal(settings.begin_energy_wh),
            export_wh=Decimal(settings.begin_export_wh),
            last=Moment(self._wall(), settings.zone_offset_min),
            page=settings.begin_page,
        )

    def _counter(self) -> EnergyCounter:
        return EnergyCounter(
            self._memory.import_wh,
            self._memory.export_wh,
            monotonic=self._monotonic,
            time_lapse=self.settings.time_lapse,
        )

    def _power_up(self) -> None:
        settings, now = self.settings, self._monotonic()
        self._awake_at = now + settings.boot_delay_s
        self._clock = MeterClock(settings, self._wall, self._monotonic)
        frozen = settings.frozen_ci
        self._gateway = Gateway(settings.frozen_ct, frozen) if frozen else None
        self._user: User | None = None
        self._tariff = ""
        self._receipt_open = False
        self._ready_at = now  # what was being signed is signed as soon as somebody asks
        self._save(transactions.power_up(self._memory, settings))

    def _begin_foreign(self) -> None:
        begun = transactions.begin(
            self._memory,
            self._taken("B"),
            self.settings,
            gateway=self._gateway or Gateway("DC-Test-Charger", "CP-DE-4711"),
            user=transactions.FOREIGN,
            tariff="0,20 EUR/kWh",
        )
        self._save(begun)

    def _settle(self) -> None:
        """Finish the record if it is due."""
        if self._memory.signing and self._monotonic() >= self._ready_at:
            if self.faults.take(FaultKind.CORRUPTED):
                self._save(transactions.lose(self._memory))
            else:
                self._save(transactions.finish(self._memory, self.settings, self._key))

    def _checkpoint(self) -> None:
        """Energy that is shown was saved before: a counter never goes back after a kill."""
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
            self._file.save(msgspec.json.encode(memory), durable=durable)
        self._memory = memory

    def _command(self, command: str) -> None:
        before = transactions.received(self._counted(self._memory), command)
        try:
            after = self._commanded(before, command)
        except Refusal:
            self._save(before)  # that it came is counted even so
            raise
        if after.signing and not before.signing:
            slow = self.faults.take(FaultKind.SLOW_READY)
            delay = slow.value_s if slow else self.settings.signing_delay_s
            self._ready_at = self._monotonic() + delay
        self._save(after)
        if command == "E":
            self._receipt_open = True
        if after.running and not before.running:
            self._user = None  # whom it was for is used up

    def _commanded(self, before: Memory, command: str) -> Memory:
        gateway, taken = self._gateway, self._taken(command)
        if gateway is None or abs(self._current()) > self.settings.threshold_a:
            raise Refusal(PRECONDITION)
        if command == "E":
            return transactions.end(before, taken, self.settings)
        if command == "C":
            return transactions.intermediate(before, taken)
        if self.error_code != NO_ERROR:
            raise Refusal(PRECONDITION)
        user, tariff = self._user, self._tariff
        after = transactions.begin(
            before, taken, self.settings, gateway=gateway, user=user, tariff=tariff
        )
        self._check_writable(after)
        return after

    def _check_writable(self, memory: Memory) -> None:
        """A transaction whose record could not be written must not begin."""
        if memory.session is None:
            return
        try:
            record.payload(self.settings, memory.session)
        except OcmfError as error:
            raise Refusal(self.settings.bad_request_status) from error

    def _taken(self, reason: str) -> Taken:
        imported, exported = self._energy.totals()
        errors, state = self._errors(), self.meter_state
        return Taken(reason, int(imported), int(exported), self.moment(), errors, state)

    def _errors(self) -> str:
        return self.error_flags + ("t" if self._clock.letter == UNSET else "")

    def _current(self) -> Decimal:
        return self._energy.load.watts / self.settings.voltage_v


def _memory(content: bytes) -> Memory:
    try:
        return msgspec.json.decode(content, type=Memory)
    except msgspec.DecodeError as error:
        raise ValueError(f"not the state of an IEM-DCR, {error}") from error
