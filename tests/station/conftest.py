"""A station without a CSMS, on its own time; its parts do not run by themselves."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from station_bench import Bench, station_bench


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """One EVSE; what is not fed does not happen."""
    async with station_bench(tmp_path) as bench:
        yield bench


@pytest.fixture
async def alive(tmp_path: Path) -> AsyncIterator[Bench]:
    """The same, recovered and running."""
    async with station_bench(tmp_path, running=True) as bench:
        yield bench
