"""Counts what a process does, kind by kind, and kills it at the chosen point.

Every point is written down before anything else happens, so that whoever looks at a dead process
knows how far it came.
"""

import os
import signal
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, Self

_LONG_S: Final = 3600.0


@dataclass(frozen=True, slots=True)
class Cut:
    """Where to die: the point of ``kind`` with this number, or the first whose label has a word."""

    kind: str
    number: int = 0
    word: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """``KIND:NUMBER`` or ``KIND:WORD``."""
        kind, _, which = text.partition(":")
        return cls(kind, int(which)) if which.isdecimal() else cls(kind, word=which)

    def strikes(self, kind: str, number: int, label: str) -> bool:
        """Whether this is the point."""
        if kind != self.kind:
            return False
        return self.word in label if self.word else number == self.number


class Points:
    """The points that one process has passed; ``last_words`` is called before it dies."""

    def __init__(
        self, trace: Path, cut: Cut | None, *, last_words: Callable[[], None] = lambda: None
    ) -> None:
        self._trace = os.open(trace, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._cut = cut
        self._last_words = last_words
        self._counts: Counter[str] = Counter()

    def passed(self, kind: str, label: str) -> None:
        """The process is here now. It may never return."""
        self._counts[kind] += 1
        number = self._counts[kind]
        os.write(self._trace, f"{kind} {number} {label}\n".encode())
        if self._cut is not None and self._cut.strikes(kind, number, label):
            self._last_words()
            die()


def die() -> NoReturn:
    """SIGKILL: no handler, no flush, no goodbye."""
    os.kill(os.getpid(), signal.SIGKILL)
    while True:
        time.sleep(_LONG_S)


def count(trace: Path) -> Counter[str]:
    """How many points of each kind a process passed."""
    lines = trace.read_text().splitlines() if trace.exists() else []
    return Counter(line.split(" ", 1)[0] for line in lines)
