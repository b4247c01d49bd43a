"""What can be made to go wrong at the small CSMS."""

from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum


class FaultKind(StrEnum):
    """What happens to one request of a station."""

    SILENCE = "silence"  # taken in, never answered
    CALL_ERROR = "call error"  # not taken in, answered CALLERROR
    DROP = "drop"  # not taken in, TCP connection gone
    TOO_BIG = "too big"  # not taken in, closed with 1009
    LOSE_ANSWER = "lose answer"  # taken in, TCP connection gone instead of an answer
    CLOSE_BEFORE = "close before"  # not taken in, orderly close
    CLOSE_AFTER = "close after"  # taken in, answered, orderly close
    DELAY = "delay"  # taken in at once, answered late


@dataclass(slots=True)
class Fault:
    """One fault: after ``skip`` matching requests it strikes ``times`` times (None: for ever).

    ``action`` empty matches every request, ``longer`` only those of more characters.
    """

    kind: FaultKind
    action: str = ""
    skip: int = 0
    times: int | None = 1
    code: str = "InternalError"  # of CALL_ERROR
    words: str = "scripted"  # its description
    delay: timedelta = timedelta(0)  # of DELAY
    longer: int = 0

    def strikes(self, action: str, length: int) -> bool:
        """Whether it does now; counts the request."""
        if self.times == 0 or self.action not in {"", action} or length <= self.longer:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


@dataclass(slots=True)
class Faults:
    """The faults in force; the first that strikes is taken. ``clear`` ends them all."""

    _faults: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Put a fault in force."""
        self._faults.append(fault)

    def clear(self) -> None:
        """From now on everything works."""
        self._faults.clear()

    def take(self, action: str, length: int) -> Fault | None:
        """The fault for this request, if any."""
        return next((fault for fault in self._faults if fault.strikes(action, length)), None)
