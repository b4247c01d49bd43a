"""What a fact leaves in the tables beside the journal, in the commit that stores it."""

import sqlite3
from typing import Protocol

from chargepoint.core.facts import (
    Fact,
    RecordKept,
    ReservationEnded,
    ReservationUsed,
    SampleKept,
    SecurityEvent,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
)
from chargepoint.store import tables
from chargepoint.store.profiles import ChargingProfiles
from chargepoint.store.reservations import Reservations
from chargepoint.store.security_log import SecurityLog
from chargepoint.store.tables import Records, Transactions
from meters.model import Reading

UNSENT = (SampleKept, RecordKept, ReservationUsed)
"""Facts that are stored in a table only: the CSMS is not told of them."""


class Tables(Protocol):
    """The parts of the store that take part."""

    transactions: Transactions
    records: Records
    reservations: Reservations
    profiles: ChargingProfiles
    security_log: SecurityLog


def put_aside(db: sqlite3.Connection, store: Tables, fact: Fact) -> None:
    """Note what of a fact others want to know later, in the caller's commit."""
    match fact:
        case SampleKept():
            tables.keep(db, fact)
        case ReservationUsed() | ReservationEnded():
            store.reservations.ended(fact.reservation_id)
        case SecurityEvent():
            store.security_log.add(fact)
        case RecordKept():
            _record(store, fact, fact.reading, fact.verdict)
        case TransactionStarted():
            store.transactions.started(fact)
            store.profiles.started(fact.evse_id, fact.transaction_id)
            _record(store, fact, fact.begin, fact.verdict)
        case TransactionUpdated():
            store.transactions.updated(fact)
            _record(store, fact, fact.begin, fact.verdict)
        case TransactionEnded():
            store.transactions.ended(fact)
            store.profiles.ended(fact.transaction_id)
            _record(store, fact, fact.end, fact.verdict)


def _record(
    store: Tables,
    fact: RecordKept | TransactionStarted | TransactionUpdated | TransactionEnded,
    reading: Reading | None,
    verdict: str,
) -> None:
    if reading is not None and reading.signed is not None:
        store.records.add(fact.transaction_id, fact.evse_id, reading, reading.signed, verdict)
