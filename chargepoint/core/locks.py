"""When a cable is held in its socket, and who may have it back (OCPP 2.0.1 E05, E06, E09, E10).

It is held from the token on, and given back with the end of the session, because the driver is
there then. Where the driver is not, after a token that turned out to be refused or a cable that
somebody pulled out of the vehicle, it is held until the driver shows the token. A captive cable
has no lock here: it is the vehicle that holds it.
"""

from dataclasses import replace

from chargepoint.core.model import CONNECTOR_LOCK_FAILURE, EvseState, Policy, StopReason
from chargepoint.core.orders import LockCable, Order, UnlockCable


def hold(state: EvseState, reason: StopReason, policy: Policy) -> EvseState:
    """The state of a session that ends: the cable is given back, or held for its driver."""
    if not state.locked:
        return state
    kept = reason is StopReason.DEAUTHORIZED or (
        reason is StopReason.EV_DISCONNECTED and not policy.unlock_on_ev_disconnect
    )
    return replace(state, held=state.authorization) if kept else release(state)


def release(state: EvseState) -> EvseState:
    """Nobody's cable is held any more."""
    return replace(state, locked=False, held=None)


def without_lock_failure(state: EvseState) -> EvseState:
    """A lock that did not move is tried again with the next cable."""
    faults = tuple(f for f in state.faults if f.error_code != CONNECTOR_LOCK_FAILURE)
    return replace(state, faults=faults)


def lock_order(before: EvseState, after: EvseState, policy: Policy, *, afresh: bool) -> list[Order]:
    """What is to be done to the lock; ``afresh``: nobody knows where it is."""
    if after.connector_id not in policy.sockets:
        return []
    if before.locked is after.locked and not afresh:
        return []
    order = LockCable if after.locked else UnlockCable
    return [order(after.connector_id)]
