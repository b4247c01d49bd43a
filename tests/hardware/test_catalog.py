"""From the name of a board to its module."""

from typing import Any

import pytest

from chargepoint.hardware import catalog, simulated
from chargepoint.hardware.catalog import (
    NoOptions,
    UnknownBoard,
    board_names,
    board_options,
    load_board,
)


class Point:
    """An entry point of another package."""

    name = "theirs"

    def load(self) -> Any:
        return object()


def _points(**_: Any) -> list[Point]:
    return [Point()]


def test_the_simulated_board_is_found_with_its_options() -> None:
    assert "simulated" in board_names()
    assert load_board("simulated") is simulated
    assert board_options("simulated") is simulated.Config


def test_a_board_of_another_package_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "entry_points", _points)

    assert "theirs" in board_names()
    assert board_options("theirs") is NoOptions


def test_a_board_that_nobody_wrote_is_refused_with_the_names_of_those_that_are() -> None:
    with pytest.raises(UnknownBoard, match=r"no board 'api'; known are: .*simulated"):
        load_board("api")
