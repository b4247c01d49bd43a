"""The status of a connector, from the state of its EVSE (OCPP 1.6 section 4.9, 2.0.1 block G)."""

from dataclasses import replace

from chargepoint.core.facts import Status
from chargepoint.core.model import ChargingState, EvseState, Stage
from chargepoint.core.variables_station import AvailabilityState

# The five words of 2.0.1 for the finer ones of 1.6.
AVAILABILITY: dict[Status, AvailabilityState] = {
    Status.AVAILABLE: AvailabilityState.AVAILABLE,
    Status.PREPARING: AvailabilityState.OCCUPIED,
    Status.CHARGING: AvailabilityState.OCCUPIED,
    Status.SUSPENDED_EV: AvailabilityState.OCCUPIED,
    Status.SUSPENDED_EVSE: AvailabilityState.OCCUPIED,
    Status.FINISHING: AvailabilityState.OCCUPIED,
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


def connector_status(state: EvseState, connector_id: int) -> Status:
    """The status of one connector; one that no vehicle uses is free (OCPP 2.0.1 G01.FR.08)."""
    used = connector_id == state.connector_id
    return status(state if used else replace(state, stage=Stage.AVAILABLE))


def status(state: EvseState) -> Status:
    """The one status that is true now.

    A fault that blocks hides everything else. Inoperative shows once no transaction is left: until
    then the change is scheduled (OCPP 1.6 section 5.2, 2.0.1 G03.FR.05).
    """
    if state.faulted:
        return Status.FAULTED
    if state.stage is Stage.OPENING:
        return Status.PREPARING
    if state.stage is Stage.CHARGING:
        return _CHARGING[state.charging_state]
    if state.stage is Stage.CLOSING:
        return Status.FINISHING
    if not state.operative:
        return Status.UNAVAILABLE
    return _WAITING[state.stage]
