"""Logging of the commands: to stderr, as lines for people or as one JSON object per line."""

import json
import logging
import os
import sys
import time
from datetime import UTC, datetime
from typing import Final

LEVELS: Final = ("debug", "info", "warning", "error")

_COLOURS: Final = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m"}
_RESET: Final = "\033[0m"


def set_up(level: str, *, as_json: bool) -> None:
    """Send the records of all loggers from ``level`` on to stderr; replaces what was set up."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if as_json else PlainLines(colour=colour_wanted()))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)


def colour_wanted() -> bool:
    """Whether stderr is a terminal and the user did not forbid colour (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


class PlainLines(logging.Formatter):
    """Time in UTC, level, logger, sentence."""

    converter = staticmethod(time.gmtime)

    def __init__(self, *, colour: bool) -> None:
        super().__init__(
            "%(asctime)s.%(msecs)03dZ %(levelname)-7s %(name)s: %(message)s", "%Y-%m-%dT%H:%M:%S"
        )
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        line = super().format(record)
        start = _COLOURS.get(record.levelno, "") if self._colour else ""
        return f"{start}{line}{_RESET}" if start else line


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, logger, message, and error if there is one."""

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        fields = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            fields["error"] = self.formatException(record.exc_info)
        return json.dumps(fields, ensure_ascii=False)
