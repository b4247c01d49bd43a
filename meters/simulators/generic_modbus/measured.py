"""What a simulated meter measures: counters per conductor, and everything that follows from them.

Voltages and frequency are nominal, the load is purely active.
"""

import json
from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Final

from meters.model import Phase, Quantity
from meters.profiles import Profile
from meters.simulators.energy import EnergyCounter, Load

_TOTAL: Final = "total"
_DC_VOLTS: Final = Decimal(400)
_PHASE_VOLTS: Final = Decimal(230)
_PAIR_VOLTS: Final = Decimal("398.4")
_FINEST: Final = Decimal("0.001")
_FIXED: Final = {
    Quantity.FREQUENCY: Decimal(50),
    Quantity.TEMPERATURE: Decimal(25),
    Quantity.REACTIVE_POWER: Decimal(0),
}

Totals = Mapping[str, tuple[Decimal, Decimal]]
"""Imported and exported Wh, by conductor and in total."""


def conductors(profile: Profile) -> tuple[Phase, ...]:
    """The phases that the meter measures one by one, L1 first; none for direct current."""
    seen = {register.phase for register in profile.registers}
    return tuple(phase for phase in (Phase.L1, Phase.L2, Phase.L3) if phase in seen)


class Measured:
    """The load and the energy of one meter."""

    def __init__(
        self,
        phases: tuple[Phase, ...],
        totals: Totals,
        *,
        monotonic: Callable[[], float],
        time_lapse: Decimal,
    ) -> None:
        self._phases = phases
        self._counters = {
            name: EnergyCounter(*totals[name], monotonic=monotonic, time_lapse=time_lapse)
            for name in (_TOTAL, *phases)
        }
        self.load = Load()

    def set_load(self, load: Load) -> None:
        """From now on this much flows, evenly on the first of the conductors."""
        self.load = load
        self._counters[_TOTAL].set_load(load)
        for phase in self._phases:
            self._counters[phase].set_load(Load(self._power(phase)))

    def totals(self) -> dict[str, tuple[Decimal, Decimal]]:
        """All counters now."""
        return {name: counter.totals() for name, counter in self._counters.items()}

    def value(self, quantity: Quantity, phase: Phase | None) -> Decimal:
        """What the meter measures now, in SI units; positive is import."""
        if quantity in _FIXED:
            return _FIXED[quantity]
        power = self._power(phase)
        match quantity:
            case Quantity.ENERGY_IMPORT | Quantity.ENERGY_EXPORT:
                place = int(quantity is Quantity.ENERGY_EXPORT)
                energy = self._counters[phase or _TOTAL].totals()[place]
                return energy.quantize(_FINEST, ROUND_DOWN)
            case Quantity.POWER:
                return power
            case Quantity.APPARENT_POWER:
                return abs(power)
            case Quantity.POWER_FACTOR:
                return Decimal(-1 if power < 0 else 1)
            case Quantity.CURRENT:
                current = power / self._volts(phase) if phase is not Phase.N else Decimal(0)
                return current.quantize(_FINEST, ROUND_HALF_UP)
            case _:
                return self._volts(phase)

    def _power(self, phase: Phase | None) -> Decimal:
        if phase is None:
            return self.load.watts
        used = self._phases[: self.load.phases]
        if phase not in used:
            return Decimal(0)
        share = (self.load.watts / len(used)).quantize(_FINEST, ROUND_DOWN)
        rest = self.load.watts - share * len(used)
        return share + (rest if phase is used[0] else 0)

    def _volts(self, phase: Phase | None) -> Decimal:
        if phase is None and not self._phases:
            return _DC_VOLTS
        return _PHASE_VOLTS if phase is None or len(phase) == len(Phase.L1) else _PAIR_VOLTS


def new_totals(phases: tuple[Phase, ...], imported_wh: int, exported_wh: int) -> Totals:
    """Counters of a meter that has no state yet: the conductors have measured the same."""
    totals = {_TOTAL: (Decimal(imported_wh), Decimal(exported_wh))}
    for phase in phases:
        each = (Decimal(wh) / len(phases) for wh in (imported_wh, exported_wh))
        totals[phase] = next(each).quantize(_FINEST), next(each).quantize(_FINEST)
    return totals


def dump(totals: Totals) -> bytes:
    """The counters for the state file."""
    return json.dumps({name: [str(wh) for wh in pair] for name, pair in totals.items()}).encode()


def restore(data: bytes, phases: tuple[Phase, ...]) -> Totals:
    """The counters of a state file.

    Raises:
        ValueError: it was written for another kind of meter, or is damaged.
    """
    try:
        stored = json.loads(data)
        return {
            name: (Decimal(stored[name][0]), Decimal(stored[name][1])) for name in (_TOTAL, *phases)
        }
    except (ValueError, ArithmeticError, LookupError, TypeError) as error:
        raise ValueError("the state file belongs to another kind of meter") from error
