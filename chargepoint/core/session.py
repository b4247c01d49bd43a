"""The stages of one EVSE: what a board, a driver, a meter or the CSMS does to a session.

A vehicle is plugged, a token accepted, or the other way round, then a deadline runs. The meter is
asked for a begin reading; when it is there energy is offered. Somebody asks for the end: the
contactor opens, the meter is asked for the end reading. Which of this is told to the CSMS, and
when a transaction starts and stops, is said elsewhere (``core.transaction``): a session is what
happens, a transaction what it is called.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from chargepoint.core import inputs as given
from chargepoint.core.authorization import identification, with_group
from chargepoint.core.availability import altered, free
from chargepoint.core.facts import Fact, ReservationUsed, SampleKept
from chargepoint.core.locks import hold, release, without_lock_failure
from chargepoint.core.model import (
    POWER_SWITCH_FAILURE,
    Authorization,
    Cause,
    ChargingState,
    Context,
    EvseState,
    Final,
    IdToken,
    Point,
    Policy,
    Sampled,
    Stage,
    StopReason,
    Transaction,
)
from chargepoint.core.orders import Order, SetLimit, TakeBegin, TakeEnd
from chargepoint.core.sampling import select
from chargepoint.core.tariff import agreed
from meters.model import BillingTransaction

_PERIODIC = {
    Context.CLOCK: Cause.METER_CLOCK,
    Context.PERIODIC: Cause.METER_PERIODIC,
    Context.TRIGGER: Cause.TRIGGER,
}
# What ends a transaction whatever it is that usually stops it.
_ENDS_ALL = {
    StopReason.EMERGENCY_STOP,
    StopReason.IMMEDIATE_RESET,
    StopReason.OTHER,
    StopReason.POWER_LOSS,
    StopReason.REBOOT,
    StopReason.SCHEDULED_RESET,
}
_GONE = (StopReason.EV_DISCONNECTED, Cause.EV_COMMUNICATION_LOST)
_TOO_LATE = (StopReason.TIMEOUT, Cause.EV_CONNECT_TIMEOUT)


@dataclass(frozen=True, slots=True)
class Turn:
    """What an input does to a session: the new state and what is to be done, in this order.

    ``why`` is what a message about the transaction names as its trigger, None if only the charging
    state can be worth one. ``reason`` and ``token`` say why the authorization ends, and who asked;
    ``ends``: the transaction ends with it whatever its stop points are.
    """

    state: EvseState
    orders: tuple[Order, ...] = ()
    facts: tuple[Fact, ...] = ()
    why: Cause | None = None
    reason: StopReason | None = None
    token: IdToken | None = None
    ends: bool = False
    samples: tuple[Sampled, ...] = ()
    verdict: str = ""


def decide(state: EvseState, what: given.Input, now: datetime, policy: Policy) -> Turn:  # noqa: C901, PLR0912 - one arm per rule
    """Apply one input. One that means nothing at this stage changes nothing."""
    match state.stage, what:
        case _, given.PowerRestored():
            return _restored(state, what, now, policy)
        case _, given.FaultRaised() | given.FaultCleared() | given.AvailabilityChanged():
            return Turn(altered(state, what))
        case ((Stage.AVAILABLE | Stage.PLUGGED), given.ReservationsChanged(reserved_for)):
            return Turn(replace(state, reserved_for=reserved_for))
        case _, given.ReservationsChanged(()):
            return Turn(replace(state, reserved_for=()))
        case _, given.TokenAccepted(authorization) if not _admits(state, authorization):
            return Turn(state)
        case _, given.LimitChanged(limit) if limit != state.limit_a:
            why = Cause.CHARGING_RATE_CHANGED if state.stage is Stage.CHARGING else None
            return Turn(replace(state, limit_a=limit), (SetLimit(limit),), why=why)
        case _, given.BayChanged(occupied) if occupied is not state.bay:
            why = Cause.EV_DETECTED if occupied else Cause.EV_DEPARTED
            return Turn(replace(state, bay=occupied), why=why)
        case _, given.CableUnlocked() if not state.metering:
            return Turn(_freed(state))
        case _, given.VehicleReady(ready) if state.plugged:
            return Turn(replace(state, ev_ready=ready))
        case _, given.GroupLearned(group):
            return Turn(with_group(state, group))

        case Stage.AVAILABLE, given.Plugged(connector):
            return _waits(_plug(state, connector), now, policy)
        case Stage.FINISHED, given.Plugged(connector) if not state.plugged:  # the cable was held
            return _waits(_plug(state, connector), now, policy)
        case Stage.PLUGGED, given.DeadlinePassed():
            stage = Stage.PLUGGED if state.reserved_for else Stage.FINISHED
            return Turn(replace(state, stage=stage, deadline=None))
        case Stage.AUTHORIZED, given.Plugged(connector) if free(_plug(state, connector), 1):
            return _open(_plug(state, connector), policy, Cause.CABLE_PLUGGED_IN)
        case Stage.AUTHORIZED, given.Plugged(connector):
            waits = replace(_rest(_plug(state, connector)), stage=Stage.PLUGGED)
            return Turn(waits, why=Cause.ABNORMAL_CONDITION, reason=StopReason.OTHER)
        case Stage.AVAILABLE, given.TokenAccepted(authorization) if _takes(state, policy):
            deadline = now + policy.connection_timeout
            waiting = replace(state, stage=Stage.AUTHORIZED, deadline=deadline)
            return _authorized(Turn(waiting, why=authorization.cause), authorization)
        case ((Stage.PLUGGED | Stage.FINISHED), given.TokenAccepted(authorization)) if _takes(
            state, policy
        ):
            begun = replace(state, authorization=authorization)
            return _authorized(_open(begun, policy, authorization.cause), authorization)
        case Stage.AUTHORIZED, given.DeadlinePassed():
            reason, cause = _TOO_LATE
            return Turn(_rest(state), why=cause, reason=reason)
        case Stage.AUTHORIZED, given.StopRequested():
            return _asked(_rest(state), what)

        case Stage.OPENING, given.BeginTaken(transaction_id) if transaction_id == state.opening:
            return _begun(state, what, now, policy)
        case Stage.OPENING, given.BeginFailed(transaction_id) if transaction_id == state.opening:
            failed = release(_rest(state))
            return Turn(failed, why=Cause.ABNORMAL_CONDITION, reason=StopReason.OTHER, ends=True)

        case Stage.CHARGING, given.StopRequested():
            return close(state, what, policy)
        case Stage.CHARGING, given.MeterLost() if policy.stop_on_meter_failure:
            return close(state, _stop(StopReason.OTHER, Cause.ABNORMAL_CONDITION), policy)
        case _, given.EnergyDenied(None) if state.authorized:
            return Turn(replace(state, denied=True))
        case _, given.EnergyDenied(from_wh) if state.authorized and state.denied_from_wh is None:
            return Turn(replace(state, denied_from_wh=from_wh))
        case Stage.CHARGING, given.Unplugged() if state.plugged:
            return _unplugged(state, now, policy)
        case Stage.CHARGING, given.Plugged(connector) if not state.plugged:
            return _came(replace(_plug(state, connector), deadline=None))
        case Stage.CHARGING, given.DeadlinePassed() if not state.plugged:
            return close(state, _stop(*_TOO_LATE), policy)

        case Stage.CLOSING, given.EndTaken(transaction_id, reading, verdict, kept) if _is_own(
            state, transaction_id
        ):
            return _finished(state, Final(reading, verdict, kept=kept))
        case Stage.CLOSING, given.EndFailed(transaction_id, missing, reason, reading, kept) if (
            _is_own(state, transaction_id)
        ):
            return _finished(state, Final(reading, missing=f"{missing}: {reason}", kept=kept))

        case ((Stage.PLUGGED | Stage.FINISHED), given.Unplugged()) if state.plugged:
            return Turn(_rest(_unplug(state)), why=Cause.EV_COMMUNICATION_LOST)
        case ((Stage.OPENING | Stage.CLOSING), given.Unplugged()) if state.plugged:
            return Turn(_unplug(state), why=Cause.EV_COMMUNICATION_LOST)
        case ((Stage.OPENING | Stage.CLOSING), given.Plugged(connector)) if not state.plugged:
            return _came(_plug(state, connector))
        case ((Stage.PLUGGED | Stage.FINISHED | Stage.AVAILABLE), given.StopRequested()):
            return _asked(_freed(state), what)
        case _, given.ReadingTaken(context=context) if state.transaction and context in _PERIODIC:
            return _sampled(state, what, policy)
    return Turn(state)


def pausing(before: EvseState, turn: Turn, policy: Policy) -> Turn:
    """Where a transaction stops with the energy, a pause ends the session (E06.FR.06, not advised).

    That is so whoever pauses: the vehicle, a limit of 0, a fault or a token that was refused.
    """
    flowed = before.charging_state is ChargingState.CHARGING
    after = turn.state
    flows = after.charging_state is ChargingState.CHARGING
    if Point.ENERGY not in policy.stop_points or after.stage is not Stage.CHARGING or flows:
        return turn
    if not flowed or after.transaction is None:
        return turn
    by_vehicle = after.charging_state is ChargingState.SUSPENDED_EV
    reason = StopReason.STOPPED_BY_EV if by_vehicle else StopReason.LOCAL
    if after.denied:
        reason = StopReason.DEAUTHORIZED
    elif after.faulted:
        reason = StopReason.OTHER
    closing = close(after, _stop(reason, Cause.CHARGING_STATE_CHANGED), policy)
    return replace(closing, orders=(*turn.orders, *closing.orders), facts=turn.facts)


def close(state: EvseState, why: given.StopRequested, policy: Policy) -> Turn:
    """End the session: no energy any more, the meter is asked for the end reading."""
    if state.transaction is None:
        raise AssertionError(f"{state.stage} without a transaction")
    after = hold(replace(state, stage=Stage.CLOSING, deadline=None), why.reason, policy)
    order = TakeEnd(state.transaction.transaction_id)
    return replace(_asked(after, why), orders=(order,))


def _asked(state: EvseState, why: given.StopRequested) -> Turn:
    ends = why.reason in _ENDS_ALL
    return Turn(state, why=why.cause, reason=why.reason, token=why.token, ends=ends)


def _stop(reason: StopReason, cause: Cause) -> given.StopRequested:
    return given.StopRequested(reason, cause)


def _came(state: EvseState) -> Turn:
    return Turn(state, why=Cause.CABLE_PLUGGED_IN)


def _waits(state: EvseState, now: datetime, policy: Policy) -> Turn:
    """A vehicle waits for a token; for long, it counts as done (OCPP 1.6 section 4.9, B6).

    A token that comes later still begins.
    """
    deadline = now + policy.connection_timeout
    return _came(replace(state, stage=Stage.PLUGGED, deadline=deadline))


def _admits(state: EvseState, authorization: Authorization) -> bool:
    """Whether no reservation of somebody else is in the way (OCPP 2.0.1 H03, 1.6 section 5.13)."""
    return not state.reserved_for or authorization.reservation_id in state.reserved_for


def _takes(state: EvseState, policy: Policy) -> bool:
    """Whether a session may begin: one per transaction, because a meter signs one of an id."""
    over = state.transaction is not None and state.transaction.begin is not None
    held = state.held is not None and state.stage is Stage.FINISHED
    return not over and not held and free(state, policy.connectors)


def _authorized(turn: Turn, authorization: Authorization) -> Turn:
    """Somebody has begun here; what was reserved for this is used up (OCPP 2.0.1 H03.FR.09)."""
    state = replace(turn.state, authorization=authorization, reserved_for=())
    used = authorization.reservation_id
    facts = () if used is None else (ReservationUsed(used),)
    return replace(turn, state=state, facts=(*turn.facts, *facts))


def _plug(state: EvseState, connector_id: int) -> EvseState:
    return replace(state, plugged=True, ev_ready=False, connector_id=connector_id)


def _unplug(state: EvseState) -> EvseState:
    return without_lock_failure(replace(state, plugged=False, ev_ready=False))


def _rest(state: EvseState) -> EvseState:
    """Nobody is authorized any more; what is left is the vehicle, or a cable that is held."""
    left = state.plugged or state.held is not None
    return replace(
        state,
        stage=Stage.FINISHED if left else Stage.AVAILABLE,
        authorization=None,
        opening="",
        denied=False,
        denied_from_wh=None,
        deadline=None,
    )


def _freed(state: EvseState) -> EvseState:
    """Nobody's cable is held any more; without a vehicle the outlet is free."""
    after = release(state)
    if state.held is not None and state.stage is Stage.FINISHED and not state.plugged:
        return replace(after, stage=Stage.AVAILABLE)
    return after


