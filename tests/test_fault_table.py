"""A sample of the fault table; ``scripts/fault_table --full`` lets each fault strike 1000 times."""

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from fault_books import Books, Truth, audit
from fault_rows import VERSIONS, Outcome
from fault_table import is_good, play, rows, table

from chargepoint.bench.csms_ledger import TransactionView

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


def test_a_certificate_that_is_refused_is_told_as_that() -> None:
    outcome = play("revoked-client", "2.0.1", 3, seed=7)

    assert outcome.what["FailedToAuthenticateAtCsms"] >= 3


@pytest.mark.parametrize(
    ("stamps", "wrong"),
    [
        (["12:00:00", "12:00:05", "12:00:10"], 0),
        (["12:00:00", "11:59:59", "12:00:10"], 0),  # a clock may be off by as much
        (["12:00:00", "12:30:05", "12:00:10"], 2),  # too late, and what follows goes back
        (["11:30:00", "12:00:05", "12:00:10"], 1),
    ],
)
def test_a_wrong_time_is_found(stamps: list[str], wrong: int) -> None:
    kinds = ("Started", "Updated", "Ended")
    payloads = [
        {"eventType": kind, "timestamp": f"2026-03-01T{stamp}Z"}
        for kind, stamp in zip(kinds, stamps, strict=True)
    ]
    view = TransactionView("one", 1, 1, payloads=payloads)
    day = datetime(2026, 3, 1, 12, tzinfo=UTC)
    truth = Truth("", {}, {}, {}, between=(day, day + timedelta(minutes=10)))

    sentences = audit([view], truth).other

    assert len(sentences) == wrong, sentences


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
