"""Things that happen to an EVSE. Each is given to ``evse.advance``, one at a time."""

from dataclasses import dataclass
from decimal import Decimal

from chargepoint.core.model import (
    Authorization,
    Cause,
    Context,
    Fault,
    IdToken,
    Missing,
    Sampled,
    Scope,
    StopReason,
)
from meters.model import Reading


@dataclass(frozen=True, slots=True)
class Plugged:
    """A vehicle is connected to this connector."""

    connector_id: int = 1


@dataclass(frozen=True, slots=True)
class Unplugged:
    """The vehicle is gone."""


@dataclass(frozen=True, slots=True)
class VehicleReady:
    """The vehicle asks for energy (IEC 61851 state C or D), or no longer does (state B)."""

    ready: bool


@dataclass(frozen=True, slots=True)
class TokenAccepted:
    """Somebody was authorized to charge here."""

    authorization: Authorization


@dataclass(frozen=True, slots=True)
class StopRequested:
    """The transaction is to end; ``token`` is the one that asked for it, if one did."""

    reason: StopReason
    cause: Cause
    token: IdToken | None = None


@dataclass(frozen=True, slots=True)
class EnergyDenied:
    """The CSMS refused the token and the settings keep the transaction: stop the energy only.

    With ``from_wh`` it goes on until the meter's register has come so far.
    """

    from_wh: Decimal | None = None


@dataclass(frozen=True, slots=True)
class GroupLearned:
    """The CSMS named the group of the token that the transaction runs on."""

    group: IdToken


@dataclass(frozen=True, slots=True)
class BeginTaken:
    """Answer to TakeBegin: the meter counts for this transaction from ``reading`` on.

    ``verdict`` is what the station found of the signature of a meter that signs the begin by
    itself, else empty.
    """

    transaction_id: str
    reading: Reading
    verdict: str = ""


@dataclass(frozen=True, slots=True)
class BeginFailed:
    """Answer to TakeBegin: the meter did not begin."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class EndTaken:
    """Answer to TakeEnd. ``verdict`` is what the station found of the signature, "" if unsigned.

    ``kept`` are the readings kept for the final message.
    """

    transaction_id: str
    reading: Reading
    verdict: str = ""
    kept: tuple[Sampled, ...] = ()


@dataclass(frozen=True, slots=True)
class EndFailed:
    """Answer to TakeEnd: the meter will not give the end, for the reason told.

    ``reading`` is the last known one, so that energy is not lost with the signature.
    """

    transaction_id: str
    missing: Missing
    reason: str
    reading: Reading | None = None
    kept: tuple[Sampled, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterLost:
    """The meter has not been readable for longer than the settings bear."""


@dataclass(frozen=True, slots=True)
class ReadingTaken:
    """The meter was read for the reason told.

    ``tell``: the CSMS learns of it now; ``keep``: the final message repeats it.
    """

    reading: Reading
    context: Context
    tell: bool = True
    keep: bool = False


@dataclass(frozen=True, slots=True)
class LimitChanged:
    """The limit in force is another one."""

    limit_a: Decimal | None


@dataclass(frozen=True, slots=True)
class FaultRaised:
    """Something broke; the same error code twice at the same place is one fault."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class FaultCleared:
    """It works again, there; 0 is everywhere at the EVSE."""

    error_code: str
    connector_id: int = 0


@dataclass(frozen=True, slots=True)
class AvailabilityChanged:
    """Somebody set this EVSE, a connector of it or the whole station operative or inoperative.

    ``connector_id`` says which one if the scope is a connector.
    """

    operative: bool
    scope: Scope = Scope.EVSE
    connector_id: int = 1


@dataclass(frozen=True, slots=True)
class ReservationsChanged:
    """These reservations may be used here; if there are any, nobody else may begin."""

    reserved_for: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class BayChanged:
    """A vehicle stands in the parking bay of this EVSE, or has left it."""

    occupied: bool


@dataclass(frozen=True, slots=True)
class CableUnlocked:
    """The CSMS has unlocked the cable: nobody holds it any more."""


@dataclass(frozen=True, slots=True)
class DeadlinePassed:
    """The moment in ``EvseState.deadline`` has come."""


@dataclass(frozen=True, slots=True)
class PowerRestored:
    """The station starts, or part of it; what the board sees of the vehicle now.

    ``lost`` is why a session that ran cannot go on: the power was gone, or the program alone.
    """

    plugged: bool = False
    connector_id: int = 1
    ev_ready: bool = False
    bay: bool = False
    lost: StopReason = StopReason.POWER_LOSS


Input = (
    Plugged
    | Unplugged
    | VehicleReady
    | TokenAccepted
    | StopRequested
    | EnergyDenied
    | BeginTaken
    | BeginFailed
    | EndTaken
    | EndFailed
    | MeterLost
    | ReadingTaken
    | LimitChanged
    | FaultRaised
    | FaultCleared
    | AvailabilityChanged
    | DeadlinePassed
    | PowerRestored
    | GroupLearned
    | ReservationsChanged
    | BayChanged
    | CableUnlocked
)
