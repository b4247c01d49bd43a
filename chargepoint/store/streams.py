"""Which facts wait for each other."""

from chargepoint.core.facts import (
    CertificateRequested,
    Fact,
    FirmwareProgress,
    LogProgress,
    MeterSampled,
    SampleKept,
    SecurityEvent,
    StatusChanged,
    TransactionEnded,
    TransactionStarted,
    TransactionUpdated,
    VariableEvent,
)
from chargepoint.store.security_log import STREAM


def stream_of(fact: Fact) -> str:
    """Facts of one stream are told in order; a stream that waits does not hold up another."""
    match fact:
        case StatusChanged():
            return f"status {fact.evse_id}.{fact.connector_id}"
        case TransactionStarted() | TransactionUpdated() | TransactionEnded() | SampleKept():
            return f"transaction {fact.transaction_id}"
        case MeterSampled():
            return f"meter {fact.evse_id}"
        case VariableEvent():
            return "events"
        case FirmwareProgress():
            return "firmware"
        case LogProgress():
            return "log"
        case SecurityEvent():
            return STREAM
        case CertificateRequested():
            return f"certificate {fact.use}"
    return "other"
