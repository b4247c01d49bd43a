"""The CSMS tells the time, and the station goes by it unless it has another source."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from case_rig import case
from fake_clock import START

from chargepoint.clock import SystemClock

HOUR = timedelta(hours=1)


def at(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def booted(now: datetime) -> dict[str, object]:
    return {"status": "Accepted", "currentTime": at(now), "interval": 300}


@pytest.mark.spec("2.0.1", "B01.FR.06")
@pytest.mark.spec("1.6", "4.2")
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_the_answer_to_a_boot_puts_the_clock_right(version: str, tmp_path: Path) -> None:
    async with case(version, tmp_path, start=False) as run:
        run.answers("BootNotification", booted(START + HOUR))
        await run.start()

        assert run.station.clock.now() == START + HOUR
        (status, *_) = run.take("StatusNotification")
        assert status["timestamp"] == at(START + HOUR)

        await run.advance(20)
        events = [event["type"] for event in run.take("SecurityEventNotification")]
        assert events.count("SettingSystemTime") == 1


@pytest.mark.spec("1.6", "4.6")
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_so_does_that_to_a_heartbeat(version: str, tmp_path: Path) -> None:
    async with case(version, tmp_path) as run:
        run.answers("Heartbeat", {"currentTime": at(START - HOUR)})

        await run.advance(301)

        assert run.take("Heartbeat") == [{}]
        assert abs(run.station.clock.now() - (START - HOUR)) < timedelta(seconds=5)


@pytest.mark.parametrize("seconds", [-1.9, 1.9])
async def test_a_message_may_take_its_time(seconds: float, tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path, start=False) as run:
        run.answers("BootNotification", booted(START + timedelta(seconds=seconds)))
        await run.start()

        assert run.station.clock.now() == START


async def test_a_station_with_another_source_goes_by_that(tmp_path: Path) -> None:
    settings = {"ClockCtrlr.TimeSource": "NTP,Heartbeat"}
    async with case("2.0.1", tmp_path, settings=settings, start=False) as run:
        run.answers("BootNotification", booted(START + HOUR))
        await run.start()

        assert run.station.clock.now() == START


def test_the_clock_of_the_machine_is_left_alone() -> None:
    clock = SystemClock()

    clock.correct(HOUR)
    clock.correct(HOUR)

    assert abs(clock.now() - datetime.now(UTC) - 2 * HOUR) < timedelta(minutes=1)
