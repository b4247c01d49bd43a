"""The transaction states: every event in every state, power cuts, and what is counted."""

import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meters.simulators.em580 import Behaviour, Em580, OcmfState
from meters.simulators.faults import Fault, FaultKind
from meters.simulators.refusal import NoReply, Refusal

Make = Callable[..., Em580]

TARIFF = 0x6900
CLOCK = 0x7032
COMMAND = 0x7040
STATE = 0x7100
B, E, A = ([ord(letter)] for letter in "BEA")
MARKED = [0x3C3D, 0x3E61, 0x6200]  # <=>ab
NOT_READY, RUNNING, READY, CORRUPTED = OcmfState


def reach(device: Em580, state: str) -> None:
    """Bring a meter that signs for ten seconds into a state."""
    if state in {"RUNNING", "SIGNING", "READY", "CORRUPTED"}:
        device.write(TARIFF, MARKED)
        device.write(COMMAND, B)
    if state in {"SIGNING", "READY", "CORRUPTED"}:
        device.write(COMMAND, E)
    if state == "CORRUPTED":
        device.faults.add(Fault(kind=FaultKind.CORRUPTED, count=1))
    if state in {"READY", "CORRUPTED"}:
        device._monotonic.pass_by(10)  # type: ignore[attr-defined]


def answer(device: Em580, address: int, words: list[int]) -> int:
    """The exception code, 0 for none."""
    try:
        device.write(address, words)
    except Refusal as refusal:
        return refusal.code
    return 0


@pytest.mark.parametrize(
    ("state", "address", "words", "code", "after", "charging"),
    [
        ("NOT_READY", COMMAND, B, 0, RUNNING, 1),
        ("NOT_READY", COMMAND, E, 3, NOT_READY, 0),
        ("NOT_READY", COMMAND, A, 3, NOT_READY, 0),
        ("NOT_READY", STATE, [0], 0, NOT_READY, 0),
        ("NOT_READY", STATE, [1], 3, NOT_READY, 0),
        ("RUNNING", COMMAND, B, 4, RUNNING, 1),
        ("RUNNING", COMMAND, E, 0, RUNNING, 2),
        ("RUNNING", COMMAND, A, 0, RUNNING, 3),
        ("RUNNING", STATE, [0], 0, RUNNING, 1),
        ("RUNNING", STATE, [2], 3, RUNNING, 1),
        ("RUNNING", TARIFF, [0], 2, RUNNING, 1),
        ("RUNNING", 0x697D, [0], 2, RUNNING, 1),
        ("RUNNING", 0x7007, [0], 2, RUNNING, 1),
        ("RUNNING", CLOCK, [0, 1, 0, 0], 0, RUNNING, 1),
        ("RUNNING", 0x7031, [60], 0, RUNNING, 1),
        ("SIGNING", COMMAND, E, 3, RUNNING, 2),
        ("SIGNING", COMMAND, B, 4, RUNNING, 2),
        ("SIGNING", STATE, [0], 0, RUNNING, 2),
        ("READY", COMMAND, B, 4, READY, 2),
        ("READY", COMMAND, E, 3, READY, 2),
        ("READY", STATE, [0], 0, NOT_READY, 0),
        ("READY", STATE, [2], 3, READY, 2),
        ("READY", TARIFF, [0], 0, READY, 2),
        ("CORRUPTED", COMMAND, B, 4, CORRUPTED, 3),
        ("CORRUPTED", STATE, [0], 0, NOT_READY, 0),
    ],
)
def test_each_event_in_each_state(
    meter: Make,
    *,
    state: str,
    address: int,
    words: list[int],
    code: int,
    after: OcmfState,
    charging: int,
) -> None:
    device = meter(signing_delay=timedelta(seconds=10))
    reach(device, state)

    assert answer(device, address, words) == code

    assert device.read(STATE, 1) == (after,)
    assert device.read(0x7045, 1) == (charging,)


