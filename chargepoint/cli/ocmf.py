"""``chargepoint ocmf``: verify and show signed records, wherever they come from.

Exit codes: 0 everything verifies, 1 something does not, 2 wrong use or an input without records.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from chargepoint.cli.ocmf_input import Unusable, key_text, read_inputs

if TYPE_CHECKING:
    from meters.ocmf import Contained, Verdict
    from meters.ocmf.session import Session

_DOES_NOT_VERIFY = 1


@dataclass(frozen=True, slots=True)
class Judged:
    """Everything that was found, and what it came to.

    ``sources`` says for each record which file it is from; ``incomplete_is_fine`` that a
    transaction of which records are missing is no failure: the input never claimed to hold all.
    """

    found: Sequence["Contained"]
    sources: Sequence[str]
    verdicts: Sequence["Verdict"]
    sessions: Sequence[tuple[str, "Session"]]
    strict: bool = False
    incomplete_is_fine: bool = True

    @property
    def fine(self) -> bool:
        """Whether everything verifies."""
        return all(one.valid for one in self.verdicts) and all(
            self._fine(one) for _, one in self.sessions
        )

    def _fine(self, session: "Session") -> bool:
        from meters.ocmf.session import Severity

        if self.strict:
            return session.sound and all(one.severity is Severity.NOTE for one in session.findings)
        return session.sound or (self.incomplete_is_fine and session.incomplete)


@click.group()
def ocmf() -> None:
    """Verify and show OCMF records: text, OCPP messages, transparency-software XML."""


@ocmf.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option(
    "--public-key",
    "key",
    metavar="K",
    help="Key of the meter in any encoding (hex, base64, PEM, oca:...), or @FILE that holds it. "
    "Used instead of keys in the input.",
)
@click.option("--strict", is_flag=True, help="Doubts and missing records fail, too.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
@click.pass_context
def verify(
    context: click.Context, files: tuple[str, ...], key: str | None, *, strict: bool, as_json: bool
) -> None:
    """Verify the records in each FILE or folder, or in what is piped in (-).

    Records of one transaction are also judged together: begin and end, meter, pages, times,
    registers. In XML, which claims to be whole, a transaction that is not complete fails.
    """
    judged = _judge(files, key, strict=strict)
    if as_json:
        click.echo(json.dumps(_as_json(judged), indent=2))
    else:
        _print(judged)
    if not judged.fine:
        context.exit(_DOES_NOT_VERIFY)


@ocmf.command()
@click.argument("files", nargs=-1, metavar="[FILE]...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def show(files: tuple[str, ...], *, as_json: bool) -> None:
    """Show what the records in each FILE or folder, or in what is piped in (-), say.

    Verifies nothing.
    """
    from meters.ocmf import OcmfError, parse, report

    found = [one for source in read_inputs(files) for one in source.found]
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


def _judge(files: tuple[str, ...], key: str | None, *, strict: bool) -> Judged:
    from meters.ocmf.grouping import group
    from meters.ocmf.session import check_session, verify_contained

    inputs = read_inputs(files)
    found = [one for source in inputs for one in source.found]
    sources = [source.name for source in inputs for _ in source.found]
    public_key = key_text(key)
    if not public_key and not any(one.key for one in found):
        raise click.UsageError(
            "No public key: the input holds none, so give the meter's key with --public-key."
        )
    verdicts = [verify_contained(one, public_key) for one in found]
    groups = group(found, verdicts, sources)
    sessions = [(one.name, check_session(one.verdicts, one.contexts)) for one in groups]
    whole = any(source.claims_to_be_whole for source in inputs)
    return Judged(found, sources, verdicts, sessions, strict=strict, incomplete_is_fine=not whole)


def _print(judged: Judged) -> None:
    from meters.ocmf import report

    colour = False if os.environ.get("NO_COLOR") else None
    several, last = len(set(judged.sources)) > 1, ""
    for number, (verdict, source) in enumerate(
        zip(judged.verdicts, judged.sources, strict=True), 1
    ):
        if several and source != last:
            click.echo(f"{report.printable(source)}:", color=colour)
            last = source
        text = report.verdict_line(number, verdict)
        click.secho(text, fg="green" if verdict.valid else "red", color=colour)
    for name, session in judged.sessions:
        if name or session.findings or len(session.verdicts) > 1:
            click.echo("\n".join(report.session_lines(name, session)), color=colour)
    count = sum(one.valid for one in judged.verdicts)
    click.echo(f"{count} of {len(judged.verdicts)} records are authentic.", color=colour)


def _as_json(judged: Judged) -> dict[str, object]:
    from meters.ocmf import report

    records = [
        report.verdict_json(verdict, contained) | {"source": source}
        for verdict, contained, source in zip(
            judged.verdicts, judged.found, judged.sources, strict=True
        )
    ]
    return {
        "verified": judged.fine,
        "records": records,
        "transactions": [report.session_json(*one) for one in judged.sessions],
    }
