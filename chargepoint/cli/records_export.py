"""Writes records from the archive into files: OCMF text, transparency-software XML, JSON."""

import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chargepoint.local.record_views import record_view
from chargepoint.store.archive import KeptRecord

if TYPE_CHECKING:
    from chargepoint.store.archive import Found, RecordArchive
    from meters.ocmf.transparency import Evidence

STDOUT: Final = "-"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9_.\-]")
_NAME_MOST: Final = 64

Write = Callable[[str], object]


class Unwritable(click.ClickException):
    """The files cannot be written: printed in one line, exit code 2."""

    exit_code = 2


def export_to(out: str, form: str, found: "Iterator[Found]", archive: "RecordArchive") -> None:
    """Write all of them to standard output, into a file, or each transaction into one of its own.

    Raises:
        Unwritable: the file or folder cannot be written, in words.
    """
    try:
        if out == STDOUT:
            _write(form, found, sys.stdout.buffer.write)
            sys.stdout.buffer.flush()
        elif out.endswith(("/", os.sep)) or Path(out).is_dir():
            count, files = _into_folder(Path(out), form, found, archive)
            click.echo(f"{several(count, 'record')} in {several(files, 'file')} in {out}", err=True)
        else:
            with _file(Path(out)) as write:
                count = _write(form, found, write)
            click.echo(f"{several(count, 'record')} in {out}{_too_much(out, count)}", err=True)
    except OSError as error:
        raise Unwritable(f"Cannot write {error.filename or out}: {error.strerror}") from error


def several(count: int, what: str) -> str:
    """How many of something, in words."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def write_json(found: "Iterator[Found]", write: Write, *, leave_out: Sequence[str] = ()) -> int:
    """One JSON object, record by record, so that no archive is too large; how many they are."""
    count = 0
    write('{"records": [')
    for one in found:
        view = {name: value for name, value in record_view(one).items() if name not in leave_out}
        write((",\n" if count else "\n") + json.dumps(view, ensure_ascii=False))
        count += 1
    write("\n]}\n")
    return count


def _write(form: str, found: "Iterator[Found]", write: Callable[[bytes], object]) -> int:
    """All records in one form; how many they are. What is damaged goes into JSON alone."""
    if form == "json":
        return write_json(found, lambda text: write(text.encode()))
    from meters.ocmf.transparency import XML_FOOT, XML_HEAD, xml_value

    count = 0
    if form == "xml":
        write(XML_HEAD.encode())
    for one in found:
        if not isinstance(one, KeptRecord) or one.damage:
            continue
        count += 1
        if form == "xml":
            write(xml_value(_evidence(one)).encode())
        else:
            write(one.row.document + b"\n")
    if form == "xml":
        write(XML_FOOT.encode())
    return count


def _too_much(out: str, count: int) -> str:
    """What to do about a file that ``chargepoint ocmf verify`` would refuse to read."""
    from meters.ocmf.containers import MAX_RECORDS, MAX_SIZE

    if count <= MAX_RECORDS and Path(out).stat().st_size <= MAX_SIZE:
        return ""
    return "; this is more than a verifier reads at once, --out FOLDER/ writes one file for each"


def _evidence(record: KeptRecord) -> "Evidence":
    from meters.ocmf.transparency import Evidence

    row = record.row
    return Evidence(row.document, row.public_key, record.first, row.encoding, row.method)


def _into_folder(
    folder: Path, form: str, found: "Iterator[Found]", archive: "RecordArchive"
) -> tuple[int, int]:
    """Each transaction into a file of its own; how many records and files.

    Those of several outlets stand mixed in the archive, so only their numbers are gathered first.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    numbers: dict[int, list[int]] = {}
    for one in found:
        if isinstance(one, KeptRecord) and not one.damage:
            numbers.setdefault(one.first, []).append(one.number)
    for first, mine in numbers.items():
        again = map(archive.get, mine)
        records = [one for one in again if isinstance(one, KeptRecord)]
        if records:  # they may have left meanwhile
            with _file(folder / f"{_name(first, records[0])}.{form}") as write:
                _write(form, iter(records), write)
    return sum(map(len, numbers.values())), len(numbers)


def _name(first: int, record: KeptRecord) -> str:
    """Sorts by number; says which transaction it is."""
    whose = _UNSAFE.sub("_", record.row.transaction_id or "unknown")[:_NAME_MOST]
    return f"{first:08d}-{whose}"


@contextmanager
def _file(path: Path) -> Iterator[Callable[[bytes], object]]:
    """A file that is there in whole or not at all, and for its owner only: it names customers."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file.write
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
