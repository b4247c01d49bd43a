"""What is said of a record in the archive, as plain JSON: by interface and commands."""

import base64
from datetime import UTC, datetime
from typing import Any

from chargepoint.store.archive import Delivery, Found, Unreadable


def record_view(found: Found) -> dict[str, Any]:
    """One record; ``text`` is its document if that is text, else ``base64`` is.

    ``damaged`` says what is wrong with its row; of one that cannot be read nothing else is known.
    """
    if isinstance(found, Unreadable):
        return {"id": found.number, "damaged": found.damage}
    row = found.row
    return {
        "id": found.number,
        "transaction_id": row.transaction_id or None,
        "evse_id": row.evse_id,
        **_document(row.document),
        "encoding": row.encoding,
        "method": row.method,
        "public_key": row.public_key,
        "verdict": row.verdict,
        "taken_at": instant(row.taken_at),
        "released_at": instant(row.released_at) if row.released_at else None,
        "delivered_at": instant(row.delivered_at) if row.delivered_at else None,
        "delivery": str(found.delivery),
        "untold": found.untold or None,
        "damaged": found.damage or None,
    }


def delivery_words(found: Found) -> str:
    """What became of a record at the CSMS, in words."""
    if isinstance(found, Unreadable):
        return ""
    match found.delivery:
        case Delivery.DELIVERED if found.row.delivered_at:
            return f"delivered {instant(found.row.delivered_at)}"
        case Delivery.UNTOLD:
            return f"not told in full: {found.untold}"
        case Delivery.WAITING:
            return "waits for the CSMS"
    return "kept here only"


def instant(moment: datetime | str) -> str:
    """A moment, or the text the store keeps of one, in UTC with all its digits."""
    aware = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    return aware.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _document(document: bytes) -> dict[str, str | None]:
    try:
        return {"text": document.decode(), "base64": None}
    except UnicodeDecodeError:
        return {"text": None, "base64": base64.b64encode(document).decode()}
