"""``chargepoint ocmf``: verify and show signed records, wherever they come from.

Exit codes: 0 everything verifies, 1 something does not, 2 wrong use or an input without records.
"""

import json
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from meters.ocmf import Contained, Verdict
    from meters.ocmf.session import Session

_DOES_NOT_VERIFY = 1


class Unusable(click.ClickException):
    """The input cannot be used: printed in one line, exit code 2."""

    exit_code = 2


@click.group()
def ocmf() -> None:
    """Verify and show OCMF records: text, OCPP messages, transparency-software XML."""


@ocmf.command()
@click.argument("file", required=False)
@click.option(
    "--public-key",
    "key",
    metavar="K",
    help="Key of the meter in any encoding (hex, base64, PEM, oca:...), or @FILE that holds it. "
    "Used instead of keys in the input.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def verify(context: click.Context, file: str | None, key: str | None, *, as_json: bool) -> None:
    """Verify the records in FILE, or in what is piped in (-).

    Records in XML are also judged together, transaction by transaction.
    """
    from meters.ocmf.session import check_session, verify_contained

    data = _read(file)
    found = _records(data)
    public_key = _key(key)
    if not public_key and not any(one.key for one in found):
        raise click.UsageError(
            "No public key: the input holds none, so give the meter's key with --public-key."
        )
    verdicts = [verify_contained(one, public_key) for one in found]
    sessions: list[tuple[str, Session]] = []
    if data.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        groups = _groups(found, verdicts)
        sessions = [(name, check_session(group)) for name, group in groups]
    fine = all(one.valid for one in verdicts) and all(one.sound for _, one in sessions)
    _print_json(fine, found, verdicts, sessions) if as_json else _print(verdicts, sessions)
    if not fine:
        context.exit(_DOES_NOT_VERIFY)


@ocmf.command()
@click.argument("file", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(file: str | None, *, as_json: bool) -> None:
    """Show what the records in FILE, or in what is piped in (-), say. Verifies nothing."""
    from meters.ocmf import OcmfError, parse, report

    found = _records(_read(file))
    try:
        records = [(parse(one.record), one) for one in found]
    except OcmfError as error:
        raise Unusable(f"Not an OCMF record: {report.printable(str(error))}") from error
    if as_json:
        click.echo(
            json.dumps({"records": [report.record_json(one) for one, _ in records]}, indent=2)
        )
        return
    click.echo("\n\n".join(report.record_table(*one) for one in records))


def _read(file: str | None) -> bytes:
    from meters.ocmf.containers import MAX_SIZE

    if file is None and _on_terminal():
        raise click.UsageError("No FILE given, and nothing is piped in.")
    try:
        if file in {None, "-"}:
            data = sys.stdin.buffer.read(MAX_SIZE + 1)
        else:
            with Path(str(file)).open("rb") as source:
                data = source.read(MAX_SIZE + 1)
    except OSError as error:
        raise Unusable(f"Cannot read {file}: {error.strerror}") from error
    return data


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _records(data: bytes) -> list["Contained"]:
    from meters.ocmf import ContainerError, extract, report

    try:
        found = extract(data)
    except ContainerError as error:
        raise Unusable(f"Cannot read the input: {report.printable(str(error))}") from error
    if not found:
        raise Unusable("The input holds no OCMF record (nothing begins with 'OCMF|').")
    return found


def _key(text: str | None) -> str | bytes:
    """The key given on the command line, or the content of the file it names; empty if none."""
    from meters.ocmf.keys import MAX_LENGTH

    if not text or not text.startswith("@"):
        return text or ""
    try:
        with Path(text[1:]).open("rb") as source:
            return source.read(MAX_LENGTH + 1)
    except OSError as error:
        raise Unusable(f"Cannot read the key file {text[1:]}: {error.strerror}") from error


def _groups(
    found: Iterable["Contained"], verdicts: Iterable["Verdict"]
) -> list[tuple[str, list["Verdict"]]]:
    """Verdicts by transaction; a record without one stands alone."""
    groups: dict[object, tuple[str, list[Verdict]]] = {}
    for number, (one, verdict) in enumerate(zip(found, verdicts, strict=True)):
        groups.setdefault(one.transaction or number, (one.transaction, []))[1].append(verdict)
    return list(groups.values())


def _print(verdicts: list["Verdict"], sessions: list[tuple[str, "Session"]]) -> None:
    from meters.ocmf import report

    colour = False if os.environ.get("NO_COLOR") else None
    for number, verdict in enumerate(verdicts, 1):
        text = report.verdict_line(number, verdict)
        click.secho(text, fg="green" if verdict.valid else "red", color=colour)
    for name, session in sessions:
        if name or session.findings:
            click.echo("\n".join(report.session_lines(name, session)), color=colour)
    count = sum(one.valid for one in verdicts)
    click.echo(f"{count} of {len(verdicts)} records are authentic.", color=colour)


def _print_json(
    fine: bool,  # noqa: FBT001 - the answer itself
    found: list["Contained"],
    verdicts: list["Verdict"],
    sessions: list[tuple[str, "Session"]],
) -> None:
    from meters.ocmf import report

    pairs = zip(verdicts, found, strict=True)
    result = {
        "verified": fine,
        "records": [report.verdict_json(*one) for one in pairs],
        "transactions": [report.session_json(*one) for one in sessions],
    }
    click.echo(json.dumps(result, indent=2))
