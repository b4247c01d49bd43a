"""A record of the log as text: time in UTC, level, logger, sentence.

A sentence may quote the CSMS, a meter or a file server. None of them shall write a record of its
own, or to the terminal of who reads: control characters are told as escapes, and what follows a
line break is set in.
"""

import logging
from datetime import UTC, datetime
from typing import Final

_SET_IN: Final = "\n  "


class TextLines(logging.Formatter):
    """One record after another; only their first lines begin at the margin."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s")

    def moment_of(self, record: logging.LogRecord) -> datetime:
        """When it was said, in UTC."""
        return datetime.fromtimestamp(record.created, UTC)

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: ARG002, D102, N802 - theirs
        moment = self.moment_of(record).isoformat(timespec="milliseconds")
        return moment.replace("+00:00", "Z")

    def format(self, record: logging.LogRecord) -> str:  # noqa: D102
        return _SET_IN.join(map(printable, super().format(record).split("\n")))


def printable(line: str) -> str:
    """The line, with whatever is no character to be seen as an escape."""
    if line.isprintable():
        return line
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in line)
