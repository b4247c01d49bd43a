"""What a look at a line or a device has found, for the person who stands in front of it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found.

    ``code`` is a stable word for programs, ``sentence`` what was found, ``step`` what to do next.
    ``meters`` names those it concerns; empty if it concerns all that were looked for.
    """

    code: str
    sentence: str
    step: str
    meters: tuple[str, ...] = ()

    def concerns(self, meter: str) -> bool:
        """Whether the finding is about this meter."""
        return not self.meters or meter in self.meters
