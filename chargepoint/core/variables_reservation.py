"""Settings about reservations (OCPP 2.0.1 block H, 1.6 section 9.3)."""

from chargepoint.core.variables_kinds import BOOLEAN, SECONDS
from chargepoint.core.variables_model import Mutability, Variable

RESERVATION_AVAILABLE = Variable(
    BOOLEAN,
    "ReservationCtrlr.Available",
    "true",
    "Outlets can be reserved: never more at a time than there are EVSEs.",
    mutability=Mutability.READ_ONLY,
    constant=True,
    fact=True,
)
RESERVATION_ENABLED = Variable(
    BOOLEAN,
    "ReservationCtrlr.Enabled",
    "true",
    "Take new reservations; those there are stay when this is switched off.",
    key="ReservationEnabled",
)
RESERVATION_NON_EVSE_SPECIFIC = Variable(
    BOOLEAN,
    "ReservationCtrlr.NonEvseSpecific",
    "true",
    "A reservation may leave open which EVSE will be used.",
    key="ReserveConnectorZeroSupported",
    key_mutability=Mutability.READ_ONLY,
    mutability=Mutability.READ_ONLY,
)
MINIMUM_STATUS_DURATION = Variable(
    SECONDS,
    "MinimumStatusDuration",
    "0",
    "How long a status must last before it is told in OCPP 1.6; a shorter one never is.",
    key="MinimumStatusDuration",
    low=0,
    high=3600,
)
