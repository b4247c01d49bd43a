"""Transactions of a WM3M4C: the ordinary way, repeated, by another process, and after accidents."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest
from iskra_rig import rig
from meter_rig import OTHER, UUID, WRITE, Rig, check_record, now, transaction

from meters.errors import MeterDataError, MeterRefused, MeterUnreachable, RecordLost
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse
from meters.simulators.faults import FaultKind
from meters.simulators.iskra_wm3m4.layout import State

COMMAND = 7051


async def charged(found: Rig, watts: int = 11000) -> None:
    """Let a little energy flow."""
    found.device.set_load(Decimal(watts))
    await asyncio.sleep(0.02)
    found.device.set_load(Decimal(0))


async def test_a_session_gives_a_record_that_verifies() -> None:
    async with rig(pty=True) as found:
        meter = found.driver(
            timezone_offset_minutes=60,
            ocmf_gateway_identification="Example | CP001",
            ocmf_gateway_serial="0001",
        )
        begin = await meter.begin(transaction(tariff_text="0.30 EUR/kWh"))
        await charged(found)
        end = await meter.end(UUID)
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        free = await meter.open_transaction()

    payload = check_record(end)
    assert end.signed is not None
    assert (end.signed.encoding, end.signed.method) == ("OCMF", "ECDSA-secp256r1-SHA256")
    assert end.signed.public_key == found.device.public_key
    assert payload["ID"] == f"04A1B2C3 0.30 EUR/kWh <=>{UUID}"
    assert (payload["IS"], payload["IF"], payload["IT"]) == (True, ["OCPP_AUTH"], "UNDEFINED")
    assert (payload["CT"], payload["CI"]) == ("EVSEID", "DE*ABC*E123*1")
    assert (payload["GI"], payload["GS"]) == ("Example   CP001", "0001")
    assert (payload["MV"], payload["MM"], payload["MS"]) == ("Iskra", "WM3M4C", "W4155775")
    record = parse(end.signed.document)
    assert record.begin is not None
    assert record.end is not None
    assert begin.value(Quantity.ENERGY_IMPORT) == record.begin.energy_wh == 80770
    assert end.value(Quantity.ENERGY_IMPORT) == record.end.energy_wh
    assert record.end.clock == "S"
    assert abs(end.taken_at - now()) < timedelta(seconds=5)
    assert end.taken_at.utcoffset() == timedelta(hours=1)
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
    assert restarted.value(Quantity.ENERGY_IMPORT) == first.value(Quantity.ENERGY_IMPORT)
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
    assert (restarted.signed, restarted.samples) == (first.signed, first.samples)
    assert found.executed() == {"B": 1, "E": 1}


async def test_end_and_release_of_another_transaction_touch_nothing() -> None:
    async with rig() as found:
        meter = found.driver()
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(OTHER)
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
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

    assert again.signed == first.signed
    assert found.executed(OTHER) == {}


async def test_one_transaction_follows_another() -> None:
    async with rig() as found:
        meter = found.driver()
        for name in (UUID, OTHER):
            await meter.begin(transaction(name))
            await charged(found)
            check_record(await meter.end(name))
            await meter.release(name)

    assert found.executed(OTHER) == {"B": 1, "E": 1}


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.BAD_CRC, FaultKind.TRUNCATED])
@pytest.mark.parametrize("old_status_s", [0.0, 0.15])
async def test_commands_whose_answer_was_lost_are_not_given_twice(
    kind: FaultKind, old_status_s: float
) -> None:
    async with rig(pty=True, old_status_s=old_status_s, signing_delay_s=0.2) as found:
        meter = found.driver()
        await meter.identify()
        found.fault(kind, register=COMMAND, function=WRITE)
        await meter.begin(transaction())
        await charged(found)
        found.fault(kind, register=COMMAND, function=WRITE)
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}
    assert found.device.status()["received"] == {"B": 1, "r": 1}


async def test_commands_that_never_arrived_can_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.SILENCE, register=COMMAND, function=WRITE)
        with pytest.raises(MeterUnreachable, match="begin was not acknowledged"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, register=COMMAND, function=WRITE)
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
    assert check_record(end)["ID"] == f"04A1B2C3 <=>{UUID}"


async def test_the_old_status_after_an_end_is_not_taken_for_the_record() -> None:
    async with rig(old_status_s=0.2, signing_delay_s=0.3) as found:
        meter = found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        await asyncio.sleep(0.1)
        assert found.device.state is State.IDLE
        end = await ending

    assert len(check_record(end)["RD"]) == 2


async def test_a_record_that_is_signed_too_slowly_is_fetched_later() -> None:
    async with rig() as found:
        meter = found.driver(ready_timeout_s=1)
        await meter.begin(transaction())
        found.fault(FaultKind.SLOW_READY, value=1300)
        with pytest.raises(MeterUnreachable, match="not signed within 1 s"):
            await meter.end(UUID)
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await found.driver(ready_timeout_s=0).begin(transaction(OTHER))
        end = await meter.end(UUID)

    check_record(end)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_record_that_cannot_be_signed_is_lost_until_released() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(RecordLost, match="the signature failed"):
            await meter.end(UUID)
        held = await found.driver().open_transaction()
        with pytest.raises(RecordLost):
            await found.driver().end(UUID)
        with pytest.raises(MeterRefused, match="could not be signed"):
            await found.driver().begin(transaction(OTHER))
        await found.driver().release(UUID)
        assert await meter.open_transaction() is None
        await meter.begin(transaction(OTHER))

    assert held == OpenTransaction(UUID, running=False)
    assert found.executed() == {"B": 1, "E": 1}


async def test_a_begin_that_cannot_be_signed_is_refused() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.CORRUPTED)
        with pytest.raises(MeterRefused, match="begin was not signed: the signature failed"):
            await meter.begin(transaction())
        held = await meter.open_transaction()

    assert held == OpenTransaction(UUID, running=True)


async def test_a_meter_in_error_declines_in_words() -> None:
    async with rig(in_error=True) as found:
        with pytest.raises(MeterRefused, match="declines to begin: the meter is in test mode"):
            await found.driver().begin(transaction())

    assert found.device.state is State.IDLE


@pytest.mark.parametrize("what", ["an exception", "busy"])
async def test_an_exception_to_a_command(what: str) -> None:
    async with rig() as found:
        meter = found.driver()
        code = 6 if what == "busy" else 4
        found.fault(FaultKind.EXCEPTION, register=COMMAND, function=WRITE, value=code)
        if what == "busy":
            await meter.begin(transaction())
        else:
            with pytest.raises(MeterRefused, match=r"declines to begin.*device failure"):
                await meter.begin(transaction())

    assert (found.device.state is State.ACTIVE) is (what == "busy")


async def test_a_data_set_that_does_not_read_back_stops_the_begin() -> None:
    async with rig() as found:
        found.device.override(7100, [0x7B7B])
        with pytest.raises(MeterDataError, match="does not read back"):
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


async def test_an_unsigned_meter_refuses_transactions_and_is_read() -> None:
    async with rig(model="WM3M4") as found:
        meter = found.driver()
        info = await meter.identify()
        reading = await meter.read()
        held = await meter.open_transaction()
        await meter.release(UUID)
        with pytest.raises(MeterRefused, match="WM3M4 has no key"):
            await meter.begin(transaction())

    assert (info.model, info.public_key, info.signing_method) == ("WM3M4", "", "")
    assert reading.value(Quantity.ENERGY_IMPORT) == 80770
    assert held is None


async def test_a_swapped_meter_does_not_begin_in_the_name_of_the_old_one() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.device.override(9, [0x5858] * 4)
        with pytest.raises(MeterDataError, match="another meter: serial XXXXXXXX"):
            await meter.begin(transaction())

    assert found.executed() == {}
