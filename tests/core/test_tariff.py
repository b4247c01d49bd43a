"""What a driver is told of tariff and cost."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from chargepoint.core.model import (
    Authorization,
    EvseState,
    IdToken,
    Policy,
    Source,
    Stage,
    Text,
    Transaction,
)
from chargepoint.core.tariff import FINAL_SHOWN, Prices, SessionCost, agreed, tariff, total, until
from meters.model import Reading

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
PERSONAL = Text("0,39 EUR/kWh")
WHO = Authorization(IdToken("04A1B2C3"), Source.CSMS, personal_message=PERSONAL)
STRANGER = replace(WHO, personal_message=None)
FREE = EvseState(1)
CHARGING = EvseState(
    1,
    Stage.CHARGING,
    plugged=True,
    authorization=WHO,
    transaction=Transaction("T1", NOW, WHO, Reading(NOW, ())),
)
FINISHED = EvseState(1, Stage.FINISHED, plugged=True)
PRICES = Prices(
    tariff=True, cost=True, currency="EUR", tariff_fallback="ask us", cost_fallback="by mail"
)
COST = SessionCost(1, "T1", Decimal("3.5"))
OVER = replace(COST, ended_at=NOW)
FALLBACK = Text("ask us")


@pytest.mark.parametrize(
    ("state", "cost", "prices", "told"),
    [
        (FREE, None, PRICES, None),
        (CHARGING, None, PRICES, PERSONAL),
        (CHARGING, None, replace(PRICES, tariff=False), None),
        (CHARGING, replace(COST, message=Text("new")), PRICES, Text("new")),
        (CHARGING, SessionCost(1, "T0", message=Text("old")), PRICES, PERSONAL),
        (replace(CHARGING, authorization=STRANGER), None, PRICES, FALLBACK),
        (
            replace(CHARGING, authorization=STRANGER),
            None,
            replace(PRICES, tariff_fallback=""),
            None,
        ),
    ],
)
def test_the_tariff_is_that_of_whoever_is_here(
    state: EvseState, cost: SessionCost | None, prices: Prices, told: Text | None
) -> None:
    assert tariff(state, cost, prices) == told


@pytest.mark.parametrize(
    ("state", "cost", "prices", "told"),
    [
        (CHARGING, None, PRICES, None),
        (CHARGING, replace(COST, total=None), PRICES, None),
        (CHARGING, COST, PRICES, "3.50 EUR"),
        (CHARGING, replace(COST, total=Decimal(0)), PRICES, "0.00 EUR"),
        (CHARGING, replace(COST, total=Decimal("0.125")), PRICES, "0.125 EUR"),
        (CHARGING, replace(COST, transaction_id="T0"), PRICES, None),
        (CHARGING, COST, replace(PRICES, cost=False), None),
        (FINISHED, OVER, PRICES, "3.50 EUR"),
        (FINISHED, replace(OVER, ended_at=NOW - 2 * FINAL_SHOWN), PRICES, "3.50 EUR"),
        (FINISHED, replace(OVER, total=None), PRICES, "by mail"),
        (FINISHED, replace(OVER, total=None), replace(PRICES, cost_fallback=""), None),
        (FREE, OVER, PRICES, "3.50 EUR"),
        (FREE, replace(OVER, ended_at=NOW - FINAL_SHOWN), PRICES, None),
        (CHARGING, replace(OVER, transaction_id="T0"), PRICES, None),
    ],
)
def test_the_cost_is_told_while_it_grows_and_after_the_end(
    state: EvseState, cost: SessionCost | None, prices: Prices, told: str | None
) -> None:
    text = total(state, cost, prices, NOW)

    assert (text and text.content) == told


def test_a_final_cost_disappears_by_time() -> None:
    assert until(OVER, NOW) == NOW + FINAL_SHOWN
    assert until(OVER, NOW + FINAL_SHOWN) is None
    assert until(COST, NOW) is None
    assert until(None, NOW) is None


@pytest.mark.parametrize(
    ("message", "policy", "text"),
    [
        (PERSONAL, Policy("T1", tariff_text="ask us"), "0,39 EUR/kWh"),
        (None, Policy("T1", tariff_text="ask us"), "ask us"),
        (PERSONAL, Policy("T1", tariff_shown=False), ""),
        (Text("a|b\n c"), Policy("T1"), "a/b c"),
        (Text("https://example.org", "URI"), Policy("T1", tariff_text="ask us"), "ask us"),
    ],
)
def test_the_record_holds_what_the_driver_was_told(
    message: Text | None, policy: Policy, text: str
) -> None:
    assert agreed(replace(WHO, personal_message=message), policy) == text
