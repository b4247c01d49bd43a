"""A station whose clock has no battery: nothing leaves it with a time that was never true."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from case_rig import Case, case
from fake_clock import START

from chargepoint.core.model import StopReason
from chargepoint.core.security import Event
from chargepoint.errors import StoreError
from meters.model import Reading

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAYS = timedelta(days=3)
HALF_HOUR = timedelta(minutes=30)
SAMPLES = {
    "2.0.1": {
        "SampledDataCtrlr.TxUpdatedInterval": "30",
        "AuthCtrlr.OfflineTxForUnknownIdEnabled": "true",
    },
    "1.6": {"MeterValueSampleInterval": "30", "AllowOfflineTxForUnknownId": "true"},
}


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def booted(now: datetime) -> dict[str, object]:
    return {"status": "Accepted", "currentTime": at(now), "interval": 3000}


def times(value: Any) -> list[datetime]:
    """Every time stamp in a message."""
    if isinstance(value, dict):
        return [found for part in value.values() for found in times(part)]
    if isinstance(value, list):
        return [found for part in value for found in times(part)]
    if isinstance(value, str) and len(value) > 18 and value[4:5] == "-" and value.endswith("Z"):
        return [datetime.fromisoformat(value)]
    return []


def told(run: Case) -> list[tuple[str, datetime]]:
    """Action and first time stamp of every message about sessions, in the order they came."""
    about = {"TransactionEvent", "StartTransaction", "StopTransaction", "MeterValues"}
    return [
        (one.action, times(one.payload)[0])
        for one in run.take()
        if one.action in about and times(one.payload)
    ]


async def without_csms(run: Case) -> None:
    """A session from begin to end, 150 s long, while nobody knows the time."""
    await run.charge()
    await run.advance(150)
    await run.swipe("04A1B2C3D4")
    await run.unplug(evse=1)


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("clock", [EPOCH, START - DAYS, datetime(2101, 1, 1, tzinfo=UTC)])
async def test_a_session_without_time_is_told_with_the_right_one(
    version: str, clock: datetime, tmp_path: Path
) -> None:
    async with case(version, tmp_path, settings=SAMPLES[version]) as run:
        await run.advance(10)
        await run.cut()
        await run.restart(clock)  # and for three days, though nobody knows
        run.take()
        assert run.clock.provisional
        began = run.clock.elapsed
        await without_csms(run)
        assert not run.station.time_source.known

        true_start = START + DAYS
        now = true_start + timedelta(seconds=run.clock.elapsed - began)
        run.answers("BootNotification", booted(now))
        await run.back()

        assert run.clock.now() == now
        found = told(run)
        assert found
        assert found[0][1] == true_start
        assert all(true_start <= moment <= now for _, moment in found)
        assert [moment for _, moment in found] == sorted(moment for _, moment in found)
        assert found[-1][1] - found[0][1] >= 150 * SECOND


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_lives_without_time_keep_their_order(version: str, tmp_path: Path) -> None:
    async with case(version, tmp_path, settings=SAMPLES[version]) as run:
        await run.cut()
        for _ in range(3):
            await run.restart(EPOCH)
            await without_csms(run)
        run.take()
        now = START + DAYS
        run.answers("BootNotification", booted(now))
        await run.back()

        moments = [moment for _, moment in told(run)]
        assert moments == sorted(moments)
        assert len(moments) > 15
        assert moments[0] > START
        assert moments[-1] <= now
        last = run.clock.elapsed
        assert now - moments[0] < timedelta(seconds=3 * 700)
        assert last > 0


async def test_a_clock_that_is_back_places_the_life_without_time_before_it(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        await without_csms(run)
        await run.restart(START + DAYS)
        assert not run.clock.provisional
        run.take()
        run.answers("BootNotification", booted(run.clock.now()))
        await run.back()

        moments = [moment for _, moment in told(run)]
        assert moments[-1] < START + DAYS
        assert moments[0] > START + DAYS - timedelta(seconds=700)


async def test_ntp_is_believed_as_soon_as_it_has_the_time(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        began = run.clock.elapsed
        await without_csms(run)
        passed = timedelta(seconds=run.clock.elapsed - began)
        run.clock.set_machine(START + DAYS + passed)
        run.clock.kept_right = True
        await run.advance(11)

        assert run.station.time_source.known
        assert abs(run.clock.now() - (START + DAYS + passed + 11 * SECOND)) < SECOND
        run.take()
        run.answers("BootNotification", booted(run.clock.now()))
        await run.back()
        moments = [moment for _, moment in told(run)]
        assert moments[0] >= START + DAYS - SECOND
        assert moments[-1] <= run.clock.now()


@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
@pytest.mark.parametrize("clock", [EPOCH, START - DAYS, START + 7300 * DAYS / 3])
async def test_a_clock_that_is_set_while_the_time_is_known_changes_nothing(
    version: str, clock: datetime, tmp_path: Path
) -> None:
    async with case(version, tmp_path, settings=SAMPLES[version]) as run:
        run.take()
        run.clock.set_machine(clock)
        await without_csms(run)

        moments = [moment for _, moment in told(run)]
        assert len(moments) > 4
        assert all(START <= moment <= START + HALF_HOUR for moment in moments)


@pytest.mark.parametrize("looked", [True, False])
async def test_a_clock_that_is_set_by_hand_moves_what_was_recorded(
    tmp_path: Path, *, looked: bool
) -> None:
    """Whether or not the station has seen it before the CSMS tells the time."""
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(START + DAYS + HALF_HOUR)  # half an hour ahead, which can be
        began = run.clock.elapsed
        assert not run.clock.provisional
        await without_csms(run)
        passed = timedelta(seconds=run.clock.elapsed - began)
        run.clock.set_machine(START + DAYS + passed)
        if looked:
            await run.advance(11)
            assert abs(run.clock.now() - (START + DAYS + passed + 11 * SECOND)) < SECOND
            assert not run.station.time_source.known
        run.take()
        passed = timedelta(seconds=run.clock.elapsed - began)
        run.answers("BootNotification", booted(START + DAYS + passed))
        await run.back()

        moments = [moment for _, moment in told(run)]
        assert moments[0] == START + DAYS
        assert moments == sorted(moments)
        assert moments[-1] <= START + DAYS + passed


async def test_a_disk_that_refuses_leaves_the_time_for_the_next_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        await without_csms(run)

        def refuse(*_: object, **__: object) -> int:
            raise StoreError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(run.station.store.timeline, "put_right", refuse)
            run.station.time_source.told(START + DAYS)
        assert not run.station.time_source.known
        assert run.clock.provisional

        run.station.time_source.told(START + DAYS)
        assert run.station.time_source.known
        assert run.clock.now() == START + DAYS


async def test_what_others_said_is_not_moved(tmp_path: Path) -> None:
    """Document, key and expiry are theirs; only the station's own moments move."""
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        await without_csms(run)
        before = [json.loads(row[0]) for row in facts(run)]
        by = START + DAYS - run.clock.now()
        run.station.time_source.told(START + DAYS)
        after = [json.loads(row[0]) for row in facts(run)]

        assert len(before) == len(after)
        ended = next(one for one in after if "reason" in one and "end" in one)
        was = next(one for one in before if "reason" in one and "end" in one)
        assert ended["end"]["signed"] == was["end"]["signed"]
        assert ended["end"]["samples"] == was["end"]["samples"]
        moved = datetime.fromisoformat(ended["at"]) - datetime.fromisoformat(was["at"])
        assert moved == by
        assert {key: value for key, value in ended.items() if not times([value])} == {
            key: value for key, value in was.items() if not times([value])
        }


