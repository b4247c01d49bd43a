"""Transactions of a BSM-WS36A: the ordinary way, repeated, by another process, and lost answers."""

import asyncio
import struct
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from bauer_rig import END, START, rig
from meter_rig import OTHER, UUID, WRITE, Rig, check_record, now, transaction

from meters import patience
from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.model import OpenTransaction, Quantity
from meters.ocmf import verify_document
from meters.ocmf.session import check_session
from meters.simulators.bauer_bsm.layout import Status, Type
from meters.simulators.faults import FaultKind

ENERGY = Quantity.ENERGY_IMPORT


async def charged(found: Rig) -> None:
    """Let a little energy flow."""
    found.device.set_load(Decimal(11000))
    await asyncio.sleep(0.02)
    found.device.set_load(Decimal(0))


@pytest.mark.parametrize("resets", [False, True])
async def test_a_session_gives_two_records_that_verify_and_belong_together(
    resets: bool,  # noqa: FBT001
) -> None:
    async with rig(pty=True, start_resets=resets) as found:
        meter = found.driver(timezone_offset_minutes=120)
        begin = await meter.begin(transaction())
        await charged(found)
        end = await meter.end(UUID)
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        free = await meter.open_transaction()

    payloads = check_record(begin), check_record(end)
    assert begin.signed is not None
    assert end.signed is not None
    session = check_session(
        [verify_document(one.document, one.public_key) for one in (begin.signed, end.signed)]
    )
    assert session.sound, session.findings
    begun, ended = begin.value(ENERGY), end.value(ENERGY)
    assert begun == 99840
    assert ended is not None
    assert session.energy_wh == ended - begun > 0
    assert (payloads[0]["RD"][0]["RV"] == 0) is resets
    assert [payload["PG"] for payload in payloads] == ["T4276", "T4277"]
    for payload, cause in zip(payloads, "BE", strict=True):
        assert payload["ID"] == "04A1B2C3"
        assert payload["X2"] == "DE*ABC*E123*1"
        assert payload["X3"] == f"<=>{UUID}#4275"
        assert payload["RD"][0]["TX"] == cause
        assert payload["RD"][0]["TM"].endswith("S")
    assert end.signed.public_key == found.device.public_key
    assert (end.signed.encoding, end.signed.method) == ("OCMF", "")
    assert abs(end.taken_at - now()) < timedelta(seconds=5)
    assert end.taken_at.utcoffset() == timedelta(hours=2)
    assert waiting == OpenTransaction(UUID, running=False)
    assert free is None
    assert found.executed() == {"B": 1, "E": 1}


async def test_begin_may_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        first = await meter.begin(transaction())
        await charged(found)
        again = await meter.begin(transaction())
        restarted = await found.driver().begin(transaction())

    assert again == first
    assert (restarted.signed, restarted.value(ENERGY)) == (first.signed, first.value(ENERGY))
    assert restarted.taken_at == first.taken_at
    assert found.executed() == {"B": 1}


async def test_end_and_release_may_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        again = await meter.end(UUID)
        restarted = await found.driver().end(UUID)
        await meter.release(UUID)
        await meter.release(UUID)
        after_release = await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"holds no record of transaction {UUID}"):
            await found.driver().end(UUID)
        await found.driver().release(UUID)

    assert again == after_release == first
    assert restarted == first
    assert found.executed() == {"B": 1, "E": 1}


async def test_end_and_release_of_another_transaction_touch_nothing() -> None:
    async with rig() as found:
        meter = found.driver()
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(OTHER)
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"a running transaction: transaction {UUID}"):
            await meter.end(OTHER)
        await meter.release(OTHER)
        with pytest.raises(MeterRefused, match="still runs"):
            await meter.release(UUID)
        await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"waits to be released: transaction {UUID}"):
            await meter.end(OTHER)
        await meter.release(OTHER)
        held = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=False)


