"""When a transaction starts and stops: one session told with every start and stop point."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from chargepoint.core import inputs
from chargepoint.core.evse import advance
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
    EvseState,
    Fault,
    IdToken,
    Missing,
    Point,
    Policy,
    Source,
    Stage,
    StopReason,
)
from chargepoint.core.orders import (
    CloseContactor,
    LockCable,
    OpenContactor,
    Order,
    ReleaseRecord,
    SetLimit,
    TakeBegin,
    TakeEnd,
    UnlockCable,
)
from meters.model import Phase, Quantity, Reading, Sample, SignedReading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
ENERGY = ("Energy.Active.Import.Register",)
WHO = Authorization(IdToken("04A1B2C3"), Source.CSMS)
REMOTE = Authorization(IdToken("04A1B2C3"), Source.REMOTE, remote_start_id=7, reservation_id=8)


def reading(wh: int, *, signed: bool = False, amps: tuple[int, ...] = ()) -> Reading:
    samples = [Sample(Quantity.ENERGY_IMPORT, Decimal(wh))]
    phases = (Phase.L1, Phase.L2, Phase.L3)
    pairs = zip(amps, phases, strict=False)
    samples += [Sample(Quantity.CURRENT, Decimal(value), phase) for value, phase in pairs]
    return Reading(NOW, tuple(samples), SignedReading(b"OCMF|{}|{}") if signed else None)


POLICY = Policy(
    fresh_id="",
    started_measurands=ENERGY,
    updated_measurands=ENERGY,
    ended_measurands=ENERGY,
    sign_started=True,
    sign_ended=True,
    reading=reading(990),
)

PLUG, UNPLUG = inputs.Plugged(), inputs.Unplugged()
READY, PAUSE = inputs.VehicleReady(ready=True), inputs.VehicleReady(ready=False)
SWIPE, FROM_AFAR = inputs.TokenAccepted(WHO), inputs.TokenAccepted(REMOTE)
LEAVE = inputs.StopRequested(StopReason.LOCAL, Cause.STOP_AUTHORIZED, WHO.token)
AFAR = inputs.StopRequested(StopReason.REMOTE, Cause.REMOTE_STOP)
REFUSE = inputs.StopRequested(StopReason.DEAUTHORIZED, Cause.DEAUTHORIZED)
ARRIVE, DEPART = inputs.BayChanged(occupied=True), inputs.BayChanged(occupied=False)
LATE = inputs.DeadlinePassed()
CUT = inputs.PowerRestored(plugged=True)


@dataclass
class World:
    """An EVSE with its meter: what was told of its transaction, in short words, and ordered."""

    policy: Policy
    signs_begin: bool = False
    begins: bool = True
    ends: bool = True
    state: EvseState = field(default_factory=lambda: EvseState(1))
    facts: list[Fact] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    ids: int = 0

    def happen(self, *what: inputs.Input) -> "World":
        pending = list(what)
        while pending:
            self.ids += 1
            policy = replace(self.policy, fresh_id=f"T{self.ids}")
            step = advance(self.state, pending.pop(0), NOW, policy)
            self.state = step.state
            self.facts += step.facts
            self.orders += step.orders
            pending = [*(a for order in step.orders for a in self._answer(order)), *pending]
        return self

    def _answer(self, order: Order) -> list[inputs.Input]:
        match order:
            case TakeBegin(billing) if self.begins:
                begin = reading(1000, signed=self.signs_begin)
                return [inputs.BeginTaken(billing.transaction_id, begin, "valid")]
            case TakeBegin(billing):
                return [inputs.BeginFailed(billing.transaction_id)]
            case TakeEnd(own_id) if self.ends:
                return [inputs.EndTaken(own_id, reading(9000, signed=True), "valid")]
        return []

    @property
    def told(self) -> list[str]:
        """``S`` started, ``U`` updated, ``E`` ended; the trigger; the charging state."""
        return [word(fact) for fact in self.facts if word(fact)]

    def only(self, kind: type) -> list[object]:
        return [fact for fact in self.facts if isinstance(fact, kind)]


def word(fact: Fact) -> str:
    letters = {TransactionStarted: "S", TransactionUpdated: "U", TransactionEnded: "E"}
    if not isinstance(fact, TransactionStarted | TransactionUpdated | TransactionEnded):
        return "R" if isinstance(fact, RecordKept) else ""
    why = f"/{fact.reason}" if isinstance(fact, TransactionEnded) else ""
    return f"{letters[type(fact)]} {fact.cause} {fact.charging_state}{why}"


def world(start: str = "", stop: str = "", **more: bool) -> World:
    policy = replace(POLICY, sockets=frozenset({1}))
    if start:
        policy = replace(policy, start_points=frozenset(map(Point, start.split(","))))
    if stop:
        policy = replace(policy, stop_points=frozenset(map(Point, stop.split(","))))
    return World(policy, **more)


SWIPED = ["S Authorized EVConnected", "U ChargingStateChanged Charging"]
STARTS: dict[str, tuple[str, tuple[inputs.Input, ...], list[str]]] = {
    "power path, plug first": ("PowerPathClosed", (PLUG, READY, SWIPE), SWIPED),
    "power path, token first": (
        "PowerPathClosed",
        (SWIPE, PLUG, READY),
        [
            "S Authorized EVConnected",
            "U ChargingStateChanged SuspendedEV",
            "U ChargingStateChanged Charging",
        ],
    ),
    "connected": (
        "EVConnected",
        (PLUG, READY, SWIPE),
        [
            "S CablePluggedIn EVConnected",
            "U Authorized EVConnected",
            "U ChargingStateChanged Charging",
        ],
    ),
    "connected, token first": (
        "EVConnected",
        (SWIPE, PLUG, READY),
        [
            "S CablePluggedIn EVConnected",
            "U ChargingStateChanged SuspendedEV",
            "U ChargingStateChanged Charging",
        ],
    ),
    "authorized": (
        "Authorized",
        (SWIPE, PLUG, READY),
        [
            "S Authorized Idle",
            "U CablePluggedIn EVConnected",
            "U ChargingStateChanged SuspendedEV",
            "U ChargingStateChanged Charging",
        ],
    ),
    "authorized from afar": (
        "Authorized",
        (PLUG, READY, FROM_AFAR),
        ["S RemoteStart EVConnected", "U ChargingStateChanged Charging"],
    ),
    "signed": (
        "DataSigned",
        (PLUG, READY, SWIPE),
        ["S SignedDataReceived EVConnected", "U ChargingStateChanged Charging"],
    ),
    "energy": (
        "EnergyTransfer",
        (PLUG, SWIPE, READY),
        ["S ChargingStateChanged Charging"],
    ),
    "energy from afar": (
        "EnergyTransfer",
        (PLUG, FROM_AFAR, READY),
        ["S RemoteStart Charging"],
    ),
    "bay": (
        "ParkingBayOccupancy",
        (ARRIVE, PLUG, READY, SWIPE),
        [
            "S EVDetected Idle",
            "U CablePluggedIn EVConnected",
            "U Authorized EVConnected",
            "U ChargingStateChanged Charging",
        ],
    ),
    "bay without a detector": ("ParkingBayOccupancy", (PLUG, READY, SWIPE), SWIPED),
    "the first of two": (
        "EVConnected,Authorized",
        (SWIPE, PLUG, READY),
        [
            "S Authorized Idle",
            "U CablePluggedIn EVConnected",
            "U ChargingStateChanged SuspendedEV",
            "U ChargingStateChanged Charging",
        ],
    ),
}


@pytest.mark.spec("2.0.1", "E01.FR.01")
@pytest.mark.parametrize(("start", "what", "told"), STARTS.values(), ids=STARTS)
def test_the_first_start_point_that_is_reached_starts(
    start: str, what: tuple[inputs.Input, ...], told: list[str]
) -> None:
    here = world(start).happen(*what)

    assert here.told == told
    assert {fact.transaction_id for fact in here.only(TransactionStarted)} == {
        order.transaction.transaction_id for order in here.orders if isinstance(order, TakeBegin)
    }


STOPS: dict[str, tuple[str, tuple[inputs.Input, ...], list[str]]] = {
    "authorized, by the token": (
        "Authorized",
        (LEAVE, UNPLUG),
        ["E StopAuthorized EVConnected/Local"],
    ),
    "authorized, from afar": ("Authorized", (AFAR,), ["E RemoteStop EVConnected/Remote"]),
    "authorized, refused": ("Authorized", (REFUSE,), ["E Deauthorized EVConnected/DeAuthorized"]),
    "authorized, unplugged": (
        "Authorized",
        (UNPLUG,),
        ["E EVCommunicationLost Idle/EVDisconnected"],
    ),
    "power path, by the token": (
        "PowerPathClosed",
        (LEAVE, UNPLUG),
        ["E StopAuthorized EVConnected/Local"],
    ),
    "power path, unplugged": (
        "PowerPathClosed",
        (UNPLUG,),
        ["E EVCommunicationLost Idle/EVDisconnected"],
    ),
    "connected, by the token": (
        "EVConnected",
        (LEAVE, UNPLUG),
        ["U StopAuthorized EVConnected", "E EVCommunicationLost Idle/Local"],
    ),
    "connected, from afar": (
        "EVConnected",
        (AFAR, UNPLUG),
        ["U RemoteStop EVConnected", "E EVCommunicationLost Idle/Remote"],
    ),
    "connected, refused": (
        "EVConnected",
        (REFUSE, UNPLUG),
        ["U Deauthorized EVConnected", "E EVCommunicationLost Idle/DeAuthorized"],
    ),
    "connected, unplugged": (
        "EVConnected",
        (UNPLUG,),
        ["E EVCommunicationLost Idle/EVDisconnected"],
    ),
    "energy, the vehicle pauses": (
        "EnergyTransfer",
        (PAUSE,),
        ["E ChargingStateChanged EVConnected/StoppedByEV"],
    ),
    "energy, by the token": (
        "EnergyTransfer",
        (LEAVE,),
        ["E StopAuthorized EVConnected/Local"],
    ),
    "energy, a limit of nothing": (
        "EnergyTransfer",
        (inputs.LimitChanged(Decimal(0)),),
        ["E ChargingStateChanged EVConnected/Local"],
    ),
    "energy, refused but kept": (
        "EnergyTransfer",
        (inputs.EnergyDenied(),),
        ["E ChargingStateChanged EVConnected/DeAuthorized"],
    ),
    "energy, a fault": (
        "EnergyTransfer",
        (inputs.FaultRaised(Fault("GroundFailure")),),
        ["E ChargingStateChanged EVConnected/Other"],
    ),
    "bay, the whole way": (
        "ParkingBayOccupancy",
        (LEAVE, UNPLUG, DEPART),
        [
            "U StopAuthorized EVConnected",
            "U EVCommunicationLost Idle",
            "E EVDeparted Idle/Local",
        ],
    ),
    "a restart ends it whatever stops it": (
        "EVConnected",
        (inputs.StopRequested(StopReason.IMMEDIATE_RESET, Cause.RESET_COMMAND),),
        ["E ResetCommand EVConnected/ImmediateReset"],
    ),
    "so does a power cut": (
        "EVConnected",
        (CUT,),
        ["E AbnormalCondition EVConnected/PowerLoss"],
    ),
}


@pytest.mark.spec("2.0.1", "E06.FR.01")
@pytest.mark.parametrize(("stop", "what", "told"), STOPS.values(), ids=STOPS)
def test_the_first_stop_point_that_is_reached_stops(
    stop: str, what: tuple[inputs.Input, ...], told: list[str]
) -> None:
    here = world("PowerPathClosed", stop).happen(ARRIVE, PLUG, READY, SWIPE)
    assert here.told == SWIPED
    here.facts.clear()

    here.happen(*what)

    assert here.told == told
    (ended,) = here.only(TransactionEnded)
    assert isinstance(ended, TransactionEnded)
    assert ended.end == reading(9000, signed=True)
    assert ended.samples[-1].reading.signed is not None
    assert [type(order) for order in here.orders].count(ReleaseRecord) == 1
    assert here.state.transaction is None


@pytest.mark.spec("2.0.1", "E06.FR.01")
def test_the_record_waits_in_the_meter_until_the_end_is_stored() -> None:
    here = world("EVConnected", "EVConnected").happen(PLUG, READY, SWIPE, LEAVE)
    assert not any(isinstance(order, ReleaseRecord) for order in here.orders)
    assert here.state.stage is Stage.FINISHED

    here.happen(CUT, UNPLUG)  # the power fails in between: nothing is asked of the meter again

    assert [type(order) for order in here.orders].count(TakeEnd) == 1
    assert isinstance(here.orders[-1], ReleaseRecord)
    (ended,) = here.only(TransactionEnded)
    assert isinstance(ended, TransactionEnded)
    assert (ended.verdict, ended.stop_token) == ("valid", WHO.token)


def test_an_end_by_a_clock_that_is_behind_is_not_told_as_before_the_begin() -> None:
    here = world("EVConnected", "EVConnected", ends=False).happen(PLUG, READY, SWIPE, LEAVE)
    own = here.state.transaction
    assert own is not None
    record = replace(reading(9000, signed=True), taken_at=NOW - timedelta(seconds=2))
    later = NOW + timedelta(seconds=3)

    taken = inputs.EndTaken(own.transaction_id, record, "valid")
    step = advance(advance(here.state, taken, later, here.policy).state, UNPLUG, later, here.policy)

    [ended] = [fact for fact in step.facts if isinstance(fact, TransactionEnded)]
    begin, end = (sampled.reading for sampled in ended.samples)
    assert (begin.taken_at, end.taken_at, ended.at) == (NOW, later, later)
    assert end.signed == record.signed
    assert ended.end == record


def test_a_stop_while_the_record_is_awaited_counts_from_its_own_moment() -> None:
    here = world("EVConnected", "EVConnected", ends=False).happen(PLUG, READY, SWIPE, LEAVE)
    here.happen(UNPLUG)
    assert not here.only(TransactionEnded)

    own = here.state.transaction
    assert own is not None
    later = NOW + timedelta(minutes=1)
    taken = inputs.EndFailed(own.transaction_id, Missing.UNREACHABLE, "meter gone")
    step = advance(here.state, taken, later, here.policy)

    ended = step.facts[0]
    assert isinstance(ended, TransactionEnded)
    assert (ended.at, ended.cause) == (NOW, Cause.EV_COMMUNICATION_LOST)
    assert ended.missing == "unreachable: meter gone"


@pytest.mark.spec("2.0.1", "E03.FR.05")
@pytest.mark.spec("2.0.1", "E03.FR.15")
@pytest.mark.parametrize("stop", ["Authorized", "EVConnected", "PowerPathClosed"])
def test_a_token_without_a_vehicle_ends(stop: str) -> None:
    here = world("Authorized", stop).happen(SWIPE, LATE)

    assert here.told == ["S Authorized Idle", "E EVConnectTimeout Idle/Timeout"]
    (ended,) = here.only(TransactionEnded)
    assert isinstance(ended, TransactionEnded)
    assert (ended.begin, ended.end) == (None, None)
    assert [sampled.reading.value(Quantity.ENERGY_IMPORT) for sampled in ended.samples] == [990]
    assert here.state == EvseState(1)


@pytest.mark.spec("2.0.1", "E03.FR.05")
def test_where_the_bay_ends_it_the_next_token_may_go_on() -> None:
    here = world("ParkingBayOccupancy", "ParkingBayOccupancy").happen(ARRIVE, SWIPE, LATE)
    assert here.told == [
        "S EVDetected Idle",
        "U Authorized Idle",
        "U EVConnectTimeout Idle",
    ]

    here.happen(SWIPE, PLUG, READY, LEAVE, UNPLUG, SWIPE, DEPART)

    assert here.told[3:] == [
        "U Authorized Idle",
        "U CablePluggedIn EVConnected",
        "U ChargingStateChanged SuspendedEV",
        "U ChargingStateChanged Charging",
        "U StopAuthorized EVConnected",
        "U EVCommunicationLost Idle",
        "E EVDeparted Idle/Local",
    ]
    assert [type(order) for order in here.orders].count(TakeBegin) == 1


def test_a_vehicle_that_leaves_without_a_token_ends_it() -> None:
    here = world("EVConnected", "Authorized").happen(PLUG, UNPLUG)

    assert here.told == [
        "S CablePluggedIn EVConnected",
        "E EVCommunicationLost Idle/EVDisconnected",
    ]


def test_the_next_token_starts_another_transaction_although_the_vehicle_stays() -> None:
    here = world("EVConnected", "Authorized").happen(PLUG, READY, SWIPE, LEAVE, SWIPE, LEAVE)

    assert here.told[3:] == [
        "E StopAuthorized EVConnected/Local",
        "S Authorized EVConnected",
        "U ChargingStateChanged Charging",
        "E StopAuthorized EVConnected/Local",
    ]
    ids = {fact.transaction_id for fact in here.only(TransactionStarted)}
    assert len(ids) == 2


@pytest.mark.parametrize("start", ["EVConnected", "Authorized"])
def test_a_meter_that_does_not_begin_ends_it(start: str) -> None:
    here = world(start, "EVConnected", begins=False).happen(PLUG, READY, SWIPE)

    assert here.told[-1] == "E AbnormalCondition EVConnected/Other"
    assert here.state.transaction is None
    assert here.state.locked is False


def test_without_energy_there_is_no_transaction_but_the_record_is_kept() -> None:
    here = world("EnergyTransfer").happen(PLUG, SWIPE, LEAVE)

    assert here.told == ["R"]
    (kept,) = here.only(RecordKept)
    assert kept == RecordKept(1, "T2", reading(9000, signed=True), "valid")
    assert isinstance(here.orders[-1], ReleaseRecord)
    assert here.state.transaction is None


@pytest.mark.spec("2.0.1", "J02.FR.01")
def test_a_start_before_the_meter_tells_the_live_value_and_the_signed_one_follows() -> None:
    here = world("EVConnected", signs_begin=True).happen(PLUG, READY, SWIPE)

    assert here.told[-1] == "U SignedDataReceived Charging"
    (started,) = here.only(TransactionStarted)
    *_, signed = here.only(TransactionUpdated)
    assert isinstance(started, TransactionStarted)
    assert isinstance(signed, TransactionUpdated)
    assert started.samples[0].reading == reading(990)
    assert signed.samples[0].reading == reading(1000, signed=True)
    assert (signed.begin, signed.begun_for) == (reading(1000, signed=True), WHO)


@pytest.mark.spec("2.0.1", "F01.FR.25")
@pytest.mark.spec("2.0.1", "H01.FR.15")
def test_who_begins_is_named_in_the_first_message_about_it() -> None:
    here = world("EVConnected").happen(PLUG, READY, FROM_AFAR)

    started, authorized, charges = here.only(TransactionStarted) + here.only(TransactionUpdated)
    assert (started.token, started.remote_start_id) == (None, None)
    told = (authorized.token, authorized.authorizes, authorized.remote_start_id)
    assert (*told, authorized.reservation_id) == (WHO.token, True, 7, 8)
    assert (charges.token, charges.remote_start_id, charges.reservation_id) == (None, None, None)


@pytest.mark.spec("2.0.1", "E07.FR.02")
def test_who_ends_is_named_once() -> None:
    here = world("PowerPathClosed", "EVConnected").happen(PLUG, READY, SWIPE, LEAVE)

    _, stopped = here.only(TransactionUpdated)
    assert (stopped.token, stopped.authorizes) == (WHO.token, False)


@pytest.mark.spec("2.0.1", "E10.FR.02")
def test_a_cable_pulled_out_of_the_vehicle_may_suspend_it() -> None:
    here = world("PowerPathClosed", "Authorized")
    here.policy = replace(here.policy, stop_on_ev_disconnect=False)

    here.happen(PLUG, READY, SWIPE, UNPLUG, PLUG, READY, LEAVE)

    assert here.told == [
        *SWIPED,
        "U EVCommunicationLost Idle",
        "U CablePluggedIn EVConnected",
        "U ChargingStateChanged SuspendedEV",
        "U ChargingStateChanged Charging",
        "E StopAuthorized EVConnected/Local",
    ]
    locks = [type(order) for order in here.orders if isinstance(order, LockCable | UnlockCable)]
    assert locks == [LockCable, UnlockCable]


@pytest.mark.spec("2.0.1", "E10.FR.03")
def test_behind_a_fixed_cable_it_waits_as_long_as_a_token_does() -> None:
    here = world("PowerPathClosed", "Authorized")
    here.policy = replace(here.policy, stop_on_ev_disconnect=False, sockets=frozenset())
    here.happen(PLUG, READY, SWIPE, UNPLUG)
    assert here.state.deadline == NOW + here.policy.connection_timeout

    here.happen(LATE)

    assert here.told[-1] == "E EVConnectTimeout Idle/Timeout"


ORDERS = (OpenContactor, CloseContactor, LockCable, UnlockCable, TakeBegin, TakeEnd)
LOCKS: dict[str, tuple[tuple[inputs.Input, ...], list[type]]] = {
    "a session": (
        (PLUG, SWIPE, LEAVE),
        [LockCable, TakeBegin, CloseContactor, OpenContactor, UnlockCable, TakeEnd],
    ),
    "a token that is refused: held until it is shown": (
        (PLUG, SWIPE, REFUSE, LEAVE),
        [LockCable, TakeBegin, CloseContactor, OpenContactor, TakeEnd, UnlockCable],
    ),
    "no token shown": (
        (PLUG, SWIPE, REFUSE),
        [LockCable, TakeBegin, CloseContactor, OpenContactor, TakeEnd],
    ),
    "unlocked by the CSMS": (
        (PLUG, SWIPE, REFUSE, inputs.CableUnlocked()),
        [LockCable, TakeBegin, CloseContactor, OpenContactor, TakeEnd, UnlockCable],
    ),
    "a start of the station": ((inputs.PowerRestored(),), [OpenContactor, UnlockCable]),
}


@pytest.mark.spec("2.0.1", "E06.FR.10")
@pytest.mark.parametrize(("what", "orders"), LOCKS.values(), ids=LOCKS)
def test_a_cable_is_held_as_long_as_it_must_be(
    what: tuple[inputs.Input, ...], orders: list[type]
) -> None:
    here = world().happen(*what)

    assert [type(order) for order in here.orders if isinstance(order, ORDERS)] == orders


@pytest.mark.spec("2.0.1", "E09.FR.03")
@pytest.mark.spec("2.0.1", "E09.FR.04")
@pytest.mark.parametrize("at_once", [True, False])
def test_a_cable_pulled_at_the_vehicle_is_given_back_as_the_settings_say(
    at_once: bool,  # noqa: FBT001 - the parameter of the test
) -> None:
    here = world()
    here.policy = replace(here.policy, unlock_on_ev_disconnect=at_once)
    here.happen(PLUG, SWIPE, UNPLUG)

    assert here.state.locked is not at_once
    assert here.state.stage is (Stage.AVAILABLE if at_once else Stage.FINISHED)
    here.happen(inputs.PowerRestored())
    assert here.state.locked is not at_once, "a power cut does not free it"
    here.happen(LEAVE)
    assert here.state.locked is False
    assert here.state.stage is Stage.AVAILABLE


def test_whoever_comes_back_to_a_held_cable_plugs_and_shows_the_token() -> None:
    here = world()
    here.policy = replace(here.policy, unlock_on_ev_disconnect=False)
    here.happen(PLUG, SWIPE, UNPLUG, SWIPE)
    assert here.state.authorization is None, "while it is held nobody else begins"

    here.happen(PLUG, SWIPE)

    assert here.state.stage is Stage.CHARGING
    assert here.state.held is None


@pytest.mark.spec("2.0.1", "E02.FR.18")
@pytest.mark.spec("2.0.1", "E02.FR.19")
def test_the_number_of_phases_is_told_when_it_is_known_and_when_it_changes() -> None:
    here = world().happen(PLUG, READY, SWIPE)
    for amps in ((16, 16, 16), (16, 16, 16), (16, 0, 0)):
        here.policy = replace(here.policy, reading=reading(1001, amps=amps))
        here.happen(inputs.ReadingTaken(reading(1001), inputs.Context.PERIODIC))

    assert [fact.phases for fact in here.only(TransactionUpdated)] == [None, 3, None, 1]


def test_a_limit_is_told_and_set_also_where_a_pause_ends_it() -> None:
    here = world("PowerPathClosed", "EnergyTransfer").happen(PLUG, READY, SWIPE)
    here.orders.clear()

    here.happen(inputs.LimitChanged(Decimal(0)))

    assert [type(order) for order in here.orders] == [
        OpenContactor,
        UnlockCable,
        SetLimit,
        TakeEnd,
        ReleaseRecord,
    ]
