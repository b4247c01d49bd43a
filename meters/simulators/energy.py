"""What flows through the simulated meter: the load, and the energy it makes of time."""

from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

NOMINAL_VOLTAGE: Final = Decimal(230)
_SECONDS_PER_HOUR: Final = 3600
MOST_WATTS: Final = Decimal(200_000_000)
"""What the INT32 power register holds, in 0.1 W."""


@dataclass(frozen=True, slots=True)
class Load:
    """Power through the meter, evenly on the first ``phases`` conductors; negative is export."""

    watts: Decimal = Decimal(0)
    phases: int = 3

    def __post_init__(self) -> None:
        """Refuse what is no load.

        Raises:
            ValueError: says what is allowed.
        """
        if self.phases not in {1, 2, 3}:
            raise ValueError(f"{self.phases} phases, 1 to 3 are there")
        if not self.watts.is_finite() or abs(self.watts) > MOST_WATTS:
            raise ValueError(f"{self.watts} W, at most {MOST_WATTS} W fit the registers")

    def tenths(self) -> tuple[int, int, int]:
        """Power of each phase in 0.1 W; together they are exactly the rounded total."""
        total = rounded(self.watts * 10)
        share, rest = divmod(abs(total), self.phases)
        sign = -1 if total < 0 else 1
        used = [sign * (share + (place < rest)) for place in range(self.phases)]
        one, two, three = (*used, 0, 0)[:3]
        return one, two, three


class EnergyCounter:
    """Two counters in Wh that grow with the load: exact, whatever is read how often.

    Each stretch of constant load is one multiplication; reading does not start a new one.
    """

    def __init__(
        self,
        import_wh: Decimal,
        export_wh: Decimal,
        *,
        monotonic: Callable[[], float],
        time_lapse: Decimal,
    ) -> None:
        self._monotonic = monotonic
        self._lapse = time_lapse
        self._import_wh, self._export_wh = import_wh, export_wh
        self._since = monotonic()
        self.load = Load()

    def set_load(self, load: Load) -> None:
        """From now on this much flows."""
        now = self._monotonic()
        self._import_wh, self._export_wh = self._at(now)
        self._since, self.load = now, load

    def totals(self) -> tuple[Decimal, Decimal]:
        """Imported and exported energy now."""
        return self._at(self._monotonic())

    def _at(self, now: float) -> tuple[Decimal, Decimal]:
        seconds = Decimal(now) - Decimal(self._since)
        energy = self.load.watts * seconds * self._lapse / _SECONDS_PER_HOUR
        if energy < 0:
            return self._import_wh, self._export_wh - energy
        return self._import_wh + energy, self._export_wh


def rounded(value: Decimal) -> int:
    """The nearest integer, halves away from zero."""
    return int(value.to_integral_value(ROUND_HALF_UP))
