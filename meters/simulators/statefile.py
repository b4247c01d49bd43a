"""The file that a simulated meter keeps over a power cut: always whole, for its owner only."""

import contextlib
import os
from pathlib import Path


class StateFile:
    """One file, always whole: a kill at any moment leaves the old or the new content.

    One process at a time may use it. Only the owner may read it: a private key is in it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._draft = path.with_name(f".{path.name}.draft")

    def load(self) -> bytes | None:
        """What was saved last, None if there is no file.

        Raises:
            OSError: it cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError:
            return None

    def save(self, data: bytes, *, durable: bool = True) -> None:
        """Replace the content; ``durable`` also survives a power cut of this computer.

        Without ``durable`` the content survives the death of this process only, which is a tenth
        of the work; enough for energy that grows.

        Raises:
            OSError: the disk does not take it; the old content stands.
        """
        draft = os.open(self._draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with contextlib.closing(os.fdopen(draft, "wb")) as file:
                file.write(data)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
        except OSError:
            self._draft.unlink(missing_ok=True)
            raise
        self._draft.replace(self.path)
        if durable:
            _sync_folder(self.path.parent)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
