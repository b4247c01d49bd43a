"""Who the station says it is."""

from dataclasses import dataclass

from chargepoint.csms.profiles import IdentityLengths


@dataclass(frozen=True, slots=True)
class Identity:
    """As the installer wrote it; each version cuts what is longer than it allows."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware_version: str = ""

    def within(self, most: IdentityLengths) -> "Identity":
        """As much of it as a CSMS has room for."""
        return Identity(
            self.vendor[: most.vendor],
            self.model[: most.model],
            self.serial_number[: most.serial_number],
            self.firmware_version[: most.firmware_version],
        )
