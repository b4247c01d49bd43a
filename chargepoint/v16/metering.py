"""Readings as MeterValue, signed ones beside the plain ones (sections 5.10, 7.33, 7.43)."""

from typing import Any

from chargepoint.core.facts import MeterSampled
from chargepoint.core.model import Sampled
from chargepoint.core.sampling import ENERGY, values
from chargepoint.csms import words
from chargepoint.csms.adapter import Delivery, delivers
from chargepoint.csms.profiles import CsmsProfile, RawSample, SignedForm
from chargepoint.csms.record_sender import RecordSender
from chargepoint.csms.signed import keyed, unsigned, value_16
from chargepoint.v16.connectors import Connectors
from chargepoint.v16.wire import timestamp
from meters.model import Quantity, Sample, SignedReading

# Frequency and power factor have no unit in UnitOfMeasure. "Celcius" is the spelling of the first
# edition, the one of the two that every central system takes (errata 2025-04).
UNITS = {
    **{kind: unit for kind, unit in words.UNITS.items() if kind is not Quantity.FREQUENCY},
    Quantity.TEMPERATURE: "Celcius",
}
# The unit inside the records of all meters known here, as in the example of the OCA note.
SIGNED_UNIT = "kWh"


class Metering:
    """Readings outside of transactions; converters for the others."""

    def __init__(self, connectors: Connectors, profile: CsmsProfile, records: RecordSender) -> None:
        self._connectors = connectors
        self._profile = profile
        self._records = records

    @delivers(MeterSampled)
    async def sampled(self, fact: MeterSampled, delivery: Delivery) -> None:
        """Section 4.7: a reading of an idle connector, aligned to the clock or asked for."""
        standalone = self._profile.signed_standalone
        connector = self._connectors.number(fact.evse_id)

        def word(samples: tuple[Sampled, ...]) -> dict[str, Any] | None:
            told = samples if standalone else tuple(map(unsigned, samples))
            values = meter_values(told, with_key=fact.with_key, profile=self._profile)
            return {"connectorId": connector, "meterValue": values} if values else None

        await self._records.send("MeterValues", fact, delivery, word)


def meter_values(
    samples: tuple[Sampled, ...], *, with_key: bool, profile: CsmsProfile, once: bool = False
) -> list[dict[str, Any]]:
    """MeterValue for each reading that has anything to say, in the order given."""
    told = (
        meter_value(sampled, with_key=key, profile=profile)
        for sampled, key in keyed(samples, with_key=with_key, once=once)
    )
    return [value for value in told if value["sampledValue"]]


def meter_value(sampled: Sampled, *, with_key: bool, profile: CsmsProfile) -> dict[str, Any]:
    """One reading; the signed record comes first unless the CSMS reads only the first value.

    The plain value of the energy register stays beside it, unless the profile leaves it out: a
    system that overlooks ``format`` takes the last value of a measurand, or the first one, for a
    number.
    """
    reading = sampled.reading
    told = [_plain_value(measurand, sample, sampled) for measurand, sample in values(sampled)]
    if reading.signed is not None and profile.signed_form is not SignedForm.NOTHING:
        signed = _signed_value(reading.signed, sampled, with_key=with_key, profile=profile)
        if profile.raw is RawSample.NONE:
            told = [one for one in told if one["measurand"] != ENERGY or "phase" in one]
        told.insert(len(told) if profile.raw is RawSample.FIRST else 0, signed)
    return {"timestamp": timestamp(reading.taken_at), "sampledValue": told}


def _plain_value(measurand: str, sample: Sample, sampled: Sampled) -> dict[str, Any]:
    value: dict[str, Any] = {
        "value": f"{sample.value:f}",
        "context": str(sampled.context),
        "format": "Raw",
        "measurand": measurand,
        "location": "Outlet",
    }
    if (phase := words.phase(sample)) is not None:
        value["phase"] = phase
    if sample.quantity in UNITS:
        value["unit"] = UNITS[sample.quantity]
    return value


def _signed_value(
    signed: SignedReading, sampled: Sampled, *, with_key: bool, profile: CsmsProfile
) -> dict[str, Any]:
    """OCA note "Signed Meter Values in OCPP" 1.0, section 3.2.1."""
    return {
        "value": value_16(signed, with_key=with_key, profile=profile),
        "context": str(sampled.context),
        "format": "SignedData",
        "measurand": ENERGY,
        "location": "Outlet",
        "unit": SIGNED_UNIT,
    }
