"""When an IEM-DCR is set to the time: idle, in time, and never in a transaction."""

from datetime import timedelta

import pytest
from iem_dcr_rig import EVSE, rig, virtual
from meter_bench import now, transaction

from meters.errors import MeterRefused


@virtual
async def test_a_power_cut_between_two_polls_is_noticed_by_the_clock() -> None:
    async with rig() as found:
        meter = await found.driver()
        await meter.read()
        found.device.reboot()
        assert found.device.gateway is None
        await meter.read()

    assert found.device.gateway is not None
    assert found.device.moment().letter == "I"


@virtual
async def test_the_clock_is_set_again_after_the_interval_and_not_before() -> None:
    async with rig(frozen_ci=EVSE) as found:
        meter = await found.driver(datetime_resync_interval=2)
        for _ in range(3):
            await meter.read()
        assert found.asked("POST", "datetime") == 1
        await found.later(7100)
        await meter.read()
        assert found.asked("POST", "datetime") == 1
        await found.later(200)
        await meter.read()

    assert found.asked("POST", "datetime") == 2


@virtual
async def test_the_clock_is_not_touched_in_a_transaction_and_set_right_after_it() -> None:
    async with rig() as found:
        meter = await found.driver(datetime_resync_interval=1)
        await meter.begin(transaction())
        await found.later(4000)
        for _ in range(3):
            await meter.read()
        assert found.asked("POST", "datetime") == 0
        await meter.end(transaction().transaction_id)
        await meter.read()

    assert found.asked("POST", "datetime") == 1


@virtual
async def test_a_refused_clock_is_tried_again_later_and_stops_no_reading() -> None:
    async with rig(frozen_ci=EVSE) as found:
        meter = await found.driver()
        found.fault("status", "datetime", "POST", value=428, count=100)
        for _ in range(5):
            assert (await meter.read()).samples
            await found.later(1)
        assert found.asked("POST", "datetime") == 1
        found.server.faults.clear()
        await found.later(60)
        await meter.read()

    assert found.asked("POST", "datetime") == 2
    assert found.device.moment().letter == "I"


@virtual
async def test_a_clock_that_drifted_is_right_when_a_transaction_begins() -> None:
    async with rig(frozen_ci=EVSE, clock_drift_s=900.0) as found:
        meter = await found.driver()
        await meter.begin(transaction())

    assert abs(found.device.moment().at - now()) < timedelta(seconds=2)


@virtual
async def test_nothing_begins_on_a_clock_that_cannot_be_set() -> None:
    async with rig(frozen_ci=EVSE) as found:
        meter = await found.driver()
        found.fault("status", "datetime", "POST", value=400, count=9)
        with pytest.raises(MeterRefused, match=r"does not take the time: .*status 400"):
            await meter.begin(transaction())

    assert found.commands() == {}


@virtual
async def test_an_older_setting_of_the_clock_will_do(caplog: pytest.LogCaptureFixture) -> None:
    async with rig() as found:
        meter = await found.driver(datetime_resync_interval=1)
        await meter.read()
        await found.later(4000)
        found.fault("status", "datetime", "POST", value=400, count=9)
        await meter.begin(transaction())

    assert "older setting of the clock" in caplog.text


@virtual
async def test_a_clock_that_the_meter_calls_not_set_is_set_at_once() -> None:
    async with rig() as found:
        meter = await found.driver(CI="1234")
        await meter.read()
        found.device.reboot()
        await found.later(61)
        await meter.read()

    assert found.asked("POST", "datetime") == 2
    assert found.device.moment().letter == "I"
