"""What is written into the meter's text registers before a transaction."""

import logging
from typing import Final

from meters.drivers.bauer_bsm import layout
from meters.drivers.bauer_bsm.holding import Note
from meters.model import BillingTransaction

log = logging.getLogger(__name__)

_SAFE: Final = str.maketrans('|\\"', "//'")


def texts(transaction: BillingTransaction) -> tuple[int, ...]:
    """The first two text registers: who is served (OCMF field ID), and where (X2).

    The record has a fixed type of identification and neither level, flags nor tariff.
    """
    if transaction.tariff_text:
        log.info("the record of this meter has no place for a tariff text")
    return (
        *_words("identification data", transaction.identification.data, layout.META_1_WORDS),
        *_words("charge point", transaction.charge_point, layout.META_2_WORDS),
    )


def note_words(note: Note | None) -> tuple[int, ...]:
    """The third text register; None blanks it."""
    return layout.text_words(str(note or "").encode(), layout.META_3_WORDS)


def clean(text: str, limit: int) -> str:
    """Free text that cannot break the record, at most ``limit`` bytes, whole characters only.

    Whether the meter escapes anything when it writes JSON is not documented.
    """
    safe = "".join(" " if not character.isprintable() else character for character in text)
    return safe.translate(_SAFE).encode()[:limit].decode(errors="ignore")


def _words(name: str, text: str, count: int) -> tuple[int, ...]:
    kept = clean(text, 2 * count)
    if kept != text:
        # Without the value: identification data may be a token.
        log.warning("%s does not fit the record as it is (%d characters)", name, len(text))
    return layout.text_words(kept.encode(), count)
