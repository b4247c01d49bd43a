"""Every sequence of inputs up to a length, from every kind of start, with what must always hold."""

import os
from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chargepoint.core import inputs
from chargepoint.core.availability import connector_status
from chargepoint.core.evse import Step, advance
from chargepoint.core.facts import (
    Fact,
    RecordKept,
    ReservationUsed,
    Status,
    StatusChanged,
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
    Fault,
    IdToken,
    Missing,
    Point,
    Policy,
    Scope,
    Source,
    Stage,
    StopReason,
)
from chargepoint.core.orders import (
    CloseContactor,
    LockCable,
    OpenContactor,
    ReleaseRecord,
    TakeBegin,
    TakeEnd,
    UnlockCable,
)
from meters.model import Quantity, Reading, Sample, SignedReading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
TOKEN = Authorization(IdToken("04A1B2C3"), Source.CSMS)
RESERVED = Authorization(IdToken("04A1B2C3"), Source.CSMS, reservation_id=7)
BEGIN = Reading(NOW, (Sample(Quantity.ENERGY_IMPORT, Decimal(1000)),))
END = replace(BEGIN, signed=SignedReading(b"OCMF|{}|{}"))
ENERGY = ("Energy.Active.Import.Register",)

STOP = inputs.StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP)
FIXED: tuple[inputs.Input, ...] = (
    inputs.Plugged(),
    inputs.Unplugged(),
    inputs.VehicleReady(ready=True),
    inputs.VehicleReady(ready=False),
    inputs.TokenAccepted(TOKEN),
    STOP,
    inputs.EnergyDenied(),
    inputs.ReadingTaken(BEGIN, Context.PERIODIC),
    inputs.MeterLost(),
    inputs.LimitChanged(Decimal(0)),
    inputs.FaultRaised(Fault("OtherError")),
    inputs.FaultCleared("OtherError"),
    inputs.AvailabilityChanged(operative=False),
    inputs.AvailabilityChanged(operative=True),
    inputs.ReservationsChanged((7,)),
    inputs.ReservationsChanged(()),
    inputs.TokenAccepted(RESERVED),
    inputs.DeadlinePassed(),
    inputs.PowerRestored(plugged=True),
    inputs.PowerRestored(plugged=False),
)


@dataclass(frozen=True)
class World:
    """A state, and what an observer outside knows of the EVSE."""

    state: EvseState
    contactor: bool = False
    started: str = ""
    seq: int = 0
    ended: frozenset[str] = frozenset()
    ids: int = 0
    meter: str = ""
    releasable: frozenset[str] = frozenset()
    told: tuple[Status, ...] = (Status.AVAILABLE,)
    charging: ChargingState | None = None
    lock: bool = False


@dataclass
class Walk:
    """Breadth first over all inputs. Two sequences that lead to the same world go on as one: what
    can follow depends on the world alone, so nothing is left out."""

    policy: Policy
    more: tuple[inputs.Input, ...] = ()
    fixed: tuple[inputs.Input, ...] = FIXED
    seen: set[World] = field(default_factory=set)
    changes: set[tuple[Status, Status]] = field(default_factory=set)
    steps: int = 0

    def run(self, depth: int) -> None:
        told = (Status.AVAILABLE,) * self.policy.connectors
        border = deque([(World(EvseState(1), told=told), 0)])
        while border:
            world, level = border.popleft()
            if world in self.seen or level == depth:
                continue
            self.seen.add(world)
            for given in self.possible(world):
                border.append((self.step(world, given), level + 1))

    def possible(self, world: World) -> list[inputs.Input]:
        answers: list[inputs.Input] = []
        for transaction_id in filter(None, {world.meter, world.state.opening, "T-other"}):
            answers += [
                inputs.BeginTaken(transaction_id, BEGIN),
                inputs.BeginFailed(transaction_id),
                inputs.EndTaken(transaction_id, END, "valid"),
                inputs.EndFailed(transaction_id, Missing.UNREACHABLE, "meter gone"),
            ]
        return [*self.fixed, *self.more, *answers]

    def step(self, world: World, given: inputs.Input) -> World:
        self.steps += 1
        policy = replace(self.policy, fresh_id=f"T{world.ids}")
        step = advance(world.state, given, NOW, policy)
        after = self.observe(world, given, step)
        check_state(after, policy)
        self.changes |= {(a, b) for a, b in zip(world.told, after.told, strict=True) if a is not b}
        return after

    def observe(self, world: World, given: inputs.Input, step: Step) -> World:  # noqa: C901, PLR0912
        check_reservation(world.state, step)
        started, seq, ended = world.started, world.seq, world.ended
        charging, ids, lock = world.charging, world.ids, world.lock
        fresh = f"T{ids}"
        for fact in step.facts:
            started, seq, ended = check_fact(fact, started, seq, ended)
            if isinstance(fact, TransactionStarted | TransactionUpdated):
                charging = fact.charging_state
        contactor, meter, releasable = world.contactor, world.meter, world.releasable
        for fact in step.facts:
            if isinstance(fact, TransactionEnded | RecordKept):
                releasable |= {fact.transaction_id}
        for order in step.orders:
            match order:
                case CloseContactor():
                    contactor = True
                case OpenContactor():
                    contactor = False
                case LockCable():
                    lock = True
                case UnlockCable():
                    assert not contactor, "no cable is given back under load"
                    lock = False
                case TakeBegin(transaction):
                    own = transaction.transaction_id
                    assert own in {fresh, started}, "a meter begins for this transaction only"
                    assert own != meter, "an id is never begun twice"
                    assert lock == bool(self.policy.sockets), "the cable is held before"
                    meter = own
                case TakeEnd(transaction_id):
                    assert transaction_id == meter, "what ends has begun"
                case ReleaseRecord(transaction_id):
                    assert transaction_id in releasable, "released before it was committed"
        if fresh in {started, meter, *ended}:
            ids += 1
        if isinstance(given, inputs.PowerRestored):
            assert isinstance(next(iter(step.orders), None), OpenContactor | CloseContactor)
        told = heard(world.told, step.facts)
        return World(
            step.state, contactor, started, seq, ended, ids, meter, releasable, told, charging, lock
        )


