"""Finds records in what they travel in: OCPP messages, transparency-software XML, plain text.

Files come from strangers: sizes are limited, XML with a document type is refused (so no entity
is ever expanded), nothing found is evaluated.
"""

import base64
import contextlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count, islice, pairwise
from typing import Any
from xml.parsers import expat

from meters.ocmf.errors import ContainerError, OcmfError
from meters.ocmf.record import record_end

MAX_SIZE = 16 * 1024 * 1024
"""Bytes an input may have; a hundred sessions take 0.1 MB."""

MAX_RECORDS = 10_000

MAX_PARTS = 1_000_000
"""JSON objects and lists, or XML elements, of an input; 16 MB of frames have half as many."""

_MAX_DEPTH = 64
_DATA_NAMES = ("signedMeterData", "signedMeterValue")
_RECORD_NAMES = ("record", "ocmf", "document", "text")
_JSON_MARKS = (b"signedMeter", b"SignedData")
_BRACKET = re.compile(r"[\[{]")
_MOST_TRIES = 8
_LINE_START = re.compile(
    rb"^[ \t]*(?=(?:\xef\xbb\xbf)?(?:OCMF\||T0NNR|4[Ff]434[Dd]46))", re.MULTILINE
)


@dataclass(frozen=True, slots=True)
class Contained:
    """A record as it was found, not parsed yet, and what its container tells about it.

    ``record`` may still be base64 or hex of the record, or nothing an OCMF reader knows. ``key``
    is the key text beside it, empty if there is none; ``context`` the reading context
    (``Transaction.Begin``); ``transaction`` groups records; ``method`` is an algorithm named
    outside the record. ``encoding`` is the format the container claims, normally OCMF.
    """

    record: bytes = field(repr=False)
    key: str = ""
    context: str = ""
    transaction: str = ""
    method: str = ""
    encoding: str = "OCMF"


def extract(data: bytes | str) -> list[Contained]:
    """All records in a text of any kind, in their order.

    Raises:
        ContainerError: too large, or XML or JSON that cannot be read. Text without any record
            gives an empty list.
    """
    raw = data.encode(errors="surrogatepass") if isinstance(data, str) else data
    if len(raw) > MAX_SIZE:
        raise ContainerError(f"more than {MAX_SIZE} bytes")
    start = raw.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start == b"<":
        return share_keys(from_xml(raw))
    if start in {b"{", b"["}:
        try:
            return share_keys(from_ocpp(raw))
        except ContainerError:
            if found := _from_log(raw):  # lines may well begin with a bracket
                return share_keys(found)
            raise
    return _from_lines(raw) or share_keys(_from_log(raw))


def share_keys(found: Sequence[Contained]) -> list[Contained]:
    """Give records without a key that of another record of the same transaction.

    A station that sends its key once per transaction leaves it out elsewhere.
    """
    keys = {one.transaction: one.key for one in reversed(found) if one.key and one.transaction}
    return [replace(one, key=one.key or keys.get(one.transaction, "")) for one in found]


def from_ocpp(source: object) -> list[Contained]:
    """All signed values in an OCPP 1.6, 2.0.1 or 2.1 payload, however deep.

    ``source`` is JSON text - a frame, a message, one ``SignedMeterValueType``, the value of a 1.6
    sampled value, or several of them one after another - or what a JSON parser made of it.

    Raises:
        ContainerError: text that is neither JSON nor a record, or too large.
    """
    values = _values(source) if isinstance(source, str | bytes) else iter((source,))
    return _all_signed(values, count(1))


def _all_signed(values: Iterator[object], parts: Iterator[int]) -> list[Contained]:
    """All signed values in these; ``parts`` counts what was looked at."""
    found: list[Contained] = []
    for value in values:
        for contained in _walk(value, Contained(b""), 0, parts):
            found.append(contained)
            if len(found) > MAX_RECORDS:
                raise ContainerError(f"more than {MAX_RECORDS} records")
    return found


def _one_more(parts: Iterator[int]) -> None:
    if next(parts) > MAX_PARTS:
        raise ContainerError(f"more than {MAX_PARTS} JSON values or XML elements")


