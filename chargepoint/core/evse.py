"""The rules of one EVSE: ``advance`` says what follows from what happened.

A session, as these rules tell it: a vehicle is plugged, a token accepted (or the other way round,
then a deadline runs). The meter is asked for a begin reading; when it is there the transaction has
started, the CSMS learns so and the contactor closes. Readings and pauses are told while it runs.
Somebody asks for the end: the contactor opens, the meter is asked for the end reading; when it is
there the transaction has ended, the CSMS learns so with the signed record, and only after that was
stored the meter may forget it. The vehicle leaves, the outlet is free.

Nothing here waits, and a power cut needs no second copy of the story: orders are not stored, the
stage alone says what is still to be done, and PowerRestored says it again.

Why a pure function and not one coroutine per EVSE: the position in the session is kept in one
place only, and all sequences of inputs can be walked in a test.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from chargepoint.core import inputs as given
from chargepoint.core.authorization import identification, with_group
from chargepoint.core.availability import altered, free, statuses_between
from chargepoint.core.facts import (
    Fact,
    ReservationUsed,
    SampleKept,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.model import (
    POWER_SWITCH_FAILURE,
    Authorization,
    Cause,
    ChargingState,
    Context,
    EvseState,
    Policy,
    Sampled,
    Stage,
    StopReason,
    Transaction,
)
from chargepoint.core.orders import (
    CloseContactor,
    OpenContactor,
    Order,
    ReleaseRecord,
    SetLimit,
    TakeBegin,
    TakeEnd,
)
from chargepoint.core.sampling import select
from chargepoint.core.tariff import agreed
from meters.model import BillingTransaction, Reading

_PERIODIC = {
    Context.CLOCK: Cause.METER_CLOCK,
    Context.PERIODIC: Cause.METER_PERIODIC,
    Context.TRIGGER: Cause.TRIGGER,
}


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an input: the new state, what to tell, what to do, in this order."""

    state: EvseState
    facts: tuple[Fact, ...] = ()
    orders: tuple[Order, ...] = ()


def advance(state: EvseState, what: given.Input, now: datetime, policy: Policy) -> Step:
    """Apply one input. An input that means nothing in this state changes nothing.

    The contactor follows from the state alone: whenever ``powered`` changes, the order to open or
    close it comes first; after a start always, because nobody knows where it is. Nor does anybody
    know then which limit the board keeps.
    """
    step = _decide(state, what, now, policy)
    facts, orders = list(step.facts), list(step.orders)
    after = step.state
    if isinstance(what, given.PowerRestored):
        orders.insert(0, SetLimit(after.limit_a))
    if after.powered != state.powered or isinstance(what, given.PowerRestored):
        orders.insert(0, CloseContactor() if after.powered else OpenContactor())
    if not facts and _transaction_state_changed(state, after):
        after, fact = _updated(after, Cause.CHARGING_STATE_CHANGED, now, ())
        facts.append(fact)
    facts += statuses_between(state, after, now, policy.connectors)
    return Step(after, tuple(facts), tuple(orders))


