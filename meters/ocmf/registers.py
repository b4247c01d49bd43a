"""Which register of a record is billed, and how much it says (OCMF 1.4 table 25).

Codes are compared in one canonical form, because devices spell one register in many ways:
``1-b:1.8.0``, ``1-0:1.8.0*255``, ``01-00:01.08.00.FF``, ``0100010800FF``.

Why a choice is needed: a record may hold the energy at the meter and the energy at the vehicle
(cable loss subtracted), each as a running total and as the energy of this transaction. The
vehicle's side is what the customer pays; the two sides are never mixed.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import NamedTuple

from meters.ocmf.readings import BEGIN, EXACT, RegisterReading
from meters.ocmf.syntax import Deviation


class Obis(NamedTuple):
    """A register code by its six fields, numbers."""

    a: int
    b: int
    c: int
    d: int
    e: int
    f: int


@dataclass(frozen=True, slots=True)
class Span:
    """Begin and end on the register that is billed; None where the record holds none."""

    begin: RegisterReading | None = None
    end: RegisterReading | None = None
    deviations: tuple[Deviation, ...] = ()

    @property
    def energy_wh(self) -> Decimal | None:
        """End less begin in Wh; None unless both are there and are energies."""
        if self.begin is None or self.end is None:
            return None
        first, last = self.begin.energy_wh, self.end.energy_wh
        return None if first is None or last is None else EXACT.subtract(last, first)


PREFERENCE = (
    frozenset({0xB3, 0x98}),  # import of this transaction at the vehicle
    frozenset({0xB1}),  # import, total, at the vehicle
    frozenset({0xB2}),  # import of this transaction at the meter
    frozenset({0xB0, 0x01}),  # import, total, at the meter
    frozenset({0xC3}),  # the same four for export
    frozenset({0xC1}),
    frozenset({0xC2}),
    frozenset({0xC0, 0x02}),
)
"""Field C of the registers that may be billed, the first that a record holds wins."""

OF_THIS_TRANSACTION = PREFERENCE[0] | PREFERENCE[2] | PREFERENCE[4] | PREFERENCE[6]
"""Field C of the registers that begin at 0 with each transaction."""

_RUNNING_TOTAL = 8
_ANY = 0xFF
_FIELDS = 6
_SEPARATOR = re.compile(r"[-:.*&]")
_COMPACT = re.compile(r"[0-9A-Fa-f]{12}")


@lru_cache(maxsize=256)
def obis(text: str) -> Obis | None:
    """The canonical form of a register code; None if the text is no code.

    Two digits are hexadecimal, one or three are decimal, the placeholders ``b`` and ``e`` that
    devices print literally are 0, a missing last field is FF.
    """
    text = text.strip()
    parts = list(re.findall("..", text)) if _COMPACT.fullmatch(text) else _SEPARATOR.split(text)
    if len(parts) == _FIELDS - 1:
        parts.append("FF")
    if len(parts) != _FIELDS:
        return None
    try:
        return Obis(*(_field(part) for part in parts))
    except ValueError:
        return None


def _field(part: str) -> int:
    if part in {"b", "e"}:
        return 0
    if not part.isascii() or not part.isalnum():
        raise ValueError(part)
    return int(part, 16 if len(part) == 2 else 10)  # noqa: PLR2004 - two digits are hexadecimal


def is_energy_of_vehicle(code: Obis) -> bool:
    """Whether the register may be billed: active energy at the charging point."""
    return code.a == 1 and code.d == _RUNNING_TOTAL and any(code.c in some for some in PREFERENCE)


def is_import_total(register: str) -> bool:
    """Whether this is the meter's own register of all energy ever imported, tariffs together."""
    code = obis(register)
    return (
        code is not None
        and code.a == 1
        and code.c in PREFERENCE[3]
        and code.d == _RUNNING_TOTAL
        and code.e == 0
    )


def billing_span(readings: Sequence[RegisterReading]) -> Span:
    """Choose the register to bill and its begin and end."""
    spans = [_span(own) for own in _billable(readings)]
    usable = [span for span in spans if span.begin or span.end]
    complete = [span for span in usable if span.begin and span.end]
    chosen = next(iter(complete or usable), Span())
    if chosen.begin is None or chosen.end is None:
        return chosen
    return Span(chosen.begin, chosen.end, tuple(_contradictions(chosen, complete)))


def _billable(readings: Sequence[RegisterReading]) -> list[list[RegisterReading]]:
    """Readings by register, in order of preference; one without tariff before one with.

    Spellings of one register go together. A record may name thousands, so each is looked at once.
    """
    found: dict[Obis, list[RegisterReading]] = {}
    for reading in readings:
        code = obis(reading.register)
        if code is not None and is_energy_of_vehicle(code):
            found.setdefault(code, []).append(reading)
    return [found[code] for code in sorted(found, key=lambda code: (_rank(code), code.e))]


def _rank(code: Obis) -> int:
    return next(place for place, some in enumerate(PREFERENCE) if code.c in some)


def _span(readings: Sequence[RegisterReading]) -> Span:
    """First begin and last end of one register."""
    own = [one for one in readings if one.energy_wh is not None]
    begin = next((one for one in own if one.cause == BEGIN), None)
    end = next((one for one in reversed(own) if one.ends), None)
    return Span(begin, end)


def _contradictions(chosen: Span, others: Sequence[Span]) -> list[Deviation]:
    """Total and transaction register of one side must tell the same energy."""
    found = []
    for other in others:
        if _side(other) == _side(chosen) and other.energy_wh != chosen.energy_wh:
            name = other.end.register if other.end else ""
            sentence = f"Register {name} tells another energy than the one that is billed."
            found.append(Deviation("registers-differ", sentence, "RD"))
    return found


def _side(span: Span) -> tuple[int, int]:
    """Direction, side of the cable and tariff of a register; equal values are comparable."""
    code = obis(span.end.register) if span.end else None
    if code is None:
        return -1, 0
    return _rank(code) // 2, code.e
