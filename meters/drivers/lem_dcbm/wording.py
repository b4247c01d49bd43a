"""What is told to the meter when a transaction begins, in the meter's words."""

import logging
from typing import Any, Final

from meters.drivers.lem_dcbm.config import Config
from meters.errors import MeterRefused
from meters.model import BillingTransaction

log = logging.getLogger(__name__)

MOST_ID: Final = 36
_MOST_BYTES: Final = 37  # evseId, transactionId, clientId
_TARIFF_BYTES: Final = 250  # OCMF 1.4 field TT
_SAFE: Final = str.maketrans('|\\"', "//'")


def check_id(transaction_id: str) -> None:
    """Refuse an id that would not come back from the meter unchanged.

    Raises:
        MeterRefused: empty, too long, or characters that a record cannot carry.
    """
    carried = transaction_id.isascii() and _clean(transaction_id) == transaction_id
    fits = 0 < len(transaction_id) <= MOST_ID and transaction_id.strip() == transaction_id
    if not (carried and fits):
        raise MeterRefused(
            f"transaction id {transaction_id!r}: 1 to {MOST_ID} printable ASCII characters "
            'without | " and backslash are allowed'
        )


def fields(transaction: BillingTransaction, config: Config, *, second: bool) -> dict[str, Any]:
    """The body of the start; ``second`` adds what meters of the second version want.

    The name of the charging point is never cut, because the record would then name another one.

    Raises:
        MeterRefused: the id or the charging point cannot be carried.
    """
    check_id(transaction.transaction_id)
    point = _clean(transaction.charge_point)
    if len(point.encode()) > _MOST_BYTES:
        raise MeterRefused(
            f"charging point {transaction.charge_point!r} has {len(point.encode())} bytes, the "
            f"meter takes {_MOST_BYTES}: shorten evse_id in the config"
        )
    found: dict[str, Any] = {
        "evseId": point,
        "transactionId": transaction.transaction_id,
        "clientId": _client(transaction),
        "tariffId": config.tariff_id,
        "cableId": config.cable_id,
        "userData": "",
    }
    if second:
        tariff = _cut("tariff text", transaction.tariff_text, _TARIFF_BYTES)
        found |= {"TT": tariff, "UV": config.UV, "UD": config.UD, "SC": config.SC}
    elif transaction.tariff_text:
        log.debug("this firmware of the meter takes no tariff text")
    return found


def _client(transaction: BillingTransaction) -> str:
    """Who charges; where nobody is named, the transaction stands for itself."""
    who = transaction.identification.data
    return _cut("identification", who, _MOST_BYTES) if who else transaction.transaction_id


def _cut(name: str, text: str, most: int) -> str:
    kept = _clean(text).encode()[:most].decode(errors="ignore")
    if kept != text:
        # Without the value: an identification may be a token.
        log.warning("%s does not fit the record as it is (%d characters)", name, len(text))
    return kept


def _clean(text: str) -> str:
    """Text that cannot break the record: the meter's escaping is not documented."""
    safe = "".join(" " if not character.isprintable() else character for character in text)
    return safe.translate(_SAFE)
