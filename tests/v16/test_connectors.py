from typing import Any

import pytest

from chargepoint.errors import Refused
from chargepoint.v16.connectors import Connectors, Place

TWO_AT_THE_SECOND = pytest.mark.parametrize(
    "connectors", [{1: ("cType2",), 2: ("cType2", "sType3")}]
)


def test_one_connector_each_gives_connector_and_evse_the_same_number(bench: Any) -> None:
    numbered = Connectors(bench.station)

    assert [(number, numbered.place(number)) for number in numbered] == [
        (1, Place(1, 1)),
        (2, Place(2, 1)),
    ]


@TWO_AT_THE_SECOND
def test_connectors_count_over_all_evses_as_the_keys_do(bench: Any) -> None:
    numbered = Connectors(bench.station)

    assert [numbered.place(number) for number in numbered] == [
        Place(1, 1),
        Place(2, 1),
        Place(2, 2),
    ]
    assert bench.station.model.get_key("NumberOfConnectors").value == str(len(list(numbered)))


@TWO_AT_THE_SECOND
@pytest.mark.parametrize(("place", "number"), [((1, 1), 1), ((2, 1), 2), ((2, 2), 3), ((0, 0), 0)])
def test_a_place_has_one_number(bench: Any, place: tuple[int, int], number: int) -> None:
    assert Connectors(bench.station).number(*place) == number


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_a_number_without_a_connector_is_refused(bench: Any, number: int) -> None:
    with pytest.raises(Refused, match=f"no connector {number}"):
        Connectors(bench.station).place(number)


def test_a_fact_of_an_evse_that_is_gone_keeps_its_number(bench: Any) -> None:
    assert Connectors(bench.station).number(7) == 7