def _decide(state: EvseState, what: given.Input, now: datetime, policy: Policy) -> Step:  # noqa: C901, PLR0912 - one arm per rule
    match state.stage, what:
        case _, given.PowerRestored():
            return _restored(state, what, now, policy)
        case _, given.FaultRaised() | given.FaultCleared() | given.AvailabilityChanged():
            return Step(altered(state, what))
        case ((Stage.AVAILABLE | Stage.PLUGGED), given.ReservationsChanged(reserved_for)):
            return Step(replace(state, reserved_for=reserved_for))
        case _, given.ReservationsChanged(()):
            return Step(replace(state, reserved_for=()))
        case _, given.TokenAccepted(authorization) if not _admits(state, authorization):
            return Step(state)
        case _, given.LimitChanged(limit) if limit != state.limit_a:
            return _limited(replace(state, limit_a=limit), now)

        case Stage.AVAILABLE, given.Plugged(connector):
            return Step(replace(_plug(state, connector), stage=Stage.PLUGGED))
        case Stage.AUTHORIZED, given.Plugged(connector) if free(_plug(state, connector), 1):
            return _open(_plug(state, connector), policy)
        case Stage.AUTHORIZED, given.Plugged(connector):
            return Step(replace(_rest(_plug(state, connector)), stage=Stage.PLUGGED))
        case Stage.AVAILABLE, given.TokenAccepted(authorization) if free(state, policy.connectors):
            deadline = now + policy.connection_timeout
            waiting = replace(state, stage=Stage.AUTHORIZED, deadline=deadline)
            return _authorized(Step(waiting), authorization)
        case ((Stage.PLUGGED | Stage.FINISHED), given.TokenAccepted(authorization)) if free(
            state, policy.connectors
        ):
            opening = _open(replace(state, authorization=authorization), policy)
            return _authorized(opening, authorization)
        case Stage.AUTHORIZED, (given.DeadlinePassed() | given.StopRequested()):
            return Step(_rest(state))

        case Stage.OPENING, given.BeginTaken(transaction_id) if transaction_id == state.opening:
            return _start(state, what, now, policy)
        case Stage.OPENING, given.BeginFailed(transaction_id) if transaction_id == state.opening:
            return Step(_rest(state))

        case Stage.CHARGING, given.StopRequested():
            return _close(state, what, now)
        case Stage.CHARGING, given.MeterLost() if policy.stop_on_meter_failure:
            why = given.StopRequested(StopReason.OTHER, Cause.ABNORMAL_CONDITION)
            return _close(state, why, now)
        case Stage.CHARGING, given.EnergyDenied(None):
            return Step(replace(state, denied=True))
        case Stage.CHARGING, given.EnergyDenied(from_wh) if state.denied_from_wh is None:
            return Step(replace(state, denied_from_wh=from_wh))
        case Stage.CHARGING, given.GroupLearned(group):
            return Step(with_group(state, group))
        case Stage.CHARGING, given.ReadingTaken(context=context) if context in _PERIODIC:
            return _sampled(state, what, now, policy)
        case Stage.CHARGING, given.Unplugged() if policy.stop_on_ev_disconnect:
            gone = replace(state, plugged=False, ev_ready=False)
            why = given.StopRequested(StopReason.EV_DISCONNECTED, Cause.EV_COMMUNICATION_LOST)
            return _close(gone, why, now)

        case Stage.CLOSING, given.EndTaken(transaction_id, reading, verdict, kept) if _is_own(
            state, transaction_id
        ):
            return _end(state, reading, now, policy, kept, verdict=verdict)
        case Stage.CLOSING, given.EndFailed(transaction_id, missing, reason, reading, kept) if (
            _is_own(state, transaction_id)
        ):
            return _end(state, reading, now, policy, kept, missing=f"{missing}: {reason}")

        case ((Stage.PLUGGED | Stage.FINISHED), given.Unplugged()):
            return Step(_rest(replace(state, plugged=False, ev_ready=False)))
        case ((Stage.OPENING | Stage.CHARGING | Stage.CLOSING), given.Unplugged()):
            return Step(replace(state, plugged=False, ev_ready=False))
        case ((Stage.OPENING | Stage.CHARGING | Stage.CLOSING), given.Plugged(connector)):
            return Step(_plug(state, connector))
        case _, given.VehicleReady(ready) if state.plugged:
            return Step(replace(state, ev_ready=ready))
    return Step(state)


def _transaction(state: EvseState) -> Transaction:
    if state.transaction is None:
        raise AssertionError(f"{state.stage} without a transaction")
    return state.transaction


def _admits(state: EvseState, authorization: Authorization) -> bool:
    """Whether no reservation of somebody else is in the way (OCPP 2.0.1 H03, 1.6 section 5.13)."""
    return not state.reserved_for or authorization.reservation_id in state.reserved_for


