"""What is measured when, and which of it is in which message (1.6 section 9.1, errata v4.0)."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from decimal import Decimal
from typing import Any

import pytest
from case_rig import Case
from key_talk import change, choose, contexts, measurands, sampled, value

from meters.model import Phase, Quantity, Sample

Open = Callable[..., AbstractAsyncContextManager[Case]]

ENERGY, POWER, VOLTAGE = "Energy.Active.Import.Register", "Power.Active.Import", "Voltage"

# At first no readings but those that a test asks for.
QUIET = {"MeterValueSampleInterval": "0", "StartTxnSampledData": "", "StopTxnSampledData": ""}

LISTS = ("MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData")
LISTS += ("StopTxnAlignedData",)


def moments(messages: list[dict[str, Any]]) -> list[str]:
    """The times of readings, without the date."""
    return [one["timestamp"][11:19] for message in messages for one in message["meterValue"]]


async def stopped(run: Case) -> dict[str, Any]:
    """End the transaction; the message that tells it."""
    await run.unplug()
    (stop,) = run.take("StopTransaction")
    return stop


@pytest.mark.spec("1.6", "MeterValueSampleInterval")
async def test_readings_come_at_the_interval_and_none_with_zero(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, MeterValueSampleInterval="40")
        await run.charge()
        run.take()

        await run.advance(100)
        assert moments(run.take("MeterValues")) == ["10:00:40", "10:01:20"]

        await choose(run, MeterValueSampleInterval="30")
        await run.advance(60)
        assert moments(run.take("MeterValues")) == ["10:02:00", "10:02:30"]

        await choose(run, MeterValueSampleInterval="0")
        await run.advance(600)
        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "MeterValuesSampledData")
async def test_periodic_readings_have_the_measurands_asked_for(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        run.meters[1].more = tuple(
            Sample(Quantity.VOLTAGE, Decimal(230 + number), phase)
            for number, phase in enumerate((Phase.L1, Phase.L2, Phase.L3))
        )
        await choose(run, MeterValueSampleInterval="60", MeterValuesSampledData=f"{POWER},{ENERGY}")
        await run.charge()
        run.take()

        await run.advance(60)
        (told,) = run.take("MeterValues")
        assert measurands(told) == [POWER, ENERGY]
        assert {one["context"] for one in sampled(told)} == {"Sample.Periodic"}

        await choose(run, MeterValuesSampledData=f"{VOLTAGE}.L2")
        await run.advance(60)
        (told,) = run.take("MeterValues")
        assert [(one["phase"], one["value"]) for one in sampled(told)] == [("L2-N", "231")]

        await choose(run, MeterValuesSampledData="")
        await run.advance(60)
        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "ClockAlignedDataInterval")
async def test_aligned_readings_come_at_multiples_after_midnight(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        await run.advance(130)
        await choose(run, ClockAlignedDataInterval="300")
        run.take()

        await run.advance(600)
        told = run.take("MeterValues")
        assert moments(told) == ["10:05:00", "10:10:00"]
        assert {one["context"] for message in told for one in sampled(message)} == {"Sample.Clock"}

        await choose(run, ClockAlignedDataInterval="0")
        await run.advance(600)
        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "MeterValuesAlignedData")
async def test_aligned_readings_have_the_measurands_asked_for(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, ClockAlignedDataInterval="60", MeterValuesAlignedData=POWER)
        await run.advance(60)
        assert [measurands(told) for told in run.take("MeterValues")] == [[POWER]]

        await run.charge()
        await choose(run, MeterValuesAlignedData=f"{ENERGY},{POWER}")
        await run.advance(60)
        (told,) = run.take("MeterValues")
        assert told["transactionId"] == 1
        assert measurands(told) == [ENERGY, POWER]

        await choose(run, MeterValuesAlignedData="")
        await run.advance(60)
        assert run.take("MeterValues") == []


@pytest.mark.spec("1.6", "StartTxnSampledData")
@pytest.mark.parametrize("wanted", [[ENERGY, POWER], [POWER], []])
async def test_begin_values_follow_the_start_if_any_are_asked_for(
    open_case: Open, wanted: list[str]
) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, StartTxnSampledData=",".join(wanted))
        run.take()

        await run.charge()

        sent = [one for one in run.take() if one.action in {"StartTransaction", "MeterValues"}]
        assert sent[0].action == "StartTransaction"
        assert [measurands(one.payload) for one in sent[1:]] == ([wanted] if wanted else [])
        for one in sent[1:]:
            assert {v["context"] for v in sampled(one.payload)} == {"Transaction.Begin"}


@pytest.mark.spec("1.6", "StopTxnSampledData")
@pytest.mark.parametrize("wanted", [[ENERGY], [POWER, ENERGY], [POWER]])
async def test_begin_and_end_in_the_final_message_have_the_measurands(
    open_case: Open, wanted: list[str]
) -> None:
    async with open_case(settings={**QUIET, "SampledDataSignReadings": "false"}) as run:
        await choose(run, StopTxnSampledData=",".join(wanted))
        await run.charge()
        run.meters[1].energy_wh += 5000

        stop = await stopped(run)

        assert contexts(stop) == ["Transaction.Begin", "Transaction.End"]
        assert measurands(stop, "transactionData") == wanted


@pytest.mark.spec("1.6", "StopTxnSampledData")
@pytest.mark.spec("1.6", "StopTxnAlignedData")
async def test_without_measurands_the_final_message_has_no_readings(open_case: Open) -> None:
    async with open_case(settings={"SampledDataSignReadings": "false"}) as run:
        await choose(
            run, StopTxnSampledData="", StopTxnAlignedData="", ClockAlignedDataInterval="60"
        )
        await run.charge()
        await run.advance(600)

        assert "transactionData" not in await stopped(run)


@pytest.mark.spec("1.6", "StopTxnAlignedData")
async def test_aligned_readings_are_in_the_final_message_as_well(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, ClockAlignedDataInterval="120", StopTxnAlignedData=f"{POWER},{ENERGY}")
        await choose(run, MeterValuesAlignedData="", StopTxnSampledData=ENERGY)
        await run.charge()
        await run.advance(250)

        stop = await stopped(run)

        assert contexts(stop) == [
            "Transaction.Begin",
            "Sample.Clock",
            "Sample.Clock",
            "Transaction.End",
        ]
        kept = stop["transactionData"][1:3]
        assert [moment["timestamp"][11:19] for moment in kept] == ["10:02:00", "10:04:00"]
        assert measurands({"transactionData": kept}, "transactionData") == [POWER, ENERGY]


@pytest.mark.spec("1.6", "StopTxnAlignedDataInterval")
async def test_the_final_message_may_have_another_aligned_interval(open_case: Open) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, ClockAlignedDataInterval="60", StopTxnAlignedData=ENERGY)
        assert await value(run, "StopTxnAlignedDataInterval") == "60"
        await choose(run, StopTxnAlignedDataInterval="150")
        await run.charge()
        run.take()
        await run.advance(310)

        assert len(run.take("MeterValues")) == 5
        assert contexts(await stopped(run)).count("Sample.Clock") == 2

        await choose(run, StopTxnAlignedDataInterval="0")
        await run.charge()
        await run.advance(310)
        assert "Sample.Clock" not in contexts(await stopped(run))


@pytest.mark.spec("1.6", "StopTxnSampledData")
async def test_what_is_asked_for_at_the_end_is_measured_at_the_interval(open_case: Open) -> None:
    settings = {**QUIET, "MeterValuesSampledData": ENERGY, "SampledDataSignReadings": "false"}
    del settings["StopTxnSampledData"]
    async with open_case(settings=settings) as run:
        await choose(run, MeterValueSampleInterval="60")
        await run.charge()
        await run.advance(190)
        assert contexts(await stopped(run)) == ["Transaction.Begin", "Transaction.End"]

        await choose(run, StopTxnSampledData=f"{POWER},{ENERGY}")
        await run.restart()
        await run.charge()
        await run.advance(190)
        stop = await stopped(run)
        assert contexts(stop)[1:-1] == ["Sample.Periodic"] * 3
        assert measurands(stop, "transactionData") == [POWER, ENERGY]


@pytest.mark.spec("1.6", "StopTxnSampledDataInterval")
async def test_the_final_message_may_have_readings_of_the_whole_transaction(
    open_case: Open,
) -> None:
    async with open_case(settings=QUIET) as run:
        await choose(run, StopTxnSampledData=ENERGY, StopTxnSampledDataInterval="100")
        await run.charge()
        run.take()
        await run.advance(250)
        assert run.take("MeterValues") == []

        stop = await stopped(run)

        assert contexts(stop).count("Sample.Periodic") == 2


@pytest.mark.spec("1.6", "StopTransactionMaxMeterValues")
async def test_the_final_message_has_at_most_so_many_readings_and_both_ends(
    open_case: Open,
) -> None:
    async with open_case(settings=QUIET) as run:
        most = int(await value(run, "StopTransactionMaxMeterValues"))
        assert await change(run, "StopTransactionMaxMeterValues", "5") == "Rejected"
        await choose(run, StopTxnSampledData=ENERGY, StopTxnSampledDataInterval="1")
        await run.charge()
        await run.advance(most + 20)

        told = contexts(await stopped(run))

        assert 100 < len(told) <= most
        assert (told[0], told[-1]) == ("Transaction.Begin", "Transaction.End")


@pytest.mark.spec("1.6", "MeterValuesSampledDataMaxLength")
@pytest.mark.spec("1.6", "MeterValuesAlignedDataMaxLength")
@pytest.mark.spec("1.6", "StopTxnSampledDataMaxLength")
@pytest.mark.spec("1.6", "StopTxnAlignedDataMaxLength")
@pytest.mark.parametrize("key", LISTS)
async def test_a_list_holds_as_many_items_as_it_says_and_no_more(open_case: Open, key: str) -> None:
    names = [f"{VOLTAGE}.L{n}" for n in (1, 2, 3)] + [f"Current.Import.L{n}" for n in (1, 2, 3)]
    names += [f"Power.Factor.L{n}" for n in (1, 2, 3)] + [
        f"Power.Active.Import.L{n}" for n in (1, 2, 3)
    ]
    names += [ENERGY, "Frequency", "Temperature", VOLTAGE, POWER, "Current.Import", "Power.Factor"]
    names += ["Current.Export", "Power.Active.Export", "Current.Export.L1", "Current.Export.L2"]
    async with open_case() as run:
        most = int(await value(run, f"{key}MaxLength"))
        assert await change(run, f"{key}MaxLength", "3") == "Rejected"

        assert await change(run, key, ",".join(names[:most])) == "Accepted"
        assert await change(run, key, ",".join(names[: most + 1])) == "Rejected"

        assert len(names) > most
        assert await value(run, key) == ",".join(names[:most])
        assert await change(run, key, f"{ENERGY},RPM") == "Rejected"
        assert await value(run, key) == ",".join(names[:most])
