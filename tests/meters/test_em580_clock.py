"""When and how the clock of an EM580 is set."""

import asyncio
import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from em580_rig import AWAKE, QUICK, UUID, now, rig, transaction

from meters.api import SigningMeter
from meters.drivers.carlo_gavazzi_em580 import Config, create
from meters.errors import MeterRefused, MeterUnreachable
from meters.model import Quantity
from meters.ocmf import parse
from meters.simulators.em580 import Behaviour, OcmfState
from meters.simulators.faults import FaultKind


async def test_the_clock_is_set_before_a_transaction_and_not_during_one() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=30)
        await meter.read()
        assert found.written(0x7032) == 1
        await meter.begin(transaction())
        restarted = found.driver(device_state_read_interval_ms=30)
        await restarted.read()
        await restarted.begin(transaction())

    assert found.written(0x7032) == 1
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

    assert found.written(0x7032) == 2


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


async def test_a_clock_that_falls_due_in_a_transaction_is_set_at_the_first_look_after_it() -> None:
    always = {"clock_sync_interval_h": 0, "device_state_read_interval_ms": 0}
    settings = replace(AWAKE, behaviour=Behaviour(locked_clock=4))
    async with rig(settings) as found:
        meter = found.driver(**always)
        await meter.begin(transaction())
        before = found.written(0x7032)
        for _ in range(3):
            await meter.read()
        during = found.written(0x7032)
        await meter.end(UUID)
        await meter.read()
        after = found.written(0x7032)

    assert (during - before, after - during) == (0, 1)


async def test_sessions_back_to_back_leave_no_clock_unset() -> None:
    async with rig() as found:
        meter = found.driver(clock_sync_interval_h=0)
        for number in range(3):
            await meter.begin(transaction(f"{number}"))
            await meter.end(f"{number}")
            await meter.release(f"{number}")

    assert found.written(0x7032) == 3


async def test_a_clock_set_lately_is_left_alone() -> None:
    async with rig() as found:
        meter = found.driver(device_state_read_interval_ms=0)
        for number in range(3):
            await meter.begin(transaction(f"{number}"))
            await meter.end(f"{number}")
            await meter.release(f"{number}")
            await meter.read()

    assert found.written(0x7032) == 1


@pytest.mark.parametrize("told", [True, False])
async def test_a_clock_that_is_wrong_is_set_although_it_was_set_lately(*, told: bool) -> None:
    minutes = 0
    async with rig() as found:
        if not told:
            found.fault(FaultKind.EXCEPTION, register=0x7060, value=2, count=None)
        meter = create(Config(**QUICK), found.bus, now=lambda: now() + timedelta(minutes=minutes))
        assert isinstance(meter, SigningMeter)
        await meter.read()
        minutes = 20  # a station without a battery learns the time after its start
        await meter.begin(transaction())
        shown = found.device.moment().at

    assert found.written(0x7032) == 2
    assert abs(shown - now() - timedelta(minutes=20)) < timedelta(seconds=2)


class Unconfirmed:
    """A time that nobody has confirmed yet."""

    def __call__(self) -> datetime:
        return now()

    def confirmed(self) -> bool:
        return False


async def test_a_clock_that_nobody_calls_set_is_set_before_the_time_is_confirmed() -> None:
    """Firmware without the word for it: only a clock that says it is set is left alone."""
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x7060, value=2, count=None)
        meter = create(Config(**QUICK), found.bus, now=Unconfirmed())
        assert isinstance(meter, SigningMeter)
        for number in range(2):
            await meter.begin(transaction(f"{number}"))
            await meter.end(f"{number}")
            await meter.release(f"{number}")

    assert found.written(0x7032) == 1


async def test_a_new_time_zone_waits_for_the_end_of_the_transaction() -> None:
    async with rig() as found:
        await found.driver(timezone_offset_minutes=60).begin(transaction())
        restarted = found.driver(timezone_offset_minutes=-90, device_state_read_interval_ms=0)
        await restarted.read()
        during = found.device.moment().offset_min
        end = await restarted.end(UUID)
        await restarted.read()
        after = found.device.moment().offset_min

    assert (during, after) == (60, -90)
    assert end.signed is not None
    assert b"+0100 S" in end.signed.document


async def test_a_clock_that_cannot_be_set_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "meters")
    async with rig() as found:
        found.fault(FaultKind.EXCEPTION, register=0x7032, function=0x10, value=4, count=None)
        meter = found.driver(device_state_read_interval_ms=0)
        for _ in range(3):
            await meter.read()

    assert found.written(0x7032) == 3
    assert caplog.text.count("does not take the time") == 1
