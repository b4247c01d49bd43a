"""A simulated Iskra WM3M4C: an AC meter that signs transactions, or its unsigned sister WM3M4."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic as monotonic_time
from typing import Final

from meters.simulators.catalog import utc_now
from meters.simulators.iskra_wm3m4.device import IskraWm3m4
from meters.simulators.iskra_wm3m4.settings import Settings

__all__ = ["IskraWm3m4", "Settings", "create"]

DRIVER: Final = "iskra_wm3m4"
TRANSPORT: Final = "modbus"
TITLE: Final = "Iskra WM3M4C"
KEEPS_RECORDS: Final = False
QUICK: Final = {"boot_delay_s": 0.0, "signing_delay_s": 0.02}
QUICK_DRIVER: Final = {
    "communication_retry_count": 2,
    "communication_retry_delay_ms": 10,
    "communication_error_pause_delay_s": 1,
    "ready_timeout_s": 2,
}


def create(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = monotonic_time,
) -> IskraWm3m4:
    """The meter, switched on."""
    return IskraWm3m4(settings, clock=clock, monotonic=monotonic)
