"""How long bytes take on a serial line: the arithmetic, and a writer that keeps to it.

A pseudo-terminal carries any number of bytes in no time. To behave like a real wire the line works
out when each byte would have been through, and hands bytes over then.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIXED_GAP_S: Final = 0.00175
FIXED_GAP_ABOVE: Final = 19_200
"""Modbus over serial line 1.02, section 2.5.1.1: above this baud rate the gap is fixed."""

CHUNK: Final = 16
"""Bytes that a UART collects before it tells; the last piece is told when it is complete."""

SPIN_S: Final = 0.0002
"""How long the last piece of a frame is waited for without sleeping: what a sleep may be late."""


@dataclass(frozen=True, slots=True)
class Pace:
    """Times of one line in seconds; a line without baud rate takes none."""

    character_s: float = 0.0
    gap_s: float = 0.0
    reaction_s: float = 0.0

    @classmethod
    def at(
        cls, baudrate: int | None, bits_per_character: int = 10, reaction_s: float | None = None
    ) -> "Pace":
        """The times at a baud rate; None is a line without times.

        ``reaction_s`` is what the slave takes after the silence that ends a request, 1.5 ms if it
        is not given.
        """
        if baudrate is None:
            return cls(reaction_s=reaction_s or 0.0)
        character_s = bits_per_character / baudrate
        gap_s = FIXED_GAP_S if baudrate > FIXED_GAP_ABOVE else 3.5 * character_s
        return cls(character_s, gap_s, 0.0015 if reaction_s is None else reaction_s)


class WireTime:
    """Follows one line: when the last frame ended, and when the next byte can be through.

    All times are those of one monotonic clock, in seconds.
    """

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.ends_at = float("-inf")

    def begins_too_early(self, arrived: float) -> bool:
        """Whether a frame that begins now breaks the silence behind the one before."""
        return arrived < self.ends_at + self.pace.gap_s

    def takes(self, arrived: float, size: int) -> float:
        """Bytes of a master that were handed over at ``arrived``; returns when they are through."""
        self.ends_at = max(self.ends_at, arrived) + size * self.pace.character_s
        return self.ends_at

    def answer_starts(self, now: float) -> float:
        """When a slave begins to answer the frame that came last, never before ``now``."""
        return max(self.ends_at + self.pace.gap_s + self.pace.reaction_s, now)

    def gives(self, start: float, data: bytes) -> list[tuple[float, bytes]]:
        """When which bytes of a slave reach the master, if the first begins at ``start``."""
        if not self.pace.character_s:
            self.ends_at = max(self.ends_at, start)
            return [(start, data)]
        pieces = []
        for first in range(0, len(data), CHUNK):
            piece = data[first : first + CHUNK]
            pieces.append((start + (first + len(piece)) * self.pace.character_s, piece))
        self.ends_at = max(self.ends_at, pieces[-1][0])
        return pieces


class PunctualWriter:
    """A thread that writes bytes at their time: not before, and the last of a frame within 0.1 ms.

    The event loop's timers end on whole milliseconds, more than ten characters at 115200 baud.
    """

    def __init__(self, write: Callable[[bytes], None], name: str) -> None:
        self._write = write
        self._due: deque[tuple[float, bytes]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"line {name}", daemon=True)
        self._thread.start()

    def add(self, pieces: list[tuple[float, bytes]]) -> None:
        """Write these, in order, at their times of ``time.monotonic``."""
        with self._changed:
            self._due.extend(pieces)
            self._changed.notify()

    def close(self) -> None:
        """Stop at once; what was not due yet is never written."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (piece := self._next()) is not None:
            self._write(piece)

    def _next(self) -> bytes | None:
        """Wait for the next piece and its time; None when closed."""
        with self._changed:
            while not self._closed:
                if not self._due:
                    self._changed.wait()
                    continue
                at, piece = self._due[0]
                left = at - time.monotonic()
                if left <= SPIN_S and len(self._due) == 1:
                    _spin_until(at)
                    left = 0
                if left <= 0:
                    self._due.popleft()
                    return piece
                self._changed.wait(left - (SPIN_S if len(self._due) == 1 else 0))
        return None


def _spin_until(at: float) -> None:
    while time.monotonic() < at:
        pass
