"""Which facts wait for each other, which take the place of others, which are dropped first."""

import sqlite3
from typing import Final

from chargepoint.core.facts import (
    CertificateRequested,
    ChargingLimitCleared,
    ChargingLimitSet,
    Fact,
    FirmwareProgress,
    LogProgress,
    MeterSampled,
    NeedsStated,
    RecordApart,
    SampleKept,
    ScheduleChosen,
    SecurityEvent,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VariableEvent,
)
from chargepoint.store.security_log import STREAM

# What a full journal thins, in this order (2.0.1 QueueAllMessages: transactions come last).
_THINNED: Final = (
    (
        MeterSampled.__name__,
        VariableEvent.__name__,
        StatusChanged.__name__,
        ChargingLimitSet.__name__,
        ChargingLimitCleared.__name__,
    ),
    (TransactionUpdated.__name__,),
)


_OWN: Final[dict[type[Fact], str]] = {
    VariableEvent: "events",
    FirmwareProgress: "firmware",
    LogProgress: "log",
    SecurityEvent: STREAM,
}


def stream_of(fact: Fact) -> str:
    """Facts of one stream are told in order; a stream that waits does not hold up another."""
    match fact:
        case StatusChanged():
            return f"status {fact.evse_id}.{fact.connector_id}"
        case (
            TransactionStarted()
            | TransactionUpdated()
            | TransactionEnded()
            | SampleKept()
            | RecordApart()
        ):
            return f"transaction {fact.transaction_id}"
        case MeterSampled():
            return f"meter {fact.evse_id}"
        case ChargingLimitSet() | ChargingLimitCleared():
            return f"limit {fact.evse_id} {fact.source}"
        case CertificateRequested():
            return f"certificate {fact.use}"
        case NeedsStated() | ScheduleChosen():
            return f"vehicle {fact.evse_id}"
    return _OWN.get(type(fact), "other")


def supersedes(fact: Fact, *, queue_all: bool) -> bool:
    """Whether what waits in the stream of a fact is history once it is there.

    A status is not if everything is to be queued (2.0.1 QueueAllMessages).
    """
    return isinstance(fact, CertificateRequested) or (
        isinstance(fact, StatusChanged) and not queue_all
    )


def thin(journal: sqlite3.Connection, surplus: int, most: int = -1) -> int:
    """Drop every second intermediate fact of each stream, until no ``surplus`` is left; how many.

    With ``most`` the oldest of them only, not more than that of a kind: what is dropped must pass
    through the log first, and on a full disk there is little room for that.

    The first and the last of a stream stay: the last one tells how things are. So does what says
    who was authorized, or what the meter began with, and a fact that is damaged.
    """
    gone = 0
    for kinds in _THINNED:
        if gone >= surplus:
            break
        marks = ",".join("?" * len(kinds))
        gone += journal.execute(
            "DELETE FROM journal WHERE number IN (SELECT number FROM (SELECT number,"  # noqa: S608 - marks only
            " row_number() OVER one AS place, lead(number) OVER one AS next"
            f" FROM journal WHERE kind IN ({marks}) AND CASE WHEN json_valid(CAST(fact AS TEXT))"
            " THEN json_extract(CAST(fact AS TEXT), '$.token') IS NULL"
            " AND json_extract(CAST(fact AS TEXT), '$.begin') IS NULL END"
            " WINDOW one AS (PARTITION BY stream ORDER BY number))"
            " WHERE place % 2 = 0 AND next NOT NULL ORDER BY number LIMIT ?)",
            (*kinds, most),
        ).rowcount
    return gone
