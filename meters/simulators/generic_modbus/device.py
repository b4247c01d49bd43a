"""The simulated meter of a profile: registers in and out, power cuts, and nothing of the wire.

The registers of both read functions are one space, because no profile uses one address twice.
"""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from meters.profiles import load
from meters.registers import Kind, blocks
from meters.simulators.catalog import utc_now
from meters.simulators.energy import Load
from meters.simulators.faults import Faults
from meters.simulators.generic_modbus import image
from meters.simulators.generic_modbus.measured import (
    Measured,
    Totals,
    conductors,
    dump,
    new_totals,
    restore,
)
from meters.simulators.refusal import Code, Refusal
from meters.simulators.statefile import StateFile

DRIVER: Final = "generic_modbus"
TRANSPORT: Final = "modbus"
TITLE: Final = "Modbus meter of any profile"


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """What the simulated meter is like.

    An empty ``serial_number`` is one that fits; ``identification_code`` None is the first one of
    the profile. Without ``identity`` the meter has no registers for serial number, version and
    code, as old ones. Without ``gaps`` it refuses reads that touch words that are no register.
    ``state_file`` keeps the energy over a power cut.
    """

    profile: Annotated[
        str, Meta(description="Name of a profile that comes along, or path of a .yaml file.")
    ] = "eastron_sdm630_v2"
    serial_number: str = ""
    begin_energy_wh: Annotated[int, Meta(ge=0, description="Wh imported by a new meter.")] = 0
    begin_export_wh: Annotated[int, Meta(ge=0, description="Wh exported by a new meter.")] = 0
    identification_code: Annotated[
        int | None, Meta(description="What tells the model, where the profile has such a register.")
    ] = None
    identity: Annotated[bool, Meta(description="Has serial number, version and model code.")] = True
    gaps: Annotated[bool, Meta(description="Lets reads span what is no register.")] = True
    boot_delay_s: Annotated[float, Meta(ge=0, description="Seconds of silence at power-up.")] = 2.0
    time_lapse: Annotated[Decimal, Meta(description="Energy grows so much faster.")] = Decimal(1)
    state_file: Path | None = None


QUICK: Final[dict[str, Any]] = {"boot_delay_s": 0.0}
QUICK_DRIVER: Final[dict[str, Any]] = {
    "profile": Path(msgspec.structs.fields(Settings)[0].default),
    "communication_retry_count": 2,
    "communication_retry_delay_ms": 10,
    "communication_error_pause_delay_s": 0,
}


