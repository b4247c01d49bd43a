"""A simulated meter of any profile: every register of it, with values that fit the load."""

from meters.simulators.generic_modbus.device import DRIVER as DRIVER
from meters.simulators.generic_modbus.device import QUICK as QUICK
from meters.simulators.generic_modbus.device import QUICK_DRIVER as QUICK_DRIVER
from meters.simulators.generic_modbus.device import TITLE as TITLE
from meters.simulators.generic_modbus.device import TRANSPORT as TRANSPORT
from meters.simulators.generic_modbus.device import GenericMeter as GenericMeter
from meters.simulators.generic_modbus.device import Settings as Settings
from meters.simulators.generic_modbus.device import create as create
