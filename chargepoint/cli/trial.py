"""What came of trying one thing that a config names."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from meters.diagnosis import Finding


@dataclass(frozen=True, slots=True)
class Trial:
    """``code`` is the exit code it asks for; ``findings`` say why it failed and what to do."""

    what: str
    good: bool
    words: str
    code: int = 0
    findings: tuple["Finding", ...] = ()
