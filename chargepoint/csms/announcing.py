"""The answers to BootNotification and Heartbeat, which mean the same in both versions."""

from datetime import datetime, timedelta
from typing import Any

from chargepoint.csms.adapter import BootAnswer, Registration
from chargepoint.csms.words import moment
from chargepoint.station.time_source import TimeSource


def announced(reply: dict[str, Any], time: TimeSource) -> BootAnswer:
    """What a BootNotification led to; the station goes by the time in it if it is to."""
    interval = timedelta(seconds=max(reply["interval"], 0))
    return BootAnswer(Registration(reply["status"]), alive(reply, time), interval)


def alive(reply: dict[str, Any], time: TimeSource) -> datetime:
    """What the CSMS's clock says in such an answer."""
    now = moment(reply["currentTime"])
    time.told(now)
    return now
