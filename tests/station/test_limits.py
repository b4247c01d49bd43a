"""Outlets kept at their limit: by the clock, over restarts, shared, safe while nothing is known."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from fake_clock import START, FakeClock
from station_bench import Bench, station_bench

from chargepoint.core.facts import ChargingLimitSet, TransactionEnded, TransactionUpdated
from chargepoint.core.model import Cause, ChargingState
from chargepoint.core.profiles_model import (
    Criteria,
    Installed,
    Kind,
    Period,
    Profile,
    Purpose,
    Recurrency,
    Schedule,
    Unit,
)
from chargepoint.core.variables import (
    PROFILE_ENTRIES,
    SAFE_CURRENT,
    SITE_CURRENT,
    SMART_CHARGING_ENABLED,
    TIME_ZONE,
)
from chargepoint.core.variables_answers import Answer
from chargepoint.errors import Refused, StoreError
from chargepoint.station.profiles import constant
from chargepoint.store.profiles import ChargingProfiles

TWO = (("cType2",), ("cType2",))


def profile(
    *limits: tuple[int, float],
    number: int = 1,
    purpose: Purpose = Purpose.TX_DEFAULT,
    kind: Kind = Kind.ABSOLUTE,
    duration: int | None = None,
    start: datetime = START,
    **more: Any,
) -> Profile:
    periods = tuple(Period(offset, Decimal(str(limit))) for offset, limit in limits)
    begin = None if kind is Kind.RELATIVE else start
    schedule = Schedule(Unit.AMPERE, periods, begin, duration)
    return Profile(number, purpose, kind, 0, (schedule,), **more)


def limits(bench: Bench) -> list[Decimal | None]:
    return [bench.state(evse_id).limit_a for evse_id in bench.station.evses]


async def test_a_limit_follows_its_schedule(alive: Bench) -> None:
    alive.station.profiles.install(1, profile((0, 16), (60, 10), (3600, 0), duration=7200))
    await alive.clock.settle()
    assert alive.outlets[1].limit_a == 16

    await alive.clock.advance(59)
    assert alive.outlets[1].limit_a == 16
    await alive.clock.advance(1)
    assert alive.outlets[1].limit_a == 10
    await alive.clock.advance(3540)
    assert alive.outlets[1].limit_a == 0
    await alive.clock.advance(3600)
    assert alive.outlets[1].limit_a is None


async def test_a_pause_by_a_limit_is_the_stations_and_told(alive: Bench) -> None:
    await alive.plug_and_charge()
    await alive.clock.advance(5)

    alive.station.profiles.install(1, profile((0, 5)))
    await alive.clock.settle()

    assert alive.state().limit_a == 0
    told = alive.facts(TransactionUpdated)[-1]
    assert told.cause is Cause.CHARGING_RATE_CHANGED
    assert told.charging_state is ChargingState.SUSPENDED_EVSE


async def test_a_clock_that_is_set_is_noticed(alive: Bench) -> None:
    alive.station.profiles.install(1, profile((0, 16), (3600, 10)))
    await alive.clock.settle()
    assert alive.outlets[1].limit_a == 16

    alive.clock.set_wall(START + timedelta(hours=2))
    await alive.clock.advance(10)
    assert alive.outlets[1].limit_a == 10
    alive.clock.set_wall(START + timedelta(minutes=1))
    await alive.clock.advance(10)
    assert alive.outlets[1].limit_a == 16


async def test_without_profiles_nothing_wakes_up(alive: Bench) -> None:
    assert await alive.station.limits.apply() is None


async def test_the_limit_of_the_site_is_shared_by_those_who_charge(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        bench.station.model.assign(SITE_CURRENT, Decimal(20))
        await bench.clock.settle()
        assert limits(bench) == [20, 20]

        await bench.charge(evse_id=1)
        await bench.clock.settle()
        assert limits(bench) == [20, 10]
        await bench.charge(evse_id=2)
        await bench.clock.settle()
        assert limits(bench) == [10, 10]

        bench.station.profiles.install(2, profile((0, 6)))
        await bench.clock.settle()
        assert limits(bench) == [14, 6]
        await bench.finish(evse_id=1)
        await bench.clock.settle()
        assert limits(bench) == [14, 6]


async def test_whoever_came_last_waits_if_there_is_not_enough(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        await bench.charge(evse_id=2)
        await bench.clock.advance(10)
        await bench.charge(evse_id=1)

        bench.station.model.assign(SITE_CURRENT, Decimal(11))
        await bench.clock.settle()
        assert limits(bench) == [0, 11]

        await bench.finish(evse_id=2)
        await bench.clock.settle()
        assert limits(bench)[0] == 11


@pytest.mark.spec("2.0.1", "K01.FR.27")
@pytest.mark.spec("1.6", "3.13.1")
async def test_profiles_survive_a_restart_and_count_before_energy_flows(tmp_path: Path) -> None:
    clock = FakeClock()
    resume = {"TxCtrlr.AllowEnergyTransferResumption": True}
    async with station_bench(tmp_path, clock=clock, settings=resume) as bench:
        await bench.charge()
        bench.station.profiles.install(1, profile((0, 16), (3600, 10)))
        await bench.station.limits.apply()
        assert bench.state().limit_a == 16
    clock.pass_time(3600)

    async with station_bench(tmp_path, clock=clock, settings=resume) as bench:
        await bench.station.limits.prepare(1)

        assert bench.state().limit_a == 10
        assert bench.outlets[1].limit_a == 10
        assert bench.outlets[1].orders == []


async def test_a_tx_profile_goes_with_a_transaction_that_a_power_cut_ends(tmp_path: Path) -> None:
    clock = FakeClock()
    async with station_bench(tmp_path, clock=clock) as bench:
        transaction = await bench.charge()
        own = profile(
            (0, 8),
            purpose=Purpose.TX,
            kind=Kind.RELATIVE,
            transaction_id=transaction.transaction_id,
        )
        bench.station.profiles.install(1, own)

    async with station_bench(tmp_path, clock=clock, running=True) as bench:
        assert bench.station.profiles.installed == ()
        assert bench.store.profiles.load() == ()


async def test_a_profile_whose_start_a_power_cut_took_is_gone(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        awaited = profile((0, 8), purpose=Purpose.TX, kind=Kind.RELATIVE)
        bench.station.profiles.install(1, awaited, awaited=True)

    async with station_bench(tmp_path) as bench:
        assert bench.station.profiles.installed == ()
        assert bench.store.profiles.load() == ()


async def test_while_the_profiles_cannot_be_read_the_current_is_a_safe_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    async with station_bench(tmp_path, clock=clock) as bench:
        bench.station.profiles.install(1, profile((0, 10)))
        bench.station.model.assign(SAFE_CURRENT, Decimal(7))

    def broken(_: ChargingProfiles) -> tuple[Installed, ...]:
        raise StoreError("no disk")

    with monkeypatch.context() as patch:
        patch.setattr(ChargingProfiles, "load", broken)
        async with station_bench(tmp_path, clock=clock, running=True) as bench:
            assert bench.outlets[1].limit_a == 7
            assert "safe current: no disk" in caplog.text
            patch.undo()
            await clock.advance(10)
            assert bench.outlets[1].limit_a == 10


@pytest.mark.parametrize(
    ("site_a", "safe_a", "expected"),
    [
        (0, 1000, [32, 32]),
        (40, 1000, [20, 20]),
        (20, 16, [10, 10]),
        (20, 7, [7, 7]),
        (0, 5, [0, 0]),
    ],
)
async def test_a_safe_current_is_never_above_the_outlet_or_its_part_of_the_site(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    site_a: int,
    safe_a: int,
    expected: list[int],
) -> None:
    def broken(_: ChargingProfiles) -> tuple[Installed, ...]:
        raise StoreError("no disk")

    monkeypatch.setattr(ChargingProfiles, "load", broken)
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        bench.station.model.assign(SITE_CURRENT, Decimal(site_a))
        bench.station.model.assign(SAFE_CURRENT, Decimal(safe_a))
        await bench.charge(evse_id=1)
        await bench.charge(evse_id=2)
        await bench.clock.advance(10)

        assert limits(bench) == expected


async def test_a_profile_that_cannot_be_read_does_not_stop_the_others(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with station_bench(tmp_path) as bench:
        bench.station.profiles.install(1, profile((0, 10)))
        bench.store._db.execute("INSERT INTO charging_profile VALUES (2, 1, NULL, x'00')")

    async with station_bench(tmp_path) as bench:
        assert [one.profile.id for one in bench.station.profiles.installed] == [1]
    assert "profile 2 is passed over" in caplog.text


async def test_a_profile_that_cannot_be_stored_changes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(type(bench.store), "change_profiles", refuse)

    with pytest.raises(StoreError):
        bench.station.profiles.install(1, profile((0, 10)))

    assert bench.station.profiles.installed == ()


async def test_what_is_installed_is_counted(bench: Bench) -> None:
    bench.station.profiles.install(1, profile((0, 10)))

    assert bench.station.model[PROFILE_ENTRIES] == 1
    assert bench.station.profiles.clear(Criteria())
    assert bench.station.model[PROFILE_ENTRIES] == 0


async def test_switched_off_only_external_limits_count(alive: Bench) -> None:
    alive.station.profiles.install(1, profile((0, 10)))
    alive.station.profiles.limit_from_outside(1, constant(Decimal(20)), "EMS")
    await alive.clock.settle()
    assert alive.outlets[1].limit_a == 10

    alive.station.model.assign(SMART_CHARGING_ENABLED, value=False)
    await alive.clock.settle()
    assert alive.outlets[1].limit_a == 20
    alive.station.profiles.release_from_outside(1, "EMS")
    await alive.clock.settle()
    assert alive.outlets[1].limit_a is None


async def test_an_external_limit_survives_a_restart_with_its_fact(tmp_path: Path) -> None:
    async with station_bench(tmp_path) as bench:
        bench.station.profiles.limit_from_outside(0, constant(Decimal(20)), "SO")
        bench.station.profiles.limit_from_outside(1, constant(Decimal(10)), "EMS")
        bench.station.profiles.limit_from_outside(1, constant(Decimal(12)), "EMS")

    async with station_bench(tmp_path, running=True) as bench:
        assert bench.outlets[1].limit_a == 12
        assert [fact.source for fact in bench.facts(ChargingLimitSet)] == ["SO", "EMS", "EMS"]
        assert [one.profile.id for one in bench.station.profiles.installed] == [-2, -1]


@pytest.mark.parametrize("evse_id", [9, 1])
async def test_an_external_limit_that_cannot_be_is_refused(bench: Bench, evse_id: int) -> None:
    schedule = Schedule(Unit.AMPERE, (Period(5, Decimal(10)),))

    with pytest.raises(Refused):
        bench.station.profiles.limit_from_outside(evse_id, schedule, "EMS")

    assert bench.facts(ChargingLimitSet) == []


async def test_recurring_profiles_keep_the_time_of_day_of_the_zone(bench: Bench) -> None:
    assert bench.station.model.set_key("TimeZone", "Mars/Olympus").answer is Answer.REJECTED
    bench.station.model.assign(TIME_ZONE, "Europe/Berlin")
    begin = datetime(2026, 3, 28, 10, tzinfo=UTC)
    daily = profile(
        (0, 10), kind=Kind.RECURRING, recurrency=Recurrency.DAILY, duration=3600, start=begin
    )
    bench.station.profiles.install(1, daily)

    bench.clock.set_wall(datetime(2026, 3, 29, 9, 30, tzinfo=UTC))

    expected = bench.station.profiles.expected(1, 7200, Unit.AMPERE)
    assert expected.periods == ((0, 10), (1800, 32))


async def test_an_unknown_zone_of_the_file_is_utc(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with station_bench(tmp_path, settings={"TimeZone": "Mars/Olympus"}) as bench:
        assert bench.station.profiles.expected(1, 60, Unit.AMPERE).periods == ((0, 32),)
    assert "Mars/Olympus" in caplog.text


async def test_a_profile_that_cannot_be_forgotten_does_not_hold_up_the_session(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await alive.plug_and_charge()
    awaited = profile((0, 8), purpose=Purpose.TX, kind=Kind.RELATIVE)
    alive.station.profiles.install(1, awaited, awaited=True)

    def refuse(*_: Any, **__: Any) -> None:
        raise StoreError("full")

    monkeypatch.setattr(type(alive.store), "change_profiles", refuse)
    alive.outlets[1].plug_out()
    await alive.clock.settle()

    assert not alive.outlets[1].closed
    assert len(alive.facts(TransactionEnded)) == 1


async def test_a_disk_that_refuses_keeps_no_limit_from_its_outlet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        for evse_id in (1, 2):
            bench.station.profiles.install(
                evse_id, profile((0, 16), (60, 10), (120, 8), (180, 16), number=evse_id)
            )
        await bench.plug_and_charge()
        await bench.clock.advance(1)
        commit = bench.store.commit

        def refuse(*_: Any, **__: Any) -> None:
            raise StoreError("full")

        monkeypatch.setattr(bench.store, "commit", refuse)
        await bench.clock.advance(60)
        assert [bench.outlets[n].limit_a for n in (1, 2)] == [10, 10]
        bench.outlets[1].suspend()  # this waits for the disk, the limits do not
        await bench.clock.advance(60)
        assert [bench.outlets[n].limit_a for n in (1, 2)] == [8, 8]

        monkeypatch.setattr(bench.store, "commit", commit)
        await bench.clock.advance(11)
        assert limits(bench) == [8, 8]
        assert bench.store.load(1).limit_a == 8
        await bench.clock.advance(60)
        assert [bench.outlets[n].limit_a for n in (1, 2)] == [16, 16]


async def test_a_limit_that_cannot_be_stored_keeps_no_contactor_closed_after_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with station_bench(tmp_path, clock=clock) as bench:
        bench.station.profiles.install(1, profile((0, 16), (60, 10)))
        await bench.station.limits.apply()
        await bench.charge()
    await clock.advance(61)

    async with station_bench(tmp_path, clock=clock) as bench:
        bench.outlets[1].closed = True  # the program was killed, the board knows nothing of it
        commit = bench.store.commit

        def refuse(*_: Any, **__: Any) -> None:
            raise StoreError("full")

        monkeypatch.setattr(bench.store, "commit", refuse)
        bench.supervisor.keep("station", bench.station.run)
        await clock.advance(5)

        assert not bench.outlets[1].closed
        assert bench.outlets[1].limit_a == 10
        monkeypatch.setattr(bench.store, "commit", commit)


async def test_a_limit_waits_for_no_meter_of_another_outlet(tmp_path: Path) -> None:
    async with station_bench(tmp_path, connectors=TWO, running=True) as bench:
        for evse_id in (1, 2):
            bench.station.profiles.install(
                evse_id, profile((0, 16), (60, 10), (120, 8), number=evse_id)
            )
        await bench.plug_and_charge()
        bench.meters[1].gate.clear()
        bench.outlets[1].plug_out()
        await bench.clock.advance(121)
        assert not bench.outlets[1].closed
        assert bench.outlets[2].limit_a == 8

        bench.meters[1].gate.set()
        await bench.clock.advance(11)
        assert bench.outlets[1].limit_a == 8
