"""The clock of the simulated meter: unset after power-up, and again if nobody renews it."""

from collections.abc import Callable
from typing import Final

_VALID_S: Final = 48 * 3600
_DRIFT: Final = 1e-3
"""A step beyond this share of the time since the last one counts as a setting, not an update."""
_LEAST_STEP_S: Final = 2.0


class Clock:
    """Seconds since 1970 and time zone."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._epoch: float | None = None
        self._at = 0.0
        self.zone = 0

    def epoch(self) -> int | None:
        """What it shows; None if it has no time."""
        if self._epoch is None or self._monotonic() - self._at > _VALID_S:
            return None
        return int(self._epoch + self._monotonic() - self._at)

    def write(self, epoch: int | None, zone: int | None) -> bool:
        """Take a time, a zone or both; whether that counts as a setting.

        Without a valid time both are needed.
        """
        shown, elapsed = self.epoch(), self._monotonic() - self._at
        if (epoch is None and zone is None) or (shown is None and None in {epoch, zone}):
            return False
        step = 0 if epoch is None or shown is None else abs(epoch - shown)
        moved = zone is not None and zone != self.zone
        if epoch is not None:
            self._epoch, self._at = float(epoch), self._monotonic()
        if zone is not None:
            self.zone = zone
        return shown is None or moved or step > max(_LEAST_STEP_S, _DRIFT * elapsed)
