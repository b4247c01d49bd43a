"""Where the power is cut: one case of the sweep, in words that a person can type."""

import random
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final, Self

from chargepoint.bench.csms import Fault, FaultKind

LINK: Final = {
    "drop": FaultKind.DROP,
    "lose-answer": FaultKind.LOSE_ANSWER,
    "close-before": FaultKind.CLOSE_BEFORE,
    "close-after": FaultKind.CLOSE_AFTER,
}
OUTSIDE: Final = ("random", "meter-random", "both-random")


class EveryOther(Fault):
    """Strikes every second request: each message once, then it comes through.

    A heartbeat, by which the station looks whether anybody is there, is no message of these.
    """

    def strikes(self, action: str, length: int) -> bool:  # noqa: ARG002 - all of them
        if action == "Heartbeat":
            return False
        self.skip = 1 - self.skip
        return self.skip == 1


class Victim(Enum):
    """Who does a cut by itself, or to whom it is done."""

    STATION = auto()
    METER = auto()
    LINK = auto()
    OUTSIDE = auto()


@dataclass(frozen=True, slots=True)
class CutAt:
    """``KIND:WHICH``: a point of a process, a message of the link, or seconds from the start."""

    kind: str
    which: str

    @property
    def victim(self) -> Victim:
        """Who is cut."""
        if self.kind in LINK:
            return Victim.LINK
        if self.kind in OUTSIDE:
            return Victim.OUTSIDE
        return Victim.METER if self.kind.startswith("meter-") else Victim.STATION

    def __str__(self) -> str:
        return f"{self.kind}:{self.which}"


@dataclass(frozen=True, slots=True)
class Case:
    """One run.

    ``cuts`` of the station count life by life. ``offline``: there is no CSMS during the session.
    ``slow``: the meter signs only when the power is back. ``asked``: the CSMS asks for all kinds of
    things during the session.
    """

    version: str
    cuts: tuple[CutAt, ...] = ()
    offline: bool = False
    slow: bool = False
    asked: bool = False

    @classmethod
    def parse(cls, version: str, text: str) -> Self:
        """The inverse of ``str``: ``[offline/][slow/][asked/](none | CUT[+CUT...])``.

        Raises:
            ValueError: a cut is not ``KIND:WHICH``.
        """
        *words, cuts = text.split("/")
        how = ("offline" in words, "slow" in words, "asked" in words)
        if cuts == "none":
            return cls(version, (), *how)
        parts = [cut.partition(":") for cut in cuts.split("+")]
        if not all(kind and which for kind, _, which in parts):
            raise ValueError(f"{text!r}, expected none or KIND:WHICH, more of them joined by +")
        cut_at = tuple(CutAt(kind, which) for kind, _, which in parts)
        return cls(version, cut_at, *how)

    def __str__(self) -> str:
        return "/".join((*self._words(), "+".join(map(str, self.cuts)) or "none"))

    @property
    def row(self) -> str:
        """The row of the table it counts in."""
        kinds = [cut.kind for cut in self.cuts]
        last = kinds[-1] if kinds else "no cut"
        twice = ("twice",) if len(kinds) > 1 else ()
        return ", ".join((*self._words(), *twice, last))

    def of(self, victim: Victim) -> list[CutAt]:
        """The cuts that concern it, in order."""
        return [cut for cut in self.cuts if cut.victim is victim]

    def _words(self) -> tuple[str, ...]:
        words = {"offline": self.offline, "slow": self.slow, "asked": self.asked}
        return tuple(word for word, said in words.items() if said)

    def coin(self) -> random.Random:
        """Decides what else differs between cases, always alike for the same one."""
        return random.Random(f"{self.version} {self}")  # noqa: S311 - nothing secret
