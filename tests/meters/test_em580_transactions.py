"""Transactions of an EM580 in the ordinary way, and how a record is signed and fetched."""

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta

import pytest
from em580_rig import AWAKE, OTHER, UUID, charged, now, rig, transaction

from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import BillingTransaction, Identification, OpenTransaction, Quantity
from meters.ocmf import parse, verified_ahead, verify
from meters.simulators.em580 import Behaviour, OcmfState
from meters.simulators.faults import FaultKind


async def test_a_session_gives_a_record_that_verifies() -> None:
    async with rig(pty=True) as found:
        meter = found.driver(timezone_offset_minutes=60)
        begin = await meter.begin(transaction(tariff_text="0.30 EUR/kWh"))
        await charged(found.device)
        end = await meter.end(UUID)
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert begin.value(Quantity.ENERGY_IMPORT) == 1637
    assert end.signed is not None
    assert (end.signed.encoding, end.signed.method) == ("OCMF", "")
    record = parse(end.signed.document)
    assert verify(record, end.signed.public_key).valid
    assert record.tariff_text == f"0.30 EUR/kWh<=>{UUID}"
    assert record.identification == transaction().identification
    assert record.begin is not None
    assert record.begin.energy_wh == begin.value(Quantity.ENERGY_IMPORT)
    assert record.end is not None
    assert record.end.energy_wh == end.value(Quantity.ENERGY_IMPORT)
    assert record.end.clock == "S"
    assert abs(end.taken_at - now()) < timedelta(seconds=5)
    assert end.taken_at.utcoffset() == timedelta(hours=1)
    assert waiting == OpenTransaction(UUID, running=False)
    assert free is None
    assert found.device.state is OcmfState.NOT_READY
    assert (found.received("B"), found.received("E")) == (1, 1)


async def test_the_document_is_what_the_meter_holds_byte_for_byte() -> None:
    async with rig(replace(AWAKE, record_size=2047)) as found:
        meter = found.driver()
        await meter.begin(transaction())
        end = await meter.end(UUID)
        held = found.device.memory.record

    assert len(held) == 2047
    assert end.signed is not None
    assert end.signed.document == held


async def test_polls_go_on_while_the_meter_signs() -> None:
    async with rig(replace(AWAKE, signing_delay=timedelta(seconds=0.6))) as found:
        meter = found.driver(ready_timeout_s=3)
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        polls = 0
        while not ending.done():
            await meter.read()
            polls += 1
            await asyncio.sleep(0.05)

        assert (await ending).signed is not None
    assert polls >= 4


async def test_begin_may_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        first = await meter.begin(transaction())
        await charged(found.device)
        again = await meter.begin(transaction())
        after_restart = await found.driver().begin(transaction())

    assert again == first
    energy = after_restart.value(Quantity.ENERGY_IMPORT)
    assert energy == first.value(Quantity.ENERGY_IMPORT)
    assert after_restart.taken_at == pytest.approx(first.taken_at, abs=timedelta(hours=1))
    assert found.received("B") == 1


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
    assert (restarted.signed, restarted.samples) == (first.signed, first.samples)
    assert found.received("E") == 1
    assert found.device.memory.executed["confirm"] == 1


async def test_end_and_release_of_another_transaction_touch_nothing() -> None:
    async with rig() as found:
        meter = found.driver()
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(OTHER)
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
            await meter.end(OTHER)
        await meter.release(OTHER)
        assert found.received("E") == 0

        await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID}"):
            await meter.end(OTHER)
        await meter.release(OTHER)

    assert found.device.state is OcmfState.READY


async def test_a_running_transaction_is_not_released() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match="still runs"):
            await meter.release(UUID)

    assert found.device.state is OcmfState.RUNNING


@pytest.mark.parametrize("ended", [False, True])
async def test_begin_discards_nothing_of_another_transaction(*, ended: bool) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        if ended:
            await meter.end(UUID)
        held = found.device.memory.record
        with pytest.raises(MeterRefused, match=f"holds transaction {UUID}"):
            await found.driver().begin(transaction(OTHER))

        assert found.device.memory.record == held
        assert (await meter.end(UUID)).signed is not None
    assert found.received("B") == 1


async def test_a_transaction_that_is_over_is_not_begun_again() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.device.reboot()
        with pytest.raises(MeterRefused, match=f"transaction {UUID} is over"):
            await meter.begin(transaction())

        assert (await meter.end(UUID)).signed is not None


async def test_a_slow_meter_is_waited_for() -> None:
    async with rig() as found:
        meter = found.driver(ready_timeout_s=2)
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=700)
        end = await meter.end(UUID)

    assert end.signed is not None


async def test_a_record_that_comes_too_late_is_fetched_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=600)
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await meter.end(UUID)
        await meter.read()  # which is no reason to call the meter lost
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.received("E") == 1
    assert found.asked(0x000B) == 1


