"""The parts of one EVSE, made and wired to its station."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from chargepoint.station.evse import EvseRunner
from chargepoint.station.metering import EvseMeter
from chargepoint.station.sampling import Sampler
from meters.model import Reading

if TYPE_CHECKING:
    from chargepoint.station.station import EvseDescription, Station, Wiring

Parts = tuple[EvseRunner, EvseMeter, Sampler]
Verify = Callable[[Reading], Coroutine[Any, Any, str]]


def parts_of(
    description: "EvseDescription", home: "Station", wiring: "Wiring", verify: Verify
) -> Parts:
    """What runs the EVSE, what reads its meter, what samples it."""
    evse_id = description.evse_id
    runner = EvseRunner(
        evse_id,
        store=home.store,
        outlet=home.board.outlet(evse_id),
        clock=home.clock,
        policy=lambda: home.settings.policy(
            wiring.fresh_id(), description.charge_point, tls=wiring.tls()
        ),
        spawn=home.spawn,
        reporter=home,
        online=lambda: wiring.csms.online,
        connectors=description.connectors,
    )
    meter = EvseMeter(
        description.meter_name,
        description.meter,
        runner,
        store=home.store,
        clock=home.clock,
        verify=verify,
        patience=home.settings.meter_failure_timeout,
        told=home.told,
    )
    runner.meter = meter
    sampler = Sampler(
        runner,
        meter,
        clock=home.clock,
        schedule=home.settings.schedule,
        record=home.record,
    )
    return runner, meter, sampler
