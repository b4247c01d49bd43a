"""How the parts of the station are now, for the device model: status, problems, meter values."""

from decimal import Decimal
from functools import partial

from chargepoint.config import StationConfig
from chargepoint.core.availability import (
    AVAILABILITY,
    connector_availability,
    connector_status,
    evse_availability,
)
from chargepoint.core.facts import Status
from chargepoint.core.variables import (
    ALIGNED_ENABLED,
    ALIGNED_TX_ENDED_MEASURANDS,
    CONNECTOR_AVAILABILITY,
    CONNECTOR_PROBLEM,
    EVSE_AVAILABILITY,
    EVSE_POWER,
    EVSE_PROBLEM,
    IDENTITY,
    METER_ENERGY,
    METER_PROBLEM,
    SAMPLED_ENABLED,
    STATION_AVAILABILITY,
    STATION_MODEL,
    STATION_PROBLEM,
    STATION_VENDOR,
    TX_ENDED_MEASURANDS,
    AvailabilityState,
)
from chargepoint.station.meter_health import Health
from chargepoint.station.station import Evse, Station
from meters.model import Quantity

_WELL = {Health.OK, Health.UNKNOWN}


def provide_names(config: StationConfig, station: Station) -> None:
    """Who made the station, as the file says."""
    station.model.provide(IDENTITY, lambda: config.station.id)
    station.model.provide(STATION_MODEL, lambda: config.station.model)
    station.model.provide(STATION_VENDOR, lambda: config.station.vendor)


def provide_parts(station: Station) -> None:
    """Connect the variables of station, EVSEs, connectors and meters with what lives."""
    model = station.model
    model.provide(STATION_AVAILABILITY, lambda: AVAILABILITY[station.own_status()])
    model.provide(STATION_PROBLEM, lambda: bool(station.faults))
    for evse in station.evses.values():
        _provide_evse(station, evse)


def _provide_evse(station: Station, evse: Evse) -> None:
    model, evse_id = station.model, evse.description.evse_id

    def faulted(number: int) -> bool:
        return connector_status(evse.runner.state, number) is Status.FAULTED

    def availability() -> AvailabilityState:
        return evse_availability(evse.runner.state, evse.runner.connectors)

    def of_connector(number: int) -> AvailabilityState:
        return connector_availability(evse.runner.state, number)

    for switch in (SAMPLED_ENABLED, ALIGNED_ENABLED):
        model.subscribe(switch, lambda _: evse.sampler.reconsider())
    for wanted in (TX_ENDED_MEASURANDS, ALIGNED_TX_ENDED_MEASURANDS):
        model.subscribe(wanted, lambda _: evse.sampler.reconsider())
    model.provide(EVSE_AVAILABILITY, availability, evse_id)
    model.provide(EVSE_PROBLEM, lambda: bool(evse.runner.state.faults), evse_id)
    for number, _ in enumerate(evse.description.connectors, 1):
        model.provide(CONNECTOR_AVAILABILITY, partial(of_connector, number), evse_id, number)
        model.provide(CONNECTOR_PROBLEM, partial(faulted, number), evse_id, number)
    model.provide(METER_PROBLEM, lambda: _ill(evse), evse_id)
    model.provide(METER_ENERGY, lambda: _measured(evse, Quantity.ENERGY_IMPORT), evse_id)
    model.provide(EVSE_POWER, lambda: _measured(evse, Quantity.POWER), evse_id)


def _ill(evse: Evse) -> bool:
    return evse.meter.books.health not in _WELL or bool(evse.meter.books.complaints)


def _measured(evse: Evse, quantity: Quantity) -> Decimal | None:
    reading = evse.meter.reading
    return None if reading is None else reading.value(quantity)
