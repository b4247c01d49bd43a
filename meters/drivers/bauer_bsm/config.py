"""What an installer can say about a Bauer BSM-WS36A."""

from typing import Annotated

import msgspec
from msgspec import Meta


class Config(msgspec.Struct, kw_only=True, frozen=True, forbid_unknown_fields=True):
    """Keys of a meter with ``driver: bauer_bsm``.

    powermeter_device_id: Modbus address; the meter leaves the factory with 42.
    power_unit_id: the same under the name that an older driver gave it; goes before the other.
    sunspec_base_address: where the models begin.
    update_interval: seconds after which the caller should poll again; the driver does not poll by
        itself.
    watchdog_wakeup_interval: seconds between tries after several failed polls in a row; begin, end
        and release always try at once.
    communication_retry_count: attempts per request, the first included.
    communication_retry_delay_ms: between those attempts.
    timezone_offset_minutes: local time as the record shows it. A change counts as a setting of the
        clock, which the meter registers.
    clock_sync_interval_h: how often the time is renewed; the meter needs it every 24 to 48 hours,
        and more often wears its memory.
    ready_timeout_s: how long the meter may take to sign; 15 are documented.
    device_state_read_interval_ms: how often a poll also looks at events and clock.
    end_after_power_cut: a meter that lost its texts with the power cannot tell which transaction
        ran. True signs an end for any transaction that is asked for then.
    transactions: false for a meter that shall only be read: the driver then is no SigningMeter.
    """

    powermeter_device_id: Annotated[int, Meta(ge=1, le=247)] = 42
    power_unit_id: Annotated[int, Meta(ge=1, le=247)] | None = None
    sunspec_base_address: Annotated[int, Meta(ge=0, le=60_000)] = 40_000
    update_interval: Annotated[int, Meta(ge=1, le=3600)] = 1
    watchdog_wakeup_interval: Annotated[int, Meta(ge=1, le=3600)] = 60
    communication_retry_count: Annotated[int, Meta(ge=1, le=100)] = 3
    communication_retry_delay_ms: Annotated[int, Meta(ge=10, le=10_000)] = 500
    timezone_offset_minutes: Annotated[int, Meta(ge=-1440, le=1440)] = 0
    clock_sync_interval_h: Annotated[int, Meta(ge=24, le=48)] = 24
    ready_timeout_s: Annotated[int, Meta(ge=1, le=600)] = 20
    device_state_read_interval_ms: Annotated[int, Meta(ge=500, le=60_000)] = 10_000
    end_after_power_cut: bool = False
    transactions: bool = True

    def __post_init__(self) -> None:
        """Have one address, whichever key gave it."""
        if self.power_unit_id is not None:
            msgspec.structs.force_setattr(self, "powermeter_device_id", self.power_unit_id)
