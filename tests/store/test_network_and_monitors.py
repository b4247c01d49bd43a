"""Network profiles and monitors: kept, replaced, forgotten, over a restart."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from fake_clock import START

from chargepoint.core.authorization import Known
from chargepoint.core.model import IdToken, Source
from chargepoint.core.monitoring import Monitor, MonitorType, Origin
from chargepoint.core.network import NetworkProfile
from chargepoint.errors import StoreError
from chargepoint.store.sqlite import Store

PROFILE = NetworkProfile("wss://csms.example/ocpp", 2, timedelta(seconds=30), "Wired0")
MONITOR = Monitor(1000, "EVSE[1].Power", MonitorType.UPPER, Decimal("11000.5"), 5)


def test_what_was_set_is_there_after_a_restart(folder: Path) -> None:
    with Store(folder, "CP1") as store:
        store.network.save(2, replace(PROFILE, security_profile=1))
        store.network.save(2, PROFILE)
        store.network.save(3, PROFILE)
        store.network.forget(3)
        store.network.mark_good(2, 2)
        store.network.mark_good(1, 2)
        store.monitors.save(replace(MONITOR, severity=9))
        store.monitors.save(MONITOR)
        store.monitors.save(replace(MONITOR, id=1, origin=Origin.PRECONFIGURED, cleared=True))
        store.monitors.save(replace(MONITOR, id=1001))
        store.monitors.forget(1001)

    with Store(folder, "CP1") as store:
        assert store.network.load() == {2: PROFILE}
        assert store.network.good() == (1, 2)
        assert list(store.monitors.load()) == [1, 1000]
        assert store.monitors.load()[1000] == MONITOR


def test_at_first_nothing_is_there(store: Store) -> None:
    assert (store.network.load(), store.network.good(), store.monitors.load()) == ({}, None, {})


def test_all_monitors_are_forgotten_together_with_a_setting(store: Store) -> None:
    store.monitors.save(MONITOR)

    store.monitors.forget_all("MonitoringCtrlr.ActiveMonitoringBase", "FactoryDefault")

    assert store.monitors.load() == {}
    assert store.settings.load_settings() == {
        "MonitoringCtrlr.ActiveMonitoringBase": "FactoryDefault"
    }


def test_monitors_and_setting_are_kept_if_one_of_them_cannot_be_stored(store: Store) -> None:
    store.monitors.save(MONITOR)
    store._db.execute(
        "CREATE TRIGGER full BEFORE INSERT ON setting BEGIN SELECT RAISE(ABORT, 'full'); END"
    )

    with pytest.raises(StoreError):
        store.monitors.forget_all("A.B", "C")

    assert store.monitors.load() == {MONITOR.id: MONITOR}


@pytest.mark.parametrize(
    "call",
    [
        lambda store: store.network.save(2, PROFILE),
        lambda store: store.network.load(),
        lambda store: store.network.mark_good(2, 2),
        lambda store: store.monitors.save(MONITOR),
        lambda store: store.monitors.forget_all("A.B", "C"),
    ],
)
def test_a_disk_that_refuses_says_so(folder: Path, call: Callable[[Store], object]) -> None:
    with Store(folder, "CP1") as store:
        store._db.close()

        with pytest.raises(StoreError):
            call(store)


def test_one_token_is_forgotten_and_no_other(store: Store) -> None:
    known = Known("Accepted", Source.CSMS)
    store.tokens.remember(IdToken("ONE"), known, START)
    store.tokens.remember(IdToken("TWO"), known, START)

    store.tokens.forget(IdToken("one"))

    assert store.tokens.known(IdToken("ONE")) is None
    assert store.tokens.known(IdToken("TWO")) == known