def _authorized(step: Step, authorization: Authorization) -> Step:
    """Somebody has begun here; what was reserved for this is used up (OCPP 2.0.1 H03.FR.09)."""
    state = replace(step.state, authorization=authorization, reserved_for=())
    used = authorization.reservation_id
    facts = () if used is None else (ReservationUsed(used),)
    return replace(step, state=state, facts=(*step.facts, *facts))


def _plug(state: EvseState, connector_id: int) -> EvseState:
    return replace(state, plugged=True, ev_ready=False, connector_id=connector_id)


def _rest(state: EvseState) -> EvseState:
    """Nobody is authorized any more; what is left is the vehicle, if there is one."""
    stage = Stage.FINISHED if state.plugged else Stage.AVAILABLE
    return replace(
        state,
        stage=stage,
        authorization=None,
        opening="",
        transaction=None,
        denied=False,
        denied_from_wh=None,
        deadline=None,
    )


def _is_own(state: EvseState, transaction_id: str) -> bool:
    return state.transaction is not None and state.transaction.transaction_id == transaction_id


def _open(state: EvseState, policy: Policy) -> Step:
    authorization = state.authorization
    if authorization is None:
        return Step(state)
    opening = replace(state, stage=Stage.OPENING, opening=policy.fresh_id, deadline=None)
    billing = BillingTransaction(
        transaction_id=policy.fresh_id,
        charge_point=policy.charge_point,
        identification=identification(authorization, tls=policy.tls),
        tariff_text=agreed(authorization, policy),
    )
    return Step(opening, orders=(TakeBegin(billing),))


def _start(state: EvseState, taken: given.BeginTaken, now: datetime, policy: Policy) -> Step:
    authorization, reading = state.authorization, taken.reading
    if authorization is None:
        return Step(_rest(state))
    transaction = Transaction(state.opening, now, authorization, reading, next_seq=1)
    charging = replace(state, stage=Stage.CHARGING, opening="", transaction=transaction)
    started = TransactionStarted(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=state.opening,
        seq=0,
        at=now,
        cause=authorization.cause,
        charging_state=charging.charging_state,
        token=authorization.token,
        begin=reading,
        samples=select(
            reading, Context.BEGIN, policy.started_measurands, signed=policy.sign_started
        ),
        remote_start_id=authorization.remote_start_id,
        with_key=policy.key_started,
        verdict=taken.verdict,
        reservation_id=authorization.reservation_id,
    )
    if charging.plugged:
        return Step(charging, (started,))
    gone = given.StopRequested(StopReason.EV_DISCONNECTED, Cause.EV_COMMUNICATION_LOST)
    step = _close(charging, gone, now)
    return replace(step, facts=(started, *step.facts))


def _updated(
    state: EvseState,
    cause: Cause,
    now: datetime,
    samples: tuple[Sampled, ...],
    *,
    with_key: bool = False,
) -> tuple[EvseState, TransactionUpdated]:
    transaction = _transaction(state)
    fact = TransactionUpdated(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=transaction.transaction_id,
        seq=transaction.next_seq,
        at=now,
        cause=cause,
        charging_state=state.charging_state,
        samples=samples,
        with_key=with_key,
    )
    counted = replace(transaction, next_seq=transaction.next_seq + 1)
    return replace(state, transaction=counted), fact


def _transaction_state_changed(before: EvseState, after: EvseState) -> bool:
    return (
        before.stage is Stage.CHARGING
        and after.stage is Stage.CHARGING
        and before.charging_state is not after.charging_state
    )


def _sampled(state: EvseState, taken: given.ReadingTaken, now: datetime, policy: Policy) -> Step:
    reading, context = taken.reading, taken.context
    facts: list[Fact] = []
    aligned = context is Context.CLOCK
    if taken.keep:
        wanted = policy.aligned_ended_measurands if aligned else policy.ended_measurands
        sign = policy.sign_aligned_ended if aligned else False
        kept = select(reading, context, wanted, signed=sign)
        facts += (SampleKept(_transaction(state).transaction_id, one) for one in kept)
    if taken.tell:
        wanted = policy.aligned_measurands if aligned else policy.updated_measurands
        sign = policy.sign_aligned if aligned else policy.sign_updated
        if samples := select(reading, context, wanted, signed=sign):
            cause = _PERIODIC[context]
            state, fact = _updated(state, cause, now, samples, with_key=policy.key_updated)
            facts.append(fact)
    return Step(state, tuple(facts))


