"""A pytest plug-in: drivers and simulators from a folder beside those of the package.

``EXTRA_METERS`` names the folder, with ``drivers`` and ``simulators`` in it; a module there is
found like any other. ``EXTRA_PROFILE`` is a profile that the simulated ``generic_modbus`` takes
instead of its usual one.
"""

import os
from pathlib import Path

import meters.drivers
import meters.simulators

if folder := os.environ.get("EXTRA_METERS"):
    meters.drivers.__path__.append(str(Path(folder) / "drivers"))
    meters.simulators.__path__.append(str(Path(folder) / "simulators"))

if profile := os.environ.get("EXTRA_PROFILE"):
    from meters.simulators import generic_modbus

    generic_modbus.QUICK = {**generic_modbus.QUICK, "profile": profile}
    generic_modbus.QUICK_DRIVER = {**generic_modbus.QUICK_DRIVER, "profile": Path(profile)}
