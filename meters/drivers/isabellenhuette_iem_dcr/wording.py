"""What the meter is told about a transaction, and whose record it is.

Our transaction id stands in the tariff text behind a marker, because the meter gives that back in
the signed record (OCMF field TT), also after a power cut.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Final

from meters.errors import MeterRefused
from meters.model import BillingTransaction

log = logging.getLogger(__name__)

MARKER: Final = "<=>"
MAX_ID: Final = 36
_TARIFF_LENGTH: Final = 250  # OCMF 1.4 field TT, characters
_DATA_LENGTH: Final = 40  # what OCMF foresees for ID; the meter's own limit is not known

_LEVELS: Final = frozenset({
    "NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED",
    "SECURE", "MISMATCH", "INVALID", "OUTDATED", "UNKNOWN",
})  # fmt: skip
_FLAGS: Final = (
    frozenset({"RFID_NONE", "RFID_PLAIN", "RFID_RELATED", "RFID_PSK"}),
    frozenset({"OCPP_NONE", "OCPP_RS", "OCPP_AUTH", "OCPP_RS_TLS",
               "OCPP_AUTH_TLS", "OCPP_CACHE", "OCPP_WHITELIST", "OCPP_CERTIFIED"}),
    frozenset({"ISO15118_NONE", "ISO15118_PNC"}),
    frozenset({"PLMN_NONE", "PLMN_RING", "PLMN_SMS"}),
)  # fmt: skip
_TYPES: Final = frozenset({
    "NONE", "DENIED", "UNDEFINED", "ISO14443", "ISO15693", "EMAID", "EVCCID", "EVCOID", "ISO7812",
    "CARD_TXN_NR", "CENTRAL", "CENTRAL_1", "CENTRAL_2", "LOCAL", "LOCAL_1", "LOCAL_2",
    "PHONE_NUMBER", "KEY_CODE",
})  # fmt: skip
_SAFE: Final = str.maketrans('|\\"', "//'")


def clean(text: str, limit: int) -> str:
    """Free text that cannot break the record, at most ``limit`` characters.

    The record is text between pipes that holds JSON, and whether the meter escapes anything is not
    known: control characters become blanks, ``|`` and the backslash a slash, double quotes single
    ones.
    """
    safe = "".join(" " if not character.isprintable() else character for character in text)
    return safe.translate(_SAFE)[:limit]


def check_id(transaction_id: str) -> None:
    """Refuse an id that would not come back from the meter unchanged.

    Raises:
        MeterRefused: empty, too long, or characters that the record cannot carry.
    """
    carried = transaction_id.isascii() and clean(transaction_id, MAX_ID) == transaction_id
    if not transaction_id or transaction_id.strip() != transaction_id or not carried:
        raise MeterRefused(
            f"transaction id {transaction_id!r}: 1 to {MAX_ID} printable ASCII characters "
            'without | " and backslash are allowed'
        )
    if MARKER in transaction_id:
        raise MeterRefused(f"transaction id {transaction_id!r} contains {MARKER}")


def id_in(text: str) -> str:
    """The id behind the last marker of a tariff text; empty if there is none."""
    _, marker, tail = text.rpartition(MARKER)
    return tail.strip() if marker else ""


def user(transaction: BillingTransaction, *, in_tariff: bool, show: bool) -> dict[str, Any]:
    """The body of ``POST /user``; names and order are the meter's.

    ``in_tariff`` says where our id goes, see ``Config.transaction_id_in``. ID is never empty: no
    meter was seen to be given an empty one.
    """
    who, own = transaction.identification, transaction.transaction_id
    data = _kept("identification data", who.data, _DATA_LENGTH) if in_tariff else ""
    body = {
        "IS": who.assigned,
        "IL": who.level if who.level in _LEVELS else "UNKNOWN",
        "IF": list(_one_of_each(who.flags)),
        "IT": who.type if who.type in _TYPES else "UNDEFINED",
        "ID": data or own,
        "US": show,
    }
    tail = MARKER + own if in_tariff else ""
    tariff = _kept("tariff text", transaction.tariff_text, _TARIFF_LENGTH - len(tail)) + tail
    return body | {"TT": tariff} if tariff else body


def _one_of_each(flags: Sequence[str]) -> Iterator[str]:
    """Of two flags of one family the first counts; unknown ones are left out."""
    for family in _FLAGS:
        yield from [flag for flag in flags if flag in family][:1]


def _kept(name: str, text: str, limit: int) -> str:
    kept = clean(text, limit)
    if len(text) > limit:
        # Without the value: identification data may be a token.
        log.warning("%s has %d characters, %d are cut", name, len(text), len(text) - limit)
    elif kept != text:
        log.warning("%s holds characters that a record cannot carry; they are replaced", name)
    return kept
