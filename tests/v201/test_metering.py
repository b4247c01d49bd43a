"""Block J: readings as MeterValueType."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from fake_clock import START
from sample_facts import ENERGY, RECORD, idle_sample, reading

from chargepoint.core.model import Context, Sampled
from chargepoint.csms.profiles import CsmsProfile
from chargepoint.v201.metering import UNITS, meter_value, meter_values
from meters.model import Phase, Quantity, Reading, Sample, SignedReading

STANDARD = CsmsProfile()


def _value(*samples: Sample, measurands: tuple[str, ...], **more: Any) -> dict[str, Any]:
    taken = Reading(START, samples, more.pop("signed", None))
    sampled = Sampled(taken, Context.PERIODIC, measurands)
    return meter_value(sampled, with_key=False, profile=STANDARD)


@pytest.mark.spec("2.0.1", "J01.FR.02")
async def test_a_reading_of_an_idle_outlet_goes_to_meter_values(talk: Any) -> None:
    talk.bench.store.record(idle_sample("500.5"))

    (sent,) = await talk.tell()

    assert (sent.action, sent.payload) == (
        "MeterValues",
        {
            "evseId": 1,
            "meterValue": [
                {
                    "timestamp": "2026-03-01T10:00:00.000Z",
                    "sampledValue": [
                        {
                            "value": Decimal("500.5"),
                            "context": "Sample.Clock",
                            "measurand": "Energy.Active.Import.Register",
                            "location": "Outlet",
                            "unitOfMeasure": {"unit": "Wh"},
                        }
                    ],
                }
            ],
        },
    )


async def test_a_reading_without_values_is_not_told(talk: Any) -> None:
    empty = idle_sample()
    nothing = replace(empty.sampled.reading, samples=())
    talk.bench.store.record(replace(empty, sampled=replace(empty.sampled, reading=nothing)))

    assert await talk.tell() == []


PHASES = [
    (Quantity.VOLTAGE, "Voltage", Phase.L1, "L1-N"),
    (Quantity.VOLTAGE, "Voltage", Phase.L1_L2, "L1-L2"),
    (Quantity.CURRENT, "Current.Import", Phase.L3, "L3"),
    (Quantity.CURRENT, "Current.Import", Phase.N, "N"),
]


@pytest.mark.parametrize(("quantity", "measurand", "phase", "word"), PHASES)
def test_a_phase_is_named_as_the_schema_wants_it(
    quantity: Quantity, measurand: str, phase: Phase, word: str
) -> None:
    value = _value(Sample(quantity, Decimal(5), phase), measurands=(measurand,))

    assert value["sampledValue"][0]["phase"] == word


def test_a_total_has_no_phase() -> None:
    value = _value(Sample(Quantity.POWER, Decimal(5)), measurands=("Power.Active.Import",))

    assert "phase" not in value["sampledValue"][0]


def test_one_phase_may_be_asked_for() -> None:
    samples = [Sample(Quantity.VOLTAGE, Decimal(230), phase) for phase in (Phase.L1, Phase.L2)]

    value = _value(*samples, measurands=("Voltage.L2",))

    (one,) = value["sampledValue"]
    assert (one["measurand"], one["phase"]) == ("Voltage", "L2-N")


def test_import_and_export_are_told_of_one_signed_value() -> None:
    value = _value(
        Sample(Quantity.POWER, Decimal(-7000)),
        measurands=("Power.Active.Import", "Power.Active.Export"),
    )

    told = {one["measurand"]: one["value"] for one in value["sampledValue"]}
    assert told == {"Power.Active.Import": 0, "Power.Active.Export": 7000}


def test_values_come_in_the_order_of_the_measurands() -> None:
    value = _value(
        Sample(Quantity.POWER, Decimal(1)),
        Sample(Quantity.FREQUENCY, Decimal(50)),
        measurands=("Frequency", "Power.Active.Import"),
    )

    told = [one["measurand"] for one in value["sampledValue"]]
    assert told == ["Frequency", "Power.Active.Import"]


def test_a_factor_has_no_unit_and_everything_else_has_one() -> None:
    assert set(Quantity) - set(UNITS) == {Quantity.POWER_FACTOR}
    value = _value(Sample(Quantity.POWER_FACTOR, Decimal("0.98")), measurands=("Power.Factor",))
    assert "unitOfMeasure" not in value["sampledValue"][0]


@pytest.mark.spec("2.0.1", "J02.FR.21")
def test_the_signed_record_goes_with_the_total_of_the_register() -> None:
    value = _value(
        Sample(Quantity.ENERGY_IMPORT, Decimal(300), Phase.L1),
        Sample(Quantity.ENERGY_IMPORT, Decimal(900)),
        measurands=ENERGY,
        signed=RECORD,
    )

    signed = [one for one in value["sampledValue"] if "signedMeterValue" in one]
    assert [(one["value"], "phase" in one) for one in signed] == [(900, False)]


STATING = SignedReading(
    b'OCMF|{"RD":[{"TX":"B","RV":1.5,"RI":"1-b:1.8.0","RU":"kWh"},'
    b'{"TX":"E","RV":2.75,"RI":"1-b:1.8.0","RU":"kWh"},'
    b'{"TX":"E","RV":9,"RI":"1-b:2.8.0","RU":"kWh"},'
    b'{"TX":"E","RV":1.25,"RI":"01-00:B2.08.00*FF","RU":"kWh"}]}|{"SD":"00"}'
)
POWER = Sample(Quantity.POWER, Decimal(7000))


def test_a_register_that_the_reading_lacks_is_the_one_that_the_record_states() -> None:
    value = _value(measurands=ENERGY, signed=STATING)

    (one,) = value["sampledValue"]
    assert (one["value"], one["measurand"]) == (2750, "Energy.Active.Import.Register")
    assert one["signedMeterValue"]["encodingMethod"] == "OCMF"


@pytest.mark.parametrize(
    "record",
    [
        RECORD,
        replace(STATING, encoding="plain"),
        SignedReading(b"no record"),
        SignedReading(STATING.document.replace(b'"RU":"kWh"', b'"RU":"Ah"')),
        SignedReading(STATING.document.replace(b'"RI":', b'"EF":"E","RI":')),
    ],
)
def test_a_record_that_states_no_register_goes_with_what_else_was_measured(
    record: SignedReading,
) -> None:
    value = _value(POWER, measurands=(*ENERGY, "Power.Active.Import"), signed=record)

    (one,) = value["sampledValue"]
    assert (one["value"], one["measurand"]) == (7000, "Power.Active.Import")
    assert "signedMeterValue" in one


def test_a_record_without_any_number_goes_with_the_register_before_it() -> None:
    begin = Sampled(reading("900"), Context.BEGIN, ENERGY)
    last = Sampled(Reading(START, (), RECORD), Context.END, ENERGY)

    (value,) = meter_values((begin, last), with_key=False, profile=STANDARD)

    (one,) = value["sampledValue"]
    assert (one["value"], one["context"]) == (900, "Transaction.Begin")
    assert "signedMeterValue" in one


def test_a_number_that_nobody_measured_is_never_told(caplog: pytest.LogCaptureFixture) -> None:
    alone = Sampled(Reading(START, (), RECORD), Context.END, ENERGY)
    taken = Sampled(reading("900", signed=RECORD), Context.BEGIN, ENERGY)

    assert meter_values((alone,), with_key=False, profile=STANDARD) == []
    (value,) = meter_values((taken, alone), with_key=False, profile=STANDARD)

    assert [one["value"] for one in value["sampledValue"]] == [900]
    assert caplog.text.count("no measured value") == 2


def test_several_readings_keep_their_order_and_empty_ones_are_left_out() -> None:
    sampled = [Sampled(reading(str(wh)), Context.PERIODIC, ENERGY) for wh in (1, 2)]
    empty = Sampled(Reading(START), Context.PERIODIC, ENERGY)

    values = meter_values((sampled[0], empty, sampled[1]), with_key=False, profile=STANDARD)

    assert [value["sampledValue"][0]["value"] for value in values] == [1, 2]
