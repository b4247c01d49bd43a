import json
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from chargepoint.core.facts import MeterSampled
from chargepoint.core.model import Context, Sampled
from chargepoint.core.sampling import ENERGY
from chargepoint.csms.profiles import PROFILES, CsmsProfile, SignedForm
from chargepoint.csms.schemas import Schemas
from chargepoint.v16.metering import meter_value, meter_values
from meters.model import Phase, Quantity, Reading, Sample, SignedReading

TAKEN_AT = datetime(2026, 3, 1, 10, 15, tzinfo=UTC)
# A point on secp256r1 as the meter gives it.
POINT = (
    "04D0B9A12AD3434FE066CEB80CE4224883438C365BA2896F2D9047089A60DC99E1"
    "293E0C2530D9FD6F296C442BE6412F7BAA5F6F94063C56BF589A646895BD8166"
)
SIGNED = SignedReading(b'OCMF|{"RV":1251.890}|{"SD":"00"}', public_key=POINT)
TOTAL = Sample(Quantity.ENERGY_IMPORT, Decimal("1251.890"))


def sampled(
    *samples: Sample,
    measurands: tuple[str, ...],
    signed: SignedReading | None = None,
    context: Context = Context.PERIODIC,
) -> Sampled:
    return Sampled(Reading(TAKEN_AT, samples, signed), context, measurands)


def values(
    it: Sampled, *, with_key: bool = False, profile: CsmsProfile | None = None
) -> list[dict[str, Any]]:
    """The sampled values of one reading, which must be legal."""
    value = meter_value(it, with_key=with_key, profile=profile or CsmsProfile())
    Schemas("1.6").request("MeterValues", {"connectorId": 1, "meterValue": [value]})
    assert value["timestamp"] == "2026-03-01T10:15:00.000Z"
    told: list[dict[str, Any]] = value["sampledValue"]
    return told


@pytest.mark.spec("1.6", "7.31")
@pytest.mark.parametrize(
    ("measurand", "sample", "told"),
    [
        (ENERGY, TOTAL, {"value": "1251.890", "unit": "Wh"}),
        (
            "Energy.Active.Export.Register",
            Sample(Quantity.ENERGY_EXPORT, Decimal("0.10")),
            {"value": "0.10", "unit": "Wh"},
        ),
        (
            "Power.Active.Import",
            Sample(Quantity.POWER, Decimal("1E+4")),
            {"value": "10000", "unit": "W"},
        ),
        (
            "Power.Active.Import",
            Sample(Quantity.POWER, Decimal(-500)),
            {"value": "0", "unit": "W"},
        ),
        (
            "Power.Active.Export",
            Sample(Quantity.POWER, Decimal("-500.5")),
            {"value": "500.5", "unit": "W"},
        ),
        (
            "Power.Reactive.Import",
            Sample(Quantity.REACTIVE_POWER, Decimal(7)),
            {"value": "7", "unit": "var"},
        ),
        ("Power.Factor", Sample(Quantity.POWER_FACTOR, Decimal("0.98")), {"value": "0.98"}),
        (
            "Voltage",
            Sample(Quantity.VOLTAGE, Decimal("230.1"), Phase.L1),
            {"value": "230.1", "unit": "V", "phase": "L1-N"},
        ),
        (
            "Voltage",
            Sample(Quantity.VOLTAGE, Decimal(400), Phase.L2_L3),
            {"value": "400", "unit": "V", "phase": "L2-L3"},
        ),
        (
            "Current.Import",
            Sample(Quantity.CURRENT, Decimal("15.999"), Phase.L3),
            {"value": "15.999", "unit": "A", "phase": "L3"},
        ),
        (
            "Current.Export",
            Sample(Quantity.CURRENT, Decimal(-2), Phase.L1),
            {"value": "2", "unit": "A", "phase": "L1"},
        ),
        ("Frequency", Sample(Quantity.FREQUENCY, Decimal("50.01")), {"value": "50.01"}),
        (
            "Temperature",
            Sample(Quantity.TEMPERATURE, Decimal("31.5")),
            {"value": "31.5", "unit": "Celcius"},
        ),
    ],
)
def test_a_sample_is_told_with_measurand_phase_and_unit(
    measurand: str, sample: Sample, told: dict[str, str]
) -> None:
    (value,) = values(sampled(sample, measurands=(measurand,)))

    assert value == {
        "context": "Sample.Periodic",
        "format": "Raw",
        "location": "Outlet",
        "measurand": measurand,
        **told,
    }


