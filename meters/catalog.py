"""From the name of a driver in the config to its module.

A driver is a module or package in ``meters/drivers``, or an object behind an entry point of the
group ``meters.drivers`` in any installed package. What it offers is said by ``Driver``; adding a
meter touches no list.
"""

import importlib
import pkgutil
from collections.abc import Callable
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec

import meters.drivers
from meters.api import Meter

if TYPE_CHECKING:
    from meters.http import HttpConfig

GROUP: Final = "meters.drivers"


class UnknownDriver(LookupError):  # noqa: N818 - reads as a state
    """No driver of that name, or what is there is not one. The message lists the names known."""


class Driver(Protocol):
    """What a driver module offers.

    ``TRANSPORT`` is "modbus" (``create(config, bus, *, now)``, with a ``ModbusBus``) or "http"
    (``create(config, device, *, now)`` with a ``meters.http.HttpDevice``, which is made of what
    ``http_config(config)`` gives). ``now`` gives wall time, aware. ``Config`` checks the keys that
    are left in the config entry of the meter without ``driver`` and ``bus``.
    """

    TRANSPORT: str
    Config: type[msgspec.Struct]
    create: Callable[..., Meter]


class HttpDriver(Driver, Protocol):
    """What a driver module of a meter that speaks HTTP offers."""

    http_config: Callable[[Any], "HttpConfig"]


def driver_names() -> tuple[str, ...]:
    """All drivers that can be named in a config, sorted."""
    return tuple(sorted(_own() | {point.name for point in entry_points(group=GROUP)}))


def load_driver(name: str) -> Driver:
    """The driver called ``name``; imports it.

    A module of this package wins over an entry point of the same name.

    Raises:
        UnknownDriver: nothing of that name, or it lacks something that a driver has.
        ImportError: the driver is there and needs something that is not installed.
    """
    if name not in driver_names():
        known = ", ".join(driver_names())
        raise UnknownDriver(f"no meter driver {name!r}; known are: {known}")
    if name in _own():
        driver = importlib.import_module(f"{meters.drivers.__name__}.{name}")
    else:
        driver = next(iter(entry_points(group=GROUP, name=name))).load()
    parts = ["TRANSPORT", "Config", "create"]
    if getattr(driver, "TRANSPORT", "") == "http":
        parts.append("http_config")
    lacking = [part for part in parts if not hasattr(driver, part)]
    if lacking:
        raise UnknownDriver(f"{name!r} is not a meter driver: it has no {', '.join(lacking)}")
    return cast("Driver", driver)


def _own() -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(meters.drivers.__path__))
