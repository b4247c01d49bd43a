"""Transactions of an EM580 when answers, power, adapters or processes are lost."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from em580_rig import AWAKE, OTHER, QUICK, TIMEOUT_MS, UUID, charged, now, rig, transaction

from meters.api import SigningMeter
from meters.drivers.carlo_gavazzi_em580 import Config, create
from meters.drivers.carlo_gavazzi_em580.device import Device
from meters.drivers.carlo_gavazzi_em580.layout import Command
from meters.errors import MeterRefused, MeterUnreachable
from meters.line import SerialBusConfig
from meters.modbus import ModbusBus, ModbusUnit, UnexpectedAnswer
from meters.model import OpenTransaction, Quantity
from meters.ocmf import parse
from meters.simulators.em580 import Behaviour, Em580, OcmfState
from meters.simulators.faults import FaultKind
from meters.simulators.line import PtyLine


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.BAD_CRC, FaultKind.TRUNCATED])
async def test_a_begin_whose_answer_was_lost_is_not_given_twice(kind: FaultKind) -> None:
    async with rig(pty=True) as found:
        meter = found.driver()
        await meter.identify()
        found.fault(kind, command="B")
        reading = await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert found.received("B") == 1


async def test_a_begin_that_never_arrived_can_be_repeated() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.SILENCE, command="B")
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.begin(transaction())
        assert await meter.open_transaction() is None
        await meter.begin(transaction())

    assert found.received("B") == 1


async def test_a_begin_whose_reading_fails_is_completed_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.fault(FaultKind.SILENCE, register=0x0500, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.begin(transaction())
        assert found.device.state is OcmfState.RUNNING
        reading = await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert found.received("B") == 1


async def test_a_bad_id_is_refused_before_anything_is_asked() -> None:
    async with rig() as found:
        with pytest.raises(MeterRefused, match="transaction id"):
            await found.driver().begin(transaction("a|b"))

    assert not found.line.requests


async def test_a_transaction_that_is_being_signed_is_not_begun_again() -> None:
    async with rig(replace(AWAKE, signing_delay=timedelta(seconds=5))) as found:
        meter = found.driver(ready_timeout_s=0.05)
        await meter.begin(transaction())
        with pytest.raises(MeterUnreachable, match="not signed"):
            await meter.end(UUID)
        with pytest.raises(MeterRefused, match="is over"):
            await meter.begin(transaction())


async def test_the_answer_to_something_else_leaves_a_command_in_doubt() -> None:
    class Confused:
        async def write(self, *_: object, **__: object) -> None:
            raise UnexpectedAnswer("the answer does not fit the question")

    device = Device(cast("ModbusUnit", Confused()), attempts=3)

    with pytest.raises(MeterUnreachable, match="does not fit"):
        await device.command(Command.BEGIN)


@pytest.mark.parametrize("command", ["B", "E"])
async def test_a_late_answer_to_a_command_is_not_taken_for_another(command: str) -> None:
    async with rig(pty=True) as found:
        meter = found.driver()
        await meter.identify()
        found.fault(FaultKind.LATE, command=command)
        await meter.begin(transaction())
        end = await meter.end(UUID)

    assert end.signed is not None
    assert (found.received("B"), found.received("E")) == (1, 1)


async def test_a_begin_that_the_meter_declines_is_refused() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, command="B", value=4)
        with pytest.raises(MeterRefused, match=r"declines to begin.*device failure"):
            await meter.begin(transaction())

    assert found.device.state is OcmfState.NOT_READY


async def test_a_begin_that_the_meter_takes_without_effect_is_refused() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.identify()
        found.device.override(0x7100, [0])
        with pytest.raises(MeterRefused, match=r"took the begin, but its state is NOT_READY"):
            await meter.begin(transaction())

    assert found.received("B") == 1


async def test_a_field_that_the_meter_declines_is_named() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, register=0x701C, value=3)
        with pytest.raises(MeterRefused, match=r"not take the charge point.*illegal data"):
            await meter.begin(transaction())

    assert found.received("B") == 0


async def test_a_busy_meter_is_given_the_command_again() -> None:
    async with rig() as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, command="B", value=6)
        await meter.begin(transaction())
        found.fault(FaultKind.EXCEPTION, command="E", value=6)
        await meter.end(UUID)

    assert (found.received("B"), found.received("E")) == (1, 1)


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.BAD_CRC, FaultKind.TRUNCATED])
async def test_an_end_whose_answer_was_lost_is_not_given_twice(kind: FaultKind) -> None:
    async with rig(pty=True) as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(kind, command="E")
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.received("E") == 1


async def test_an_end_that_never_arrived_is_given_by_the_next_call() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, command="E")
        with pytest.raises(MeterUnreachable, match="does not show"):
            await meter.end(UUID)
        assert found.received("E") == 0
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.received("E") == 1


async def test_without_a_charging_status_the_end_is_still_given_once() -> None:
    async with rig(replace(AWAKE, signing_delay=timedelta(seconds=0.6))) as found:
        meter = found.driver()
        found.fault(FaultKind.EXCEPTION, register=0x7045, value=2, count=None)
        await meter.begin(transaction())
        found.fault(FaultKind.LOST_REPLY, command="E")
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.device.memory.executed["E"] == 1
    assert found.asked(0x7045) == 1


async def test_a_meter_that_hides_its_signing_and_its_status_is_understood() -> None:
    behaviour = Behaviour(hides_signing=True)
    delay = timedelta(seconds=0.5)
    async with rig(replace(AWAKE, behaviour=behaviour, signing_delay=delay)) as found:
        found.fault(FaultKind.EXCEPTION, register=0x7045, value=2, count=None)
        meter = found.driver(ready_timeout_s=0.1)
        await meter.begin(transaction())
        with pytest.raises(MeterUnreachable, match="not signed within"):
            await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.received("E") == 1


@pytest.mark.parametrize("kind", [FaultKind.LOST_REPLY, FaultKind.SILENCE, FaultKind.BAD_CRC])
async def test_a_release_whose_answer_was_lost_is_done(kind: FaultKind) -> None:
    async with rig(pty=True) as found:
        meter = found.driver()
        await meter.begin(transaction())
        await meter.end(UUID)
        found.fault(kind, command="confirm")
        await meter.release(UUID)

    assert found.device.state is OcmfState.NOT_READY
    assert found.device.memory.executed["confirm"] == 1


async def test_a_cancelled_end_can_be_repeated() -> None:
    async with rig(replace(AWAKE, signing_delay=timedelta(seconds=0.5))) as found:
        meter = found.driver()
        await meter.begin(transaction())
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await meter.end(UUID)
        end = await meter.end(UUID)

    assert end.signed is not None
    assert found.received("E") == 1


async def test_a_power_cut_of_the_meter_leaves_a_record_that_end_only_fetches() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        await charged(found.device)
        await meter.read()
        found.device.reboot()
        end = await meter.end(UUID)

    assert end.signed is not None
    record = parse(end.signed.document)
    assert record.end is not None
    assert record.end.cause == "P"
    assert record.end.energy_wh == end.value(Quantity.ENERGY_IMPORT)
    assert found.received("E") == 0


async def test_a_session_that_survived_the_cut_is_ended_in_the_ordinary_way() -> None:
    async with rig(replace(AWAKE, behaviour=Behaviour(resumes=True))) as found:
        await found.driver().begin(transaction())
        found.device.reboot()
        restarted = found.driver()
        open_one = await restarted.open_transaction()
        end = await restarted.end(UUID)

    assert open_one == OpenTransaction(UUID, running=True)
    assert end.signed is not None


@pytest.mark.parametrize("transaction_id", [UUID, "4711", "Zm9vYmFyYmF6cXV4+/==", "x" * 36])
async def test_another_process_finds_and_ends_what_runs(transaction_id: str) -> None:
    async with rig() as found:
        await found.driver().begin(transaction(transaction_id, tariff_text="a<=>b " * 60))
        restarted = found.driver()
        held = await restarted.open_transaction()
        end = await restarted.end(transaction_id)

    assert held == OpenTransaction(transaction_id, running=True)
    assert end.signed is not None


async def test_another_process_finds_and_fetches_what_waits() -> None:
    async with rig() as found:
        first = found.driver()
        await first.begin(transaction())
        before = await first.end(UUID)
        restarted = found.driver()
        held = await restarted.open_transaction()
        after = await restarted.end(UUID)
        await found.driver().release(UUID)

    assert held == OpenTransaction(UUID, running=False)
    assert after == before
    assert found.device.state is OcmfState.NOT_READY


async def test_an_unread_record_survives_a_power_cut(tmp_path: Path) -> None:
    settings = replace(AWAKE, state_file=tmp_path / "meter.json")
    async with rig(settings) as found:
        meter = found.driver()
        await meter.begin(transaction())
        before = await meter.end(UUID)
    async with rig(settings) as found:
        after = await found.driver().end(UUID)

    assert after.signed == before.signed


@pytest.mark.parametrize("tariff", ["", "no marker"])
async def test_a_foreign_record_is_held_until_it_is_asked_for_without_id(tariff: str) -> None:
    async with rig() as found:
        unit = found.bus.unit(1)
        words = tariff.encode() + bytes(2 - len(tariff) % 2)
        await unit.write(
            0x6900, [int.from_bytes(words[i : i + 2]) for i in range(0, len(words), 2)]
        )
        await unit.write(0x7040, [ord("B")])
        meter = found.driver()
        running = await meter.open_transaction()
        with pytest.raises(MeterRefused, match="of unknown id"):
            await meter.begin(transaction())
        with pytest.raises(MeterRefused, match="of unknown id"):
            await meter.end(UUID)
        end = await meter.end("")
        waiting = await meter.open_transaction()
        await meter.release(UUID)
        assert found.device.state is OcmfState.READY
        await meter.release("")

    assert running == OpenTransaction("", running=True)
    assert waiting == OpenTransaction("", running=False)
    assert end.signed is not None
    assert found.device.state is OcmfState.NOT_READY


async def test_a_meter_that_ends_a_transaction_by_itself_is_noticed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = f"transaction {UUID} was ended by the meter itself, which holds its record"
    async with rig() as found:
        meter = found.driver(monitor_transaction_state=True, device_state_read_interval_ms=0)
        await meter.begin(transaction())
        await meter.read()
        assert found.complaints == ()
        found.device.reboot()
        await meter.read()
        await meter.read()
        assert found.complaints == (told,)
        end = await meter.end(UUID)
        assert found.complaints == ()

    assert end.signed is not None
    assert caplog.text.count(told) == 1


async def test_a_transaction_that_left_no_record_is_told_until_the_next_one() -> None:
    async with rig() as found:
        meter = found.driver(monitor_transaction_state=True, device_state_read_interval_ms=0)
        await meter.begin(transaction())
        found.device.reboot()
        await found.bus.unit(1).write(0x7100, [0])  # another master takes the record away
        await meter.read()
        assert "keeps no record of it" in found.complaints[0]
        with pytest.raises(MeterRefused, match="holds no record"):
            await meter.end(UUID)
        await meter.begin(transaction(OTHER))
        assert found.complaints == ()


async def test_nobody_looks_for_an_end_that_is_not_wanted_to_be_watched() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        await meter.begin(transaction())
        await meter.read()
        found.line.requests.clear()
        found.device.reboot()
        await meter.read()

    assert found.asked(0x7100) == 0
    assert found.complaints == ()


async def test_a_transaction_outlives_an_adapter_that_was_pulled(tmp_path: Path) -> None:
    device = Em580(AWAKE)
    async with PtyLine({1: device}, tmp_path / "ttyUSB0") as line:
        config = SerialBusConfig(port=line.port, baudrate=115200, timeout_ms=TIMEOUT_MS)
        async with ModbusBus(config) as bus:
            meter = create(Config(**QUICK), bus, now=now)
            assert isinstance(meter, SigningMeter)
            await meter.begin(transaction())
            line.unplug()
            with pytest.raises(MeterUnreachable, match="ttyUSB0"):
                await meter.end(UUID)
            line.plug_in()
            await asyncio.sleep(0.45)  # the back-off of the port
            end = await meter.end(UUID)

            assert end.signed is not None
            assert bus.counters.reopened == 1


async def test_an_end_on_a_dead_meter_fails_soon() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.begin(transaction())
        found.fault(FaultKind.SILENCE, count=None)
        started = asyncio.get_running_loop().time()
        with pytest.raises(MeterUnreachable, match="no answer within"):
            await meter.end(UUID)

    assert asyncio.get_running_loop().time() - started < 5 * TIMEOUT_MS / 1000
