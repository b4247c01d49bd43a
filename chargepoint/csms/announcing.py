"""BootNotification and Heartbeat: their answers mean the same in both versions."""

from datetime import datetime, timedelta
from typing import Any

from chargepoint.csms.adapter import BootAnswer, Csms, Registration
from chargepoint.csms.words import moment
from chargepoint.station.time_source import TimeSource


async def announce(csms: Csms, payload: dict[str, Any], time: TimeSource) -> BootAnswer:
    """Send a BootNotification; the station goes by the time in its answer if it is to."""
    reply = await csms.call("BootNotification", payload)
    now = moment(reply["currentTime"])
    time.told(now)
    interval = timedelta(seconds=max(reply["interval"], 0))
    return BootAnswer(Registration(reply["status"]), now, interval)


async def say_alive(csms: Csms, time: TimeSource) -> datetime:
    """Send a Heartbeat; what the CSMS's clock says."""
    reply = await csms.call("Heartbeat", {})
    now = moment(reply["currentTime"])
    time.told(now)
    return now
