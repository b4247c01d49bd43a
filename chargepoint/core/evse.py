"""The rules of one EVSE: ``advance`` says what follows from what happened.

What an input does to the session is in ``core.session``, what is told of it as a transaction in
``core.transaction``, when the cable is held in ``core.locks``, the status in
``core.availability``; here they come together.

Nothing here waits, and a power cut needs no second copy of the story: orders are not stored, the
stage alone says what is still to be done, and PowerRestored says it again.

Why a pure function and not one coroutine per EVSE: the position in the session is kept in one
place only, and all sequences of inputs can be walked in a test.
"""

from dataclasses import dataclass
from datetime import datetime

from chargepoint.core import inputs as given
from chargepoint.core.availability import statuses_between
from chargepoint.core.facts import Fact
from chargepoint.core.locks import lock_order
from chargepoint.core.model import EvseState, Policy
from chargepoint.core.orders import CloseContactor, OpenContactor, Order, SetLimit
from chargepoint.core.session import decide, pausing
from chargepoint.core.transaction import tell


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an input: the new state, what to tell, what to do, in this order."""

    state: EvseState
    facts: tuple[Fact, ...] = ()
    orders: tuple[Order, ...] = ()


def advance(state: EvseState, what: given.Input, now: datetime, policy: Policy) -> Step:
    """Apply one input. An input that means nothing in this state changes nothing.

    Contactor and lock follow from the state alone: whenever ``powered`` or ``locked`` changes, the
    order comes first; after a start always, because nobody knows where they are. Nor does anybody
    know then which limit the board keeps. No cable is given back before the contactor is open, and
    the meter begins only behind a cable that is held.
    """
    turn = pausing(state, decide(state, what, now, policy), policy)
    after, told, follows = tell(state, turn, now, policy)
    afresh = isinstance(what, given.PowerRestored)
    moves: list[Order] = []
    if after.powered != state.powered or afresh:
        moves.append(CloseContactor() if after.powered else OpenContactor())
    moves += lock_order(state, after, policy, afresh=afresh)
    if afresh:
        moves.append(SetLimit(after.limit_a))
    facts = (*turn.facts, *told, *statuses_between(state, after, now, policy.connectors))
    return Step(after, facts, (*moves, *turn.orders, *follows))
