"""When and how the clock of an EM580 is set."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from em580_rig import AWAKE, QUICK, UUID, now, rig, transaction

from meters.drivers.carlo_gavazzi_em580 import Config, create
from meters.errors import MeterRefused, MeterUnreachable
from meters.model import Quantity
from meters.ocmf import parse
from meters.simulators.em580 import OcmfState
from meters.simulators.faults import FaultKind


async def test_the_clock_is_set_before_a_transaction_and_not_during_one() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=30)
        await meter.read()
        assert found.asked(0x7032) == 1
        await meter.begin(transaction())
        restarted = found.driver(device_state_read_interval_ms=30)
        await restarted.read()
        await restarted.begin(transaction())

    assert found.asked(0x7032) == 1
    assert abs(found.device.moment().at - now()) < timedelta(seconds=2)


async def test_the_clock_is_set_again_when_the_meter_has_lost_it() -> None:
    async with rig() as found:
        meter = found.driver()
        await meter.read()
        found.device.reboot()
        await meter.begin(transaction())
        end = await meter.end(UUID)

    assert end.signed is not None
    record = parse(end.signed.document)
    assert record.begin is not None
    assert record.begin.clock == "S"


async def test_the_clock_is_set_again_after_an_outage() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=30)
        await meter.read()
        found.fault(FaultKind.SILENCE, count=2)
        with pytest.raises(MeterUnreachable):
            await meter.read()
        await asyncio.sleep(0.06)
        await meter.read()

    assert found.asked(0x7032) == 2


async def test_a_meter_that_has_just_started_gets_its_clock_a_little_later() -> None:
    settings = replace(AWAKE, clock_refusal=timedelta(milliseconds=120))
    async with rig(settings) as found:
        meter = found.driver()
        await meter.begin(transaction())

    assert found.device.state is OcmfState.RUNNING
    assert found.device.moment().synchronised


async def test_no_transaction_begins_on_a_clock_that_cannot_be_set() -> None:
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x7032, function=0x10, value=4, count=None)
        meter = found.driver()
        reading = await meter.read()
        with pytest.raises(MeterRefused, match="does not take the time"):
            await meter.begin(transaction())

    assert reading.value(Quantity.ENERGY_IMPORT) == 1637
    assert found.received("B") == 0


async def test_a_clock_set_earlier_is_good_enough_if_it_cannot_be_set_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with rig() as found:
        await found.driver().read()
        found.fault(FaultKind.EXCEPTION, register=0x7032, function=0x10, value=4, count=None)
        await found.driver().begin(transaction())

    assert found.device.state is OcmfState.RUNNING
    assert "older setting of the clock" in caplog.text


async def test_each_attempt_to_set_the_clock_takes_the_time_anew() -> None:
    moments = iter(datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in range(60))
    async with rig() as found:
        found.fault(FaultKind.SILENCE, register=0x7032, function=0x10)
        meter = create(Config(**QUICK), found.bus, now=lambda: next(moments))
        await meter.read()

    written = [r.values for r in found.line.requests if r.address == 0x7032 and r.function == 0x10]
    assert len(written) == 2
    assert written[1][0] > written[0][0]
