"""An OCMF record: the bytes as they were signed, and what they say.

A signature covers bytes, so a record keeps its text and only looks into it; nothing here ever
writes JSON. ``parse`` proves that the text has the structure of a record, which takes a few
microseconds; fields, readings and deviations are read when somebody asks for them.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from types import MappingProxyType

import msgspec

from meters.model import Identification
from meters.ocmf import conformance, readings, registers
from meters.ocmf.errors import OcmfError
from meters.ocmf.readings import RegisterReading
from meters.ocmf.syntax import MAX_DEPTH, Deviation, Reader, Value

MAX_SIZE = 65_536
"""Bytes a record may have after transport decoding; the largest seen has 2217."""

HEADER = b"OCMF|"
_BOM = b"\xef\xbb\xbf"
_HEX = re.compile(rb"[0-9A-Fa-f\s]+")
_VERSION = re.compile(r"(\d+)\.(\d+)")
_MOST_DIGITS = 9
_NEWEST_MAJOR = 1
_CURRENT = ("1.0", "1.1", "1.2", "1.3", "1.4")


class Seal(msgspec.Struct, frozen=True):
    """Members of the signature section that verification needs, as they stand; None if absent."""

    SD: object = None
    SA: object = None
    SE: object = None
    SM: object = None


class _Head(msgspec.Struct):
    FV: object = None


_HEAD = msgspec.json.Decoder(_Head)
_SEAL = msgspec.json.Decoder(Seal)


class Record(msgspec.Struct, frozen=True, eq=False, dict=True):
    """A parsed record. Two records are equal if their bytes are.

    ``raw`` is the whole record after transport decoding, without white space around it;
    ``signed`` is the part of it that the signature covers: every byte between the two separators;
    ``sealed`` is the signature section; ``notes`` are deviations of the text as a whole.
    """

    raw: bytes
    signed: bytes
    sealed: bytes
    seal: Seal
    notes: tuple[Deviation, ...] = ()

    def __eq__(self, other: object) -> bool:
        return self.raw == other.raw if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.raw)

    def __repr__(self) -> str:
        # Records name users, and representations end up in logs.
        return f"<Record of {len(self.raw)} bytes>"

    @property
    def text(self) -> str:
        """The record for display; bytes that are not UTF-8 are replaced, so never verify this."""
        return self.raw.decode(errors="replace")

    @property
    def payload(self) -> Mapping[str, Value]:
        """The signed fields; numbers are exact and keep their places (``1251.890``)."""
        return self._payload_view[0]

    @property
    def signature(self) -> Mapping[str, Value]:
        """The signature section; empty if the record is not signed."""
        return self._signature_view[0]

    @cached_property
    def deviations(self) -> tuple[Deviation, ...]:
        """What is unusual about the text and the fields; never a reason to doubt the signature."""
        payload, in_payload = self._payload_view
        signature, in_signature = self._signature_view
        return (
            *self.notes,
            *in_payload,
            *in_signature,
            *conformance.check(payload, self.readings, signature),
            *self._span.deviations,
        )

    @cached_property
    def readings(self) -> tuple[RegisterReading, ...]:
        """All readings, fields left out taken from the reading before (OCMF 1.4 section RD)."""
        return readings.expand(self.payload)

    @property
    def algorithm(self) -> str:
        """Field SA as written; empty if absent (then the default of the specification holds)."""
        return _text(self.signature.get("SA"))

    @property
    def pagination(self) -> str:
        """Field PG, for instance ``T23``; empty if absent."""
        return _text(self.payload.get("PG"))

    @property
    def meter_serial(self) -> str:
        """Field MS, or GS where the signer is the meter itself; empty if neither is filled."""
        return _text(self.payload.get("MS")) or _text(self.payload.get("GS"))

    @property
    def identification(self) -> Identification:
        """How the user was identified; an absent field reads as not assigned, NONE or empty."""
        payload = self.payload
        flags = payload.get("IF")
        return Identification(
            assigned=payload.get("IS") is True,
            level=_text(payload.get("IL")) or "NONE",
            flags=tuple(map(_text, flags)) if isinstance(flags, list) else (),
            type=_text(payload.get("IT")) or "NONE",
            data=_text(payload.get("ID")),
        )

    @property
    def tariff_text(self) -> str:
        """Field TT; empty if absent."""
        return _text(self.payload.get("TT"))

    @property
    def begin(self) -> RegisterReading | None:
        """The begin on the register that is billed; None if the record holds none."""
        return self._span.begin

    @property
    def end(self) -> RegisterReading | None:
        """The end on the register that is billed; None if the record holds none."""
        return self._span.end

    @property
    def energy_wh(self) -> Decimal | None:
        """End less begin on the billed register, exact, in Wh; None unless the record has both."""
        return self._span.energy_wh

    @cached_property
    def _payload_view(self) -> tuple[Mapping[str, Value], tuple[Deviation, ...]]:
        return _view(self.signed)

    @cached_property
    def _signature_view(self) -> tuple[Mapping[str, Value], tuple[Deviation, ...]]:
        return _view(self.sealed)

    @cached_property
    def _span(self) -> registers.Span:
        return registers.billing_span(self.readings)


def parse(data: bytes | str) -> Record:
    """Read a record from its text, or from base64 or hex of the whole text.

    Raises:
        OcmfError: the text is no record: other header, no JSON, a missing or a fifth section,
            beyond the limits of size and depth, or of a format version nobody knows.
    """
    notes: tuple[Deviation, ...] = ()
    if (
        isinstance(data, bytes)
        and data[:5] == HEADER
        and data[-1:] == b"}"
        and len(data) <= MAX_SIZE
    ):
        raw = data
    else:
        raw, notes = _from_transport(data)
    first = raw.find(b"|", len(HEADER))
    # Nesting that the careful reader would refuse later must not get through here.
    shallow = raw.count(b"{") + raw.count(b"[") <= MAX_DEPTH
    if shallow and first == raw.rfind(b"|") and raw.startswith(HEADER):
        signed, sealed = raw[len(HEADER) : first], raw[first + 1 :]
        try:
            version, seal = _HEAD.decode(signed).FV, _SEAL.decode(sealed)
        except (ValueError, RecursionError):
            return _parse_by_structure(raw, notes)
        if version not in _CURRENT:
            _check_version(version)
        return Record(raw, signed, sealed, seal, notes)
    return _parse_by_structure(raw, notes)


def record_end(data: bytes, start: int) -> int:
    """Where the record that begins at ``start`` ends, so that the next one can be found.

    Raises:
        OcmfError: no record begins there.
    """
    reader, _, _ = _sections(data, start)
    return reader.position


def _from_transport(data: bytes | str) -> tuple[bytes, tuple[Deviation, ...]]:
    """The record's own bytes: no byte order mark, no white space around, base64 and hex undone."""
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise OcmfError("the text holds half a surrogate pair") from error
    if data.startswith(HEADER) and data.endswith(b"}") and len(data) <= MAX_SIZE:
        return data, ()
    if len(data) > 3 * MAX_SIZE:
        raise OcmfError(f"{len(data)} bytes; a record has at most {MAX_SIZE}")
    raw = data.removeprefix(_BOM).strip()
    notes: tuple[Deviation, ...] = ()
    if raw != data:
        notes = (Deviation("whitespace-outer", "White space stands around the record.", "record"),)
    if not raw.startswith(HEADER):
        raw = _decoded(raw)
    if len(raw) > MAX_SIZE:
        raise OcmfError(f"{len(raw)} bytes; a record has at most {MAX_SIZE}")
    return raw, notes


