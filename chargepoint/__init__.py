"""The software inside an EV charger: OCPP to the back office, signed records from the meter."""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from chargepoint.app import live, run
    from chargepoint.config import StationConfig, load_config
    from chargepoint.station.station import Station

__all__ = ["Station", "StationConfig", "__version__", "live", "load_config", "run"]
__version__ = version("chargepoint")

_HOME = {
    "Station": "chargepoint.station.station",
    "StationConfig": "chargepoint.config",
    "live": "chargepoint.app",
    "load_config": "chargepoint.config",
    "run": "chargepoint.app",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module holds
    """The public names, imported when they are first used: a command needs few of them."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOME[name]), name)
