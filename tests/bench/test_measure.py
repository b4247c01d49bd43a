"""Each measurement runs in a quick form and gives figures that can be true; never how fast."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from chargepoint.bench import measure
from chargepoint.bench.measure_figures import Bound, Extent, Figure, percentile
from chargepoint.bench.measure_ledger import Exchange, Wire
from chargepoint.store import sqlite


class Shortest(Extent):
    """One of everything."""

    rounds = 1
    starts = 1
    sessions = 1
    swipes = 2
    window_s = 1.2
    settle_s = 0.2
    journal = 20
    offline = 600


@pytest.fixture
def extent(tmp_path: Path) -> Extent:
    return Shortest(folder=tmp_path, quick=True)


@pytest.fixture(autouse=True)
def _children_reaped() -> Iterator[None]:
    """The thread that waits for a child ends a moment after the child is known to have ended."""
    yield
    for thread in threading.enumerate():
        if thread.name.startswith("asyncio-waitpid"):
            thread.join(5)


async def test_wire_shares_are_parts_of_a_whole(extent: Extent) -> None:
    figures = await measure.measurement("wire")(extent)

    shares = [figure for figure in figures if figure.unit == "%"]
    times = [figure for figure in figures if figure.unit == "ms"]
    assert len(shares) == len(times) == 2
    assert all(0 < figure.value <= 100 for figure in shares)
    assert "11 requests" in times[0].beside
    assert "of it the record alone" in times[1].beside


async def test_an_idle_station_has_memory_and_works_a_little(extent: Extent) -> None:
    figures = await measure.measurement("memory")(extent)

    megabytes = [figure.value for figure in figures if figure.unit == "MB"]
    assert megabytes[1] < megabytes[0]
    assert all(1 < value < 1000 for value in megabytes)
    (core,) = (figure for figure in figures if figure.unit == "% of a core")
    assert 0 < core.value < 200
    (unwanted,) = (figure for figure in figures if "does not need" in figure.what)
    assert unwanted.beside == "none of cryptography, pymodbus, jsonschema, aiohttp"


async def test_a_station_starts_with_an_empty_and_with_a_full_journal(extent: Extent) -> None:
    figures = await measure.measurement("start")(extent)

    boot, accepted, imports, full = (figure.value for figure in figures)
    assert all(seconds > 0 for seconds in (imports, boot, full))
    assert boot < accepted
    assert "20 undelivered facts" in figures[3].what


async def test_sessions_without_a_csms_cost_disk_but_no_memory_and_nothing_that_counts(
    extent: Extent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "JOURNAL_MOST", 3_000)

    figures = await measure.measurement("offline")(extent)

    lost, memory, size, left = figures
    assert (lost.value, lost.beside) == (0, "600 begins, 600 ends, 600 records")
    assert memory.value < 8
    assert 1 < size.value < 32
    assert 10 < left.value < 50


async def test_composite_schedules_of_a_full_station_are_measured(extent: Extent) -> None:
    figures = await measure.measurement("profiles")(extent)

    assert [figure.goal for figure in figures] == [20, 20]
    assert all(figure.value > 0 for figure in figures)
    assert all("300 profiles" in figure.what for figure in figures)


async def test_no_meter_of_eight_starves_while_a_record_is_read(extent: Extent) -> None:
    figures = await measure.measurement("bus")(extent)

    during, alone, share, busy, size = figures
    assert alone.value > 0
    assert during.value > 0
    assert during.beside.count("meter") == alone.beside.count("meter") == 8
    assert 0 < share.value < 102
    assert 0 < busy.value <= 100
    assert "0 failed" in busy.beside
    assert size.met


@pytest.mark.parametrize("name", ["store", "codec", "ocmf"])
async def test_figures_are_above_nothing(extent: Extent, name: str) -> None:
    figures = await measure.measurement(name)(extent)

    assert figures
    assert all(figure.value > 0 for figure in figures)
    assert all(figure.beside for figure in figures)


async def test_a_swipe_is_seen_in_both_versions(extent: Extent) -> None:
    figures = await measure.measurement("swipe")(extent)

    authorize, start, authorize_201, started = (figure.value for figure in figures)
    assert 0 < authorize < start
    assert 0 < authorize_201 < started


def test_json_is_one_object_with_every_figure_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def one(_: Extent) -> list[Figure]:
        return [Figure(what="a thing", value=2.0, unit="s", goal=1.0)]

    monkeypatch.setattr(measure, "measurement", lambda _: one)

    code = measure.main(["--quick", "--json", "--only", "ocmf"])

    report = json.loads(capsys.readouterr().out)
    assert code == 0
    assert report["figures"]["ocmf"][0]["met"] is False
    assert "load average" in report["noise"]


def test_a_table_tells_goal_result_and_whether_it_was_met(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(_: Extent) -> list[Figure]:
        return [
            Figure(what="slow", value=2.0, unit="s", goal=1.0, elsewhere="3 s"),
            Figure(what="much", value=2.0, unit="%", goal=1.0, bound=Bound.AT_LEAST),
        ]

    monkeypatch.setattr(measure, "measurement", lambda _: two)

    measure.main(["--only", "store"])

    lines = capsys.readouterr().out.splitlines()
    slow = next(line for line in lines if line.startswith("slow"))
    much = next(line for line in lines if line.startswith("much"))
    assert slow.split()[1:] == ["2", "s", "<=", "1", "MISSED"]
    assert much.split()[1:] == ["2", "%", ">=", "1", "met"]
    assert "      elsewhere: 3 s" in lines


@pytest.mark.parametrize(
    ("share", "expected"), [(0.0, 1), (0.5, 50), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_one_of_the_values(share: float, expected: int) -> None:
    assert percentile(range(100, 0, -1), share) == expected


@pytest.mark.parametrize(("baudrate", "milliseconds"), [(9600, 281.2), (19_200, 140.6)])
def test_the_limit_of_a_read_is_its_bytes_and_two_silences(
    baudrate: int, milliseconds: float
) -> None:
    read = Exchange(0.0, 0.3, bytes.fromhex("01047110007d0000"), bytes(255))
    wire = Wire.at(baudrate)

    assert 1000 * wire.limit([read]) == pytest.approx(milliseconds, abs=0.06)
    assert wire.reaction([read]) == pytest.approx(0.3 - wire.limit([read]) + wire.gap_s)


@pytest.mark.parametrize(
    ("frame", "of_record", "of_poll"),
    [
        ("01047110007d", True, False),
        ("010478fe0001", True, False),
        ("010471010001", False, False),
        ("010400000034", False, True),
        ("011070400001", False, False),
        ("011071100001", False, False),
    ],
)
def test_requests_are_told_apart(frame: str, *, of_record: bool, of_poll: bool) -> None:
    request = Exchange(0.0, 0.0, bytes.fromhex(frame), b"")

    assert (request.of_record, request.of_poll) == (of_record, of_poll)
