"""The live table of ``chargepoint meter read --watch``: one block per meter, redrawn in place.

It is drawn on the terminal's second screen, so that whatever ends it - Ctrl-C, a signal, a defect -
leaves the first one as it was; the last state of the table is then printed there.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click

from chargepoint.cli.meter import Answer, follow, title, who
from meters.api import SigningMeter
from meters.ocmf.report import printable

if TYPE_CHECKING:
    from meters.api import Meter

STALE_S: Final = 5.0
"""A reading that is older is called stale, though nothing has failed yet."""

_REDRAW_S: Final = 0.5
_COLUMN: Final = 36
_TITLE: Final = 19
_NARROWEST: Final = 20

# Second screen, no cursor, home; and all of it back.
_ENTER: Final = "\033[?1049h\033[?25l\033[H\033[2J"
_LEAVE: Final = "\033[?25h\033[?1049l"
_HOME: Final = "\033[H"
_REST_OF_LINE: Final = "\033[K"
_REST_OF_SCREEN: Final = "\033[J"

_COLOURS: Final = {"ok": "green", "waiting": "yellow", "unsigned": "yellow", "stale": "yellow"}


@dataclass(slots=True)
class Row:
    """What is known of one meter; times are monotonic seconds."""

    name: str
    signs: bool = False
    good: Answer | None = None
    good_at: float = 0.0
    error: str = ""
    trouble: str = ""

    def take(self, answer: Answer, now: float) -> None:
        """Note a reading, or why there was none."""
        if "error" in answer:
            self.error, self.trouble = answer["error"], answer["health"]
        else:
            self.good, self.good_at, self.error, self.trouble = answer, now, "", ""

    def health(self, now: float) -> str:
        """One word: waiting, ok, unsigned, stale, unreachable or refusing."""
        if self.trouble:
            return self.trouble
        if self.good is None:
            return "waiting"
        if now - self.good_at > STALE_S:
            return "stale"
        return "unsigned" if self.signs and not self.good["signing_method"] else "ok"

    def age(self, now: float) -> str:
        """How old the values shown are."""
        if self.good is None:
            return "no reading yet"
        seconds = max(now - self.good_at, 0.0)
        return f"{seconds:.1f} s old" if seconds < 60 else f"{seconds / 60:.0f} min old"  # noqa: PLR2004


def table(
    rows: Sequence[Row], now: float, width: int, *, colour: bool, height: int | None = None
) -> list[str]:
    """The lines of the whole table, none wider than ``width``.

    Where ``height`` is not enough, values are left out and that is said; every meter keeps its
    name, its health and its error.
    """
    width = max(width, _NARROWEST)
    heads = [list(_head(row, now, width, colour=colour)) for row in rows]
    values = [list(_values(row, now, width, colour=colour)) for row in rows]
    if height is not None:
        room = height - sum(map(len, heads)) - len(rows) - 1
        values = _cut(values, max(room, 0))
    lines: list[str] = []
    for head, block in zip(heads, values, strict=True):
        lines += [*head, *block, ""]
    return [*lines, "Ctrl-C ends it."]


def _cut(blocks: list[list[str]], room: int) -> list[list[str]]:
    """The blocks cut so that together they take ``room``; empty ones need none."""
    if sum(map(len, blocks)) <= room:
        return blocks
    share = room // sum(1 for lines in blocks if lines)
    cut = []
    for lines in blocks:
        kept = lines[: max(share - 1, 0)]
        missing = len(lines) - len(kept)
        whole = len(lines) <= share
        cut.append(lines if whole else [*kept, f"  ... {missing} more lines"][:share])
    return cut


async def watch_on_terminal(meters: dict[str, "Meter"]) -> int:
    """Show the table until Ctrl-C (raises), or until SIGTERM or a hang-up: then 0."""
    rows = {name: Row(name, isinstance(one, SigningMeter)) for name, one in meters.items()}
    colour = not os.environ.get("NO_COLOR")

    def take(answer: Answer) -> None:
        rows[answer["meter"]].take(answer, time.monotonic())

    def shown(width: int, height: int | None = None) -> list[str]:
        now = time.monotonic()
        return table(list(rows.values()), now, width, colour=colour, height=height)

    try:
        with _second_screen() as ended:
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(follow(meters, take)),
                    group.create_task(_redraw(shown)),
                ]
                await ended
                for task in tasks:
                    task.cancel()
    finally:
        click.echo("\n".join(shown(shutil.get_terminal_size().columns)[:-2]), color=colour)
    return 0


async def _redraw(shown: Callable[[int, int], list[str]]) -> None:
    while True:
        size = shutil.get_terminal_size()
        lines = shown(size.columns, size.lines)[: size.lines]
        text = f"{_REST_OF_LINE}\r\n".join(lines)
        _write(f"{_HOME}{text}{_REST_OF_LINE}{_REST_OF_SCREEN}")
        await asyncio.sleep(_REDRAW_S)


@contextlib.contextmanager
def _second_screen() -> Iterator["asyncio.Future[None]"]:
    """Take the screen and give it back whatever happens; yields what a signal completes.

    Ctrl-Z gives the screen back too, until the program goes on.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()

    def end() -> None:
        if not ended.done():
            ended.set_result(None)

    def sleep() -> None:
        _write(_LEAVE)
        os.kill(os.getpid(), signal.SIGSTOP)
        _write(_ENTER)

    handlers = {signal.SIGTERM: end, signal.SIGHUP: end, signal.SIGTSTP: sleep}
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    _write(_ENTER)
    try:
        yield ended
    finally:
        _write(_LEAVE)
        for number in handlers:
            loop.remove_signal_handler(number)


def _write(text: str) -> None:
    with contextlib.suppress(OSError):  # a terminal that is gone needs no cleaning
        sys.stdout.write(text)
        sys.stdout.flush()


def _head(row: Row, now: float, width: int, *, colour: bool) -> Iterator[str]:
    """Name, health and age; what is wrong; who the meter is."""
    health = row.health(now)
    for line in _wrapped(f"{row.name}: {health}, {row.age(now)}", width, "  "):
        yield click.style(line, fg=_COLOURS.get(health, "red")) if colour else line
    if row.error:
        for line in _wrapped(f"  {printable(row.error)}", width, "  "):
            yield click.style(line, fg="red") if colour else line
    if row.good is not None:
        yield from _wrapped(f"  {who(row.good)}", width, "  ")


def _values(row: Row, now: float, width: int, *, colour: bool) -> Iterator[str]:
    """The values in as many columns as there is room for; dim when they are old."""
    old = colour and row.health(now) in {"stale", "unreachable", "refusing"}
    for line in _columns(row.good["samples"] if row.good else (), width):
        yield click.style(line, dim=True) if old else line


def _columns(samples: Sequence[dict[str, Any]], width: int) -> Iterator[str]:
    if width < _COLUMN:
        for sample in samples:
            words = f"  {title(sample)} {sample['value']} {sample['unit']}"
            yield from _wrapped(words, width, "    ")
        return
    columns = max((width - 2) // _COLUMN, 1)
    height = -(-len(samples) // columns)
    for place in range(height):
        cells = [_cell(sample) for sample in samples[place::height]]
        yield ("  " + "".join(cells)).rstrip()[:width]


def _cell(sample: dict[str, Any]) -> str:
    return (
        f"{title(sample):<{_TITLE}}{sample['value']:>11} {sample['unit']:<{_COLUMN - _TITLE - 12}}"
    )


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    return textwrap.wrap(
        text, max(width, _NARROWEST), subsequent_indent=indent, drop_whitespace=True
    ) or [""]
