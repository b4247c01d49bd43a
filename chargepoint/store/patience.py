"""How long to wait before a disk that refuses is asked again."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

FIRST: Final = timedelta(seconds=1)
LONGEST: Final = timedelta(seconds=10)
"""A driver who stands there while the disk comes back waits no longer than this."""


def pauses() -> Iterator[timedelta]:
    """The pauses between attempts, each twice as long as the one before, without end."""
    pause = FIRST
    while True:
        yield pause
        pause = min(2 * pause, LONGEST)
