"""Why does a meter not answer? Looks at line, gateway or network and says it in words.

Meant for the first hour at a new site, after an ordinary try has failed. Only ever reads: see
``read_only`` for the guard, and the other modules for how little is sent.
"""

from meters.diagnosis.finding import Finding
from meters.diagnosis.gateway import look_at_gateway
from meters.diagnosis.probe import Suspect, first_request
from meters.diagnosis.read_only import ReadOnlyBus, ReadOnlyDevice, would_write
from meters.diagnosis.serial_line import look_at_serial_line
from meters.diagnosis.web import look_at_web

__all__ = [
    "Finding",
    "ReadOnlyBus",
    "ReadOnlyDevice",
    "Suspect",
    "first_request",
    "look_at_gateway",
    "look_at_serial_line",
    "look_at_web",
    "would_write",
]
