"""The rules of one EVSE as tables: state and input -> state, facts, orders."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core import inputs
from chargepoint.core.authorization import with_group
from chargepoint.core.evse import Step, advance
from chargepoint.core.facts import (
    SampleKept,
    Status,
    StatusChanged,
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
    Fault,
    IdToken,
    Missing,
    Policy,
    Sampled,
    Scope,
    Source,
    Stage,
    StopReason,
    Transaction,
)
from chargepoint.core.orders import (
    CloseContactor,
    OpenContactor,
    ReleaseRecord,
    SetLimit,
    TakeBegin,
    TakeEnd,
)
from meters.model import (
    BillingTransaction,
    Identification,
    Quantity,
    Reading,
    Sample,
    SignedReading,
)

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ENERGY = ("Energy.Active.Import.Register",)
TOKEN = IdToken("04A1B2C3")
WHO = Authorization(TOKEN, Source.CSMS)
BEGIN = Reading(NOW, (Sample(Quantity.ENERGY_IMPORT, Decimal(1000)),))
END = Reading(
    NOW + timedelta(hours=1),
    (Sample(Quantity.ENERGY_IMPORT, Decimal(9000)),),
    SignedReading(b"OCMF|{}|{}"),
)
POLICY = Policy(
    fresh_id="T1",
    charge_point="DE*ABC*E1",
    tariff_text="0.50 EUR/kWh",
    started_measurands=ENERGY,
    updated_measurands=ENERGY,
    ended_measurands=ENERGY,
    sign_ended=True,
    key_ended=True,
)
BROKEN = Fault("GroundFailure")
WARNING = Fault("WeakSignal", blocks=False)
STOP = inputs.StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP)

AVAILABLE = EvseState(1)
PLUGGED = EvseState(1, Stage.PLUGGED, plugged=True)
AUTHORIZED = EvseState(1, Stage.AUTHORIZED, authorization=WHO, deadline=NOW + timedelta(seconds=60))
OPENING = EvseState(1, Stage.OPENING, plugged=True, authorization=WHO, opening="T1")
CHARGING = EvseState(
    1,
    Stage.CHARGING,
    plugged=True,
    ev_ready=True,
    authorization=WHO,
    transaction=Transaction(
        "T1", NOW, WHO, BEGIN, next_seq=1, charging_state=ChargingState.CHARGING
    ),
)
BROKEN_DOWN = replace(
    CHARGING,
    faults=(BROKEN,),
    transaction=Transaction(
        "T1", NOW, WHO, BEGIN, next_seq=1, charging_state=ChargingState.SUSPENDED_EVSE
    ),
)
CLOSING = replace(
    CHARGING,
    stage=Stage.CLOSING,
    transaction=replace(
        Transaction("T1", NOW, WHO, BEGIN, next_seq=1),
        stop_reason=StopReason.LOCAL,
        stop_cause=Cause.STOP_AUTHORIZED,
        stopped_at=NOW,
    ),
)
FINISHED = EvseState(1, Stage.FINISHED, plugged=True)
OUT_OF_ORDER = frozenset({Scope.EVSE})


def step(state: EvseState, what: inputs.Input, policy: Policy = POLICY) -> Step:
    return advance(state, what, NOW, policy)


def kinds(things: tuple[Any, ...]) -> list[type]:
    return [type(thing) for thing in things]


Row = tuple[EvseState, inputs.Input, Stage, list[type], list[type]]
ROWS: dict[str, Row] = {
    "a vehicle first": (AVAILABLE, inputs.Plugged(), Stage.PLUGGED, [StatusChanged], []),
    "a token first": (
        AVAILABLE,
        inputs.TokenAccepted(WHO),
        Stage.AUTHORIZED,
        [StatusChanged],
        [],
    ),
    "then the vehicle": (
        AUTHORIZED,
        inputs.Plugged(),
        Stage.OPENING,
        [StatusChanged],
        [TakeBegin],
    ),
    "a token after the vehicle": (
        PLUGGED,
        inputs.TokenAccepted(WHO),
        Stage.OPENING,
        [],
        [TakeBegin],
    ),
    "a second session of the same vehicle": (
        FINISHED,
        inputs.TokenAccepted(WHO),
        Stage.OPENING,
        [StatusChanged],
        [TakeBegin],
    ),
    "no vehicle in time": (
        AUTHORIZED,
        inputs.DeadlinePassed(),
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
    "taken back before the vehicle came": (
        AUTHORIZED,
        STOP,
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
    "the meter has begun": (
        OPENING,
        inputs.BeginTaken("T1", BEGIN),
        Stage.CHARGING,
        [TransactionStarted, TransactionUpdated, StatusChanged],
        [CloseContactor],
    ),
    "the meter has not begun": (
        OPENING,
        inputs.BeginFailed("T1"),
        Stage.FINISHED,
        [StatusChanged],
        [],
    ),
    "the begin of another transaction": (
        OPENING,
        inputs.BeginTaken("T0", BEGIN),
        Stage.OPENING,
        [],
        [],
    ),
    "the failed begin of another": (OPENING, inputs.BeginFailed("T0"), Stage.OPENING, [], []),
    "the vehicle left while the meter began": (
        replace(OPENING, plugged=False),
        inputs.BeginTaken("T1", BEGIN),
        Stage.CLOSING,
        [TransactionStarted, StatusChanged],
        [TakeEnd],
    ),
    "stopped": (CHARGING, STOP, Stage.CLOSING, [StatusChanged], [OpenContactor, TakeEnd]),
    "unplugged": (
        CHARGING,
        inputs.Unplugged(),
        Stage.CLOSING,
        [StatusChanged],
        [OpenContactor, TakeEnd],
    ),
    "the energy only is denied": (
        CHARGING,
        inputs.EnergyDenied(),
        Stage.CHARGING,
        [TransactionUpdated, StatusChanged],
        [OpenContactor],
    ),
    "the energy ends later": (
        CHARGING,
        inputs.EnergyDenied(Decimal(1500)),
        Stage.CHARGING,
        [],
        [],
    ),
    "the group is named": (CHARGING, inputs.GroupLearned(IdToken("G")), Stage.CHARGING, [], []),
    "the vehicle pauses": (
        CHARGING,
        inputs.VehicleReady(ready=False),
        Stage.CHARGING,
        [TransactionUpdated, StatusChanged],
        [],
    ),
    "nothing new of the vehicle": (
        CHARGING,
        inputs.VehicleReady(ready=True),
        Stage.CHARGING,
        [],
        [],
    ),
    "a fault while charging": (
        CHARGING,
        inputs.FaultRaised(BROKEN),
        Stage.CHARGING,
        [TransactionUpdated, StatusChanged],
        [OpenContactor],
    ),
    "the fault goes": (
        BROKEN_DOWN,
        inputs.FaultCleared(BROKEN.error_code),
        Stage.CHARGING,
        [TransactionUpdated, StatusChanged],
        [CloseContactor],
    ),
    "a warning while charging": (
        CHARGING,
        inputs.FaultRaised(WARNING),
        Stage.CHARGING,
        [StatusChanged],
        [],
    ),
    "the same fault twice": (
        BROKEN_DOWN,
        inputs.FaultRaised(BROKEN),
        Stage.CHARGING,
        [],
        [],
    ),
    "a limit while charging": (
        CHARGING,
        inputs.LimitChanged(Decimal(10)),
        Stage.CHARGING,
        [TransactionUpdated],
        [SetLimit],
    ),
    "a limit at an idle outlet": (
        AVAILABLE,
        inputs.LimitChanged(Decimal(10)),
        Stage.AVAILABLE,
        [],
        [SetLimit],
    ),
    "the same limit": (CHARGING, inputs.LimitChanged(None), Stage.CHARGING, [], []),
    "a periodic reading": (
        CHARGING,
        inputs.ReadingTaken(BEGIN, Context.PERIODIC),
        Stage.CHARGING,
        [TransactionUpdated],
        [],
    ),
    "a reading of no known reason": (
        CHARGING,
        inputs.ReadingTaken(BEGIN, Context.END),
        Stage.CHARGING,
        [],
        [],
    ),
    "a reading after the stop": (
        CLOSING,
        inputs.ReadingTaken(BEGIN, Context.PERIODIC),
        Stage.CLOSING,
        [],
        [],
    ),
    "a second stop": (CLOSING, STOP, Stage.CLOSING, [], []),
    "the record is there": (
        CLOSING,
        inputs.EndTaken("T1", END, "valid"),
        Stage.FINISHED,
        [TransactionEnded],
        [ReleaseRecord],
    ),
    "the end without a record": (
        CLOSING,
        inputs.EndTaken("T1", BEGIN),
        Stage.FINISHED,
        [TransactionEnded],
        [],
    ),
    "no end": (
        CLOSING,
        inputs.EndFailed("T1", Missing.UNREACHABLE, "meter gone"),
        Stage.FINISHED,
        [TransactionEnded],
        [],
    ),
    "the end of another transaction": (
        CLOSING,
        inputs.EndTaken("T0", END),
        Stage.CLOSING,
        [],
        [],
    ),
    "the failed end of another": (
        CLOSING,
        inputs.EndFailed("T0", Missing.REFUSED, "?"),
        Stage.CLOSING,
        [],
        [],
    ),
    "the record is there, the vehicle gone": (
        replace(CLOSING, plugged=False),
        inputs.EndTaken("T1", END),
        Stage.AVAILABLE,
        [TransactionEnded, StatusChanged],
        [ReleaseRecord],
    ),
    "unplugged while it ends": (CLOSING, inputs.Unplugged(), Stage.CLOSING, [], []),
    "plugged again while it ends": (
        replace(CLOSING, plugged=False),
        inputs.Plugged(2),
        Stage.CLOSING,
        [StatusChanged, StatusChanged],
        [],
    ),
    "the vehicle leaves": (
        FINISHED,
        inputs.Unplugged(),
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
    "the vehicle leaves uncharged": (
        PLUGGED,
        inputs.Unplugged(),
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
    "a stop where nothing runs": (AVAILABLE, STOP, Stage.AVAILABLE, [], []),
    "the vehicle of nobody asks": (
        AVAILABLE,
        inputs.VehicleReady(ready=True),
        Stage.AVAILABLE,
        [],
        [],
    ),
    "a token at an outlet out of order": (
        replace(AVAILABLE, inoperative=OUT_OF_ORDER),
        inputs.TokenAccepted(WHO),
        Stage.AVAILABLE,
        [],
        [],
    ),
    "a token at a broken outlet": (
        replace(PLUGGED, faults=(BROKEN,)),
        inputs.TokenAccepted(WHO),
        Stage.PLUGGED,
        [],
        [],
    ),
    "broken after the token, then the vehicle": (
        replace(AUTHORIZED, faults=(BROKEN,)),
        inputs.Plugged(),
        Stage.PLUGGED,
        [],
        [],
    ),
    "out of order after the token, then the vehicle": (
        replace(AUTHORIZED, inoperative=OUT_OF_ORDER),
        inputs.Plugged(),
        Stage.PLUGGED,
        [],
        [],
    ),
    "a second token while one waits": (
        AUTHORIZED,
        inputs.TokenAccepted(WHO),
        Stage.AUTHORIZED,
        [],
        [],
    ),
    "out of order": (
        AVAILABLE,
        inputs.AvailabilityChanged(operative=False),
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
    "out of order during a transaction": (
        CHARGING,
        inputs.AvailabilityChanged(operative=False),
        Stage.CHARGING,
        [],
        [],
    ),
    "in order again": (
        replace(AVAILABLE, inoperative=OUT_OF_ORDER),
        inputs.AvailabilityChanged(operative=True),
        Stage.AVAILABLE,
        [StatusChanged],
        [],
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_what_happens_leads_to_stage_facts_and_orders(row: Row) -> None:
    state, what, stage, facts, orders = row

    done = step(state, what)

    assert (done.state.stage, kinds(done.facts), kinds(done.orders)) == (stage, facts, orders)


RESTORED: dict[str, tuple[EvseState, bool, Policy, Stage, list[type], list[type]]] = {
    "free": (AVAILABLE, False, POLICY, Stage.AVAILABLE, [], [OpenContactor, SetLimit]),
    "a vehicle came meanwhile": (
        AVAILABLE,
        True,
        POLICY,
        Stage.PLUGGED,
        [StatusChanged],
        [OpenContactor, SetLimit],
    ),
    "a vehicle is still there": (
        PLUGGED,
        True,
        POLICY,
        Stage.PLUGGED,
        [],
        [OpenContactor, SetLimit],
    ),
    "a vehicle left meanwhile": (
        PLUGGED,
        False,
        POLICY,
        Stage.AVAILABLE,
        [StatusChanged],
        [OpenContactor, SetLimit],
    ),
    "somebody was authorized": (
        AUTHORIZED,
        False,
        POLICY,
        Stage.AVAILABLE,
        [StatusChanged],
        [OpenContactor, SetLimit],
    ),
    "the begin was not stored": (
        OPENING,
        True,
        POLICY,
        Stage.FINISHED,
        [StatusChanged],
        [OpenContactor, SetLimit],
    ),
    "a transaction ran": (
        CHARGING,
        True,
        POLICY,
        Stage.CLOSING,
        [StatusChanged],
        [OpenContactor, SetLimit, TakeEnd],
    ),
    "a transaction ran and may go on": (
        CHARGING,
        True,
        replace(POLICY, resume_after_power_loss=True),
        Stage.CHARGING,
        [TransactionUpdated, StatusChanged],
        [CloseContactor, SetLimit],
    ),
    "it may go on, but the vehicle is gone": (
        CHARGING,
        False,
        replace(POLICY, resume_after_power_loss=True),
        Stage.CLOSING,
        [StatusChanged],
        [OpenContactor, SetLimit, TakeEnd],
    ),
    "a transaction was ending": (
        CLOSING,
        True,
        POLICY,
        Stage.CLOSING,
        [],
        [OpenContactor, SetLimit, TakeEnd],
    ),
    "a transaction had ended": (
        FINISHED,
        True,
        POLICY,
        Stage.FINISHED,
        [],
        [OpenContactor, SetLimit],
    ),
}


@pytest.mark.parametrize("row", RESTORED.values(), ids=RESTORED)
def test_after_a_power_cut_the_stage_alone_says_what_is_to_be_done(
    row: tuple[EvseState, bool, Policy, Stage, list[type], list[type]],
) -> None:
    state, plugged, policy, stage, facts, orders = row

    done = step(state, inputs.PowerRestored(plugged=plugged), policy)

    assert (done.state.stage, kinds(done.facts), kinds(done.orders)) == (stage, facts, orders)


def test_the_board_is_told_the_limit_again_after_a_power_cut() -> None:
    done = step(replace(AVAILABLE, limit_a=Decimal(6)), inputs.PowerRestored())

    assert done.orders == (OpenContactor(), SetLimit(Decimal(6)))


def test_power_loss_keeps_the_first_reason_to_stop() -> None:
    closing = step(CLOSING, inputs.PowerRestored(plugged=True)).state

    (ended,) = step(closing, inputs.EndTaken("T1", END)).facts

    assert isinstance(ended, TransactionEnded)
    assert (ended.reason, ended.cause) == (StopReason.LOCAL, Cause.STOP_AUTHORIZED)


@pytest.mark.parametrize("lost", [StopReason.POWER_LOSS, StopReason.REBOOT])
def test_a_session_that_cannot_go_on_ends_for_the_reason_of_the_return(lost: StopReason) -> None:
    closing = step(CHARGING, inputs.PowerRestored(plugged=True, lost=lost)).state

    (ended,) = step(closing, inputs.EndTaken("T1", END)).facts

    assert isinstance(ended, TransactionEnded)
    assert (ended.reason, ended.cause) == (lost, Cause.ABNORMAL_CONDITION)


def test_a_contactor_that_failed_is_tried_again_after_a_restart() -> None:
    broken = replace(PLUGGED, faults=(Fault(POWER_SWITCH_FAILURE), BROKEN))

    done = step(broken, inputs.PowerRestored(plugged=True))

    assert done.state.faults == (BROKEN,)


def test_the_meter_is_told_who_charges_where_and_for_what() -> None:
    done = step(PLUGGED, inputs.TokenAccepted(WHO))

    identification = Identification(
        assigned=True,
        level="TRUSTED",
        flags=("RFID_PLAIN", "OCPP_AUTH"),
        type="ISO14443",
        data="04A1B2C3",
    )
    billing = BillingTransaction("T1", "DE*ABC*E1", identification, "0.50 EUR/kWh")
    assert done.orders == (TakeBegin(billing),)


def test_the_deadline_is_the_connection_timeout() -> None:
    policy = replace(POLICY, connection_timeout=timedelta(seconds=20))

    done = step(AVAILABLE, inputs.TokenAccepted(WHO), policy)

    assert done.state.deadline == NOW + timedelta(seconds=20)


def test_the_start_tells_who_and_the_begin_reading() -> None:
    who = Authorization(TOKEN, Source.REMOTE, remote_start_id=7)
    policy = replace(POLICY, key_started=True)

    done = step(
        replace(OPENING, authorization=who, connector_id=2), inputs.BeginTaken("T1", BEGIN), policy
    )

    assert done.facts[0] == TransactionStarted(
        evse_id=1,
        connector_id=2,
        transaction_id="T1",
        seq=0,
        at=NOW,
        cause=Cause.REMOTE_START,
        charging_state=ChargingState.EV_CONNECTED,
        token=TOKEN,
        begin=BEGIN,
        samples=(Sampled(BEGIN, Context.BEGIN, ENERGY),),
        remote_start_id=7,
        with_key=True,
    )
    assert isinstance(done.facts[1], TransactionUpdated)
    assert done.facts[1].charging_state is ChargingState.SUSPENDED_EV


def test_the_end_tells_everything_that_is_billed() -> None:
    kept = (Sampled(BEGIN, Context.PERIODIC, ENERGY),)

    done = step(CLOSING, inputs.EndTaken("T1", END, "valid", kept))

    assert done.facts[0] == TransactionEnded(
        evse_id=1,
        connector_id=1,
        transaction_id="T1",
        seq=1,
        at=NOW,
        cause=Cause.STOP_AUTHORIZED,
        reason=StopReason.LOCAL,
        charging_state=ChargingState.EV_CONNECTED,
        token=TOKEN,
        stop_token=None,
        begin=BEGIN,
        end=END,
        samples=(
            Sampled(BEGIN, Context.BEGIN, ENERGY),
            *kept,
            Sampled(END, Context.END, ENERGY),
        ),
        verdict="valid",
        missing="",
        with_key=True,
    )


def test_the_verdict_on_a_signed_begin_goes_with_it() -> None:
    signed = replace(BEGIN, signed=END.signed)

    (started, *_) = step(OPENING, inputs.BeginTaken("T1", signed, "valid")).facts

    assert isinstance(started, TransactionStarted)
    assert (started.begin.signed, started.verdict) == (END.signed, "valid")


def test_an_end_without_reading_says_what_is_missing() -> None:
    done = step(CLOSING, inputs.EndFailed("T1", Missing.UNREACHABLE, "the meter does not answer"))

    ended = done.facts[0]
    assert isinstance(ended, TransactionEnded)
    assert (ended.end, ended.missing) == (None, "unreachable: the meter does not answer")
    assert [sampled.context for sampled in ended.samples] == [Context.BEGIN]


def test_a_fault_told_again_with_other_words_replaces_the_one_before() -> None:
    before = replace(AVAILABLE, faults=(WARNING, BROKEN))
    worse = Fault("WeakSignal", "none at all", blocks=True)

    assert step(before, inputs.FaultRaised(worse)).state.faults == (worse, BROKEN)
    assert step(before, inputs.FaultRaised(WARNING)) == Step(before)


def test_a_lost_meter_ends_the_transaction_if_the_settings_say_so() -> None:
    stops = replace(POLICY, stop_on_meter_failure=True)

    closing = step(CHARGING, inputs.MeterLost(), stops).state

    assert closing.stage is Stage.CLOSING
    assert closing.transaction is not None
    assert closing.transaction.stop_reason is StopReason.OTHER
    assert step(CHARGING, inputs.MeterLost()) == Step(CHARGING)


def test_the_token_that_stopped_is_told_at_the_end() -> None:
    other = IdToken("DDEEFF00")
    stop = inputs.StopRequested(StopReason.LOCAL, Cause.STOP_AUTHORIZED, other)

    ended = step(step(CHARGING, stop).state, inputs.EndTaken("T1", END)).facts[0]

    assert isinstance(ended, TransactionEnded)
    assert (ended.token, ended.stop_token) == (TOKEN, other)


def test_a_cable_pulled_at_the_vehicle_may_leave_the_transaction_running() -> None:
    policy = replace(POLICY, stop_on_ev_disconnect=False)

    done = step(CHARGING, inputs.Unplugged(), policy)

    assert done.state.stage is Stage.CHARGING
    assert kinds(done.orders) == [OpenContactor]
    updated = done.facts[0]
    assert isinstance(updated, TransactionUpdated)
    assert updated.charging_state is ChargingState.IDLE


def test_a_vehicle_that_comes_back_goes_on_charging() -> None:
    policy = replace(POLICY, stop_on_ev_disconnect=False)
    gone = step(CHARGING, inputs.Unplugged(), policy).state

    done = step(gone, inputs.Plugged(), policy)

    assert done.state.stage is Stage.CHARGING
    assert kinds(done.orders) == [CloseContactor]


SAMPLES = {
    "periodic": (Context.PERIODIC, Cause.METER_PERIODIC, ("Voltage",)),
    "on the clock": (Context.CLOCK, Cause.METER_CLOCK, ("Frequency",)),
    "asked for": (Context.TRIGGER, Cause.TRIGGER, ("Voltage",)),
}


@pytest.mark.parametrize("row", SAMPLES.values(), ids=SAMPLES)
def test_a_sample_carries_the_measurands_of_its_reason(
    row: tuple[Context, Cause, tuple[str, ...]],
) -> None:
    context, cause, measurands = row
    policy = replace(
        POLICY,
        updated_measurands=("Voltage",),
        aligned_measurands=("Frequency",),
        key_updated=True,
    )

    (updated,) = step(CHARGING, inputs.ReadingTaken(BEGIN, context), policy).facts

    assert isinstance(updated, TransactionUpdated)
    assert (updated.cause, updated.samples[0].measurands) == (cause, measurands)
    assert updated.with_key


@pytest.mark.parametrize(
    ("context", "field"),
    [(Context.PERIODIC, "sign_updated"), (Context.CLOCK, "sign_aligned")],
)
def test_a_sample_is_signed_only_if_its_own_switch_says_so(context: Context, field: str) -> None:
    policy = replace(POLICY, aligned_measurands=ENERGY)
    signing = replace(policy, **{field: True})
    taken = inputs.ReadingTaken(END, context)

    without = step(CHARGING, taken, policy).facts[0]
    signed = step(CHARGING, taken, signing).facts[0]

    assert isinstance(without, TransactionUpdated)
    assert isinstance(signed, TransactionUpdated)
    assert without.samples[0].reading.signed is None
    assert signed.samples[0].reading.signed == END.signed


def test_a_sample_nobody_asked_for_is_not_told() -> None:
    policy = replace(POLICY, updated_measurands=())

    done = step(CHARGING, inputs.ReadingTaken(BEGIN, Context.PERIODIC), policy)

    assert done == Step(CHARGING)


KEPT = [
    (Context.PERIODIC, ENERGY),
    (Context.CLOCK, ("Frequency",)),
]


@pytest.mark.parametrize(("context", "measurands"), KEPT)
def test_a_reading_for_the_final_message_is_kept_with_its_own_measurands(
    context: Context, measurands: tuple[str, ...]
) -> None:
    policy = replace(
        POLICY, ended_measurands=ENERGY, aligned_ended_measurands=("Frequency",), sign_ended=False
    )

    done = step(CHARGING, inputs.ReadingTaken(END, context, tell=False, keep=True), policy)

    (kept,) = done.facts
    assert isinstance(kept, SampleKept)
    assert (kept.sampled.context, kept.sampled.measurands) == (context, measurands)
    assert kept.sampled.reading.signed is None


def test_an_aligned_reading_for_the_final_message_is_signed_if_its_switch_says_so() -> None:
    policy = replace(POLICY, aligned_ended_measurands=ENERGY, sign_aligned_ended=True)

    (kept,) = step(
        CHARGING, inputs.ReadingTaken(END, Context.CLOCK, tell=False, keep=True), policy
    ).facts

    assert isinstance(kept, SampleKept)
    assert kept.sampled.reading.signed == END.signed


def test_a_reading_for_both_is_kept_and_told() -> None:
    done = step(CHARGING, inputs.ReadingTaken(BEGIN, Context.PERIODIC, keep=True))

    assert kinds(done.facts) == [SampleKept, TransactionUpdated]


def test_nothing_is_kept_if_the_final_message_wants_nothing() -> None:
    policy = replace(POLICY, ended_measurands=())

    done = step(CHARGING, inputs.ReadingTaken(BEGIN, Context.PERIODIC, keep=True), policy)

    assert kinds(done.facts) == [TransactionUpdated]


def test_the_status_tells_the_oldest_fault_and_the_next_one_when_it_goes() -> None:
    both = replace(AVAILABLE, faults=(BROKEN, Fault("OverVoltage", "phase 2")))

    (told,) = step(both, inputs.FaultCleared("GroundFailure")).facts

    assert told == StatusChanged(1, 1, NOW, Status.FAULTED, Fault("OverVoltage", "phase 2"))


@pytest.mark.parametrize("stage", [Stage.OPENING, Stage.AUTHORIZED])
def test_a_stage_that_lost_its_authorization_starts_nothing(stage: Stage) -> None:
    lost = EvseState(1, stage, opening="T1", plugged=stage is Stage.OPENING)
    what = inputs.BeginTaken("T1", BEGIN) if stage is Stage.OPENING else inputs.Plugged()

    done = step(lost, what)

    assert TransactionStarted not in kinds(done.facts)
    assert done.orders == ()


def test_a_running_stage_without_transaction_is_a_defect_that_shows() -> None:
    with pytest.raises(AssertionError, match="charging without a transaction"):
        step(EvseState(1, Stage.CHARGING, plugged=True), STOP)


def test_energy_that_is_granted_after_a_refusal_is_granted_once() -> None:
    first = advance(CHARGING, inputs.EnergyDenied(Decimal(1500)), NOW, POLICY).state
    again = advance(first, inputs.EnergyDenied(Decimal(9000)), NOW, POLICY).state

    assert again.powered
    assert again.denied_from_wh == Decimal(1500)
    below, reached = (
        Reading(NOW, (Sample(Quantity.ENERGY_IMPORT, Decimal(energy)),)) for energy in (1499, 1500)
    )
    assert not again.granted_up_to(below)
    assert again.granted_up_to(reached)
    assert not again.granted_up_to(Reading(NOW, ()))
    denied = advance(again, inputs.EnergyDenied(), NOW, POLICY).state
    assert not denied.powered
    assert not denied.granted_up_to(reached)


def test_the_next_session_has_no_bound_of_the_one_before() -> None:
    bounded = replace(CHARGING, stage=Stage.CLOSING, denied_from_wh=Decimal(1500))

    over = advance(bounded, inputs.EndTaken("T1", END), NOW, POLICY).state

    assert over.denied_from_wh is None


@pytest.mark.spec("2.0.1", "C09.FR.04")
def test_a_group_that_is_named_counts_for_the_transaction() -> None:
    state = advance(CHARGING, inputs.GroupLearned(IdToken("G")), NOW, POLICY).state

    assert state.authorization is not None
    assert state.transaction is not None
    assert state.authorization.group == IdToken("G")
    assert state.transaction.authorization == state.authorization


def test_a_group_of_nobody_is_not_noted() -> None:
    nobody = EvseState(1, Stage.CHARGING)

    assert with_group(nobody, IdToken("G")) is nobody
