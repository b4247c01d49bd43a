"""BootNotification and Heartbeat, whose answers mean the same in both versions."""

from datetime import datetime, timedelta
from typing import Any

from chargepoint.csms.adapter import BootAnswer, Csms, Registration
from chargepoint.csms.words import moment
from chargepoint.station.station import Station


async def announce(csms: Csms, station: Station, payload: dict[str, Any]) -> BootAnswer:
    """What a BootNotification leads to; the station goes by the time in the answer if it is to."""
    reply = await _timed(csms, station, "BootNotification", payload)
    interval = timedelta(seconds=max(reply["interval"], 0))
    return BootAnswer(Registration(reply["status"]), moment(reply["currentTime"]), interval)


async def beat(csms: Csms, station: Station) -> datetime:
    """What the CSMS's clock says in its answer to a Heartbeat."""
    return moment((await _timed(csms, station, "Heartbeat", {}))["currentTime"])


async def _timed(
    csms: Csms, station: Station, action: str, payload: dict[str, Any]
) -> dict[str, Any]:
    """The answer, of whose time it is known how old it can be."""
    asked = station.clock.monotonic()
    reply = await csms.call(action, payload)
    took = timedelta(seconds=station.clock.monotonic() - asked)
    station.time_source.told(moment(reply["currentTime"]), took)
    return reply