async def test_begin_never_discards_what_was_not_released() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"a running transaction: transaction {UUID}"):
            await found.driver().begin(transaction(OTHER))
        first = await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"waits to be released: transaction {UUID}"):
            await found.driver().begin(transaction(OTHER))
        with pytest.raises(MeterRefused, match="is over"):
            await found.driver().begin(transaction())
        again = await found.driver().end(UUID)

    assert again == first
    assert found.executed(OTHER) == {}


async def test_one_transaction_follows_another() -> None:
    async with rig() as found:
        meter = found.driver()
        for name in (UUID, OTHER, UUID[::-1]):
            await meter.begin(transaction(name))
            await charged(found)
            check_record(await meter.end(name))
            await meter.release(name)

    assert found.executed(OTHER) == {"B": 1, "E": 1}


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.BAD_CRC, FaultKind.TRUNCATED])
@pytest.mark.parametrize("silent", [False, True])
async def test_commands_whose_answer_was_lost_are_not_given_twice(
    kind: FaultKind,
    silent: bool,  # noqa: FBT001
) -> None:
    async with rig(pty=True, silent_while_signing=silent, signing_delay_s=0.2) as found:
        meter = found.driver()
        await meter.identify()
        found.fault(kind, register=START, function=WRITE)
        await meter.begin(transaction())
        found.fault(kind, register=END, function=WRITE)
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}
    assert found.device.status()["received"] == {"start": 1, "end": 1}


async def test_commands_that_never_arrived_can_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.SILENCE, register=START, function=WRITE)
        with pytest.raises(MeterUnreachable, match="begin was not acknowledged"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, register=END, function=WRITE)
        with pytest.raises(MeterUnreachable, match="end was not acknowledged"):
            await meter.end(UUID)
        held = await meter.open_transaction()
        end = await meter.end(UUID)

    check_record(end)
    assert held == OpenTransaction(UUID, running=True)
    assert found.executed() == {"B": 1, "E": 1}


async def test_another_process_finds_and_ends_what_runs() -> None:
    async with rig() as found:
        await found.driver().begin(transaction())
        held = await found.driver().open_transaction()
        end = await found.driver().end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    check_record(end)


async def test_a_reading_that_is_signed_too_slowly_is_fetched_later() -> None:
    async with rig() as found:
        meter = found.driver(ready_timeout_s=1)
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=1300)
        with pytest.raises(MeterUnreachable, match="end was not signed within 1 s"):
            await meter.end(UUID)
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await found.driver(ready_timeout_s=0).begin(transaction(OTHER))
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_snapshot_that_failed_is_taken_again_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(MeterUnreachable, match="begin was not signed: failed inside"):
            await meter.begin(transaction())
        nothing = await meter.open_transaction()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(MeterUnreachable, match="end was not signed: failed inside"):
            await meter.end(UUID)
        held = await found.driver().open_transaction()
        end = await meter.end(UUID)

    assert nothing is None
    assert held == OpenTransaction(UUID, running=True)
    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


@pytest.mark.parametrize(("code", "begun"), [(4, False), (6, True)])
async def test_an_exception_to_a_command(code: int, begun: bool) -> None:  # noqa: FBT001
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, register=START, function=WRITE, value=code)
        if begun:
            await meter.begin(transaction())
        else:
            with pytest.raises(MeterRefused, match=r"declines to begin.*device failure"):
                await meter.begin(transaction())
        state = found.device.slot_status(Type.START)

    assert (state is Status.VALID) is begun


async def test_a_note_that_does_not_read_back_stops_the_begin() -> None:
    async with rig() as found:
        found.device.override(40399, [0x4141])
        with pytest.raises(MeterDataError, match="note about the transaction"):
            await found.driver().begin(transaction())

    assert found.executed() == {}


async def test_a_cancelled_end_can_be_repeated() -> None:
    async with rig(signing_delay_s=0.4) as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await meter.end(UUID)
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_polls_wait_while_a_silent_meter_signs() -> None:
    async with rig(silent_while_signing=True, signing_delay_s=0.3) as found:
        meter = found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        await asyncio.sleep(0.1)
        reading = await meter.read()
        end = await ending

    assert reading.value(ENERGY) == end.value(ENERGY) == 99840


