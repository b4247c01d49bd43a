"""The rules about vehicles that talk, as tables."""

from decimal import Decimal

import pytest

from chargepoint.core.profiles_model import Period, Schedule, Unit
from chargepoint.core.vehicle import (
    AcNeeds,
    DcNeeds,
    EnergyTransfer,
    Needs,
    check_choice,
    check_needs,
)
from chargepoint.errors import Refused

AC, DC = AcNeeds(20_000, 6, 32, 400), DcNeeds(200, 500, state_of_charge=40)
ALLOWED = [(0, Decimal(32)), (600, Decimal(10)), (900, Decimal(16))]


@pytest.mark.parametrize(
    ("needs", "phases", "good"),
    [
        (Needs(EnergyTransfer.AC_THREE, ac=AC), 3, True),
        (Needs(EnergyTransfer.AC_ONE, ac=AC), 3, True),
        (Needs(EnergyTransfer.AC_THREE), 1, True),
        (Needs(EnergyTransfer.DC, dc=DC), 0, True),
        (Needs(EnergyTransfer.DC, dc=DC), 3, False),
        (Needs(EnergyTransfer.AC_THREE, ac=AC), 0, False),
        (Needs(EnergyTransfer.AC_THREE, dc=DC), 3, False),
        (Needs(EnergyTransfer.DC, ac=AC), 0, False),
        (Needs(EnergyTransfer.DC, dc=DcNeeds(200, 500, full_soc=101)), 0, False),
    ],
)
def test_needs_are_about_the_outlet_there_is(needs: Needs, phases: int, *, good: bool) -> None:
    found = True
    try:
        check_needs(needs, phases)
    except Refused:
        found = False

    assert found is good


@pytest.mark.spec("2.0.1", "K15.FR.09")
@pytest.mark.parametrize(
    ("periods", "length", "why"),
    [
        ([(0, 32), (600, 10), (900, 16)], 1200, ""),
        ([(0, 10)], None, ""),
        ([(0, 32)], 600, ""),
        ([(0, 32)], 601, "after 600 s it wants 32 A, allowed are 10"),
        ([(0, 33)], 1, "after 0 s it wants 33 A, allowed are 32"),
        ([(0, 6), (899, 11)], 1200, "after 899 s it wants 11 A, allowed are 10"),
        ([(0, 6), (1000, 17)], None, "after 1000 s it wants 17 A, allowed are 16"),
        ([(5, 6)], None, "periods begin at 0"),
        ([(0, 6), (9, 6), (7, 6)], None, "follow each other"),
        ([], None, "periods begin at 0"),
    ],
)
def test_a_vehicle_may_choose_less_but_not_more(
    periods: list[tuple[int, int]], length: int | None, why: str
) -> None:
    chosen = Schedule(Unit.AMPERE, tuple(Period(start, Decimal(most)) for start, most in periods))
    found = ""
    try:
        check_choice(chosen, ALLOWED, length)
    except Refused as refused:
        found = str(refused)

    assert why in found
    assert bool(why) is bool(found)
