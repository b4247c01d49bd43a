"""What the runner of an EVSE needs of others, and what it tells them."""

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from typing import Any, Protocol, TypeVar

from chargepoint.core.facts import Fact
from chargepoint.core.inputs import Input
from chargepoint.errors import HardwareFault, Refused
from meters.model import BillingTransaction, Reading

log = logging.getLogger(__name__)

T = TypeVar("T")


class Spawn(Protocol):
    """Starts work that outlives whoever asked for it (the station's TaskGroup)."""

    def __call__(self, work: Coroutine[Any, Any, T], /) -> asyncio.Task[T | None]:
        """The running task; None as result means that it failed, which was logged."""
        ...


class BillingMeter(Protocol):
    """What the runner asks of the meter side (``station.metering``)."""

    def recent(self) -> Reading | None:
        """The last reading, None if it is too old to be the present."""
        ...

    async def take_begin(self, transaction: BillingTransaction) -> Input:
        """BeginTaken or BeginFailed, always within a bounded time."""
        ...

    async def take_end(self, transaction_id: str) -> Input:
        """EndTaken or EndFailed, always within a bounded time."""
        ...

    async def release(self, transaction_id: str) -> None:
        """Let the meter forget a stored record; tried again later if it cannot be done now."""
        ...


class Reporter(Protocol):
    """What the runner says upwards."""

    def recorded(self, evse_id: int, facts: tuple[Fact, ...]) -> None:
        """Facts were stored: somebody may want to send them."""
        ...


async def moved(moving: Awaitable[bool], otherwise: str) -> None:
    """Wait for a lock; a board that has none there has nothing to move.

    Raises:
        HardwareFault: it did not move.
    """
    try:
        moved = await moving
    except Refused as refused:
        log.debug("no lock: %s", refused)
        return
    if not moved:
        raise HardwareFault(otherwise)
