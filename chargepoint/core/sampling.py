"""Which quantities belong into a message, and when the next aligned reading is due."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from chargepoint.core.model import Context, Sampled
from meters.model import Phase, Quantity, Reading, Sample

ENERGY = "Energy.Active.Import.Register"
_TOTAL = ".total"  # instead of a phase: all phases together, and none of them

FLOWS_A = 1  # a phase that carries less gives no energy: a vehicle at rest keeps its filters fed
_PHASES = frozenset({Phase.L1, Phase.L2, Phase.L3})

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
KEPT_MOST = 500  # readings of a transaction that wait for its final message


@dataclass(frozen=True, slots=True)
class Asked:
    """What one entry of a list of measurands asks for.

    ``sign`` 1 or -1 asks for that direction of a signed quantity, 0 for the value as it is;
    ``phase`` None for the total and every phase there is, ``total`` for the total alone.
    """

    measurand: str
    quantity: Quantity
    sign: int
    phase: str | None
    total: bool = False

    def of(self, sample: Sample) -> Sample | None:
        """The sample as this measurand, or None if it is something else.

        Import and export of one signed quantity are two measurands: a value of the other direction
        counts as zero, as a register of that direction would say.
        """
        if sample.quantity is not self.quantity or self.phase not in {None, sample.phase}:
            return None
        if self.total and sample.phase is not None:
            return None
        if self.sign == 0 or (self.sign == 1 and sample.value > 0):
            return sample
        directed = sample.value * self.sign
        return replace(sample, value=directed if directed > 0 else abs(directed * 0))


@lru_cache(maxsize=256)
def asked(name: str) -> Asked | None:
    """What ``name`` asks for ("Voltage.L1" names a phase); None if no meter measures such a thing.

    Cached: names come from settings, and every message asks again.
    """
    total = name.endswith(_TOTAL)
    measurand = plain(name.removesuffix(_TOTAL))
    if measurand not in MEASURANDS:
        return None
    quantity, sign = MEASURANDS[measurand]
    phase = None if total else name[len(measurand) + 1 :] or None
    return Asked(measurand, quantity, sign, phase, total)


def values(sampled: Sampled) -> Iterator[tuple[str, Sample]]:
    """Every value that a message tells of a reading, with its measurand, in the order asked for."""
    for name in sampled.measurands:
        if (wanted := asked(name)) is None:
            continue
        for raw in sampled.reading.samples:
            if raw.quantity is wanted.quantity and (sample := wanted.of(raw)) is not None:
                yield wanted.measurand, sample


def select(
    reading: Reading, context: Context, measurands: tuple[str, ...], *, signed: bool = False
) -> tuple[Sampled, ...]:
    """What of a reading belongs into a message: one element, or none if nothing was asked for.

    Totals come before phases, for readers that take the first value. The signed record stays only
    if ``signed``; it goes with the energy register, which is then
    there whatever the measurands say, because a record without a sample cannot be sent.
    """
    record = reading.signed if signed else None
    registers = {ENERGY, f"{ENERGY}{_TOTAL}"} & set(measurands)
    wanted = measurands if record is None or registers else (ENERGY, *measurands)
    quantities = {found.quantity for name in wanted if (found := asked(name)) is not None}
    if not quantities:
        return ()
    chosen = [sample for sample in reading.samples if sample.quantity in quantities]
    samples = tuple(sorted(chosen, key=lambda sample: sample.phase is not None))
    return (Sampled(replace(reading, samples=samples, signed=record), context, wanted),)


def without_phases(measurands: tuple[str, ...]) -> tuple[str, ...]:
    """The same, but of the energy register only the total (2.0.1 RegisterValuesWithoutPhases)."""
    total = f"{ENERGY}{_TOTAL}"
    return tuple(dict.fromkeys(total if plain(name) == ENERGY else name for name in measurands))


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


def phases_in_use(reading: Reading) -> int | None:
    """On how many phases energy flows, None if the meter does not tell them apart, or on none."""
    currents = [
        sample.value
        for sample in reading.samples
        if sample.quantity is Quantity.CURRENT and sample.phase in _PHASES
    ]
    return sum(abs(value) >= FLOWS_A for value in currents) or None
