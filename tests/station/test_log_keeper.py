"""The log on the disk: bounded, and found again by time."""

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from chargepoint.core.logs import Interval
from chargepoint.station import log_keeper
from chargepoint.station.log_keeper import keep_log, kept_lines

LOGGER = logging.getLogger("chargepoint.test")


def real() -> datetime:
    return datetime.now(UTC)


@pytest.fixture(autouse=True)
def _all_levels() -> Iterator[None]:
    logger = logging.getLogger("chargepoint")
    before = logger.level
    logger.setLevel(logging.DEBUG)
    yield
    logger.setLevel(before)


def test_what_is_said_is_kept_while_open(tmp_path: Path) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    with keep_log(tmp_path / "log", real):
        LOGGER.info("kept")
        LOGGER.debug("only for debugging")
    LOGGER.info("too late")

    lines = list(kept_lines(tmp_path / "log", Interval(before)))

    assert [line.partition(": ")[2] for line in lines] == ["kept\n"]
    assert list(kept_lines(tmp_path / "log", Interval(None, before))) == []


def test_what_a_sentence_quotes_is_no_record_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A CSMS may give any text as the reason of an error."""
    # pytest keeps what it hears, and cannot pass half a character on to another process.
    monkeypatch.setattr(logging.getLogger("chargepoint"), "propagate", False)
    long_ago = datetime.now(UTC) - timedelta(days=1)
    forged = "no\r\n2026-01-01T00:00:00.000Z ERROR chargepoint: forged \x1b[2J\x9b\ud800"
    with keep_log(tmp_path, real):
        LOGGER.warning("refused: %s", forged)
        LOGGER.warning("failed", exc_info=ValueError(forged))

    lines = list(kept_lines(tmp_path, Interval(long_ago)))

    assert [line[:1] for line in lines] == ["2", " ", "2", " ", " "]
    assert "forged" in lines[1]
    assert all(line[:-1].isprintable() for line in lines)


def test_the_oldest_lines_go_at_the_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_keeper, "MOST", 5000)
    with keep_log(tmp_path, real):
        for number in range(200):
            LOGGER.info("line %03d", number)

    lines = list(kept_lines(tmp_path, Interval()))

    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 5000
    numbers = [int(line[-4:]) for line in lines]
    assert numbers == list(range(numbers[0], 200))


def test_a_disk_that_refuses_costs_only_the_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("a file where the folder should be")

    with keep_log(tmp_path / "log", real):
        LOGGER.info("lost")


def test_a_line_has_the_time_of_the_station_whatever_the_machine_says(tmp_path: Path) -> None:
    """The machine's clock may stand in 1970 for ever; the CSMS asks by the time it has told."""
    moment = datetime(2031, 5, 6, 7, 8, 9, 10_000, tzinfo=UTC)
    with keep_log(tmp_path, lambda: moment):
        LOGGER.info("kept")

    (line,) = kept_lines(tmp_path, Interval(moment - timedelta(hours=1), moment))
    assert line.startswith("2031-05-06T07:08:09.010Z INFO")
