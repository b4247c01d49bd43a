"""A real small file system that is full: what is stored, what is given up, what starts on it.

It is mounted, which only root may; elsewhere ``test_disk`` shows the same rules without one.
"""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sample_facts import ended, started, updated
from station_bench import entries

from chargepoint.core.facts import TransactionEnded, TransactionStarted, TransactionUpdated
from chargepoint.errors import StoreError
from chargepoint.store.sqlite import Store

SIZE = 24 * 1024 * 1024


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A state folder on a small file system of its own."""
    place = tmp_path / "small"
    place.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={SIZE}", "none", str(place)]
    if os.geteuid() or subprocess.run(["mount", *options], check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield place / "state"
    finally:
        subprocess.run(["umount", str(place)], check=True)


def fill(place: Path, name: str) -> Path:
    """Somebody else takes all the room there is."""
    path = place.parent / name
    with path.open("wb", buffering=0) as file:
        for size in (1 << 16, 512):
            with until_full():
                while True:
                    file.write(b"x" * size)
    return path


@contextmanager
def until_full() -> Iterator[None]:
    with pytest.raises(OSError, match="No space left"):
        yield


def insist(store: Store, *facts: object) -> bool:
    """As a station does: what has happened is stored at the second attempt, or not at all."""
    for _ in range(2):
        try:
            store.record(*facts)  # type: ignore[arg-type]
        except StoreError:
            continue
        return True
    return False


def test_the_reserve_takes_what_happened_and_no_session_begins(small: Path) -> None:
    with Store(small, "CP1") as store:
        fill(small, "others")

        stored = sum(insist(store, started(f"T{n}"), ended(f"T{n}")) for n in range(500))

        assert stored == 500
        assert store.low
        assert not store.takes_sessions()
        assert store.waiting == 1000


def test_readings_in_the_middle_are_given_up_before_anything_else(small: Path) -> None:
    with Store(small, "CP1") as store:
        for number in range(40):
            readings = [replace(updated(f"T{number}"), seq=seq) for seq in range(1, 40)]
            store.record(started(f"T{number}"), *readings, ended(f"T{number}"))
        fill(small, "others")
        room = 0
        while insist(store, started(f"N{room}"), ended(f"N{room}")):
            room += 1
            if room == 1500:
                break

        kinds = [type(entry.fact) for entry in entries(store)]

    assert room > 500
    assert kinds.count(TransactionStarted) == kinds.count(TransactionEnded) == 40 + room
    assert 0 < kinds.count(TransactionUpdated) < 40 * 39


def test_a_station_starts_on_a_full_disk_and_takes_sessions_once_there_is_room(
    small: Path,
) -> None:
    with Store(small, "CP1") as store:
        store.record(started())
    others = fill(small, "others")

    with Store(small, "CP1") as store:
        assert insist(store, ended())
        fill(small, "more")
        assert not store.takes_sessions()
        while insist(store, started("T2")):
            pass
    with Store(small, "CP1") as store:
        assert not store.takes_sessions()
        before = store.waiting
        others.unlink()

        assert store.takes_sessions()
        assert store.waiting == before
        assert (small / "reserve").exists()


def test_a_read_only_disk_is_refused_in_words(small: Path) -> None:
    with Store(small, "CP1"):
        pass
    place = str(small.parent)
    subprocess.run(["mount", "-o", "remount,ro", place], check=True)

    with pytest.raises(StoreError, match="Read-only file system"):
        Store(small, "CP1").__enter__()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
@pytest.mark.parametrize("name", ["station.db", "."])
def test_a_folder_or_database_of_somebody_else_is_refused_in_words(folder: Path, name: str) -> None:
    with Store(folder, "CP1"):
        pass
    mode = (folder / name).stat().st_mode
    (folder / name).chmod(0o500 if name == "." else 0o400)
    try:
        with pytest.raises(StoreError, match="Permission denied"):
            Store(folder, "CP1").__enter__()
    finally:
        (folder / name).chmod(mode)
