"""How the station is, in plain values for support; without tokens."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chargepoint.station.station import Evse, Station


def condition(station: "Station", *, online: bool) -> dict[str, Any]:
    """The station and each EVSE, now."""
    return {
        "time": station.clock.now(),
        "status": station.own_status(),
        "online": online,
        "facts_waiting": station.store.waiting,
        "disk_low": station.store.low,
        "evses": _evses(station.evses),
    }


def _evses(evses: Mapping[int, "Evse"]) -> dict[str, Any]:
    return {str(evse_id): _evse(evse) for evse_id, evse in evses.items()}


def _evse(evse: "Evse") -> dict[str, Any]:
    state, reading = evse.runner.state, evse.meter.reading
    return {
        "stage": state.stage,
        "plugged": state.plugged,
        "transaction": state.transaction.transaction_id if state.transaction else None,
        "limit_a": state.limit_a,
        "faults": [fault.error_code for fault in state.faults],
        "inoperative": sorted(state.inoperative),
        "meter": evse.description.meter_name,
        "meter_read_at": reading.taken_at if reading else None,
    }
