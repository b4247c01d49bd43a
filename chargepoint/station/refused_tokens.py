"""The CSMS refuses the token of a transaction that runs: what becomes of its energy."""

from decimal import Decimal

from chargepoint.core.inputs import EnergyDenied, StopRequested
from chargepoint.core.model import Cause, StopReason
from chargepoint.station.evse import EvseRunner
from chargepoint.station.metering import EvseMeter
from chargepoint.station.settings import StationSettings
from meters.model import Quantity


async def refuse(runner: EvseRunner, meter: EvseMeter, settings: StationSettings) -> None:
    """End the transaction or its energy, as StopTxOnInvalidId says (1.6 section 4.8, 2.0.1 E05).

    MaxEnergyOnInvalidId counts from now on and only if the transaction stays; a refusal that is
    repeated grants no more. A meter that does not answer leaves the last value known of it.
    """
    if settings.stop_on_invalid_id():
        await runner.feed(StopRequested(StopReason.DEAUTHORIZED, Cause.DEAUTHORIZED))
        return
    more = settings.max_energy_on_invalid_id()
    now_wh = await _register(runner, meter) if more else None
    await runner.feed(EnergyDenied(None if now_wh is None else now_wh + more))


async def _register(runner: EvseRunner, meter: EvseMeter) -> Decimal | None:
    reading = await meter.refresh() or meter.reading
    if reading is None and runner.state.transaction is not None:
        reading = runner.state.transaction.begin
    return reading.value(Quantity.ENERGY_IMPORT) if reading is not None else None
