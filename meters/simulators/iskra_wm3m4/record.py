"""The text that the meter signs: the data set that it was given, completed.

Its keys stay in the order of the data set; the meter fills in who it is, the page and the readings.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Final

from meters.simulators.iskra_wm3m4.settings import Settings

ORDER: Final = (
    *("FV", "GI", "GS", "GV", "PG", "MV", "MM", "MS", "MF"),
    *("IS", "IF", "IT", "ID", "CT", "CI", "RD"),
)
_OPTIONAL: Final = frozenset({"GV", "IF", "IL"})
MARKER: Final = "<=>"


@dataclass(frozen=True, slots=True)
class Taken:
    """A reading for a record: why, the imported energy, and the meter's clock."""

    cause: str
    import_wh: Decimal
    at: datetime
    offset_min: int
    synchronised: bool


def fields_of(data: bytes) -> dict[str, object] | None:
    """The data set; None if it has not the form that the meter wants."""
    try:
        text = data.decode()
        fields = json.loads(text)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    names = [name for name in ORDER if name in fields or name not in _OPTIONAL]
    compact = json.dumps(fields, separators=(",", ":"), ensure_ascii=False)
    ordered = list(fields) == names and compact == text
    return fields if ordered and fields.get("RD") == [] else None


def transaction_id(data: bytes) -> str:
    """What stands behind the marker in the identification; empty if there is none."""
    fields = fields_of(data)
    _, marker, tail = str((fields or {}).get("ID", "")).rpartition(MARKER)
    return tail if marker else ""


def text(settings: Settings, fields: dict[str, object], page: int, taken: list[Taken]) -> bytes:
    """What is signed."""
    meter = {
        "PG": f"T{page}",
        "MV": "Iskra",
        "MM": settings.model,
        "MS": settings.serial_number,
        "MF": settings.firmware,
    }
    readings = ",".join(_reading(settings, one) for one in taken)
    members = [
        f"{json.dumps(name)}:"
        + (
            f"[{readings}]"
            if name == "RD"
            else json.dumps(meter.get(name, value), separators=(",", ":"), ensure_ascii=False)
        )
        for name, value in fields.items()
    ]
    return ("{" + ",".join(members) + "}").encode()


def _reading(settings: Settings, taken: Taken) -> str:
    step = Decimal(1).scaleb(-settings.record_places)
    kwh = taken.import_wh.scaleb(-3).quantize(step, ROUND_DOWN)
    local = taken.at + timedelta(minutes=taken.offset_min)
    hours, minutes = divmod(abs(taken.offset_min), 60)
    sign = "-" if taken.offset_min < 0 else "+"
    letter = "S" if taken.synchronised else "U"
    return (
        f'{{"TM":"{local:%Y-%m-%dT%H:%M:%S},000{sign}{hours:02}{minutes:02} {letter}",'
        f'"TX":"{taken.cause}","RV":{kwh:f},"RI":"1-b:1.8.0","RU":"kWh","RT":"AC",'
        f'"EF":"{settings.error_flags}","ST":"G"}}'
    )


def padded(signature: bytes) -> bytes:
    """The signature with one more zero in front of each number, as some firmware writes it."""
    first = signature[4 : 4 + signature[3]]
    second = signature[6 + len(first) :]
    numbers = b"".join(bytes((2, len(one) + 1, 0)) + one for one in (first, second))
    return bytes((0x30, len(numbers))) + numbers