@pytest.mark.parametrize(
    ("behaviour", "state", "address", "words", "code"),
    [
        (Behaviour(idle_end=None), "NOT_READY", COMMAND, E, 0),
        (Behaviour(idle_end=4), "READY", COMMAND, A, 4),
        (Behaviour(repeated_begin=None), "RUNNING", COMMAND, B, 0),
        (Behaviour(unread_begin=6), "READY", COMMAND, B, 6),
        (Behaviour(unset_clock_begin=4), "NOT_READY", COMMAND, B, 4),
        (Behaviour(locked_tariff=4), "RUNNING", TARIFF, [0], 4),
        (Behaviour(locked_fields=None), "RUNNING", 0x7007, [0x5800], 0),
        (Behaviour(locked_clock=2), "RUNNING", CLOCK, [0, 1, 0, 0], 2),
    ],
)
def test_what_is_not_known_of_the_firmware_is_a_setting(
    meter: Make, *, behaviour: Behaviour, state: str, address: int, words: list[int], code: int
) -> None:
    device = meter(behaviour=behaviour)
    reach(device, state)
    before = device.state

    assert answer(device, address, words) == code

    assert device.state is before


def test_fields_written_during_a_transaction_do_not_get_into_its_record(meter: Make) -> None:
    device = meter(behaviour=Behaviour(locked_fields=None))
    device.write(0x7007, [0x4100])
    device.write(COMMAND, B)
    device.write(0x7007, [0x5800])
    device.write(COMMAND, E)

    assert device.state is READY
    assert b'"ID":"A"' in device.memory.record


@pytest.mark.parametrize(("hides", "shown"), [(False, RUNNING), (True, NOT_READY)])
def test_signing_takes_its_time_but_the_reading_is_taken_at_once(
    meter: Make, clock: Any, *, hides: bool, shown: OcmfState
) -> None:
    device = meter(signing_delay=timedelta(seconds=1.3), behaviour=Behaviour(hides_signing=hides))
    device.set_load(Decimal(3600))
    device.write(COMMAND, B)
    clock.pass_by(10)
    device.write(COMMAND, E)
    clock.pass_by(1.2)

    assert device.read(STATE, 2) == (shown, 0)
    clock.pass_by(0.2)
    assert device.read(STATE, 1) == (READY,)
    assert b'"TX":"E","RV":0.010,' in device.memory.record


def test_begin_uses_up_a_page_and_the_end_names_the_transaction(meter: Make) -> None:
    device = meter(begin_page=22)
    device.write(COMMAND, B)
    assert device.read(0x7059, 7) == (0,) * 7
    device.write(COMMAND, E)

    assert device.read(STATE, 1) == (READY,)
    assert device.read(0x7102, 2) == (23, 0)
    assert device.read(0x7059, 2) == (0x5432, 0x3300)
    device.write(STATE, [0])
    assert device.read(0x7101, 3) == (0, 23, 0)
    assert device.read(0x7059, 2) == (0x5432, 0x3300)
    assert set(device.read(0x7110, 125)) == {0}


def test_the_record_can_be_read_again_in_other_chunks(meter: Make) -> None:
    device = meter()
    device.write(COMMAND, B)
    device.write(COMMAND, E)
    (size,) = device.read(0x7101, 1)

    whole = [device.read(0x7110 + at, 1)[0] for at in range(size)]

    assert [*device.read(0x7110, 125), *device.read(0x718D, 125)] == whole[:250]
    assert list(device.read(0x7110, 125)) == whole[:125]


def test_session_registers_follow_the_transaction(meter: Make, clock: Any) -> None:
    device = meter(begin_energy_wh=1000)
    device.set_load(Decimal(3600))
    assert device.read(0x7A00, 12) == (0,) * 12
    device.write(COMMAND, B)
    clock.pass_by(90)

    assert device.read(0x7A00, 12) == (90, 0, 0, 0, 0, 0, 0, 0, 90, 0, 0, 0)
    device.write(COMMAND, E)
    clock.pass_by(90)
    assert device.read(0x7A00, 12) == (90, 0, 0, 0, 0, 0, 0, 0, 90, 0, 0, 0)


