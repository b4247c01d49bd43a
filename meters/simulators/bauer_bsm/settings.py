"""What a simulated BSM-WS36A is like, and where firmware may differ from what is known."""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta


def _about(text: str) -> Meta:
    return Meta(description=text)


class Settings(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """One simulated meter. The switches from ``dialect`` on are what is not known or differs.

    Two dialects of records were published. By the text of the vendor only turning on resets the
    reference register, in records from the field a start snapshot did so too. Whether the text
    registers survive a power cut, whether the meter answers while it signs, and whether a record
    that is read twice is signed twice is not documented.
    """

    serial_number: Annotated[str, Meta(max_length=16, description="at most 16 characters")] = (
        "001BZR1521070006"
    )
    vendor: Annotated[str, Meta(max_length=32, description="field MV")] = "BAUER Electronic"
    model: Annotated[str, Meta(max_length=32, description="field MM")] = "BSM-WS36A-H01-1311-0000"
    meter_version: Annotated[str, Meta(max_length=16, description="first part of GV")] = (
        "1.9:32CA:AFF4"
    )
    module_version: Annotated[str, Meta(max_length=16, description="second part of GV")] = "f1d3d06"
    base_address: Annotated[int, Meta(ge=0, le=60_000, description="where the models begin")] = (
        40_000
    )
    key_seed: Annotated[str | None, _about("the same seed gives the same key")] = None
    begin_energy_wh: Annotated[int, Meta(ge=0, description="of a meter that was never used")] = 0
    begin_export_wh: Annotated[int, Meta(ge=0, description="likewise")] = 0
    begin_page: Annotated[int, Meta(ge=0, description="response counter")] = 0
    signing_delay_s: Annotated[float, Meta(ge=0, description="what a snapshot takes")] = 1.0
    boot_delay_s: Annotated[float, Meta(ge=0, description="silence after power-up")] = 2.0
    time_lapse: Annotated[Decimal, _about("energy grows so much faster")] = Decimal(1)
    state_file: Path | None = None
    energy_scale: Annotated[
        int, Meta(ge=0, le=3, description="of ten: resolution of the counters in Wh")
    ] = 1
    events: Annotated[int, Meta(ge=0, le=0xFFFF_FFFF, description="event bits of model 203")] = 0
    enable_input: Annotated[bool, _about("without it the meter does not turn on")] = True
    contactor_feedback: Annotated[bool, _about("without it turning on and off fails")] = True
    signing: Annotated[bool, _about("False is any other meter with model 203")] = True
    dialect: Annotated[Literal["kWh", "Wh"], _about("newer and older form of the records")] = "kWh"
    start_resets: Annotated[
        bool, _about("a start snapshot sets the reference register to zero, as turning on does")
    ] = True
    keeps_texts: Annotated[bool, _about("the text registers survive a power cut")] = False
    silent_while_signing: Annotated[bool, _about("nothing is answered meanwhile")] = False
    fresh_signatures: Annotated[bool, _about("a record that is read again is signed again")] = False

    def __post_init__(self) -> None:
        """Refuse what no meter does.

        Raises:
            ValueError: names the value and what is allowed.
        """
        if self.time_lapse <= 0:
            raise ValueError(f"time lapse {self.time_lapse}, must be above 0")
