"""What a measurement gives: figures with a goal, and how much of it to do.

A figure is one line of the table. A measurement is a function from ``Extent`` to figures.
"""

import math
import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path


class Bound(StrEnum):
    """On which side of its goal a figure is good."""

    AT_MOST = "<="
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    ``goal`` None means that the line explains another one. ``beside`` is what was measured beside
    it in the same run, ``elsewhere`` what others cost on another machine: never a ratio of these.
    """

    what: str
    value: float
    unit: str
    goal: float | None = None
    bound: Bound = Bound.AT_MOST
    beside: str = ""
    elsewhere: str = ""

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None if there is none."""
        if self.goal is None:
            return None
        if self.bound is Bound.AT_MOST:
            return self.value <= self.goal
        return self.value >= self.goal

    def as_json(self) -> dict[str, object]:
        """The object of ``--json``."""
        return {
            "what": self.what,
            "value": self.value,
            "unit": self.unit,
            "goal": None if self.goal is None else f"{self.bound} {self.goal:g}",
            "met": self.met,
            "beside": self.beside,
            "elsewhere": self.elsewhere,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much to measure, and where state folders may be made.

    ``quick`` leaves out slow lines and repetitions. ``rounds`` repeats what is cheap, ``starts``
    what starts a process; ``sessions`` is the most per line and size. ``window_s`` is how long an
    idle station is watched, ``settle_s`` how long it is left alone before.
    """

    folder: Path
    quick: bool = False

    @property
    def rounds(self) -> int:  # noqa: D102 - see the class
        return 3 if self.quick else 7

    @property
    def starts(self) -> int:  # noqa: D102
        return 2 if self.quick else 5

    @property
    def sessions(self) -> int:  # noqa: D102
        return 3 if self.quick else 8

    @property
    def swipes(self) -> int:
        """Sessions per OCPP version."""
        return 8 if self.quick else 60

    @property
    def window_s(self) -> float:  # noqa: D102
        return 4.0 if self.quick else 20.0

    @property
    def settle_s(self) -> float:  # noqa: D102
        return 1.0 if self.quick else 3.0

    @property
    def journal(self) -> int:
        """Undelivered facts that a start has to cope with."""
        return 10_000 if self.quick else 100_000

    @property
    def offline(self) -> int:
        """Sessions that nobody is told of."""
        return 3_000 if self.quick else 30_000


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share (0 to 1) of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float], unit: str = "") -> str:
    """Least, median and most, for the eye: so one sees how noisy a figure is."""
    words = (f"{value:.3g}" for value in (min(values), statistics.median(values), max(values)))
    return " / ".join(words) + (f" {unit}" if unit else "")


def noise() -> str:
    """How busy the machine is besides: the load averages and the number of its cores."""
    loads = " ".join(f"{load:.2f}" for load in os.getloadavg())
    return f"load average {loads} on {os.cpu_count()} cores"
