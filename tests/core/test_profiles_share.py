"""Who gets how much of what the station may draw."""

from decimal import Decimal

import pytest

from chargepoint.core.profiles_share import Claim, enforceable, share

FULL = Decimal(32)


def claim(evse_id: int, most: float = 32, least: float = 6) -> Claim:
    return Claim(evse_id, Decimal(str(most)), Decimal(str(least)))


@pytest.mark.parametrize(
    ("total", "claims", "parts"),
    [
        (20, [], {}),
        (20, [claim(1)], {1: 20}),
        (40, [claim(1)], {1: 32}),
        (20, [claim(1), claim(2)], {1: 10, 2: 10}),
        (20, [claim(1, 7), claim(2)], {1: 7, 2: 13}),
        (20, [claim(1, 0), claim(2)], {1: 0, 2: 20}),
        (80, [claim(1), claim(2)], {1: 32, 2: 32}),
        (11, [claim(1), claim(2)], {1: 11, 2: 0}),
        (17, [claim(1), claim(2), claim(3)], {1: 8.5, 2: 8.5, 3: 0}),
        (17, [claim(1), claim(2, least=10)], {1: 17, 2: 0}),
        (4, [claim(1)], {1: 4}),
        (0, [claim(1), claim(2)], {1: 0, 2: 0}),
    ],
)
def test_everybody_gets_an_equal_part_as_long_as_it_is_of_use(
    total: int, claims: list[Claim], parts: dict[int, float]
) -> None:
    assert share(Decimal(total), claims) == {n: Decimal(str(part)) for n, part in parts.items()}


@pytest.mark.parametrize(
    ("limit", "least", "current"),
    [("16", 6, "16.0"), ("15.99", 6, "15.9"), ("6", 6, "6.0"), ("5.99", 6, "0"), ("8", 10, "0")],
)
def test_a_current_that_is_of_no_use_is_a_pause(limit: str, least: int, current: str) -> None:
    assert enforceable(Decimal(limit), Decimal(least)) == Decimal(current)
