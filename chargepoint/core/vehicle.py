"""What a vehicle that talks says it needs, and whether the schedule it chose may be (2.0.1 K15).

The words are those of ISO 15118-2 as OCPP carries them; how they come from the vehicle is for
whoever hands them over.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from chargepoint.core.profiles_model import Schedule
from chargepoint.errors import Refused

PERCENT_MOST = 100


class EnergyTransfer(StrEnum):
    """How a vehicle wants to be charged (OCPP 2.0.1 EnergyTransferModeEnumType)."""

    DC = "DC"
    AC_ONE = "AC_single_phase"
    AC_TWO = "AC_two_phase"
    AC_THREE = "AC_three_phase"


class NeedsAnswer(StrEnum):
    """What the CSMS makes of the needs (OCPP 2.0.1 NotifyEVChargingNeedsStatusEnumType)."""

    ACCEPTED = "Accepted"  # a schedule comes within a minute
    REJECTED = "Rejected"  # none comes
    PROCESSING = "Processing"  # it comes later, and the vehicle begins without


@dataclass(frozen=True, slots=True)
class AcNeeds:
    """Energy until the departure; the currents are per phase."""

    energy_wh: int
    min_current_a: int
    max_current_a: int
    max_voltage_v: int


@dataclass(frozen=True, slots=True)
class DcNeeds:
    """The most the vehicle takes; the states of charge are percentages. None is not said."""

    max_current_a: int
    max_voltage_v: int
    energy_wh: int | None = None
    max_power_w: int | None = None
    state_of_charge: int | None = None
    capacity_wh: int | None = None
    full_soc: int | None = None
    bulk_soc: int | None = None


@dataclass(frozen=True, slots=True)
class Needs:
    """What a vehicle says before it charges, and again when it wants to renegotiate (K17).

    ``tuples_most`` is how many schedules it can choose from.
    """

    transfer: EnergyTransfer
    departure: datetime | None = None
    ac: AcNeeds | None = None
    dc: DcNeeds | None = None
    tuples_most: int | None = None


def check_needs(needs: Needs, phases: int) -> None:
    """Whether needs can be told for an outlet with so many phases, 0 for DC.

    Raises:
        Refused: they are about another kind of outlet, or not whole.
    """
    direct = needs.transfer is EnergyTransfer.DC
    if direct != (phases == 0):
        kind = f"an outlet with {phases} phases" if phases else "a DC outlet"
        raise Refused(f"{needs.transfer} at {kind}", reason="InvalidValue")
    if (needs.ac if direct else needs.dc) is not None:
        raise Refused(f"{needs.transfer} with parameters of the other", reason="InvalidValue")
    if needs.dc is not None:
        shares = (needs.dc.state_of_charge, needs.dc.full_soc, needs.dc.bulk_soc)
        if any(share is not None and not 0 <= share <= PERCENT_MOST for share in shares):
            raise Refused("a state of charge is 0 to 100", reason="InvalidValue")


def check_choice(
    chosen: Schedule, allowed: Sequence[tuple[int, Decimal]], length: int | None
) -> None:
    """Whether the schedule that a vehicle chose stays within what it may have (K15.FR.09).

    ``allowed`` is the composite schedule in the same unit from the begin of the chosen one on:
    offset and limit of each period. What is beyond ``length`` seconds, None for no end, is nobody's
    concern.

    Raises:
        Refused: the first moment at which it wants more, or it is no schedule.
    """
    starts = [period.start for period in chosen.periods]
    if not starts or starts[0] != 0 or starts != sorted(set(starts)):
        raise Refused("periods begin at 0 and follow each other", reason="InvalidSchedule")
    wanted = [(period.start, period.limit) for period in chosen.periods]
    for moment in sorted({*starts, *(offset for offset, _ in allowed)}):
        if length is not None and moment >= length:
            return
        most, found = _at(allowed, moment), _at(wanted, moment)
        if found > most:
            raise Refused(
                f"after {moment} s it wants {found} {chosen.unit}, allowed are {most}",
                reason="InvalidSchedule",
            )


def _at(course: Sequence[tuple[int, Decimal]], moment: int) -> Decimal:
    return next(limit for offset, limit in reversed(course) if offset <= moment)
