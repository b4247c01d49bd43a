"""The real WebSocket between a station and its CSMS: cut, mended, and whether it is at rest."""

from collections.abc import Sequence
from contextlib import suppress

from quiet_loop import QuietClock
from scripted_csms import ScriptedCsms

from chargepoint.bench.csms import StationAway
from chargepoint.csms.link import PAUSE, Link, LinkState
from chargepoint.csms.session import Session

STATION = "CP1"


def cut(csms: ScriptedCsms) -> None:
    """The connection is lost, and none comes about until ``mend``."""
    csms.refuse = 503
    drop(csms)


def drop(csms: ScriptedCsms) -> None:
    """The connection is lost, if there is one."""
    with suppress(StationAway):
        csms.drop(STATION)


async def mend(csms: ScriptedCsms, link: Link, clock: QuietClock) -> None:
    """The CSMS can be reached, and the station comes at once.

    Takes the rest of the second that lies between two connections.
    """
    await clock.settle()
    csms.refuse = None
    link.connect()
    await clock.advance(pause_left(link, clock))


def pause_left(link: Link, clock: QuietClock) -> float:
    """How long the link still has to wait before it may connect."""
    if link._closed_at is None or link.state is LinkState.CONNECTED:
        return 0.0
    pause = max(link.config.pause, PAUSE).total_seconds()
    return max(link._closed_at + pause - clock.monotonic(), 0.0)


def under_way(
    csmses: Sequence[ScriptedCsms], link: Link, session: Session, clock: QuietClock
) -> str:
    """What is on its way between the station and one of the CSMSs, else ""."""
    if link.state is LinkState.CONNECTING and not pause_left(link, clock):
        return "a connection is being opened"
    there = any(csms.talk(STATION) is not None for csms in csmses)
    mute = any(csms.mute for csms in csmses)
    if not mute and there is not (link.state is LinkState.CONNECTED):
        return f"the link is {link.state}, the CSMS {'sees' if there else 'does not see'} it"
    for csms in csmses:
        if action := csms.asks(STATION):
            return f"the CSMS's {action} is not answered"
        waiting = None if session._endpoint is None else session._endpoint._waiting
        if waiting is not None and csms.owes(STATION, waiting.message_id):
            return f"a call of the station is not answered: {waiting.message_id}"
    return ""
