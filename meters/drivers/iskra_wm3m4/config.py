"""What an installer can say about an Iskra WM3M4 or WM3M4C."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

_Text = Annotated[str, Meta(max_length=64)]


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: iskra_wm3m4``.

    powermeter_device_id: Modbus address; the meter leaves the factory with 33.
    read_meter_values_interval_ms: how often the caller should poll; the meter measures once a
        second. The driver does not poll by itself.
    communication_errors_threshold: so many polls in a row may fail before the driver waits longer
        between its tries.
    communication_error_pause_delay_s: how long it waits then; begin, end and release always try at
        once.
    communication_retry_count: attempts per request, the first included.
    communication_retry_delay_ms: between those attempts.
    ocmf_format_version: field FV of the record.
    ocmf_gateway_identification, ocmf_gateway_serial, ocmf_gateway_version: fields GI, GS and GV,
        the charging station as the signing gateway; a separator | becomes a blank.
    ocmf_charge_point_identification_type: field CT. With EVSEID the identification is that of the
        charging point in the transaction, if it has one.
    ocmf_charge_point_identification: field CI otherwise.
    lcd_main_text, lcd_label_text: shown on the second line of the display, 8 and 4 characters;
        both empty leave the display as it is.
    timezone_offset_minutes: local time as the record shows it.
    clock_sync_interval_h: a transaction does not begin on a clock set longer ago than this.
    ready_timeout_s: how long the meter may take to sign.
    device_state_read_interval_ms: how often a poll also looks whether the clock was lost.
    transactions: false for a meter that shall only be read: the driver then is no SigningMeter.
    """

    powermeter_device_id: Annotated[int, Meta(ge=1, le=247)] = 33
    read_meter_values_interval_ms: Annotated[int, Meta(ge=1000, le=3_600_000)] = 5000
    communication_errors_threshold: Annotated[int, Meta(ge=0, le=1000)] = 10
    communication_error_pause_delay_s: Annotated[int, Meta(ge=1, le=600)] = 10
    communication_retry_count: Annotated[int, Meta(ge=1, le=100)] = 3
    communication_retry_delay_ms: Annotated[int, Meta(ge=10, le=10_000)] = 500
    ocmf_format_version: Annotated[str, Meta(pattern=r"^[0-9]+\.[0-9]+$", max_length=8)] = "1.0"
    ocmf_gateway_identification: _Text = ""
    ocmf_gateway_serial: _Text = ""
    ocmf_gateway_version: _Text = ""
    ocmf_charge_point_identification_type: Literal["EVSEID", "CBIDC"] = "EVSEID"
    ocmf_charge_point_identification: _Text = ""
    lcd_main_text: Annotated[str, Meta(max_length=8, pattern=r"^[ -~]*$")] = ""
    lcd_label_text: Annotated[str, Meta(max_length=4, pattern=r"^[ -~]*$")] = ""
    timezone_offset_minutes: Annotated[int, Meta(ge=-1440, le=1440)] = 0
    clock_sync_interval_h: Annotated[int, Meta(ge=1, le=24)] = 4
    ready_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 15
    device_state_read_interval_ms: Annotated[int, Meta(ge=500, le=60_000)] = 10_000
    transactions: bool = True
