"""What the process says of itself: it must notice what would grow."""

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from served_station import Served, serve

from chargepoint.local.metrics import render
from chargepoint.local.process_metrics import of_process


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as it:
        yield it


async def told(state: Path) -> dict[str, float]:
    lines = render(of_process(state)).splitlines()
    pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
    return {series: float(value) for series, _, value in pairs}


async def test_the_station_tells_what_its_process_takes(served: Served) -> None:
    answer = await served.ask("GET", "/metrics")

    assert "\nchargepoint_tasks " in answer.body
    assert "\nchargepoint_python_blocks " in answer.body
    assert 'chargepoint_database_bytes{file="database"} ' in answer.body


async def test_a_task_and_a_file_more_are_seen(tmp_path: Path) -> None:
    before = await told(tmp_path)
    task = asyncio.create_task(asyncio.sleep(60))
    opened = os.open(tmp_path, os.O_RDONLY)

    after = await told(tmp_path)

    assert after["chargepoint_tasks"] == before["chargepoint_tasks"] + 1
    assert after["chargepoint_descriptors"] == before["chargepoint_descriptors"] + 1
    os.close(opened)
    task.cancel()


async def test_memory_is_told_in_bytes(tmp_path: Path) -> None:
    assert (await told(tmp_path))["chargepoint_memory_bytes"] > 10 * 2**20


async def test_a_database_is_measured_and_one_that_is_not_there_is_empty(tmp_path: Path) -> None:
    (tmp_path / "station.db").write_bytes(b"x" * 100)

    found = await told(tmp_path)

    assert found['chargepoint_database_bytes{file="database"}'] == 100
    assert found['chargepoint_database_bytes{file="journal"}'] == 0
