"""The OCMF record as an EM580 writes it, byte for byte."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from meters import ocmf
from meters.ocmf.build import Content
from meters.simulators.em580 import layout
from meters.simulators.em580.keys import SigningKey
from meters.simulators.em580.memory import Moment, Session, Taken
from meters.simulators.em580.settings import Em580Settings

_FILLER: Final = "XP"
_ATTEMPTS: Final = 64


def payload(settings: Em580Settings, session: Session, page: int, *, filler: str = "") -> bytes:
    """The signed part: begin, and the end as far as there is one.

    Raises:
        OcmfError: a field holds what must not stand in a record, such as the separator.
    """
    measure, communication = (_version(word) for word in settings.firmware)
    firmware = f"M_{measure}-C_{communication}"
    readings = [session.begin] if session.end is None else [session.begin, session.end]
    content: dict[str, Content] = {
        "FV": "1.2",
        "GI": f"{settings.vendor}-{settings.model}",
        "GS": settings.serial_number,
        "GV": firmware,
        "PG": f"T{page}",
        "MV": settings.vendor,
        "MM": settings.model,
        "MS": settings.serial_number,
        "MF": firmware,
        **_user(session.words),
        "CT": layout.POINT_TYPES[session.words.get(layout.POINT_TYPE, 0)],
        "CI": layout.text_at(session.words, layout.POINT, layout.TEXT_WORDS),
        "LC": {"LN": "CABLE_LOSS", "LI": 99, "LR": 0, "LU": "mOhm"},
        "RD": [_reading(taken) for taken in readings],
    }
    if filler:
        content[_FILLER] = filler
    return ocmf.build(content, style=ocmf.EM580)


def signed(settings: Em580Settings, session: Session, page: int, key: SigningKey) -> bytes:
    """The finished record; filled up to ``record_size`` with a field of the vendor's own.

    Raises:
        OcmfError: as for ``payload``.
    """
    record = ocmf.sign(payload(settings, session, page), key.private, key.algorithm)
    wanted = settings.record_size
    if wanted is None or len(record) >= wanted:
        return record
    # A signature in DER is a few bytes shorter or longer depending on what is signed, so the right
    # length is found by trying.
    length = max(1, wanted - len(record) - len(f',"{_FILLER}":""'))
    for attempt in range(_ATTEMPTS):
        filler = f"{attempt:02}".ljust(length, "x")[-length:]
        text = payload(settings, session, page, filler=filler)
        record = ocmf.sign(text, key.private, key.algorithm)
        if len(record) == wanted:
            break
        length = max(1, length + wanted - len(record))
    return record


def transaction_id(words: Mapping[int, int]) -> str:
    """What stands behind the last marker in the tariff text; empty if there is no marker."""
    tariff = layout.text_at(words, layout.TARIFF, layout.TARIFF_WORDS)
    _, marker, tail = tariff.rpartition(layout.MARKER)
    return tail.strip() if marker else ""


def _version(word: int) -> str:
    return f"{word >> 12}.{word >> 8 & 0xF}.{word & 0xFF}"


def _user(words: Mapping[int, int]) -> dict[str, Content]:
    flags = [
        family[words.get(layout.FLAGS + place, 0)]
        for place, family in enumerate(layout.FAMILIES)
        if words.get(layout.FLAGS + place, 0)
    ]
    return {
        "IS": bool(words.get(layout.STATUS, 0)),
        "IL": layout.LEVELS[words.get(layout.LEVEL, 0)],
        "IF": flags,
        "IT": layout.TYPES[words.get(layout.TYPE, 0)],
        "ID": layout.text_at(words, layout.DATA, layout.TEXT_WORDS),
        "TT": layout.text_at(words, layout.TARIFF, layout.TARIFF_WORDS),
    }


def _reading(taken: Taken) -> dict[str, Content]:
    return {
        "TM": _time(taken.moment),
        "TX": taken.reason,
        "RV": Decimal(taken.import_wh).scaleb(-3),
        "RI": "1-b:1.8.0",
        "RU": "kWh",
        "RT": "AC",
        "RM": "",
        "ST": "G",
    }


def _time(moment: Moment) -> str:
    """Local time with its offset; the offset register goes up to a whole day, timezone does not."""
    local = moment.at + timedelta(minutes=moment.offset_min)
    hours, minutes = divmod(abs(moment.offset_min), 60)
    sign = "-" if moment.offset_min < 0 else "+"
    letter = "S" if moment.synchronised else "U"
    return f"{local:%Y-%m-%dT%H:%M:%S},000{sign}{hours:02}{minutes:02} {letter}"
