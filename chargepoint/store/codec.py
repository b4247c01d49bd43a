"""Facts and states as JSON: strict both ways, so that a stored thing reads back as it was."""

from typing import Any, TypeVar

import msgspec

from chargepoint.core import facts
from chargepoint.core.facts import Fact
from chargepoint.errors import StoreError

T = TypeVar("T")

_KINDS: dict[str, type[Fact]] = {
    kind.__name__: kind
    for kind in (
        facts.StatusChanged,
        facts.TransactionStarted,
        facts.TransactionUpdated,
        facts.TransactionEnded,
        facts.MeterSampled,
        facts.SecurityEvent,
        facts.VariableEvent,
        facts.ReservationEnded,
        facts.ChargingLimitSet,
        facts.ChargingLimitCleared,
        facts.DataOffered,
        facts.FirmwareProgress,
        facts.LogProgress,
        facts.CertificateRequested,
        facts.CertificateStatusDue,
        facts.NeedsStated,
        facts.ScheduleChosen,
        facts.RecordApart,
    )
}
_encoder = msgspec.json.Encoder()
_decoders: dict[type, msgspec.json.Decoder[Any]] = {}


def encode(value: object) -> bytes:
    """JSON of a core value; decimals keep their literal text, bytes become base64."""
    return _encoder.encode(value)


def decode(data: bytes, kind: type[T]) -> T:
    """The core value back.

    Raises:
        StoreError: the text is not what ``encode`` wrote for this type.
    """
    decoder: msgspec.json.Decoder[T] | None = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        return decoder.decode(data)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise StoreError(f"stored {kind.__name__} cannot be read: {error}") from error


def decode_fact(kind: str, data: bytes) -> Fact:
    """A fact from the journal.

    Raises:
        StoreError: a kind this version does not know, or a broken text.
    """
    if kind not in _KINDS:
        raise StoreError(f"journal holds a {kind!r}, known are {', '.join(sorted(_KINDS))}")
    return decode(data, _KINDS[kind])
