"""What ``chargepoint ocmf`` reads: files, folders, standard input; and what is wrong with it."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from meters.ocmf import Contained

_MOST_FILES: Final = 10_000
_STDIN: Final = "-"
_BOM: Final = b"\xef\xbb\xbf"

_OTHERS: Final = (
    (b"%PDF", "This is a PDF. The record is in the XML or text file that belongs to the invoice."),
    (b"PK\x03\x04", "This is a ZIP file: unpack it first."),
    (b"\x1f\x8b", "This is a gzip file: unpack it first."),
    (b"\x89PNG", "This is a picture."),
    (b"\xff\xd8\xff", "This is a picture."),
    (b"AP;", "This is a record in the format of Alfen, not OCMF."),
    (b"-----BEGIN", "This is a key or certificate, not a record: give it with --public-key @FILE."),
    (b"oca:", "This is a public key, not a record: give it with --public-key."),
)


class Unusable(click.ClickException):
    """The input cannot be used: printed in one line, exit code 2."""

    exit_code = 2


@dataclass(frozen=True, slots=True)
class Input:
    """One file and the records in it.

    ``claims_to_be_whole``: transparency-software XML holds whole transactions.
    """

    name: str
    found: list["Contained"] = field(default_factory=list)
    claims_to_be_whole: bool = False


def read_inputs(names: tuple[str, ...]) -> list[Input]:
    """The records of all files; in folders, files without any are passed over.

    Raises:
        Unusable: a file cannot be read or holds no record, in words.
        UsageError: no file is given, and nothing is piped in.
    """
    if not names and _on_terminal():
        raise click.UsageError("No FILE given, and nothing is piped in.")
    inputs = []
    for name in names or (_STDIN,):
        if name != _STDIN and Path(name).is_dir():
            inputs += _folder(Path(name))
        else:
            inputs.append(_input(name, _read(name)))
    return inputs


def key_text(text: str | None) -> str | bytes:
    """The key given on the command line, or the content of the file it names; empty if none."""
    from meters.ocmf.keys import MAX_LENGTH

    if not text or not text.startswith("@"):
        return text or ""
    try:
        with Path(text[1:]).open("rb") as source:
            return source.read(MAX_LENGTH + 1)
    except OSError as error:
        raise Unusable(f"Cannot read the key file {text[1:]}: {error.strerror}") from error


def _folder(folder: Path) -> list[Input]:
    inputs = []
    for path in _files(folder):
        try:
            inputs.append(_input(str(path), _read(str(path))))
        except Unusable as error:
            click.echo(f"{path}: passed over. {error.message}", err=True)
    if not inputs:
        raise Unusable(f"The folder {folder} holds no file with an OCMF record.")
    return inputs


def _files(folder: Path) -> Iterator[Path]:
    try:
        paths = sorted(path for path in folder.rglob("*") if path.is_file())
    except OSError as error:
        raise Unusable(f"Cannot read {folder}: {error.strerror}") from error
    if len(paths) > _MOST_FILES:
        raise Unusable(f"The folder {folder} holds {len(paths)} files, at most {_MOST_FILES}.")
    yield from (path for path in paths if not path.name.startswith("."))


def _read(name: str) -> bytes:
    from meters.ocmf.containers import MAX_SIZE

    try:
        if name == _STDIN:
            data = sys.stdin.buffer.read(MAX_SIZE + 1)
        else:
            with Path(name).open("rb") as source:
                data = source.read(MAX_SIZE + 1)
    except OSError as error:
        raise Unusable(f"Cannot read {name}: {error.strerror}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):  # as some editors save text
        return data.decode("utf-16", "replace").encode()
    return data


def _on_terminal() -> bool:
    return sys.stdin.isatty()


def _input(name: str, data: bytes) -> Input:
    from meters.ocmf import ContainerError, extract, report

    try:
        found = extract(data)
    except ContainerError as error:
        raise Unusable(f"Cannot read the input: {report.printable(str(error))}") from error
    if not found:
        raise Unusable(_why_none(data))
    return Input(name, found, data.removeprefix(_BOM).lstrip().startswith(b"<"))


def _why_none(data: bytes) -> str:
    """A helpful sentence about an input in which no record was found."""
    from meters.ocmf import PublicKeyError, load_public_key

    start = data.removeprefix(_BOM).lstrip()
    if not start:
        return "The input is empty, so it holds no OCMF record."
    for head, sentence in _OTHERS:
        if start.startswith(head):
            return f"{sentence} It holds no OCMF record."
    if start[:1] in {b"{", b"["}:
        return (
            "The JSON holds no OCMF record: no signedMeterData, and no value in the format "
            "SignedData. Was signing switched on (SampledDataSignReadings)?"
        )
    if start[:1] == b"<":
        return "The XML holds no OCMF record: no <value> with <signedData>."
    try:
        load_public_key(start[:8192])
    except PublicKeyError:
        return "The input holds no OCMF record (nothing begins with 'OCMF|')."
    return "This is a public key, so it holds no OCMF record: give it with --public-key."
