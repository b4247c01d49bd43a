"""The CSMS tells the time, and the station goes by it unless it has another source."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from case_rig import case
from fake_clock import START

SECOND = timedelta(seconds=1)
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
        run.answers("Heartbeat", {"currentTime": at(START + timedelta(seconds=200))})

        await run.advance(301)

        assert run.take("Heartbeat") == [{}]
        assert abs(run.station.clock.now() - (START + timedelta(seconds=200))) < SECOND * 5


async def test_a_great_step_of_a_clock_that_is_known_is_made_when_it_was_said_twice(
    tmp_path: Path,
) -> None:
    async with case("2.0.1", tmp_path) as run:
        early = [at(START + 301 * SECOND - HOUR), at(START + 603 * SECOND - HOUR)]
        run.answers("Heartbeat", *({"currentTime": one} for one in early))

        await run.advance(301)
        assert abs(run.station.clock.now() - START) < 305 * SECOND
        await run.advance(301)

        assert abs(run.station.clock.now() - (START + 602 * SECOND - HOUR)) < 5 * SECOND


@pytest.mark.parametrize("said", [START + HOUR, START - HOUR])
async def test_one_answer_that_is_an_hour_off_moves_nothing(said: datetime, tmp_path: Path) -> None:
    async with case("2.0.1", tmp_path) as run:
        right = {"currentTime": at(START + 601 * SECOND)}
        run.answers("Heartbeat", {"currentTime": at(said)}, right, {"currentTime": at(said)})

        await run.advance(905)

        assert run.station.clock.now() == START + 905 * SECOND


@pytest.mark.parametrize("year", [1970, 2000, 2106])
@pytest.mark.parametrize("version", ["1.6", "2.0.1"])
async def test_a_time_that_cannot_be_is_not_believed(
    version: str, year: int, tmp_path: Path
) -> None:
    async with case(version, tmp_path, start=False) as run:
        run.answers("BootNotification", booted(datetime(year, 1, 1, tzinfo=UTC)))
        await run.start()

        assert run.station.clock.now() == START
        assert not run.station.time_source.known


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
