"""What of a reading belongs into a message, and when the next aligned one is due."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from chargepoint.core.model import Context, Sampled
from chargepoint.core.sampling import (
    ENERGY,
    MEASURANDS,
    asked,
    next_aligned,
    plain,
    select,
    values,
    without_phases,
)
from meters.model import Phase, Quantity, Reading, Sample, SignedReading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
TOTAL = Sample(Quantity.ENERGY_IMPORT, Decimal(1000))
POWER = Sample(Quantity.POWER, Decimal(-5))
L1 = Sample(Quantity.VOLTAGE, Decimal(230), Phase.L1)
L2 = Sample(Quantity.VOLTAGE, Decimal(231), Phase.L2)
SIGNED = SignedReading(b"OCMF|{}|{}")
READING = Reading(NOW, (TOTAL, POWER, L1, L2), SIGNED)


@pytest.mark.parametrize(
    ("measurands", "kept"),
    [
        ((ENERGY,), (TOTAL,)),
        (("Voltage",), (L1, L2)),
        (("Voltage.L1",), (L1, L2)),
        (("Power.Active.Import", ENERGY), (TOTAL, POWER)),
        (("Frequency",), ()),
    ],
    ids=["energy", "voltage", "voltage of one phase", "two", "not measured"],
)
def test_select_keeps_the_quantities_asked_for(
    measurands: tuple[str, ...], kept: tuple[Sample, ...]
) -> None:
    (sampled,) = select(READING, Context.PERIODIC, measurands)

    assert sampled == Sampled(Reading(NOW, kept), Context.PERIODIC, measurands)


BY_PHASE = Sample(Quantity.ENERGY_IMPORT, Decimal(300), Phase.L1)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ((ENERGY,), [TOTAL]),
        ((f"{ENERGY}.L1", ENERGY), [TOTAL]),
        (("Voltage", ENERGY), [L1, TOTAL]),
    ],
    ids=["register", "a phase of it", "others"],
)
def test_a_register_may_be_told_without_its_phases(
    asked: tuple[str, ...], told: list[Sample]
) -> None:
    reading = Reading(NOW, (TOTAL, BY_PHASE, L1), SIGNED)
    assert [s for _, s in values(Sampled(reading, Context.PERIODIC, (ENERGY,)))] == [
        TOTAL,
        BY_PHASE,
    ]

    (sampled,) = select(reading, Context.PERIODIC, without_phases(asked), signed=True)

    assert list(values(sampled)) == [
        (ENERGY if sample is TOTAL else "Voltage", sample) for sample in told
    ]


@pytest.mark.parametrize("measurands", [(), ("SoC",)], ids=["nothing", "nothing known"])
def test_select_of_nothing_is_nothing(measurands: tuple[str, ...]) -> None:
    assert select(READING, Context.PERIODIC, measurands) == ()


@pytest.mark.spec("2.0.1", "J02.FR.21")
@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        ((), (ENERGY,)),
        ((ENERGY,), (ENERGY,)),
        (("Voltage",), (ENERGY, "Voltage")),
        (("Voltage", ENERGY), ("Voltage", ENERGY)),
    ],
)
def test_a_signed_record_brings_its_energy_register_along(
    asked: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    (sampled,) = select(READING, Context.END, asked, signed=True)

    assert sampled.measurands == wanted
    assert sampled.reading.signed is SIGNED
    assert sampled.reading.value(Quantity.ENERGY_IMPORT) == 1000


def test_nothing_is_added_where_there_is_no_record() -> None:
    plain_reading = Reading(NOW, (TOTAL, L1))

    assert select(plain_reading, Context.END, (), signed=True) == ()
    (sampled,) = select(plain_reading, Context.END, ("Voltage",), signed=True)
    assert sampled.reading.samples == (L1,)


@pytest.mark.parametrize(
    ("value", "imported", "exported"),
    [("7", "7", "0"), ("-7", "0", "7"), ("0", "0", "0"), ("-0.0", "0.0", "0.0")],
)
def test_import_and_export_are_two_views_of_one_signed_value(
    value: str, imported: str, exported: str
) -> None:
    sample = Sample(Quantity.CURRENT, Decimal(value), Phase.L3)

    seen = _told(("Current.Import", "Current.Export"), sample)

    assert [str(sample.value) for _, sample in seen] == [imported, exported]
    assert all(sample.phase is Phase.L3 for _, sample in seen)


def test_a_sample_of_something_else_is_not_told() -> None:
    assert _told(("Voltage",), TOTAL) == []


def test_what_no_meter_measures_is_not_told() -> None:
    assert asked("SoC") is None
    assert _told(("SoC", ENERGY), TOTAL) == [(ENERGY, TOTAL)]


def test_a_register_is_told_as_it_is() -> None:
    ((measurand, sample),) = _told((ENERGY,), TOTAL)

    assert measurand == ENERGY
    assert sample is TOTAL


def test_a_measurand_with_a_phase_means_this_one_only() -> None:
    assert _told(("Voltage.L2",), L1, L2) == [("Voltage", L2)]
    assert _told(("Voltage",), L1, L2) == [("Voltage", L1), ("Voltage", L2)]


def _told(names: tuple[str, ...], *samples: Sample) -> list[tuple[str, Sample]]:
    return list(values(Sampled(Reading(NOW, samples), Context.PERIODIC, names)))


@pytest.mark.parametrize("name", MEASURANDS)
def test_plain_takes_off_a_phase_and_nothing_else(name: str) -> None:
    assert plain(name) == name
    assert plain(f"{name}.L2") == name
    assert plain(f"{name}.N") == name


GRID = [
    ("10:00:00", 900, "10:15:00"),
    ("10:14:59.999999", 900, "10:15:00"),
    ("10:15:00", 900, "10:30:00"),
    ("23:59:59", 900, "next 00:00:00"),
    ("00:00:00", 7, "00:00:07"),
    ("23:59:57", 7, "next 00:00:00"),
    ("12:00:00", 86400, "next 00:00:00"),
    ("12:00:00", 100000, "next 00:00:00"),
]


@pytest.mark.spec("2.0.1", "J01.FR.06")
@pytest.mark.parametrize(("now", "seconds", "due"), GRID)
def test_aligned_instants_count_from_midnight(now: str, seconds: int, due: str) -> None:
    today = datetime.fromisoformat(f"2026-03-01T{now}+00:00")
    day, _, clock = due.rpartition(" ")
    expected = datetime.fromisoformat(f"2026-03-0{2 if day else 1}T{clock}+00:00")

    assert next_aligned(today, timedelta(seconds=seconds)) == expected


def test_midnight_is_that_of_utc_wherever_the_clock_is() -> None:
    summer = timezone(timedelta(hours=2))
    now = datetime(2026, 7, 1, 0, 30, tzinfo=summer)

    assert next_aligned(now, timedelta(hours=5)) == datetime(2026, 7, 1, 0, tzinfo=UTC)
