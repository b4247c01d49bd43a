"""``chargepoint run CONFIG`` with bounds that are reached within minutes.

A database grows until it is at its bounds, which hold for years of a station in the field. A soak
is about what comes after that.
"""

import sys
from datetime import timedelta

from chargepoint.cli import main
from chargepoint.station import record_keeper
from chargepoint.store import security_log, tables

TRANSACTIONS = 100
EVENTS = 200
TIDY = timedelta(seconds=20)

if __name__ == "__main__":
    tables.TRANSACTIONS_MOST = TRANSACTIONS
    security_log.LOG_MOST = EVENTS
    record_keeper.EVERY = TIDY  # type: ignore[misc]
    sys.exit(main(["--log-level", "error", "run", sys.argv[1]]))