def _is_own(state: EvseState, transaction_id: str) -> bool:
    return state.transaction is not None and state.transaction.transaction_id == transaction_id


def _open(state: EvseState, policy: Policy, why: Cause) -> Turn:
    """Ask the meter to begin. A transaction that runs already keeps its id."""
    authorization = state.authorization
    if authorization is None:
        return Turn(state)
    running = state.transaction
    own_id = running.transaction_id if running is not None else policy.fresh_id
    opening = replace(state, stage=Stage.OPENING, opening=own_id, deadline=None, held=None)
    locked = replace(opening, locked=state.connector_id in policy.sockets)
    billing = BillingTransaction(
        transaction_id=own_id,
        charge_point=policy.charge_point,
        identification=identification(authorization, tls=policy.tls),
        tariff_text=agreed(authorization, policy),
    )
    return Turn(locked, (TakeBegin(billing),), why=why)


def _begun(state: EvseState, taken: given.BeginTaken, now: datetime, policy: Policy) -> Turn:
    """The meter counts: energy may flow, unless the vehicle has left meanwhile."""
    authorization, reading = state.authorization, taken.reading
    if authorization is None:
        return Turn(_rest(state))
    begun = Transaction(state.opening, now, authorization, reading)
    if state.transaction is not None:
        begun = replace(state.transaction, authorization=authorization, begin=reading)
    charging = replace(state, stage=Stage.CHARGING, opening="", transaction=begun)
    signed = reading.signed is not None and begun.told
    why = Cause.SIGNED_DATA_RECEIVED if signed else None
    if charging.plugged:
        return Turn(charging, why=why, verdict=taken.verdict)
    closing = close(charging, _stop(*_GONE), policy)
    return replace(closing, verdict=taken.verdict)


