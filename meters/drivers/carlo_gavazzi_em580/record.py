"""From the record in the meter's memory to a reading; whose record it is.

What is signed stays as it is, byte for byte; the record is only looked into.
"""

import contextlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from meters.drivers.carlo_gavazzi_em580.wording import id_in
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.errors import OcmfError
from meters.ocmf.record import Record, parse

_SYNCHRONISED: Final = "S"


class NoRecord(MeterDataError):  # noqa: N818 - reads as a state
    """What the meter holds as a record cannot be one."""


def look_into(document: bytes) -> None:
    """Have read what ``owner`` and ``end_reading`` need; what is no record is left to them."""
    with contextlib.suppress(NoRecord):
        found = read_record(document)
        _ = owner(found), found.end


@lru_cache(maxsize=2)
def read_record(document: bytes) -> Record:
    """The record in ``document``; the last ones are kept with what was read of them.

    Raises:
        NoRecord: it is none.
    """
    try:
        return parse(document)
    except OcmfError as error:
        raise NoRecord(f"{len(document)} bytes that are no OCMF record: {error}") from error


def owner(record: Record) -> str:
    """The transaction id behind the tariff text; empty if there is none."""
    return id_in(record.tariff_text)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a record comes from; ``method`` is how that meter signs, ``received`` our time."""

    public_key: str
    method: str
    received: datetime


def end_reading(record: Record, source: Source) -> Reading:
    """The end of the transaction as the record states it.

    The time is the meter's if it says that its clock was synchronised, else ``received``. A record
    without an end value of energy gives a reading without samples: the document still counts.
    """
    end = record.end
    samples: tuple[Sample, ...] = ()
    taken_at = source.received
    if end is not None:
        if end.energy_wh is not None:
            samples = (Sample(Quantity.ENERGY_IMPORT, end.energy_wh),)
        if end.time is not None and end.clock == _SYNCHRONISED:
            taken_at = end.time
    return Reading(taken_at, samples, _signed(record.raw, source, named=bool(record.algorithm)))


def evidence(document: bytes, source: Source) -> Reading:
    """What the meter gave as a record although it is none, to be kept as it is.

    No value is read out of it; whoever verifies it finds that it is unparsable.
    """
    return Reading(source.received, (), _signed(document, source, named=False))


def _signed(document: bytes, source: Source, *, named: bool) -> SignedReading:
    method = "" if named else source.method
    return SignedReading(document, encoding="OCMF", method=method, public_key=source.public_key)