def facts(run: Case) -> list[tuple[bytes]]:
    rows: list[tuple[bytes]] = run.station.store._db.execute(
        "SELECT fact FROM journal ORDER BY number"
    ).fetchall()
    return rows


async def test_a_damaged_fact_does_not_keep_the_others_from_being_put_right(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        await without_csms(run)
        db = run.station.store._db
        db.execute("UPDATE journal SET fact = '{' WHERE number = (SELECT max(number) FROM journal)")

        assert run.station.store.timeline.newest() is not None
        run.station.time_source.told(START + DAYS)

        assert run.station.time_source.known
        right = [json.loads(row[0])["at"] for row in facts(run)[:-1] if b'"at"' in row[0]]
        assert all(datetime.fromisoformat(at) > START + DAYS - HALF_HOUR for at in right[-3:])


async def begin_another_life(run: Case) -> None:
    """In the same process, as after a reset."""
    lives = len(run.lives)
    await run.done(run.station.maintenance.restart(StopReason.OTHER, reason="ApplicationReset"))
    await run.until(lambda: len(run.lives) > lives)


async def test_a_further_life_of_a_program_without_time_moves_nothing(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        run.take()
        began = run.clock.elapsed
        await without_csms(run)
        await run.advance(7200)  # nothing happens
        await begin_another_life(run)
        assert run.clock.provisional

        now = START + DAYS + timedelta(seconds=run.clock.elapsed - began)
        run.answers("BootNotification", booted(now))
        await run.back()

        assert abs(told(run)[0][1] - (START + DAYS)) <= SECOND


async def test_a_further_life_just_after_a_fact_does_not_doubt_its_clock(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(START + DAYS)
        await run.charge()
        assert not run.clock.provisional
        await begin_another_life(run)

        assert not run.station.time_source.known
        assert not run.clock.provisional


async def test_the_time_of_a_meter_that_has_one_is_not_moved(tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        meter, end = run.meters[1], START + DAYS + HALF_HOUR
        ends = meter.end

        async def by_own_clock(transaction_id: str) -> Reading:
            return replace(await ends(transaction_id), taken_at=end)

        meter.end = by_own_clock  # type: ignore[method-assign]
        began = run.clock.elapsed
        await without_csms(run)
        run.take()
        now = START + DAYS + timedelta(seconds=run.clock.elapsed - began)
        run.answers("BootNotification", booted(now))
        await run.back()

        ended = next(p for p in run.take("TransactionEvent") if p["eventType"] == "Ended")
        assert ended["meterValue"][-1]["timestamp"] == at(end)


async def test_what_waits_for_the_disk_gets_the_right_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        began = run.clock.elapsed
        await run.charge()

        def refuse(*_: object, **__: object) -> None:
            raise StoreError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(run.station.store, "commit", refuse)
            await run.unplug(evse=1)
        passed = timedelta(seconds=run.clock.elapsed - began)
        run.station.time_source.told(START + DAYS + passed)  # just before it is tried again
        await run.advance(20)
        run.take()
        run.answers("BootNotification", booted(run.clock.now()))
        await run.back()

        assert all(
            START + DAYS - SECOND <= moment <= run.clock.now()
            for one in run.take("TransactionEvent")
            for moment in times(one)
        )


async def test_an_event_that_waited_for_the_disk_gets_the_right_time_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with case("2.0.1", tmp_path, settings=SAMPLES["2.0.1"]) as run:
        await run.cut()
        await run.restart(EPOCH)
        store = run.station.store

        def refuse(*_: object, **__: object) -> None:
            raise StoreError("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(store, "record", refuse)
            run.station.security.event(Event.TIME_SET, "for this test")
        run.station.time_source.told(START + DAYS)
        store.on_trouble()
        await run.settle()

        (waits,) = [json.loads(one) for (one,) in facts(run) if b"for this test" in one]
        assert datetime.fromisoformat(waits["at"]) >= START + DAYS - HALF_HOUR
