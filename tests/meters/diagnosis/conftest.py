"""Short times for searches, and what they are started with."""

from collections.abc import Callable

import pytest
from em580_rig import AWAKE

from meters.diagnosis import Suspect, gateway, network, serial_line, web
from meters.drivers.carlo_gavazzi_em580 import layout
from meters.rtu import READ_INPUT, read_request
from meters.simulators.em580 import Em580


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less than for a real meter."""
    monkeypatch.setattr(serial_line, "_LISTEN_S", 0.12)
    monkeypatch.setattr(serial_line, "_PATIENT_MS", 300)
    monkeypatch.setattr(serial_line, "_QUICK_MS", 150)
    monkeypatch.setattr(serial_line, "_UNIT_MS", 40)
    monkeypatch.setattr(serial_line, "UNITS", range(1, 13))
    monkeypatch.setattr(gateway, "_PATIENT_MS", 300)
    monkeypatch.setattr(gateway, "_UNIT_MS", 60)
    monkeypatch.setattr(gateway, "UNITS", range(1, 9))
    monkeypatch.setattr(gateway, "_PORTS", ())
    monkeypatch.setattr(network, "CONNECT_S", 1.0)
    monkeypatch.setattr(web, "_PORTS", ())
    monkeypatch.setattr(web, "_ANSWER_S", 0.5)


@pytest.fixture
def meter() -> Callable[..., Em580]:
    """A simulated meter that is awake at once."""

    def make() -> Em580:
        return Em580(AWAKE)

    return make


@pytest.fixture
def suspect() -> Callable[..., Suspect]:
    def make(unit: int = 1, name: str = "outlet1") -> Suspect:
        return Suspect(name, read_request(unit, READ_INPUT, layout.IDENTIFICATION, 1))

    return make
