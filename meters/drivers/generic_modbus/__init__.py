"""Any Modbus meter that a profile describes: readings only.

A profile is a YAML file with the meter's registers, see ``meters.profiles``.
"""

from meters.drivers.generic_modbus.config import Config as Config
from meters.drivers.generic_modbus.meter import TRANSPORT as TRANSPORT
from meters.drivers.generic_modbus.meter import create as create
