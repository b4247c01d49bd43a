"""When a transaction starts and stops, and what is told of it (OCPP 2.0.1 block E).

The settings TxStartPoint and TxStopPoint choose what of a session makes a transaction. The first
start point that is reached starts it, the first stop point stops it. Whatever they say:

- no energy flows without a transaction, unless it is to start with the energy itself;
- a transaction ends at the latest when neither vehicle nor authorization is left (E03.FR.05), and
  with a restart, a power cut or a meter that fails;
- one session, one transaction, one signed record: after its end no other session begins in it.

A transaction that stops while its meter still counts is told as ended once the record is there,
with the moment at which it stopped. One that goes on after its session, until the vehicle leaves,
keeps the record until then; the meter may forget it only after that.
"""

from dataclasses import replace
from datetime import datetime

from chargepoint.core.facts import (
    Fact,
    RecordKept,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.core.model import (
    Authorization,
    Cause,
    ChargingState,
    Context,
    EvseState,
    Final,
    Point,
    Policy,
    Sampled,
    Stage,
    StopReason,
    Transaction,
)
from chargepoint.core.orders import Order, ReleaseRecord
from chargepoint.core.sampling import phases_in_use, select
from chargepoint.core.session import Turn
from meters.model import Reading

# Why a transaction ended whose authorization was over before, or never was.
_REASONS = {
    Cause.EV_COMMUNICATION_LOST: StopReason.EV_DISCONNECTED,
    Cause.EV_CONNECT_TIMEOUT: StopReason.TIMEOUT,
    Cause.EV_DEPARTED: StopReason.LOCAL,
}
Told = tuple[EvseState, tuple[Fact, ...], tuple[Order, ...]]


def start(before: EvseState, after: EvseState, points: frozenset[Point]) -> Cause | None:
    """The trigger of a start point that was just reached; None if none was (E01, table of E02).

    A transaction that is over starts again only with the next authorization, although the vehicle
    is still there.
    """
    who = after.authorization
    newly = who is not None and after.authorized and not before.authorized
    closing = after.stage is Stage.CLOSING  # of a session that never became a transaction
    if Point.BAY in points and after.bay and not before.bay and not closing:
        return Cause.EV_DETECTED
    if Point.CONNECTED in points and after.plugged and not before.plugged and not closing:
        return Cause.CABLE_PLUGGED_IN
    here = (Point.BAY in points and after.bay) or (Point.CONNECTED in points and after.plugged)
    if who is not None and newly and (Point.AUTHORIZED in points or here):
        return who.cause
    return _start_with_meter(before, after, points)


def _start_with_meter(
    before: EvseState, after: EvseState, points: frozenset[Point]
) -> Cause | None:
    transaction = after.transaction
    if transaction is None or transaction.authorization is None:
        return None
    begun = transaction.begin is not None and not _begun(before)
    if begun and Point.SIGNED in points:
        return Cause.SIGNED_DATA_RECEIVED
    if begun and Point.ENERGY not in points:
        return transaction.authorization.cause
    if Point.ENERGY in points and _flows(after) and not _flows(before):
        remote = transaction.authorization.cause is Cause.REMOTE_START
        return Cause.REMOTE_START if remote else Cause.CHARGING_STATE_CHANGED
    return None


def is_over(before: EvseState, after: EvseState, policy: Policy) -> bool:
    """Whether a stop point was just reached, or nothing is left to stop (E06).

    A vehicle that stands in the bay is enough to go on if the bay starts or stops transactions;
    one whose driver did not plug in time only if it stops them (E03.FR.05).
    """
    points = policy.stop_points
    left = before.plugged and not after.plugged
    deauthorized = before.authorized and not after.authorized
    bay = Point.BAY in points or (Point.BAY in policy.start_points and not deauthorized)
    return (
        (Point.BAY in points and before.bay and not after.bay)
        or (Point.CONNECTED in points and left)
        or (bool(points & {Point.AUTHORIZED, Point.PATH, Point.ENERGY}) and deauthorized)
        or (Point.PATH in points and before.authorized and left)
        or not (after.plugged or after.authorized or (bay and after.bay))
    )


def tell(before: EvseState, turn: Turn, now: datetime, policy: Policy) -> Told:
    """What the CSMS learns of a turn, in order; the state with that noted; what follows from it."""
    state, facts = turn.state, list[Fact]()
    cause = None if state.told else start(before, state, policy.start_points)
    if cause is not None:
        state, started = _started(state, turn, cause, now, policy)
        facts.append(started)
    state = _noted(before, state, turn, now, policy)
    transaction = state.transaction
    if transaction is None:
        return state, (), ()
    if transaction.told and transaction.stop_cause is None:
        if cause is None and turn.why is not None:
            state, updated = _updated(before, state, turn, now, policy)
            facts.append(updated)
        if state.transaction is not None and state.transaction.charging_state != (
            state.charging_state
        ):
            plain = Turn(state, why=Cause.CHARGING_STATE_CHANGED)
            state, updated = _updated(state if facts else before, state, plain, now, policy)
            facts.append(updated)
        return state, tuple(facts), ()
    if state.metering:
        return state, tuple(facts), ()
    return _over(state, tuple(facts), now, policy)


def _over(state: EvseState, facts: tuple[Fact, ...], now: datetime, policy: Policy) -> Told:
    """The end is told; one that was never told as started leaves nothing but its record."""
    transaction = state.transaction
    if transaction is None:
        return state, facts, ()
    final = transaction.final
    signed = final is not None and final.reading is not None and final.reading.signed is not None
    orders = (ReleaseRecord(transaction.transaction_id),) if signed else ()
    if transaction.told:
        facts = (*facts, _ended(state, transaction, now, policy))
    elif signed and final is not None and final.reading is not None:
        kept = (state.evse_id, transaction.transaction_id, final.reading, final.verdict)
        facts = (*facts, RecordKept(*kept))
    return replace(state, transaction=None), facts, orders


def _noted(
    before: EvseState, state: EvseState, turn: Turn, now: datetime, policy: Policy
) -> EvseState:
    """The first reason to stop is kept, and the moment at which a stop point was reached."""
    transaction = state.transaction
    if transaction is None:
        return state
    if turn.reason is not None and transaction.stop_reason is None:
        transaction = replace(transaction, stop_reason=turn.reason, stop_token=turn.token)
    told = transaction.told and transaction.stop_cause is None
    if told and (turn.ends or is_over(before, state, policy)):
        cause = turn.why or Cause.ABNORMAL_CONDITION
        reason = transaction.stop_reason or _REASONS.get(cause, StopReason.OTHER)
        transaction = replace(transaction, stop_reason=reason, stop_cause=cause, stopped_at=now)
    return replace(state, transaction=transaction)


def _started(
    state: EvseState, turn: Turn, cause: Cause, now: datetime, policy: Policy
) -> tuple[EvseState, TransactionStarted]:
    """Before the meter has begun the live reading is told, which nobody has signed (J02.FR.01)."""
    transaction = state.transaction
    if transaction is None:
        own_id = state.opening or policy.fresh_id
        transaction = Transaction(own_id, now, state.authorization, None)
    begin, who = transaction.begin, state.authorization or transaction.authorization
    first, sign = (begin, policy.sign_started) if begin else (policy.reading, False)
    wanted = policy.started_measurands
    samples = select(first, Context.BEGIN, wanted, signed=sign) if first else ()
    # What the vehicle does then is a message of its own (E_38, "EnergyTransferStarted").
    first_of_all = begin is not None and Point.ENERGY not in policy.start_points
    connected = first_of_all and state.plugged
    now_charging = ChargingState.EV_CONNECTED if connected else state.charging_state
    phases = _phases(state, policy)
    fact = TransactionStarted(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=transaction.transaction_id,
        seq=0,
        at=now,
        cause=cause,
        charging_state=now_charging,
        token=who.token if who else None,
        begin=begin,
        samples=samples,
        remote_start_id=who.remote_start_id if who else None,
        with_key=policy.key_started,
        verdict=turn.verdict,
        reservation_id=who.reservation_id if who else None,
        phases=phases,
    )
    told = replace(
        transaction,
        authorization=who,
        next_seq=1,
        started_at=now,
        charging_state=now_charging,
        phases=phases,
    )
    return replace(state, transaction=told), fact


def _updated(
    before: EvseState, state: EvseState, turn: Turn, now: datetime, policy: Policy
) -> tuple[EvseState, TransactionUpdated]:
    transaction = state.transaction
    if transaction is None:
        raise AssertionError("nothing to tell of")
    newly = state.authorization if state.authorized and not before.authorized else None
    begin = transaction.begin if not _begun(before) else None
    samples, with_key = turn.samples, policy.key_updated
    if turn.why is Cause.SIGNED_DATA_RECEIVED and begin is not None:
        wanted = policy.started_measurands
        samples = select(begin, Context.BEGIN, wanted, signed=policy.sign_started)
        with_key = policy.key_started
    charging = _told_as(before, state, turn)
    phases = _phases(state, policy) or transaction.phases
    fact = TransactionUpdated(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=transaction.transaction_id,
        seq=transaction.next_seq,
        at=now,
        cause=turn.why or Cause.CHARGING_STATE_CHANGED,
        charging_state=charging,
        samples=samples,
        with_key=with_key,
        token=newly.token if newly else turn.token,
        authorizes=newly is not None,
        remote_start_id=newly.remote_start_id if newly else None,
        reservation_id=newly.reservation_id if newly else None,
        begin=begin,
        begun=transaction.begin is not None,
        begun_for=transaction.authorization if begin is not None else None,
        verdict=turn.verdict,
        phases=phases if phases != transaction.phases else None,
    )
    told = replace(
        transaction,
        authorization=newly or transaction.authorization,
        stop_reason=None if newly else transaction.stop_reason,
        stop_token=None if newly else transaction.stop_token,
        next_seq=transaction.next_seq + 1,
        charging_state=charging,
        phases=phases,
    )
    return replace(state, transaction=told), fact


def _told_as(before: EvseState, state: EvseState, turn: Turn) -> ChargingState:
    """A vehicle that is plugged again is told as connected first, then as what it does (E10)."""
    plugged = turn.why is Cause.CABLE_PLUGGED_IN and not before.plugged
    return ChargingState.EV_CONNECTED if plugged else state.charging_state


def _ended(
    state: EvseState, transaction: Transaction, now: datetime, policy: Policy
) -> TransactionEnded:
    final = transaction.final or Final(None)
    who: Authorization | None = transaction.authorization
    return TransactionEnded(
        evse_id=state.evse_id,
        connector_id=state.connector_id,
        transaction_id=transaction.transaction_id,
        seq=transaction.next_seq,
        at=transaction.stopped_at or now,
        cause=transaction.stop_cause or Cause.ABNORMAL_CONDITION,
        reason=transaction.stop_reason or StopReason.OTHER,
        charging_state=state.charging_state,
        token=who.token if who else None,
        stop_token=transaction.stop_token,
        begin=transaction.begin,
        end=final.reading,
        samples=_final_samples(transaction, final, policy),
        verdict=final.verdict,
        missing=final.missing,
        with_key=policy.key_ended,
        key_once=policy.key_once,
    )


def _final_samples(transaction: Transaction, final: Final, policy: Policy) -> tuple[Sampled, ...]:
    """Begin, those kept, end. A transaction whose meter never began ends with the live reading."""
    wanted, sign = policy.ended_measurands, policy.sign_ended
    if transaction.begin is None:
        live = policy.reading
        return select(live, Context.END, wanted) if live is not None else ()
    begin = select(transaction.begin, Context.BEGIN, wanted, signed=sign)
    end = final.reading
    if end is not None:
        earlier = [transaction.begin, *(sampled.reading for sampled in final.kept)]
        end = _not_before(end, max(reading.taken_at for reading in earlier), transaction.stopped_at)
    last = select(end, Context.END, wanted, signed=sign) if end is not None else ()
    return (*begin, *final.kept, *last)


def _not_before(end: Reading, earlier: datetime, stopped_at: datetime | None) -> Reading:
    """The end with a time that is not before what was read earlier.

    The time of a signed end is that of the meter's clock, which may be some seconds behind ours. A
    CSMS that sorts by time would take the end for the begin. The record itself stays as it is.
    """
    if end.taken_at > earlier:
        return end
    return replace(end, taken_at=max(earlier, stopped_at or earlier))


def _phases(state: EvseState, policy: Policy) -> int | None:
    """How many phases give energy now, if the meter says so (E02.FR.18)."""
    if state.charging_state is not ChargingState.CHARGING or policy.reading is None:
        return None
    return phases_in_use(policy.reading)


def _begun(state: EvseState) -> bool:
    return state.transaction is not None and state.transaction.begin is not None


def _flows(state: EvseState) -> bool:
    return state.charging_state is ChargingState.CHARGING
