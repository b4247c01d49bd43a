"""A short soak, and what its figures make of what was measured; ``scripts/soak`` takes an hour."""

import asyncio
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from soak import soak
from soak_figures import (
    QUANTITIES,
    Quantity,
    Sample,
    Verdict,
    growth,
    plot,
    table,
    verdicts,
    write_csv,
)

SECONDS = 15.0
EVERY_S = 1.0


def samples(many: int, **rising: float) -> list[Sample]:
    """One per second; a quantity that is named gains so much in each."""
    names = [quantity.name for quantity in QUANTITIES]
    return [
        {"seconds": float(at), **{name: 100 + rising.get(name, 0) * at for name in names}}
        for at in range(many)
    ]


def test_a_station_under_faults_loses_nothing() -> None:
    result = asyncio.run(soak("2.0.1", SECONDS, EVERY_S, seed=3))

    assert result.books.wrong == []
    assert result.books.transactions > 0
    assert result.books.transactions == result.books.records
    assert len(result.samples) > 3
    assert result.samples[-1]["sessions"] > result.samples[0]["sessions"]
    assert all(
        result.samples[-1][one] > 0 for one in ("pss", "rss", "heap", "tasks", "used", "database")
    )


def test_what_stays_is_flat() -> None:
    assert all(verdict.flat for verdict in verdicts(samples(100)))


def test_what_grows_is_not_flat() -> None:
    grown = [one.quantity.name for one in verdicts(samples(100, rss=50, tasks=1)) if not one.flat]

    assert grown == ["rss", "tasks"]


def test_growth_before_the_second_half_does_not_count() -> None:
    early = [{**one, "rss": min(one["seconds"], 50) * 100} for one in samples(100)]

    assert all(verdict.flat for verdict in verdicts(early))


def test_growth_is_that_of_the_line_that_fits_best() -> None:
    assert growth(samples(11, rss=3), "rss") == pytest.approx(30)
    assert growth(samples(1), "rss") == 0.0


def test_a_verdict_says_growth_and_bound() -> None:
    assert "GROWS" in str(Verdict(Quantity("rss", "KiB", 10), 11.0, 11.0))
    assert "bound 10 KiB: flat" in str(Verdict(Quantity("rss", "KiB", 10), 9.0, 11.0))


def test_a_step_below_what_it_had_been_is_no_growth() -> None:
    steps = [
        {**one, "rss": 9000.0 * (one["seconds"] in {*range(9), *range(90, 99)})}
        for one in samples(99)
    ]

    (verdict,) = (one for one in verdicts(steps) if one.quantity.name == "rss")
    assert verdict.growth > 1024
    assert verdict.flat


def test_of_what_comes_and_goes_the_least_counts() -> None:
    """One moment in each ten minutes shows what is never let go of."""
    many = samples(600)
    busy = [{**one, "blocks": 225_000 if one["seconds"] % 120 == 5 else 600_000} for one in many]
    more = [{**one, "blocks": 225_000 + 100 * one["seconds"]} for one in many]

    assert [one.flat for one in verdicts(busy) if one.quantity.name == "blocks"] == [True]
    assert [one.flat for one in verdicts(more) if one.quantity.name == "blocks"] == [False]


def test_the_table_ends_with_the_last_sample() -> None:
    lines = list(table(samples(1000)))

    assert lines[0].split()[0] == "seconds"
    assert lines[-1].split()[0] == "999"
    assert len(lines) < 30


def test_the_file_has_every_sample(tmp_path: Path) -> None:
    write_csv(tmp_path / "soak.csv", samples(7))

    assert len((tmp_path / "soak.csv").read_text().splitlines()) == 8


def test_the_plot_has_a_strip_for_each_quantity() -> None:
    drawing = ET.fromstring(plot(samples(9), "an <hour>"))  # noqa: S314 - our own text

    lines = [one for one in drawing if one.tag.endswith("polyline")]
    assert len(lines) == len(QUANTITIES)
    assert all(len(line.attrib["points"].split()) == 9 for line in lines)
