"""Block J, case by case: meter values, seen by the CSMS of a whole station."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from case_rig import Case
from fake_clock import START

from meters.model import Phase, Quantity, Sample

Open = Callable[..., AbstractAsyncContextManager[Case]]
Payload = dict[str, Any]

BOTH = "Energy.Active.Import.Register,Power.Active.Import"
TWO_OUTLETS = (("cType2",), ("cType2",))


async def configure(run: Case, **values: str) -> None:
    """Set variables as a CSMS does; ``AlignedDataCtrlr__Interval`` names one."""
    items = [
        {
            "component": {"name": name.split("__")[0]},
            "variable": {"name": name.split("__")[1]},
            "attributeValue": value,
        }
        for name, value in values.items()
    ]
    answer = await run.ask("SetVariables", setVariableData=items)
    assert {one["attributeStatus"] for one in answer["setVariableResult"]} == {"Accepted"}


def at(seconds: int) -> str:
    moment = START + timedelta(seconds=seconds)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def told(value: Payload) -> tuple[str, set[str], set[str]]:
    """Of one MeterValueType: its time, its contexts, its measurands."""
    samples = value["sampledValue"]
    contexts = {sample["context"] for sample in samples}
    return value["timestamp"], contexts, {sample["measurand"] for sample in samples}


def of_context(event: Payload, context: str) -> list[Payload]:
    """The MeterValueTypes of an event that were taken for this reason."""
    values = event.get("meterValue", [])
    return [value for value in values if value["sampledValue"][0]["context"] == context]


async def ended(run: Case) -> Payload:
    """The vehicle leaves its place: the last event of its transaction."""
    await run.unplug()
    events = run.take("TransactionEvent")
    (last,) = [event for event in events if event["eventType"] == "Ended"]
    return last


def keys(values: list[Payload]) -> list[str]:
    """The public keys in them, all of which are signed."""
    registers = [
        sample
        for value in values
        for sample in value["sampledValue"]
        if sample["measurand"] == "Energy.Active.Import.Register"
    ]
    assert len(registers) == len(values)
    return [sample["signedMeterValue"]["publicKey"] for sample in registers]


@pytest.mark.spec("2.0.1", "TC_J_01_CS")
async def test_an_idle_outlet_is_read_on_the_grid_of_the_clock(open_case: Open) -> None:
    async with open_case(connectors=TWO_OUTLETS) as run:
        await run.advance(7)
        await configure(run, AlignedDataCtrlr__Interval="60", AlignedDataCtrlr__Measurands=BOTH)
        run.take()

        await run.advance(180)

        sent = run.take("MeterValues")
        both = set(BOTH.split(","))
        for evse_id in (1, 2):
            values = [one["meterValue"] for one in sent if one["evseId"] == evse_id]
            assert [told(value) for (value,) in values] == [
                (at(seconds), {"Sample.Clock"}, both) for seconds in (60, 120, 180)
            ]


@pytest.mark.spec("2.0.1", "TC_J_02_CS")
async def test_a_busy_outlet_is_told_in_its_transaction_an_idle_one_beside(open_case: Open) -> None:
    async with open_case(connectors=TWO_OUTLETS) as run:
        await configure(
            run,
            AlignedDataCtrlr__Interval="60",
            AlignedDataCtrlr__Measurands=BOTH,
            AlignedDataCtrlr__SendDuringIdle="false",
        )
        transaction = await run.charge(evse=1)
        run.take()

        await run.advance(180)

        sent, both = run.take(), set(BOTH.split(","))
        events = [
            one.payload
            for one in sent
            if one.action == "TransactionEvent"
            and one.payload["triggerReason"] == "MeterValueClock"
        ]
        idle = [one.payload for one in sent if one.action == "MeterValues"]
        expected = [(at(seconds), {"Sample.Clock"}, both) for seconds in (60, 120, 180)]
        assert [told(value) for event in events for value in event["meterValue"]] == expected
        assert {event["eventType"] for event in events} == {"Updated"}
        assert {event["transactionInfo"]["transactionId"] for event in events} == {transaction}
        assert [told(value) for one in idle for value in one["meterValue"]] == expected
        assert {one["evseId"] for one in idle} == {2}


@pytest.mark.spec("2.0.1", "TC_J_03_CS")
async def test_aligned_values_for_the_end_come_with_the_end(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            AlignedDataCtrlr__TxEndedInterval="60",
            AlignedDataCtrlr__TxEndedMeasurands=BOTH,
            AlignedDataCtrlr__SendDuringIdle="false",
        )
        await run.advance(7)
        await run.charge()
        await run.advance(180)

        values = of_context(await ended(run), "Sample.Clock")

        assert [told(value) for value in values] == [
            (at(seconds), {"Sample.Clock"}, set(BOTH.split(","))) for seconds in (60, 120, 180)
        ]


@pytest.mark.spec("2.0.1", "TC_J_04_CS")
@pytest.mark.parametrize(
    ("policy", "has_key"),
    [
        ("Never", [False, False]),
        ("OncePerTransaction", [False, False]),  # the one key goes with the end of the transaction
        ("EveryMeterValue", [True, True]),
    ],
)
async def test_aligned_values_for_the_end_may_be_signed(
    policy: str, has_key: list[bool], open_case: Open
) -> None:
    async with open_case(start=False) as run:
        run.meters[1].signs_readings = True
        await run.start()
        await configure(
            run,
            AlignedDataCtrlr__TxEndedInterval="60",
            AlignedDataCtrlr__TxEndedMeasurands=BOTH,
            AlignedDataCtrlr__SendDuringIdle="false",
            AlignedDataCtrlr__SignReadings="true",
            OCPPCommCtrlr__PublicKeyWithSignedMeterValue=policy,
        )
        await run.charge()
        await run.advance(120)

        values = of_context(await ended(run), "Sample.Clock")

        assert [told(value)[0] for value in values] == [at(60), at(120)]
        assert [bool(key) for key in keys(values)] == has_key


@pytest.mark.spec("2.0.1", "TC_J_07_CS")
async def test_the_first_event_holds_the_begin(open_case: Open) -> None:
    async with open_case() as run:
        await configure(run, SampledDataCtrlr__TxStartedMeasurands=BOTH)
        run.meters[1].energy_wh = Decimal("1234.5")
        run.take()

        await run.charge()

        (started,) = [e for e in run.take("TransactionEvent") if e["eventType"] == "Started"]
        (value,) = started["meterValue"]
        assert told(value) == (at(0), {"Transaction.Begin"}, set(BOTH.split(",")))
        assert value["sampledValue"][0]["value"] == 1234.5


async def test_the_register_is_told_without_phases_if_the_csms_wants_it(open_case: Open) -> None:
    async with open_case() as run:
        run.meters[1].more = (Sample(Quantity.ENERGY_IMPORT, Decimal(300), Phase.L1),)
        await run.charge()
        await run.advance(60)
        before = run.take("TransactionEvent")[-1]

        await configure(run, SampledDataCtrlr__RegisterValuesWithoutPhases="true")
        await run.advance(60)
        after = run.take("TransactionEvent")[-1]
        last = await ended(run)

        assert phases(before) == [None, "L1"]
        assert phases(after) == [None]
        assert set(phases(last)) == {None}


def phases(event: Payload) -> list[str | None]:
    """Of the energy registers in an event."""
    samples = [sample for value in event["meterValue"] for sample in value["sampledValue"]]
    return [s.get("phase") for s in samples if s["measurand"] == "Energy.Active.Import.Register"]


@pytest.mark.spec("2.0.1", "TC_J_09_CS")
async def test_values_come_every_so_often_during_a_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run,
            SampledDataCtrlr__TxUpdatedInterval="40",
            SampledDataCtrlr__TxUpdatedMeasurands=BOTH,
        )
        await run.advance(7)
        await run.charge()
        run.take()

        await run.advance(120)

        events = run.take("TransactionEvent")
        assert {(e["eventType"], e["triggerReason"]) for e in events} == {
            ("Updated", "MeterValuePeriodic")
        }
        assert [told(value) for event in events for value in event["meterValue"]] == [
            (at(7 + seconds), {"Sample.Periodic"}, set(BOTH.split(",")))
            for seconds in (40, 80, 120)
        ]


@pytest.mark.spec("2.0.1", "TC_J_10_CS")
async def test_the_last_event_holds_values_of_the_whole_transaction(open_case: Open) -> None:
    async with open_case() as run:
        await configure(
            run, SampledDataCtrlr__TxEndedInterval="40", SampledDataCtrlr__TxEndedMeasurands=BOTH
        )
        await run.advance(7)
        await run.charge()
        await run.advance(100)

        last = await ended(run)

        both = set(BOTH.split(","))
        assert [told(value) for value in of_context(last, "Sample.Periodic")] == [
            (at(47), {"Sample.Periodic"}, both),
            (at(87), {"Sample.Periodic"}, both),
        ]
        (end,) = of_context(last, "Transaction.End")
        assert told(end) == (at(107), {"Transaction.End"}, both)
        times = [datetime.fromisoformat(value["timestamp"]) for value in last["meterValue"]]
        assert times == sorted(times)


@pytest.mark.spec("2.0.1", "TC_J_11_CS")
@pytest.mark.parametrize(
    ("policy", "has_key"),
    [("Never", False), ("OncePerTransaction", True), ("EveryMeterValue", True)],
)
async def test_the_end_is_signed(policy: str, has_key: bool, open_case: Open) -> None:  # noqa: FBT001
    async with open_case() as run:
        await configure(
            run,
            SampledDataCtrlr__TxEndedInterval="40",
            SampledDataCtrlr__TxEndedMeasurands=BOTH,
            SampledDataCtrlr__SignReadings="true",
            OCPPCommCtrlr__PublicKeyWithSignedMeterValue=policy,
        )
        await run.charge()
        await run.advance(100)

        last = await ended(run)

        end = of_context(last, "Transaction.End")
        assert [told(value)[0] for value in of_context(last, "Sample.Periodic")] == [at(40), at(80)]
        assert len(end) == 1
        assert [bool(key) for key in keys(end)] == [has_key]
        assert told(end[0])[2] == set(BOTH.split(","))


@pytest.mark.spec("2.0.1", "TC_J_11_CS")
async def test_a_meter_that_signs_readings_signs_all_that_the_end_holds(open_case: Open) -> None:
    async with open_case(start=False) as run:
        run.meters[1].signs_readings = True
        await run.start()
        await configure(
            run,
            SampledDataCtrlr__TxEndedInterval="40",
            SampledDataCtrlr__TxEndedMeasurands=BOTH,
            SampledDataCtrlr__SignReadings="true",
            OCPPCommCtrlr__PublicKeyWithSignedMeterValue="EveryMeterValue",
        )
        await run.charge()
        await run.advance(100)

        last = await ended(run)

        periodic = of_context(last, "Sample.Periodic")
        assert len(periodic) == 2
        assert all(keys(periodic))
