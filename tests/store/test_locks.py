"""What holds a database against other programs while the station has it open."""

import os
import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from fake_clock import START
from sample_facts import updated

from chargepoint.store.sqlite import Store

_LOCKS = Path("/proc/locks")
_DEAD_MAN = "128"  # the byte by which SQLite knows that somebody uses the shared memory


def locked(path: Path) -> set[str]:
    """The bytes of a file that this process has locked."""
    mine = (str(os.getpid()), str(path.stat().st_ino))
    lines = (line.split() for line in _LOCKS.read_text().splitlines())
    return {
        words[-2]
        for words in lines
        if (words[-4], words[-3].rpartition(":")[2]) == mine  # pid, device and inode
    }


@pytest.mark.skipif(not _LOCKS.exists(), reason="this system does not tell its locks")
def test_the_shared_memory_is_held_also_after_a_look_at_the_log_of_a_killed_station(
    tmp_path: Path,
) -> None:
    """Whoever finds nobody there cuts it off, and the station with it (SIGBUS)."""
    with Store(tmp_path / "killed", "CP1") as store:
        store.record(*(updated(seq=n, at=START + timedelta(seconds=n)) for n in range(5)))
        shutil.copytree(tmp_path / "killed", tmp_path / "state")

    with Store(tmp_path / "state", "CP1") as store:
        assert store.waiting == 5
        assert _DEAD_MAN in locked(tmp_path / "state" / "station.db-shm")
