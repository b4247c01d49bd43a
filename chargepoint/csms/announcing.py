"""BootNotification and Heartbeat, whose answers mean the same in both versions."""

from collections.abc import Awaitable
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from chargepoint.csms.adapter import BootAnswer, Registration
from chargepoint.csms.words import moment
from chargepoint.station.station import Station

INTERVAL_MOST: Final = 2**31 - 1  # seconds: what HeartbeatInterval can say

Asked: TypeAlias = Awaitable[dict[str, Any]]
"""A call that was not made yet."""


async def announced(asked: Asked, station: Station) -> BootAnswer:
    """What a BootNotification leads to; the station goes by the time in the answer if it is to.

    An interval that cannot be leaves the choice to the station, as zero does.
    """
    reply = await _timed(asked, station)
    seconds = reply["interval"]
    interval = timedelta(seconds=seconds if 0 <= seconds <= INTERVAL_MOST else 0)
    return BootAnswer(Registration(reply["status"]), moment(reply["currentTime"]), interval)


async def alive(asked: Asked, station: Station) -> datetime:
    """What the CSMS's clock says in its answer to a Heartbeat."""
    return moment((await _timed(asked, station))["currentTime"])


async def _timed(asked: Asked, station: Station) -> dict[str, Any]:
    """The answer, of whose time it is known how old it can be."""
    since = station.clock.monotonic()
    reply = await asked
    took = timedelta(seconds=station.clock.monotonic() - since)
    station.time_source.told(moment(reply["currentTime"]), took)
    return reply
