"""A BSM-WS36A that loses power: with and without texts that survive, and what each process sees."""

import asyncio
from pathlib import Path

import pytest
from bauer_rig import rig
from meter_rig import OTHER, UUID, WRITE, check_record, transaction

from meters.drivers.bauer_bsm.holding import Kind, Note, Snapshot, judge, read_note
from meters.drivers.bauer_bsm.layout import Status
from meters.errors import MeterRefused, MeterUnreachable, RecordLost
from meters.model import OpenTransaction, Quantity
from meters.simulators.faults import FaultKind

CLOCK = 40260
NOTE = Note(UUID, 7)
NOBODY = Snapshot(Status.INVALID, 0, None)
OURS = Snapshot(Status.VALID, 8, NOTE)
OURS_ENDED = Snapshot(Status.VALID, 9, NOTE)
OLD = Snapshot(Status.VALID, 6, Note(OTHER, 4))
FAILED = Snapshot(Status.FAILED, 0, None)
BUSY = Snapshot(Status.UPDATING, 0, None)


@pytest.mark.parametrize(
    ("note", "count", "start", "end", "kind"),
    [
        (None, 7, NOBODY, NOBODY, Kind.FREE),
        (None, 9, OURS, OURS_ENDED, Kind.FREE),  # released
        (NOTE, 7, NOBODY, NOBODY, Kind.FREE),  # noted, the start never came
        (NOTE, 7, OLD, OLD, Kind.FREE),
        (NOTE, 7, FAILED, OLD, Kind.FREE),
        (NOTE, 8, FAILED, OLD, Kind.FREE),  # if failures count
        (NOTE, 7, BUSY, OLD, Kind.SIGNING),
        (NOTE, 8, OURS, OLD, Kind.RUNNING),
        (NOTE, 8, OURS, NOBODY, Kind.RUNNING),
        (NOTE, 8, OURS, FAILED, Kind.RUNNING),
        (NOTE, 9, OURS, BUSY, Kind.SIGNING),
        (NOTE, 9, OURS, OURS_ENDED, Kind.WAITING),
        (NOTE, 9, NOBODY, OURS_ENDED, Kind.WAITING),  # ended after a power cut
        (NOTE, 8, NOBODY, NOBODY, Kind.RUNNING),  # power cut while it ran
        (NOTE, 9, NOBODY, NOBODY, Kind.LOST),  # power cut before it was fetched
    ],
)
def test_what_the_registers_say_together(
    note: Note | None, count: int, start: Snapshot, end: Snapshot, kind: Kind
) -> None:
    assert judge(note, count, start, end).kind is kind


@pytest.mark.parametrize("name", [UUID, "a#b", "Zm9vYmFyYmF6cXV4+/=="])
def test_a_note_comes_back(name: str) -> None:
    assert read_note(str(Note(name, 4_294_967_295))) == Note(name, 4_294_967_295)


@pytest.mark.parametrize("text", ["", "csc-sw-version: v1.2.34", "<=>", "<=>abc", "<=>abc#x"])
def test_other_texts_are_no_note(text: str) -> None:
    assert read_note(text) is None


@pytest.mark.parametrize("keeps", [False, True])
async def test_a_power_cut_of_the_meter_does_not_end_the_session(
    keeps: bool,  # noqa: FBT001
) -> None:
    async with rig(keeps_texts=keeps) as found:
        meter = found.driver()
        first = await meter.begin(transaction())
        found.device.reboot()
        held = await meter.open_transaction()
        by_another = await found.driver().open_transaction()
        again = await meter.begin(transaction())
        end = await meter.end(UUID)

    assert held == by_another == OpenTransaction(UUID, running=True)
    assert again == first
    payload = check_record(end)
    assert payload["ID"] == "04A1B2C3"
    assert payload["RD"][0]["TM"].endswith("S")
    assert found.executed() == {"B": 1, "E": 1}