def heard(told: tuple[Status, ...], facts: tuple[Fact, ...]) -> tuple[Status, ...]:
    now = dict(enumerate(told, 1))
    now |= {fact.connector_id: fact.status for fact in facts if isinstance(fact, StatusChanged)}
    return tuple(now.values())


def check_fact(
    fact: Fact, started: str, seq: int, ended: frozenset[str]
) -> tuple[str, int, frozenset[str]]:
    match fact:
        case TransactionStarted():
            assert not started, "a second start before the end"
            assert fact.transaction_id not in ended, "a start after the end"
            assert fact.seq == 0
            return fact.transaction_id, 1, ended
        case TransactionUpdated() | TransactionEnded():
            assert fact.transaction_id == started, "an event of no running transaction"
            assert fact.seq == seq, "a gap in the sequence"
            if isinstance(fact, TransactionEnded):
                return "", 0, ended | {fact.transaction_id}
            return started, seq + 1, ended
        case RecordKept():
            assert not started, "the record of a transaction goes with its end"
            return started, seq, ended
        case StatusChanged() | ReservationUsed():
            return started, seq, ended
    raise AssertionError(fact)


def check_reservation(before: EvseState, step: Step) -> None:
    used = [fact.reservation_id for fact in step.facts if isinstance(fact, ReservationUsed)]
    begun = before.authorization is None and step.state.authorization is not None
    if before.reserved_for and begun:
        assert used == [7], "a reserved EVSE begins for who reserved only"
    assert begun or not used, "used up by a session"
    if step.state.reserved_for:
        assert step.state.stage in {Stage.AVAILABLE, Stage.PLUGGED}
    elif before.reserved_for and not begun:
        assert step.state.authorization is None


def check_state(world: World, policy: Policy) -> None:
    state = world.state
    for number, status in enumerate(world.told, 1):
        assert status is connector_status(state, number), "every change of a status is told"
    assert world.contactor == state.powered, "the contactor follows the state"
    assert world.lock == state.locked, "so does the lock"
    if world.contactor:
        assert state.stage is Stage.CHARGING
        assert state.plugged
        assert not state.faulted
        assert state.locked == bool(policy.sockets)
    begun = state.transaction is not None and state.transaction.begin is not None
    if state.stage in {Stage.CHARGING, Stage.CLOSING}:
        assert begun, "the meter has begun"
    assert bool(world.started) == state.told, "the CSMS and the state agree whether one runs"
    assert bool(state.opening) == (state.stage is Stage.OPENING)
    waits = state.stage is Stage.CHARGING and not state.plugged
    waits |= state.stage is Stage.PLUGGED
    assert state.deadline is None or waits or state.stage is Stage.AUTHORIZED
    assert state.deadline is not None or state.stage is not Stage.AUTHORIZED
    if state.charging_state is ChargingState.CHARGING:
        assert state.told, "no energy without a transaction"
    check_transaction(world, policy)


def check_transaction(world: World, policy: Policy) -> None:
    state = world.state
    if state.transaction is None:
        return
    if state.told:
        assert state.transaction.next_seq == world.seq
    else:
        assert state.stage in {Stage.CHARGING, Stage.CLOSING}
        assert Point.ENERGY in policy.start_points
    if state.running is None:
        assert state.metering, "one that is over waits for its record only"
        return
    bay = Point.BAY in policy.start_points | policy.stop_points and state.bay
    assert state.plugged or state.authorized or bay, "something is left that can end it"
    assert world.charging is state.charging_state, "every change of the charging state is told"
    if state.transaction.begin is not None and policy.stop_points <= DRIVEN:
        assert state.authorized, "it stops with the authorization"