def _limited(state: EvseState, now: datetime) -> Step:
    order = SetLimit(state.limit_a)
    if state.stage is not Stage.CHARGING:
        return Step(state, orders=(order,))
    state, fact = _updated(state, Cause.CHARGING_RATE_CHANGED, now, ())
    return Step(state, (fact,), (order,))


def _close(state: EvseState, why: given.StopRequested, now: datetime) -> Step:
    transaction = _transaction(state)
    closing = replace(
        transaction,
        stop_reason=why.reason,
        stop_cause=why.cause,
        stop_token=why.token,
        stopped_at=now,
    )
    after = replace(state, stage=Stage.CLOSING, transaction=closing)
    return Step(after, orders=(TakeEnd(transaction.transaction_id),))


def _end(
    state: EvseState,
    reading: Reading | None,
    now: datetime,
    policy: Policy,
    kept: tuple[Sampled, ...],
    *,
    verdict: str = "",
    missing: str = "",
) -> Step:
    transaction = _transaction(state)
    ended = TransactionEnded(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=transaction.transaction_id,
        seq=transaction.next_seq,
        at=transaction.stopped_at or now,
        cause=transaction.stop_cause or Cause.ABNORMAL_CONDITION,
        reason=transaction.stop_reason or StopReason.OTHER,
        charging_state=ChargingState.EV_CONNECTED if state.plugged else ChargingState.IDLE,
        token=transaction.authorization.token,
        stop_token=transaction.stop_token,
        begin=transaction.begin,
        end=reading,
        samples=_final_samples(transaction, reading, kept, policy),
        verdict=verdict,
        missing=missing,
        with_key=policy.key_ended,
        key_once=policy.key_once,
    )
    orders: tuple[Order, ...] = ()
    if reading is not None and reading.signed is not None:
        orders = (ReleaseRecord(transaction.transaction_id),)
    return Step(_rest(state), (ended,), orders)


def _final_samples(
    transaction: Transaction, end: Reading | None, kept: tuple[Sampled, ...], policy: Policy
) -> tuple[Sampled, ...]:
    wanted, sign = policy.ended_measurands, policy.sign_ended
    begin = select(transaction.begin, Context.BEGIN, wanted, signed=sign)
    last = select(end, Context.END, wanted, signed=sign) if end is not None else ()
    return (*begin, *kept, *last)


def _restored(state: EvseState, what: given.PowerRestored, now: datetime, policy: Policy) -> Step:
    """After a power cut: the vehicle is what the board sees, a running transaction ends.

    The first reason to stop is kept. A transaction whose begin was not stored never existed for
    the CSMS; what the meter holds of it is closed by the station afterwards. Whether the contactor
    still fails is found anew by the order that follows: nothing else would ever clear that fault.
    """
    seen = replace(
        state,
        plugged=what.plugged,
        connector_id=what.connector_id if what.plugged else state.connector_id,
        ev_ready=what.plugged and what.ev_ready,
        faults=tuple(f for f in state.faults if f.error_code != POWER_SWITCH_FAILURE),
    )
    match state.stage:
        case Stage.CHARGING if policy.resume_after_power_loss and what.plugged:
            return Step(seen)
        case Stage.CHARGING:
            why = given.StopRequested(StopReason.POWER_LOSS, Cause.ABNORMAL_CONDITION)
            return _close(seen, why, now)
        case Stage.CLOSING if state.transaction is not None:
            return Step(seen, orders=(TakeEnd(state.transaction.transaction_id),))
        case Stage.AVAILABLE if what.plugged:
            return Step(replace(seen, stage=Stage.PLUGGED))
        case Stage.PLUGGED if what.plugged:
            return Step(seen)
    return Step(_rest(seen))