async def test_after_a_power_cut_of_both_texts_that_survived_tell_what_runs() -> None:
    async with rig(keeps_texts=True) as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match=f"a running transaction: transaction {UUID}"):
            await restarted.begin(transaction(OTHER))
        begun = await restarted.begin(transaction())
        end = await restarted.end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    assert begun.signed is None
    assert begun.value(Quantity.ENERGY_IMPORT) == 99840
    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_after_a_power_cut_of_both_without_texts_nothing_is_known() -> None:
    async with rig() as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match="holds no record"):
            await restarted.end(UUID)
        await restarted.begin(transaction(OTHER))

    assert held is None
    assert found.executed() == {"B": 1}


async def test_who_wants_it_gets_an_end_even_so() -> None:
    async with rig() as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver(end_after_power_cut=True)
        end = await restarted.end(UUID)
        waiting = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match="waits to be released"):
            await restarted.end(OTHER)
        await restarted.release(UUID)
        with pytest.raises(MeterRefused, match="holds no record"):
            await restarted.end(OTHER)

    assert check_record(end)["X3"] == f"<=>{UUID}#4275"
    assert waiting == OpenTransaction(UUID, running=False)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_record_that_was_not_fetched_is_lost_with_the_power() -> None:
    async with rig(keeps_texts=True) as found:
        meter = found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        found.device.reboot()
        restarted = found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(RecordLost, match="lost with the meter's power"):
            await restarted.end(UUID)
        with pytest.raises(MeterRefused, match="whose record is lost"):
            await restarted.begin(transaction(OTHER))
        known = await meter.end(UUID)
        await restarted.release(UUID)
        free = await restarted.open_transaction()

    assert held == OpenTransaction(UUID, running=False)
    assert known == first
    assert free is None
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_killed_meter_comes_back_with_its_counters_and_key(tmp_path: Path) -> None:
    settings = {"state_file": tmp_path / "meter.json", "keeps_texts": True}
    async with rig(**settings) as found:
        begin = await found.driver().begin(transaction())
    async with rig(**settings) as found:
        end = await found.driver().end(UUID)

    assert (check_record(begin)["PG"], check_record(end)["PG"]) == ("T4276", "T4277")
    assert begin.signed is not None
    assert end.signed is not None
    assert begin.signed.public_key == end.signed.public_key


async def test_a_reboot_while_the_end_is_signed_is_told_and_the_end_repeated() -> None:
    async with rig(signing_delay_s=0.4) as found:
        meter = found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        while "end" not in str(found.device.status()["received"]):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.01)
        found.device.reboot()
        with pytest.raises(MeterUnreachable, match="lost its power while it signed the end"):
            await ending
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_clock_that_is_right_is_left_alone() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        await meter.read()
        await meter.begin(transaction())
        await meter.end(UUID)
        await meter.release(UUID)
        restarted = found.driver(device_state_read_interval_ms=0)
        await restarted.read()
        await restarted.begin(transaction(OTHER))
        writes = [
            request
            for request in found.line.requests
            if request.function == WRITE and request.address == CLOCK
        ]

    assert len(writes) == 1
    assert writes[0].count == 3


async def test_a_clock_that_is_wrong_is_set_before_a_begin_and_never_during_a_transaction() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        await found.bus.unit(42).write(CLOCK, [0x5FEE, 0xE490, 60])
        await meter.end(UUID)
        wrong = found.device.status()["meter_time"]
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))
        right = found.device.status()["meter_time"]

    assert isinstance(wrong, int)
    assert isinstance(right, int)
    assert wrong < 1_700_000_000 < right


async def test_a_clock_that_cannot_be_set_stops_the_begin() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=CLOCK, function=WRITE, value=4)
        with pytest.raises(MeterRefused, match=r"does not take the time.*device failure"):
            await found.driver().begin(transaction())

    assert found.executed() == {}


async def test_an_end_on_a_dead_meter_fails_soon() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, count=None)
        started = asyncio.get_running_loop().time()
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.end(UUID)

    assert asyncio.get_running_loop().time() - started < 1.0
