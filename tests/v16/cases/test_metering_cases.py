"""Test cases of OCPP 1.6: sampled and clock-aligned readings (TC_070, TC_071)."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from case_rig import Case
from words_16 import CARD, Open, Payload, configure, said, started

from meters.model import Phase, Quantity, Sample

ENERGY, POWER = "Energy.Active.Import.Register", "Power.Active.Import"
QUARTER, HOUR = 900, 3600
TWO = (("sType2",), ("sType2",))


def reading(values: Payload) -> Payload:
    """The one reading of a MeterValues."""
    (one,) = values["meterValue"]
    return dict(one)


def times(values: list[Payload]) -> list[str]:
    """When they were taken, without the date."""
    return [str(reading(one)["timestamp"])[11:] for one in values]


def plain(one: Payload) -> dict[str, str]:
    """The values of a reading that are no signed record, by measurand and phase."""
    return {
        ".".join(filter(None, (value["measurand"], value.get("phase")))): value["value"]
        for value in one["sampledValue"]
        if value["format"] == "Raw"
    }


@pytest.mark.spec("1.6", "TC_070_CS")
@pytest.mark.spec("1.6", "MeterValueSampleInterval")
@pytest.mark.spec("1.6", "MeterValuesSampledData")
async def test_sampled_readings(open_case: Open) -> None:
    async with open_case() as run:
        run.meters[1].more = (Sample(Quantity.VOLTAGE, Decimal(231), Phase.L1),)
        await configure(
            run,
            MeterValueSampleInterval=60,
            MeterValuesSampledData=f"{ENERGY},{POWER},Voltage",
            StopTxnSampledData=ENERGY,
        )
        run.answers("StartTransaction", started(4711))
        await run.advance(7)
        await _begin(run)
        values = []
        for minute in (1, 2, 3):
            run.meters[1].energy_wh = Decimal(1000 + 100 * minute)
            run.meters[1].power_w = Decimal(6000)
            await run.advance(60)
            values += run.take("MeterValues")
        await run.swipe(CARD)
        stop = said(run, "StopTransaction")
        await run.advance(61)

        assert times(values) == ["10:01:07.000Z", "10:02:07.000Z", "10:03:07.000Z"]
        assert {(one["connectorId"], one["transactionId"]) for one in values} == {(1, 4711)}
        assert [plain(reading(one)) for one in values] == [
            {ENERGY: energy, POWER: "6000", "Voltage.L1-N": "231"}
            for energy in ("1100", "1200", "1300")
        ]
        assert _contexts(values) == {"Sample.Periodic"}
        first, last = stop["transactionData"][0], stop["transactionData"][-1]
        assert (plain(first), plain(last)) == ({ENERGY: "1000"}, {ENERGY: "1300"})
        assert _contexts([{"meterValue": [first]}]) == {"Transaction.Begin"}
        assert _contexts([{"meterValue": [last]}]) == {"Transaction.End"}
        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "TC_070_CS")
@pytest.mark.spec("1.6", "MeterValueSampleInterval")
async def test_no_sampled_readings_without_an_interval(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, MeterValueSampleInterval=0, ClockAlignedDataInterval=0)
        await _begin(run)

        await run.advance(QUARTER + 1)

        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "TC_071_CS")
@pytest.mark.spec("1.6", "ClockAlignedDataInterval")
@pytest.mark.spec("1.6", "MeterValuesAlignedData")
async def test_clock_aligned_readings_of_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            ClockAlignedDataInterval=QUARTER,
            MeterValuesAlignedData=f"{ENERGY},{POWER}",
            MeterValueSampleInterval=0,
            StopTxnAlignedData=ENERGY,
        )
        run.answers("StartTransaction", started(4711))
        await run.advance(7)
        await _begin(run)
        run.meters[1].energy_wh = Decimal(1500)
        await run.advance(2 * QUARTER)
        values = run.take("MeterValues")

        assert times(values) == ["10:15:00.000Z", "10:30:00.000Z"]
        assert {(one["connectorId"], one["transactionId"]) for one in values} == {(1, 4711)}
        assert plain(reading(values[0])) == {ENERGY: "1500", POWER: "0"}
        assert _contexts(values) == {"Sample.Clock"}


@pytest.mark.spec("1.6", "TC_071_CS")
@pytest.mark.spec("1.6", "ClockAlignedDataInterval")
async def test_clock_aligned_readings_of_idle_connectors(open_case: Open) -> None:
    async with open_case(connectors=TWO) as run:
        await configure(run, ClockAlignedDataInterval=QUARTER, MeterValuesAlignedData=ENERGY)
        run.take()
        await run.advance(QUARTER)
        values = run.take("MeterValues")

        assert sorted(one["connectorId"] for one in values) == [1, 2]
        assert times(values) == ["10:15:00.000Z"] * 2
        assert not any("transactionId" in one for one in values)


@pytest.mark.spec("1.6", "9.1.4")
@pytest.mark.spec("1.6", "ClockAlignedDataInterval")
@pytest.mark.parametrize(("day", "hour"), [(1, 21), (2, 0), (2, 7)])
async def test_the_grid_begins_anew_at_midnight(open_case: Open, day: int, hour: int) -> None:
    async with open_case() as run:
        run.clock.set_wall(datetime(2026, 3, day, hour, tzinfo=UTC) - timedelta(seconds=20))
        await configure(run, ClockAlignedDataInterval=7 * HOUR, MeterValuesAlignedData=ENERGY)
        run.take()

        await run.advance(19)
        early = run.take("MeterValues")
        await run.advance(1)

        assert early == []
        taken = reading(said(run, "MeterValues"))["timestamp"]
        assert taken == f"2026-03-0{day}T{hour:02}:00:00.000Z"


@pytest.mark.spec("1.6", "TC_071_CS")
async def test_a_slow_meter_moves_no_reading_off_the_grid(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            ClockAlignedDataInterval=QUARTER,
            MeterValuesAlignedData=ENERGY,
            MeterValueSampleInterval=0,
            HeartbeatInterval=HOUR,
        )
        await _begin(run)
        run.meters[1].read_takes_s = 0.4

        await run.advance(2 * QUARTER + 1)

        assert times(run.take("MeterValues")) == ["10:15:00.000Z", "10:30:00.000Z"]


@pytest.mark.spec("1.6", "TC_070_CS")
@pytest.mark.spec("1.6", "TC_071_CS")
async def test_both_kinds_at_one_moment_are_two_readings(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            ClockAlignedDataInterval=QUARTER,
            MeterValuesAlignedData=ENERGY,
            MeterValueSampleInterval=QUARTER,
        )
        await _begin(run)

        await run.advance(QUARTER)

        values = run.take("MeterValues")
        assert times(values) == ["10:15:00.000Z"] * 2
        assert [_contexts([one]) for one in values] == [{"Sample.Clock"}, {"Sample.Periodic"}]


async def _begin(run: Case) -> None:
    """A transaction whose begin is of no interest."""
    await run.charge(CARD)
    run.take()


def _contexts(values: list[dict[str, Any]]) -> set[str]:
    readings = (one for told in values for one in told["meterValue"])
    return {value["context"] for one in readings for value in one["sampledValue"]}
