"""What is written into a record, in the meter's words; and whose record it is.

The tariff text carries our transaction id behind a marker, because the meter gives it back after a
power cut and prints it into the signed record (OCMF field TT).
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Final

from meters.drivers.carlo_gavazzi_em580 import layout
from meters.errors import MeterRefused
from meters.model import BillingTransaction, Identification

MARKER: Final = "<=>"
MAX_ID: Final = 36
_TARIFF_BYTES: Final = 250  # OCMF 1.4 field TT; one less than the registers hold beside a NUL
_TEXT_BYTES: Final = 2 * layout.TEXT_WORDS - 1

LEVELS: Final = (
    "NONE", "HEARSAY", "TRUSTED", "VERIFIED", "CERTIFIED",
    "SECURE", "MISMATCH", "INVALID", "OUTDATED", "UNKNOWN",
)  # fmt: skip

# One register per family, in this order (OCMF 1.4 tables 5 to 8); values restart in each.
FLAGS: Final = (
    ("RFID_NONE", "RFID_PLAIN", "RFID_RELATED", "RFID_PSK"),
    ("OCPP_NONE", "OCPP_RS", "OCPP_AUTH", "OCPP_RS_TLS",
     "OCPP_AUTH_TLS", "OCPP_CACHE", "OCPP_WHITELIST", "OCPP_CERTIFIED"),
    ("ISO15118_NONE", "ISO15118_PNC"),
    ("PLMN_NONE", "PLMN_RING", "PLMN_SMS"),
)  # fmt: skip

UNDEFINED: Final = 2
TYPES: Final = {
    "NONE": 0, "DENIED": 1, "UNDEFINED": UNDEFINED,
    "ISO14443": 10, "ISO15693": 11, "EMAID": 20, "EVCCID": 21, "EVCOID": 30,
    "ISO7812": 40, "CARD_TXN_NR": 50, "CENTRAL": 60, "CENTRAL_1": 61, "CENTRAL_2": 62,
    "LOCAL": 70, "LOCAL_1": 71, "LOCAL_2": 72, "PHONE_NUMBER": 80, "KEY_CODE": 90,
}  # fmt: skip

_SHOWN: Final = 40  # characters of a tariff text that a complaint quotes

_SAFE: Final = str.maketrans('|\\"', "//'")

Field = tuple[str, int, tuple[int, ...]]


def text_words(text: str) -> tuple[int, ...]:
    """UTF-8, closed by one NUL, padded to whole words; the empty text is one zero word."""
    data = text.encode() + b"\0"
    data += b"\0" * (len(data) % 2)
    return struct.unpack(f">{len(data) // 2}H", data)


def clean(text: str, limit: int) -> str:
    """Free text that cannot break the record, at most ``limit`` bytes, whole characters only.

    The record is text between pipes that holds JSON, and whether the meter escapes anything is not
    documented: control characters become blanks, ``|`` and the backslash a slash, double quotes
    single ones.
    """
    safe = "".join(" " if not character.isprintable() else character for character in text)
    safe = safe.translate(_SAFE)
    return safe.encode()[:limit].decode(errors="ignore")


def tariff_text(tariff: str, transaction_id: str) -> str:
    """Tariff, marker, id. What does not fit is cut from the tariff, never from the id."""
    return clean(tariff, tariff_limit(transaction_id)) + MARKER + transaction_id


def tariff_limit(transaction_id: str) -> int:
    """How many bytes of tariff text fit beside the id: 211 with a UUID."""
    return _TARIFF_BYTES - len(MARKER + transaction_id)


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


def fields(transaction: BillingTransaction) -> tuple[Field, ...]:
    """What to write before the begin command: name of the field, address, words.

    Raises:
        MeterRefused: the transaction id cannot be carried.
    """
    check_id(transaction.transaction_id)
    who = transaction.identification
    return (
        ("identification status", layout.STATUS, (int(who.assigned),)),
        ("identification level", layout.LEVEL, (level_word(who),)),
        ("identification flags", layout.FLAGS, flag_words(who.flags)),
        ("identification type", layout.TYPE, (type_word(who),)),
        ("identification data", layout.DATA, text_words(clean(who.data, _TEXT_BYTES))),
        ("charge point type", layout.CHARGE_POINT_TYPE, (0,)),  # EVSEID
        (
            "charge point",
            layout.CHARGE_POINT,
            text_words(clean(transaction.charge_point, _TEXT_BYTES)),
        ),
        (
            "tariff text",
            layout.TARIFF,
            text_words(tariff_text(transaction.tariff_text, transaction.transaction_id)),
        ),
        ("session modality", layout.MODALITY, (0,)),  # a vehicle charges
    )


def losses(transaction: BillingTransaction) -> tuple[str, ...]:
    """What the record will not say as it was asked for, a sentence each: cut, replaced, unknown.

    To be told before the begin: afterwards it is signed. Never shows identification data, which
    may be a token.
    """
    who = transaction.identification
    limit = tariff_limit(transaction.transaction_id)
    return (
        *_unknown(who),
        *_lost("identification data", who.data, _TEXT_BYTES, quote=False),
        *_lost("charge point", transaction.charge_point, _TEXT_BYTES, quote=True),
        *_lost("tariff text", transaction.tariff_text, limit, quote=True),
    )


def level_word(who: Identification) -> int:
    """The register value of OCMF field IL; an unknown word is NONE."""
    return LEVELS.index(who.level) if who.level in LEVELS else 0


def type_word(who: Identification) -> int:
    """The register value of OCMF field IT; an unknown word is UNDEFINED."""
    return TYPES.get(who.type or "NONE", UNDEFINED)


def flag_words(flags: Sequence[str]) -> tuple[int, ...]:
    """The four flag registers: each flag in the one of its family, zero where there is none.

    Of two flags of one family the first counts; unknown ones are left out.
    """
    words = [0] * len(FLAGS)
    for flag in flags:
        for family, names in enumerate(FLAGS):
            if flag in names and not words[family]:
                words[family] = names.index(flag)
    return tuple(words)


def _unknown(who: Identification) -> Iterator[str]:
    if who.level not in {*LEVELS, ""}:
        yield f"identification level {who.level!r} is none of OCMF; NONE is written"
    if who.type not in {*TYPES, ""}:
        yield f"identification type {who.type!r} is none of OCMF; UNDEFINED is written"
    written = {
        names[word] for names, word in zip(FLAGS, flag_words(who.flags), strict=True) if word
    }
    for flag in who.flags:
        if flag not in written and not flag.endswith("_NONE"):
            yield f"identification flag {flag!r} is not written: unknown, or second of its kind"


def _lost(name: str, text: str, limit: int, *, quote: bool) -> Iterator[str]:
    safe = clean(text, len(text.encode(errors="replace")))
    kept = clean(text, limit)
    replaced = sum(mine != theirs for mine, theirs in zip(text, safe, strict=True))
    if replaced:
        yield f"{name}: {replaced} characters that could break the record are replaced"
    if kept != safe:
        size, cut = len(safe.encode()), safe[len(kept) :]
        lost = f", lost is {cut[:_SHOWN]!r}{'...' if len(cut) > _SHOWN else ''}" if quote else ""
        yield (
            f"{name}: {size} bytes, {limit} fit; the last {size - len(kept.encode())} are cut{lost}"
        )
