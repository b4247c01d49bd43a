"""From the meter's signed text and signature to a record, and from the record to readings.

The meter gives the two parts apart; the record is the text as it is between header and signature.
"""

import base64
import binascii
import json
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from meters.drivers.iskra_wm3m4 import dataset, layout
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.errors import OcmfError
from meters.ocmf.readings import RegisterReading
from meters.ocmf.record import Record, parse

_SYNCHRONISED: Final = "S"
_ENERGIES: Final = frozenset({Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT})
_SEQUENCE, _INTEGER = 0x30, 0x02
_SHORT_FORM: Final = 0x80


def assemble(text: bytes, signature: bytes) -> bytes:
    """The record as other programs know it of this meter; the algorithm is the default of OCMF."""
    seal = json.dumps({"SD": repaired(as_der(signature)).hex().upper()}, separators=(",", ":"))
    return b"OCMF|" + text + b"|" + seal.encode()


def check_whole(signature: bytes) -> None:
    """Refuse a signature of which the end is missing.

    Raises:
        MeterDataError: says what there is.
    """
    der = as_der(signature)
    if der[:1] == bytes((_SEQUENCE,)) and len(der) < 2 + int.from_bytes(der[1:2]):
        raise MeterDataError(f"only {len(der)} bytes of a signature")


def trimmed(text: bytes, signature: bytes) -> tuple[bytes, bytes]:
    """The areas of text and signature without what stands behind them.

    What does not tell its own end stays whole, but for the zeros that fill the area.
    """
    size, der = dataset.size(text), as_der(signature)
    text = text.rstrip(b"\0") if size is None else text[:size]
    if der[:1] != bytes((_SEQUENCE,)) or not 0 < der[1] < _SHORT_FORM:
        return text, signature.rstrip(b"\0")
    return text, der[: 2 + der[1]]


def as_der(signature: bytes) -> bytes:
    """The signature in bytes, also if the meter was left set to base64."""
    if signature[:1] == bytes((_SEQUENCE,)):
        return signature
    try:
        decoded = base64.b64decode(signature.rstrip(b"\0 "), validate=True)
    except binascii.Error:
        return signature
    return decoded if decoded[:1] == bytes((_SEQUENCE,)) else signature


def repaired(signature: bytes) -> bytes:
    """The signature without the zeros that some firmware puts in front of its numbers.

    One zero stays where it keeps a number positive. What is no sequence of numbers is returned as
    it is: whether it verifies is for others to say.
    """
    size = len(signature)
    if size < 2 or signature[0] != _SEQUENCE or signature[1] != size - 2:  # noqa: PLR2004 - header
        return signature
    try:
        numbers = b"".join(_shortened(number) for number in _numbers(signature[2:]))
    except ValueError:
        return signature
    return bytes((_SEQUENCE, len(numbers))) + numbers


def read(document: bytes) -> Record:
    """The record in ``document``.

    Raises:
        MeterDataError: it is none.
    """
    try:
        return parse(document)
    except OcmfError as error:
        raise MeterDataError(f"{len(document)} bytes that are no OCMF record: {error}") from error


def begin_of(text: bytes) -> RegisterReading | None:
    """The begin reading in a signed text, whatever its signature; None if there is none."""
    try:
        return parse(b"OCMF|" + text + b'|{"SD":""}').begin
    except OcmfError:
        return None


def begin_reading(live: Reading, begin: RegisterReading | None) -> Reading:
    """A live reading with what the meter has signed as the begin, as far as it is known."""
    if begin is None or begin.energy_wh is None:
        return live
    samples = tuple(
        Sample(sample.quantity, begin.energy_wh)
        if (sample.quantity, sample.phase) == (Quantity.ENERGY_IMPORT, None)
        else sample
        for sample in live.samples
    )
    return Reading(_moment(begin, live.taken_at), samples)


def end_reading(document: bytes, *, public_key: str, received: datetime) -> Reading:
    """The end of the transaction as the record states it.

    The time is the meter's if it says that its clock was synchronised, else ``received``. A record
    without an end value of energy gives a reading without samples: the document still counts.

    Raises:
        MeterDataError: it is no record.
    """
    found = read(document)
    end = found.end
    samples: tuple[Sample, ...] = ()
    if end is not None and end.energy_wh is not None:
        samples = (Sample(Quantity.ENERGY_IMPORT, end.energy_wh),)
    signed = SignedReading(
        document=document,
        encoding="OCMF",
        method="" if found.algorithm else layout.METHOD,
        public_key=public_key,
    )
    return Reading(received if end is None else _moment(end, received), samples, signed)


def evidence(document: bytes, live: Reading, *, public_key: str) -> Reading:
    """What the meter gave as a record although it is none, beside the energies of now."""
    signed = SignedReading(document, encoding="OCMF", method=layout.METHOD, public_key=public_key)
    energies = tuple(sample for sample in live.samples if sample.quantity in _ENERGIES)
    return Reading(live.taken_at, energies, signed)


def _moment(reading: RegisterReading, otherwise: datetime) -> datetime:
    sure = reading.time is not None and reading.clock == _SYNCHRONISED
    return reading.time if sure and reading.time is not None else otherwise


def _numbers(data: bytes) -> Iterator[bytes]:
    while data:
        if len(data) < 3 or data[0] != _INTEGER:  # noqa: PLR2004 - tag, length, a byte of content
            raise ValueError
        end = 2 + data[1]
        if data[1] == 0 or data[1] >= _SHORT_FORM or end > len(data):
            raise ValueError
        yield data[2:end]
        data = data[end:]


def _shortened(number: bytes) -> bytes:
    while len(number) > 1 and number[0] == 0 and number[1] < _SHORT_FORM:
        number = number[1:]
    return bytes((_INTEGER, len(number))) + number
