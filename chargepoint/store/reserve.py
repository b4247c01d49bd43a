"""Room on the disk that nobody else gets: a file that is given up once the disk is full."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

BYTES: Final = 4 * 1024 * 1024
"""Enough for several thousand facts."""


class Reserve:
    """The reserve in a state folder."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "reserve"

    def make(self) -> bool:
        """Whether it is there now; half of one is never left."""
        try:
            if not self._path.exists() or self._path.stat().st_size < BYTES:
                with self._path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, BYTES)
        except OSError:
            self.give_up()
            return False
        return True

    def give_up(self) -> None:
        """Let the database have the room; a disk that became read-only keeps it."""
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
