"""Every sequence of inputs up to a length, from every kind of start, with what must always hold."""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chargepoint.core import inputs
from chargepoint.core.evse import Step, advance
from chargepoint.core.facts import (
    Fact,
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


@dataclass
class Walk:
    """Breadth first over all inputs. Two sequences that lead to the same world go on as one: what
    can follow depends on the world alone, so nothing is left out."""

    policy: Policy
    seen: set[World] = field(default_factory=set)
    steps: int = 0

    def run(self, depth: int) -> None:
        border = deque([(World(EvseState(1)), 0)])
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
        return [*FIXED, *answers]

    def step(self, world: World, given: inputs.Input) -> World:
        self.steps += 1
        policy = replace(self.policy, fresh_id=f"T{world.ids}")
        step = advance(world.state, given, NOW, policy)
        after = self.observe(world, given, step)
        check_state(after)
        return after

    def observe(self, world: World, given: inputs.Input, step: Step) -> World:  # noqa: C901
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
        return World(step.state, contactor, started, seq, ended, ids, meter, releasable)


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
        case StatusChanged():
            return started, seq, ended
    raise AssertionError(fact)


def check_state(world: World) -> None:
    state = world.state
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
