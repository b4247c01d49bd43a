"""A simulated Carlo Gavazzi EM580: an AC meter that signs transactions (OCMF over Modbus RTU)."""

from meters.simulators.em580.device import Em580
from meters.simulators.em580.layout import OcmfState
from meters.simulators.em580.settings import Behaviour, Em580Settings, KeyCurve

__all__ = ["Behaviour", "Em580", "Em580Settings", "KeyCurve", "OcmfState"]