def _values(source: str | bytes) -> Iterator[object]:
    """Every JSON value in the text; text that is itself a record counts as one."""
    if len(source) > MAX_SIZE:
        raise ContainerError(f"more than {MAX_SIZE} bytes")
    text = source.decode("utf-8-sig", "replace") if isinstance(source, bytes) else source
    text = text.strip()
    if text and text[0] not in "{[":
        yield {"format": "SignedData", "value": text}
        return
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            raise ContainerError(f"cannot read the JSON: {error}") from error
        yield value
        position = end
        while position < len(text) and text[position] in " \t\r\n,":
            position += 1


def _walk(
    value: object, around: Contained, depth: int, parts: Iterator[int]
) -> Iterator[Contained]:
    """Signed values in document order; ``around`` carries context and transaction downwards."""
    _one_more(parts)
    if depth > _MAX_DEPTH:
        raise ContainerError(f"nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, Mapping):
        around = _within(value, around)
        yield from _signed(value, around, depth, parts)
        value = list(value.values())
    if isinstance(value, list | tuple):
        for one in value:
            if isinstance(one, list | tuple | Mapping):
                yield from _walk(one, around, depth + 1, parts)


def _within(fields: Mapping[Any, Any], around: Contained) -> Contained:
    info = fields.get("transactionInfo")
    transaction = fields.get("transactionId")
    if transaction is None and isinstance(info, Mapping):
        transaction = info.get("transactionId")
    if transaction is None:
        transaction = fields.get("transaction_id")
    context = _text(fields, "context")
    if transaction is None and not context:
        return around
    return replace(
        around,
        transaction=around.transaction if transaction is None else str(transaction),
        context=context or around.context,
    )


def _signed(
    fields: Mapping[Any, Any], around: Contained, depth: int, parts: Iterator[int]
) -> Iterator[Contained]:
    """The record that this object itself carries, in whichever of the forms in use."""
    for name in _DATA_NAMES:
        if text := _text(fields, name):
            yield replace(
                around,
                record=_from_base64(text),
                key=_text(fields, "publicKey"),
                method=_text(fields, "signingMethod"),
                encoding=_text(fields, "encodingMethod") or "OCMF",
            )
            return
    for name in _RECORD_NAMES:
        if _text(fields, name).startswith("OCMF|"):
            key = _text(fields, "public_key") or _text(fields, "publicKey")
            yield replace(around, record=_text(fields, name).encode(errors="replace"), key=key)
            return
    text = _text(fields, "value").strip()
    if text.startswith("{") and any(name in text for name in _DATA_NAMES):
        for inner in _values(text):
            yield from _walk(inner, around, depth + 1, parts)
    elif text and (_text(fields, "format").lower() == "signeddata" or text.startswith("OCMF|")):
        yield replace(around, record=_from_base64(text))


def _text(fields: Mapping[Any, Any], name: str) -> str:
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _from_base64(text: str) -> bytes:
    """The record; left as it is where it is no base64 (plain text of EVerest, hex of old 1.6)."""
    text = text.strip()
    if not text.startswith("OCMF|") and text[:8].upper() != "4F434D46":
        try:
            return base64.b64decode("".join(text.split()), validate=True)
        except ValueError:
            pass
    return text.encode(errors="replace")


def from_xml(data: bytes | str) -> list[Contained]:
    """All values of a transparency-software file, with or without namespace.

    Outer white space of a record is no part of it. Values of other formats come along with the
    format's name in ``encoding``.

    Raises:
        ContainerError: too large, not well-formed, or with a document type.
    """
    raw = data.encode() if isinstance(data, str) else data
    if len(raw) > MAX_SIZE:
        raise ContainerError(f"more than {MAX_SIZE} bytes")
    reader = _XmlReader()
    parser = expat.ParserCreate(namespace_separator=" ")
    parser.buffer_text = True
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        # A declared encoding describes bytes; of text that was decoded already it says nothing.
        parser.Parse(raw.lstrip(), True)  # noqa: FBT003 - positional in the library
    except (expat.ExpatError, ValueError, LookupError) as error:
        raise ContainerError(f"cannot read the XML: {error}") from error
    return reader.found


class _XmlReader:
    """Collects the values while the parser walks the file."""

    def __init__(self) -> None:
        self.found: list[Contained] = []
        self._value: Contained | None = None
        self._attributes: dict[str, str] = {}
        self._pieces: list[str] | None = None
        self._parts = count(1)

    def refuse(self, *_: object) -> None:
        raise ContainerError("XML with a document type is refused")

    def start(self, name: str, attributes: dict[str, str]) -> None:
        _one_more(self._parts)
        match name.rpartition(" ")[2]:
            case "value":
                self._value = Contained(
                    b"",
                    context=attributes.get("context", ""),
                    transaction=attributes.get("transactionId", ""),
                )
            case "signedData" | "encodedData" | "publicKey":
                self._attributes, self._pieces = attributes, []

    def text(self, piece: str) -> None:
        if self._pieces is not None:
            self._pieces.append(piece)

    def end(self, name: str) -> None:
        kind = name.rpartition(" ")[2]
        content = ""
        if kind in {"signedData", "encodedData", "publicKey"}:  # not at the end of every element
            content, self._pieces = "".join(self._pieces or ()).strip(), None
        value = self._value or Contained(b"")
        match kind:
            case "signedData":
                self._value = replace(
                    value,
                    record=_from_attribute(content, self._attributes.get("encoding", "")),
                    encoding=self._attributes.get("format") or "OCMF",
                )
            case "encodedData":
                self._value = replace(value, record=content.encode(), encoding="SAFEseal")
            case "publicKey":
                self._value = replace(value, key=content)
            case "value":
                self._emit()

    def _emit(self) -> None:
        if len(self.found) >= MAX_RECORDS:
            raise ContainerError(f"more than {MAX_RECORDS} records")
        if self._value is not None:
            self.found.append(self._value)
        self._value = None


def _from_attribute(content: str, encoding: str) -> bytes:
    if encoding.lower() == "base32" and not content.startswith("OCMF|"):
        try:
            return base64.b32decode("".join(content.split()), casefold=True)
        except ValueError:  # binascii.Error is one; text beyond ASCII gives a bare one
            return content.encode()
    return content.encode()


def _from_lines(raw: bytes) -> list[Contained]:
    """Records in plain text: each begins on a line of its own and may run over several."""
    starts = [match.start() for match in _LINE_START.finditer(raw)]
    if len(starts) > MAX_RECORDS:
        raise ContainerError(f"more than {MAX_RECORDS} records")
    return [Contained(_trimmed(raw[start:end])) for start, end in pairwise([*starts, len(raw)])]


def _from_log(raw: bytes) -> list[Contained]:
    """Records in the lines of a log, each behind whatever the program wrote before it."""
    found: list[Contained] = []
    parts = count(1)
    for line in raw.splitlines():
        if any(mark in line for mark in _JSON_MARKS):
            found += _from_json_in(line, parts)
        elif (at := line.find(b"OCMF|")) >= 0:
            with contextlib.suppress(OcmfError):
                found.append(Contained(line[at : record_end(line, at)]))
        if len(found) > MAX_RECORDS:
            raise ContainerError(f"more than {MAX_RECORDS} records")
    return found


def _from_json_in(line: bytes, parts: Iterator[int]) -> list[Contained]:
    """The signed values of the first JSON in the line that holds any."""
    text = line.decode(errors="replace")
    for match in islice(_BRACKET.finditer(text), _MOST_TRIES):  # dates may stand in brackets, too
        _one_more(parts)
        with contextlib.suppress(ValueError, RecursionError):
            value, _ = json.JSONDecoder().raw_decode(text, match.start())
            if found := _all_signed(iter((value,)), parts):
                return found
    return []


def _trimmed(chunk: bytes) -> bytes:
    """The chunk without lines that follow the record, such as a printed key."""
    chunk = chunk.strip()
    try:
        end = record_end(chunk, 0)
    except OcmfError:
        return chunk
    return chunk[:end].strip() if chunk[end:].startswith((b"\n", b"\r")) else chunk
