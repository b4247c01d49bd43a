"""Why the program starts, as the kernel's boots and the store's notes say."""

from pathlib import Path

import pytest

from chargepoint.boot import CRASHED, POWER_UP, TOLD_TO_END, UNKNOWN, Boot, of_machine
from chargepoint.errors import StoreError
from chargepoint.store.sqlite import Store
from chargepoint.store.timeline import Timeline

HERE, OTHER = Boot("here"), Boot("other")


@pytest.mark.parametrize(
    ("content", "boot"),
    [
        (b"8fd1e1a5-2f4c-4d4b-9a1e-6f4b1d1f0c11\n", Boot("8fd1e1a5-2f4c-4d4b-9a1e-6f4b1d1f0c11")),
        (b"\n", UNKNOWN),
        (b"\xff\xfe", UNKNOWN),
        (None, UNKNOWN),
    ],
)
def test_the_kernel_names_its_boot_or_nobody_does(
    tmp_path: Path, content: bytes | None, boot: Boot
) -> None:
    place = tmp_path / "boot_id"
    if content is not None:
        place.write_bytes(content)

    assert of_machine(place) == boot


@pytest.mark.parametrize(
    ("noted", "now", "reason"),
    [
        (None, HERE, POWER_UP),
        (("here", False), HERE, CRASHED),
        (("here", True), HERE, TOLD_TO_END),
        (("here", False), OTHER, POWER_UP),
        (("here", True), OTHER, POWER_UP),
        (("here", False), UNKNOWN, POWER_UP),
        (("", False), UNKNOWN, POWER_UP),
    ],
)
def test_the_reason_follows_from_what_was_noted(
    tmp_path: Path, noted: tuple[str, bool] | None, now: Boot, reason: str
) -> None:
    with Store(tmp_path / "state", "CP1") as store:
        if noted is not None:
            store.timeline.note_boot(noted[0], ended=noted[1])

        assert now.reason(store.timeline) == reason


def test_an_end_counts_only_in_a_boot_in_which_the_station_has_run(tmp_path: Path) -> None:
    with Store(tmp_path / "state", "CP1") as store:
        HERE.recovered(store.timeline)
        OTHER.ends(store.timeline)
        assert HERE.reason(store.timeline) == CRASHED

        HERE.ends(store.timeline)
        assert HERE.reason(store.timeline) == TOLD_TO_END

        HERE.recovered(store.timeline)
        assert HERE.reason(store.timeline) == CRASHED


def test_a_disk_that_refuses_keeps_nobody_from_starting_or_ending() -> None:
    class Refuses(Timeline):
        def __init__(self) -> None:
            pass

        @property
        def last_boot(self) -> tuple[str, bool]:
            raise StoreError("put in by a test")

    assert HERE.reason(Refuses()) == POWER_UP
    HERE.recovered(Refuses())
    HERE.ends(Refuses())
