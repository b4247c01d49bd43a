"""Watching the temperature of the meter against the two levels that an installer chose."""

from decimal import Decimal
from typing import Final

from meters.drivers.lem_dcbm.config import Config

WARNING: Final = "temperature above the warning level"
ERROR: Final = "temperature above the error level"


class TemperatureWatch:
    """Complains when a level was held long enough, until the temperature has fallen below it."""

    def __init__(self, config: Config) -> None:
        warning = Decimal(str(config.temperature_warning_level_C))
        error = Decimal(str(config.temperature_error_level_C))
        hysteresis = Decimal(str(config.temperature_hysteresis_K))
        patience_s = config.temperature_min_time_as_valid_ms / 1000
        self._levels = (
            _Level(WARNING, warning, hysteresis, patience_s),
            _Level(ERROR, max(warning, error), hysteresis, patience_s),
        )

    def note(self, temperature: Decimal | None, at: float) -> tuple[str, ...]:
        """What there is to complain about after this sample, taken at the monotonic time ``at``."""
        if temperature is not None:
            for level in self._levels:
                level.note(temperature, at)
        return tuple(level.complaint for level in self._levels if level.raised)


class _Level:
    def __init__(
        self, complaint: str, limit: Decimal, hysteresis: Decimal, patience_s: float
    ) -> None:
        self.complaint = complaint
        self.raised = False
        self._limit, self._hysteresis, self._patience_s = limit, hysteresis, patience_s
        self._since: float | None = None

    def note(self, temperature: Decimal, at: float) -> None:
        if temperature < self._limit:
            self._since = None
            self.raised = self.raised and temperature >= self._limit - self._hysteresis
            return
        if self._since is None:
            self._since = at
        if at - self._since >= self._patience_s:
            self.raised = True
