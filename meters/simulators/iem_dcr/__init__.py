"""A simulated Isabellenhuette IEM-DCR: a DC meter that signs transactions (OCMF over HTTP)."""

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from meters.simulators.catalog import utc_now
from meters.simulators.iem_dcr.device import IemDcr as IemDcr
from meters.simulators.iem_dcr.settings import Settings as Settings

DRIVER: Final = "isabellenhuette_iem_dcr"
TRANSPORT: Final = "http"
TITLE: Final = "Isabellenhuette IEM-DCR"

QUICK: Final[dict[str, Any]] = {
    "boot_delay_s": 0.0,
    "signing_delay_s": 0.02,
    "key_seed": "quick",
    # A driver that starts anew can tell whose a running transaction is only if the meter says so.
    "receipt_while_running": True,
}
QUICK_DRIVER: Final[dict[str, Any]] = {
    "resilience_initial_connection_retry_delay": 1000,
    "resilience_transaction_request_retry_delay": 200,
    "request_timeout_ms": 500,
    "signature_timeout_ms": 3000,
    "current_timeout_ms": 500,
}


def create(
    settings: Settings,
    *,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = time.monotonic,
) -> IemDcr:
    """The meter, switched on."""
    return IemDcr(settings, clock=clock, monotonic=monotonic)
