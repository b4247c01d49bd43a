"""From the record of the meter to a reading; whether it is the record that was asked for.

What is signed stays as it is, byte for byte; the record is only looked into.
"""

from datetime import datetime
from functools import lru_cache
from typing import Final

from meters.drivers.lem_dcbm.answers import Legal, energy
from meters.errors import MeterDataError
from meters.model import Quantity, Reading, Sample, SignedReading
from meters.ocmf.errors import OcmfError
from meters.ocmf.record import Record, parse

METHOD: Final = "ECDSA-secp256r1-SHA256"
_TIMED: Final = frozenset({"S", "R"})
"""R as well: this meter begins a transaction only on a clock that was set."""

_EXPORT: Final = "2.8.0"


@lru_cache(maxsize=2)
def read_record(document: bytes) -> Record:
    """The record in ``document``.

    Raises:
        MeterDataError: it is none.
    """
    try:
        return parse(document)
    except OcmfError as error:
        raise MeterDataError(f"{len(document)} bytes that are no OCMF record: {error}") from error


def is_whole(record: Record) -> bool:
    """Whether the transaction is over in it; while one runs the meter gives one without end."""
    return record.end is not None


def check(record: Record, transaction_id: str, serial_number: str, legal: Legal | None) -> None:
    """Refuse a record that is not that of the transaction asked for.

    The transaction id need not stand in the record, so the meter's own legal record of that id is
    compared: begin and energies cannot both be others.

    Raises:
        MeterDataError: it is of another meter or another transaction.
    """
    if record.meter_serial != serial_number:
        raise MeterDataError(f"record of meter {record.meter_serial}, expected {serial_number}")
    if record.identification.data == transaction_id or legal is None or legal.meter_value is None:
        return
    value, begin, end = legal.meter_value, record.begin, record.end
    energies = value.energies
    told = tuple(
        energy(one, energies.unit) for one in (energies.import_start, energies.import_stop)
    )
    found = tuple(one.energy_wh for one in (begin, end) if one is not None)
    begun_at = legal.begun_at()
    same_begin = begin is not None and begun_at is not None and begin.time == begun_at
    if found != told and not same_begin:
        raise MeterDataError(
            f"the record for transaction {transaction_id} is that of another one: it begins with "
            f"{found[0] if found else 'nothing'} Wh, expected {told[0]} Wh"
        )


def begin_reading(record: Record, received: datetime) -> Reading | None:
    """The begin as a record states it; None if it states none."""
    begin = record.begin
    if begin is None or begin.energy_wh is None:
        return None
    at = begin.time if begin.time is not None and begin.clock in _TIMED else received
    return Reading(at, (Sample(Quantity.ENERGY_IMPORT, begin.energy_wh),))


def end_reading(record: Record, *, public_key: str, received: datetime) -> Reading:
    """The end of the transaction as the record states it.

    The time is the meter's if it says that its clock was set, else ``received``. A record without
    an end value of energy gives a reading without samples: the document still counts.
    """
    end = record.end
    samples: list[Sample] = []
    taken_at = received
    if end is not None:
        if end.energy_wh is not None:
            samples.append(Sample(Quantity.ENERGY_IMPORT, end.energy_wh))
        samples += [
            Sample(Quantity.ENERGY_EXPORT, other.energy_wh)
            for other in record.readings[end.index :]
            if other.register.endswith(_EXPORT) and other.energy_wh is not None
        ]
        if end.time is not None and end.clock in _TIMED:
            taken_at = end.time
    signed = SignedReading(
        document=record.raw,
        encoding="OCMF",
        method="" if record.algorithm else METHOD,
        public_key=public_key,
    )
    return Reading(taken_at, tuple(samples), signed)
