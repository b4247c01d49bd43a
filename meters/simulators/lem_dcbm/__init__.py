"""A simulated LEM DCBM 400/600 behind real HTTP or HTTPS, with records that are really signed."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from meters.simulators.catalog import utc_now
from meters.simulators.lem_dcbm.device import LemDcbm as LemDcbm
from meters.simulators.lem_dcbm.settings import PowerCut as PowerCut
from meters.simulators.lem_dcbm.settings import Settings as Settings

DRIVER: Final = "lem_dcbm"
TRANSPORT: Final = "http"
TITLE: Final = "LEM DCBM 400/600"
QUICK: Final[dict[str, Any]] = {
    "boot_delay_s": 0.0,
    "signing_delay_s": 0.01,
    "settings_delay_s": 0.0,
}
QUICK_DRIVER: Final[dict[str, Any]] = {
    "resilience_initial_connection_retry_delay": 50,
    "resilience_transaction_request_retries": 1,
    "resilience_transaction_request_retry_delay": 10,
    "ready_timeout_s": 1,
}


def create(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> LemDcbm:
    """Switch a meter on; with a state file it comes back as a power cut left it."""
    return LemDcbm(settings, clock=clock, monotonic=monotonic)
