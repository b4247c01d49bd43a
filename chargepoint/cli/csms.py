"""``chargepoint csms``: the small CSMS on its own."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from chargepoint.bench.csms import CallError, SmallCsms, StationAway
from chargepoint.bench.csms_check import Frame, SchemaViolation
from chargepoint.bench.csms_likes import LIKES
from chargepoint.bench.csms_words import describe

_INTERRUPTED: Final = 130
_KEEP: Final = 10_000  # frames
_RESULT: Final = 3
_ENDS: Final = {"StopTransaction", "TransactionEvent"}


@click.command()
@click.option("--listen", default="127.0.0.1:9000", show_default=True, metavar="HOST:PORT")
@click.option(
    "--ocpp", type=click.Choice(["1.6", "2.0.1"]), multiple=True, help="Default: all it can."
)
@click.option(
    "--like",
    type=click.Choice(list(LIKES)),
    help="Treat signed values as this system of the field does.",
)
@click.option("--password", metavar="TEXT", help="Asked of every station (HTTP Basic).")
@click.option(
    "--tokens",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON object, token to status; all other tokens are then Invalid.",
)
@click.option(
    "--trace", type=click.Path(dir_okay=False, path_type=Path), help="Every frame, JSONL."
)
@click.option("--ready-file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--control", is_flag=True, help="Send calls: lines 'STATION ACTION {json}' on stdin.")
@click.option("--show-tokens", is_flag=True, help="Print token values.")
def csms(  # noqa: PLR0917 - click passes them by name
    listen: str,
    ocpp: tuple[str, ...],
    like: str | None,
    password: str | None,
    tokens: Path | None,
    trace: Path | None,
    ready_file: Path | None,
    *,
    control: bool,
    show_tokens: bool,
) -> None:
    """Listen for stations, check every message, accept everything.

    Prints one line per message and, in plain words, whatever breaks a schema.
    """
    host, port = _address(listen)

    billed: set[str] = set()

    def tell(frame: Frame) -> None:
        click.echo(f"{frame.time:%H:%M:%S} {describe(frame, show_tokens=show_tokens)}")
        for line in _bills(small, frame, billed):
            click.echo(click.style(line, bold=True))

    small = SmallCsms(
        host,
        port,
        versions=ocpp,
        like=like,
        password=None if password is None else password.encode(),
        trace=trace,
        keep=_KEEP,
        on_frame=tell,
        on_violation=_complain,
    )
    if tokens is not None:
        small.answers.tokens.update(_statuses(tokens))
        small.answers.other_tokens = "Invalid"
    try:
        sys.exit(asyncio.run(_run(small, ready_file, control=control)))
    except OSError as error:
        raise click.UsageError(f"cannot start on {listen}: {error}") from error
    finally:
        if ready_file is not None:
            ready_file.unlink(missing_ok=True)


async def _run(small: SmallCsms, ready_file: Path | None, *, control: bool) -> int:
    """Until a signal; the exit code."""
    stopped: asyncio.Queue[signal.Signals] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.put_nowait, number)
    async with small, asyncio.TaskGroup() as tasks:
        click.echo(f"listening on {small.url}", err=True)
        if ready_file is not None:
            _write_ready(ready_file, small)
        obeying = tasks.create_task(_obey_lines(small)) if control else None
        why = await stopped.get()
        if obeying is not None:
            obeying.cancel()
    return _INTERRUPTED if why is signal.SIGINT else 0


async def _obey_lines(small: SmallCsms) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    try:
        transport, _ = await loop.connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
        )
    except ValueError:
        click.echo("--control: stdin is a file, expected a pipe or a terminal", err=True)
        return
    try:
        while line := await reader.readline():
            click.echo(await _obey(small, line.decode(errors="replace").strip()))
    finally:
        transport.close()


async def _obey(small: SmallCsms, line: str) -> str:
    station, _, rest = line.partition(" ")
    action, _, text = rest.partition(" ")
    if not action:
        return "expected: STATION ACTION {json}"
    try:
        answer = await small.call(station, action, json.loads(text or "{}"))
    except CallError as error:
        return f"{station} refused {action}: {error}"
    except (StationAway, TimeoutError, ValueError) as error:
        return f"{station} {action}: {error}"
    return json.dumps(answer, default=str)


def _bills(small: SmallCsms, frame: Frame, billed: set[str]) -> Iterator[str]:
    """What the system that this one is like makes of a session, once its end was answered."""
    if small.like is None or frame.kind != _RESULT or frame.action not in _ENDS:
        return
    for place, transaction in enumerate(small.stations[frame.station].transactions):
        name = f"{frame.station} {transaction.transaction_id}"
        if transaction.ended and (one := f"{frame.station} {place}") not in billed:
            billed.add(one)  # ids may repeat in 1.6
            energy, records = small.like.energy(transaction), small.like.records(transaction)
            words = "no energy" if energy is None else f"{energy} Wh"
            yield f"== transaction {name}: it would bill {words} and has {len(records)} records"


def _complain(violation: SchemaViolation) -> None:
    click.echo(click.style(f"!! {violation}", fg="red"))


def _write_ready(file: Path, small: SmallCsms) -> None:
    """In one step, so that whoever waits for the file never reads half of it."""
    draft = file.with_name(f".{file.name}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as stream:
        json.dump({"url": small.url, "port": small.port, "pid": os.getpid()}, stream)
    draft.replace(file)


def _address(listen: str) -> tuple[str, int]:
    host, _, port = listen.rpartition(":")
    if not host or not port.isdecimal():
        raise click.UsageError(f"--listen: found {listen!r}, expected HOST:PORT")
    return host.strip("[]"), int(port)


def _statuses(file: Path) -> dict[str, str]:
    try:
        statuses = json.loads(file.read_text())
    except ValueError as error:
        raise click.UsageError(f"--tokens {file}: {error}") from error
    if not isinstance(statuses, dict):
        raise click.UsageError(f"--tokens {file}: expected an object, token to status")
    return {str(token): str(status) for token, status in statuses.items()}
