"""Which CSMS is tried: the slots in their order, and the way back."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from chargepoint.core.network import NetworkProfile
from chargepoint.core.variables import (
    ACTIVE_NETWORK_PROFILE,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    SECURITY_PROFILE,
    Address,
)
from chargepoint.core.variables_layout import ConnectorDescription, EvseDescription
from chargepoint.csms.credentials import Basis
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.routes import Routes
from chargepoint.station.device_model import DeviceModel
from chargepoint.store.sqlite import Store

BASE = LinkConfig("ws://one.example", "CP1", ("ocpp2.0.1",))
OTHER = NetworkProfile("ws://two.example", 1, timedelta(seconds=12))
SECURE = NetworkProfile("wss://two.example", 2, timedelta(seconds=12))
PRIORITY = Address.parse("OCPPCommCtrlr.NetworkConfigurationPriority")
ATTEMPTS = Address.parse("OCPPCommCtrlr.NetworkProfileConnectionAttempts")


@dataclass
class FakeLink:
    config: LinkConfig
    failures: int = 0


class Way:
    """The routes of one life, and a link that fails when told to."""

    def __init__(self, store: Store, security: int = 1) -> None:
        evse = EvseDescription(1, (ConnectorDescription(1, "cType2"),))
        self.model = DeviceModel(evses=[evse], store=store.settings)
        self.routes = Routes(Basis(BASE, security), store=store.network, model=self.model)
        self.link = FakeLink(self.routes.basis().link)

    def set(self, address: Address, value: str) -> str:
        return str(self.model.set(address, value).answer)

    def fails(self) -> bool:
        self.link.failures += 1
        moved = self.routes.follow(self.link)
        self.link.config = self.routes.basis().link
        return moved

    def works(self) -> None:
        self.link.failures = 0
        self.routes.follow(self.link)
        self.routes.works()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state", "CP1") as store:
        yield store


def test_the_file_is_the_first_slot(store: Store) -> None:
    way = Way(store)

    assert way.link.config == BASE
    assert way.model[ACTIVE_NETWORK_PROFILE] == 1
    assert way.model[SECURITY_PROFILE] == 1


@pytest.mark.spec("2.0.1", "B10.FR.02")
def test_an_empty_slot_cannot_be_put_into_the_list(store: Store) -> None:
    assert Way(store).set(PRIORITY, "2,1") == "Rejected"


@pytest.mark.spec("2.0.1", "TC_B_45_CS")
@pytest.mark.spec("2.0.1", "B10.FR.04")
def test_a_new_first_slot_is_used_after_the_restart(store: Store) -> None:
    store.network.save(2, OTHER)
    old = Way(store)

    assert old.set(PRIORITY, "2,1") == "RebootRequired"
    assert old.routes.slot == 1
    new = Way(store)

    assert new.link.config.url == OTHER.url
    assert new.model[ACTIVE_NETWORK_PROFILE] == 2
    assert new.model[MESSAGE_TIMEOUT] == timedelta(seconds=12)


@pytest.mark.spec("2.0.1", "TC_B_46_CS")
@pytest.mark.spec("2.0.1", "B10.FR.03")
def test_after_its_attempts_the_next_slot_is_tried(store: Store) -> None:
    store.network.save(2, OTHER)
    Way(store).set(PRIORITY, "2,1")
    way = Way(store)
    way.set(ATTEMPTS, "2")

    switched = [way.fails() for _ in range(2)]

    assert switched == [False, True]
    assert way.link.config == BASE
    assert way.model[ACTIVE_NETWORK_PROFILE] == 1


@pytest.mark.spec("2.0.1", "TC_B_49_CS")
@pytest.mark.spec("2.0.1", "B10.FR.07")
def test_when_every_slot_failed_the_one_that_worked_is_tried_again(store: Store) -> None:
    first = Way(store)
    first.works()
    store.network.save(2, OTHER)
    first.set(PRIORITY, "2")
    way = Way(store)

    tried = [way.routes.slot]
    for _ in range(12):
        way.fails()
        tried.append(way.routes.slot)

    assert tried == [2, 2, 2, 1, 1, 1, 2, 2, 2, 1, 1, 1, 2]


def test_a_connection_that_is_lost_is_no_attempt(store: Store) -> None:
    store.network.save(2, OTHER)
    Way(store).set(PRIORITY, "2,1")
    way = Way(store)
    way.set(ATTEMPTS, "1")
    way.works()

    assert not way.fails(), "the loss"
    assert way.routes.slot == 2
    assert way.fails(), "the attempt after it"
    assert way.routes.slot == 1


@pytest.mark.spec("2.0.1", "TC_A_19_CS")
@pytest.mark.spec("2.0.1", "A05.FR.06")
def test_what_is_less_secure_never_comes_back(store: Store) -> None:
    store.network.save(2, SECURE)
    store.network.save(3, OTHER)
    Way(store).set(PRIORITY, "2,1,3")
    way = Way(store)

    way.works()

    assert way.model[SECURITY_PROFILE] == 2
    assert way.model[NETWORK_CONFIGURATION_PRIORITY] == ("2",)
    assert set(store.network.load()) == {2}
    assert way.set(PRIORITY, "1") == "Rejected"
    again = Way(store)
    again.set(ATTEMPTS, "1")
    again.fails()
    assert again.routes.slot == 2


def test_a_file_that_is_all_there_is_is_used_whatever_worked_before(store: Store) -> None:
    store.network.mark_good(2, 3)

    assert Way(store, security=0).link.config == BASE
