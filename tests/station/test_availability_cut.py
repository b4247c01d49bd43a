"""A change of availability that concerns several EVSEs is done as a whole or not at all."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from station_bench import Bench, station_bench

from chargepoint.core.availability import AvailabilityJob
from chargepoint.core.model import Scope
from chargepoint.errors import StoreError
from chargepoint.store.sqlite import Store

THREE = (("cType2",), ("cType2", "cType2"), ("cType2",))


def scopes(bench: Bench) -> list[set[Scope]]:
    return [set(bench.state(evse_id).inoperative) for evse_id in bench.meters]


@pytest.mark.parametrize("number", [1, 2, 3])
async def test_a_station_that_a_cut_left_half_inoperative_is_so_as_a_whole_after_it(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        commit = Store.commit

        def committing(self: Store, state: Any, facts: Any, **more: Any) -> None:
            if state.evse_id == number:
                raise StoreError("the power is gone")
            commit(self, state, facts, **more)

        patched.setattr(Store, "commit", committing)
        async with station_bench(tmp_path, connectors=THREE) as bench:
            changing = asyncio.create_task(bench.station.set_availability(operative=False))
            await bench.clock.settle()
            assert not changing.done()
            changing.cancel()

    async with station_bench(tmp_path, connectors=THREE, running=True) as bench:
        assert scopes(bench) == [{Scope.STATION}] * 3
        assert bench.store.jobs.get("availability", AvailabilityJob) is None


async def test_a_disk_that_refuses_the_whole_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("disk full")

    async with station_bench(tmp_path, connectors=THREE) as bench:
        monkeypatch.setattr(bench.store, "commit_job", refuse)

        with pytest.raises(StoreError, match="disk full"):
            await bench.station.set_availability(operative=False)

        assert scopes(bench) == [set()] * 3


async def test_a_cancelled_call_does_not_leave_it_half_done(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=THREE) as bench:
        changing = asyncio.create_task(bench.station.set_availability(operative=False))
        await asyncio.sleep(0)
        changing.cancel()
        await bench.clock.settle()

        assert changing.cancelled()
        assert scopes(bench) == [{Scope.STATION}] * 3


async def test_thoroughly_operative_undoes_what_was_set_for_parts(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=THREE) as bench:
        await bench.station.set_availability(operative=False, evse_id=2)
        await bench.station.set_availability(operative=False, evse_id=2, connector_id=2)
        await bench.station.set_availability(operative=False)

        await bench.station.set_availability(operative=True, thorough=True)

        assert scopes(bench) == [set()] * 3
        assert not bench.state(2).closed
