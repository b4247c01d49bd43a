"""What a driver is told of the price: the tariff before and during, the cost during and after.

OCPP 2.0.1 block I. The CSMS makes the texts and the sums; nothing is calculated here.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from chargepoint.core.model import Authorization, EvseState, Policy, Stage, Text

FINAL_SHOWN = timedelta(seconds=60)  # a driver who left with the vehicle may still look back


@dataclass(frozen=True, slots=True)
class SessionCost:
    """What the CSMS said of the cost of a session; the last one of an EVSE is kept.

    ``total`` None is unknown, 0 free. ``message`` replaces the personal one of the authorization.
    ``ended_at`` is set once the final message was answered or the session has ended.
    """

    evse_id: int
    transaction_id: str
    total: Decimal | None = None
    message: Text | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Prices:
    """The settings: what is shown at all, in which currency, and what stands in if unknown."""

    tariff: bool = False
    cost: bool = False
    currency: str = ""
    tariff_fallback: str = ""
    cost_fallback: str = ""


def agreed(authorization: Authorization, policy: Policy) -> str:
    """The tariff text of the signed record: what this person was told, on one line.

    ``policy.tariff_text`` is what everybody else is told. Empty if no tariff is shown. A record is
    divided by vertical bars, so a text may hold none. A link or a page is no text.
    """
    if not policy.tariff_shown:
        return ""
    personal = authorization.personal_message
    readable = personal is not None and personal.format in {"ASCII", "UTF8"}
    text = personal.content if personal is not None and readable else policy.tariff_text
    return " ".join(text.replace("|", "/").split())


def tariff(state: EvseState, cost: SessionCost | None, prices: Prices) -> Text | None:
    """The tariff of whoever is authorized, else the fallback; None if nobody is (I01)."""
    if not prices.tariff or state.authorization is None:
        return None
    told = cost.message if _is_of(cost, state) and cost is not None else None
    personal = told or state.authorization.personal_message
    if personal is None and prices.tariff_fallback:
        return Text(prices.tariff_fallback)
    return personal


def total(state: EvseState, cost: SessionCost | None, prices: Prices, now: datetime) -> Text | None:
    """The cost so far, and after the end the final one or the fallback (I02, I03)."""
    if not prices.cost or cost is None:
        return None
    if cost.ended_at is None:
        if not _is_of(cost, state) or cost.total is None:
            return None
        return _money(cost.total, prices)
    if state.stage is not Stage.FINISHED and now >= cost.ended_at + FINAL_SHOWN:
        return None
    if state.authorization is not None:
        return None  # the next one is here
    if cost.total is not None:
        return _money(cost.total, prices)
    return Text(prices.cost_fallback) if prices.cost_fallback else None


def until(cost: SessionCost | None, now: datetime) -> datetime | None:
    """When time alone changes what is shown of a cost."""
    if cost is None or cost.ended_at is None or cost.ended_at + FINAL_SHOWN <= now:
        return None
    return cost.ended_at + FINAL_SHOWN


def _is_of(cost: SessionCost | None, state: EvseState) -> bool:
    transaction = state.transaction
    return (
        cost is not None
        and transaction is not None
        and cost.transaction_id == transaction.transaction_id
    )


def _money(amount: Decimal, prices: Prices) -> Text:
    """With two decimals at least, and no digit lost that the CSMS gave."""
    decimals = max(2, -int(amount.as_tuple().exponent))
    return Text(f"{amount:.{decimals}f} {prices.currency}".rstrip())
