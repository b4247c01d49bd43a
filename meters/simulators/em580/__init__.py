"""A simulated Carlo Gavazzi EM580: an AC meter that signs transactions (OCMF over Modbus RTU)."""

from meters.simulators.em580.device import Em580
from meters.simulators.em580.layout import OcmfState
from meters.simulators.em580.settings import Behaviour, Em580Settings, KeyCurve
from meters.simulators.em580.simulator import (
    DRIVER,
    QUICK,
    QUICK_DRIVER,
    TITLE,
    TRANSPORT,
    Settings,
    create,
)

__all__ = [
    "DRIVER",
    "QUICK",
    "QUICK_DRIVER",
    "TITLE",
    "TRANSPORT",
    "Behaviour",
    "Em580",
    "Em580Settings",
    "KeyCurve",
    "OcmfState",
    "Settings",
    "create",
]
