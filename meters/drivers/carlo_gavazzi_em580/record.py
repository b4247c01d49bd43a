"""From the record in the meter's memory to a reading; whose record it is.

What is signed stays as it is, byte for byte; the record is only looked into.
"""

import contextlib
from datetime import datetime
from functools import lru_cache
from typing import Final

from meters.drivers.carlo_gavazzi_em580.wording import id_in
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.errors import OcmfError
from meters.ocmf.record import Record, parse

_SYNCHRONISED: Final = "S"


def look_into(document: bytes) -> None:
    """Have read what ``owner`` and ``end_reading`` need; what is no record is left to them."""
    with contextlib.suppress(MeterDataError):
        found = read_record(document)
        _ = owner(found), found.end


@lru_cache(maxsize=2)
def read_record(document: bytes) -> Record:
    """The record in ``document``; the last ones are kept with what was read of them.

    Raises:
        MeterDataError: it is none.
    """
    try:
        return parse(document)
    except OcmfError as error:
        raise MeterDataError(f"{len(document)} bytes that are no OCMF record: {error}") from error


def owner(record: Record) -> str:
    """The transaction id behind the tariff text; empty if there is none."""
    return id_in(record.tariff_text)


def end_reading(record: Record, *, public_key: str, method: str, received: datetime) -> Reading:
    """The end of the transaction as the record states it.

    The time is the meter's if it says that its clock was synchronised, else ``received``. A record
    without an end value of energy gives a reading without samples: the document still counts.
    """
    end = record.end
    samples: tuple[Sample, ...] = ()
    taken_at = received
    if end is not None:
        if end.energy_wh is not None:
            samples = (Sample(Quantity.ENERGY_IMPORT, end.energy_wh),)
        if end.time is not None and end.clock == _SYNCHRONISED:
            taken_at = end.time
    signed = SignedReading(
        document=record.raw,
        encoding="OCMF",
        method="" if record.algorithm else method,
        public_key=public_key,
    )
    return Reading(taken_at, samples, signed)