async def test_a_meter_that_seems_free_while_it_signs_is_understood() -> None:
    behaviour = Behaviour(hides_signing=True)
    delay = timedelta(seconds=0.3)
    async with rig(replace(AWAKE, behaviour=behaviour, signing_delay=delay)) as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await meter.end(UUID)
        end = await found.driver().end(UUID)

    assert end.signed is not None


async def test_a_corrupted_record_is_told_apart_and_given_up_by_release() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(MeterRefused, match="corrupted"):
            await meter.end(UUID)
        with pytest.raises(MeterRefused, match="corrupted"):
            await found.driver().end(UUID)
        with pytest.raises(MeterRefused, match="CORRUPTED"):
            await meter.begin(transaction(OTHER))
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
        await meter.release(OTHER)
        assert found.device.state is OcmfState.CORRUPTED
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))


@pytest.mark.parametrize("size", [0, 2032, 65535])
async def test_an_impossible_size_is_not_read(size: int) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SIZE, value=size, count=2)
        with pytest.raises(MeterDataError, match=f"record of {size} words"):
            await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None


async def test_a_record_that_changes_while_it_is_read_is_read_again() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SIZE, value=100)
        end = await meter.end(UUID)
        held = found.device.memory.record

    assert end.signed is not None
    assert end.signed.document == held
    assert found.asked(0x7110) == 2


@pytest.mark.parametrize(
    "who",
    [
        Identification(),
        Identification(
            True, "HEARSAY", ("RFID_PLAIN", "OCPP_CACHE"), "ISO15693", "E007000012345678"
        ),
        Identification(True, "TRUSTED", ("OCPP_RS_TLS",), "CENTRAL", "driver@example.com"),
        Identification(
            True, "SECURE", ("OCPP_AUTH_TLS", "ISO15118_PNC"), "EMAID", "DEABCC12345678"
        ),
        Identification(True, "HEARSAY", ("PLMN_SMS",), "PHONE_NUMBER", "+4917012345678"),
    ],
)
async def test_the_record_says_how_the_user_was_identified(who: Identification) -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(BillingTransaction(UUID, "DE*ABC*E123*1", who))
        end = await meter.end(UUID)

    assert end.signed is not None
    said = parse(end.signed.document).identification
    assert replace(said, flags=tuple(sorted(said.flags))) == replace(
        who, flags=tuple(sorted(who.flags))
    )


async def test_the_user_of_one_transaction_does_not_show_in_the_next() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction(tariff_text="a long text that the next one does not have"))
        await meter.end(UUID)
        await meter.release(UUID)
        await meter.begin(BillingTransaction(OTHER, "DE"))
        end = await meter.end(OTHER)

    assert end.signed is not None
    record = parse(end.signed.document)
    assert record.identification == Identification()
    assert (record.tariff_text, record.payload["CI"]) == (f"<=>{OTHER}", "DE")


async def test_what_the_record_will_not_say_is_told_before_the_transaction_starts(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, "meters")
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, register=0x6900, function=0x10, value=3)
        with pytest.raises(MeterRefused, match="does not take the tariff text"):
            await meter.begin(transaction(tariff_text="x" * 211 + " is cut"))

    assert found.received("B") == 0
    expected = "tariff text: 218 bytes, 211 fit; the last 7 are cut, lost is ' is cut'"
    assert caplog.text.count(f"transaction {UUID}: {expected}") == 1


async def test_free_text_does_not_break_the_record() -> None:
    text = 'quote " back \\ pipe | line \n nul \0 <=> \u20ac end'
    who = Identification(True, "HEARSAY", (), "UNDEFINED", 'A"|\\\nB')
    async with rig() as found:
        meter = found.driver()
        await meter.begin(BillingTransaction(UUID, 'DE|"X"', who, text))
        restarted = found.driver()
        end = await restarted.end(UUID)

    assert end.signed is not None
    record = parse(end.signed.document)
    assert verify(record, end.signed.public_key).valid
    assert record.tariff_text == f"quote ' back / pipe / line   nul   <=> \u20ac end<=>{UUID}"
    assert record.identification.data == "A'// B"
    assert record.payload["CI"] == "DE/'X'"


async def test_a_fault_in_the_middle_of_a_record_does_not_spoil_it() -> None:
    async with rig(replace(AWAKE, record_size=1500), pty=True) as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.BAD_CRC, register=0x7200)
        found.fault(FaultKind.FEWER_WORDS, register=0x7300)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert verify(parse(end.signed.document), found.device.public_key).valid


async def test_the_signature_is_checked_before_the_end_returns() -> None:
    async with rig() as it:
        driver = it.driver()
        await driver.begin(transaction())
        await charged(it.device)

        end = await driver.end(UUID)

    assert end.signed is not None
    verdict = verified_ahead(end.signed.document, end.signed.public_key, method=end.signed.method)
    assert verdict is not None
    assert verdict.valid
