"""Transactions of an IEM-DCR when answers, power or processes are lost."""

import asyncio
from pathlib import Path

import pytest
from iem_dcr_rig import EVSE, rig, virtual
from meter_bench import OTHER, UUID, patiently, transaction

from meters.errors import MeterDataError, MeterRefused, MeterUnreachable
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse, verify


@virtual
@pytest.mark.parametrize("kind", ["lost-reply", "truncated"])
async def test_a_begin_whose_answer_was_lost_is_not_given_twice(kind: str) -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault(kind, "receipt", "POST")
        reading = await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 446_540
    assert found.commands() == {"B": 1}


@virtual
@pytest.mark.parametrize("kind", ["silence", "reset", "status"])
async def test_a_begin_that_never_arrived_can_be_repeated(kind: str) -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault(kind, "receipt", "POST")
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None
        await meter.begin(transaction())

    assert found.commands() == {"B": 1}


@virtual
async def test_a_begin_in_doubt_whose_look_fails_too_is_known_by_the_next_call() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.fault("lost-reply", "receipt", "POST")
        found.fault("silence", "metervalue", skip=2)
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.begin(transaction())
        held = await meter.open_transaction()
        reading = await meter.begin(transaction())

    assert held == OpenTransaction(UUID, running=True)
    assert reading.value(Quantity.ENERGY_IMPORT) == 446_540
    assert found.commands() == {"B": 1}


@virtual
@pytest.mark.parametrize("kind", ["lost-reply", "truncated"])
async def test_an_end_whose_answer_was_lost_is_not_given_twice(kind: str) -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.fault(kind, "receipt", "POST")
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_an_end_that_never_arrived_is_given_by_the_next_call() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.fault("silence", "receipt", "POST")
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
@pytest.mark.parametrize(
    "kind", ["silence", "lost-reply", "malformed", "truncated", "reset", "status"]
)
async def test_a_record_that_could_not_be_read_is_read_by_the_next_call(kind: str) -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.fault(kind, "receipt", "GET", count=2, skip=2)
        try:
            end = await meter.end(UUID)
        except (MeterUnreachable, MeterDataError):
            found.server.faults.clear()
            end = await patiently(lambda: meter.end(UUID))

    assert end.signed is not None
    assert verify(parse(end.signed.document), end.signed.public_key).valid
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_refused_records_are_asked_for_until_the_meter_gives_one() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.fault("status", "receipt", "GET", value=403, count=7)
        end = await meter.end(UUID)

    assert end.signed is not None


@virtual
async def test_another_process_finds_what_waits() -> None:
    async with rig() as found:
        first = await found.driver()
        await first.begin(transaction())
        before = await first.end(UUID)
        restarted = await found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match="was not released"):
            await restarted.begin(transaction(OTHER))
        after = await restarted.end(UUID)
        await restarted.release(UUID)
        free = await restarted.open_transaction()

    assert (held, free) == (OpenTransaction(UUID, running=False), None)
    assert after == before


@virtual
async def test_another_process_offers_a_released_record_once_more() -> None:
    async with rig() as found:
        first = await found.driver()
        await first.begin(transaction())
        before = await first.end(UUID)
        await first.release(UUID)
        restarted = await found.driver()
        held = await restarted.open_transaction()
        again = await restarted.end(UUID)
        await restarted.release(UUID)
        await restarted.begin(transaction(OTHER))

    assert held == OpenTransaction(UUID, running=False)
    assert again == before


@virtual
async def test_another_process_waits_for_a_record_that_is_being_signed() -> None:
    async with rig(signing_delay_s=0.5) as found:
        first = await found.driver()
        await first.begin(transaction())
        ending = asyncio.create_task(first.end(UUID))
        await asyncio.sleep(0.1)
        assert found.commands() == {"B": 1, "E": 1}
        ending.cancel()
        restarted = await found.driver()
        held = await restarted.open_transaction()
        end = await (await found.driver()).end(UUID)

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_a_running_transaction_is_ended_by_another_process_that_asks_for_it() -> None:
    async with rig() as found:
        await (await found.driver()).begin(transaction())
        restarted = await found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match="begun before this program started"):
            await restarted.begin(transaction())
        end = await restarted.end(UUID)

    assert held == OpenTransaction("", running=True)
    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_a_running_transaction_is_known_to_another_process_if_the_meter_tells() -> None:
    async with rig(receipt_while_running=True) as found:
        first = await found.driver()
        begin = await first.begin(transaction())
        await found.charge()
        restarted = await found.driver()
        held = await restarted.open_transaction()
        with pytest.raises(MeterRefused, match=f"runs transaction {UUID}"):
            await restarted.end(OTHER)
        again = await restarted.begin(transaction())
        end = await restarted.end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    assert again.value(Quantity.ENERGY_IMPORT) == begin.value(Quantity.ENERGY_IMPORT)
    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_an_end_without_id_closes_what_another_process_left_and_the_id_finds_it() -> None:
    async with rig() as found:
        await (await found.driver()).begin(transaction())
        restarted = await found.driver()
        first = await restarted.end("")
        again = await restarted.end("")
        by_id = await restarted.end(UUID)
        await restarted.release("")

        assert await restarted.open_transaction() is None
    assert first.signed == again.signed == by_id.signed
    assert found.commands() == {"B": 1, "E": 1}


