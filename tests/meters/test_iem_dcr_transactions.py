"""Transactions of an IEM-DCR in the ordinary way, and everything it refuses."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from iem_dcr_rig import EVSE, rig, virtual
from meter_bench import OTHER, UUID, now, transaction
from record_check import assert_signed_by

from meters.errors import MeterRefused, MeterUnreachable, RecordLost
from meters.model import Identification, OpenTransaction, Quantity
from meters.ocmf import parse, verify


@virtual
async def test_a_session_gives_a_record_that_verifies() -> None:
    async with rig() as found:
        meter = await found.driver()
        billed = replace(transaction(), tariff_text="0.30 EUR/kWh")
        begin = await meter.begin(billed)
        await found.charge()
        end = await meter.end(UUID)
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        free = await meter.open_transaction()

    assert begin.value(Quantity.ENERGY_IMPORT) == 446_540
    assert end.value(Quantity.ENERGY_IMPORT) == 447_540
    assert end.signed is not None
    assert (end.signed.encoding, end.signed.method) == ("OCMF", "")
    record = parse(end.signed.document)
    assert verify(record, end.signed.public_key).valid
    assert_signed_by(end.signed.document, found.device.public_key, "")
    assert record.tariff_text == f"0.30 EUR/kWh<=>{UUID}"
    assert record.identification == billed.identification
    assert record.payload["CI"] == EVSE
    assert record.energy_wh == 1000
    assert abs(end.taken_at - now()) < timedelta(seconds=5)
    assert end.taken_at.utcoffset() == timedelta(hours=1)
    assert (waiting, free) == (OpenTransaction(UUID, running=False), None)
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_the_document_is_what_the_meter_signed_byte_for_byte() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        end = await meter.end(UUID)

    assert end.signed is not None
    assert end.signed.document == found.device.memory.record


@virtual
async def test_the_user_is_told_in_the_words_of_the_meter() -> None:
    who = Identification(
        assigned=True,
        level="TRUSTED",
        flags=("OCPP_AUTH_TLS", "RFID_PLAIN", "RFID_PSK", "NONSENSE"),
        type="ISO14443",
        data="04A1B2C3",
    )
    async with rig() as found:
        meter = await found.driver(US=True)
        await meter.begin(replace(transaction(), identification=who))

    (user,) = found.bodies("user")
    assert list(user) == ["IS", "IL", "IF", "IT", "ID", "US", "TT"]
    assert user == {
        "IS": True,
        "IL": "TRUSTED",
        "IF": ["RFID_PLAIN", "OCPP_AUTH_TLS"],
        "IT": "ISO14443",
        "ID": "04A1B2C3",
        "US": True,
        "TT": f"<=>{UUID}",
    }


@virtual
async def test_a_user_nobody_knows_is_named_by_the_transaction() -> None:
    async with rig() as found:
        await (await found.driver()).begin(
            replace(transaction(), identification=Identification(level="?", type="?"))
        )

    (user,) = found.bodies("user")
    assert (user["IS"], user["IL"], user["IT"], user["ID"]) == (False, "UNKNOWN", "UNDEFINED", UUID)


@virtual
async def test_the_transaction_may_stand_in_the_identification() -> None:
    async with rig() as found:
        meter = await found.driver(transaction_id_in="identification")
        await meter.begin(replace(transaction(), tariff_text="0.30"))
        end = await meter.end(UUID)
        again = await (await found.driver(transaction_id_in="identification")).open_transaction()

    (user,) = found.bodies("user")
    assert (user["ID"], user["TT"]) == (UUID, "0.30")
    assert end.signed is not None
    assert again == OpenTransaction(UUID, running=False)


@virtual
async def test_begin_may_be_repeated() -> None:
    async with rig() as found:
        meter = await found.driver()
        first = await meter.begin(transaction())
        await found.charge()
        again = await meter.begin(transaction())

    assert again == first
    assert found.commands() == {"B": 1}


@virtual
async def test_end_and_release_may_be_repeated() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        first = await meter.end(UUID)
        again = await meter.end(UUID)
        restarted = await (await found.driver()).end(UUID)
        await meter.release(UUID)
        await meter.release(UUID)
        after_release = await meter.end(UUID)
        await (await found.driver()).release(UUID)

    assert again == after_release == restarted == first
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_begin_discards_no_record_that_was_not_released() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID}, page T1"):
            await meter.begin(transaction(OTHER))
        with pytest.raises(MeterRefused, match=f"transaction {UUID} is over"):
            await meter.begin(transaction())
        await meter.release(UUID)
        await meter.begin(transaction(OTHER))
        end = await meter.end(OTHER)

    assert end.signed is not None
    assert parse(end.signed.document).pagination == "T2"


@virtual
async def test_a_release_of_something_else_releases_nothing() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.release(OTHER)
        await meter.begin(transaction())
        await meter.release(OTHER)
        with pytest.raises(MeterRefused, match="still runs"):
            await meter.release(UUID)
        await meter.end(UUID)
        await meter.release(OTHER)

        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)


@virtual
async def test_end_of_another_transaction_touches_nothing() -> None:
    async with rig() as found:
        meter = await found.driver()
        with pytest.raises(MeterRefused, match=f"holds no record of transaction {OTHER}"):
            await meter.end(OTHER)
        await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
            await meter.end(OTHER)
        assert found.commands() == {"B": 1}
        await meter.end(UUID)
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID}, not {OTHER}"):
            await meter.end(OTHER)


# What a begin is refused for.


@virtual
async def test_another_evse_id_than_the_configured_one_is_refused() -> None:
    async with rig() as found:
        meter = await found.driver(CI="DE*XYZ*E9")
        with pytest.raises(MeterRefused) as refused:
            await meter.begin(transaction())

    assert f"EVSE id '{EVSE}'" in str(refused.value)
    assert "CI 'DE*XYZ*E9'" in str(refused.value)
    assert "make CI the EVSE id in the config" in str(refused.value)
    assert found.commands() == {}


@virtual
async def test_without_an_evse_id_the_configured_one_counts() -> None:
    async with rig() as found:
        await (await found.driver()).begin(replace(transaction(), charge_point=""))

    assert found.commands() == {"B": 1}


@virtual
async def test_an_error_code_keeps_a_transaction_from_beginning_until_it_is_gone() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.error_code = "0x0000, 0x00000100, 0x00, 0x00"
        with pytest.raises(MeterRefused, match="error code 0x0000, 0x00000100, 0x00, 0x00"):
            await meter.begin(transaction())
        assert (await meter.read()).samples  # which goes on
        found.device.error_code = "0x0000, 0x00000000, 0x00, 0x00"
        await meter.begin(transaction())

    assert found.commands() == {"B": 1}


@virtual
async def test_bits_that_are_ignored_are_left_to_the_meter() -> None:
    async with rig() as found:
        meter = await found.driver(ignored_errors="0x0000, 0x00000100, 0x00, 0x00")
        found.device.error_code = "0x0000, 0x00000100, 0x00, 0x00"
        with pytest.raises(MeterRefused, match=r"does not begin: .*428"):
            await meter.begin(transaction())
        found.device.error_code = "0x0001, 0x00000100, 0x00, 0x00"
        with pytest.raises(MeterRefused, match="error code 0x0001"):
            await meter.begin(transaction())


@virtual
@pytest.mark.parametrize(("state", "errors"), [("E", ""), ("G", "E")])
async def test_energy_that_the_meter_itself_does_not_trust_is_not_sold(
    state: str, errors: str
) -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.meter_state, found.device.error_flags = state, errors
        with pytest.raises(MeterRefused, match="not billable"):
            await meter.begin(transaction())

    assert found.commands() == {}


@virtual
async def test_a_current_above_the_threshold_is_named_when_a_begin_is_refused() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.set_load(Decimal(4920))
        with pytest.raises(MeterRefused, match=r"a current of 12\.300 A flows.*contactor open"):
            await meter.begin(transaction())

    assert found.commands() == {"B": 4}  # 3 retries; a begin that was declined was not done


@virtual
async def test_a_begin_waits_as_long_as_its_retries_for_the_current() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.set_load(Decimal(4920))
        begin = asyncio.create_task(meter.begin(transaction()))
        await asyncio.sleep(0.6)
        found.device.set_load(0)
        await begin

    assert found.device.memory.running


@virtual
async def test_a_user_that_the_meter_declines_is_told() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault("status", "user", value=400, count=4)
        with pytest.raises(MeterRefused, match=r"not take the user: .*status 400"):
            await meter.begin(transaction())

    assert found.commands() == {}


@virtual
async def test_a_bad_id_is_refused_before_anything_is_asked() -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="transaction id"):
            await (await found.driver()).begin(transaction("a|b"))

    assert not found.server.requests


# What an end waits for.


@virtual
async def test_an_end_waits_for_the_current_to_decay() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.device.set_load(36_000)
        end = asyncio.create_task(meter.end(UUID))
        await asyncio.sleep(5)
        found.device.set_load(0)
        reading = await end

    assert reading.signed is not None
    assert found.device.status()["transactions"] == {UUID: {"B": 1, "E": 1}}


async def test_an_end_that_a_current_prevents_is_not_asked_for_without_pause() -> None:
    async with rig() as found:
        meter = await found.driver(current_timeout_ms=500, resilience_transaction_request_retries=0)
        await meter.begin(transaction())
        found.device.set_load(36_000)
        before = found.asked("POST", "receipt")
        with pytest.raises(MeterUnreachable, match="does not end"):
            await meter.end(UUID)

    assert found.asked("POST", "receipt") - before <= 6


@virtual
async def test_an_end_that_a_current_prevents_says_so_and_may_be_repeated() -> None:
    async with rig() as found:
        meter = await found.driver(current_timeout_ms=2000)
        await meter.begin(transaction())
        found.device.set_load(36_000)
        with pytest.raises(MeterUnreachable, match=r"does not end: a current of 90\.000 A flows"):
            await meter.end(UUID)
        assert await meter.open_transaction() == OpenTransaction(UUID, running=True)
        found.device.set_load(0)
        reading = await meter.end(UUID)

    assert reading.signed is not None


@virtual
async def test_polls_go_on_while_the_meter_signs() -> None:
    async with rig(signing_delay_s=5.0) as found:
        meter = await found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        polls = 0
        while not ending.done():
            await meter.read()
            polls += 1
            await asyncio.sleep(1)

        assert (await ending).signed is not None
    assert polls >= 4


@virtual
async def test_a_record_that_comes_too_late_is_fetched_by_the_next_call() -> None:
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=2000)
        await meter.begin(transaction())
        found.inside("slow-ready", value=5000)
        with pytest.raises(MeterUnreachable, match="not signed within 2 s"):
            await meter.end(UUID)
        assert await meter.open_transaction() == OpenTransaction(UUID, running=False)
        with pytest.raises(MeterRefused, match=f"record of transaction {UUID} was not fetched"):
            await meter.begin(transaction(OTHER))
        await asyncio.sleep(4)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_a_record_that_never_comes_is_lost_in_the_end_and_given_up_by_release() -> None:
    async with rig() as found:
        meter = await found.driver(signature_timeout_ms=1000)
        await meter.begin(transaction())
        found.inside("corrupted")
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await meter.end(UUID)
        await asyncio.sleep(3)
        with pytest.raises(RecordLost, match=f"ended {UUID} .* gives no record"):
            await meter.end(UUID)
        await meter.release(UUID)

        assert await meter.open_transaction() is None
        await meter.begin(transaction(OTHER))
