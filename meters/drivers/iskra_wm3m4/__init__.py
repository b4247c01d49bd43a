"""Iskra WM3M4C: signed transactions over Modbus. WM3M4: readings only.

The meter signs one record with begin and end, and forgets it at the next signature or without
power. It has no register that says "read": the data set that stands in the meter says whose
transaction runs or whose record waits, and is blanked when the record is released.
"""

from meters.drivers.iskra_wm3m4.config import Config as Config
from meters.drivers.iskra_wm3m4.signing import TRANSPORT as TRANSPORT
from meters.drivers.iskra_wm3m4.signing import create as create