@pytest.mark.spec("1.6", "7.35")
@pytest.mark.parametrize("context", list(Context))
def test_every_context_has_its_word(context: Context) -> None:
    (value,) = values(sampled(TOTAL, measurands=(ENERGY,), context=context))

    assert value["context"] == str(context)


@pytest.mark.spec("1.6", "9.1.20")
@pytest.mark.parametrize(
    ("measurand", "phases"), [("Voltage", ["L1-N", "L2-N"]), ("Voltage.L2", ["L2-N"])]
)
def test_a_measurand_with_a_phase_means_this_phase_only(measurand: str, phases: list[str]) -> None:
    both = (
        Sample(Quantity.VOLTAGE, Decimal(230), Phase.L1),
        Sample(Quantity.VOLTAGE, Decimal(231), Phase.L2),
    )

    told = values(sampled(*both, measurands=(measurand,)))

    assert [value["phase"] for value in told] == phases
    assert {value["measurand"] for value in told} == {"Voltage"}


def test_the_signed_record_comes_before_its_plain_value() -> None:
    signed, plain = values(sampled(TOTAL, measurands=(ENERGY,), signed=SIGNED))

    assert {name: signed[name] for name in signed if name != "value"} == {
        "context": "Sample.Periodic",
        "format": "SignedData",
        "measurand": ENERGY,
        "location": "Outlet",
        "unit": "kWh",
    }
    assert (plain["format"], plain["value"]) == ("Raw", "1251.890")


def test_the_signed_record_comes_last_for_a_csms_that_reads_only_the_first_value() -> None:
    power = Sample(Quantity.POWER, Decimal(11000))
    it = sampled(TOTAL, power, measurands=(ENERGY, "Power.Active.Import"), signed=SIGNED)

    told = values(it, profile=PROFILES["citrineos"])

    assert [value["format"] for value in told] == ["Raw", "Raw", "SignedData"]
    assert told[0]["measurand"] == ENERGY


@pytest.mark.parametrize("with_key", [False, True])
def test_the_container_has_four_members_and_the_key_only_if_asked_for(*, with_key: bool) -> None:
    signed, _ = values(sampled(TOTAL, measurands=(ENERGY,), signed=SIGNED), with_key=with_key)

    container = json.loads(signed["value"])
    assert list(container) == ["signedMeterData", "signingMethod", "encodingMethod", "publicKey"]
    assert container["encodingMethod"] == "OCMF"
    assert bool(container["publicKey"]) is with_key


def test_a_csms_that_wants_the_plain_record_gets_its_very_text() -> None:
    profile = CsmsProfile(signed_form=SignedForm.RECORD)

    signed, _ = values(sampled(TOTAL, measurands=(ENERGY,), signed=SIGNED), profile=profile)

    assert signed["value"] == 'OCMF|{"RV":1251.890}|{"SD":"00"}'


def test_a_record_without_a_plain_value_stands_alone() -> None:
    (signed,) = values(sampled(measurands=(ENERGY,), signed=SIGNED))

    assert signed["format"] == "SignedData"


def test_a_reading_that_says_nothing_is_left_out() -> None:
    empty = sampled(TOTAL, measurands=("Voltage",))
    full = sampled(TOTAL, measurands=(ENERGY,))

    told = meter_values((empty, full), with_key=False, profile=CsmsProfile())

    assert len(told) == 1


@pytest.mark.spec("1.6", "4.7")
async def test_a_reading_outside_a_transaction_names_none(bench: Any, now: datetime) -> None:
    it = sampled(TOTAL, measurands=(ENERGY,), context=Context.CLOCK)

    await bench.deliver_fact(MeterSampled(2, now, it))

    (told,) = bench.csms.said("MeterValues")
    assert told["connectorId"] == 2
    assert "transactionId" not in told
    assert told["meterValue"][0]["sampledValue"][0]["context"] == "Sample.Clock"


async def test_a_reading_without_anything_asked_for_is_no_message(
    bench: Any, now: datetime
) -> None:
    it = replace(sampled(TOTAL, measurands=()))

    await bench.deliver_fact(MeterSampled(1, now, it))

    assert bench.csms.sent == []
