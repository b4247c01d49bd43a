"""One state folder, one running station; and what was done to a folder, for ever."""

import fcntl
import os
from pathlib import Path

from chargepoint.errors import StoreError


def lock(folder: Path) -> int:
    """Take the folder for this process, as long as the returned descriptor is open.

    Raises:
        StoreError: another running station has it.
    """
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise StoreError(f"{folder} is in use by another running station") from error
    return descriptor


def sync_folder(folder: Path) -> None:
    """Return once names that were made or changed in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
