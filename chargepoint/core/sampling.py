"""Which quantities belong into a message, and when the next aligned reading is due."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from chargepoint.core.model import Context, Sampled
from meters.model import Quantity, Reading, Sample

ENERGY = "Energy.Active.Import.Register"

# Measurand of OCPP -> quantity of the meter and the sign of the values that belong to it.
MEASURANDS: dict[str, tuple[Quantity, int]] = {
    "Energy.Active.Import.Register": (Quantity.ENERGY_IMPORT, 0),
    "Energy.Active.Export.Register": (Quantity.ENERGY_EXPORT, 0),
    "Power.Active.Import": (Quantity.POWER, 1),
    "Power.Active.Export": (Quantity.POWER, -1),
    "Power.Reactive.Import": (Quantity.REACTIVE_POWER, 1),
    "Power.Reactive.Export": (Quantity.REACTIVE_POWER, -1),
    "Power.Factor": (Quantity.POWER_FACTOR, 0),
    "Voltage": (Quantity.VOLTAGE, 0),
    "Current.Import": (Quantity.CURRENT, 1),
    "Current.Export": (Quantity.CURRENT, -1),
    "Frequency": (Quantity.FREQUENCY, 0),
    "Temperature": (Quantity.TEMPERATURE, 0),
}


def measured(sample: Sample, measurand: str) -> Sample | None:
    """The sample as this measurand, or None if it is something else.

    Import and export of one signed quantity are two measurands: a value of the other direction
    counts as zero, as a register of that direction would say.
    """
    quantity, sign = MEASURANDS[measurand]
    if sample.quantity is not quantity:
        return None
    if sign == 0:
        return sample
    directed = sample.value * sign
    return replace(sample, value=directed if directed > 0 else abs(directed * 0))


def select(
    reading: Reading, context: Context, measurands: tuple[str, ...], *, signed: bool = False
) -> tuple[Sampled, ...]:
    """What of a reading belongs into a message: one element, or none if nothing was asked for.

    Totals come before phases, for readers that take the first value. The signed record stays only
    if ``signed``; it goes with the energy register, which is then
    there whatever the measurands say, because a record without a sample cannot be sent.
    """
    record = reading.signed if signed else None
    wanted = measurands if record is None or ENERGY in measurands else (ENERGY, *measurands)
    quantities = {MEASURANDS[plain(name)][0] for name in wanted if plain(name) in MEASURANDS}
    if not quantities:
        return ()
    chosen = [sample for sample in reading.samples if sample.quantity in quantities]
    samples = tuple(sorted(chosen, key=lambda sample: sample.phase is not None))
    return (Sampled(replace(reading, samples=samples, signed=record), context, wanted),)


def plain(measurand: str) -> str:
    """The measurand without a phase ("Voltage.L1" names one; OCPP 1.6 section 9.1.19)."""
    head, _, tail = measurand.rpartition(".")
    return head if tail in {"L1", "L2", "L3", "N"} else measurand


def next_aligned(now: datetime, interval: timedelta) -> datetime:
    """The next instant after ``now`` that is a multiple of ``interval`` after midnight UTC.

    The grid starts anew every midnight (OCPP 1.6 section 9.1.4, 2.0.1 AlignedDataCtrlr.Interval).
    """
    midnight = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    steps = (now - midnight) // interval + 1
    return min(midnight + steps * interval, midnight + timedelta(days=1))
