"""What a simulated WM3M4C is like, and where firmware may differ from what is known."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


def _about(text: str) -> Meta:
    return Meta(description=text)


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One simulated meter. The switches from ``keeps_data_set`` on are what is not known for sure.

    The manual says that the output is lost with the power; that the data set is too, that zeros
    stand in front of the numbers of a signature, and that the status of the begin still shows after
    an end, was seen by others. What the registers of the signature hold after power-up, and whether
    gaps between registers can be read, nobody has told.
    """

    serial_number: Annotated[str, Meta(max_length=8, description="at most 8 characters")] = (
        "W4155775"
    )
    model: Annotated[str, Meta(max_length=16, description="without a C it has no key")] = "WM3M4C"
    firmware: Annotated[str, _about("field MF of the record")] = "2.05"
    key_seed: Annotated[str | None, _about("the same seed gives the same key")] = None
    begin_energy_wh: Annotated[int, Meta(ge=0, description="of a meter that was never used")] = 0
    begin_export_wh: Annotated[int, Meta(ge=0, description="likewise")] = 0
    begin_page: Annotated[int, Meta(ge=0, description="number of the last record")] = 0
    signing_delay_s: Annotated[float, Meta(ge=0, description="what a signature takes")] = 0.3
    boot_delay_s: Annotated[float, Meta(ge=0, description="silence after power-up")] = 2.0
    time_lapse: Annotated[Decimal, _about("energy grows so much faster")] = Decimal(1)
    state_file: Path | None = None
    counter_exponent: Annotated[
        int, Meta(ge=-3, le=3, description="of ten: resolution of the energy registers in Wh")
    ] = 0
    record_places: Annotated[int, Meta(ge=0, le=4, description="digits of kWh in a record")] = 2
    error_flags: Annotated[Literal["", "t", "E", "Et"], _about("field EF of a record")] = ""
    keeps_data_set: Annotated[bool, _about("the data set survives a power cut")] = False
    wakes_as: Annotated[
        Literal["after-power-failure", "after-reset", "idle"],
        _about("charging state after a power cut in a transaction"),
    ] = "after-power-failure"
    old_status_s: Annotated[
        float, Meta(ge=0, description="how long the old status shows after a command")
    ] = 0.0
    padded_signature: Annotated[bool, _about("zeros in front of the numbers")] = False
    base64_at_power_up: Annotated[bool, _about("form of the signature until it is set")] = False
    unsigned_at_power_up: Annotated[bool, _about("no algorithm until it is set")] = False
    needs_clock: Annotated[bool, _about("signs nothing before the clock is set")] = True
    gaps_readable: Annotated[bool, _about("unused input registers read as zero")] = True
    in_error: Annotated[bool, _about("a meter with Err on its display starts nothing")] = False

    def __post_init__(self) -> None:
        """Refuse what no meter does.

        Raises:
            ValueError: names the value and what is allowed.
        """
        if self.time_lapse <= 0:
            raise ValueError(f"time lapse {self.time_lapse}, must be above 0")

    @property
    def signs(self) -> bool:
        """Whether it is the sister with a key."""
        return self.model.endswith("C")
