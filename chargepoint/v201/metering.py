"""Block J, metering: readings as MeterValueType, signed ones in the container of the OCA."""

import logging
from decimal import Decimal
from typing import Any

from chargepoint.core.facts import MeterSampled
from chargepoint.core.model import Sampled
from chargepoint.core.sampling import ENERGY, values
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.csms.record_sender import RecordSender
from chargepoint.csms.signed import container, keyed, stated, unsigned
from chargepoint.csms.size_guard import STANDARD_MOST
from chargepoint.csms.words import UNITS, phase, timestamp
from meters.model import Quantity, Reading, Sample

log = logging.getLogger(__name__)


class Metering:
    """Readings outside of transactions; converters for the others."""

    def __init__(self, profile: CsmsProfile, records: RecordSender) -> None:
        self._profile = profile
        self._records = records

    @delivers(MeterSampled)
    async def sampled(self, fact: MeterSampled, delivery: Delivery) -> None:
        """J01: readings of an idle EVSE, aligned to the clock or asked for."""
        standalone = self._profile.signed_standalone

        def word(samples: tuple[Sampled, ...]) -> dict[str, Any] | None:
            told = samples if standalone else tuple(map(unsigned, samples))
            values = meter_values(told, with_key=fact.with_key, profile=self._profile)
            return {"evseId": fact.evse_id, "meterValue": values} if values else None

        await self._records.send("MeterValues", fact, delivery, word)


def meter_values(
    samples: tuple[Sampled, ...], *, with_key: bool, profile: CsmsProfile, once: bool = False
) -> list[dict[str, Any]]:
    """MeterValueType for each reading that has anything to say, in the order given.

    A signed record for which its own reading has no number goes with the register before it.
    """
    told: list[dict[str, Any]] = []
    for sampled, key in keyed(samples, with_key=with_key, once=once):
        value = meter_value(sampled, with_key=key, profile=profile)
        if value["sampledValue"]:
            told.append(value)
        elif sampled.reading.signed is not None:
            _join(told, container(sampled.reading.signed, with_key=key, profile=profile))
    return told


def meter_value(sampled: Sampled, *, with_key: bool, profile: CsmsProfile) -> dict[str, Any]:
    """One reading. The signed record goes with the total of the energy register (J02.FR.21).

    The message has no place for a record without a number, and a number that was not measured
    would be billed. If the reading lacks the total, the record itself states it; if it does not,
    the record goes with whatever else the reading tells.
    """
    reading = sampled.reading
    told = [_sampled_value(measurand, sample, sampled) for measurand, sample in values(sampled)]
    if reading.signed is not None:
        if (total := _total(told)) is None and (energy := _energy(reading)) is not None:
            total = _sampled_value(ENERGY, Sample(Quantity.ENERGY_IMPORT, energy), sampled)
            told.insert(0, total)
        if (place := total or next(iter(told), None)) is not None:
            whole = container(reading.signed, with_key=with_key, profile=profile)
            if (length := len(whole["signedMeterData"])) > STANDARD_MOST:
                log.warning("signed record of %d characters, OCPP 2.0.1: %d", length, STANDARD_MOST)
            place["signedMeterValue"] = whole
    return {"timestamp": timestamp(reading.taken_at), "sampledValue": told}


def _total(told: list[dict[str, Any]]) -> dict[str, Any] | None:
    return next((v for v in told if v["measurand"] == ENERGY and "phase" not in v), None)


def _energy(reading: Reading) -> Decimal | None:
    found = reading.value(Quantity.ENERGY_IMPORT)
    return stated(reading.signed) if found is None and reading.signed is not None else found


def _join(told: list[dict[str, Any]], record: dict[str, Any]) -> None:
    """Put a record beside the last total that is still without one."""
    totals = [total for value in told if (total := _total(value["sampledValue"])) is not None]
    free = [total for total in totals if "signedMeterValue" not in total]
    if free:
        free[-1]["signedMeterValue"] = record
    else:
        log.error("a signed record is not told: there is no measured value to tell it with")


def _sampled_value(measurand: str, sample: Sample, sampled: Sampled) -> dict[str, Any]:
    value: dict[str, Any] = {
        "value": sample.value,
        "context": str(sampled.context),
        "measurand": measurand,
        "location": "Outlet",
    }
    if (where := phase(sample)) is not None:
        value["phase"] = where
    if sample.quantity in UNITS:
        value["unitOfMeasure"] = {"unit": UNITS[sample.quantity]}
    return value
