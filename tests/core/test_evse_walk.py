"""Every sequence of inputs up to a length, from every kind of start, with what must always hold."""

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
    Context,
    EvseState,
    Fault,
    IdToken,
    Missing,
    Policy,
    Scope,
    Source,
    Stage,
    StopReason,
)
from chargepoint.core.orders import (
    CloseContactor,
    OpenContactor,
    ReleaseRecord,
    TakeBegin,
    TakeEnd,
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


@dataclass
class Walk:
    """Breadth first over all inputs. Two sequences that lead to the same world go on as one: what
    can follow depends on the world alone, so nothing is left out."""

    policy: Policy
    more: tuple[inputs.Input, ...] = ()
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
        return [*FIXED, *self.more, *answers]

    def step(self, world: World, given: inputs.Input) -> World:
        self.steps += 1
        policy = replace(self.policy, fresh_id=f"T{world.ids}")
        step = advance(world.state, given, NOW, policy)
        after = self.observe(world, given, step)
        check_state(after)
        self.changes |= {(a, b) for a, b in zip(world.told, after.told, strict=True) if a is not b}
        return after

    def observe(self, world: World, given: inputs.Input, step: Step) -> World:  # noqa: C901
        check_reservation(world.state, step)
        started, seq, ended = world.started, world.seq, world.ended
        for fact in step.facts:
            started, seq, ended = check_fact(fact, started, seq, ended)
        contactor, ids, meter, releasable = (
            world.contactor,
            world.ids,
            world.meter,
            world.releasable,
        )
        for fact in step.facts:
            if isinstance(fact, TransactionEnded):
                releasable |= {fact.transaction_id}
        for order in step.orders:
            match order:
                case CloseContactor():
                    contactor = True
                case OpenContactor():
                    contactor = False
                case TakeBegin(transaction):
                    assert transaction.transaction_id == f"T{ids}", "an id is never used again"
                    ids, meter = ids + 1, transaction.transaction_id
                case TakeEnd(transaction_id):
                    assert transaction_id == started, "only a transaction the CSMS knows ends"
                case ReleaseRecord(transaction_id):
                    assert transaction_id in releasable, "released before it was committed"
        if isinstance(given, inputs.PowerRestored):
            assert isinstance(next(iter(step.orders), None), OpenContactor | CloseContactor)
        told = heard(world.told, step.facts)
        return World(step.state, contactor, started, seq, ended, ids, meter, releasable, told)


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


def check_state(world: World) -> None:
    state = world.state
    for number, status in enumerate(world.told, 1):
        assert status is connector_status(state, number), "every change of a status is told"
    assert world.contactor == state.powered, "the contactor follows the state"
    if world.contactor:
        assert state.stage is Stage.CHARGING
        assert state.plugged
        assert not state.faulted
    running = state.stage in {Stage.CHARGING, Stage.CLOSING}
    assert (state.transaction is not None) == running
    assert bool(world.started) == running, "the CSMS and the state agree whether one runs"
    assert bool(state.opening) == (state.stage is Stage.OPENING)
    assert (state.deadline is not None) == (state.stage is Stage.AUTHORIZED)
    if state.transaction is not None:
        assert state.transaction.next_seq == world.seq


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
