"""Finding drivers by the name in the config."""

import types

import msgspec
import pytest

from meters import catalog
from meters.catalog import UnknownDriver, driver_names, load_driver


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
        assert group == "meters.drivers"
        return [Point(found) for found in offered if name in {None, found}]

    monkeypatch.setattr(catalog, "entry_points", entry_points)
    return offered


def test_a_driver_is_named_by_its_module() -> None:
    driver = load_driver("carlo_gavazzi_em580")

    assert driver.TRANSPORT == "modbus"
    assert msgspec.convert({}, driver.Config) == driver.Config()


@pytest.mark.parametrize("name", ["em581", "", "carlo_gavazzi_em580.signing", "../modbus", "os"])
def test_an_unknown_driver_lists_the_known(name: str) -> None:
    with pytest.raises(UnknownDriver, match=r"known are: .*carlo_gavazzi_em580"):
        load_driver(name)


@pytest.mark.parametrize("name", driver_names())
def test_every_driver_can_be_loaded(name: str) -> None:
    driver = load_driver(name)

    assert driver.TRANSPORT in {"modbus", "http"}
    assert issubclass(driver.Config, msgspec.Struct)
    assert callable(driver.create)


def test_another_package_can_bring_a_driver(installed: dict[str, object]) -> None:
    theirs = types.SimpleNamespace(
        TRANSPORT="http", Config=msgspec.Struct, create=print, http_config=print
    )
    installed["acme_meter"] = theirs

    assert "acme_meter" in driver_names()
    assert load_driver("acme_meter") is theirs


def test_no_other_package_can_replace_a_driver_of_ours(installed: dict[str, object]) -> None:
    installed["carlo_gavazzi_em580"] = types.SimpleNamespace()

    assert load_driver("carlo_gavazzi_em580").TRANSPORT == "modbus"


def test_what_is_no_driver_is_refused_with_what_it_lacks(installed: dict[str, object]) -> None:
    installed["half"] = types.SimpleNamespace(TRANSPORT="http")

    with pytest.raises(
        UnknownDriver, match="'half' is not a meter driver: it has no Config, creat"
    ):
        load_driver("half")
