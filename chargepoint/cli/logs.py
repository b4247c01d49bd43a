"""Logging of the commands: to stderr, as lines for people or as one JSON object per line."""

import json
import logging
import os
import sys
from datetime import UTC, datetime
from typing import Final

from chargepoint.log_lines import TextLines

LEVELS: Final = ("debug", "info", "warning", "error")
FORMATS: Final = ("text", "json", "plain")
"""What a command takes for ``--log-format``; plain is another name of text."""

_COLOURS: Final = {logging.WARNING: "\033[33m", logging.ERROR: "\033[31m"}
_RESET: Final = "\033[0m"


def set_up(level: str, *, as_json: bool) -> None:
    """Send the records of all loggers from ``level`` on to stderr; replaces what was set up."""
    handler = logging.StreamHandler()
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    reformat("json" if as_json else "text")


def reformat(name: str) -> None:
    """Go on in another format; it is one of ``FORMATS``."""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(JsonLines() if name == "json" else PlainLines(colour=colour_wanted()))


def colour_wanted() -> bool:
    """Whether stderr is a terminal and the user did not forbid colour (https://no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR")


class PlainLines(TextLines):
    """Text, in colour if wanted."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        line = super().format(record)
        start = _COLOURS.get(record.levelno, "") if self._colour else ""
        return f"{start}{line}{_RESET}" if start else line


class JsonLines(logging.Formatter):
    """One JSON object per line, for programs that collect logs.

    ``time`` (UTC, RFC 3339), ``level``, ``part`` (whose word it is, such as ``station.evse``),
    ``message`` (the same sentence as in text), ``fields`` (what it is about, by name: ``evse``,
    and what the record was given as ``extra``), and ``error`` if there is one, with its ``kind``
    and its ``trace``.
    """

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, object] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "part": record.name.removeprefix("chargepoint."),
            "message": record.getMessage(),
            "fields": _fields(record),
        }
        if record.exc_info and record.exc_info[0] is not None:
            trace = self.formatException(record.exc_info)
            line["error"] = {"kind": record.exc_info[0].__name__, "trace": trace}
        return json.dumps(line, ensure_ascii=False, default=str)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    """What the sentence is about: all that are about one EVSE begin with it."""
    fields: dict[str, object] = {}
    if isinstance(record.msg, str) and record.msg.startswith("EVSE %d") and record.args:
        first = record.args[0] if isinstance(record.args, tuple) else None
        fields["evse"] = first
    given = getattr(record, "fields", None)
    return {**fields, **given} if isinstance(given, dict) else fields
