"""A store in a temporary folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from chargepoint.store.sqlite import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with Store(folder, "CP1") as store:
        yield store
