"""Charging profiles as values: what a CSMS or an energy manager sets, whatever version said it.

Instants are whole seconds since 1970 and lengths whole seconds: the schedules of the standard know
nothing finer, and whole numbers meet at a boundary exactly.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from math import floor


class Purpose(StrEnum):
    """What a profile is for (OCPP 2.0.1 ChargingProfilePurposeEnumType).

    ChargePointMaxProfile of OCPP 1.6 is ``STATION_MAX``.
    """

    EXTERNAL = "ChargingStationExternalConstraints"
    STATION_MAX = "ChargingStationMaxProfile"
    TX_DEFAULT = "TxDefaultProfile"
    TX = "TxProfile"


class Kind(StrEnum):
    """What the schedule of a profile counts from."""

    ABSOLUTE = "Absolute"
    RECURRING = "Recurring"
    RELATIVE = "Relative"


class Recurrency(StrEnum):
    """How often a recurring schedule begins again."""

    DAILY = "Daily"
    WEEKLY = "Weekly"


class Unit(StrEnum):
    """Amperes per phase, or watts of all phases together."""

    AMPERE = "A"
    WATT = "W"


@dataclass(frozen=True, slots=True)
class Period:
    """From ``start`` seconds into the schedule until the next period: this limit."""

    start: int
    limit: Decimal
    number_phases: int | None = None
    phase_to_use: int | None = None


@dataclass(frozen=True, slots=True)
class Schedule:
    """Limits over time; the last one lasts until ``duration``, without one for ever."""

    unit: Unit
    periods: tuple[Period, ...]
    start: datetime | None = None
    duration: int | None = None
    min_rate: Decimal | None = None
    id: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """A charging profile.

    Only the first of ``schedules`` counts: the others are offers to a vehicle that speaks ISO
    15118, and are kept to be reported (OCPP 2.0.1 K01).
    """

    id: int
    purpose: Purpose
    kind: Kind
    stack_level: int
    schedules: tuple[Schedule, ...]
    recurrency: Recurrency | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None

    @property
    def schedule(self) -> Schedule:
        """The schedule that counts."""
        return self.schedules[0]


@dataclass(frozen=True, slots=True)
class Installed:
    """A profile at its EVSE, 0 for the whole station; ``source`` is who set it."""

    evse_id: int
    profile: Profile
    source: str = "CSO"


@dataclass(frozen=True, slots=True)
class Criteria:
    """Which profiles are meant; None is any. All that is given must be so."""

    ids: Container[int] | None = None
    evse_id: int | None = None
    purpose: Purpose | None = None
    stack_level: int | None = None
    sources: Container[str] | None = None

    def meets(self, installed: Installed) -> bool:
        """Whether a profile is one of those meant."""
        profile = installed.profile
        return (
            (self.ids is None or profile.id in self.ids)
            and self.evse_id in {None, installed.evse_id}
            and self.purpose in {None, profile.purpose}
            and self.stack_level in {None, profile.stack_level}
            and (self.sources is None or installed.source in self.sources)
        )


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the station announces to take.

    ``lenient`` is OCPP 1.6: a profile of the same purpose and stack level always gives way, and
    phases that the outlet does not have are passed over (errata to section 3.13).
    """

    units: frozenset[Unit] = frozenset(Unit)
    highest_stack_level: int = 99
    periods_most: int = 300
    profiles_most: int = 300
    lenient: bool = False


@dataclass(frozen=True, slots=True)
class Outlet:
    """What amperes and watts are converted with; ``phases`` is 0 for DC.

    The phases in use are always those of the outlet: no board can switch them, so the
    ``number_phases`` of a period changes no limit (1.6 errata to section 7.10).
    """

    voltage_v: Decimal = Decimal(230)
    phases: int = 3
    rated_a: Decimal = Decimal(32)

    @property
    def watts_per_ampere(self) -> Decimal:
        """Power of one ampere in each phase (OCPP 2.0.1 K01.FR.50)."""
        return self.voltage_v * (self.phases or 1)

    @property
    def rated_w(self) -> Decimal:
        """The most that it can deliver."""
        return self.rated_a * self.watts_per_ampere

    def watts(self, limit: Decimal, unit: Unit) -> Decimal:
        """A limit in watts of all phases together."""
        return limit if unit is Unit.WATT else limit * self.watts_per_ampere

    def amperes(self, watts: Decimal) -> Decimal:
        """Watts as amperes of each phase."""
        return watts / self.watts_per_ampere

    def told(self, watts: Decimal, unit: Unit) -> Decimal:
        """Watts in the unit asked for, with the one decimal that the wire has; never more."""
        value = watts if unit is Unit.WATT else self.amperes(watts)
        return value.quantize(Decimal("0.1"), ROUND_DOWN)


@dataclass(frozen=True, slots=True)
class Session:
    """The transaction of an EVSE, from its begin on."""

    transaction_id: str
    started_at: datetime


def epoch(moment: datetime) -> int:
    """The second that a moment is in."""
    return floor(moment.timestamp())
