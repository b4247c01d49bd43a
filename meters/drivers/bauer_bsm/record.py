"""From a record in the meter's memory to a reading.

What is signed stays as it is, byte for byte; the record is only looked into.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from meters.drivers.bauer_bsm import layout
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf import verify, verify_document
from meters.ocmf.errors import OcmfError
from meters.ocmf.readings import read_value
from meters.ocmf.record import Record, parse

_SYNCHRONISED: Final = "S"
_TO_WH: Final = {"Wh": 0, "kWh": 3}


def read(document: bytes, *, public_key: str, page: int) -> Record:
    """The record in ``document``, which must be that of snapshot number ``page``.

    The meter writes and signs the text while it is read, so it is checked as a whole.

    Raises:
        MeterDataError: it is no record, another one, or does not verify.
    """
    try:
        found = parse(document)
    except OcmfError as error:
        raise MeterDataError(f"{len(document)} bytes that are no OCMF record: {error}") from error
    if found.pagination != f"T{page}":
        raise MeterDataError(f"record {found.pagination}, expected T{page}")
    verdict = verify(found, public_key, method=layout.METHOD)
    if not verdict.valid:
        raise MeterDataError(f"the record does not verify: {verdict.reason}")
    return found


def reading(record: Record, *, public_key: str, received: datetime) -> Reading:
    """What the record states: the meter's total energy, and its time if the clock was set.

    The billed register of the record counts from the begin or from the last time that the meter
    switched a contactor, depending on firmware; the total stands beside it in fields of the vendor.
    """
    taken = next(iter(record.readings), None)
    sure = taken is not None and taken.clock == _SYNCHRONISED
    moment = taken.time if taken is not None and sure and taken.time is not None else received
    energy = total_wh(record)
    samples = () if energy is None else (Sample(Quantity.ENERGY_IMPORT, energy),)
    signed = SignedReading(
        document=record.raw,
        encoding="OCMF",
        method="" if record.algorithm else layout.METHOD,
        public_key=public_key,
    )
    return Reading(moment, samples, signed)


def is_authentic(document: bytes, *, public_key: str) -> bool:
    """Whether the meter signed this, whatever it is about."""
    return verify_document(document, public_key, method=layout.METHOD).valid


def evidence(
    document: bytes, energies: tuple[Sample, ...], *, public_key: str, received: datetime
) -> Reading:
    """What the meter gave as a record although it is none, or a wrong one, kept as it is.

    No value is read out of it; whoever verifies it finds what is wrong.
    """
    try:
        named = bool(parse(document).algorithm)
    except OcmfError:
        named = False
    method = "" if named else layout.METHOD
    signed = SignedReading(document, encoding="OCMF", method=method, public_key=public_key)
    return Reading(received, energies, signed)


def total_wh(record: Record) -> Decimal | None:
    """Register 1-0:1.8.0*255 of the record; None if it is not there."""
    entries = record.payload.get("RD")
    entry = entries[0] if isinstance(entries, list) and entries else None
    if not isinstance(entry, Mapping):
        return None
    value, shift = read_value(entry.get("XV", "")), _TO_WH.get(str(entry.get("XU")))
    return None if value is None or shift is None else value.scaleb(shift)