DRIVEN = {Point.AUTHORIZED, Point.PATH, Point.ENERGY}
# OCPP 1.6 section 4.9: where a status may go from each other one.
TABLE = {
    "Available": "Preparing Charging SuspendedEV SuspendedEVSE Reserved Unavailable Faulted",
    "Preparing": "Available Charging SuspendedEV SuspendedEVSE Finishing Faulted",
    "Charging": "Available SuspendedEV SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEV": "Available Charging SuspendedEVSE Finishing Unavailable Faulted",
    "SuspendedEVSE": "Available Charging SuspendedEV Finishing Unavailable Faulted",
    "Finishing": "Available Preparing Unavailable Faulted",
    "Reserved": "Available Preparing Unavailable Faulted",
    "Unavailable": "Available Preparing Charging SuspendedEV SuspendedEVSE Faulted",
    "Faulted": "Available Preparing Charging SuspendedEV SuspendedEVSE Finishing Reserved"
    " Unavailable",
}
# What the table has no arrow for, but the rules of 2.0.1 and two connectors of one EVSE ask for.
BEYOND = {
    (Status.PREPARING, Status.UNAVAILABLE),  # no transaction: at once (G03.FR.05)
    (Status.PREPARING, Status.RESERVED),  # plugged while the reservation was being made
    (Status.UNAVAILABLE, Status.RESERVED),  # the other connector was reserved all the time
}
ALLOWED = {(Status(a), Status(b)) for a, row in TABLE.items() for b in row.split()}

DEPTH = int(os.environ.get("WALK_DEPTH", "4"))

POLICY = Policy(
    fresh_id="",
    connection_timeout=timedelta(seconds=60),
    started_measurands=ENERGY,
    updated_measurands=ENERGY,
    ended_measurands=ENERGY,
    sign_ended=True,
)


@pytest.mark.parametrize(
    "policy",
    [
        POLICY,
        replace(POLICY, stop_on_ev_disconnect=False),
        replace(POLICY, resume_after_power_loss=True),
    ],
    ids=["usual", "goes on without cable", "resumes after power loss"],
)
def test_all_sequences_up_to_length_nine_keep_the_invariants(policy: Policy) -> None:
    walk = Walk(policy)

    walk.run(9)

    stages = {world.state.stage for world in walk.seen}
    assert stages == set(Stage), "the walk must come everywhere"
    assert any(world.ended for world in walk.seen)
    assert walk.steps > 10_000
    assert walk.changes - BEYOND <= ALLOWED


SECOND_CONNECTOR: tuple[inputs.Input, ...] = (
    inputs.Plugged(2),
    inputs.PowerRestored(plugged=True, connector_id=2),
    inputs.FaultRaised(Fault("OtherError", connector_id=2)),
    inputs.FaultCleared("OtherError", 2),
    inputs.AvailabilityChanged(operative=False, scope=Scope.CONNECTOR, connector_id=2),
    inputs.AvailabilityChanged(operative=True, scope=Scope.CONNECTOR, connector_id=2),
)


@pytest.mark.spec("2.0.1", "G01.FR.08")
def test_two_connectors_keep_them_too() -> None:
    walk = Walk(replace(POLICY, connectors=2), SECOND_CONNECTOR)

    walk.run(6)

    both = {world.told for world in walk.seen}
    assert (Status.UNAVAILABLE, Status.CHARGING) in both
    assert (Status.RESERVED, Status.FAULTED) in both


EVERY_START = [frozenset({point}) for point in Point] + [
    frozenset({Point.CONNECTED, Point.AUTHORIZED}),
    frozenset({Point.BAY, Point.ENERGY}),
    frozenset({Point.SIGNED, Point.PATH}),
]
EVERY_STOP = [frozenset({point}) for point in Point if point is not Point.SIGNED] + [
    frozenset({Point.CONNECTED, Point.AUTHORIZED}),
    frozenset({Point.BAY, Point.ENERGY}),
]
BAY: tuple[inputs.Input, ...] = (
    inputs.BayChanged(occupied=True),
    inputs.BayChanged(occupied=False),
    inputs.CableUnlocked(),
    inputs.PowerRestored(plugged=True, bay=True),
)
FEWER = tuple(
    one
    for one in FIXED
    if not isinstance(one, inputs.AvailabilityChanged | inputs.ReservationsChanged)
)


@pytest.mark.parametrize("stop", EVERY_STOP, ids=lambda points: "+".join(sorted(points)))
@pytest.mark.parametrize("start", EVERY_START, ids=lambda points: "+".join(sorted(points)))
def test_every_start_and_stop_point_keeps_them(
    start: frozenset[Point], stop: frozenset[Point]
) -> None:
    goes_on = stop.isdisjoint({Point.CONNECTED, Point.PATH})
    policy = replace(
        POLICY,
        start_points=start,
        stop_points=stop,
        stop_on_ev_disconnect=not goes_on,
        unlock_on_ev_disconnect=goes_on,
        sockets=frozenset({1} if Point.CONNECTED in start else ()),
    )
    walk = Walk(policy, BAY, FEWER)

    walk.run(DEPTH)

    assert any(world.meter and world.state.stage is Stage.CHARGING for world in walk.seen)
