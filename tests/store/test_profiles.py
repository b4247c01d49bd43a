"""Charging profiles in the store: with the facts about them, and with their transaction."""

from dataclasses import replace
from decimal import Decimal

import pytest
from fake_clock import START
from sample_facts import ended, started

from chargepoint.core.facts import ChargingLimitSet
from chargepoint.core.profiles_model import (
    Installed,
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Unit,
)
from chargepoint.errors import StoreError
from chargepoint.store import codec
from chargepoint.store.sqlite import Store

SCHEDULES = (
    Schedule(
        Unit.WATT,
        (Period(0, Decimal("11000.5"), 3, 2), Period(60, Decimal(0))),
        START,
        3600,
        Decimal("6.1"),
        7,
    ),
    Schedule(Unit.AMPERE, (Period(0, Decimal(6)),)),
)
FULL = Installed(
    1,
    Profile(
        5,
        Purpose.TX_DEFAULT,
        Kind.RECURRING,
        2,
        SCHEDULES,
        Recurrency.WEEKLY,
        START,
        START,
    ),
)


def tx(number: int, transaction_id: str | None) -> Installed:
    profile = Profile(number, Purpose.TX, Kind.RELATIVE, number, SCHEDULES[1:])
    return Installed(1, replace(profile, transaction_id=transaction_id))


def test_a_profile_reads_back_as_it_was(store: Store) -> None:
    store.change_profiles((), FULL)

    assert store.profiles.load() == (FULL,)


def test_one_goes_and_another_comes_together_with_what_is_told(store: Store) -> None:
    store.change_profiles((), FULL)
    outside = Installed(0, replace(FULL.profile, id=-1, purpose=Purpose.EXTERNAL), "EMS")

    store.change_profiles({5}, outside, ChargingLimitSet(0, START, "EMS"))

    assert store.profiles.load() == (outside,)
    entry = store.next_entry()
    assert entry is not None
    assert entry.fact == ChargingLimitSet(0, START, "EMS")


def test_what_cannot_be_told_is_not_kept_either(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise StoreError("full")

    store.change_profiles((), FULL)
    monkeypatch.setattr(store, "_append", refuse)

    with pytest.raises(StoreError):
        store.change_profiles({5}, None, ChargingLimitSet(0, START, "EMS"))

    assert store.profiles.load() == (FULL,)


def test_a_tx_profile_waits_for_its_transaction_and_goes_with_it(store: Store) -> None:
    store.change_profiles((), tx(1, None))
    store.change_profiles((), tx(2, "T0"))
    store.change_profiles((), FULL)

    store.record(started("T1"))
    assert store.profiles.load() == (tx(1, "T1"), tx(2, "T0"), FULL)

    store.record(ended("T1"))
    assert store.profiles.load() == (tx(2, "T0"), FULL)


def test_a_profile_that_cannot_be_read_does_not_keep_a_session_from_beginning(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    store._db.execute("INSERT INTO charging_profile VALUES (1, 1, '', x'00')")

    store.record(started("T1"))

    assert store.waiting == 1
    assert "passed over" in caplog.text


@pytest.mark.parametrize("fact", [ChargingLimitSet(0, START, "EMS", schedule=SCHEDULES[0])])
def test_a_limit_of_others_reads_back_as_it_was(fact: ChargingLimitSet) -> None:
    assert codec.decode_fact("ChargingLimitSet", codec.encode(fact)) == fact