@virtual
@pytest.mark.parametrize("tells", [False, True])
async def test_a_foreign_transaction_is_never_handed_out_as_ours(*, tells: bool) -> None:
    async with rig(foreign_transaction=True, frozen_ci=EVSE, receipt_while_running=tells) as found:
        meter = await found.driver(signature_timeout_ms=1000)
        running = await meter.open_transaction()
        with pytest.raises(MeterRefused, match="runs a transaction"):
            await meter.begin(transaction())
        with pytest.raises(MeterRefused, match=f"of unknown id, not {UUID}"):
            await meter.end(UUID)
        waiting = await meter.open_transaction()
        with pytest.raises(MeterRefused, match="of unknown id, page T1"):
            await meter.begin(transaction())
        record = await meter.end("")
        await meter.release("")
        await meter.begin(transaction())

    assert running == OpenTransaction("", running=True)
    assert waiting == OpenTransaction("", running=False)
    assert record.signed is not None
    assert parse(record.signed.document).identification.data == "9109543224"


@virtual
async def test_a_power_cut_of_the_meter_leaves_a_record_that_end_only_fetches() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await found.charge()
        await meter.read()
        found.device.reboot()
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match=f"transaction {UUID} is over"):
            await meter.begin(transaction())
        end = await meter.end(UUID)

    assert held == OpenTransaction(UUID, running=False)
    assert end.signed is not None
    record = parse(end.signed.document)
    assert record.end is not None
    assert record.end.cause == "P"
    assert end.value(Quantity.ENERGY_IMPORT) == 447_540
    assert "E" not in found.commands()


@virtual
async def test_a_transaction_that_a_power_cut_lost_is_told_and_blocks_nothing() -> None:
    async with rig(power_cut="lost") as found:
        meter = await found.driver()
        await meter.begin(transaction(OTHER))
        await meter.end(OTHER)
        await meter.release(OTHER)
        await meter.begin(transaction())
        found.device.reboot()
        held = await meter.open_transaction()
        with pytest.raises(MeterRefused, match=f"no record of transaction {UUID}"):
            await meter.end(UUID)
        await meter.begin(transaction())

    assert held is None
    assert "E" in found.commands()


@virtual
@pytest.mark.parametrize("charge_point", [EVSE, "1234"])
async def test_a_transaction_that_a_power_cut_did_not_end_goes_on(charge_point: str) -> None:
    async with rig(power_cut="resumed") as found:
        meter = await found.driver(CI=charge_point)
        await meter.begin(transaction())
        found.device.reboot()
        held = await meter.open_transaction()
        end = await meter.end(UUID)

    assert held == OpenTransaction(UUID, running=True)
    assert end.signed is not None
    assert [one["CI"] for one in found.bodies("gw")] == [EVSE, EVSE]


@virtual
async def test_a_power_cut_between_end_and_record_loses_nothing() -> None:
    async with rig(signing_delay_s=3.0) as found:
        meter = await found.driver()
        await meter.begin(transaction())
        ending = asyncio.create_task(meter.end(UUID))
        await asyncio.sleep(1)
        found.device.reboot()
        end = await ending

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_an_unread_record_survives_a_kill_of_meter_and_station(tmp_path: Path) -> None:
    state = tmp_path / "meter.json"
    async with rig(state_file=state) as found:
        meter = await found.driver()
        await meter.begin(transaction())
        await found.charge()
        before = await meter.end(UUID)
    async with rig(state_file=state) as found:
        after = await (await found.driver()).end(UUID)

    assert after == before


@virtual
async def test_an_unplugged_meter_is_found_again_with_its_transaction() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.server.unplug()
        with pytest.raises(MeterUnreachable):
            await meter.end(UUID)
        found.server.plug_in()
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}


@virtual
async def test_a_meter_that_shows_a_transaction_for_ever_still_gives_its_record() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        found.device.running_shown = True
        try:
            end = await meter.end(UUID)
        except MeterUnreachable:
            end = await meter.end(UUID)

    assert end.signed is not None


@virtual
async def test_a_meter_that_takes_the_begin_and_runs_nothing_is_told() -> None:
    async with rig() as found:
        meter = await found.driver()
        found.device.running_shown = False
        with pytest.raises(MeterRefused, match="took the begin, but no transaction runs"):
            await meter.begin(transaction())


@virtual
async def test_a_record_of_a_page_that_stands_still_is_told_apart_even_so() -> None:
    async with rig(page_stands_still=True) as found:
        meter = await found.driver()
        for one in (UUID, OTHER):
            await meter.begin(transaction(one))
            end = await meter.end(one)
            assert end.signed is not None
            assert one.encode() in end.signed.document
            await meter.release(one)


@virtual
async def test_what_is_no_record_is_not_handed_on() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.begin(transaction())
        for node in ("receipt", "transaction"):
            found.fault("content-type", node, "GET", value=1, count=None)
        with pytest.raises(MeterDataError, match="hold no OCMF record"):
            await meter.end(UUID)
        found.server.faults.clear()
        end = await meter.end(UUID)

    assert end.signed is not None


@virtual
async def test_a_cancelled_end_can_be_repeated() -> None:
    async with rig(signing_delay_s=2.0) as found:
        meter = await found.driver()
        await meter.begin(transaction())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.commands() == {"B": 1, "E": 1}
