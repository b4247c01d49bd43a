"""The station's own log on its disk, bounded, so that it can be asked for from afar."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from chargepoint.core.logs import Interval
from chargepoint.core.variables import LOG_MOST
from chargepoint.log_lines import TextLines

log = logging.getLogger(__name__)

MOST = int(LOG_MOST.default or 0)

_FILES = 5
_NAME = "station.log"
_LOGGERS = ("chargepoint", "meters")
_STAMP = len("2026-03-01T10:00:00.000Z")


class _Lines(TextLines):
    """By the station's time: who asks for the log by time knows no other."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        super().__init__()
        self._now = now

    def moment_of(self, record: logging.LogRecord) -> datetime:  # noqa: ARG002
        return self._now().astimezone(UTC)


@contextmanager
def keep_log(folder: Path, now: Callable[[], datetime]) -> Iterator[None]:
    """Write what the station says, from level info on, to files in ``folder`` while open.

    ``now`` is the station's time, which may be right where the machine's clock is not. A disk
    that refuses costs the log, not the station.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        handler = RotatingFileHandler(
            folder / _NAME,
            maxBytes=MOST // _FILES,
            backupCount=_FILES - 1,
            encoding="utf-8",
        )
    except OSError as error:
        log.warning("no log is kept in %s: %s", folder, error)
        yield
        return
    handler.setLevel(logging.INFO)
    handler.setFormatter(_Lines(now))
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
        handler.close()


def kept_lines(folder: Path, interval: Interval) -> Iterator[str]:
    """The lines of a span of time, oldest first; a line without time belongs to the one before."""
    wanted = False
    for file in _oldest_first(folder):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                moment = _moment(line)
                wanted = wanted if moment is None else interval.holds(moment)
                if wanted:
                    yield line


def _oldest_first(folder: Path) -> list[Path]:
    names = [f"{_NAME}.{number}" for number in range(_FILES - 1, 0, -1)] + [_NAME]
    return [folder / name for name in names if (folder / name).is_file()]


def _moment(line: str) -> datetime | None:
    try:
        return datetime.fromisoformat(line[:_STAMP]) if line[:1].isdigit() else None
    except ValueError:
        return None