@pytest.mark.parametrize("bit", [16, 17, 18, 19])
async def test_a_meter_whose_signatures_do_not_count_begins_nothing(bit: int) -> None:
    async with rig(events=1 << bit) as found:
        with pytest.raises(MeterRefused, match="signatures of this meter do not count"):
            await found.driver().begin(transaction())

    assert found.executed() == {}


async def test_a_sunspec_meter_without_signatures_is_read() -> None:
    async with rig(signing=False) as found:
        meter = found.driver()
        info = await meter.identify()
        reading = await meter.read()
        held = await meter.open_transaction()
        await meter.release(UUID)
        with pytest.raises(MeterRefused, match="has no key"):
            await meter.begin(transaction())

    assert (info.public_key, info.signing_method) == ("", "")
    assert reading.value(ENERGY) == 99840
    assert held is None


async def test_a_swapped_meter_does_not_begin_in_the_name_of_the_old_one() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.device.override(40052, [0x5858] * 8)
        with pytest.raises(MeterDataError, match="another meter: serial XXXX"):
            await meter.begin(transaction())

    assert found.executed() == {}


@pytest.mark.parametrize(
    "switches",
    [
        {"dialect": "Wh"},
        {"start_resets": False},
        {"energy_scale": 0},
        {"fresh_signatures": True},
        {"silent_while_signing": True, "signing_delay_s": 0.2},
        {"base_address": 50_000},
        {"base_address": 0},
        {"keeps_texts": True},
    ],
    ids=str,
)
async def test_a_session_with_other_firmware(switches: dict[str, Any]) -> None:
    async with rig(**switches) as found:
        meter = found.driver(sunspec_base_address=switches.get("base_address", 40_000))
        reading = await meter.read()
        begin = await meter.begin(transaction())
        end = await meter.end(UUID)
        again = await found.driver(sunspec_base_address=switches.get("base_address", 40_000)).end(
            UUID
        )

    for one in (begin, end, again):
        check_record(one)
    assert again.samples == end.samples
    assert {one.value(ENERGY) for one in (reading, begin, end)} == {99840}
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_record_that_changes_while_it_is_read_is_read_again() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.VALUE, register=43900, value=0x4141)
        end = await meter.end(UUID)

    check_record(end)


async def test_a_record_that_does_not_verify_is_no_record() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(43900, [0x4141])
        with pytest.raises(MeterDataError):
            await meter.end(UUID)
        held = await meter.open_transaction()
        found.device.clear_overrides()
        end = await meter.end(UUID)

    assert held == OpenTransaction(UUID, running=False)
    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_record_that_stays_wrong_is_handed_on_as_it_is_and_frees_the_meter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.override(43900, [0x4141])
        for _ in range(2):
            with pytest.raises(MeterDataError, match="no OCMF record"):
                await meter.end(UUID)
        end = await meter.end(UUID)
        await meter.release(UUID)
        held = await meter.open_transaction()

    assert end.signed is not None
    assert verify_document(end.signed.document, end.signed.public_key).outcome == "unparsable"
    assert end.value(ENERGY) == 99840
    assert held is None


async def test_the_record_of_another_snapshot_is_not_handed_on_as_that_of_the_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "_LONGEST_S", 0.0)
    async with rig() as found:
        meter = found.driver()
        begin = await meter.begin(transaction())
        assert begin.signed is not None
        text = begin.signed.document.ljust(992, b"\0")
        found.device.override(43795, struct.unpack(">496H", text))
        for _ in range(2):
            with pytest.raises(MeterDataError, match="record T4276, expected T4277"):
                await meter.end(UUID)
        with pytest.raises(RecordLost, match="of another snapshot"):
            await meter.end(UUID)
        await meter.release(UUID)
        held = await meter.open_transaction()

    assert held is None
