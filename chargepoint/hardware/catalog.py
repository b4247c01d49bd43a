"""From the name of a board in the config to its module.

A board is a module in ``chargepoint/hardware``, or an object behind an entry point of the group
``chargepoint.hardware`` in any installed package. It may offer ``Config``, a msgspec struct that
checks the keys of ``hardware:`` besides ``driver``.
"""

import importlib
import pkgutil
from importlib.metadata import entry_points
from typing import Any, Final

import msgspec

import chargepoint.hardware

GROUP: Final = "chargepoint.hardware"
_NO_BOARDS: Final = {"api", "catalog"}


class UnknownBoard(LookupError):  # noqa: N818 - reads as a state
    """No board of that name. The message lists the names known."""


class NoOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of a board that has none."""


def board_names() -> tuple[str, ...]:
    """All boards that can be named in a config, sorted."""
    own = {module.name for module in pkgutil.iter_modules(chargepoint.hardware.__path__)}
    others = {point.name for point in entry_points(group=GROUP)}
    return tuple(sorted((own - _NO_BOARDS) | others))


def load_board(name: str) -> Any:  # noqa: ANN401 - a module, or what an entry point names
    """The board called ``name``; imports it.

    Raises:
        UnknownBoard: nothing of that name.
        ImportError: the board is there and needs something that is not installed.
    """
    if name not in board_names():
        raise UnknownBoard(f"no board {name!r}; known are: {', '.join(board_names())}")
    for point in entry_points(group=GROUP, name=name):
        return point.load()
    return importlib.import_module(f"{chargepoint.hardware.__name__}.{name}")


def board_options(name: str) -> type[msgspec.Struct]:
    """The struct that checks the keys of the board called ``name``.

    Raises:
        UnknownBoard: nothing of that name.
        ImportError: the board needs something that is not installed.
    """
    options: type[msgspec.Struct] = getattr(load_board(name), "Config", NoOptions)
    return options