def _unplugged(state: EvseState, now: datetime, policy: Policy) -> Turn:
    """The cable was pulled out of the vehicle (OCPP 2.0.1 E09, E10; 1.6 section 9.1.24).

    A session that stays waits for the vehicle: behind a fixed cable as long as a token waits for
    one, else until the driver comes, because the cable is held.
    """
    gone = _unplug(state)
    with_it = {Point.CONNECTED, Point.PATH} & policy.stop_points
    flowed = state.charging_state is ChargingState.CHARGING
    if policy.stop_on_ev_disconnect or with_it or (flowed and Point.ENERGY in policy.stop_points):
        return close(gone, _stop(*_GONE), policy)
    fixed = state.connector_id not in policy.sockets
    deadline = now + policy.connection_timeout if fixed else None
    return Turn(replace(gone, deadline=deadline), why=Cause.EV_COMMUNICATION_LOST)


def _finished(state: EvseState, final: Final) -> Turn:
    if state.transaction is None:
        raise AssertionError(f"{state.stage} without a transaction")
    return Turn(_rest(replace(state, transaction=replace(state.transaction, final=final))))


def _sampled(state: EvseState, taken: given.ReadingTaken, policy: Policy) -> Turn:
    reading, context, transaction = taken.reading, taken.context, state.transaction
    facts: list[Fact] = []
    aligned = context is Context.CLOCK
    if taken.keep and transaction is not None:
        wanted = policy.aligned_ended_measurands if aligned else policy.ended_measurands
        sign = policy.sign_aligned_ended if aligned else policy.sign_ended
        kept = select(reading, context, wanted, signed=sign)
        facts += (SampleKept(transaction.transaction_id, one) for one in kept)
    if not taken.tell:
        return Turn(state, facts=tuple(facts))
    wanted = policy.aligned_measurands if aligned else policy.updated_measurands
    sign = policy.sign_aligned if aligned else policy.sign_updated
    samples = select(reading, context, wanted, signed=sign)
    why = _PERIODIC[context] if samples else None
    return Turn(state, facts=tuple(facts), why=why, samples=samples)


