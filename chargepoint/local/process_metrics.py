"""What the process itself takes: memory, tasks, threads, open files, disk; flat over the years."""

import asyncio
import gc
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from chargepoint.local.metrics import Family, Kind, single

_PROC: Final = Path("/proc/self")
_FILES: Final = {"database": "station.db", "journal": "station.db-wal"}


def of_process(state: Path) -> Iterator[Family]:
    """Everything that would grow if something were not let go of.

    ``state`` is the folder of the database. What the machine does not tell is left out.
    """
    yield single("chargepoint_tasks", "Tasks of the event loop.", len(asyncio.all_tasks()))
    yield single("chargepoint_threads", "Threads of the process.", threading.active_count())
    blocks = sys.getallocatedblocks()
    yield single(
        "chargepoint_python_blocks", "Blocks of memory that Python has handed out.", blocks
    )
    if _PROC.is_dir():
        resident = _resident_bytes()
        yield single("chargepoint_memory_bytes", "Memory of the process that is in use.", resident)
        opened = sum(1 for _ in (_PROC / "fd").iterdir()) - 1  # but for the one of this look
        yield single("chargepoint_descriptors", "Open files and sockets.", opened)
    yield Family(
        "chargepoint_database_bytes",
        "Size of the database, and of what was written to it and is not merged yet.",
        tuple(({"file": name}, _size(state / file)) for name, file in _FILES.items()),
    )
    yield Family(
        "chargepoint_garbage_collections_total",
        "Runs of the collector, by generation.",
        tuple(
            ({"generation": number}, of_one["collections"])
            for number, of_one in enumerate(gc.get_stats())
        ),
        Kind.COUNTER,
    )


def _resident_bytes() -> int:
    pages = int((_PROC / "statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # there is no WAL while nothing was written
        return 0
