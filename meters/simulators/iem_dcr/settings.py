"""What a simulated IEM-DCR is like: identity, key, and where firmware may differ.

No manual of the vendor is public. Where nobody but the vendor knows what the firmware does there
is a switch here; the default is the more likely answer.
"""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import msgspec
from msgspec import Meta

NO_ERROR: Final = "0x0000, 0x00000000, 0x00, 0x00"
LONGEST_TARIFF: Final = 250


class SignatureForm(StrEnum):
    """How the two numbers of a signature are written."""

    FIXED_WIDTH = "fixed-width"  # 2025: DER with 32 bytes each, without the zero before a high bit
    DER = "der"
    RAW = "raw"  # 2023


class KeyForm(StrEnum):
    """How the public key is written."""

    SPKI = "spki"  # 2024 and later
    BARE = "bare"  # 2023: X and Y without 04


class TransactionApi(StrEnum):
    """Under which version of the interface the node ``transaction`` is found."""

    V1 = "v1"
    V2 = "v2"
    BOTH = "both"


class Wrapping(StrEnum):
    """What stands around a record."""

    PLAIN = "plain"
    NEWLINE = "newline"
    JSON = "json"
    BRACES = "braces"


class PowerCut(StrEnum):
    """What becomes of a running transaction when the power of the meter is cut."""

    CLOSED = "closed"  # ended with TX=P at the last reading
    LOST = "lost"
    RESUMED = "resumed"


class ClockReading(StrEnum):
    """What the meter makes of a time that it is told."""

    HONOURS_OFFSET = "honours-offset"
    TAKES_DIGITS = "takes-digits"  # the offset is ignored, the meter has one of its own


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One meter. Words that begin with ``accepts`` are answers 200 where the default is a no."""

    serial_number: Annotated[str, Meta(description="Serial number.")] = "1ISA0200001132"
    model: Annotated[str, Meta(description="Model.")] = "IEM-DCR-125-1000-32-00-006-B_000"
    firmware: Annotated[str, Meta(description="Firmware of display and sensor unit.")] = (
        "DU-02.00.12_SU-02.00.08"
    )
    key_seed: Annotated[
        str | None, Meta(description="Of the key: the same gives the same key; random without.")
    ] = None
    begin_energy_wh: Annotated[
        int, Meta(description="Imported energy at first, Wh.", ge=0, le=10**11)
    ] = 0
    begin_export_wh: Annotated[
        int, Meta(description="Exported energy at first, Wh.", ge=0, le=10**11)
    ] = 0
    begin_page: Annotated[
        int, Meta(description="Page of the last record; the next one has one more.", ge=-1)
    ] = 0
    voltage_v: Annotated[Decimal, Meta(description="Voltage, V.")] = Decimal(400)
    threshold_a: Annotated[
        Decimal, Meta(description="Current above which begin and end are refused, A.")
    ] = Decimal("0.5")
    signing_delay_s: Annotated[float, Meta(description="For a record, s.", ge=0)] = 0.15
    boot_delay_s: Annotated[float, Meta(description="Silence after power-up, s.", ge=0)] = 5.0
    time_lapse: Annotated[
        Decimal, Meta(description="So many seconds of energy in each second.")
    ] = Decimal(1)
    state_file: Path | None = None

    signature: Annotated[SignatureForm, Meta(description="Form of signatures.")] = (
        SignatureForm.FIXED_WIDTH
    )
    public_key: Annotated[KeyForm, Meta(description="Form of the public key.")] = KeyForm.SPKI
    transaction_api: Annotated[
        TransactionApi, Meta(description="Where the node transaction is found.")
    ] = TransactionApi.V1
    receipt_wrapping: Annotated[Wrapping, Meta(description="What stands around a record.")] = (
        Wrapping.PLAIN
    )
    export_readings: Annotated[bool, Meta(description="Records also show export.")] = False
    mf_key: Annotated[bool, Meta(description="Records have the field MF (prototypes).")] = False
    clock_reading: Annotated[
        ClockReading, Meta(description="What it makes of the offset of a time it is told.")
    ] = ClockReading.HONOURS_OFFSET
    zone_offset_min: Annotated[
        int, Meta(description="Its own offset, minutes.", ge=-840, le=840)
    ] = 60
    clock_drift_s: Annotated[float, Meta(description="Error of its clock at power-up, s.")] = 0.0

    power_cut: Annotated[PowerCut, Meta(description="Fate of a transaction in a power cut.")] = (
        PowerCut.CLOSED
    )
    receipt_after_power_up: Annotated[
        bool, Meta(description="The node receipt gives the last record after a power cut too.")
    ] = False
    receipt_while_running: Annotated[
        bool, Meta(description="The node receipt gives the begin of what runs.")
    ] = False
    transaction_while_running: Annotated[
        bool, Meta(description="The node transaction gives the last record while one runs.")
    ] = False
    transaction_while_signing: Annotated[
        bool, Meta(description="The node transaction gives the record before while one is signed.")
    ] = False
    no_record_status: Annotated[
        int, Meta(description="HTTP status of nodes that have no record.", ge=400, le=499)
    ] = 403
    bad_request_status: Annotated[
        int, Meta(description="HTTP status of requests of another shape.", ge=400, le=499)
    ] = 400
    cuts_long_tariff: Annotated[
        bool, Meta(description="Cuts a tariff text over 250 characters instead of refusing it.")
    ] = False
    accepts_begin_without_user: Annotated[
        bool, Meta(description="A begin that nobody named a user for.")
    ] = False
    accepts_begin_while_running: Annotated[
        bool, Meta(description="A begin while a transaction runs; without effect.")
    ] = False
    accepts_end_while_idle: Annotated[
        bool, Meta(description="An end while none runs; without effect.")
    ] = False
    accepts_datetime_before_gateway: Annotated[
        bool, Meta(description="The time before the charge point.")
    ] = True
    accepts_datetime_while_running: Annotated[
        bool, Meta(description="The time while a transaction runs.")
    ] = False
    accepts_tariff_while_running: Annotated[
        bool, Meta(description="A tariff text while a transaction runs.")
    ] = False
    accepts_user_while_running: Annotated[
        bool, Meta(description="The next user while a transaction runs.")
    ] = False
    accepts_intermediate: Annotated[bool, Meta(description="Intermediate readings (TX=C).")] = False

    frozen_ct: Annotated[str, Meta(description="CT that somebody set before us.")] = "EVSEID"
    frozen_ci: Annotated[
        str, Meta(description="CI that somebody set before us; empty: nobody did.")
    ] = ""
    foreign_transaction: Annotated[
        bool, Meta(description="A transaction of somebody else runs at first.")
    ] = False
    page_stands_still: Annotated[bool, Meta(description="All records have the same page.")] = False
