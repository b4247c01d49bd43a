"""Extensions of vendors: registered, loaded from packages, slow."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from station_bench import Bench, station_bench

from chargepoint.core.facts import DataOffered
from chargepoint.errors import Refused
from chargepoint.station import vendors
from chargepoint.station.vendors import UnknownMessage, UnknownVendor


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with station_bench(tmp_path) as bench:
        yield bench


class Echo:
    """Sends back what it got."""

    def __init__(self, station: Any = None) -> None:
        self.station = station

    async def received(self, message_id: str | None, data: Any) -> Any:
        if message_id not in {None, "Echo"}:
            raise UnknownMessage("only Echo")
        return data


async def test_what_nobody_knows_is_refused_as_that(bench: Bench) -> None:
    bench.station.vendors.register("com.example", Echo())

    with pytest.raises(UnknownVendor):
        await bench.station.vendors.transfer("org.example", None, None)
    with pytest.raises(UnknownMessage):
        await bench.station.vendors.transfer("com.example", "Other", None)
    assert await bench.station.vendors.transfer("com.example", "Echo", [1]) == [1]


async def test_a_package_brings_its_extension_by_an_entry_point(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Point:
        loads = 0

        def load(self) -> type[Echo]:
            self.loads += 1
            return Echo

    point = Point()

    def points(*, group: str, name: str) -> list[Point]:
        return [point] if (group, name) == ("chargepoint.data_transfer", "com.example") else []

    monkeypatch.setattr(vendors, "entry_points", points)

    for _ in range(2):
        assert await bench.station.vendors.transfer("com.example", None, "x") == "x"

    assert point.loads == 1
    known = bench.station.vendors._known["com.example"]
    assert isinstance(known, Echo)
    assert known.station is bench.station


async def test_an_extension_that_does_not_answer_counts_as_no(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Silent:
        async def received(self, _message_id: str | None, _data: Any) -> Any:
            raise TimeoutError

    monkeypatch.setattr(vendors, "ANSWER_TIMEOUT_S", 0.01)
    bench.station.vendors.register("com.example", Silent())

    with pytest.raises(Refused, match="in time"):
        await bench.station.vendors.transfer("com.example", None, None)


async def test_what_waits_for_the_csms_has_a_bound(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vendors, "OFFERS_MOST", 2)
    for _ in range(2):
        bench.station.vendors.offer("com.example")

    with pytest.raises(Refused, match="wait already"):
        bench.station.vendors.offer("com.example")
    assert len(bench.facts(DataOffered)) == 2


@pytest.mark.parametrize(
    "offer", [("v" * 256, None, None), ("v", "m" * 51, None), ("v", None, "d" * 16_384)]
)
async def test_what_no_message_could_carry_is_refused(bench: Bench, offer: Any) -> None:
    with pytest.raises(Refused, match="characters"):
        bench.station.vendors.offer(*offer)
    assert bench.facts(DataOffered) == []