def _restored(state: EvseState, what: given.PowerRestored, now: datetime, policy: Policy) -> Turn:
    """After a power cut or a crash: the vehicle is what the board sees, a running session ends.

    The first reason to stop is kept. A session whose begin was not stored never existed; what the
    meter holds of it is closed by the station afterwards. Whether contactor and lock still fail is
    found anew by the orders that follow: nothing else would ever clear that fault.
    """
    seen = replace(
        without_lock_failure(state),
        plugged=what.plugged,
        connector_id=what.connector_id if what.plugged else state.connector_id,
        ev_ready=what.plugged and what.ev_ready,
        bay=what.bay,
    )
    faults = tuple(f for f in seen.faults if f.error_code != POWER_SWITCH_FAILURE)
    seen = replace(seen, faults=faults)
    lost = _stop(what.lost, Cause.ABNORMAL_CONDITION)
    left = Cause.EV_COMMUNICATION_LOST if state.plugged and not what.plugged else None
    match state.stage:
        case Stage.CHARGING if policy.resume_after_power_loss and what.plugged:
            return Turn(replace(seen, deadline=None))
        case Stage.CHARGING:
            return close(seen, lost, policy)
        case Stage.CLOSING if state.transaction is not None:
            return Turn(seen, (TakeEnd(state.transaction.transaction_id),), why=left)
        case Stage.AVAILABLE if what.plugged:
            return _waits(seen, now, policy)
        case Stage.PLUGGED if what.plugged:
            return Turn(seen)
        case Stage.AUTHORIZED | Stage.OPENING:
            return _asked(release(_rest(seen)), lost)
    return Turn(_rest(seen), why=left)