def _decoded(data: bytes) -> bytes:
    try:
        if data[:8].upper() == b"4F434D46" and _HEX.fullmatch(data):
            return bytes.fromhex(data.decode("ascii")).strip()
        if data.startswith(b"T0NNR"):
            return base64.b64decode(b"".join(data.split()), validate=True).strip()
    except (ValueError, binascii.Error) as error:
        raise OcmfError(f"cannot undo the transport encoding: {error}") from error
    raise OcmfError(f"begins with {data[:8]!r}, expected 'OCMF|'", position=0)


def _sections(data: bytes, start: int) -> tuple[Reader, int, int]:
    """Walk header, payload and signature; the reader stands after what was found.

    Returns the reader, the end of the payload section, and the start of the signature object,
    -1 if there is none.
    """
    if not data.startswith(HEADER, start):
        found = data[start : start + 8]
        raise OcmfError(f"begins with {found!r}, expected 'OCMF|'", position=start)
    reader = Reader(data, start + len(HEADER))
    reader.skip_blanks()
    reader.object()
    reader.skip_blanks()
    end = reader.position
    if reader.peek() == "|":
        reader.position += 1
        reader.skip_blanks()
        if reader.peek():
            begin = reader.position
            reader.object()
            return reader, end, begin
    return reader, end, -1


def _parse_by_structure(raw: bytes, notes: tuple[Deviation, ...]) -> Record:
    """The careful way, for texts with a separator inside a string, odd JSON, or no signature."""
    reader, end, begin = _sections(raw, 0)
    reader.skip_blanks()
    signed = raw[len(HEADER) : end]
    if b"|" in signed:
        notes += (Deviation("pipe-in-payload", "A text holds the separator |.", "payload"),)
    if begin < 0 and reader.peek():
        raise OcmfError("expected '|' after the payload", position=reader.position)
    signature = raw[begin : reader.position].rstrip() if begin >= 0 else b"{}"
    if reader.peek() == "|":
        _check_fourth(raw, reader.position)
        notes += (
            Deviation(
                "fourth-section", "A key travels in the record; it proves nothing.", "record"
            ),
        )
    elif reader.peek():
        raise OcmfError("text follows the signature section", position=reader.position)
    record = Record(raw, signed, signature, Seal(), notes)
    _check_version(record.payload.get("FV"))
    seal = Seal(*(record.signature.get(name) for name in ("SD", "SA", "SE", "SM")))
    return Record(raw, signed, signature, seal, notes)


def _check_fourth(raw: bytes, position: int) -> None:
    fifth = raw.find(b"|", position + 1)
    if fifth >= 0:
        raise OcmfError("a fifth section; a record has three", position=fifth)


def _check_version(version: object) -> None:
    """Refuse what is known to be unknown; a higher minor version only adds (OCMF 1.4 FV)."""
    if not isinstance(version, str) or version[:2] == "1.":
        return
    match = _VERSION.match(version)
    if match is None:
        return
    absurd = max(map(len, match.groups())) > _MOST_DIGITS  # thousands are no int any more
    major, minor = (0, 0) if absurd else (int(match.group(1)), int(match.group(2)))
    if major > _NEWEST_MAJOR or (major, minor) == (0, 0):
        raise OcmfError(f"format version {version[:12]}, known are 0.1 to 1.4")


def _view(section: bytes) -> tuple[Mapping[str, Value], tuple[Deviation, ...]]:
    reader = Reader(section)
    reader.skip_blanks()
    return MappingProxyType(reader.object()), tuple(reader.deviations)


def _text(value: Value) -> str:
    return value if isinstance(value, str) else "" if value is None else str(value)
