"""The data set that the meter is given before a transaction, and what can be read back from it.

It is the only thing that the meter keeps of ours, so it carries our transaction id: behind a marker
at the end of the identification (OCMF field ID), the one field of free text. The meter completes
the set, signs it and gives it back. Source: manual section 6.5.7; names in the order given there,
no blanks between them.
"""

import json
import logging
from dataclasses import dataclass
from typing import Final

from meters.drivers.iskra_wm3m4 import layout
from meters.drivers.iskra_wm3m4.config import Config
from meters.errors import MeterRefused
from meters.model import BillingTransaction
from meters.ocmf import conformance

log = logging.getLogger(__name__)

MARKER: Final = "<=>"
MAX_ID: Final = 36
RELEASED: Final = "-"
"""Identification of the data set that stands in a meter whose record was released."""
_ENDS: Final = frozenset("ELRAPr")
_LONGEST_DATA: Final = 100  # bytes of identification data, and of the charge point
_SAFE: Final = str.maketrans('|\\"', " /'")


@dataclass(frozen=True, slots=True)
class Content:
    """What a data set or a record says: its identification, and why readings were taken."""

    identification: str
    causes: tuple[str, ...] = ()

    @property
    def owner(self) -> str | None:
        """The transaction id behind the marker; None if there is no marker."""
        _, marker, tail = self.identification.rpartition(MARKER)
        return tail.strip() if marker else None

    @property
    def complete(self) -> bool:
        """Whether there is an end reading."""
        return any(cause in _ENDS for cause in self.causes)


def build(config: Config, transaction: BillingTransaction) -> bytes:
    """The data set of a transaction.

    What does not fit is cut from the tariff text, with a warning; the id is never cut.

    Raises:
        MeterRefused: the transaction id cannot be carried, or the fixed texts are too long.
    """
    check_id(transaction.transaction_id)
    point = _cut("charge point", clean(transaction.charge_point))
    by_evse = config.ocmf_charge_point_identification_type == "EVSEID" and bool(point)
    who = transaction.identification
    data = _cut("identification data", clean(who.data))
    parts = [data] if by_evse else [data, point]
    tail = MARKER + transaction.transaction_id
    tariff = clean(transaction.tariff_text)

    def rendered(tariff: str) -> bytes:
        words = [part for part in (*parts, tariff, tail) if part]
        return _render(
            config,
            assigned=who.assigned,
            flags=tuple(flag for flag in who.flags if flag in conformance.FLAGS)[:4],
            kind=_kind(who.type),
            identification=" ".join(words),
            point=point if by_evse else clean(config.ocmf_charge_point_identification),
        )

    kept = tariff
    while kept and len(rendered(kept)) > layout.MOST_DATA_SET_BYTES:
        over = len(rendered(kept)) - layout.MOST_DATA_SET_BYTES
        kept = kept.encode()[: -max(over, 1)].decode(errors="ignore")
    if kept != tariff:
        log.warning("%d characters of the tariff text do not fit", len(tariff) - len(kept))
    return _fitting(rendered(kept))


def nameless(config: Config, transaction_id: str) -> bytes:
    """The data set for a transaction of which only the id is known, or not even that."""
    return _fitting(_render(config, identification=MARKER + transaction_id))


def released(config: Config) -> bytes:
    """The data set that says: no transaction, no record."""
    return _fitting(_render(config, identification=RELEASED))


def read(data: bytes) -> Content | None:
    """What a data set or the text of a record says; None if it is neither.

    Behind the text there may be what is left of an older, longer one.
    """
    text = data.decode(errors="replace")
    try:
        fields, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(fields, dict):
        return None
    readings = fields.get("RD")
    causes = tuple(
        str(one.get("TX", ""))
        for one in (readings if isinstance(readings, list) else [])
        if isinstance(one, dict)
    )
    return Content(str(fields.get("ID", "")), causes)


def size(data: bytes) -> int | None:
    """How many bytes a data set or text takes of what begins with it; None if none does."""
    try:
        _, end = json.JSONDecoder().raw_decode(data.decode("latin-1"))  # one character, one byte
    except (ValueError, RecursionError):
        return None
    return end if read(data) is not None else None


def check_id(transaction_id: str) -> None:
    """Refuse an id that would not come back from the meter unchanged.

    Raises:
        MeterRefused: empty, too long, or characters that the record cannot carry.
    """
    fits = 0 < len(transaction_id) <= MAX_ID and transaction_id.isascii()
    same = clean(transaction_id) == transaction_id and " " not in transaction_id
    if not (fits and same) or MARKER in transaction_id:
        raise MeterRefused(
            f"transaction id {transaction_id!r}: 1 to {MAX_ID} printable ASCII characters "
            f'without blanks, | " backslash and {MARKER} are allowed'
        )


def clean(text: str) -> str:
    """Free text that cannot break the record: whether the meter escapes anything is not known."""
    safe = "".join(" " if not character.isprintable() else character for character in text)
    return safe.translate(_SAFE).strip()


def _cut(name: str, text: str) -> str:
    kept = text.encode()[:_LONGEST_DATA].decode(errors="ignore")
    if kept != text:
        # Without the value: identification data may be a token.
        log.warning("%s of %d characters is cut to %d", name, len(text), len(kept))
    return kept


def _kind(named: str) -> str:
    """Field IT. A type that prescribes the form of the data would be a lie: ours has more in it."""
    free = named in conformance.TYPES and named not in conformance.ID_FORMS
    return named if free else "UNDEFINED"


def _render(
    config: Config,
    *,
    identification: str,
    assigned: bool = False,
    flags: tuple[str, ...] = (),
    kind: str = "UNDEFINED",
    point: str | None = None,
) -> bytes:
    if point is None:
        point = clean(config.ocmf_charge_point_identification)
    fields = {
        "FV": config.ocmf_format_version,
        "GI": clean(config.ocmf_gateway_identification),
        "GS": clean(config.ocmf_gateway_serial),
        "GV": clean(config.ocmf_gateway_version),
        **dict.fromkeys(("PG", "MV", "MM", "MS", "MF"), ""),
        "IS": assigned,
        "IF": list(flags),
        "IT": kind,
        "ID": identification,
        "CT": config.ocmf_charge_point_identification_type,
        "CI": point,
        "RD": [],
    }
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def _fitting(data: bytes) -> bytes:
    if len(data) > layout.MOST_DATA_SET_BYTES:
        raise MeterRefused(
            f"data set of {len(data)} bytes, {layout.MOST_DATA_SET_BYTES} fit: "
            "shorten the ocmf_ texts in the config"
        )
    return data