class GenericMeter:
    """One meter. Making one is power-up: with a state file it goes on where it was.

    Attributes:
        settings: what it was made with.
        faults: what goes wrong with this meter; the line asks for those of the wire.
        serial_number: as it is shown; empty if the profile has no register for it.
        functions: Modbus functions that the profile uses; others are refused.
    """

    public_key = ""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        """Switch the meter on.

        Raises:
            ProfileError: the profile is not there or has mistakes.
            ValueError: a setting that cannot be, or a state file of another kind of meter.
            OSError: the state file cannot be read.
        """
        if settings.time_lapse <= 0:
            raise ValueError(f"time lapse {settings.time_lapse}, must be above 0")
        self.settings = settings
        self.faults = Faults(monotonic)
        self._profile = load(settings.profile)
        self.functions = self._profile.functions
        self._clock, self._monotonic = clock, monotonic
        self._phases = conductors(self._profile)
        self.serial_number = settings.serial_number or image.new_serial(self._profile.serial_number)
        self._identity = self._identities() if settings.identity else {}
        gap = self._profile.max_gap if settings.gaps else 0
        reads = blocks(self._profile.registers, max_words=self._profile.max_words, max_gap=gap)
        self._readable = {
            address for read in reads for address in range(read.address, read.address + read.count)
        }
        self._overrides: dict[int, int] = {}
        self._file = StateFile(settings.state_file) if settings.state_file else None
        stored = self._file.load() if self._file else None
        self._measured = self._counters(
            restore(stored, self._phases)
            if stored
            else new_totals(self._phases, settings.begin_energy_wh, settings.begin_export_wh)
        )
        self._power_up()

    # What the world does to the meter.

    def set_load(self, watts: Decimal | int, phases: int = 3) -> None:
        """From now on the vehicle takes ``watts``; negative is export.

        Raises:
            ValueError: not 1 to 3 phases, or more than any meter measures.
        """
        self._measured.set_load(Load(Decimal(watts), phases))

    def reboot(self) -> None:
        """Cut the power and give it back; the energy stays."""
        load = self._measured.load
        self._measured = self._counters(self._measured.totals())
        self._measured.set_load(load)
        self._power_up()

    def override(self, address: int, words: Sequence[int]) -> None:
        """Show these words from ``address`` on until cleared."""
        self._overrides |= {address + place: word for place, word in enumerate(words)}

    def clear_overrides(self) -> None:
        """Show the truth again."""
        self._overrides.clear()

    def tick(self) -> None:
        """Save the energy of a meter that nobody reads."""
        self._save()

    # What the line asks.

    def silent(self) -> bool:
        """Whether the meter is still starting up."""
        return self._monotonic() < self._awake_at

    def read(self, address: int, count: int) -> tuple[int, ...]:
        """The words of one request, all of one moment.

        Raises:
            Refusal: more than the meter gives at once, or no such registers.
        """
        exact = self._identity.get((address, count))
        if exact is None and count > self._profile.max_words:
            raise Refusal(Code.ILLEGAL_VALUE)
        if exact is None and not self._readable.issuperset(range(address, address + count)):
            raise Refusal(Code.ILLEGAL_ADDRESS)
        self._save()
        shown = image.measured_words(self._profile, self._measured.value)
        words = list(exact or (shown.get(address + place, 0) for place in range(count)))
        for place in range(count):
            words[place] = self._overrides.get(address + place, words[place])
        if (value := self.faults.value_for(address, count)) is not None:
            words[value.register - address] = value.word
        return tuple(words)

    def write(self, address: int, words: Sequence[int]) -> None:  # noqa: ARG002 - the line's call
        """Nothing can be written.

        Raises:
            Refusal: always.
        """
        raise Refusal(Code.ILLEGAL_FUNCTION)

    # What tests and people look at.

    @property
    def energy_wh(self) -> Decimal:
        """Imported energy, not rounded."""
        return self._measured.totals()["total"][0]

    def status(self) -> dict[str, object]:
        """Ready for JSON."""
        imported, exported = self._measured.totals()["total"]
        return {
            "serial_number": self.serial_number,
            "model": f"{self._profile.vendor} {self._profile.model}",
            "public_key": "",
            "import_wh": str(imported),
            "export_wh": str(exported),
            "load_w": str(self._measured.load.watts),
            "state": "starting" if self.silent() else "measuring",
            "time": self._clock().isoformat(),
            "faults": [str(fault) for fault in self.faults.active()],
        }

    def _identities(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """The words of each register that tells who the meter is, by address and length.

        They are given for exactly this request only: at the model code of some meters a longer read
        finds a voltage.
        """
        profile = self._profile
        words = image.serial_words(profile.serial_number, self.serial_number)
        words |= image.firmware_words(profile.firmware)
        registers = [*profile.serial_number, *profile.firmware]
        if (check := profile.identification) is not None:
            code = self.settings.identification_code
            code = next(iter(check.models)) if code is None else code
            kind = Kind(check.register.kind)
            for place, word in enumerate(image.encode(Decimal(code), kind, check.register.order)):
                words[check.register.address + place] = word
            registers.append(check.register)
        return {
            (one.address, one.words): tuple(words[one.address + at] for at in range(one.words))
            for one in registers
        }

    def _counters(self, totals: Totals) -> Measured:
        return Measured(
            self._phases,
            totals,
            monotonic=self._monotonic,
            time_lapse=self.settings.time_lapse,
        )

    def _power_up(self) -> None:
        self._awake_at = self._monotonic() + self.settings.boot_delay_s

    def _save(self) -> None:
        if self._file is not None:
            self._file.save(dump(self._measured.totals()), durable=False)


def create(
    settings: Settings | None = None,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> GenericMeter:
    """A meter, switched on."""
    return GenericMeter(settings or Settings(), clock=clock, monotonic=monotonic)
