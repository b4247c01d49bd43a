"""The status of a connector, from the state of its EVSE (OCPP 1.6 section 4.9, 2.0.1 block G)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from chargepoint.core.facts import Status, StatusChanged
from chargepoint.core.inputs import AvailabilityChanged, FaultCleared, FaultRaised
from chargepoint.core.model import ChargingState, EvseState, Fault, Scope, Stage
from chargepoint.core.variables_station import AvailabilityState

# The five words of 2.0.1 for the finer ones of 1.6.
AVAILABILITY: dict[Status, AvailabilityState] = {
    Status.AVAILABLE: AvailabilityState.AVAILABLE,
    Status.PREPARING: AvailabilityState.OCCUPIED,
    Status.CHARGING: AvailabilityState.OCCUPIED,
    Status.SUSPENDED_EV: AvailabilityState.OCCUPIED,
    Status.SUSPENDED_EVSE: AvailabilityState.OCCUPIED,
    Status.FINISHING: AvailabilityState.OCCUPIED,
    Status.RESERVED: AvailabilityState.RESERVED,
    Status.UNAVAILABLE: AvailabilityState.UNAVAILABLE,
    Status.FAULTED: AvailabilityState.FAULTED,
}

_CHARGING = {
    ChargingState.IDLE: Status.SUSPENDED_EV,
    ChargingState.EV_CONNECTED: Status.SUSPENDED_EV,
    ChargingState.CHARGING: Status.CHARGING,
    ChargingState.SUSPENDED_EV: Status.SUSPENDED_EV,
    ChargingState.SUSPENDED_EVSE: Status.SUSPENDED_EVSE,
}
_WAITING = {
    Stage.AVAILABLE: Status.AVAILABLE,
    Stage.AUTHORIZED: Status.PREPARING,
    Stage.PLUGGED: Status.PREPARING,
    Stage.FINISHED: Status.FINISHING,
}
EV_COMMUNICATION_ERROR = "EVCommunicationError"

_WITH_VEHICLE = {
    Status.PREPARING,
    Status.SUSPENDED_EV,
    Status.SUSPENDED_EVSE,
    Status.FINISHING,
}
# Of several connectors of a free EVSE, the one that says most of what it can do.
_BEST = (
    AvailabilityState.AVAILABLE,
    AvailabilityState.OCCUPIED,
    AvailabilityState.RESERVED,
    AvailabilityState.FAULTED,
    AvailabilityState.UNAVAILABLE,
)


@dataclass(frozen=True, slots=True)
class Place:
    """What is made operative or not: EVSE 0 is the station, connector None the whole EVSE.

    ``thorough``: operative also undoes what was set for the EVSE that a connector belongs to, or
    for EVSEs and connectors of the station (OCPP 1.6 section 5.2 knows no other levels).
    """

    evse_id: int = 0
    connector_id: int | None = None
    thorough: bool = False


Changes = tuple[tuple[int, AvailabilityChanged], ...]
"""What happens to which EVSE, in order."""


@dataclass(frozen=True, slots=True)
class AvailabilityJob:
    """A change at several places, stored until all of it is done."""

    changes: Changes


def changes(
    place: Place, connectors: Mapping[int, int], *, operative: bool
) -> Iterator[tuple[int, AvailabilityChanged]]:
    """The parts of one change; ``connectors`` says how many each EVSE has."""
    down = operative and place.thorough
    if not place.evse_id:
        for evse_id, count in connectors.items():
            yield evse_id, AvailabilityChanged(operative, Scope.STATION)
            if down:
                yield evse_id, AvailabilityChanged(operative, Scope.EVSE)
            for number in range(1, count + 1) if down else ():
                yield evse_id, AvailabilityChanged(operative, Scope.CONNECTOR, number)
        return
    if place.connector_id is None or down:
        yield place.evse_id, AvailabilityChanged(operative, Scope.EVSE)
    if place.connector_id is not None:
        yield place.evse_id, AvailabilityChanged(operative, Scope.CONNECTOR, place.connector_id)


def connector_status(state: EvseState, connector_id: int) -> Status:
    """The one status of a connector that is true now; one that no vehicle uses is free.

    A fault that blocks hides everything else. Inoperative shows once no transaction is left: until
    then the change is scheduled (OCPP 1.6 section 5.2, 2.0.1 G03.FR.05). Reserved stays until who
    reserved comes, whatever is plugged (G01.FR.09). A connector beside the used one is not told as
    occupied (G01.FR.08).
    """
    used = connector_id == state.connector_id
    stage = state.stage if used else Stage.AVAILABLE
    if _faulted(state, connector_id):
        return Status.FAULTED
    if stage is Stage.OPENING:
        return Status.PREPARING
    if stage is Stage.CHARGING:
        return _CHARGING[state.charging_state]
    if stage is Stage.CLOSING:
        return Status.FINISHING
    if not operative(state, connector_id):
        return Status.UNAVAILABLE
    if state.reserved_for and stage in {Stage.AVAILABLE, Stage.PLUGGED}:
        return Status.RESERVED
    return _WAITING[stage]


def status(state: EvseState) -> Status:
    """The status of the connector in use, or last used."""
    return connector_status(state, state.connector_id)


def evse_availability(state: EvseState, connectors: int) -> AvailabilityState:
    """The word of 2.0.1 for an EVSE: that of the used connector, else the best one of all."""
    if state.plugged or state.busy:
        return connector_availability(state, state.connector_id)
    every = {connector_availability(state, number) for number in range(1, connectors + 1)}
    return next(word for word in _BEST if word in every)


def connector_availability(state: EvseState, connector_id: int) -> AvailabilityState:
    """The word of 2.0.1 for a connector; it is occupied once a vehicle is there (G01.FR.03)."""
    current, _, vacant = connector_told(state, connector_id)
    return AvailabilityState.AVAILABLE if vacant else AVAILABILITY[current]


def connector_told(state: EvseState, connector_id: int) -> tuple[Status, Fault | None, bool]:
    """What is told of a connector: its status, the first fault there, whether no vehicle is."""
    current = connector_status(state, connector_id)
    here = (fault for fault in state.faults if fault.concerns(connector_id))
    first = next((fault for fault in here if _tellable(fault, current)), None)
    return current, first, current is Status.PREPARING and not state.plugged


def availability(fact: StatusChanged) -> AvailabilityState:
    """The word of 2.0.1 for a status that was told."""
    return AvailabilityState.AVAILABLE if fact.vacant else AVAILABILITY[fact.status]


def operative(state: EvseState, connector_id: int) -> bool:
    """Whether nobody has set this connector, its EVSE or the station inoperative."""
    return state.operative and connector_id not in state.closed


def in_service(state: EvseState, connector_id: int) -> bool:
    """Whether a session may begin at this connector: neither out of order nor broken."""
    return operative(state, connector_id) and not _faulted(state, connector_id)


def free(state: EvseState, connectors: int) -> bool:
    """Whether a session may begin where the vehicle is, without one anywhere at the EVSE."""
    if state.plugged:
        return in_service(state, state.connector_id)
    return any(in_service(state, number) for number in range(1, connectors + 1))


def statuses_between(
    before: EvseState, after: EvseState, now: datetime, connectors: int
) -> list[StatusChanged]:
    """Every connector of which something else is to be told, the used one first."""
    others = (n for n in range(1, connectors + 1) if n != after.connector_id)
    told = ((n, connector_told(after, n)) for n in (after.connector_id, *others))
    return [
        StatusChanged(after.evse_id, number, now, *what)
        for number, what in told
        if what != connector_told(before, number)
    ]


def altered(state: EvseState, what: AvailabilityChanged | FaultRaised | FaultCleared) -> EvseState:
    """The state after ChangeAvailability, whose levels do not undo each other, or a fault.

    What works again at the whole EVSE does at each of its connectors. A vehicle that finds its
    connector in order again is a new one (OCPP 1.6 section 4.9, H2).
    """
    match what:
        case FaultRaised(fault):
            return replace(state, faults=_with(state.faults, fault))
        case FaultCleared(code, where):
            gone = [
                f for f in state.faults if f.error_code == code and where in {0, f.connector_id}
            ]
            return replace(state, faults=tuple(f for f in state.faults if f not in gone))
    after = _with_availability(state, what)
    used = state.connector_id
    if state.stage is Stage.FINISHED and not operative(state, used) and operative(after, used):
        return replace(after, stage=Stage.PLUGGED)
    return after


def _with_availability(state: EvseState, what: AvailabilityChanged) -> EvseState:
    if what.scope is Scope.CONNECTOR:
        one = frozenset({what.connector_id})
        return replace(state, closed=state.closed - one if what.operative else state.closed | one)
    level = frozenset({what.scope})
    changed = state.inoperative - level if what.operative else state.inoperative | level
    return replace(state, inoperative=changed)


def _with(faults: tuple[Fault, ...], fault: Fault) -> tuple[Fault, ...]:
    """The faults with this one; one of the same code and place is replaced where it stands."""
    name = (fault.error_code, fault.connector_id)
    if all((known.error_code, known.connector_id) != name for known in faults):
        return (*faults, fault)
    return tuple(fault if (f.error_code, f.connector_id) == name else f for f in faults)


def _tellable(fault: Fault, current: Status) -> bool:
    """A communication error is only told where a vehicle is used (OCPP 1.6 section 4.9)."""
    return fault.error_code != EV_COMMUNICATION_ERROR or current in _WITH_VEHICLE


def _faulted(state: EvseState, connector_id: int) -> bool:
    """A vehicle that is not understood gets no energy, but the connector is none the worse for it.

    OCPP 1.6 section 7.6: EVCommunicationError is told with SuspendedEVSE, not with Faulted.
    """
    return any(
        fault.blocks and fault.error_code != EV_COMMUNICATION_ERROR and fault.concerns(connector_id)
        for fault in state.faults
    )


def told_without_store(fact: StatusChanged, fault: Fault, *, busy: bool) -> StatusChanged:
    """What is told of a connector, or the station, while nothing can be stored.

    No session begins, so that nobody shall be sent there. One that runs goes on: its meter counts
    and signs, and keeps the record until it could be stored. ``busy``: one runs at this connector.
    """
    return fact if busy else replace(fact, status=Status.FAULTED, fault=fault, vacant=False)
