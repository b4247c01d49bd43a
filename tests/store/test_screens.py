"""What the screens show survives, all or nothing."""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from chargepoint.core.display import DisplayMessage, Priority, Screen, Situation
from chargepoint.core.model import Text
from chargepoint.core.tariff import SessionCost
from chargepoint.errors import StoreError
from chargepoint.store.screens import Screens
from chargepoint.store.sqlite import Store

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
FULL = DisplayMessage(
    1,
    Priority.ALWAYS_FRONT,
    Text("a", "HTML", "de-DE"),
    Situation.CHARGING,
    NOW,
    NOW.replace(hour=11),
    "T1",
    Screen("Display", "left", 1, 2),
)
PLAIN = DisplayMessage(2, Priority.NORMAL_CYCLE, Text("b"))
COST = SessionCost(1, "T1", Decimal("3.50"), Text("c"), NOW)


@pytest.fixture
def opened(tmp_path: Path) -> Callable[[], Store]:
    return lambda: Store(tmp_path / "state", "CP1")


def test_messages_come_back_in_their_order(opened: Callable[[], Store]) -> None:
    with opened() as store:
        store.screens.change((), (FULL, PLAIN))
        store.screens.change((FULL, PLAIN), (PLAIN, FULL))  # nothing came, nothing went
        later = replace(FULL, situation=None)
        store.screens.change((FULL, PLAIN), (PLAIN, later))

    with opened() as store:
        assert store.screens.messages() == (PLAIN, later)


def test_a_change_that_fails_changes_nothing(opened: Callable[[], Store]) -> None:
    with opened() as store:
        store.screens.change((), (PLAIN,))

        with pytest.raises(StoreError):
            store.screens.change((PLAIN,), (FULL, replace(FULL, starts=None)))  # one id twice

        assert store.screens.messages() == (PLAIN,)


def test_the_last_cost_of_an_evse_is_kept(opened: Callable[[], Store]) -> None:
    with opened() as store:
        store.screens.save_cost(replace(COST, transaction_id="T0"))
        store.screens.save_cost(COST)
        store.screens.save_cost(SessionCost(2, "T2"))

    with opened() as store:
        assert store.screens.costs() == {1: COST, 2: SessionCost(2, "T2")}


class Cut(Exception):  # noqa: N818 - reads as a state
    """The power is gone."""


class CutAfter:
    """A database whose power goes after so many statements."""

    def __init__(self, db: sqlite3.Connection, statements: int) -> None:
        self._db = db
        self._left = statements

    def __getattr__(self, name: str) -> Any:
        def guarded(*arguments: Any) -> Any:
            if not self._left:
                raise Cut
            self._left -= 1
            return getattr(self._db, name)(*arguments)

        return guarded


@pytest.mark.parametrize("statements", range(5))
def test_a_power_cut_leaves_the_old_messages_or_the_new_ones(
    opened: Callable[[], Store], statements: int
) -> None:
    before, after = (FULL, PLAIN), (PLAIN, replace(FULL, situation=None))
    with opened() as store:
        store.screens.change((), before)
        screens = Screens(CutAfter(store._db, statements))  # type: ignore[arg-type]

        with suppress(Cut):
            screens.change(before, after)

    with opened() as store:
        assert store.screens.messages() == (after if statements >= 4 else before)
