"""The CSMS gives a cable back (OCPP 1.6 section 5.18, 2.0.1 F05)."""

import asyncio
import logging

from chargepoint.core.inputs import CableUnlocked, StopRequested
from chargepoint.core.model import Cause, Stage, StopReason
from chargepoint.errors import HardwareFault, Refused
from chargepoint.station.evse import HARDWARE_TIMEOUT_S, EvseRunner
from chargepoint.station.evse_ports import Spawn

log = logging.getLogger(__name__)

OPEN_TIMEOUT_S = 10.0


async def unlock(runner: EvseRunner, connector_id: int, spawn: Spawn) -> bool:
    """Unlock a cable, ending a running session first. False if the lock did not move.

    Waits for the open contactor, but not for the meter's record, which may take long. A fixed cable
    ends no session, because there is nothing to unlock.

    Raises:
        Refused: there is no lock.
    """
    if runner.state.stage is Stage.OPENING:
        return False  # the meter is about to begin behind it
    if runner.state.metering and connector_id not in runner.sockets:
        raise Refused("the cable is fixed", reason="UnsupportedRequest")
    if runner.state.stage is Stage.CHARGING:
        spawn(runner.feed(StopRequested(StopReason.UNLOCK_COMMAND, Cause.UNLOCK_COMMAND)))
        try:
            async with asyncio.timeout(OPEN_TIMEOUT_S):
                await runner.opened.wait()
        except TimeoutError:
            return False
    unlocked = await _moves(runner, connector_id)
    if unlocked and runner.state.held is not None:
        spawn(runner.feed(CableUnlocked()))
    return unlocked


async def _moves(runner: EvseRunner, connector_id: int) -> bool:
    try:
        async with asyncio.timeout(HARDWARE_TIMEOUT_S):
            return await runner.outlet.unlock(connector_id)
    except (HardwareFault, TimeoutError) as error:
        what = str(error) or f"no confirmation within {HARDWARE_TIMEOUT_S:g} s"
        log.warning("EVSE %d: not unlocked: %s", runner.evse_id, what)
        return False
