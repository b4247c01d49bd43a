"""A disk that is full after weeks without a CSMS, with far more waiting than the reserve holds."""

from pathlib import Path

from sample_facts import ended, started, updated
from small_disk import filled, small_disk

from chargepoint.errors import StoreError
from chargepoint.store.sqlite import Store


def test_sessions_end_however_much_waits(tmp_path: Path) -> None:
    with small_disk(tmp_path, 64) as place, Store(place / "state", "CP1") as store:
        for number in range(300):
            store.record(started(f"T{number}"), *(updated(f"T{number}", n) for n in range(1, 100)))
        filled(place / "others")

        for number in range(300):
            for attempt in range(3):
                try:
                    store.record(ended(f"T{number}", seq=100))
                except StoreError:
                    assert attempt < 2, number
                    continue
                break

        assert store.journal.waiting_of(type(ended())) == 300


def test_what_is_sorted_needs_no_room_on_the_disk(tmp_path: Path) -> None:
    with Store(tmp_path / "state", "CP1") as store:
        assert store._db.execute("PRAGMA temp_store").fetchone() == (2,)
