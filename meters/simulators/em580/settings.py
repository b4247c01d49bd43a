"""What a simulated EM580 is like: identity, key, and where firmware may differ."""

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from pathlib import Path

from meters.ocmf.curves import Curve
from meters.simulators.refusal import Code

MOST_RECORD_BYTES = 4062
"""The file area 0x7110 to 0x78FE."""

EM300_CODES = frozenset({331, 332, 335, 336, 340, 341, 345, 346, 355})
"""Identification codes of the EM300 series, which has no transactions."""


class KeyCurve(StrEnum):
    """The curve of the meter's key; ``none`` is a meter without one."""

    P384 = Curve.BRAINPOOL_P384R1.value
    P256 = Curve.BRAINPOOL_P256R1.value
    NONE = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """Points where nobody but the vendor knows what the firmware does.

    Numbers are exception codes; None means that the request is answered as if it were fine and has
    no effect, except where said otherwise.

    Attributes:
        idle_end: ``E`` or ``A`` while no transaction runs, or while the record is being made.
        repeated_begin: ``B`` while a transaction runs.
        unread_begin: ``B`` while a record waits to be confirmed; always refused.
        unset_clock_begin: ``B`` before the clock was set; None begins with sync letter U.
        hides_signing: while the record is being made, report NOT_READY instead of RUNNING.
        locked_tariff: writing the tariff text while a transaction runs.
        locked_fields: writing other session fields then; None stores them, the record keeps those
            of the begin.
        locked_clock: writing the clock while a transaction runs; None sets it.
        early_clock: writing the clock too soon after power-up; None is silence.
        read_only: writing a register that can only be read.
        resumes: after a power loss the transaction goes on instead of ending with reason P.
        partial_der_key: reading a part of the DER key block; None allows it.
        joint_state: reading OCMF state and file size in one request; None allows it.
    """

    idle_end: int | None = Code.ILLEGAL_VALUE
    repeated_begin: int | None = Code.DEVICE_FAILURE
    unread_begin: int = Code.DEVICE_FAILURE
    unset_clock_begin: int | None = None
    hides_signing: bool = False
    locked_tariff: int | None = Code.ILLEGAL_ADDRESS
    locked_fields: int | None = Code.ILLEGAL_ADDRESS
    locked_clock: int | None = None
    early_clock: int | None = Code.DEVICE_FAILURE
    read_only: int = Code.ILLEGAL_ADDRESS
    resumes: bool = False
    partial_der_key: int | None = Code.ILLEGAL_ADDRESS
    joint_state: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Em580Settings:
    """One simulated meter.

    Attributes:
        serial_number: at most 13 ASCII characters.
        firmware: measure and communication module, packed as major, minor, revision (4, 4, 8 bits).
        identification_code: one of ``EM300_CODES`` makes it a meter without transactions.
        production_year: None for an old meter that does not have the register.
        key_seed: the same seed gives the same key; None makes a random one.
        begin_energy_wh: counter of a meter that has no state file yet; likewise export and page.
        record_size: records are filled up to this many bytes; None leaves them as they are.
        signing_delay: from the end command to the finished record.
        boot_silence: after power-up nothing is answered for so long.
        clock_refusal: and for so much longer the clock cannot be set.
        time_lapse: energy grows this many times faster than time.
        state_file: what survives a power cut; None keeps it in memory. Holds the private key.
    """

    serial_number: str = "KZ1660104001D"
    vendor: str = "Carlo Gavazzi Controls"
    model: str = "EM580DINAV23XS3DET"
    device_tag: str = ""
    firmware: tuple[int, int] = (0x1603, 0x1603)
    identification_code: int = 1880
    production_year: int | None = 2025
    curve: KeyCurve = KeyCurve.P384
    key_seed: str | None = None
    begin_energy_wh: int = 0
    begin_export_wh: int = 0
    begin_page: int = 0
    record_size: int | None = None
    signing_delay: timedelta = timedelta(milliseconds=300)
    boot_silence: timedelta = timedelta(seconds=6)
    clock_refusal: timedelta = timedelta(seconds=2)
    time_lapse: Decimal = Decimal(1)
    state_file: Path | None = None
    behaviour: Behaviour = field(default_factory=Behaviour)

    def __post_init__(self) -> None:
        """Refuse what the registers cannot hold.

        Raises:
            ValueError: names the value and what is allowed.
        """
        _fits("serial number", self.serial_number, 13)
        _fits("model", self.model, 19)
        _fits("device tag", self.device_tag, 15)
        if not 0 <= self.identification_code <= 0xFFFF:  # noqa: PLR2004 - one word
            raise ValueError(f"identification code {self.identification_code}, 0 to 65535 fit")
        if self.time_lapse <= 0:
            raise ValueError(f"time lapse {self.time_lapse}, must be above 0")
        if self.record_size is not None and not 0 < self.record_size <= MOST_RECORD_BYTES:
            raise ValueError(f"record size {self.record_size}, 1 to {MOST_RECORD_BYTES} fit")

    @property
    def is_em300(self) -> bool:
        """Whether the meter is one of the EM300 series."""
        return self.identification_code in EM300_CODES


def _fits(name: str, text: str, most: int) -> None:
    if not text.isascii() or len(text) > most:
        raise ValueError(f"{name} {text!r}, at most {most} ASCII characters fit")
