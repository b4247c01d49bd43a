"""What counts as hanging, and what does not: the CSMS, a meter, or a disk that refuses."""

import asyncio
import os
import sqlite3
from pathlib import Path
from types import SimpleNamespace

import pytest
from station_bench import TOKEN, Bench, station_bench

from chargepoint.errors import StoreError
from chargepoint.hardware.simulated import Vehicle
from chargepoint.station import progress
from chargepoint.station.progress import (
    FAILING_MOST,
    INPUT_MOST,
    METER_MOST,
    ROUND_MOST,
    STORE_MOST,
)
from chargepoint.store.patience import LONGEST
from meters.errors import MeterUnreachable


async def pass_time(bench: Bench, seconds: float, *, looks: float = 10) -> list[str]:
    """What is found in the end, by somebody who looks all the time."""
    found: list[str] = []
    for _ in range(int(seconds // looks)):
        await bench.clock.advance(looks)
        found = bench.station.progress.stalled()
    return found


async def test_a_station_that_is_well_is_well_for_long(alive: Bench) -> None:
    assert await pass_time(alive, 1200) == []


async def test_a_station_without_csms_and_meter_is_well(alive: Bench) -> None:
    alive.session.online = False
    alive.meters[1].fails = MeterUnreachable("no answer")

    assert await pass_time(alive, 1200) == []


async def test_an_idle_station_commits_something_now_and_then(alive: Bench) -> None:
    await pass_time(alive, 1200)

    before = alive.store.commits
    await pass_time(alive, 620)
    assert 2 <= alive.store.commits - before <= 3, "a flash wears out"


async def test_an_input_that_is_never_carried_out_is_found(alive: Bench) -> None:
    never = asyncio.Event()
    alive.evse().runner.meter.take_begin = lambda _: never.wait()  # type: ignore[method-assign, union-attr, return-value, assignment]
    alive.outlets[1].plug_in(Vehicle())
    alive.station.present(TOKEN)

    assert await pass_time(alive, INPUT_MOST.total_seconds() - 20) == []
    assert await pass_time(alive, 40) == ["EVSE 1: an input is not carried out"]


async def test_a_meter_that_is_not_asked_any_more_is_found(alive: Bench) -> None:
    never = asyncio.Event()
    alive.evse().meter.refresh = never.wait  # type: ignore[method-assign, assignment]

    assert await pass_time(alive, METER_MOST.total_seconds() - 20) == []
    assert await pass_time(alive, 60) == ["EVSE 1: its meter is not asked any more"]


async def test_a_supervision_that_does_not_go_round_is_found(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = asyncio.Event()
    monkeypatch.setattr("chargepoint.station.evse.sleep_unless", lambda *_: never.wait())

    assert await pass_time(alive, ROUND_MOST.total_seconds()) == []
    assert await pass_time(alive, 20) == ["EVSE 1: its supervision does not go round"]


async def test_a_vital_part_that_fails_whenever_it_is_started_is_found(tmp_path: Path) -> None:
    async def defective() -> None:
        raise ValueError("a defect")

    async with station_bench(tmp_path) as bench:
        bench.station.limits.run = defective  # type: ignore[method-assign, assignment]
        bench.station.displays.run = defective  # type: ignore[method-assign, assignment]
        bench.supervisor.keep("station", bench.station.run)

        assert await pass_time(bench, FAILING_MOST.total_seconds()) == []
        assert await pass_time(bench, 20) == ["limits fails again and again"]


async def test_a_supervision_that_waits_to_be_started_again_is_given_its_time(
    tmp_path: Path,
) -> None:
    async def defective(*_: object) -> None:
        raise ValueError("a defect")

    async with station_bench(tmp_path, running=True) as bench:
        bench.station.limits.prepare = defective  # type: ignore[method-assign, assignment]
        bench.evse().runner._failed = "something"
        assert await pass_time(bench, FAILING_MOST.total_seconds() - 20) == []
        assert await pass_time(bench, 60) == ["EVSE 1 fails again and again"]


async def test_a_database_that_takes_nothing_for_long_is_found(alive: Bench) -> None:
    with sqlite3.connect(alive.store.folder / "station.db", isolation_level=None) as other:
        alive.store._db.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN EXCLUSIVE")
        assert await pass_time(alive, STORE_MOST.total_seconds()) == []
        assert await pass_time(alive, 30) == ["nothing can be stored"]

        other.execute("ROLLBACK")
        assert await pass_time(alive, 30) == []
    other.close()


async def test_a_disk_that_the_system_has_made_read_only_is_no_reason_to_start_again(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What ext4 does with a worn card (errors=remount-ro)."""

    def refuse() -> None:
        raise StoreError("journal: disk I/O error")

    found = os.statvfs(alive.store.folder)
    flags = SimpleNamespace(f_flag=found.f_flag | os.ST_RDONLY)
    monkeypatch.setattr(alive.store, "probe", refuse)
    assert await pass_time(alive, STORE_MOST.total_seconds() + 30) == ["nothing can be stored"]
    monkeypatch.setattr(os, "statvfs", lambda _: flags)

    assert alive.station.progress.stalled() == []


async def test_an_input_that_waits_for_the_disk_is_left_to_the_disk(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STORE_MOST", INPUT_MOST * 4)
    with sqlite3.connect(alive.store.folder / "station.db", isolation_level=None) as other:
        alive.store._db.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN EXCLUSIVE")
        alive.outlets[1].plug_in(Vehicle())

        assert await pass_time(alive, INPUT_MOST.total_seconds() + 60) == []
        assert alive.evse().runner.waits_for_disk

        other.execute("ROLLBACK")
        await alive.clock.advance(LONGEST.total_seconds() + 1)
    other.close()
    assert alive.state().plugged


async def test_the_time_that_an_input_waited_for_the_disk_is_not_held_against_it(
    alive: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "STORE_MOST", INPUT_MOST * 4)
    await alive.plug_and_charge()
    with sqlite3.connect(alive.store.folder / "station.db", isolation_level=None) as other:
        alive.store._db.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN EXCLUSIVE")
        alive.outlets[1].plug_out()
        await pass_time(alive, INPUT_MOST.total_seconds() + 60)
        other.execute("ROLLBACK")
    other.close()
    alive.meters[1].fails = MeterUnreachable("no answer")

    assert await pass_time(alive, 60) == []
    assert not alive.evse().runner.waits_for_disk
    assert alive.evse().runner.busy_since is not None, "the meter is waited for"
