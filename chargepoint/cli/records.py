"""``chargepoint records``: list, show and export the signed records that a station keeps.

Reads the state folder only, also that of a running station or a copy; nothing there is changed.
Exit codes: 0 fine, 1 a row is damaged or there is no such record, 2 wrong use or config, 5 the
state folder cannot be read.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from chargepoint.store.archive import Found, Selection

DAMAGED: Final = 1
_ROW: Final = "{:>8}  {:<27}  {:>4}  {:<36}  {:<12}  {}"

Command = Callable[..., Any]


class Moment(click.ParamType["datetime"]):
    """A day or a moment; in UTC if nothing else is said."""

    name = "time"

    def convert(  # noqa: D102
        self, value: str | datetime, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            self.fail(f"{value!r} is no time like 2026-01-31 or 2026-01-31T12:00:00Z", param, ctx)
        return moment.replace(tzinfo=moment.tzinfo or UTC)


def selecting(command: Command) -> Command:
    """The options that say which records, given to the command as one ``Selection``."""

    @wraps(command)
    def selected(**given: Any) -> object:  # noqa: ANN401 - click's own
        from chargepoint.store.archive import Selection

        names = ("since", "until", "verdict", "undelivered")
        chosen = {name: given.pop(name) for name in names}
        chosen |= {"verdict": chosen["verdict"] or "", "transaction_id": given.pop("transaction")}
        return command(selection=Selection(**chosen), **given)

    options = (
        click.option("--since", type=Moment(), help="Taken at this time or later (UTC)."),
        click.option("--until", type=Moment(), help="Taken before this time (UTC)."),
        click.option("--transaction", metavar="ID", default="", help="Of this transaction."),
        click.option(
            "--verdict", metavar="WORD", help="That the station found valid, invalid, ..."
        ),
        click.option(
            "--undelivered", is_flag=True, help="That the CSMS does not have, or not all."
        ),
    )
    described: Command = selected
    for option in reversed(options):
        described = option(described)
    return described


_state: Final = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="A state folder, or a copy of one, instead of a config.",
)
_config: Final = click.argument("config", required=False, type=click.Path(dir_okay=False))


@click.group()
def records() -> None:
    """List, show and export the signed records that a station keeps.

    Works on the state folder of a running station, a stopped one, or a copy, and changes nothing.
    """


@records.command(name="list")
@_config
@_state
@selecting
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def list_records(
    context: click.Context,
    *,
    config: str | None,
    state: Path | None,
    selection: "Selection",
    as_json: bool,
) -> None:
    """List records of the station of CONFIG, or of a state folder, in the order they were kept."""
    from chargepoint.cli.records_export import write_json
    from chargepoint.store.archive import RecordArchive

    damaged = Damage()
    with RecordArchive(folder_of(config, state)) as archive:
        found = damaged.noting(archive.oldest_first(selection))
        if as_json:
            write_json(found, partial(click.echo, nl=False), leave_out=("text", "base64"))
        else:
            _print(found)
    damaged.close(context)


@records.command()
@click.argument("which", nargs=-1, required=True, metavar="[CONFIG] ID")
@_state
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def show(
    context: click.Context, *, which: tuple[str, ...], state: Path | None, as_json: bool
) -> None:
    """Show one record with its number ID: what is kept of it, and what it says."""
    from chargepoint.local.record_views import record_view
    from chargepoint.store.archive import RecordArchive

    *config, number = which
    if len(config) > 1 or not re.fullmatch("[0-9]{1,15}", number):
        raise click.UsageError("Give one CONFIG or --state FOLDER, then one ID, a whole number.")
    with RecordArchive(folder_of(config[0] if config else None, state)) as archive:
        found = archive.get(int(number))
    if found is None:
        click.echo(f"There is no record {number}; perhaps it has left the archive.", err=True)
        context.exit(DAMAGED)
    damaged = Damage()
    for one in damaged.noting(iter((found,))):
        click.echo(json.dumps(record_view(one), indent=2) if as_json else _in_full(one))
    damaged.close(context)


@records.command()
@_config
@_state
@selecting
@click.option(
    "--format", "form", type=click.Choice(["xml", "ocmf", "json"]), default="xml", show_default=True
)
@click.option(
    "--out",
    metavar="FILE|FOLDER",
    help="Where to; a folder (one that is there, or with / at the end) gets one file for each "
    "transaction. Default: standard output.",
)
@click.pass_context
def export(
    context: click.Context,
    *,
    config: str | None,
    state: Path | None,
    selection: "Selection",
    form: str,
    out: str | None,
) -> None:
    """Write records to the byte as they were signed, whole transactions, for others to verify.

    xml is what the transparency software reads, with the key of each record; ocmf the bare texts,
    one after another; json everything that is known. A file may hold more than a verifier reads at
    once; a folder does not.
    """
    from chargepoint.cli.records_export import STDOUT, export_to
    from chargepoint.store.archive import RecordArchive

    damaged = Damage()
    with RecordArchive(folder_of(config, state)) as archive:
        found = damaged.noting(archive.oldest_first(replace(selection, whole=True)))
        export_to(out or STDOUT, form, found, archive)
    damaged.close(context)


def folder_of(config: str | None, state: Path | None) -> Path:
    """The state folder that is meant.

    Raises:
        UsageError: none or two are given.
        ConfigError: the config cannot be used.
    """
    if (config is None) == (state is None):
        raise click.UsageError("Give CONFIG or --state FOLDER.")
    if state is not None:
        return state
    from chargepoint.config import load_config

    return load_config(str(config)).station.state


class Damage:
    """Tells of damaged rows as they come by, and lets the command fail at the end."""

    def __init__(self) -> None:
        self._count = 0

    def noting(self, found: "Iterator[Found]") -> "Iterator[Found]":
        """The same, with each damaged one told on standard error."""
        for one in found:
            if one.damage:
                self._count += 1
                click.echo(f"record {one.number} is damaged: {one.damage}", err=True)
            yield one

    def close(self, context: click.Context) -> None:
        """Exit with code 1 if there was any."""
        if self._count:
            context.exit(DAMAGED)


def _print(found: "Iterator[Found]") -> None:
    from chargepoint.cli.records_export import several
    from chargepoint.local.record_views import delivery_words, instant
    from chargepoint.store.archive import Unreadable
    from meters.ocmf.report import printable

    count = 0
    for one in found:
        if not count:
            click.echo(_ROW.format("ID", "TAKEN", "EVSE", "TRANSACTION", "VERDICT", "CSMS"))
        count += 1
        if isinstance(one, Unreadable):
            click.echo(f"{one.number:>8}  damaged")
            continue
        row = one.row
        cells = (printable(row.transaction_id) or "unknown", printable(row.verdict))
        words = printable(delivery_words(one))
        click.echo(_ROW.format(one.number, instant(row.taken_at), row.evse_id, *cells, words))
    click.echo(f"{several(count, 'record')}." if count else "No such records.", err=True)


def _in_full(found: "Found") -> str:
    """What is kept of a record, then what it says itself, or its text if nobody can read it."""
    from chargepoint.local.record_views import delivery_words, record_view
    from chargepoint.store.archive import Unreadable
    from meters.ocmf import OcmfError, parse
    from meters.ocmf.report import printable, record_table

    if isinstance(found, Unreadable):
        return f"id            {found.number}"
    view = record_view(found)
    names = ("id", "transaction_id", "evse_id", "verdict", "taken_at", "released_at")
    lines = [(name, view[name]) for name in names]
    lines += [("csms", delivery_words(found)), ("key", view["public_key"])]
    head = "\n".join(f"{name:<14}  {printable(str(value))}" for name, value in lines)
    try:
        said = record_table(parse(found.row.document))
    except OcmfError:
        said = printable(view["text"] or view["base64"])
    return f"{head}\n\n{said}\n\n{printable(view['text'] or view['base64'])}"
