"""The readings of a record: fields inherited, times and values typed, originals kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation

from meters.ocmf.syntax import Value

BEGIN = "B"
ENDS = frozenset("ELRAP")

EXACT = Context(prec=200, traps=[Inexact, InvalidOperation])
"""Arithmetic that rather fails than rounds; the reader's limits on numbers keep it from failing."""

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[,.](\d{1,6}))?([+-])(\d\d):?(\d\d)(?: ([A-Z]))?"
)
_VALUE = re.compile(r"[-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,2})?", re.ASCII)
_MOST_PLACES = 60
_TO_WH = {"Wh": 0, "kWh": 3, "MWh": 6}
_INHERITED = ("TM", "TX", "RI", "RU", "RT", "EF", "ST")


@dataclass(frozen=True, slots=True)
class RegisterReading:
    """One register at one moment, as OCMF 1.4 section RD defines it.

    ``time`` is None if the text is no time; ``clock`` is the letter after it (U, I, S or R).
    ``cause`` is TX, empty in a fiscal reading. ``value`` is exact with all its places, None if it
    is no number; ``value_text`` is what stood there. ``register`` is RI, ``unit`` RU, ``current``
    AC or DC, ``errors`` the letters of EF, ``state`` ST, ``loss`` CL. Absent text fields are empty.
    """

    index: int
    time: datetime | None
    time_text: str
    clock: str
    cause: str
    value: Decimal | None
    value_text: str
    register: str
    unit: str
    current: str
    errors: str
    state: str
    loss: Decimal | None

    @property
    def energy_wh(self) -> Decimal | None:
        """The value in Wh; None if the unit is none of energy."""
        shift = _TO_WH.get(self.unit)
        if shift is None or self.value is None:
            return None
        return self.value.scaleb(shift, EXACT)

    @property
    def ends(self) -> bool:
        """Whether the transaction ends with this reading."""
        return self.cause in ENDS


def expand(payload: Mapping[str, Value]) -> tuple[RegisterReading, ...]:
    """All readings of field RD, each complete.

    A field left out has the value of the reading before. RI and RU go together: one without the
    other is not completed. CL is never carried on, because it starts anew at each begin.
    """
    entries = payload.get("RD")
    found: list[RegisterReading] = []
    carried: dict[str, Value] = {}
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        if not isinstance(entry, dict):
            continue
        if ("RI" in entry) != ("RU" in entry):
            carried = {name: carried[name] for name in carried if name not in {"RI", "RU"}}
        carried |= {name: entry[name] for name in _INHERITED if name in entry}
        found.append(_reading(index, {**entry, **carried}))
    return tuple(found)


def read_time(text: str) -> tuple[datetime | None, str]:
    """Time with its offset, and the clock letter; (None, "") if the text is no time."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None, ""
    *date, fraction, sign, hours, minutes, clock = match.groups()
    offset = timedelta(hours=int(hours), minutes=int(minutes))
    try:
        zone = timezone(-offset if sign == "-" else offset)
        year, month, day, hour, minute, second = map(int, date)
        micro = int((fraction or "0").ljust(6, "0"))
        return datetime(year, month, day, hour, minute, second, micro, zone), clock or ""
    except ValueError:
        return None, ""


def read_value(value: Value) -> Decimal | None:
    """A number, or a number written as text (Isabellenhuette, DZG), exactly; else None."""
    if isinstance(value, Decimal):
        return value
    if not isinstance(value, str) or not _VALUE.fullmatch(value.strip()):
        return None
    number = Decimal(value.strip())
    return number if abs(number.adjusted()) <= _MOST_PLACES else None


def _reading(index: int, entry: Mapping[str, Value]) -> RegisterReading:
    def text(name: str) -> str:
        value = entry.get(name)
        return value if isinstance(value, str) else ""

    time, clock = read_time(text("TM"))
    raw = entry.get("RV")
    return RegisterReading(
        index=index,
        time=time,
        time_text=text("TM"),
        clock=clock,
        cause=text("TX"),
        value=read_value(raw),
        value_text="" if raw is None else str(raw),
        register=text("RI"),
        unit=text("RU"),
        current=text("RT"),
        errors=text("EF"),
        state=text("ST"),
        loss=read_value(entry.get("CL")),
    )