def test_the_clock_runs_from_where_it_was_set(meter: Make, clock: Any) -> None:
    device = meter()
    assert device.read(0x7060, 1) == (0,)
    device.write(CLOCK, [0x8F5C, 0x6942, 0, 0])
    clock.pass_by(3.7)

    assert device.read(CLOCK, 4) == (0x8F5F, 0x6942, 0, 0)
    assert device.read(0x7060, 1) == (1,)


def test_after_power_up_the_meter_is_silent_and_then_will_not_take_the_clock(
    meter: Make, clock: Any
) -> None:
    device = meter(boot_silence=timedelta(seconds=6), clock_refusal=timedelta(seconds=2))

    assert device.silent()
    clock.pass_by(6)
    assert not device.silent()
    assert answer(device, CLOCK, [0, 1, 0, 0]) == 4
    assert answer(device, 0x7031, [60]) == 0
    clock.pass_by(2)
    assert answer(device, CLOCK, [0, 1, 0, 0]) == 0


def test_an_early_clock_may_also_be_met_with_silence(meter: Make) -> None:
    device = meter(clock_refusal=timedelta(seconds=2), behaviour=Behaviour(early_clock=None))

    with pytest.raises(NoReply):
        device.write(CLOCK, [0, 1, 0, 0])


# Power cuts. Each case is tried with the meter rebooting, and with another process taking over.


def by_reboot(device: Em580, _: Make) -> Em580:
    device.reboot()
    return device


def by_restart(device: Em580, make: Make) -> Em580:
    """What is in memory is gone, also what was not yet saved; the file stays."""
    return make(state_file=device.settings.state_file, signing_delay=device.settings.signing_delay)


cut = pytest.mark.parametrize("cut", [by_reboot, by_restart])


@cut
@pytest.mark.parametrize(
    ("state", "after", "charging", "reason"),
    [
        ("NOT_READY", NOT_READY, 0, None),
        ("RUNNING", READY, 3, "P"),
        ("SIGNING", READY, 2, "E"),
        ("READY", READY, 2, "E"),
        ("CORRUPTED", CORRUPTED, 3, None),
    ],
)
def test_a_power_cut_in_each_state(
    meter: Make,
    state_file: Path,
    cut: Callable[[Em580, Make], Em580],
    *,
    state: str,
    after: OcmfState,
    charging: int,
    reason: str | None,
) -> None:
    device = meter(state_file=state_file, signing_delay=timedelta(seconds=10))
    reach(device, state)
    record = device.memory.record

    device = cut(device, meter)

    assert device.read(STATE, 1) == (after,)
    assert device.read(0x7045, 1) == (charging,)
    assert device.read(0x7060, 1) == (0,)
    if reason is not None:
        payload = json.loads(device.memory.record.split(b"|")[1])
        assert [reading["TX"] for reading in payload["RD"]] == ["B", reason]
        assert payload["TT"] == "<=>ab"
    if state == "READY":
        assert device.memory.record == record


@cut
def test_a_transaction_ended_by_a_power_cut_ends_at_its_last_reading(
    meter: Make, state_file: Path, clock: Any, cut: Callable[[Em580, Make], Em580]
) -> None:
    device = meter(state_file=state_file)
    device.set_load(Decimal(3600))
    device.write(CLOCK, [0x8F5C, 0x6942, 0, 0])
    device.write(COMMAND, B)
    clock.pass_by(60)
    shown = device.read(0x0500, 4)[0]

    device = cut(device, meter)

    assert device.read(STATE, 1) == (READY,)
    end = json.loads(device.memory.record.split(b"|")[1])["RD"][1]
    assert end["TM"] == "2025-12-17T11:10:16,000+0000 S"
    assert end["RV"] * 1000 == shown == device.read(0x0500, 4)[0]


