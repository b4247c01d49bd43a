"""Who the station says it is."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Identity:
    """As the installer wrote it; each version cuts what is longer than it allows."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware_version: str = ""
