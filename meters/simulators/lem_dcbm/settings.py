"""What a simulated LEM DCBM is like: identity, key, and where nobody but the vendor knows."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from meters.simulators.lem_dcbm.flags import ERRORS, STATUS

IDENTIFICATIONS: Final = (
    "NONE", "DENIED", "UNDEFINED", "ISO14443", "ISO15693", "EMAID", "EVCCID", "EVCOID", "ISO7812",
    "CARD_TXN_NR", "CENTRAL", "CENTRAL_1", "CENTRAL_2", "LOCAL", "LOCAL_1", "LOCAL_2",
    "PHONE_NUMBER", "KEY_CODE",
)  # fmt: skip
"""OCMF field IT by the number that the meter has for it."""


class PowerCut(StrEnum):
    """What a power cut makes of a running transaction."""

    CLOSED = "closed"  # on power-up the meter ends it with the register as it was
    RESUMED = "resumed"  # it goes on


class Settings(msgspec.Struct, kw_only=True, frozen=True):
    """One simulated meter. What is marked "Assumed" is not known of the real one."""

    serial_number: Annotated[str, Meta(max_length=20, description="Meter id.")] = "12024072805"
    firmware: Annotated[
        str,
        Meta(
            pattern=r"^\d+(\.\d+)*$",
            description="Application firmware; four parts with the second above 1 speak /v2.",
        ),
    ] = "0.1.4.0"
    sensor_firmware: Annotated[str, Meta(description="Firmware of the sensor unit.")] = "0.0.8.0"
    key_seed: Annotated[
        str | None, Meta(description="The same seed gives the same key; else a random one.")
    ] = None
    begin_energy_wh: Annotated[int, Meta(ge=0, description="Import counter of a new meter.")] = 0
    begin_export_wh: Annotated[int, Meta(ge=0, description="Export counter of a new meter.")] = 0
    begin_page: Annotated[int, Meta(ge=0, description="Records signed before.")] = 0
    voltage: Annotated[Decimal, Meta(description="Volts between plus and minus.")] = Decimal(400)
    temperature_h: Annotated[Decimal, Meta(description="Degrees, sensor H.")] = Decimal("31.5")
    temperature_l: Annotated[Decimal, Meta(description="Degrees, sensor L.")] = Decimal("29.0")
    signing_delay_s: Annotated[
        float, Meta(ge=0, description="Until the answer to a stop, which holds the signature.")
    ] = 0.3
    boot_delay_s: Annotated[float, Meta(ge=0, description="Silence after power-up.")] = 10.0
    settings_delay_s: Annotated[
        float, Meta(ge=0, description="After power-up, in which settings may not be stored.")
    ] = 120.0
    time_lapse: Annotated[Decimal, Meta(description="Energy grows so many times faster.")] = (
        Decimal(1)
    )
    synchronised: Annotated[bool, Meta(description="The clock of a new meter is set.")] = False
    ntp_reachable: Annotated[bool, Meta(description="NTP servers answer the meter.")] = True
    flags: Annotated[
        tuple[str, ...], Meta(description="Status and error bits that are not healthy, by name.")
    ] = ()
    start_refusal: Annotated[
        Literal["status", "running-false"],
        Meta(description="Assumed: a start declined by a status 4xx or by 201, running false."),
    ] = "status"
    refusal_status: Annotated[
        int, Meta(ge=400, le=499, description="Assumed: status of a declined start or stop.")
    ] = 403
    unknown_record: Annotated[
        Literal["404", "empty"], Meta(description="Assumed: answer for an id it does not have.")
    ] = "404"
    no_history: Annotated[
        Literal["404", "empty-id"], Meta(description="Assumed: legal before any transaction.")
    ] = "404"
    legal_get: Annotated[
        Literal["full", "bare"],
        Meta(description="Assumed: legal read back with all values, or with the id only."),
    ] = "full"
    early_stop: Annotated[
        Literal["accepted", "refused"],
        Meta(description="Assumed: a stop before the least duration."),
    ] = "accepted"
    least_duration_s: Annotated[
        float, Meta(ge=0, description="Least duration of a transaction.")
    ] = 120.0
    early_settings: Annotated[
        Literal["kept", "lost"],
        Meta(description="Assumed: whether settings written too soon survive the next power cut."),
    ] = "lost"
    power_cut: Annotated[
        PowerCut, Meta(description="Assumed: what becomes of a running transaction.")
    ] = PowerCut.CLOSED
    power_cut_status: Annotated[
        int, Meta(ge=0, le=255, description="Assumed: bits a power cut adds to its status.")
    ] = 0
    settings_get: Annotated[
        Literal["full", "bare"],
        Meta(description="Assumed: settings read back with time zone and DST, or without."),
    ] = "full"
    zoned_live_time: Annotated[
        bool, Meta(description="Assumed: time of live values with its offset.")
    ] = True
    certificate_breaks: Annotated[
        bool, Meta(description="Line breaks of the PEM where they belong; real meters lack two.")
    ] = False
    capacity: Annotated[int, Meta(ge=2, le=20399, description="Records kept; oldest go.")] = 840
    logbook_capacity: Annotated[int, Meta(ge=1, description="Entries of the logbook.")] = 40_000
    state_file: Path | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            ValueError: names the value and what is allowed.
        """
        known = (*STATUS, *ERRORS)
        for name in self.flags:
            if name not in known:
                raise ValueError(f"flag {name!r}, known are {', '.join(known)}")
        if not self.voltage > 0:
            raise ValueError(f"voltage {self.voltage}, must be above 0")
        if not self.time_lapse > 0:
            raise ValueError(f"time lapse {self.time_lapse}, must be above 0")

    @property
    def speaks_v2(self) -> bool:
        """Whether the firmware also offers the second version of the interface."""
        parts = [int(part) for part in self.firmware.split(".")]
        return len(parts) == 4 and parts[1] > 1  # noqa: PLR2004 - major, minor, patch, build

    @property
    def tells_all(self) -> bool:
        """Whether legal is read back with all values."""
        return self.legal_get == "full"
