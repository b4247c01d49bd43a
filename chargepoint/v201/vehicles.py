"""Block K, smart charging: vehicles that talk (K15 to K17)."""

from typing import Any

from chargepoint.core.facts import NeedsStated, ScheduleChosen
from chargepoint.core.vehicle import AcNeeds, DcNeeds, Needs, NeedsAnswer
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.errors import CsmsRejected
from chargepoint.station.station import Station
from chargepoint.v201 import wire
from chargepoint.v201.charging_profile import charging_schedule


class Vehicles:
    """Tells what a vehicle needs, and which schedule it chose."""

    def __init__(self, station: Station) -> None:
        self._vehicles = station.vehicles

    @delivers(NeedsStated)
    async def stated(self, fact: NeedsStated, delivery: Delivery) -> None:
        """K15, K17; not told any more once nobody waits for the answer."""
        if not self._vehicles.asks(fact):
            return
        payload: dict[str, Any] = {
            "evseId": fact.evse_id,
            "chargingNeeds": charging_needs(fact.needs),
        }
        if fact.needs.tuples_most is not None:
            payload["maxScheduleTuples"] = fact.needs.tuples_most
        try:
            reply = await delivery.call("NotifyEVChargingNeeds", payload)
        except CsmsRejected:
            self._vehicles.answered(fact, NeedsAnswer.REJECTED)
            raise
        self._vehicles.answered(fact, NeedsAnswer(reply["status"]))

    @delivers(ScheduleChosen)
    async def chosen(self, fact: ScheduleChosen, delivery: Delivery) -> None:
        """K15.FR.10: what the vehicle will do, within what it was offered."""
        payload = {
            "timeBase": wire.timestamp(fact.at),
            "evseId": fact.evse_id,
            "chargingSchedule": charging_schedule(fact.schedule),
        }
        reply = await delivery.call("NotifyEVChargingSchedule", payload)
        self._vehicles.judged(fact, accepted=reply["status"] == "Accepted")


def charging_needs(needs: Needs) -> dict[str, Any]:
    """ChargingNeedsType."""
    data: dict[str, Any] = {"requestedEnergyTransfer": str(needs.transfer)}
    if needs.departure is not None:
        data["departureTime"] = wire.timestamp(needs.departure)
    if needs.ac is not None:
        data["acChargingParameters"] = _ac(needs.ac)
    if needs.dc is not None:
        data["dcChargingParameters"] = _dc(needs.dc)
    return data


def _ac(needs: AcNeeds) -> dict[str, Any]:
    return {
        "energyAmount": needs.energy_wh,
        "evMinCurrent": needs.min_current_a,
        "evMaxCurrent": needs.max_current_a,
        "evMaxVoltage": needs.max_voltage_v,
    }


def _dc(needs: DcNeeds) -> dict[str, Any]:
    said = {
        "evMaxCurrent": needs.max_current_a,
        "evMaxVoltage": needs.max_voltage_v,
        "energyAmount": needs.energy_wh,
        "evMaxPower": needs.max_power_w,
        "stateOfCharge": needs.state_of_charge,
        "evEnergyCapacity": needs.capacity_wh,
        "fullSoC": needs.full_soc,
        "bulkSoC": needs.bulk_soc,
    }
    return {name: value for name, value in said.items() if value is not None}
