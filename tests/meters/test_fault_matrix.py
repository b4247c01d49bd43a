"""A sample of the fault matrix; ``scripts/fault_matrix`` prints all of it."""

import os

import pytest
from fault_matrix import cells_of
from meter_bench import pairs

EVERY = int(os.environ.get("FAULT_MATRIX_EVERY", "4"))
TRIED = [pair for pair in pairs() if pair[1]]


@pytest.mark.parametrize(("place", "pair"), list(enumerate(TRIED)), ids=[name for _, name in TRIED])
def test_each_cell_is_as_expected(place: int, pair: tuple[str, str]) -> None:
    cells = list(cells_of(*pair))[place % EVERY :: EVERY]

    found = [cell() for cell in cells]

    assert found
    assert [cell for cell in found if not cell.fine] == []
