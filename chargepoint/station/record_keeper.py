"""Keeps the archive of signed records within its bounds: at the start and once an hour."""

import asyncio
import logging
from datetime import datetime, timedelta
from typing import Final

from chargepoint.clock import Clock, CorrectableClock
from chargepoint.core.timekeeping import EARLIEST
from chargepoint.errors import StoreError
from chargepoint.store.leaving import Bounds
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

EVERY: Final = timedelta(hours=1)
BATCHES_MOST: Final = 10
"""Batches at one time: a clock that jumped ahead must not empty the archive unnoticed."""


class RecordKeeper:
    """Lets records leave that are beyond the bounds; each is named in the log before it goes."""

    def __init__(self, store: Store, clock: Clock, bounds: Bounds) -> None:
        self._store = store
        self._clock = clock
        self._bounds = bounds
        self._warned = False

    async def run(self) -> None:
        """Look at the start and then every hour; ends only by cancellation."""
        while True:
            try:
                await self.tidy()
            except StoreError as error:
                log.warning("the archive of records stays as it is: %s", error)
            await self._clock.sleep(EVERY)

    async def tidy(self) -> None:
        """Let go what is beyond the bounds, batch by batch, each one commit.

        What is remembered of transactions that are no longer known goes with it.

        Raises:
            StoreError: the disk refuses; the batches before stay gone.
        """
        self._store.leaving.forget_gone()
        for _ in range(BATCHES_MOST):
            leaving = self._store.leaving.due(self._bounds, self._moment())
            if not leaving:
                break
            for one in leaving:
                log.info(
                    "record %d of transaction %s leaves the archive: taken %s, delivered %s,"
                    " SHA-256 %s",
                    one.number,
                    one.transaction_id or "unknown",
                    one.taken_at,
                    one.delivered_at or "never",
                    one.digest,
                )
            self._store.leaving.remove(leaving)
            await asyncio.sleep(0)  # others may have waited for the disk
        else:
            return
        self._look_at_the_rest()

    def _moment(self) -> datetime:
        """Now; as long as the time is not known nothing is too old."""
        clock = self._clock
        unsure = isinstance(clock, CorrectableClock) and not clock.known
        return EARLIEST if unsure else clock.now()

    def _look_at_the_rest(self) -> None:
        """Warn once when what has to stay is more than the bounds."""
        total = self._store.leaving.total()
        above = total.above(self._bounds)
        if above and not self._warned:
            log.warning(
                "the archive holds %d records, %d bytes, which is above its bounds; all of them"
                " stay, because the CSMS does not have them or a meter still holds them",
                total.count,
                total.size,
            )
        self._warned = above
