"""Things that hardware or the meter must do, given after state and facts were stored.

Orders are never stored: after a power cut the state alone says what is to be done.
"""

from dataclasses import dataclass
from decimal import Decimal

from meters.model import BillingTransaction


@dataclass(frozen=True, slots=True)
class CloseContactor:
    """Offer energy."""


@dataclass(frozen=True, slots=True)
class OpenContactor:
    """Offer no energy."""


@dataclass(frozen=True, slots=True)
class TakeBegin:
    """Let the meter begin; answered by BeginTaken or BeginFailed."""

    transaction: BillingTransaction


@dataclass(frozen=True, slots=True)
class TakeEnd:
    """Let the meter end; answered by EndTaken or EndFailed."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class ReleaseRecord:
    """Let the meter forget the record, which is stored now."""

    transaction_id: str


@dataclass(frozen=True, slots=True)
class SetLimit:
    """Offer at most this current per phase; None lifts the limit, 0 pauses."""

    limit_a: Decimal | None


@dataclass(frozen=True, slots=True)
class LockCable:
    """Hold the cable in this socket."""

    connector_id: int


@dataclass(frozen=True, slots=True)
class UnlockCable:
    """Give the cable in this socket back."""

    connector_id: int


Order = (
    CloseContactor
    | OpenContactor
    | TakeBegin
    | TakeEnd
    | ReleaseRecord
    | SetLimit
    | LockCable
    | UnlockCable
)
