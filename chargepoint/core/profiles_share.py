"""How EVSEs share what the station may draw, and which current a board can really keep."""

from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal
from typing import NamedTuple

LOWEST_A = Decimal(6)  # a control pilot cannot say less (IEC 61851-1 table A.8)
STEP_A = Decimal("0.1")


class Claim(NamedTuple):
    """What one EVSE wants: the most it could take, and the least that is of use to it."""

    evse_id: int
    most_a: Decimal
    least_a: Decimal = LOWEST_A


def share(total_a: Decimal, claims: Sequence[Claim]) -> dict[int, Decimal]:
    """Amperes for each EVSE, together at most ``total_a``.

    Equal parts, and what one cannot use is for the others. If a part were too small to be of use,
    whoever came last pauses: ``claims`` are in the order in which the transactions began.
    """
    taking = list(claims)
    while len(taking) > 1 and not _useful(parts := _equal(total_a, taking), taking):
        del taking[-1]
    parts = _equal(total_a, taking)
    return {claim.evse_id: parts.get(claim.evse_id, Decimal(0)) for claim in claims}


def enforceable(amperes: Decimal, least_a: Decimal = LOWEST_A) -> Decimal:
    """The current to set for a limit: not more than it, and 0, a pause, below ``least_a``."""
    if amperes < least_a:
        return Decimal(0)
    return amperes.quantize(STEP_A, ROUND_DOWN)


def _equal(total_a: Decimal, claims: Sequence[Claim]) -> dict[int, Decimal]:
    parts: dict[int, Decimal] = {}
    left = total_a
    for number, claim in enumerate(sorted(claims, key=lambda claim: claim.most_a)):
        part = min(claim.most_a, left / (len(claims) - number))
        parts[claim.evse_id] = part
        left -= part
    return parts


def _useful(parts: dict[int, Decimal], claims: Sequence[Claim]) -> bool:
    """Whether nobody gets less than the least of use although it could take that."""
    return all(parts[c.evse_id] >= min(c.least_a, c.most_a) for c in claims)
