"""Which CSMS is tried: the slots in their order, and the way back."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest
from pki import root

from chargepoint.core.certificates import Use
from chargepoint.core.network import NetworkProfile
from chargepoint.core.variables import (
    ACTIVE_NETWORK_PROFILE,
    ALLOW_SECURITY_PROFILE_DOWNGRADE,
    MESSAGE_TIMEOUT,
    NETWORK_CONFIGURATION_PRIORITY,
    SECURITY_PROFILE,
    Address,
)
from chargepoint.core.variables_layout import ConnectorDescription, EvseDescription
from chargepoint.csms.credentials import Basis, Credentials
from chargepoint.csms.link import LinkConfig
from chargepoint.csms.outage import Cause
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
        self.routes = Routes(
            Basis(BASE, security), store=store.network, keys=store.keys, model=self.model
        )
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


@pytest.mark.parametrize("slot", [1, 2])
@pytest.mark.parametrize("comes_back", [False, True])
@pytest.mark.spec("2.0.1", "B10.FR.07")
def test_a_slot_that_is_set_anew_while_it_works_leaves_a_way_back(
    store: Store, slot: int, *, comes_back: bool
) -> None:
    store.network.save(2, OTHER)
    Way(store).set(PRIORITY, str(slot))
    old = Way(store)
    old.works()
    before = old.link.config.url
    store.network.save(slot, replace(OTHER, url="ws://slip.example"))
    if comes_back:
        old.works()  # before it is restarted
    assert old.link.config.url == before

    way = Way(store)
    tried = [way.link.config.url]
    for _ in range(3):
        way.fails()
        tried.append(way.link.config.url)
    way.works()

    assert tried == ["ws://slip.example"] * 3 + [before]
    store.network.save(slot, replace(OTHER, url="ws://right.example"))
    right = Way(store)
    assert right.link.config.url == "ws://right.example"
    right.works()
    assert store.network.good() == (slot, 1)
    assert 0 not in store.network.load()


def test_a_csms_that_does_not_accept_the_station_is_left_for_one_that_did(store: Store) -> None:
    way = Way(store)
    way.works()
    store.network.save(2, OTHER)
    way.set(PRIORITY, "2")
    after = Way(store)

    moved = [after.routes.rejected() for _ in range(4)]

    assert moved == [False, False, True, False]  # NetworkProfileConnectionAttempts, then the end
    assert after.routes.slot == 1


def test_a_csms_that_once_accepted_the_station_is_not_left(store: Store) -> None:
    way = Way(store)
    way.works()
    store.network.save(2, OTHER)
    way.set(PRIORITY, "1,2")
    after = Way(store)

    assert [after.routes.rejected() for _ in range(9)] == [False] * 9


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


@pytest.mark.spec("2.0.1", "A05.FR.06")
def test_what_is_less_secure_never_comes_back(store: Store) -> None:
    store.keys.install(Use.CSMS_ROOT, root().pem)
    store.network.save(2, SECURE)
    store.network.save(3, OTHER)
    Way(store).set(PRIORITY, "2,1,3")
    way = Way(store)

    way.works()

    assert way.model[SECURITY_PROFILE] == 2
    assert way.model[NETWORK_CONFIGURATION_PRIORITY] == ("2",)
    assert set(store.network.load()) == {2}
    assert way.set(PRIORITY, "1") == "Rejected"
    way.set(ATTEMPTS, "1")
    slots = []
    for _ in range(3):
        way.fails()
        slots.append(way.routes.slot)
    assert slots == [2, 2, 2], "in this life"
    again = Way(store)
    again.set(ATTEMPTS, "1")
    again.fails()
    assert again.routes.slot == 2


@pytest.mark.spec("2.0.1", "A05.FR.08")
def test_the_way_back_that_was_taken_is_where_the_station_stays(store: Store) -> None:
    store.network.mark_good(1, 3)
    store.network.save(2, SECURE)
    way = Way(store, security=3)
    way.model.assign(ALLOW_SECURITY_PROFILE_DOWNGRADE, True)
    way.works()

    assert way.set(PRIORITY, "2") == "RebootRequired"
    lower = Way(store, security=3)
    lower.works()
    assert lower.model[SECURITY_PROFILE] == 2
    assert store.network.good() == (2, 2)


@pytest.mark.spec("2.0.1", "A05.FR.06")
def test_a_higher_profile_ends_the_lower_one_until_the_csms_wants_it_back(store: Store) -> None:
    store.network.mark_good(1, 2)
    store.network.save(2, replace(SECURE, security_profile=3))
    store.settings.save_setting("OCPPCommCtrlr.NetworkConfigurationPriority", "2,1")
    way = Way(store, security=2)
    way.model.assign(ALLOW_SECURITY_PROFILE_DOWNGRADE, True)
    way.set(ATTEMPTS, "1")

    way.works()
    listed = way.model[NETWORK_CONFIGURATION_PRIORITY]
    way.fails()
    way.fails()

    assert (listed, way.routes.slot) == (("2",), 2)
    assert way.set(PRIORITY, "1") == "RebootRequired"


def test_a_file_that_is_all_there_is_is_used_whatever_worked_before(store: Store) -> None:
    store.network.mark_good(2, 3)

    assert Way(store, security=0).link.config == BASE


def test_a_profile_that_1_6_raised_holds_for_every_slot(store: Store) -> None:
    store.network.save(2, OTHER)
    Way(store).set(PRIORITY, "2,1")
    way = Way(store)
    way.set(ATTEMPTS, "1")
    credentials = Credentials(way.routes.basis(), store.keys, store.credentials)
    credentials.change_profile(2)

    asked = credentials.config().url
    credentials.good()
    way.works()
    way.fails()
    way.fails()
    credentials.basis = way.routes.basis()

    assert asked == "wss://two.example"
    assert (way.routes.slot, credentials.config().url) == (1, "wss://one.example")
    assert credentials.profile == 2


def test_a_profile_that_1_6_raised_in_vain_is_tried_in_no_other_slot(store: Store) -> None:
    store.network.save(2, OTHER)
    Way(store).set(PRIORITY, "2,1")
    way = Way(store)
    way.set(ATTEMPTS, "1")
    credentials = Credentials(way.routes.basis(), store.keys, store.credentials)
    credentials.change_profile(2)

    credentials.failed(Cause.HANDSHAKE, "no TLS there")
    way.fails()
    credentials.basis = way.routes.basis()

    assert credentials.config().url == "ws://one.example"
    assert credentials.profile == 1
