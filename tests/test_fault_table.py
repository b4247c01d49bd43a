"""A sample of the fault table; ``scripts/fault_table --full`` lets each fault strike 1000 times."""

import os
from dataclasses import replace

import pytest
from fault_books import Books
from fault_rows import VERSIONS, Outcome
from fault_table import is_good, play, rows, table

CUTS = int(os.environ.get("FAULT_TABLE_CUTS", "4"))
NAMES = [row.name for row in rows()]
GOOD = Outcome("half-open", "1.6", "nothing comes through", 3, 5, Books(), {"refused": 2}, 1.0, 0.5)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_lost_doubled_or_half_signed(name: str, version: str) -> None:
    outcome = play(name, version, CUTS, seed=7)

    assert outcome.books.lost == []
    assert outcome.books.doubled == []
    assert outcome.books.half_signed == []
    assert outcome.books.other == []
    assert outcome.count == CUTS
    assert outcome.sessions > 0


def test_each_fault_has_one_name() -> None:
    assert len(set(NAMES)) == len(NAMES)


def test_a_row_in_which_nothing_struck_is_not_good() -> None:
    assert is_good(GOOD)
    assert not is_good(replace(GOOD, count=0))
    assert not is_good(replace(GOOD, books=Books(lost=["one"])))


def test_the_table_has_what_happened_and_what_was_injected() -> None:
    text = "\n".join(table([GOOD]))

    assert "half open  1.6 " in text
    assert "2 refused" in text
    assert "half open  nothing comes through" in text
