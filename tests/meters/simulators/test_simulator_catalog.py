"""Finding simulators by the name of their command, and what each of them has to offer."""

import types
from typing import Any

import msgspec
import pytest

from meters.catalog import load_driver
from meters.simulators import catalog
from meters.simulators.catalog import (
    UnknownSimulator,
    load_simulator,
    simulator_names,
    simulators_of,
)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What other packages offer, by name."""
    offered: dict[str, object] = {}

    class Point:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> object:
            return offered[self.name]

    def entry_points(*, group: str, name: str | None = None) -> list[Point]:
        assert group == "meters.simulators"
        return [Point(found) for found in offered if name in {None, found}]

    monkeypatch.setattr(catalog, "entry_points", entry_points)
    return offered


def whole(**changes: Any) -> types.SimpleNamespace:
    parts: dict[str, Any] = {
        "DRIVER": "acme",
        "TRANSPORT": "http",
        "TITLE": "Acme",
        "Settings": msgspec.Struct,
        "QUICK": {},
        "QUICK_DRIVER": {},
        "create": print,
    }
    return types.SimpleNamespace(**parts | changes)


@pytest.mark.parametrize("name", simulator_names())
def test_every_simulator_is_whole_and_fits_its_driver(name: str) -> None:
    simulator = load_simulator(name)
    driver = load_driver(simulator.DRIVER)

    assert simulator.TRANSPORT == driver.TRANSPORT
    assert simulator.TITLE
    assert simulator.Settings() == simulator.Settings()  # every field has a default
    assert set(simulator.QUICK) <= set(simulator.Settings.__struct_fields__)
    assert set(simulator.QUICK_DRIVER) <= set(driver.Config.__struct_fields__)


@pytest.mark.parametrize("name", ["em581", "", "bus", "../bus", "os"])
def test_what_is_no_simulator_is_told_with_those_there_are(name: str) -> None:
    with pytest.raises(UnknownSimulator, match=r"known are: .*em580"):
        load_simulator(name)


def test_simulators_are_found_by_their_driver() -> None:
    assert "em580" in simulators_of("carlo_gavazzi_em580")
    assert simulators_of("nobodys") == {}


def test_another_package_can_bring_a_simulator(installed: dict[str, object]) -> None:
    installed["acme"] = theirs = whole()

    assert "acme" in simulator_names()
    assert load_simulator("acme") is theirs


def test_no_other_package_can_replace_one_of_ours(installed: dict[str, object]) -> None:
    installed["em580"] = whole()

    assert load_simulator("em580").DRIVER == "carlo_gavazzi_em580"


def test_what_lacks_a_part_is_refused_with_what_it_lacks(installed: dict[str, object]) -> None:
    installed["half"] = types.SimpleNamespace(DRIVER="acme", TRANSPORT="http")

    with pytest.raises(UnknownSimulator, match="it has no TITLE, Settings, QUICK, QUICK_DRIVER, c"):
        load_simulator("half")
