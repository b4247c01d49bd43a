"""What an installer can say about a Carlo Gavazzi meter."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: carlo_gavazzi_em580``.

    powermeter_device_id: Modbus address. 0 is a broadcast on a serial line, which nobody answers;
        behind some Modbus TCP gateways it is the device itself.
    communication_retry_count: attempts per request, the first included.
    communication_retry_delay_ms: between those attempts.
    communication_error_pause_delay_s: after an outage, how long polls wait for the next try; begin,
        end and release always try at once.
    initial_connection_retry_count, initial_connection_retry_delay_ms: after the meter was lost, so
        many tries follow each other at this shorter interval; 0 keeps the short interval for ever.
    timezone_offset_minutes: local time as the record shows it.
    live_measurement_interval_ms: how often the caller should poll (``poll_interval`` of the
        meter); the driver does not poll by itself.
    device_state_read_interval_ms: how often a poll also looks at the fault bits.
    public_key_format: ``binary`` is the bare curve point, ``der`` a SubjectPublicKeyInfo.
    monitor_transaction_state: at the same interval look whether the meter ended a transaction by
        itself; told in the log and in ``faults`` until it is ended or released.
    transactions: false for a meter that shall only be read, as one of the EM300 series: the driver
        then is no SigningMeter at all. With true such a meter gives readings and refuses to begin.
    ready_timeout_s: how long the meter may take to sign.
    clock_sync_interval_h: a transaction does not begin on a clock set longer ago than this.
    temperature_read_interval_s: how often a poll also reads the internal temperature; 0 is never.
    signed_live_map: attach the signed register map to every reading; half of the bus time of a
        poll, so only on demand.
    """

    powermeter_device_id: Annotated[int, Meta(ge=0, le=255)] = 1
    communication_retry_count: Annotated[int, Meta(ge=1, le=100)] = 3
    communication_retry_delay_ms: Annotated[int, Meta(ge=10, le=10_000)] = 500
    communication_error_pause_delay_s: Annotated[int, Meta(ge=1, le=600)] = 10
    initial_connection_retry_count: Annotated[int, Meta(ge=0, le=100)] = 10
    initial_connection_retry_delay_ms: Annotated[int, Meta(ge=100, le=60_000)] = 2000
    timezone_offset_minutes: Annotated[int, Meta(ge=-1440, le=1440)] = 0
    live_measurement_interval_ms: Annotated[int, Meta(ge=500, le=60_000)] = 1000
    device_state_read_interval_ms: Annotated[int, Meta(ge=500, le=60_000)] = 10_000
    public_key_format: Literal["binary", "der"] = "binary"
    monitor_transaction_state: bool = False
    transactions: bool = True
    ready_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 40
    clock_sync_interval_h: Annotated[int, Meta(ge=1, le=24)] = 4
    temperature_read_interval_s: Annotated[int, Meta(ge=0, le=86_400)] = 60
    signed_live_map: bool = False
