"""A simulated Bauer BSM-WS36A: an AC meter that signs readings (SunSpec models over Modbus RTU)."""

from collections.abc import Callable
from datetime import datetime
from time import monotonic as monotonic_time
from typing import Final

from meters.simulators.bauer_bsm.device import BauerBsm
from meters.simulators.bauer_bsm.settings import Settings
from meters.simulators.catalog import utc_now

__all__ = ["BauerBsm", "Settings", "create"]

DRIVER: Final = "bauer_bsm"
TRANSPORT: Final = "modbus"
TITLE: Final = "Bauer BSM-WS36A"
KEEPS_RECORDS: Final = False
QUICK: Final = {"boot_delay_s": 0.0, "signing_delay_s": 0.02, "energy_scale": 0}
QUICK_DRIVER: Final = {
    "communication_retry_count": 2,
    "communication_retry_delay_ms": 10,
    "watchdog_wakeup_interval": 1,
    "ready_timeout_s": 2,
}


def create(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = monotonic_time,
) -> BauerBsm:
    """The meter, switched on."""
    return BauerBsm(settings, clock=clock, monotonic=monotonic)
