"""Why the station starts: with its machine, or the program alone (2.0.1 BootReasonEnumType).

The kernel gives each of its boots a name. A start in the boot in which the station ran already
follows no power cut: the program was told to end, or was killed, or crashed; a watchdog cannot be
told from the others. Where the kernel has no name for it, every start is one after a power cut, and
so is every start until one has ended what the power cut left open.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from chargepoint.errors import StoreError
from chargepoint.store.timeline import Timeline

log = logging.getLogger(__name__)

POWER_UP: Final = "PowerUp"
CRASHED: Final = "ApplicationReset"
TOLD_TO_END: Final = "LocalReset"

_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Boot:
    """The present boot of the machine; its name is empty if nobody knows it."""

    name: str = ""

    def reason(self, timeline: Timeline) -> str:
        """Why the program starts."""
        try:
            last, ended = timeline.last_boot
        except StoreError as error:
            log.warning("taken for a start after a power cut: %s", error)
            return POWER_UP
        if not self.name or self.name != last:
            return POWER_UP
        return TOLD_TO_END if ended else CRASHED

    def recovered(self, timeline: Timeline) -> None:
        """What the start found is ended: what comes now belongs to this boot."""
        self._note(timeline, ended=False)

    def ends(self, timeline: Timeline) -> None:
        """The program was told to end."""
        try:
            here = timeline.last_boot[0] == self.name
        except StoreError:
            return
        if here:
            self._note(timeline, ended=True)

    def _note(self, timeline: Timeline, *, ended: bool) -> None:
        """A disk that refuses costs a word at the next start, nothing now."""
        try:
            if self.name and timeline.last_boot != (self.name, ended):
                timeline.note_boot(self.name, ended=ended)
        except StoreError as error:
            log.warning("the next start may be taken for one after a power cut: %s", error)


UNKNOWN: Final = Boot()


def of_machine(place: Path = _BOOT_ID) -> Boot:
    """The boot that the kernel names (Linux, random(4))."""
    try:
        return Boot(place.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return UNKNOWN
