"""A real small file system, which can be full. It is mounted, which only root may."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def small_disk(tmp_path: Path, megabytes: int) -> Iterator[Path]:
    """A folder on a file system of its own; the test is skipped where none can be mounted."""
    place = tmp_path / "small disk"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(place)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


def filled(path: Path) -> Path:
    """Somebody else takes all the room there is, with this file."""
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 512):
            with suppress(OSError):
                while True:
                    file.write(b"x" * size)
    return path
