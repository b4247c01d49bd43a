"""From what the meter answers to its record; whose it is, and what it says.

What is signed stays as it is, byte for byte; the record is only looked into.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from meters.drivers.isabellenhuette_iem_dcr.wire import GOOD
from meters.drivers.isabellenhuette_iem_dcr.wording import MARKER, MAX_ID, id_in
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.errors import OcmfError
from meters.ocmf.record import HEADER, Record, parse, record_end

_SHOWN: Final = 60
_UNSET: Final = "U"
_ENERGIES: Final = frozenset({Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT})
_MARKED: Final = re.compile(re.escape(MARKER.encode()) + rb'([!#-\[\]-{}~]{1,%d})\\?"' % MAX_ID)


class NoRecord(MeterDataError):  # noqa: N818 - reads as a state
    """What the meter gives as a record although it is none, or not all of one; as it came."""

    def __init__(self, sentence: str, body: bytes) -> None:
        super().__init__(sentence)
        self.body = body


def found_in(body: bytes) -> Record:
    """The record in an answer, whatever stands around it: nothing, line ends, quotes, braces.

    Raises:
        NoRecord: there is none.
    """
    reason: OcmfError | None = None
    for text in _texts(body):
        start = text.find(HEADER)
        if start < 0:
            continue
        try:
            return parse(text[start : record_end(text, start)])
        except OcmfError as error:
            reason = error
    begins = body[:_SHOWN].decode(errors="replace")
    raise NoRecord(
        f"{len(body)} bytes that hold no OCMF record ({reason or 'no OCMF|'}): {begins!r}", body
    )


def checked(record: Record) -> Record:
    """The same, if it is finished; some firmware also gives a begin alone.

    Raises:
        NoRecord: it lacks its end or its signature.
    """
    if is_finished(record):
        return record
    raise NoRecord("a record without its end or without signature", record.raw)


def marked_in(body: bytes) -> str:
    """Our id of the transaction in what is no record; empty if it cannot be told."""
    found = _MARKED.findall(body)
    return found[-1].decode() if found else ""


def owner(record: Record, *, in_tariff: bool) -> str:
    """Our id of the transaction; empty if the record does not tell."""
    marked = id_in(record.tariff_text)
    return marked or ("" if in_tariff else record.identification.data)


def digest(record: Record) -> bytes:
    """What tells one record from another: a signature would not, there are two for each text."""
    return hashlib.sha256(record.signed).digest()


def is_finished(record: Record) -> bool:
    """Whether it holds an end and a signature."""
    return bool(record.seal.SD) and any(one.ends for one in record.readings)


def oddities(record: Record, *, serial_number: str, charge_point: str) -> list[str]:
    """What a station must not pass over in silence; the record is evidence even so.

    ``charge_point`` is what the meter was told, empty if that is not known.
    """
    found = []
    if record.meter_serial != serial_number:
        found.append(f"it is of meter {record.meter_serial}, not of {serial_number}")
    if charge_point and record.payload.get("CI") != charge_point:
        found.append(f"it is of charge point {record.payload.get('CI')}, not of {charge_point}")
    if record.begin is None or record.end is None:
        found.append("it lacks the begin or the end of the energy")
    found.extend(
        f"reading {one.index} is not billable: state {one.state}, errors {one.errors}"
        for one in record.readings
        if one.state != GOOD or "E" in one.errors
    )
    return found


def end_reading(record: Record, *, public_key: str, method: str, received: datetime) -> Reading:
    """The end of the transaction as the record states it.

    The time is the meter's unless the record says that its clock was never set; then it is
    ``received``. A record without an end value of energy gives a reading without samples: the
    document still counts.
    """
    end = record.end
    samples: tuple[Sample, ...] = ()
    taken_at = received
    if end is not None:
        if end.energy_wh is not None:
            samples = (Sample(Quantity.ENERGY_IMPORT, end.energy_wh),)
        if end.time is not None and end.clock not in {"", _UNSET}:
            taken_at = end.time
    signed = SignedReading(
        document=record.raw,
        encoding="OCMF",
        method="" if record.algorithm else method,
        public_key=public_key,
    )
    return Reading(taken_at, samples, signed)


def evidence(found: NoRecord, live: Reading, *, public_key: str, method: str) -> Reading:
    """What the meter gave as a record although it is none, beside the energies of now."""
    signed = SignedReading(found.body, encoding="OCMF", method=method, public_key=public_key)
    energies = tuple(sample for sample in live.samples if sample.quantity in _ENERGIES)
    return Reading(live.taken_at, energies, signed)


def _texts(body: bytes) -> Iterator[bytes]:
    """The body as it is, and what it is if it is a text in JSON or holds one."""
    stripped = body.strip()
    if not stripped.startswith(b'"'):
        yield body
    try:
        inner = json.loads(stripped.strip(b"{} \r\n\t"))
    except (ValueError, RecursionError):
        inner = None
    if isinstance(inner, str):
        yield inner.encode(errors="replace")
    yield body
