"""From the name of a simulated meter to its module.

A simulator is a module or package in ``meters/simulators`` that has a ``DRIVER``, or an object
behind an entry point of the group ``meters.simulators`` in any installed package; adding one
touches no list. What it offers is said by ``Simulator``.
"""

import importlib
import pkgutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.metadata import entry_points
from typing import Any, Final, Protocol, cast

import msgspec

import meters.simulators

GROUP: Final = "meters.simulators"
_PARTS: Final = ("DRIVER", "TRANSPORT", "TITLE", "Settings", "QUICK", "QUICK_DRIVER", "create")


class UnknownSimulator(LookupError):  # noqa: N818 - reads as a state
    """No simulator of that name, or it lacks something. The message says what."""


class Simulator(Protocol):
    """What a simulator offers.

    Attributes:
        DRIVER: name of the driver that it is for.
        TRANSPORT: "modbus" or "http".
        TITLE: maker and model.
        Settings: what the simulated meter is like; a frozen struct whose fields all have defaults.
            Options of the command line are made of them, see ``chargepoint.cli.simulate_options``.
        QUICK: values of settings for tests, so that nothing is waited for.
        QUICK_DRIVER: options of the driver for tests, likewise.
        create: makes the device, ``create(settings, *, clock, monotonic)``; it is switched on.

    One more name may be there: ``KEEPS_RECORDS = False`` for a meter that loses a transaction, and
    the record of one, with its power. See ``keeps_records``.
    """

    DRIVER: str
    TRANSPORT: str
    TITLE: str
    Settings: type[msgspec.Struct]
    QUICK: Mapping[str, Any]
    QUICK_DRIVER: Mapping[str, Any]
    create: Callable[..., Any]


def utc_now() -> datetime:
    """Wall time."""
    return datetime.now(UTC)


def simulator_names() -> tuple[str, ...]:
    """All simulators, sorted; imports every module of the folder to see which are some."""
    own = [name for name in _own() if hasattr(_import(name), "DRIVER")]
    return tuple(sorted({*own, *(point.name for point in entry_points(group=GROUP))}))


def load_simulator(name: str) -> Simulator:
    """The simulator called ``name``; imports it. Modules of this package win over entry points.

    Raises:
        UnknownSimulator: nothing of that name, or it lacks a part.
    """
    found: Any = None
    if name in _own():
        found = _import(name)
    elif points := tuple(entry_points(group=GROUP, name=name)):
        found = points[0].load()
    if found is None or (name in _own() and not hasattr(found, "DRIVER")):
        raise UnknownSimulator(f"no simulator {name!r}; known are: {', '.join(simulator_names())}")
    lacking = [part for part in _PARTS if not hasattr(found, part)]
    if lacking:
        raise UnknownSimulator(f"{name!r} is not a simulator: it has no {', '.join(lacking)}")
    return cast("Simulator", found)


def keeps_records(simulator: Simulator) -> bool:
    """Whether transactions and records of this meter survive that the meter loses its power."""
    return bool(getattr(simulator, "KEEPS_RECORDS", True))


def simulators_of(driver: str) -> dict[str, Simulator]:
    """The simulators that are for a driver, by name."""
    loaded = {name: load_simulator(name) for name in simulator_names()}
    return {name: one for name, one in loaded.items() if driver == one.DRIVER}


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(meters.simulators.__path__))


def _import(name: str) -> object:
    return importlib.import_module(f"{meters.simulators.__name__}.{name}")