@cut
def test_resuming_after_a_power_cut_is_a_setting(
    meter: Make, state_file: Path, cut: Callable[[Em580, Make], Em580]
) -> None:
    def make(**changes: Any) -> Em580:
        return meter(behaviour=Behaviour(resumes=True), **changes)

    device = make(state_file=state_file)
    reach(device, "RUNNING")

    device = cut(device, make)

    assert device.state is RUNNING
    device.write(COMMAND, E)
    assert device.state is READY
    assert b'"TX":"E"' in device.memory.record


@cut
def test_key_fields_counters_and_offset_survive(
    meter: Make, state_file: Path, clock: Any, cut: Callable[[Em580, Make], Em580]
) -> None:
    device = meter(state_file=state_file, key_seed=None, begin_energy_wh=500)
    device.set_load(Decimal(-3600))
    device.write(0x7007, [0x4142, 0])
    device.write(0x7031, [60])
    clock.pass_by(30)
    shown = device.read(0x0500, 32)
    key = device.public_key

    device = cut(device, meter)

    assert device.public_key == key
    assert device.read(0x0500, 32) == shown
    assert device.read(0x7007, 1) == (0x4142,)
    assert device.read(0x7031, 1) == (60,)


def test_commands_are_counted_with_their_transaction(meter: Make, state_file: Path) -> None:
    device = meter(state_file=state_file, signing_delay=timedelta(seconds=10))
    reach(device, "RUNNING")
    answer(device, COMMAND, B)
    device.write(COMMAND, E)
    answer(device, COMMAND, E)
    device = by_restart(device, meter)
    device.write(STATE, [0])
    device.write(STATE, [0])

    status = device.status()

    assert status["received"] == {"B": 2, "E": 2, "confirm": 2}
    assert status["executed"] == {"B": 1, "E": 1, "confirm": 1}
    assert status["transactions"] == {"ab": {"B": 1, "E": 1, "confirm": 1}}


def test_energy_of_a_meter_that_nobody_reads_is_saved_by_the_tick(
    meter: Make, state_file: Path, clock: Any
) -> None:
    device = meter(state_file=state_file)
    device.set_load(Decimal(3600))
    clock.pass_by(60)
    device.tick()

    assert by_restart(device, meter).read(0x0500, 1) == (60,)


def test_what_cannot_be_saved_has_not_happened(meter: Make, tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    device = meter(state_file=folder / "meter.json")
    (folder / "meter.json").unlink()
    folder.rmdir()

    assert answer(device, COMMAND, B) == 4
    assert answer(device, 0x7007, [0x4100]) == 4

    assert device.state is NOT_READY
    assert device.read(0x7007, 1) == (0,)
    device.tick()


def test_a_file_that_is_something_else_is_not_overwritten(meter: Make, state_file: Path) -> None:
    state_file.write_text('{"some": "thing"}')

    with pytest.raises(ValueError, match="not the state of an EM580"):
        meter(state_file=state_file)

    assert state_file.read_text() == '{"some": "thing"}'


def test_the_state_file_is_for_its_owner_only(meter: Make, state_file: Path) -> None:
    meter(state_file=state_file)

    assert state_file.stat().st_mode & 0o777 == 0o600


def test_slow_ready_holds_for_one_record(meter: Make, clock: Any) -> None:
    device = meter()
    device.faults.add(Fault(kind=FaultKind.SLOW_READY, value=1300, count=1))
    for ready_at_once in (False, True):
        device.write(COMMAND, B)
        device.write(COMMAND, E)
        assert (device.state is READY) is ready_at_once
        clock.pass_by(1.3)
        assert device.state is READY
        device.write(STATE, [0])


@pytest.mark.parametrize("size", [0, 2032, 65535])
def test_a_wrong_size_is_shown_as_often_as_asked(meter: Make, size: int) -> None:
    device = meter()
    reach(device, "READY")
    true = device.read(0x7101, 1)
    device.faults.add(Fault(kind=FaultKind.SIZE, value=size, count=2))

    assert [device.read(0x7101, 1), device.read(0x7100, 2)[1:]] == [(size,), (size,)]
    assert device.read(0x7101, 1) == true
