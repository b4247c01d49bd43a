"""What a meter says: readings, samples, signed readings and the identity of a meter."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class Quantity(StrEnum):
    """A measured quantity; the unit belongs to it, so a sample needs none.

    Power and current are signed: positive is import (towards the vehicle), negative export.
    """

    ENERGY_IMPORT = "energy_import"  # Wh, the meter's own register, never rebased
    ENERGY_EXPORT = "energy_export"  # Wh
    POWER = "power"  # W
    REACTIVE_POWER = "reactive_power"  # var
    APPARENT_POWER = "apparent_power"  # VA
    POWER_FACTOR = "power_factor"  # -1..1
    VOLTAGE = "voltage"  # V; phase to neutral, unless the phase names two conductors
    CURRENT = "current"  # A
    FREQUENCY = "frequency"  # Hz
    TEMPERATURE = "temperature"  # degrees Celsius


class Phase(StrEnum):
    """Conductor, or pair of conductors, that a sample belongs to."""

    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    N = "N"
    L1_L2 = "L1-L2"
    L2_L3 = "L2-L3"
    L3_L1 = "L3-L1"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value in SI units; ``phase`` is None for the total."""

    quantity: Quantity
    value: Decimal
    phase: Phase | None = None


@dataclass(frozen=True, slots=True)
class SignedReading:
    """A signed record exactly as the meter gave it.

    ``document`` is never parsed and written again: a signature covers bytes. ``method`` names the
    signature algorithm if the record itself does not, else it is empty. ``public_key`` is the
    meter's key as upper-case hex, a bare curve point or a SubjectPublicKeyInfo.
    """

    document: bytes
    encoding: str = "OCMF"
    method: str = ""
    public_key: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything a meter told at one moment."""

    taken_at: datetime
    samples: tuple[Sample, ...] = ()
    signed: SignedReading | None = None

    def value(self, quantity: Quantity, phase: Phase | None = None) -> Decimal | None:
        """The value of one quantity, or None if the meter did not measure it."""
        for sample in self.samples:
            if sample.quantity is quantity and sample.phase is phase:
                return sample.value
        return None


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """Who a meter is. Empty text and None mean that the meter does not tell."""

    vendor: str
    model: str
    serial_number: str = ""
    firmware: str = ""
    public_key: str = ""
    signing_method: str = ""
    quantities: frozenset[tuple[Quantity, Phase | None]] = frozenset()


@dataclass(frozen=True, slots=True)
class Identification:
    """How the user of a transaction was identified, for the signed record (OCMF 1.4 tables 4 to 6).

    ``level``, ``flags`` and ``type`` are the words of OCMF fields IL, IF and IT; ``data`` is ID.
    """

    assigned: bool = False
    level: str = "NONE"
    flags: tuple[str, ...] = ()
    type: str = "NONE"
    data: str = ""


@dataclass(frozen=True, slots=True)
class BillingTransaction:
    """What a signing meter is told when a transaction begins.

    ``transaction_id`` comes back from the meter after a power cut, so it must be unique for ever;
    36 characters at most. ``charge_point`` is the identification of the charging point (OCMF CI).
    """

    transaction_id: str
    charge_point: str
    identification: Identification = Identification()
    tariff_text: str = ""


@dataclass(frozen=True, slots=True)
class OpenTransaction:
    """What a signing meter still holds: a running transaction or a record nobody released.

    ``transaction_id`` is empty if the meter cannot tell whose it is.
    """

    transaction_id: str
    running: bool
