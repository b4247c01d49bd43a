"""A life of the station: between two resets; begun again if that fails (ResetRetries)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from chargepoint.clock import Clock, sleep_unless
from chargepoint.config import StationConfig
from chargepoint.csms.identity import Identity
from chargepoint.csms.link import Link
from chargepoint.csms.routes import Routes
from chargepoint.csms.session import Session
from chargepoint.errors import ChargePointError
from chargepoint.secured import Secured
from chargepoint.station.station import Station
from chargepoint.store.sqlite import Store

log = logging.getLogger(__name__)

L = TypeVar("L")

PAUSE = timedelta(seconds=5)  # before another attempt


@dataclass(slots=True)
class Life:
    """Everything that lives between two resets.

    ``url`` is that of the local interface, ``pending`` what of the config waits for a start.
    """

    config: StationConfig
    station: Station
    session: Session
    link: Link
    secured: Secured
    store: Store
    identity: Identity
    routes: Routes
    url: str = ""
    pending: tuple[str, ...] = ()


@asynccontextmanager
async def begun(
    begin: Callable[[], AbstractAsyncContextManager[L]],
    *,
    retries: int,
    clock: Clock,
    stop: asyncio.Event,
    otherwise: Callable[[], AbstractAsyncContextManager[L]] | None = None,
) -> AsyncIterator[L]:
    """A life that ``begin`` makes, after at most ``retries`` further attempts (1.6 section 9.1.22).

    What a life needs may be gone for a moment: a disk, a serial line, a port. ``stop`` ends the
    wait between two attempts. ``otherwise`` is tried if all of them failed.

    Raises:
        ChargePointError, OSError: what the last attempt said.
    """
    async with AsyncExitStack() as stack:
        for left in range(retries, -1, -1):
            try:
                life = await stack.enter_async_context(begin())
                break
            except (ChargePointError, OSError) as error:
                if not left and otherwise is not None:
                    log.error("going on with the config before: %s", error)  # noqa: TRY400 - not a defect
                    life = await stack.enter_async_context(otherwise())
                    break
                if not left or await sleep_unless(clock, _said(error, left), stop):
                    raise
        yield life


def _said(error: Exception, left: int) -> timedelta:
    log.error("reset failed, %d further attempts: %s", left, error)
    return PAUSE
